/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shift: units at a location change their condition, and with it the pool that they are in.
 *
 * What is broken or on display is a fact, like an adjustment: units that were promised are shifted,
 * too, once no others are left (the place is then short).
 */
#include "engine/ops/movement.h"

#include "engine/base/fingerprint.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/owing.h"
#include "engine/ops/place.h"
#include "engine/ops/sweep.h"
#include "engine/txn/txn_run.h"

/* One shift under way. */
struct shifting {
    struct moving move;
    enum pool_kind from;
    struct target to;
};

static const char *condition_name(enum pool_kind kind)
{
    return kind == POOL_SHARED ? "sellable" : pool_kind_name(kind);
}

static enum code condition_of(struct ctx *ctx, const char *parameter, struct text name,
                              enum pool_kind *kind)
{
    static const enum pool_kind kinds[] = { POOL_SHARED, POOL_DAMAGED, POOL_QUALITY, POOL_DISPLAY };
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (text_equal(name, text_of(condition_name(kinds[i])))) {
            *kind = kinds[i];
            return CODE_OK;
        }
    return fail_param(ctx, CODE_BAD_REQUEST, parameter,
                      "%s must be sellable, damaged, quality or display", parameter);
}

static enum code too_little(struct ctx *ctx, const struct shifting *s, int64_t there)
{
    const struct movement *m = s->move.asked;
    fail(ctx, CODE_INSUFFICIENT_STOCK, "only %lld of \"%.*s\" on hand as %s at \"%.*s\"",
         (long long)there, (int)m->sku.len, m->sku.at, condition_name(s->from),
         (int)m->location.len, m->location.at);
    ctx->failure.shorts[0] = (struct shortfall){ m->sku, m->qty, there };
    ctx->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

/* From all pools of the place that are sold. */
static enum code take_sellable(struct ctx *ctx, const struct shifting *s)
{
    const struct moving *move = &s->move;
    struct place place;
    place_look(&ctx->ledger->items, move->item, move->key.location, &place);
    if (place.crowded)
        return movement_place_is_crowded(ctx, move);
    if (place.on_hand >= move->asked->qty) {
        place_take(&ctx->ledger->items, &place, move->asked->qty, false, ctx->postings);
        return CODE_OK;
    }
    if (place.undecided || (place.count > 1 && !place.stable))
        return CODE_DEFERRED;
    return too_little(ctx, s, place.on_hand);
}

static enum code take_others(struct ctx *ctx, const struct shifting *s)
{
    const struct moving *move = &s->move;
    const struct items *items = &ctx->ledger->items;
    const struct pool *from =
        pool_find(items, move->item, move->key.location, owner_of(s->from, 0));
    uint64_t word = from ? pool_read(from) : 0;
    int32_t qty = (int32_t)move->asked->qty;
    if (word_available(word) < qty)
        return word_undecided(word) ? CODE_DEFERRED : too_little(ctx, s, word_available(word));
    post(ctx->postings, (struct posting){ .pool = pool_unit(items, from),
                                          .counted = NOT_COUNTED,
                                          .on_hand = -qty,
                                          .needs = qty });
    return CODE_OK;
}

static enum code find_pools(struct ctx *ctx, struct shifting *s)
{
    struct moving *move = &s->move;
    const struct location *location;
    catalogue_pin(ctx);
    enum code code = find_location(ctx, "location", move->asked->location, &location);
    if (!code)
        code = find_item(ctx, move->asked->sku, &move->item);
    if (code)
        return code;
    move->key.item = s->to.key.item = move->item;
    move->key.location = s->to.key.location = location_index(ctx->catalogue, location);
    target_find(&ctx->ledger->items, &s->to);
    return CODE_OK;
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct shifting *s = (struct shifting *)t;
    const struct movement *m = s->move.asked;
    enum code code = find_pools(ctx, s);
    if (!code)
        code = s->from == POOL_SHARED ? take_sellable(ctx, s) : take_others(ctx, s);
    int64_t qty = m->qty;
    if (!code && owner_kind(s->to.key.owner) == POOL_SHARED)
        owing_pay(ctx, s->move.item, s->move.key.location, false, &qty);
    if (code || qty == 0)
        return code;
    code = target_post(ctx, &s->to, m->sku, qty);
    if (!code) /* it is on hand as what is sold, or no longer: a count may lie before that */
        ctx->postings->at[ctx->postings->count - 1].stays = false;
    return code;
}

/* Gives come last; if there is none, what was owed has made the pool. */
static enum code make_pool(struct ctx *ctx, struct txn *t)
{
    struct postings *postings = ctx->postings;
    enum code code = place_check_come(ctx);
    if (code)
        return code;
    return target_make(ctx, &((struct shifting *)t)->to, &postings->at[postings->count - 1]);
}

static const struct txn_kind shift_txn = {
    .id_name = "id",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_MOVEMENT,
    .plan = plan,
    .taken = make_pool,
    .record = movement_build_record,
    .outcome = movement_note_outcome,
    .show = movement_show,
    .repeat = movement_repeat,
};

static enum code check_shift(struct ctx *ctx, const struct movement *m)
{
    enum code code = check_id(ctx, "id", m->id);
    if (!code)
        code = check_text(ctx, "ref", m->ref);
    if (!code)
        code = check_text(ctx, "reason", m->reason);
    if (!code && (m->qty < 1 || m->qty > QUANTITY_MAX))
        code = fail_param(ctx, CODE_BAD_REQUEST, "qty",
                          "qty must be a whole number from 1 to %lld, not %lld",
                          (long long)QUANTITY_MAX, (long long)m->qty);
    return code;
}

enum code ledger_shift(struct ctx *ctx, const struct movement *m, struct text from, struct text to,
                       struct movement_result *r)
{
    struct shifting s = { .move = { .txn = { .id = m->id },
                                    .asked = m,
                                    .record = RECORD_SHIFT,
                                    .counted = NOT_COUNTED,
                                    .result = r } };
    enum pool_kind target = POOL_SHARED;
    *r = (struct movement_result){ 0 };
    enum code code = check_shift(ctx, m);
    if (!code)
        code = condition_of(ctx, "from", from, &s.from);
    if (!code)
        code = condition_of(ctx, "to", to, &target);
    if (!code && s.from == target)
        code = fail_param(ctx, CODE_BAD_REQUEST, "to", "to must differ from from");
    if (code)
        return code;
    s.to.key.owner = owner_of(target, 0);
    uint64_t content = mix_number(movement_fingerprint(m, RECORD_SHIFT), s.from);
    s.move.txn.content = mix_number(content, target);
    code = txn_perform(ctx, &s.move.txn, &shift_txn);
    sweep_now(ctx);
    target_end(ctx, &s.to);
    return code;
}
