/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/owing.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/txn/txn_run.h"

void owing_pay(struct ctx *ctx, uint32_t item, uint16_t location, bool exactly, int64_t *qty)
{
    const struct items *items = &ctx->ledger->items;
    const struct pool *pool = owing_find(items, item, location);
    int64_t owed = pool ? word_on_hand(pool_read(pool)) : 0;
    int64_t paid = owed < *qty ? owed : *qty;
    if (paid == 0)
        return;
    post(ctx->postings, (struct posting){ .pool = pool_unit(items, pool),
                                          .counted = exactly ? (int32_t)owed : NOT_COUNTED,
                                          .on_hand = (int32_t)-paid,
                                          .needs = NEEDS_NONE });
    *qty -= paid;
}

enum code owing_is_full(struct ctx *ctx, uint32_t item)
{
    struct text sku = item_sku(item_at(&ctx->ledger->items, item));
    return fail(ctx, CODE_LIMIT, "a place owes at most %lld units of \"%.*s\"",
                (long long)QUANTITY_MAX, (int)sku.len, sku.at);
}

enum code owing_post(struct ctx *ctx, uint32_t item, uint16_t location, int64_t qty)
{
    struct items *items = &ctx->ledger->items;
    item_set(item_at(items, item), ITEM_OWED); /* before it is owed: see the sweep's plan */
    struct pool *pool = pool_make(items, item, location, owner_of(POOL_OWED, 0));
    if (!pool)
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    if (word_on_hand(pool_read(pool)) + qty > QUANTITY_MAX)
        return owing_is_full(ctx, item);
    post(ctx->postings, (struct posting){ .pool = pool_unit(items, pool),
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)qty,
                                          .needs = NEEDS_NONE });
    return CODE_OK;
}

/* ---- sweep ---- */

struct settling_debt {
    struct txn txn;
    uint32_t owed, shared; /* units of both pools */
    int64_t qty;
    bool bracketed; /* units are about to leave both pools, one after the other */
    bool unsure;    /* there was nothing to do, perhaps only for the moment */
};

/*
 * Both words are read by swaps that change nothing. Who runs up a debt sets the item's flag, gives
 * to the pool of what is owed, and then swaps the shared word here; who books units in gives to the
 * shared word, then reads the flag, and comes here too. One of the two comes second at the shared
 * word, and sees what both have left.
 */
static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct settling_debt *s = (struct settling_debt *)t;
    struct items *items = &ctx->ledger->items;
    struct pool *shared_pool = pool_at(items, s->shared), *owed_pool = pool_at(items, s->owed);
    uint64_t shared =
        atomic_fetch_add_explicit(&shared_pool->word, 0, memory_order_acq_rel); /* @owing-swap */
    uint64_t owed = atomic_fetch_add_explicit(&owed_pool->word, 0, memory_order_acq_rel);
    int64_t there = word_on_hand(shared);
    s->qty = there < word_on_hand(owed) ? there : word_on_hand(owed);
    t->done = s->qty == 0;
    s->unsure = t->done && (word_undecided(shared) != 0 || word_undecided(owed) != 0);
    if (t->done)
        return CODE_OK;
    if (s->qty > word_available(shared)) /* what was sold is gone, promised or not */
        item_set_short(items, key_item(pool_read_key(owed_pool)));
    if (!s->bracketed)
        moves_begin(item_at(items, key_item(pool_read_key(owed_pool))));
    s->bracketed = true;
    const uint32_t units[] = { s->owed, s->shared };
    for (unsigned i = 0; i < 2; i++)
        post(ctx->postings, (struct posting){ .pool = units[i],
                                              .counted = NOT_COUNTED,
                                              .on_hand = (int32_t)-s->qty,
                                              .needs = NEEDS_NONE,
                                              .stays = true });
    return CODE_OK;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct settling_debt *s = (const struct settling_debt *)t;
    struct sweep_fields f = { .fixed = { .head = head_of(ctx, RECORD_SWEEP, 0),
                                         .time_ms = ctx->wall_ms,
                                         .pool = name_of_pool(&ctx->ledger->items, s->owed),
                                         .delta = (int32_t)-s->qty } };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = sweep_begin(ctx->record, &f);
    return record_end(&b);
}

static void show(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    (void)t;
}

static const struct txn_kind debt_txn = {
    .takes = true,
    .plan = plan,
    .record = build_record,
    .show = show,
};

bool owing_sweep(struct ctx *ctx, uint32_t item, uint16_t location)
{
    const struct items *items = &ctx->ledger->items;
    const struct pool *owed = owing_find(items, item, location);
    const struct pool *shared =
        owed ? pool_find(items, item, location, owner_of(POOL_SHARED, 0)) : NULL;
    if (!shared)
        return true; /* the sale makes it, and comes here itself */
    struct settling_debt s = { .owed = pool_unit(items, owed), .shared = pool_unit(items, shared) };
    enum code code = txn_perform(ctx, &s.txn, &debt_txn);
    if (s.bracketed)
        moves_end(item_at(items, item));
    return code == CODE_OK && !s.unsure;
}
