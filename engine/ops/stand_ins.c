/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/stand_ins.h"

#include "engine/ledger/sweeps.h"
#include "engine/ops/supply.h"
#include "engine/sourcing/short_places.h"
#include "engine/txn/txn.h"

/* Does the take, which is done, leave what is to stand in? */
static bool leaves_stand_ins(const struct short_places *s, const struct posting *p)
{
    const struct pool *pool = pool_at(s->items, p->pool);
    uint64_t key = pool_read_key(pool);
    int64_t taken = (int64_t)p->reserved - p->on_hand, lacking;
    if (taken <= 0 || !short_places_find(s, key_location(key), &lacking))
        return true;
    if (owner_kind(key_owner(key)) == POOL_SHARED)
        return word_available(pool_read(pool)) >= lacking; /* @stands-in */
    if (owner_kind(key_owner(key)) != POOL_EXPECTED)
        return true;
    uint64_t mark = incoming_mark(incoming_at(s->items, p->pool));
    return !mark_is_raised(mark) && supply_come_free(s->items, p->pool) + taken <= 0;
}

enum code stand_ins_check(struct ctx *ctx)
{
    const struct items *items = &ctx->ledger->items;
    const struct postings *postings = ctx->postings;
    const struct short_places *s = NULL;
    uint32_t looked = UINT32_MAX;
    for (uint32_t i = 0; i < postings->takes; i++) {
        const struct posting *p = &postings->at[i];
        uint32_t item = key_item(pool_read_key(pool_at(items, p->pool)));
        if (!item_may_be_short(item_at(items, item)))
            continue;
        if (item != looked)
            s = short_places_look(ctx, item);
        looked = item;
        if (!s || leaves_stand_ins(s, p))
            continue;
        sweep_note(ctx, p->pool);
        return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* Is anything free in the pool, or perhaps in a moment? Its word is read by a swap that changes
 * nothing: whose take comes behind it looks for what is short later than that. */
static bool is_any_free(struct ctx *ctx, uint32_t unit)
{
    const struct postings *postings = ctx->postings;
    unsigned own = 0;
    for (uint32_t i = 0; i < postings->takes; i++)
        own += postings->at[i].pool == unit;
    uint64_t word = atomic_fetch_add_explicit(&pool_at(&ctx->ledger->items, unit)->word, 0,
                                              memory_order_acq_rel); /* @short-swap */
    return word_available(word) > 0 || word_undecided(word) > own;
}

enum code stand_ins_none_left(struct ctx *ctx)
{
    const struct items *items = &ctx->ledger->items;
    const struct postings *postings = ctx->postings;
    for (uint32_t i = 0; i < postings->takes; i++) {
        const struct posting *p = &postings->at[i];
        uint64_t key = pool_read_key(pool_at(items, p->pool));
        bool becomes_short = owner_kind(key_owner(key)) == POOL_EXPECTED &&
                             p->reserved < -p->on_hand && word_available(p->after) < 0;
        uint32_t shared =
            becomes_short ? shared_unit(items, key_item(key), key_location(key)) : UINT32_MAX;
        if (shared == UINT32_MAX || !is_any_free(ctx, shared)) /* @none-left */
            continue;
        sweep_note(ctx, p->pool);
        return CODE_DEFERRED;
    }
    return CODE_OK;
}
