/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/redraw.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ops/backlog.h"
#include "engine/ops/order.h"
#include "engine/ops/parts.h"
#include "engine/ops/precedence.h"
#include "engine/ops/redrawing.h"
#include "engine/ops/reservation.h"
#include "engine/ops/reservation_find.h"
#include "engine/ops/sent_come.h"
#include "engine/ops/sweep.h"
#include "engine/store/draws.h"
#include "engine/store/slot_places.h"
#include "engine/txn/txn_run.h"

enum code check_step_ids(struct ctx *ctx, struct text id, struct text op)
{
    enum code code = check_id(ctx, "id", id);
    if (!code && text_given(op))
        code = check_id(ctx, "op", op);
    if (!code && text_given(op) && text_equal(op, id))
        code =
            fail_param(ctx, CODE_BAD_REQUEST, "op", "op must be another id than the reservation's");
    return code;
}

/* ---- what is given back, and what is drawn anew ---- */

void draw_anew(struct ctx *ctx, struct redrawing *r, struct text sku, int64_t qty,
               struct text location)
{
    assert(qty > 0);
    assert(r->order.line_count < LINES_MAX);
    ctx->new_lines[r->order.line_count++] = (struct order_line){ sku, qty, location };
}

/* At first all that is left is to be given back, of each draw; then the lines keep what they
 * need. */
static void list_all(struct ctx *ctx, struct redrawing *r)
{
    struct draw_list *list = &ctx->draw_list;
    list_draws(ctx, r->txn.reservation);
    for (uint32_t i = list->count; i-- > 0;) {
        struct draw *draw = list->draws[i];
        chain_draw(ctx, i);
        list->done[i] = draw->fulfilled;
        r->parts[i] =
            (struct step_part){ .draw = draw, .qty = draw_left(draw), .index = (uint16_t)i };
    }
    r->part_count = list->count;
    ctx->work += list->count;
}

/* Leaves out the draws of which nothing is given back. */
static void drop_kept(struct redrawing *r)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->part_count; i++)
        if (r->parts[i].qty > 0)
            r->parts[count++] = r->parts[i];
    r->part_count = count;
}

static uint32_t less_of(uint32_t has, int64_t wanted)
{
    return has < wanted ? has : (uint32_t)wanted;
}

/* Of each of the item's draws from that location, what was fulfilled or what is reserved. */
static int64_t keep_of_draws(struct ctx *ctx, struct redrawing *r, uint32_t item, int location,
                             int64_t wanted, bool fulfilled)
{
    const struct items *items = &ctx->ledger->items;
    struct draw_list *list = &ctx->draw_list;
    uint32_t at = *item_map_number(&list->map, item, 0);
    for (; at != 0 && wanted > 0; at = list->next[at - 1]) {
        uint32_t *has = fulfilled ? &list->done[at - 1] : &r->parts[at - 1].qty;
        uint64_t key = pool_read_key(pool_at(items, list->draws[at - 1]->pool));
        if (location >= 0 && key_location(key) != location)
            continue;
        uint32_t kept = less_of(*has, wanted);
        *has -= kept;
        wanted -= kept;
        ctx->work++;
    }
    return wanted;
}

int64_t keep_fulfilled(struct ctx *ctx, struct redrawing *r, uint32_t item, int64_t wanted)
{
    return keep_of_draws(ctx, r, item, -1, wanted, true);
}

int64_t keep_drawn(struct ctx *ctx, struct redrawing *r, uint32_t item, int location,
                   int64_t wanted)
{
    wanted = keep_of_draws(ctx, r, item, location, wanted, true);
    return keep_of_draws(ctx, r, item, location, wanted, false);
}

