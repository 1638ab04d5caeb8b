/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: promises stock to an order, all of it or none.
 *
 * The plan looks up what the order names, finds pools for its lines (sourcing.h), and sets slots
 * aside for its draws, so that nothing can fail once stock is taken. An order over several pools
 * takes tentatively. A thread that finds too little where takes are undecided does not know whether
 * the stock is gone: it undoes its own takes and is deferred. So a refusal is always true of one
 * instant.
 */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ops/backlog.h"
#include "engine/ops/order.h"
#include "engine/ops/precedence.h"
#include "engine/ops/refused.h"
#include "engine/ops/reservation.h"
#include "engine/ops/send.h"
#include "engine/ops/sweep.h"
#include "engine/ops/taking.h"
#include "engine/txn/txn_run.h"

/* One order in progress. */
struct reserving {
    struct txn txn;
    const struct order *order;
    struct order_plan *plan; /* the context's */
    bool resolved;           /* the plan has looked up what the order names */
    bool timed;              /* the plan's draws have times of their own */
    bool sends;              /* the plan has transfers */
    struct taking taking;    /* of the plan's draws */
    struct reservation_view *view;
};

/* The fingerprint has one of these numbers before each optional term, so that two terms of equal
 * value differ. The journal keeps fingerprints, so the numbers never change. */
enum {
    MIXED_MODE = 2,
    MIXED_PLACE,
    MIXED_BY,
    MIXED_EXCLUDE,
    MIXED_PARTIAL,
    MIXED_REF,
    MIXED_BACKORDER,
    MIXED_SUPPLY
};

static uint64_t mix_real(uint64_t so_far, double number)
{
    uint64_t bits;
    number += 0.0; /* no negative zero */
    memcpy(&bits, &number, sizeof bits);
    return mix_number(so_far, bits);
}

/* Only what is given, so that the id of an order without terms stands for what it always did. */
static uint64_t mix_terms(uint64_t f, const struct order_terms *terms)
{
    if (text_given(terms->mode))
        f = mix_text(mix_number(f, MIXED_MODE), terms->mode);
    if (terms->has_lat)
        f = mix_real(mix_real(mix_number(f, MIXED_PLACE), terms->lat), terms->lon);
    if (terms->has_by)
        f = mix_number(mix_number(f, MIXED_BY), terms->by_ms);
    if (terms->exclude_count > 0)
        f = mix_number(mix_number(f, MIXED_EXCLUDE), terms->exclude_count);
    for (uint32_t i = 0; i < terms->exclude_count; i++)
        f = mix_text(f, terms->exclude[i]);
    return f;
}

static uint64_t fingerprint(const struct order *order)
{
    uint64_t f = mix_number(0, order->has_ttl ? order->ttl_ms + 1 : 0);
    f = mix_number(f, order->confirm);
    f = mix_text(f, order->channel);
    f = mix_text(f, order->at);
    for (uint32_t i = 0; i < order->line_count; i++) {
        f = mix_text(f, order->lines[i].sku);
        f = mix_text(mix_number(f, (uint64_t)order->lines[i].qty), order->lines[i].location);
    }
    if (terms_given(&order->terms))
        f = mix_terms(f, &order->terms);
    if (text_given(order->ref))
        f = mix_text(mix_number(f, MIXED_REF), order->ref);
    if (order->backorder)
        f = mix_number(f, MIXED_BACKORDER);
    if (text_given(order->supply))
        f = mix_text(mix_number(f, MIXED_SUPPLY), order->supply);
    return order->partial ? mix_number(f, MIXED_PARTIAL) : f;
}

/* Runs before any stock is taken: what follows cannot fail for lack of slots. */
static enum code prepare_slots(struct ctx *ctx, const struct order_plan *s, bool timed,
                               uint32_t ref_len, uint32_t more)
{
    struct id_table *ids = &ctx->ledger->ids;
    assert(s->draw_count >= 1);
    assert(s->draw_count <= DRAWS_MAX);
    enum draw_layout layout = timed ? LAYOUT_TIMED : LAYOUT_PLAIN;
    uint32_t blocks = draw_blocks(s->draw_count, layout, ref_len);
    if (timed)
        blocks += taking_blocks(s);
    enum entry_found found = slots_prepare(ids, &ctx->cursor, blocks + more);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(ctx, found);
}

