/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the figures: the rings and the store. */
#ifndef STOCKD_ENGINE_FIGURES_FIGURES_INSIDE_H
#define STOCKD_ENGINE_FIGURES_FIGURES_INSIDE_H

#include <stdatomic.h>

#include "engine/figures/figures.h"

/* A fact in the store. Cells of one hash are chained. */
struct cell {
    uint32_t item;
    uint16_t location, channel;
    uint32_t when; /* hour << 8 | measure */
    uint32_t next; /* cell number + 1; 0: the last */
    uint32_t units, count;
};

_Static_assert(sizeof(struct cell) == 24, "docs/FIGURES.md counts with it");

enum {
    CHUNK_CELLS = 512,
    DAYS_ROOM = FIGURES_DAYS + 4, /* days that are being given up are still there */
    FREE_LEAST = 8,               /* chunks: two are needed at a time, and four to lose detail */
};

/* Chunks of cells, in the order of filling; all but the last are full. */
struct cell_list {
    uint32_t first, last; /* chunk number + 1; 0: none */
    uint32_t used;        /* cells in the last one */
};

enum { LIST_DETAIL, LIST_COARSE, LISTS };

struct figures_day {
    uint32_t day; /* since 1970 */
    struct cell_list lists[LISTS];
};

struct store {
    struct cell *cells;
    uint32_t *heads;      /* per hash: cell number + 1 */
    uint32_t *chunk_next; /* chunk number + 1, in a list or among the free ones */
    uint32_t head_count;  /* a power of two */
    uint32_t chunk_count;
    uint32_t chunks_touched;         /* those below were used once */
    uint32_t free_first, free_count; /* free_count: also those never touched */
    uint32_t coarse_chunks;
    uint64_t removals; /* of chunks */
    uint64_t facts;
    struct figures_extent extent;
    uint32_t day_count;
    struct figures_day days[DAYS_ROOM]; /* ascending */
};

struct fact_ring {
    struct fact *facts;
    /* Units noted, by measure and channel. Its context's thread writes, any reads: relaxed, a
     * metric. */
    _Atomic uint64_t *units;
    _Alignas(64) _Atomic uint64_t head; /* G1 */
    _Alignas(64) _Atomic uint64_t tail; /* G1 */
};

struct figures {
    unsigned context_count;
    struct fact_ring rings[CONTEXTS_MAX + 1]; /* the last one: FIGURES_CROSSINGS */
    _Alignas(64) _Atomic bool held;           /* G2 */
    struct store store;                       /* G2 */
    bool crossings_kept_back;                 /* G2, G4 */
    /* Metrics: the holder writes, any thread reads; relaxed, because each stands alone. */
    _Atomic uint64_t shown_facts;
    _Atomic uint32_t shown_detail_from, shown_whole_from;
};

/* 0 or -ENOMEM. */
int store_init(struct store *store, size_t memory);
void store_destroy(struct store *store);
void store_add(struct store *store, const struct fact *fact);
/* A hint: fetches where a fact's cell is to be found, stage 0, then that cell, stage 1. Of single
 * cells only: those are many. */
void store_prefetch(const struct store *store, const struct fact *fact, unsigned stage);
/* Makes some of the room that will be needed: call it after some facts were added. */
void store_tidy(struct store *store);

#endif