enum code too_little_there(struct ctx *ctx, const struct redrawing *r, struct text sku,
                           struct text location, int64_t wanted, int64_t left)
{
    fail(ctx, CODE_WRONG_STATE, "only %lld of \"%.*s\" are left at \"%.*s\" to be %s",
         (long long)left, (int)sku.len, sku.at, (int)location.len, location.at, r->kind->verb);
    ctx->failure.state = state_name(word_state(r->txn.word));
    ctx->failure.shorts[0] = (struct shortfall){ sku, wanted, left };
    ctx->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

static enum code choose(struct ctx *ctx, struct redrawing *r)
{
    r->parts = ctx->parts;
    r->order.lines = ctx->new_lines;
    r->order.line_count = 0;
    catalogue_pin(ctx);
    list_all(ctx, r);
    enum code code = r->kind->choose(ctx, r);
    drop_kept(r);
    return code;
}

/* ---- planning ---- */

static enum code prepare(struct ctx *ctx, const struct redrawing *r)
{
    const struct id_entry *entry = r->txn.reservation;
    uint32_t more = r->plan->draw_count;
    if (more > REDRAWN_MAX || entry->draw_count + more > DRAWS_MAX)
        return fail(ctx, CODE_LIMIT,
                    "a reservation may draw from at most %d pools in all, and from %d anew",
                    DRAWS_MAX, REDRAWN_MAX);
    if (entry->tracked && more == 0)
        return CODE_OK; /* it only gives back */
    uint32_t blocks = draws_reshaped_blocks(entry, true, more, entry->ref_len);
    enum entry_found found =
        slots_prepare(&ctx->ledger->ids, &ctx->cursor, blocks + taking_blocks(r->plan));
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(ctx, found);
}

/* Nothing is drawn again from a place that could not give it. */
static void exclude_rejected(struct ctx *ctx, struct redrawing *r)
{
    const struct items *items = &ctx->ledger->items;
    struct order_plan *s = r->plan;
    if (r->excludes > 0)
        demand_exclude(ctx, (uint16_t)(r->excludes - 1), &s->arrays, &s->demand);
    if (!r->txn.reservation->tracked)
        return;
    for (uint32_t i = 0; i < ctx->draw_list.count; i++) {
        struct draw *draw = ctx->draw_list.draws[i];
        uint16_t at = key_location(pool_read_key(pool_at(items, draw->pool)));
        if (draw_tracked(draw)->rejected && at < ctx->catalogue->location_count) /* @excluded */
            demand_exclude(ctx, at, &s->arrays, &s->demand);
    }
}

/* The place that all of the reservation's units are from, or wait for; -1: there are several, or
 * none. */
static int only_place(const struct ctx *ctx)
{
    const struct draw_list *list = &ctx->draw_list;
    int place = -1;
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, list->draws[i]->pool));
        bool waits = owner_kind(key_owner(key)) == POOL_BACKLOG;
        int at = waits ? (int)backlog_place(key_owner(key)) - 1 : key_location(key);
        if (list->draws[i]->qty == 0 || at < 0)
            continue; /* moved away, or any place may serve it */
        if (place >= 0 && place != at)
            return -1;
        place = at;
    }
    return place;
}

/* An order that is collected grows where it is collected. */
static enum code bind_to_pickup(struct ctx *ctx, struct redrawing *r)
{
    int place = only_place(ctx);
    if (place >= 0)
        r->order.at = code_text(&ctx->catalogue->locations[place].code);
    for (uint32_t i = 0; place < 0 && i < r->order.line_count; i++)
        if (!text_given(ctx->new_lines[i].location))
            return fail_param(ctx, CODE_BAD_REQUEST, "lines",
                              "lines: the order is to be collected at several places, so a line of "
                              "\"%.*s\" beyond what it has must name one",
                              (int)ctx->new_lines[i].sku.len, ctx->new_lines[i].sku.at);
    r->order.terms.mode = text_of("pickup");
    return CODE_OK;
}

/* Plans the draws of the new lines, as for an order of the reservation's channel. */
static enum code plan_anew(struct ctx *ctx, struct redrawing *r)
{
    const struct id_entry *entry = r->txn.reservation;
    bool resolved = true, timed;
    r->plan->draw_count = 0;
    if (r->order.line_count == 0)
        return CODE_OK;
    r->order.channel = code_text(&ctx->catalogue->channels[entry->channel].code);
    bool pickup = entry->timed == TIMED_PICKUP;
    r->order.backorder = r->kind->fell_short != NULL;
    enum code code = pickup && !r->kind->fell_short ? bind_to_pickup(ctx, r) : CODE_OK;
    if (!code)
        code = resolve_order(ctx, &r->order, r->plan);
    if (code)
        return code;
    if (pickup)
        demand_pickup(ctx, &r->plan->demand);
    if (r->kind->serves) /* the place that the order named serves it, like the order itself */
        r->plan->demand.serves_bound = NULL; /* @waits-there */
    exclude_rejected(ctx, r);
    code = plan_order(ctx, &r->order, r->plan, &resolved, &timed);
    if (!code && r->kind->fell_short)
        code = r->kind->fell_short(ctx, r);
    return code;
}

static enum code post_less(struct ctx *ctx, struct redrawing *r)
{
    for (uint32_t i = 0; i < r->part_count; i++)
        post(ctx->postings, (struct posting){ .pool = r->parts[i].draw->pool,
                                              .counted = NOT_COUNTED,
                                              .reserved = -(int32_t)r->parts[i].qty, /* @given-up */
                                              .needs = NEEDS_NONE });
    return CODE_OK;
}

