/* SPDX-License-Identifier: Apache-2.0 */
/* One line on standard error during a run, if that is a terminal. */
#ifndef TOOLS_STOCKBENCH_PROGRESS_H
#define TOOLS_STOCKBENCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool on;
    size_t run;
    size_t runs;
    uint64_t last_time; /* ns */
    uint64_t last_messages;
};

void progress_begin(struct progress *progress, size_t run, size_t runs);

/* Cheap; updates four times a second. messages: the total so far. */
void progress_tick(struct progress *progress, const char *phase, uint64_t messages, uint64_t now);

/* Erases the line. */
void progress_end(struct progress *progress);

#endif
