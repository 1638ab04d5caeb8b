/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generators for the peers share: options, results, and their report, with the same names
 * as stockbench's. The load is the same too: each connection keeps a window of
 * messages in flight; a reserve of one unit of an item is followed by its cancel.
 */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockbench/histogram.h"

enum { PEER_ID_BYTES = 32, PEER_SKU_BYTES = 16, PEER_MAX_CONNECTIONS = 1024 };

struct peer_options {
    const char *peer; /* "redis", "postgres" */
    const char *address;
    unsigned connections;
    unsigned window;
    uint32_t items;
    double seconds;
    double warmup;
};

struct peer_result {
    double seconds;
    uint64_t messages;
    uint64_t errors;
    double cpu_seconds;
    struct histogram latency;
};

/* One connection's walk: reserve, cancel, reserve, ... */
struct peer_script {
    uint64_t random;
    uint64_t serial;
    unsigned number; /* of the connection */
    bool cancel_next;
    char id[PEER_ID_BYTES];
    char sku[PEER_SKU_BYTES];
};

/* Exits with 2 and one line if an option is bad. */
void peer_parse(struct peer_options *options, const char *peer, int argc, char **argv);

void peer_script_start(struct peer_script *script, const struct peer_options *options,
                       unsigned number);

/* Advances to the next message: true for a reserve (new id, new sku), false for its cancel. */
bool peer_script_next(struct peer_script *script, const struct peer_options *options);

uint64_t peer_now(void); /* ns */
double peer_cpu(void);   /* s */

/* One JSON object on standard output. */
void peer_report(const struct peer_options *options, const struct peer_result *result);

/* One line on standard error, and exit code 3. */
_Noreturn void peer_die(const char *what, const char *why);

#endif
