/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expect and transfer: a new supply.
 *
 * What is expected from outside is given to a pool of its own at the destination. A transfer takes
 * from the shared pool of the place that it comes from what nobody was promised there, safety stock
 * included; it gives to such a pool if it is under way, and to the shared pool of the destination
 * if it arrives at once. While it is held, the units stay reserved where they are.
 */
#include "engine/ledger/supply.h"

#include <assert.h>
#include <stdio.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/reservation.h"
#include "engine/ops/stand_ins.h"
#include "engine/ops/supply.h"
#include "engine/ops/supply_watch.h"
#include "engine/ops/sweep.h"
#include "engine/sourcing/short_places.h"
#include "engine/store/slot_places.h"
#include "engine/txn/txn_run.h"

/* One supply that is being made. */
struct supplying {
    struct txn txn;
    const struct supply_order *order;
    enum supply_state state;
    uint16_t from, location; /* from: index + 1; 0: from outside */
    bool resolved;
    uint32_t owned; /* lines that have a pool of expected units */
    struct supply_view *view;
};

static uint64_t fingerprint(const struct supply_order *o)
{
    uint64_t f = mix_number(0, RECORD_SUPPLY);
    f = mix_text(mix_text(mix_text(f, o->from), o->location), o->ref);
    f = mix_number(mix_number(f, o->has_eta ? o->eta_ms : 0), o->hold);
    return mix_supply_lines(f, o->lines, o->line_count);
}

static enum supply_state first_state(const struct supply_order *o)
{
    if (o->hold)
        return SUPPLY_HELD;
    bool arrives = text_given(o->from) && !o->has_eta;
    return arrives ? SUPPLY_ARRIVED : SUPPLY_IN_TRANSIT;
}

/* ---- what it names ---- */

static enum code find_places(struct ctx *ctx, struct supplying *s)
{
    const struct supply_order *o = s->order;
    const struct location *from = NULL, *to = NULL;
    catalogue_pin(ctx);
    const char *parameter = text_given(o->from) ? "to" : "location";
    enum code code = text_given(o->from) ? find_location(ctx, "from", o->from, &from) : CODE_OK;
    if (!code)
        code = find_location(ctx, parameter, o->location, &to);
    if (!code && from == to)
        code = fail_param(ctx, CODE_BAD_REQUEST, "to", "to must be another location than from");
    if (code)
        return code;
    s->from = from ? (uint16_t)(location_index(ctx->catalogue, from) + 1) : 0;
    s->location = location_index(ctx->catalogue, to);
    return CODE_OK;
}

static enum code add_line(struct ctx *ctx, struct supplying *s, uint32_t index)
{
    struct supply_work *w = ctx->supply;
    const struct supply_line *asked = &s->order->lines[index];
    uint32_t item;
    enum code code = find_item(ctx, asked->sku, &item);
    if (code == CODE_UNKNOWN_SKU && s->from == 0)
        code = make_item(ctx, asked->sku, &item);
    if (code)
        return code;
    uint32_t line = *item_map_number(&w->map, item, w->line_count);
    if (line == w->line_count) {
        w->items[w->line_count++] = item;
        w->fresh[line] = (struct line_entry){ .pool = UINT32_MAX };
    }
    w->fresh[line].qty += (uint32_t)asked->qty;
    assert(w->fresh[line].qty <= QUANTITY_MAX); /* check_supply_lines */
    return CODE_OK;
}

/* Gathers the lines, each item once. All else has been checked, since items are made here. */
static enum code resolve(struct ctx *ctx, struct supplying *s)
{
    struct supply_work *w = ctx->supply;
    enum code code = find_places(ctx, s);
    if (!code && s->order->has_eta)
        code = check_eta(ctx, s->order->eta_ms);
    item_map_empty(&w->map);
    w->line_count = 0;
    for (uint32_t i = 0; !code && i < s->order->line_count; i++)
        code = add_line(ctx, s, i);
    s->resolved = true;
    return code;
}

/* ---- planning ---- */

static enum code too_little(struct ctx *ctx)
{
    struct failure *failure = &ctx->failure;
    const struct shortfall *first = &failure->shorts[0];
    snprintf(failure->message, sizeof failure->message,
             "\"%.*s\": %lld to be transferred, and only %lld are promised to nobody%s",
             (int)first->sku.len, first->sku.at, (long long)first->wanted,
             (long long)first->available, failure->short_count > 1 ? "; other lines too" : "");
    return CODE_INSUFFICIENT_STOCK;
}

/* Finds the pools that a transfer takes from; all lines that fall short are named. */
static enum code find_sources(struct ctx *ctx, struct supplying *s)
{
    struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    bool undecided = false;
    ctx->failure.state = NULL;
    ctx->failure.short_count = 0;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct line_entry *line = &w->fresh[i];
        line->pool = shared_unit(items, w->items[i], (uint16_t)(s->from - 1));
        struct short_look look = short_places_look_at(ctx, line->pool);
        if (look.free >= line->qty)
            continue;
        undecided |= !look.sure;
        int64_t available = look.free > 0 ? look.free : 0;
        ctx->failure.shorts[ctx->failure.short_count++] =
            (struct shortfall){ item_sku(item_at(items, w->items[i])), line->qty, available };
    }
    if (ctx->failure.short_count == 0)
        return CODE_OK;
    return undecided ? CODE_DEFERRED : too_little(ctx);
}

