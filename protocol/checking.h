/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The method `check`: one live check of the ledger at a time, moved on in slices by the worker of
 * the connection that asked, between other requests. The connection stalls until it is done.
 */
#ifndef STOCKD_PROTOCOL_CHECKING_H
#define STOCKD_PROTOCOL_CHECKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/check/check.h"

/* What all workers share of checks. */
struct checks {
    _Atomic bool running; /* whose worker swaps it in: acquire; taken down with release */
    /* Of the last one that came to its end; relaxed, whose check is running. */
    _Atomic uint64_t done, ended_ms, took_ms, broken, moving;
};

/* A check under way for a connection; its worker only. */
struct checking {
    struct checks *checks;
    struct check *check;
    uint64_t began_ms; /* engine time */
    bool waits;        /* for other contexts: to be tried again a little later */
};

/* NULL: another one is running, or (*no_memory) there is no memory. */
struct checking *checking_start(struct checks *checks, struct ledger *ledger, uint64_t engine_ms,
                                bool *no_memory);
/* Before it is done, too: who asked has gone. NULL is nothing. */
void checking_end(struct checking *checking);

#endif
