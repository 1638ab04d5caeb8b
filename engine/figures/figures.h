/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures for people: how much was sold, returned and so on, per hour, channel, location and item.
 *
 * A fact is a cell of those four and a number. Each context notes its facts in a ring of its own,
 * which costs an order some nanoseconds; whoever holds the store folds them into it, where facts of
 * one cell are one. Sums do not depend on their order, and times are those of records, so replay
 * leads to the same figures.
 *
 * The store has a fixed size. It keeps FIGURES_DAYS days. If it becomes too small for that, the
 * oldest days lose detail: an hour's units per channel and location, and a day's units per item,
 * stay. Once such coarse facts fill half of it, the oldest days are given up. `detail_from` and
 * `whole_from` say from which hour on detail, or all, is there.
 *
 * G1  A ring has one producer at a time, which alone writes `head`, with release: its context's
 *     thread, or of the ring of crossings, the holder of the watch. The holder of the store alone
 *     writes `tail`, with release. Each acquires the other's: the folder sees whole facts, and the
 *     producer overwrites none that was not read.
 * G2  One thread at a time holds the store: `held` is taken by exchange with acquire, and put with
 *     release. The holder alone reads and writes what is in struct store. Nobody on the path of an
 *     order waits for it: a context that finds it held folds later, and a ring without room defers
 *     fulfilments, returns and what tills sell.
 * G3  A fact is noted before the record of its change is published, so what reads all rings after
 *     it saw a durable LSN has the facts of all changes up to there.
 * G4  While crossings are kept back, their facts stay in their ring. So a report that has read the
 *     levels finds in the store what led to them, and nothing later.
 */
#ifndef STOCKD_ENGINE_FIGURES_FIGURES_H
#define STOCKD_ENGINE_FIGURES_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

/* What is counted. `count` of a fact is in parentheses. */
enum measure {
    MEASURE_NONE,
    MEASURE_SOLD,     /* units fulfilled (orders: those of which this cell had nothing before) */
    MEASURE_OVERLAP,  /* orders that are counted in several cells: (how many times too often, if one
                         does not tell apart what this fact does not name) */
    MEASURE_RETURNED, /* units (returns) */
    MEASURE_DAMAGED,  /* of those, units that cannot be sold (returns) */
    MEASURE_KEPT,     /* units handed over when promised, or before (lines) */
    MEASURE_LATE,     /* units handed over later (lines) */
    MEASURE_DELAY,    /* of those, seconds, summed over the lines (lines) */
    MEASURE_REFUSED,  /* units wanted of what was refused; no place (orders, as of what is sold) */
    MEASURE_MISSING,  /* of those, units that were missing (likewise) */
    MEASURE_REFUSED_OVERLAP, /* as MEASURE_OVERLAP, of what was refused */
    MEASURE_SOLD_OUT, /* milliseconds since the hour began, summed; no place (how often it was) */
    MEASURE_BACK_IN_STOCK, /* likewise */
    MEASURES,
};

#define FACT_NO_ITEM UINT32_MAX
#define FACT_NO_CODE UINT16_MAX

enum {
    FIGURES_DAYS = 62,
    FIGURES_LEAST = 4 << 20,     /* bytes of a store */
    FIGURES_RING = 1 << 17,      /* facts in a context's ring: 3 MiB, once they were used */
    FIGURES_FOLD_FROM = 1 << 12, /* facts in it, from which on its context folds them itself */
    FIGURES_FOLD_LEAST = 1 << 9, /* facts in one go; and of those beyond the first thousands */
    FIGURES_FOLD_SHARE = 8,      /* one in so many, so that it keeps up with large orders */
    FIGURES_HEADROOM = 12 << 10, /* facts: more than one step of an order notes */
    FIGURES_HOUR_MS = 3600 * 1000,
    FIGURES_HOURS_MAX = 1 << 24,      /* since 1970: the year 3883 */
    FIGURES_CROSSINGS = CONTEXTS_MAX, /* a ring beside those of contexts, for the same calls */
};

struct fact {
    uint32_t item;              /* its index; FACT_NO_ITEM: of all items */
    uint16_t location, channel; /* indexes; FACT_NO_CODE: of all, or of none */
    uint32_t hour;              /* since 1970; of a day: its first */
    uint32_t measure;           /* enum measure */
    uint32_t units, count;
};

struct figures;

/* memory: of the store. NULL: there is no address space. */
struct figures *figures_create(size_t memory, unsigned contexts);
void figures_destroy(struct figures *figures); /* NULL is fine */

static inline uint32_t figures_hour(uint64_t time_ms)
{
    uint64_t hour = time_ms / FIGURES_HOUR_MS;
    return hour < FIGURES_HOURS_MAX ? (uint32_t)hour : FIGURES_HOURS_MAX;
}

/* ---- a context ---- */

/* Is there room for what one operation may note? If not, it is deferred. NULL: figures are not
 * kept, there is. */
bool figures_have_room(const struct figures *figures, unsigned ctx);
/* Ignored if figures are not kept, or its hour is beyond FIGURES_HOURS_MAX. */
void figures_note(struct figures *figures, unsigned ctx, const struct fact *fact);
/* The units that all contexts have noted themselves, since the start: a metric. FACT_NO_CODE: of no
 * channel. Any thread. */
uint64_t figures_units(const struct figures *figures, enum measure measure, uint16_t channel);
/* Call now and then: folds some facts of this context, if there are many and nobody else holds the
 * store. */
void figures_tend(struct figures *figures, unsigned ctx);
/* The same for the one thread that replays, as context 0: makes room for a record. */
void figures_replaying(struct figures *figures);

/* ---- the store: by its holder only ---- */

bool figures_try_hold(struct figures *figures);
/* Waits for it: not on a thread that serves orders. */
void figures_hold(struct figures *figures);
void figures_put(struct figures *figures);

/* Folds all that is in the rings, but for crossings that are kept back. */
void figures_fold_all(struct figures *figures);
/* Until it is told otherwise: G4. Whoever has them kept back must not be long about it: crossings
 * are not recorded once their ring is full. */
void figures_keep_crossings_back(struct figures *figures, bool back);

/* From when on there is what; hours since 1970. */
struct figures_extent {
    uint32_t detail_from;    /* facts of single cells */
    uint32_t whole_from;     /* facts at all; 0: since the first */
    uint32_t crossings_from; /* facts of crossings, if that is later; 0: it is not */
};

struct figures_extent figures_extent(const struct figures *figures);

/* A walk over all facts, day by day, the oldest first. */
struct figures_walk {
    struct fact fact; /* the current one */
    bool coarse;      /* it stands for single cells of which detail is no longer there: the fact of
                         an hour has no item, that of a day, or of crossings, only an item */
    bool inside;
    uint32_t day, chunk, at, end; /* inside: of that day */
    uint64_t removals;            /* of the store, when it began */
};

void figures_walk_start(const struct figures *figures, struct figures_walk *walk);
/* Moves on to the next fact; false at the end. */
bool figures_walk_next(const struct figures *figures, struct figures_walk *walk);
/* After the store was put and held again: false if facts were removed, and the walk must start
 * anew. */
bool figures_walk_holds(const struct figures *figures, const struct figures_walk *walk);

/* Sets what a snapshot says, and adds what it holds. */
void figures_begin(struct figures *figures, const struct figures_extent *extent);
void figures_add(struct figures *figures, const struct fact *fact);

struct figures_metrics {
    uint64_t facts, facts_max;
    struct figures_extent extent;
};

/* Any thread: as the last holder left it. */
void figures_metrics(const struct figures *figures, struct figures_metrics *metrics);

#endif
