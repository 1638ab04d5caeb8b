/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The method `check`: one live check of the ledger at a time. The worker of the connection that
 * asked runs it in slices between other requests; the connection stalls until it is done.
 */
#ifndef STOCKD_PROTOCOL_CHECKING_H
#define STOCKD_PROTOCOL_CHECKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/check/check.h"

/* The state of checks that all workers share. */
struct checks {
    _Atomic bool running; /* set by exchange with acquire, cleared with release */
    /* Of the last check that finished; relaxed, written by the worker whose check is running. */
    _Atomic uint64_t done, ended_ms, took_ms, broken, moving;
};

/* A check that a connection has under way; its worker only. */
struct checking {
    struct checks *checks;
    struct check *check;
    uint64_t began_ms; /* engine time */
    bool waits;        /* for other contexts: try again a little later */
};

/* NULL: another check is running, or (*no_memory) there is no memory. */
struct checking *checking_start(struct checks *checks, struct ledger *ledger, uint64_t engine_ms,
                                bool *no_memory);
/* May come before the check is done, if the connection has gone. NULL is ignored. */
void checking_end(struct checking *checking);

#endif