static enum code post_all(struct ctx *ctx, struct redrawing *r)
{
    r->taking = (struct taking){ .guarded = true, .serves = r->kind->serves };
    enum code code = r->plan->draw_count > 0 ? taking_post(ctx, r->plan, &r->taking) : CODE_OK;
    if (!code)
        code = r->kind->post ? r->kind->post(ctx, r) : post_less(ctx, r);
    r->txn.may_undo |= taking_may_undo(&r->taking);
    return code;
}

static enum code answer_again(struct ctx *ctx, struct redrawing *r)
{
    struct txn *t = &r->txn;
    view_reservation(ctx, t->reservation, t->word, false, r->result);
    COUNT(ctx, repeats);
    r->done_before = true;
    t->done = !text_given(t->id);
    return CODE_OK;
}

static enum code hold(struct ctx *ctx, struct redrawing *r)
{
    struct txn *t = &r->txn;
    enum code code = r->kind->hold ? r->kind->hold(ctx, r) : reservation_hold(ctx, t, r->of);
    if (code)
        return code;
    bool live = word_state(t->word) == STATE_HELD && !r->kind->confirmed;
    return live || word_state(t->word) == STATE_CONFIRMED
               ? CODE_OK
               : reservation_wrong_state(ctx, t, r->kind->verb);
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct redrawing *r = (struct redrawing *)t;
    enum code code = hold(ctx, r);
    if (!code)
        code = choose(ctx, r);
    if (code)
        return code;
    if (r->part_count == 0 && r->order.line_count == 0)
        return answer_again(ctx, r);
    code = plan_anew(ctx, r);
    if (code || t->done)
        return code;
    code = prepare(ctx, r);
    return code ? code : post_all(ctx, r);
}

static enum code check_taken(struct ctx *ctx, struct txn *t)
{
    const struct redrawing *r = (const struct redrawing *)t;
    if (r->done_before) /* the plan is another order's */
        return CODE_OK;
    enum code code = r->kind->taken ? r->kind->taken(ctx, r) : CODE_OK;
    bool checks = r->plan->draw_count > 0 && taking_may_undo(&r->taking);
    return code || !checks ? code : taking_check(ctx, r->plan, &r->taking);
}

/* ---- the draws ---- */

static struct draw_walk walk_from(struct ctx *ctx, struct id_entry *entry, uint32_t first)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    for (uint32_t i = 0; i < first; i++)
        draw_walk_next(&walk);
    return walk;
}

void redraw_store(struct ctx *ctx, struct id_entry *entry, const struct planned_draw *draws,
                  uint32_t count)
{
    assert(entry->tracked);
    assert(count <= entry->draw_count);
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t places = slot_places(ids, entry);
    if (count > 0 && entry->timed == NOT_TIMED)
        entry->timed = TIMED_SHIP; /* what has no times has no draws of supplies */
    struct draw_walk walk = walk_from(ctx, entry, entry->draw_count - count);
    for (uint32_t i = 0; i < count; i++) {
        places = places_with(places, key_location(draws[i].key));
        struct tracked_draw *draw = draw_tracked(draw_walk_next(&walk));
        draw->timed.draw = (struct draw){ draws[i].pool, (uint32_t)draws[i].qty, 0, 0 };
        draw_set_ready(&draw->timed.draw, draws[i].ready_ms, 0);
    }
    slot_places_set(ids, entry, places);
}

void redraw_date(struct ctx *ctx, struct id_entry *entry, uint32_t first, uint64_t lsn)
{
    struct draw_walk walk = walk_from(ctx, entry, first);
    struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL)
        draw_tracked(draw)->lsn = lsn;
}

/* The draws have moved to other blocks. */
static void give_back(struct ctx *ctx, const struct redrawing *r)
{
    bool sweeps = incoming_any(&ctx->ledger->items);
    list_draws(ctx, r->txn.reservation);
    for (uint32_t i = 0; i < r->part_count; i++) {
        struct draw *draw = ctx->draw_list.draws[r->parts[i].index];
        assert(r->parts[i].qty <= draw_left(draw)); /* I3 */
        part_settled(ctx, draw, r->parts[i].qty);
        draw->qty -= r->parts[i].qty - r->parts[i].cancelled; /* @given-back */
        draw->cancelled += r->parts[i].cancelled;
        draw_tracked(draw)->rejected |= r->kind->record == RECORD_REJECT;
        if (sweeps)
            sweep_later(ctx, draw->pool);
    }
}

