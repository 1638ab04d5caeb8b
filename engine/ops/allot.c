/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allot: units move between the shared pool of a location and the pool of one channel there.
 *
 * In between they are in neither pool. The transaction takes and gives, so a thread that finds too
 * little meanwhile, in a pool or in the sum, is deferred, not refused.
 */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/place.h"
#include "engine/ops/stand_ins.h"
#include "engine/ops/sweep.h"
#include "engine/sourcing/short_places.h"
#include "engine/txn/txn_run.h"

/* One allotment in progress. */
struct allotting {
    struct txn txn;
    const struct allotment *asked;
    uint32_t item;
    struct pool_key key; /* of the allotted pool */
    struct pool *from;
    struct target to;
    int64_t qty;                   /* how many units move */
    struct movement_result result; /* delta and on_hand are the allotted pool's */
};

static uint64_t fingerprint(const struct allotment *a)
{
    uint64_t f = mix_number(mix_number(0, RECORD_ALLOT), (uint64_t)a->qty);
    f = mix_text(f, a->sku);
    f = mix_text(f, a->location);
    return mix_text(f, a->channel);
}

static enum code check_allotment(struct ctx *ctx, const struct allotment *a)
{
    enum code code = check_id(ctx, "id", a->id);
    if (code)
        return code;
    if (a->qty == 0 || a->qty > QUANTITY_MAX || a->qty < -QUANTITY_MAX)
        return fail_param(ctx, CODE_BAD_REQUEST, "qty",
                          "qty must be a whole number from -%lld to %lld and not 0, not %lld",
                          (long long)QUANTITY_MAX, (long long)QUANTITY_MAX, (long long)a->qty);
    return CODE_OK;
}

static enum code too_little(struct ctx *ctx, const struct allotting *move, int64_t free)
{
    const struct allotment *a = move->asked;
    int64_t available = free > 0 ? free : 0;
    fail(ctx, CODE_INSUFFICIENT_STOCK,
         a->qty > 0 ? "only %lld of \"%.*s\" at \"%.*s\" are free to be allotted"
                    : "only %lld of \"%.*s\" at \"%.*s\" are allotted and not promised",
         (long long)available, (int)a->sku.len, a->sku.at, (int)a->location.len, a->location.at);
    ctx->failure.shorts[0] = (struct shortfall){ a->sku, move->qty, available };
    ctx->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

/* Finds what the request names, and both pools. */
static enum code find_pools(struct ctx *ctx, struct allotting *move)
{
    const struct allotment *a = move->asked;
    struct items *items = &ctx->ledger->items;
    const struct location *location;
    const struct channel *channel;
    catalogue_pin(ctx);
    enum code code = find_location(ctx, "location", a->location, &location);
    if (!code)
        code = find_channel(ctx, a->channel, &channel);
    if (!code)
        code = find_item(ctx, a->sku, &move->item);
    if (code)
        return code;
    uint16_t at = location_index(ctx->catalogue, location);
    uint16_t shared = owner_of(POOL_SHARED, 0);
    uint16_t own = owner_of(POOL_ALLOTTED, channel_index(ctx->catalogue, channel));
    assert(owner_kind(own) == POOL_ALLOTTED);
    move->key = (struct pool_key){ move->item, at, own };
    move->from = pool_find(items, move->item, at, a->qty > 0 ? shared : own);
    move->to.key = (struct pool_key){ move->item, at, a->qty > 0 ? own : shared };
    target_find(items, &move->to);
    return CODE_OK;
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct allotting *move = (struct allotting *)t;
    struct items *items = &ctx->ledger->items;
    enum code code = find_pools(ctx, move);
    if (code)
        return code;
    uint32_t from = move->from ? pool_unit(items, move->from) : UINT32_MAX;
    struct short_look look = short_places_look_at(ctx, from);
    if (look.free < move->qty)
        return look.sure ? too_little(ctx, move, look.free) : CODE_DEFERRED;
    assert(move->qty > 0);
    assert(move->from); /* else nothing would have been available */
    post(ctx->postings, (struct posting){ .pool = from,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)-move->qty,
                                          .needs = (int32_t)(move->qty + look.claim),
                                          .stays = true });
    return target_post(ctx, &move->to, move->asked->sku, move->qty);
}

static enum code make_pool(struct ctx *ctx, struct txn *t)
{
    enum code code = stand_ins_check(ctx);
    if (code)
        return code;
    return target_make(ctx, &((struct allotting *)t)->to, &ctx->postings->at[1]);
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct allotting *move = (const struct allotting *)t;
    struct allot_fields f = { .fixed = { .head = head_of(ctx, RECORD_ALLOT, 0),
                                         .content = t->content,
                                         .time_ms = ctx->wall_ms,
                                         .pool = move->key,
                                         .delta = (int32_t)move->asked->qty },
                              .id = t->id };
    struct record_builder b = allot_begin(ctx->record, &f);
    return record_end(&b);
}

static void note_outcome(struct ctx *ctx, struct txn *t)
{
    struct allotting *move = (struct allotting *)t;
    struct movement_result *r = &move->result;
    struct allot_record *record = (struct allot_record *)(void *)ctx->record;
    const struct posting *own = &ctx->postings->at[move->asked->qty > 0 ? 1 : 0];
    int64_t at_location;
    place_sum(&ctx->ledger->items, move->item, move->key.location, &at_location, &r->available);
    assert(ctx->postings->count == 2);
    assert(ctx->postings->takes == 1);
    r->on_hand = word_on_hand(own->after);
    record->available = r->available;
    record->allotted = (int32_t)r->on_hand;
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct allotting *move = (struct allotting *)t;
    move->result.lsn = t->lsn;
    move->result.delta = move->asked->qty;
    sweep_later(ctx, ctx->postings->at[1].pool);
    remember_movement(ctx, t->entry, t->content, &move->result, t->id.len);
    COUNT(ctx, movements);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    ((struct allotting *)t)->result = first_movement(t->entry);
}

static const struct txn_kind allot_kind = {
    .id_name = "id",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_MOVEMENT,
    .plan = plan,
    .taken = make_pool,
    .record = build_record,
    .outcome = note_outcome,
    .show = show,
    .repeat = repeat,
};

enum code ledger_allot(struct ctx *ctx, const struct allotment *a, struct allot_result *r)
{
    enum code code = check_allotment(ctx, a);
    if (code)
        return code;
    struct allotting move = {
        .txn = { .id = a->id, .content = fingerprint(a) },
        .asked = a,
        .qty = llabs(a->qty),
    };
    code = txn_perform(ctx, &move.txn, &allot_kind);
    sweep_now(ctx);
    target_end(ctx, &move.to);
    *r = (struct allot_result){ move.result.lsn, move.result.on_hand, move.result.available };
    return code;
}
