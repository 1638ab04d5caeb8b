/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units that are to stand in: what is free at a place where promises are short of units that never
 * came belongs to these promises, before a sweep (ops/sweep.h) has moved it to them.
 *
 * A promise that is short is one of a pool of expected units. What comes to its place goes to the
 * shared pool there, and what somebody cancels of another supply stays in that one's pool: so for a
 * moment either is free. (A shared pool that is short itself needs no such rule: what it gets makes
 * it less short, and nothing of it is available until it is not.)
 *
 *   C1  an order, a transfer and an allotment leave so many free units in a shared pool as the
 *       pools of expected units at its place lack; and where anything is short, what has come of a
 *       supply and is free
 *   C2  whoever takes of an item that may be short takes tentatively, and then looks again: its
 *       take stands only if C1 holds after it
 *   C3  whoever leaves a pool of expected units short takes tentatively, and then looks: its take
 *       stands only if nothing is free in the shared pool at that place, nor undecided
 */
#ifndef STOCKD_ENGINE_SOURCING_SHORT_PLACES_H
#define STOCKD_ENGINE_SOURCING_SHORT_PLACES_H

#include "engine/ledger/ctx.h"

enum { SHORT_PLACES = 16 };

struct short_place {
    uint16_t location;
    int64_t lacking; /* units, in its pools of expected units; 0: only its shared pool is short */
};

/* The places where an item is short. */
struct short_places {
    const struct items *items;
    uint32_t item;
    uint32_t count;
    bool more;      /* there are others: those are looked up one by one */
    bool undecided; /* less may lack in a moment, because a take there may be undone, say */
    struct short_place at[SHORT_PLACES];
};

/* May promises of an item's supplies be short? */
static inline bool flags_may_be_short(unsigned flags)
{
    return (flags & ITEM_SHORT) && (flags & ITEM_SUPPLY);
}

static inline bool item_may_be_short(const struct item *item)
{
    return flags_may_be_short(item_flags(item));
}

/* Looks at all of the item's pools. NULL: nothing is short. In the context, until the next look. */
struct short_places *short_places_look(const struct ctx *ctx, uint32_t item);

/* What the last look has found. */
static inline struct short_places *short_places_known(const struct ctx *ctx)
{
    return ctx->short_places->count > 0 ? ctx->short_places : NULL;
}

/* C1: how many of the units that are free in that pool, by its word, are to stand in. If the pool
 * changes just now, none of them is anybody's: then that is undecided. */
int64_t short_places_claim(struct short_places *s, uint64_t key, uint32_t unit, uint64_t word);

/* How many units its pools of expected units lack. False: nothing is short at that place. */
bool short_places_find(const struct short_places *s, uint16_t location, int64_t *lacking);

/* What has come of a pool of expected units, and is promised to nobody. */
int64_t supply_come_free(const struct items *items, uint32_t unit);

/* A look at one pool: what of it is free, beyond the claim. */
struct short_look {
    int64_t free, claim;
    bool sure; /* it was so at one instant, and no take was undecided */
};

/* unit: UINT32_MAX for a pool that is not there. */
struct short_look short_places_look_at(const struct ctx *ctx, uint32_t unit);

#endif