/* Gives back the pools of lines that were not done. */
static void disown(struct ctx *ctx, struct supplying *s)
{
    const struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < s->owned; i++) {
        struct incoming *in = incoming_at(items, w->fresh[i].pool);
        incoming_abandon(in, w->fresh[i].qty);
        incoming_end(in);
    }
    s->owned = 0;
}

/* Makes the pools that the lines give to: the shared one always, so that what is set for the item
 * there has a place, and so has what will be free. */
static enum code make_targets(struct ctx *ctx, struct supplying *s)
{
    struct supply_work *w = ctx->supply;
    struct items *items = &ctx->ledger->items;
    uint32_t link = entry_number(&ctx->ledger->ids, s->txn.entry) + 1;
    for (uint32_t i = 0; i < w->line_count; i++) {
        bool again = false;
        struct pool *shared = pool_make(items, w->items[i], s->location, owner_of(POOL_SHARED, 0));
        if (!shared)
            return supply_no_pool(ctx, w->items[i]);
        stocking_inherit(items, shared);
        if (s->state != SUPPLY_IN_TRANSIT)
            continue;
        struct pool *own = incoming_take(items, &ctx->ledger->ids, &ctx->cursor, w->items[i],
                                         s->location, link, &again);
        if (!own)
            return again ? CODE_DEFERRED : supply_no_pool(ctx, w->items[i]);
        w->fresh[i].pool = pool_unit(items, own);
        s->owned = i + 1;
        struct incoming *in = incoming_at(items, w->fresh[i].pool);
        incoming_own(in, link, s->from != 0);
        incoming_raise(in, s->order->has_eta ? s->order->eta_ms : 0, w->fresh[i].qty);
    }
    return CODE_OK;
}

static void post_source(struct ctx *ctx, const struct supplying *s, uint32_t item, int32_t qty)
{
    const struct items *items = &ctx->ledger->items;
    bool held = s->state == SUPPLY_HELD;
    post(ctx->postings, (struct posting){ .pool = shared_unit(items, item, (uint16_t)(s->from - 1)),
                                          .counted = NOT_COUNTED,
                                          .on_hand = held ? 0 : -qty,
                                          .reserved = held ? qty : 0,
                                          .needs = qty });
}

static enum code post_target(struct ctx *ctx, const struct supplying *s, uint32_t line)
{
    struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    bool at_once = s->state == SUPPLY_ARRIVED;
    int32_t qty = (int32_t)w->fresh[line].qty;
    uint32_t unit = at_once ? shared_unit(items, w->items[line], s->location) : w->fresh[line].pool;
    if (word_on_hand(pool_read(pool_at(items, unit))) + qty > QUANTITY_MAX)
        return supply_pool_is_full(ctx, w->items[line], s->location);
    post(ctx->postings, (struct posting){ .pool = unit,
                                          .counted = NOT_COUNTED,
                                          .on_hand = qty,
                                          .needs = NEEDS_NONE,
                                          .stays = !at_once });
    return CODE_OK;
}

static enum code post_all(struct ctx *ctx, const struct supplying *s)
{
    struct supply_work *w = ctx->supply;
    enum code code = CODE_OK;
    for (uint32_t i = 0; !code && i < w->line_count; i++) {
        if (s->from)
            post_source(ctx, s, w->items[i], (int32_t)w->fresh[i].qty);
        if (s->state != SUPPLY_HELD)
            code = post_target(ctx, s, i);
    }
    return code;
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct supplying *s = (struct supplying *)t;
    struct supply_work *w = ctx->supply;
    enum code code = s->resolved ? CODE_OK : resolve(ctx, s);
    disown(ctx, s);
    if (!code && s->from)
        code = find_sources(ctx, s);
    if (!code)
        code = supply_prepare_slots(ctx, supply_blocks(w->line_count, s->order->ref.len));
    if (!code)
        code = make_targets(ctx, s);
    if (!code)
        code = post_all(ctx, s);
    t->may_undo = true; /* what it gives may not fit */
    return code;
}

/* ---- doing it ---- */

static enum code check_taken(struct ctx *ctx, struct txn *t)
{
    (void)t;
    return stand_ins_check(ctx);
}