static struct send_order send_order_of(const struct reserving *r)
{
    return (struct send_order){ r->txn.id, r->txn.content, r->order->ref };
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct reserving *r = (struct reserving *)t;
    struct order_plan *s = r->plan;
    uint32_t more = 0;
    bool timed = false, may_send = text_given(r->order->supply);
    if (may_send)
        send_drop_plan(ctx);
    enum code code = plan_order(ctx, r->order, s, &r->resolved, &timed);
    if (!code && r->order->backorder) {
        uint32_t sourced = s->draw_count;
        code = backlog_plan(ctx, s, true);
        timed |= s->draw_count > sourced; /* nobody knows when */
    }
    r->timed = timed;
    if (!code && may_send) {
        struct send_order order = send_order_of(r);
        code = send_gather(ctx, s, &order, &more);
    }
    r->sends = more > 0;
    if (!code)
        code = prepare_slots(ctx, s, timed, r->order->ref.len, more);
    if (!code)
        code = taking_post(ctx, s, &r->taking);
    if (!code && r->sends)
        code = send_post(ctx, s);
    t->may_undo = taking_may_undo(&r->taking);
    return code;
}

static enum code check_taken(struct ctx *ctx, struct txn *t)
{
    const struct reserving *r = (const struct reserving *)t;
    if (r->sends)
        send_taken(ctx);
    enum code code = taking_may_undo(&r->taking) ? taking_check(ctx, r->plan, &r->taking) : CODE_OK;
    if (code && r->sends)
        send_undone(ctx);
    return code;
}

static void fill_entry(struct ctx *ctx, const struct reserving *r, struct id_entry *entry)
{
    const struct order *order = r->order;
    const struct order_plan *s = r->plan;
    uint64_t ttl = s->channel->hold_ttl_ms ? s->channel->hold_ttl_ms : DEFAULT_HOLD_MS;
    if (order->has_ttl)
        ttl = order->ttl_ms;
    entry->content = r->txn.content;
    entry->created_ms = ctx->wall_ms;
    entry->ttl_ms = order->confirm ? 0 : (uint32_t)ttl;
    entry->channel = channel_index(ctx->catalogue, s->channel);
    enum timed timed = !r->timed                       ? NOT_TIMED
                       : s->demand.mode == MODE_PICKUP ? TIMED_PICKUP
                                                       : TIMED_SHIP;
    bool stored = store_draws(ctx, entry, s->draws, s->draw_count, timed, order->ref);
    assert(stored); /* in slots that were set aside */
    (void)stored;
    /* Nothing can fail any more. From now on a list of orders waits for this one, because it may
     * have claimed its LSN. Relaxed, see slot_places.h. */
    uint64_t word = state_word(ENTRY_RESERVATION, STATE_NONE, r->txn.id.len);
    atomic_store_explicit(&entry->state, word | STATE_BUSY, memory_order_relaxed); /* @being-made */
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct reserving *r = (const struct reserving *)t;
    const struct order_plan *s = r->plan;
    struct id_entry *entry = t->entry;
    fill_entry(ctx, r, entry);
    struct text ref = r->order->ref;
    unsigned flags = clocks_of(ctx) | (ref.len > 0 ? RESERVE_REF : 0u) |
                     (entry->timed ? RESERVE_TIMED : 0u) |
                     (entry->timed == TIMED_PICKUP ? RESERVE_PICKUP : 0u);
    if (r->sends) {
        struct send_order order = send_order_of(r);
        return send_build_record(ctx, s, &order, entry, flags);
    }
    struct reserve_fields f = { .fixed = { .head = head_of(ctx, RECORD_RESERVE, flags),
                                           .content = entry->content,
                                           .created_ms = entry->created_ms,
                                           .ttl_ms = entry->ttl_ms,
                                           .channel = entry->channel,
                                           .draw_count = entry->draw_count },
                                .id = t->id };
    struct record_builder b = reserve_begin(ctx->record, &f);
    for (uint32_t i = 0; i < s->draw_count; i++) {
        uint64_t key = s->draws[i].key;
        struct draw_record draw = { { key_item(key), key_location(key), key_owner(key) },
                                    (uint32_t)s->draws[i].qty };
        record_add(&b, &draw, sizeof draw);
    }
    for (uint32_t i = 0; entry->timed && i < s->draw_count; i++) {
        struct ready_record ready = { s->draws[i].ready_ms };
        record_add(&b, &ready, sizeof ready);
    }
    if (flags & RESERVE_REF)
        record_add_short_text(&b, ref);
    if (flags & RECORD_TWO_CLOCKS)
        record_add(&b, &ctx->engine_ms, sizeof ctx->engine_ms);
    return record_end(&b);
}

