/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one location has of one item: the shared pool, and the pools allotted to channels. People
 * count units there, not pools, so counts and adjustments look at all of them together.
 */
#ifndef STOCKD_ENGINE_OPS_PLACE_H
#define STOCKD_ENGINE_OPS_PLACE_H

#include "engine/log/record.h"
#include "engine/store/item.h"
#include "engine/txn/txn.h"

/* The shared pool, those of channels, and those of supplies of which something has come that was
 * promised. */
enum { PLACE_POOLS = 2 * CHANNELS_MAX };

struct place_pool {
    uint32_t unit;
    int32_t expected; /* units in its word that have not come yet */
    int64_t qty;      /* how many units place_take takes */
    uint64_t word;
};

/* One look at all pools of a location that have units which can be sold. */
struct place {
    int64_t on_hand;
    int64_t owed;       /* to be counted against that */
    uint32_t owed_unit; /* if something is */
    bool undecided;     /* one of them has an undecided take */
    bool stable;        /* no give came in between: the sum is that of one instant */
    bool crowded;       /* there are more pools than these */
    uint32_t count;     /* of pools; the shared one is first */
    struct place_pool pools[PLACE_POOLS];
};

void place_look(const struct items *items, uint32_t item, uint16_t location, struct place *place);

/* Marks up to qty available units of that owner's pool to be taken first. Returns how many. */
int64_t place_prefer(const struct items *items, struct place *place, uint16_t owner, int64_t qty);

/*
 * Posts takes of `missing` units, which must be on hand in the look: first available units, from
 * the shared pool before the allotted ones; only then promised ones. `as_counted`: each pool must
 * still have on hand what the look saw. Units that were marked are taken, too.
 */
void place_take(struct items *items, struct place *place, int64_t missing, bool as_counted,
                struct postings *postings);

/* Has that posted takes of what has come of supplies? They must be tentative: a pool that is empty
 * may have another supply at once (X3), whose record would come first. And once they are made: is
 * what they took still what had come (X1)? CODE_OK, or CODE_DEFERRED. */
bool place_takes_come(const struct ctx *ctx);
enum code place_check_come(struct ctx *ctx);

/* Sums on hand and available, less what is owed, pool by pool: not at one instant. */
void place_sum(const struct items *items, uint32_t item, uint16_t location, int64_t *on_hand,
               int64_t *available);

/* ---- giving to a pool that may not exist yet ---- */

/* The pool that units go to. If it does not exist, it is created once everything is taken, because
 * a refusal must leave none; until then it has room reserved in the pool table. */
struct target {
    struct pool_key key;
    struct pool *pool; /* NULL until it exists */
    bool has_room;     /* room in the table is reserved for it */
};

/* Finds the key's pool, if it exists. */
void target_find(struct items *items, struct target *to);
/* Posts qty units of that sku; or refuses: the pool, or the pool table, is full. */
enum code target_post(struct ctx *ctx, struct target *to, struct text sku, int64_t qty);
/* Once everything is taken: creates the pool that the posting gives to, unless it exists. */
enum code target_make(struct ctx *ctx, struct target *to, struct posting *give);
/* Call at the end, whatever the outcome. */
void target_end(struct ctx *ctx, const struct target *to);

#endif
