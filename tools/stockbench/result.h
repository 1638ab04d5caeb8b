/* SPDX-License-Identifier: Apache-2.0 */
/* The results of one run. */
#ifndef TOOLS_STOCKBENCH_RESULT_H
#define TOOLS_STOCKBENCH_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/stockbench/histogram.h"
#include "tools/stockbench/workload.h"

enum { RESULT_CODES = 24 };

/* Replies with one error code; the last entry counts all codes without their own. */
struct refusals {
    char code[32];
    char message[160]; /* the first */
    uint64_t count;
};

/* Units before and after, and what the replies said about them: see check.h. */
struct check_result {
    bool done;
    bool good;
    int64_t on_hand_expected; /* changes over the run */
    int64_t on_hand_found;
    int64_t reserved_expected;
    int64_t reserved_found;
};

struct result {
    /* in the measured time */
    double seconds;
    uint64_t messages; /* replies; connections of `connect`, orders of `replay` */
    uint64_t bytes_out;
    uint64_t bytes_in;
    double cpu_seconds; /* of this program */
    struct histogram latency;

    /* open loop, in the measured time */
    uint64_t unsent;       /* due, but not sent when it ended */
    struct histogram slip; /* how late requests went out, by the generator's own fault */

    /* in the whole run, warm-up and draining included */
    uint64_t refused;           /* as the workload expects */
    uint64_t errors;            /* all other error replies */
    uint64_t moves;             /* of a connection to another node, or to the same one again */
    uint64_t resent;            /* requests sent again then, because they were not answered */
    uint64_t done[ASK_KINDS];   /* replies without an error */
    uint64_t units[ASK_KINDS];  /* moved by these */
    uint64_t denied[ASK_KINDS]; /* replies with an error */
    struct refusals refusals[RESULT_CODES];
    struct check_result check;
};

/* Counts an error reply [code, message, ...] to a request of that kind. may_refuse: the workload
 * expects to run out of stock. */
void result_note_error(struct result *result, enum ask kind, stockd_value error, bool may_refuse);

/* Adds the other's counts by code. */
void result_add_refusals(struct result *result, const struct result *other);

/* Whether the generator itself limited the measurement. */
bool result_limited(const struct result *result);

/* ns, monotonic. */
uint64_t result_now(void);

/* CPU time of this program. */
double result_cpu(void);

#endif
