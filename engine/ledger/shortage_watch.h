/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the watch for shortages (engine/ops/shortages.c). */
#ifndef STOCKD_ENGINE_LEDGER_SHORTAGE_WATCH_H
#define STOCKD_ENGINE_LEDGER_SHORTAGE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a pool. */
struct shortage {
    uint64_t since; /* LSN: what was promised from there on was told to be short; 0: nothing was */
    uint64_t until; /* LSN: nothing had been promised after that */
    uint64_t word;  /* of the pool, when this was last found to be so; 0: it was not yet */
    uint32_t covered; /* likewise: how often it had been covered */
};

/* A promise of a pool: a reservation, or a transfer that is held. */
struct promise {
    uint64_t lsn;
    uint32_t entry; /* its number */
    uint32_t qty;   /* units that are left of it */
};

/* A heap of promises. Once it is full, a promise that goes after the first one takes its place. */
struct promise_heap {
    struct promise *at;
    uint32_t count, room;
    bool latest_first; /* else the earliest */
};

enum {
    SHORTAGE_POOLS = 256,     /* at once */
    SHORTAGE_PROMISES = 8192, /* kept of them all */
    SHORTAGE_SLOTS = 1024,    /* of a hash of the pools: at most a quarter is used */
};

/* A pool that is being looked at. */
struct shortage_pool {
    uint32_t unit;
    uint32_t covered;           /* read before `word` */
    bool changed;               /* since `word` was read: it is looked at again later */
    bool turned;                /* the heaps' first promises are those to be told first */
    uint64_t word;              /* without an undecided take */
    int64_t found;              /* units promised, by a walk over all that promises */
    int64_t earlier;            /* of these: before `since` */
    int64_t later;              /* while it is told: units promised after the next promise */
    uint64_t latest;            /* LSN of the last promise */
    struct promise_heap untold; /* the latest ones before `since` */
    struct promise_heap told;   /* the earliest ones from `since` on */
    struct promise promise;     /* of the entry that is being looked at */
};

enum shortage_phase {
    SHORTAGES_GATHER, /* pools, of items that have changed */
    SHORTAGES_FIND,   /* what was promised of them */
    SHORTAGES_SETTLE, /* nothing has changed meanwhile, and all changes have claimed */
    SHORTAGES_TELL,
};

struct shortage_watch {
    /* Hints for contexts that do not hold the watch; its holder writes them, relaxed. */
    _Alignas(64) _Atomic uint64_t seen; /* LSN: all changes up to there were looked at */
    _Atomic uint64_t next_ms;           /* engine time before which nothing is to do */
    _Atomic bool unfinished;            /* more is to do, even if nothing changes */

    _Atomic bool busy; /* the watch is held: taken by exchange with acquire, given back by a store
                          with release. All that follows is its holder's; replay's, before */
    struct shortage *of_pools; /* per unit */
    enum shortage_phase phase;
    bool again;          /* something was in the middle of a change: the walk begins again */
    bool walking;        /* over the items that have changed since `seen` */
    uint64_t until;      /* LSN: up to where the walk meets all changes */
    uint32_t cursor;     /* of the walk */
    uint32_t item;       /* whose pools are not all looked at yet, + 1; 0: none */
    uint32_t pool_count; /* that are being looked at */
    uint32_t pool;       /* the one that is being told */
    uint16_t location;   /* of all of them, or ANY_PLACE */
    uint32_t slot;       /* of the id table, that is looked at next */
    uint64_t candidates; /* of its chunk: those that are left to look at */
    uint32_t touched_count;
    uint16_t touched[SHORTAGE_POOLS]; /* those that the entry has promises of */
    uint16_t numbers[SHORTAGE_SLOTS]; /* of the pools, + 1, by a hash of their units */
    struct shortage_pool pools[SHORTAGE_POOLS];
    struct promise promises[SHORTAGE_PROMISES];
};

#endif
