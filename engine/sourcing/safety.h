/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a channel leaves of an item's pools: all of it where the item is not stocked; the safety
 * stock of shared pools, unless the channel sells that too; and what is to stand in for promises
 * that are short (short_places.h). Safety is what is set for the item at the place, else for the
 * item, else for the place, else 0.
 */
#ifndef STOCKD_ENGINE_SOURCING_SAFETY_H
#define STOCKD_ENGINE_SOURCING_SAFETY_H

#include "engine/ledger/ctx.h"
#include "engine/sourcing/short_places.h"

struct leaves {
    bool nothing; /* no setting applies to the item, and nothing is short: most are so */
    bool set;     /* the item has a safety or stockings of its own */
    const struct items *items;
    const uint32_t *of_places; /* the catalogue's; NULL: no place has any */
    uint64_t of_item;
    bool ignores;                /* the channel sells safety stock */
    struct short_places *shorts; /* NULL: nothing is short */
};

/* looked: the item at whose pools the caller has looked for what is short, which will do. */
static inline struct leaves leaves_of_again(const struct ctx *ctx, const struct channel *channel,
                                            uint32_t item, uint32_t looked)
{
    const struct items *items = &ctx->ledger->items;
    const uint32_t *of_places = ctx->catalogue->safety;
    unsigned flags = item_flags(item_at(items, item));
    bool set = flags & ITEM_STOCKING, safety = of_places && !channel->ignore_safety;
    if (!(flags & (ITEM_STOCKING | ITEM_SHORT)) && !safety)
        return (struct leaves){ .nothing = true };
    struct short_places *shorts = NULL;
    if (flags_may_be_short(flags))
        shorts = item == looked ? short_places_known(ctx) : short_places_look(ctx, item);
    if (!set && !safety && !shorts)
        return (struct leaves){ .nothing = true };
    return (struct leaves){ .set = set,
                            .items = items,
                            .of_places = of_places,
                            .of_item = set ? item_stocking(items, item) : 0,
                            .ignores = channel->ignore_safety,
                            .shorts = shorts };
}

static inline struct leaves leaves_of(const struct ctx *ctx, const struct channel *channel,
                                      uint32_t item)
{
    return leaves_of_again(ctx, channel, item, UINT32_MAX);
}

enum { NOT_STOCKED = -1 };

/* How many units of the pool, which are available by that word, stay there; NOT_STOCKED: all of
 * them. */
static inline int64_t leaves_in_pool(const struct leaves *l, uint64_t key, uint32_t unit,
                                     uint64_t pool_word)
{
    uint64_t word = l->set ? stocking_at(l->items, unit) : 0;
    if (!stocking_stocked(word))
        return NOT_STOCKED; /* @not-stocked */
    int64_t claim = l->shorts ? short_places_claim(l->shorts, key, unit, pool_word) : 0;
    if (l->ignores || owner_kind(key_owner(key)) != POOL_SHARED)
        return claim;
    int64_t of_place = l->of_places ? l->of_places[key_location(key)] : 0;
    return claim + stocking_safety(word, stocking_safety(l->of_item, of_place)); /* @safety */
}

/* After the pools were looked at: may it leave less in a moment? */
static inline bool leaves_undecided(const struct leaves *l)
{
    return l->shorts && l->shorts->undecided;
}

#endif
