/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the watch for crossings (engine/ops/crossings.c). */
#ifndef STOCKD_ENGINE_LEDGER_CROSSING_WATCH_H
#define STOCKD_ENGINE_LEDGER_CROSSING_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/log/record.h"
#include "engine/store/levels.h"

/* A walk over items: those whose version is above since. */
struct crossing_walk {
    bool on;
    uint32_t cursor;
    uint64_t since, until;
};

enum { CROSSING_AGAIN = 256, CROSSING_QUIET = 1024 };

struct crossing_watch {
    /* Hints for contexts that do not hold the watch; its holder writes them, relaxed. */
    _Alignas(64) _Atomic uint64_t seen; /* LSN: all changes up to there were looked at */
    _Atomic uint64_t next_ms;           /* engine time before which nothing is to do */
    _Atomic uint64_t told;   /* LSN: of all changes up to there, crossings are recorded */
    _Atomic bool unfinished; /* more is to do, even if nothing changes */

    _Atomic bool busy; /* the watch is held: taken by exchange with acquire, given back by a store
                          with release. All that follows is its holder's */
    struct levels levels;
    struct crossing_walk changed; /* over items that have changed */
    struct crossing_walk all;     /* over all, after a change of the catalogue */
    uint64_t catalogue_lsn;       /* of the last one that such a walk was begun for */
    uint64_t kept;                /* LSN: of what is to be looked at again, the changes are later;
                                     UINT64_MAX: nothing is */
    uint64_t cheap_ms;            /* engine time of the last cheap walk */
    uint64_t cheap_work;          /* of all cheap walks of that time */
    uint32_t again_count, quiet_count;
    uint32_t again[CROSSING_AGAIN];            /* items that were in the middle of a change */
    struct level_record quiet[CROSSING_QUIET]; /* to be recorded: levels that tell nothing */
};

#endif
