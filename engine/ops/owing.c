/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/owing.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/precedence.h"
#include "engine/ops/stand_ins.h"
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
    uint32_t owed, from;       /* units: what is owed, and the pool that pays */
    bool free;                 /* it pays with what nobody was promised */
    const struct incoming *in; /* of a supply, what has come pays; NULL: it is no such pool */
    uint64_t mark;             /* of the supply's pool, as planned */
    int64_t qty;
    bool bracketed; /* units are about to leave both pools, one after the other */
    bool unsure;    /* there was nothing to do, perhaps only for the moment */
};

/* What the pool can pay with. Reads its word by a swap that changes nothing. */
static int64_t find_there(struct ctx *ctx, struct settling_debt *s)
{
    struct pool *from = pool_at(&ctx->ledger->items, s->from);
    uint64_t before = s->in ? incoming_mark(s->in) : 0;
    uint64_t word =
        atomic_fetch_add_explicit(&from->word, 0, memory_order_acq_rel); /* @owing-swap */
    s->mark = s->in ? incoming_mark(s->in) : 0;
    s->unsure = word_undecided(word) != 0 || s->mark != before || mark_is_raised(s->mark);
    struct arrived there = arrived_of((int32_t)mark_expected(s->mark), word);
    return there.come - (s->free ? there.come_reserved : 0);
}

/*
 * Both words are read by swaps that change nothing. Who runs up a debt sets the item's flag, gives
 * to the pool of what is owed, and then swaps the words of the place's other pools here; who books
 * units in gives to one of those (or, of a supply, lowers the mark, and swaps the word), then reads
 * the flag, and comes here too. One of the two comes second at that word, and sees what both have
 * left.
 */
static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct settling_debt *s = (struct settling_debt *)t;
    struct items *items = &ctx->ledger->items;
    struct pool *owed_pool = pool_at(items, s->owed);
    uint32_t item = key_item(pool_read_key(owed_pool));
    int64_t there = find_there(ctx, s);
    uint64_t owed = atomic_fetch_add_explicit(&owed_pool->word, 0, memory_order_acq_rel);
    s->qty = there < word_on_hand(owed) ? there : word_on_hand(owed);
    t->done = s->qty <= 0;
    t->may_undo = s->in != NULL; /* until its mark is looked at again */
    s->unsure = t->done && (s->unsure || word_undecided(owed) != 0);
    if (t->done)
        return CODE_OK;
    int32_t expected = (int32_t)mark_expected(s->mark);
    if (!s->free) /* what was sold is gone, promised or not */
        item_set_short(items, item);
    if (!s->bracketed)
        moves_begin(item_at(items, item));
    s->bracketed = true;
    post(ctx->postings, (struct posting){ .pool = s->owed,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)-s->qty,
                                          .needs = NEEDS_NONE,
                                          .stays = true });
    post(ctx->postings,
         (struct posting){ .pool = s->from,
                           .counted = NOT_COUNTED,
                           .on_hand = (int32_t)-s->qty,
                           .needs = s->free ? (int32_t)s->qty + expected : NEEDS_NONE,
                           .floor = expected,
                           .stays = true });
    return CODE_OK;
}

/* X1: what seemed to have come had come. */
static enum code check_mark(struct ctx *ctx, struct txn *t)
{
    const struct settling_debt *s = (const struct settling_debt *)t;
    if (!s->in)
        return CODE_OK;
    return incoming_mark(s->in) == s->mark ? stand_ins_none_left(ctx) : CODE_DEFERRED;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct settling_debt *s = (const struct settling_debt *)t;
    const struct items *items = &ctx->ledger->items;
    struct pool_key from = name_of_pool(items, s->from);
    bool shared = owner_kind(from.owner) == POOL_SHARED;
    struct sweep_fields f = { .fixed = { .head = head_of(ctx, RECORD_SWEEP,
                                                         shared ? 0u : (unsigned)SWEEP_PAYS),
                                         .time_ms = ctx->wall_ms,
                                         .pool = shared ? name_of_pool(items, s->owed) : from,
                                         .delta = (int32_t)-s->qty } };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = sweep_begin(ctx->record, &f);
    return record_end(&b);
}

static void show(struct ctx *ctx, struct txn *t)
{
    precedence_reset(ctx, ((const struct settling_debt *)t)->from);
}

static const struct txn_kind debt_txn = {
    .takes = true,
    .plan = plan,
    .taken = check_mark,
    .record = build_record,
    .show = show,
};

/* Pays what is owed with what is on hand in that pool. False: see owing_sweep. */
static bool settle(struct ctx *ctx, uint32_t owed, uint32_t from, bool free)
{
    struct items *items = &ctx->ledger->items;
    struct settling_debt s = {
        .owed = owed, .from = from, .free = free, .in = incoming_find(items, from)
    };
    enum code code = txn_perform(ctx, &s.txn, &debt_txn);
    if (s.bracketed)
        moves_end(item_at(items, key_item(pool_read_key(pool_at(items, owed)))));
    return code == CODE_OK && !s.unsure;
}

/* May it pay? What can be sold at the place, but for the shared pool, which pays first. */
static bool may_pay(uint64_t key, uint16_t location)
{
    enum pool_kind kind = owner_kind(key_owner(key));
    return key_location(key) == location && kind != POOL_SHARED &&
           (owner_sellable(key_owner(key)) || kind == POOL_EXPECTED);
}

static bool is_paid(const struct pool *owed)
{
    uint64_t word = pool_read(owed);
    return word_on_hand(word) == 0 && word_undecided(word) == 0;
}

bool owing_sweep(struct ctx *ctx, uint32_t item, uint16_t location)
{
    const struct items *items = &ctx->ledger->items;
    const struct pool *owed = owing_find(items, item, location);
    const struct pool *shared =
        owed ? pool_find(items, item, location, owner_of(POOL_SHARED, 0)) : NULL;
    bool sure = true;
    if (!shared)
        return true; /* the sale makes it, and comes here itself */
    for (int promised = 0; promised < 2 && !is_paid(owed); promised++) {
        struct pool_walk walk = pool_walk_start(items, item);
        const struct pool *pool;
        sure &= settle(ctx, pool_unit(items, owed), pool_unit(items, shared), !promised);
        while ((pool = pool_walk_next(&walk)) != NULL && !is_paid(owed))
            if (may_pay(pool_read_key(pool), location)) /* @owing-pays */
                sure &= settle(ctx, pool_unit(items, owed), pool_unit(items, pool), !promised);
    }
    return sure;
}