static void fill_entry(struct ctx *ctx, const struct supplying *s)
{
    struct id_entry *entry = s->txn.entry;
    struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct line_entry *line = &w->fresh[i];
        line->shipped = s->state == SUPPLY_HELD ? 0 : line->qty;
        line->accepted = s->state == SUPPLY_ARRIVED ? line->qty : 0;
    }
    uint64_t eta_ms = s->order->has_eta ? s->order->eta_ms : 0;
    supply_fill(entry, s->txn.content, ctx->wall_ms, eta_ms, s->from, s->location);
    slot_places_set_source(&ctx->ledger->ids, entry);
    bool stored = supply_store(&ctx->ledger->ids, &ctx->cursor, entry, w->fresh, w->line_count,
                               s->order->ref);
    assert(stored); /* in slots that were set aside */
    (void)stored;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct supplying *s = (const struct supplying *)t;
    const struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->line_count; i++) /* before the claim: what is set later finds it */
        item_set(item_at(items, w->items[i]), ITEM_MOVED);
    struct supply_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_SUPPLY, s->state),
                   .content = t->content,
                   .time_ms = ctx->wall_ms,
                   .eta_ms = s->order->has_eta ? s->order->eta_ms : 0,
                   .from = s->from,
                   .location = s->location,
                   .line_count = (uint16_t)w->line_count },
        .id = t->id,
        .ref = s->order->ref,
    };
    struct record_builder b = supply_begin(ctx->record, &f);
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct supply_line_record line = { .item = w->items[i], .qty = w->fresh[i].qty };
        if (s->state == SUPPLY_IN_TRANSIT)
            line.slot = supply_slot(items, w->fresh[i].pool);
        record_add(&b, &line, sizeof line);
    }
    return record_end(&b);
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct supplying *s = (struct supplying *)t;
    fill_entry(ctx, s);
    for (uint32_t i = 0; i < s->owned; i++) {
        incoming_raised(incoming_at(&ctx->ledger->items, ctx->supply->fresh[i].pool));
        sweep_later(ctx, ctx->supply->fresh[i].pool); /* a backlog may be served from it */
    }
    s->owned = 0; /* the supply's own now */
    t->entry->lsn_first = t->entry->lsn_last = t->lsn;
    for (uint32_t i = 0; s->state == SUPPLY_ARRIVED && i < ctx->supply->line_count; i++)
        sweep_later(ctx, shared_unit(&ctx->ledger->items, ctx->supply->items[i], s->location));
    uint64_t word = supply_word(ENTRY_SUPPLY, s->state, t->id.len);
    slots_added(&ctx->ledger->ids, &ctx->cursor);
    view_supply(ctx, t->entry, word, s->view);
    s->view->id = t->id;
    supply_watch(ctx, t->entry, word);
    if (supply_over(s->state))
        settle_entry(ctx, t->entry, word);
    else
        entry_put(t->entry, word);
    COUNT(ctx, supplies);
}

/* The first result follows from the request: what became of the supply later does not matter. */
static void repeat(struct ctx *ctx, struct txn *t)
{
    struct supplying *s = (struct supplying *)t;
    struct supply_work *w = ctx->supply;
    const struct supply_order *o = s->order;
    bool shipped = s->state != SUPPLY_HELD, came = s->state == SUPPLY_ARRIVED;
    view_supply(ctx, t->entry, t->entry_word, s->view);
    s->view->id = t->id;
    s->view->lsn = t->entry->lsn_first;
    s->view->state = supply_state_name(s->state);
    s->view->eta_ms = o->has_eta ? o->eta_ms : 0;
    for (uint32_t i = 0; i < s->view->line_count; i++) {
        struct supply_line_view *line = &w->views[i];
        *line = (struct supply_line_view){ .sku = line->sku };
        for (uint32_t at = 0; at < o->line_count; at++)
            if (text_equal(o->lines[at].sku, line->sku))
                line->qty += o->lines[at].qty;
        line->shipped = shipped ? line->qty : 0;
        line->accepted = came ? line->qty : 0;
        line->under_way = line->shipped - line->accepted;
    }
    ctx->work += (uint64_t)s->view->line_count * o->line_count / DRAW_WORK;
}

static const struct txn_kind supply_txn = {
    .id_name = "id",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_SUPPLY,
    .plan = plan,
    .taken = check_taken,
    .record = build_record,
    .show = show,
    .repeat = repeat,
};

static enum code make(struct ctx *ctx, const struct supply_order *o, struct supply_view *view)
{
    enum code code = check_id(ctx, "id", o->id);
    if (!code)
        code = check_supply_lines(ctx, o->lines, o->line_count, 1);
    if (!code)
        code = check_text(ctx, "ref", o->ref);
    if (code)
        return code;
    struct supplying s = { .txn = { .id = o->id, .content = fingerprint(o) },
                           .order = o,
                           .state = first_state(o),
                           .view = view };
    code = txn_perform(ctx, &s.txn, &supply_txn);
    disown(ctx, &s);
    sweep_now(ctx);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    return code;
}

enum code ledger_expect(struct ctx *ctx, const struct supply_order *o, struct supply_view *view)
{
    assert(!text_given(o->from));
    assert(!o->hold);
    return make(ctx, o, view);
}

enum code ledger_transfer(struct ctx *ctx, const struct supply_order *o, struct supply_view *view)
{
    assert(text_given(o->from));
    return make(ctx, o, view);
}