static void list_promises(struct ctx *ctx, struct txn *t)
{
    const struct taking *taking = &((struct reserving *)t)->taking;
    t->entry->lsn_first = t->lsn;
    if (taking->backlogs)
        backlog_add(ctx, t->entry, 0);
    if (!taking->expects)
        return;
    bool listed = precedence_add_draws(ctx, t->entry, t->lsn);
    assert(listed); /* in slots that were set aside */
    (void)listed;
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct id_entry *entry = t->entry;
    enum entry_state state = entry->ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    uint64_t word = state_word(ENTRY_RESERVATION, state, t->id.len);
    assert(state != STATE_HELD || entry->owner == NO_OWNER); /* I5: in no wheel yet */
    entry->lsn_first = entry->lsn_last = t->lsn;
    slots_begin(&ctx->ledger->ids, &ctx->cursor);
    if (state == STATE_HELD) {
        entry->expires_ms = ctx->engine_ms + entry->ttl_ms;
        entry->owner = ctx->index;
        wheel_link(&ctx->wheel, &ctx->ledger->ids, entry, entry->expires_ms);
    } else {
        entry->lsn_confirmed = t->lsn;
    }
    struct reserving *r = (struct reserving *)t;
    if (r->sends) {
        struct send_order order = send_order_of(r);
        send_show(ctx, &order, t->lsn);
    }
    view_reservation(ctx, entry, word, true, r->view);
    if (r->order->partial)
        list_missing(r->order, r->plan, r->view);
    entry_put(entry, word);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    struct reserving *r = (struct reserving *)t;
    view_reservation(ctx, t->entry, t->entry_word, true, r->view);
    if (r->order->partial && recall_plan(ctx, r->order, t->entry, r->plan))
        list_missing(r->order, r->plan, r->view);
}

static const struct txn_kind reserve_txn = {
    .id_name = "id",
    .takes = true,
    .remembered = ENTRY_RESERVATION,
    .plan = plan,
    .taken = check_taken,
    .record = build_record,
    .outcome = list_promises,
    .show = show,
    .repeat = repeat,
};

enum code ledger_reserve(struct ctx *ctx, const struct order *order, struct reservation_view *view)
{
    enum code code = check_id(ctx, "id", order->id);
    if (!code)
        code = check_order(ctx, order);
    if (code)
        return code;
    struct reserving r = { .txn = { .id = order->id, .content = fingerprint(order) },
                           .order = order,
                           .plan = ctx->order_plan,
                           .view = view };
    code = txn_perform(ctx, &r.txn, &reserve_txn);
    if (text_given(order->supply))
        send_end(ctx);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    if (code)
        taking_note_undone(ctx, r.plan, &r.taking);
    if (code == CODE_INSUFFICIENT_STOCK)
        refused_note(ctx, order);
    sweep_now(ctx); /* it may plan for others */
    if (code == CODE_OK)
        COUNT(ctx, reserves);
    else if (code != CODE_DEFERRED)
        COUNT(ctx, refused);
    return code;
}