/* Everything is taken, and what is given always fits, so the draws may change before the claim, and
 * the record holds the state that follows from them. */
static void change_draws(struct ctx *ctx, struct redrawing *r)
{
    struct id_entry *entry = r->txn.reservation;
    r->first = entry->draw_count;
    bool tracked = draws_track(&ctx->ledger->ids, &ctx->cursor, entry, r->plan->draw_count);
    assert(tracked); /* in slots that were set aside */
    (void)tracked;
    redraw_store(ctx, entry, r->plan->draws, r->plan->draw_count);
    give_back(ctx, r);
    r->to = state_of_draws(&ctx->ledger->ids, entry, r->to);
}

/* ---- the transaction ---- */

void record_add_drawn(struct record_builder *b, const struct order_plan *plan)
{
    for (uint32_t i = 0; i < plan->draw_count; i++) {
        uint64_t key = plan->draws[i].key;
        struct drawn_record drawn = { { key_item(key), key_location(key), key_owner(key) },
                                      (uint32_t)plan->draws[i].qty,
                                      plan->draws[i].ready_ms };
        record_add(b, &drawn, sizeof drawn);
    }
}

static uint32_t record_redraw(struct ctx *ctx, const struct redrawing *r)
{
    const struct order_plan *s = r->plan;
    struct redraw_fields f = {
        .fixed = { .head = head_of(ctx, r->kind->record, r->to),
                   .time_ms = ctx->wall_ms,
                   .content = r->txn.content,
                   .channel = r->txn.reservation->channel,
                   .first = (uint16_t)r->first,
                   .less_count = (uint16_t)r->part_count,
                   .draw_count = (uint16_t)s->draw_count },
        .id = r->of,
        .op = r->txn.id,
    };
    if (r->kind->serves)
        f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = redraw_begin(ctx->record, &f);
    for (uint32_t i = 0; i < r->part_count; i++) {
        struct step_record less = { .draw = r->parts[i].index, .qty = r->parts[i].qty };
        record_add(&b, &less, sizeof less);
    }
    record_add_drawn(&b, s);
    return record_end(&b);
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    struct redrawing *r = (struct redrawing *)t;
    r->to = word_state(t->word);
    if (r->done_before)
        return build_op_record(ctx, t, r->of, r->to);
    change_draws(ctx, r);
    return r->kind->build ? r->kind->build(ctx, r) : record_redraw(ctx, r);
}

static void list_promises(struct ctx *ctx, struct txn *t)
{
    const struct redrawing *r = (const struct redrawing *)t;
    if (r->done_before)
        return;
    redraw_date(ctx, t->reservation, r->first, t->lsn);
    if (r->taking.backlogs)
        backlog_add(ctx, t->reservation, r->first);
    if (!r->taking.expects)
        return;
    bool listed = precedence_add_draws(ctx, t->reservation, t->lsn);
    assert(listed); /* in slots that were set aside */
    (void)listed;
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct redrawing *r = (struct redrawing *)t;
    if (r->done_before) {
        r->result->lsn = t->lsn;
        entry_put(t->reservation, t->word);
    } else {
        t->reservation->lsn_last = t->lsn;
        uint64_t word = word_with_last(with_state(t->word, r->to), r->kind->record);
        if (!r->kind->serves) /* the view in the context is that of whoever freed the units */
            view_reservation(ctx, t->reservation, word, false, r->result);
        sent_come_note(ctx, t->reservation, word);
        settle_entry(ctx, t->reservation, word);
    }
    if (t->entry)
        remember_step(ctx, t->entry, t->content, t->lsn, r->to, t->id.len);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    view_step(t->entry, ((struct redrawing *)t)->result);
}

static const struct txn_kind redraw_txn = {
    .id_name = "op",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_STEP,
    .plan = plan,
    .taken = check_taken,
    .record = build_record,
    .outcome = list_promises,
    .show = show,
    .repeat = repeat,
};

enum code redraw_run(struct ctx *ctx, struct redrawing *r)
{
    r->txn.content = text_given(r->txn.id) ? r->kind->fingerprint(r) : 0;
    r->plan = ctx->order_plan;
    enum code code = txn_perform(ctx, &r->txn, &redraw_txn); /* @redraw */
    precedence_end(ctx, r->txn.reservation, code);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    if (code)
        taking_note_undone(ctx, r->plan, &r->taking);
    else if (!r->kind->serves)
        COUNT(ctx, redrawn);
    else if (!r->txn.done)
        COUNT(ctx, sourced);
    if (r->kind->serves) /* it is a part of that */
        return code;
    sweep_now(ctx);
    sent_come_now(ctx);
    return code;
}
