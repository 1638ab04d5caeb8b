/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a channel leaves of an item's pools: all of it where the item is not stocked, and the safety
 * stock of shared pools, unless the channel sells that too. Safety is what is set for the item at
 * the place, else for the item, else for the place, else 0.
 */
#ifndef STOCKD_ENGINE_SOURCING_SAFETY_H
#define STOCKD_ENGINE_SOURCING_SAFETY_H

#include "engine/ledger/ctx.h"

struct leaves {
    bool nothing; /* no setting applies to the item: most are so */
    bool set;     /* the item has a safety or stockings of its own */
    const struct items *items;
    const uint32_t *of_places; /* the catalogue's; NULL: no place has any */
    uint64_t of_item;
    bool ignores; /* the channel sells safety stock */
};

static inline struct leaves leaves_of(const struct ctx *ctx, const struct channel *channel,
                                      uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    const uint32_t *of_places = ctx->catalogue->safety;
    bool set = item_has(item_at(items, item), ITEM_STOCKING);
    if (!set && (!of_places || channel->ignore_safety))
        return (struct leaves){ .nothing = true };
    return (struct leaves){ .set = set,
                            .items = items,
                            .of_places = of_places,
                            .of_item = set ? item_stocking(items, item) : 0,
                            .ignores = channel->ignore_safety };
}

enum { NOT_STOCKED = -1 };

/* How many available units of the pool stay there; NOT_STOCKED: all of them. */
static inline int64_t leaves_in_pool(const struct leaves *l, uint64_t key, uint32_t unit)
{
    uint64_t word = l->set ? stocking_at(l->items, unit) : 0;
    if (!stocking_stocked(word))
        return NOT_STOCKED; /* @not-stocked */
    if (l->ignores || owner_kind(key_owner(key)) != POOL_SHARED)
        return 0;
    int64_t of_place = l->of_places ? l->of_places[key_location(key)] : 0;
    return stocking_safety(word, stocking_safety(l->of_item, of_place)); /* @safety */
}

#endif
