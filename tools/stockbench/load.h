/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load: one thread, many connections, closed loop. Each connection keeps a window of requests
 * in flight; whenever replies have come, as many requests follow in one send. All messages of one
 * send share one time stamp, and so do all replies of one receive, so a latency is a message's way
 * from just before its request is written to just after its reply is read, its wait in both queues
 * included.
 */
#ifndef TOOLS_STOCKBENCH_LOAD_H
#define TOOLS_STOCKBENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/stockbench/histogram.h"
#include "tools/stockbench/options.h"

enum { LOAD_CODES = 16 };

/* Replies with one error code; the last place gathers what has no place of its own. */
struct refusals {
    char code[32];
    char message[160]; /* the first */
    uint64_t count;
};

/* What was seen in the measured time, errors in the whole run. */
struct load_result {
    double seconds;
    uint64_t messages;
    uint64_t bytes_out;
    uint64_t bytes_in;
    double cpu_seconds; /* of this program: near to seconds, and it was the bottleneck */
    uint64_t errors;
    struct refusals refusals[LOAD_CODES];
    struct histogram latency;
};

/* The connections are open and idle. False: it broke off, and why has been told. */
bool load_run(const struct options *options, stockd_client *const *clients,
              struct load_result *result);

#endif
