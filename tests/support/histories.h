/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a property test spends its time: on random histories, one for each seed, for some seconds.
 * The seeds follow each other from one that the clock gives; --seed N runs the history of that seed
 * alone, and --seconds S takes another time.
 */
#ifndef STOCKD_TESTS_SUPPORT_HISTORIES_H
#define STOCKD_TESTS_SUPPORT_HISTORIES_H

#include <stdbool.h>
#include <stdint.h>

/* An option of the test's own: a number from 0 to most, or, if most is 0, a flag. */
struct histories_option {
    const char *name; /* NULL ends a list */
    int most;
    int *value;
};

enum { HISTORIES_OPTIONS_MAX = 4 };

struct histories {
    uint64_t seed; /* of the history that runs: a failure prints it */
    uint64_t runs;
    uint64_t least; /* so many run, however long it takes; the caller may raise it */
    bool one;
    int64_t end_ms;
};

/* own: NULL, if the test has no options but those. False: the arguments are wrong, and have been
 * told. */
bool histories_begin(struct histories *histories, int argc, char **argv, int seconds,
                     const struct histories_option *own);

/* True: run the history of histories->seed. */
bool histories_next(struct histories *histories);

/* Tells how many there were. */
void histories_end(const struct histories *histories);

#endif
