/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies at one location of one item: its shared pool, and the pools allotted to channels.
 * People count units there, not pools, so counts and adjustments look at all of them together.
 */
#ifndef STOCKD_ENGINE_OPS_PLACE_H
#define STOCKD_ENGINE_OPS_PLACE_H

#include "engine/log/record.h"
#include "engine/store/item.h"
#include "engine/txn/txn.h"

enum { PLACE_POOLS = CHANNELS_MAX + 1 };

struct place_pool {
    uint32_t unit;
    int64_t qty; /* that place_take takes */
    uint64_t word;
};

/* One look at all of a location's pools that can be sold. */
struct place {
    int64_t on_hand;
    bool undecided; /* somebody's take is undecided on one of them */
    bool stable;    /* no give came in between: the sum is the truth of one instant */
    uint32_t count; /* of pools, the shared one first */
    struct place_pool pools[PLACE_POOLS];
};

void place_look(const struct items *items, uint32_t item, uint16_t location, struct place *place);

/*
 * Posts the taking of so many units, which must be on hand in the look: first what nobody was
 * promised, from the shared pool before the allotted ones; only then what was promised.
 * `as_counted`: only if each pool is as it was in the look.
 */
void place_take(struct place *place, int64_t missing, bool as_counted, struct postings *postings);

/* On hand and available, as the pools say one after the other. */
void place_sum(const struct items *items, uint32_t item, uint16_t location, int64_t *on_hand,
               int64_t *available);

/* ---- giving to a pool that may not exist yet ---- */

/* Where units go to. A pool that does not exist is made once everything is taken, for a refusal
 * must leave none; until then it has its room in the table of pools. */
struct target {
    struct pool_key key;
    struct pool *pool; /* NULL as long as it does not exist */
    bool has_room;     /* in the table, for it */
};

/* Finds the pool of the key, if there is one. */
void target_find(const struct items *items, struct target *to);
/* Posts so many units of that sku; or a refusal: the pool, or the table of pools, is full. */
enum code target_post(struct ctx *ctx, struct target *to, struct text sku, int64_t qty);
/* Everything is taken: makes the pool that the posting gives to, unless it is there. */
enum code target_make(struct ctx *ctx, struct target *to, struct posting *give);
/* At the end, whatever came of it. */
void target_end(struct ctx *ctx, const struct target *to);

#endif
