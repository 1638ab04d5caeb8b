/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ship and withdraw.
 *
 * Shipped units leave the place that holds them. They are under way then, in a pool of their own at
 * the destination; or arrive at once, if the supply has no ETA. Withdrawn are units that are held,
 * which are free again there; or, of what is expected from outside, units that have not come. Those
 * may have been promised: then free stock of the place stands in for them (supply_arrive.c).
 */
#include "engine/ops/supply_step.h"

#include <assert.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/sent_come.h"
#include "engine/ops/stand_ins.h"
#include "engine/ops/supply_watch.h"
#include "engine/ops/sweep.h"
#include "engine/txn/txn_run.h"

/* ---- what steps share ---- */

uint64_t supply_step_fingerprint(const struct supply_step *step, enum record_type type)
{
    uint64_t f = mix_text(mix_number(0, type), step->id);
    f = mix_number(mix_number(f, step->all), step->close);
    f = mix_number(f, step->has_eta ? step->eta_ms : 0);
    return step->all ? f : mix_supply_lines(f, step->lines, step->line_count);
}

enum code supply_step_prepare(struct ctx *ctx, const struct txn *t)
{
    if (!text_given(t->id))
        return CODE_OK;
    return supply_prepare_slots(ctx, line_blocks(ctx->supply->line_count));
}

void supply_step_done(struct ctx *ctx, struct txn *t, struct supply_view *view)
{
    view_supply(ctx, t->reservation, t->word, view);
    COUNT(ctx, repeats);
    t->done = true;
}

uint32_t supply_step_record(struct ctx *ctx, struct txn *t)
{
    const struct stepping_supply *s = (const struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    struct supply_step_fields f = { .fixed = { .head = head_of(ctx, s->type, 0),
                                               .time_ms = ctx->wall_ms,
                                               .content = t->content,
                                               .eta_ms = s->eta_ms,
                                               .location = t->reservation->location,
                                               .line_count = (uint16_t)w->move_count },
                                    .id = s->asked->id,
                                    .op = s->asked->op };
    struct record_builder b = supply_step_begin(ctx->record, &f);
    record_add(&b, w->moves, w->move_count * (uint32_t)sizeof w->moves[0]);
    return record_end(&b);
}

/* Where units have come, or are free again: in the supply's pool, or only at the place. */
static void note_sweep(struct ctx *ctx, enum record_type type, const struct id_entry *entry,
                       uint32_t line)
{
    const struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    bool held = type == RECORD_WITHDRAW && entry->from;
    uint32_t unit = w->lines[line]->pool;
    if (held || type == RECORD_SHIP || incoming_at(items, unit) == items->incoming)
        unit = shared_unit(items, w->items[line],
                           held ? (uint16_t)(entry->from - 1) : entry->location);
    sweep_later(ctx, unit);
}

static void edge_moves(struct ctx *ctx, void (*edge)(struct item *))
{
    const struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->move_count; i++)
        edge(item_at(&ctx->ledger->items, w->items[w->moves[i].line]));
}

void supply_step_bracket(struct ctx *ctx, struct stepping_supply *s)
{
    assert(!s->bracketed);
    edge_moves(ctx, moves_begin);
    s->bracketed = true;
}

void supply_step_unbracket(struct ctx *ctx, struct stepping_supply *s)
{
    const struct supply_work *w = ctx->supply;
    if (!s->bracketed)
        return;
    edge_moves(ctx, moves_end);
    for (uint32_t i = 0; i < w->move_count; i++) /* each counts as a give, like txn_moved's */
        if (item_has(item_at(&ctx->ledger->items, w->items[w->moves[i].line]), ITEM_BACKLOG))
            sweep_note(ctx, w->lines[w->moves[i].line]->pool);
    s->bracketed = false;
}

void supply_step_end(struct ctx *ctx, struct stepping_supply *s)
{
    supply_step_unbracket(ctx, s);
    sweep_now(ctx);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
}

enum code supply_step_taken(struct ctx *ctx, struct txn *t)
{
    supply_step_bracket(ctx, (struct stepping_supply *)t);
    return stand_ins_none_left(ctx);
}

void supply_step_show(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    struct id_entry *entry = t->reservation;
    entry->lsn_last = t->lsn;
    entry->eta_ms = s->eta_ms;
    if (entry->sends > 0)
        sent_come_note_supply(ctx, entry);
    for (uint32_t i = 0; i < w->move_count; i++) {
        struct line_entry *line = w->lines[w->moves[i].line];
        if (s->type == RECORD_ARRIVE)
            supply_note_recent(ctx, entry, line, &w->moves[i], ctx->wall_ms);
        if (s->type == RECORD_SHIP && s->eta_ms != 0)
            incoming_raised(incoming_at(&ctx->ledger->items, line->pool));
        supply_settle_line(&ctx->ledger->items, entry, line, s->type, &w->moves[i]);
        if (s->type != RECORD_SHIP || s->eta_ms == 0)
            note_sweep(ctx, s->type, entry, w->moves[i].line);
    }
    supply_step_unbracket(ctx, s);
    enum supply_state to = supply_state_of(&ctx->ledger->ids, entry, word_supply_state(t->word));
    view_supply(ctx, entry, supply_word(ENTRY_SUPPLY, to, word_id_len(t->word)), s->view);
    if (t->entry) {
        bool stored = remember_supply_step(ctx, t->entry, t->content, t->lsn, entry, to, t->id.len);
        assert(stored); /* in slots that were set aside */
        (void)stored;
    }
    supply_watch(ctx, entry, supply_word(ENTRY_SUPPLY, to, word_id_len(t->word)));
    supply_settle(ctx, entry, t->word, s->type);
    COUNT(ctx, supplies);
}

void supply_step_repeat(struct ctx *ctx, struct txn *t)
{
    const struct stepping_supply *s = (const struct stepping_supply *)t;
    repeat_supply_step(ctx, t, s->asked->id, s->view);
}

/* ---- which lines, and how much of each ---- */

static enum code too_little(struct ctx *ctx, const struct stepping_supply *s, struct text sku,
                            int64_t wanted, int64_t left)
{
    fail(ctx, CODE_WRONG_STATE, "only %lld of \"%.*s\" can be %s, not %lld", (long long)left,
         (int)sku.len, sku.at, s->type == RECORD_SHIP ? "shipped" : "withdrawn", (long long)wanted);
    ctx->failure.state = supply_state_name(word_supply_state(s->txn.word));
    ctx->failure.shorts[0] = (struct shortfall){ sku, wanted, left };
    ctx->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* How much of the line can be shipped, or withdrawn. */
static uint32_t line_left(const struct stepping_supply *s, const struct line_entry *line)
{
    return s->txn.reservation->from ? line_held(line) : line_under_way(line); /* @left */
}

static enum code choose_lines(struct ctx *ctx, struct stepping_supply *s)
{
    struct supply_work *w = ctx->supply;
    const struct supply_step *asked = s->asked;
    for (uint32_t i = 0; asked->all && i < w->line_count; i++)
        if (line_left(s, w->lines[i]) > 0)
            supply_move(w, i)->qty = line_left(s, w->lines[i]);
    for (uint32_t i = 0; !asked->all && i < asked->line_count; i++) {
        uint32_t line;
        enum code code = supply_find_line(ctx, i, asked->lines[i].sku, &line);
        if (code)
            return code;
        struct move_record *move = supply_move(w, line);
        move->qty += (uint32_t)asked->lines[i].qty;
        uint32_t left = line_left(s, w->lines[line]);
        if (move->qty > left)
            return too_little(ctx, s, asked->lines[i].sku, move->qty, left);
    }
    return CODE_OK;
}

void supply_forget_moves(struct supply_work *w)
{
    for (uint32_t i = 0; i < w->move_count; i++)
        w->move_of[w->moves[i].line] = 0;
    w->move_count = 0;
}

/* ---- ship ---- */

/* Gives up pools that were taken for a plan that was not carried out. No line names them yet. */
static void disown(struct ctx *ctx, struct stepping_supply *s)
{
    const struct items *items = &ctx->ledger->items;
    for (uint32_t i = 0; i < s->owned_count; i++)
        incoming_end(incoming_at(items, s->owned[i]));
    s->owned_count = 0;
}

/* The pool of expected units for a move: the line's, or a new one. */
static enum code find_pool(struct ctx *ctx, struct stepping_supply *s, uint32_t at)
{
    struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    const struct id_entry *entry = s->txn.reservation;
    uint32_t line = w->moves[at].line, link = entry_number(&ctx->ledger->ids, entry) + 1;
    bool again = false;
    w->fresh[at].pool = w->lines[line]->pool;
    if (incoming_find(items, w->fresh[at].pool))
        return CODE_OK;
    struct pool *pool = incoming_take(items, &ctx->ledger->ids, &ctx->cursor, w->items[line],
                                      entry->location, link, &again);
    if (!pool)
        return again ? CODE_DEFERRED : supply_no_pool(ctx, w->items[line]);
    s->owned[s->owned_count++] = w->fresh[at].pool = pool_unit(items, pool);
    incoming_own(incoming_at(items, w->fresh[at].pool), link, true);
    return CODE_OK;
}

static enum code not_on_hand(struct ctx *ctx, const struct stepping_supply *s, uint32_t item,
                             int64_t qty, int64_t on_hand)
{
    uint16_t from = (uint16_t)(s->txn.reservation->from - 1);
    struct text sku = item_sku(item_at(&ctx->ledger->items, item));
    struct text at = code_text(&catalogue_now(ctx)->locations[from].code);
    fail(ctx, CODE_INSUFFICIENT_STOCK,
         "only %lld of \"%.*s\" on hand at \"%.*s\": a count found less than is held there",
         (long long)on_hand, (int)sku.len, sku.at, (int)at.len, at.at);
    ctx->failure.shorts[0] = (struct shortfall){ sku, qty, on_hand };
    ctx->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

static enum code post_shipped(struct ctx *ctx, struct stepping_supply *s, uint32_t at)
{
    const struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    const struct id_entry *entry = s->txn.reservation;
    struct move_record *move = &w->moves[at];
    uint32_t item = w->items[move->line];
    uint32_t from = shared_unit(items, item, (uint16_t)(entry->from - 1)), to;
    int32_t qty = (int32_t)move->qty;
    uint64_t word = pool_read(pool_at(items, from));
    if (word_on_hand(word) < qty)
        return word_undecided(word) != 0 ? CODE_DEFERRED
                                         : not_on_hand(ctx, s, item, qty, word_on_hand(word));
    if (s->eta_ms != 0) {
        enum code code = find_pool(ctx, s, at);
        if (code)
            return code;
        to = w->fresh[at].pool;
        move->slot = supply_slot(items, to);
    } else {
        to = shared_unit(items, item, entry->location);
    }
    if (word_on_hand(pool_read(pool_at(items, to))) + qty > QUANTITY_MAX)
        return supply_pool_is_full(ctx, item, entry->location);
    post(ctx->postings, (struct posting){ .pool = from,
                                          .counted = NOT_COUNTED,
                                          .on_hand = -qty,
                                          .reserved = -qty,
                                          .needs = NEEDS_NONE });
    post(ctx->postings, (struct posting){ .pool = to,
                                          .counted = NOT_COUNTED,
                                          .on_hand = qty,
                                          .needs = NEEDS_NONE,
                                          .stays = s->eta_ms != 0,
                                          .fits = s->eta_ms != 0 });
    return CODE_OK;
}

static enum code other_eta(struct ctx *ctx)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "eta_ms",
                      "eta_ms: a part of the supply is on its way already, with another ETA; "
                      "reschedule changes it for all");
}

/* Shipped with an ETA in the past, units would be late at once: nobody could be sold them, neither
 * where they were nor where they go. */
static enum code eta_has_passed(struct ctx *ctx, const struct id_entry *entry)
{
    return fail_param(
        ctx, CODE_BAD_REQUEST, "eta_ms", "eta_ms: the supply's ETA, %llu, has passed: %s",
        (unsigned long long)entry->eta_ms,
        supply_under_way(&ctx->ledger->ids, entry) ? "reschedule it, since a part is under way"
                                                   : "ship it with a new one");
}

static enum code check_ship(struct ctx *ctx, struct stepping_supply *s)
{
    const struct id_entry *entry = s->txn.reservation;
    enum supply_state state = word_supply_state(s->txn.word);
    if (supply_over(state) || !entry->from)
        return supply_wrong_state(ctx, &s->txn, "be shipped");
    s->eta_ms = entry->eta_ms;
    if (!s->asked->has_eta)
        return s->eta_ms != 0 && s->eta_ms <= ctx->wall_ms ? eta_has_passed(ctx, entry) : CODE_OK;
    s->eta_ms = s->asked->eta_ms;
    if (s->eta_ms != entry->eta_ms && supply_under_way(&ctx->ledger->ids, entry))
        return other_eta(ctx);
    return check_eta(ctx, s->eta_ms);
}

static bool holds_any(const struct supply_work *w)
{
    for (uint32_t i = 0; i < w->line_count; i++)
        if (line_held(w->lines[i]) > 0)
            return true;
    return false;
}

static enum code plan_ship(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    supply_step_unbracket(ctx, s);
    disown(ctx, s);
    enum code code = supply_hold(ctx, t, s->asked->id);
    if (code)
        return code;
    bool shipped =
        t->reservation->from && !holds_any(w) && word_supply_state(t->word) != SUPPLY_WITHDRAWN;
    if (s->asked->all && shipped && !text_given(t->id)) {
        supply_step_done(ctx, t, s->view);
        return CODE_OK;
    }
    supply_forget_moves(w);
    s->eta_ms = t->reservation->eta_ms;
    code = s->asked->all && shipped ? CODE_OK : check_ship(ctx, s);
    if (!code)
        code = choose_lines(ctx, s);
    if (!code)
        code = supply_step_prepare(ctx, t);
    for (uint32_t i = 0; !code && i < w->move_count; i++)
        code = post_shipped(ctx, s, i);
    t->may_undo = true; /* what it gives may not fit */
    return code;
}

/* Everything is taken, and the pools of expected units have room, which only the supply's owner
 * uses: so what is expected may be raised before the claim (X1). */
static enum code begin_lines(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; s->eta_ms != 0 && i < w->move_count; i++) {
        w->lines[w->moves[i].line]->pool = w->fresh[i].pool;
        incoming_raise(incoming_at(&ctx->ledger->items, w->fresh[i].pool), s->eta_ms,
                       w->moves[i].qty);
    }
    s->owned_count = 0; /* the supply's now */
    supply_step_bracket(ctx, s);
    return CODE_OK;
}

static const struct txn_kind ship_txn = {
    .id_name = "op",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_SUPPLY_STEP,
    .plan = plan_ship,
    .taken = begin_lines,
    .record = supply_step_record,
    .show = supply_step_show,
    .repeat = supply_step_repeat,
};

enum code ledger_ship(struct ctx *ctx, const struct supply_step *step, struct supply_view *view)
{
    enum code code = check_supply_step(ctx, step, 1);
    if (code)
        return code;
    struct stepping_supply s = {
        .txn = { .id = step->op, .content = supply_step_fingerprint(step, RECORD_SHIP) },
        .asked = step,
        .type = RECORD_SHIP,
        .view = view,
    };
    code = txn_perform(ctx, &s.txn, &ship_txn); /* @ship */
    disown(ctx, &s);
    supply_step_end(ctx, &s);
    return code;
}

/* ---- withdraw ---- */

static enum code post_withdrawn(struct ctx *ctx, struct stepping_supply *s, uint32_t at)
{
    const struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    const struct id_entry *entry = s->txn.reservation;
    const struct move_record *move = &w->moves[at];
    if (!entry->from)
        return supply_post_arrival(ctx, s, at);
    post(ctx->postings, (struct posting){ .pool = shared_unit(items, w->items[move->line],
                                                              (uint16_t)(entry->from - 1)),
                                          .counted = NOT_COUNTED,
                                          .reserved = -(int32_t)move->qty,
                                          .needs = NEEDS_NONE });
    return CODE_OK;
}

static enum code plan_withdraw(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    supply_step_unbracket(ctx, s);
    enum code code = supply_hold(ctx, t, s->asked->id);
    if (code)
        return code;
    enum supply_state state = word_supply_state(t->word);
    bool before = s->asked->all && word_last(t->word) == RECORD_WITHDRAW;
    if (before && !text_given(t->id)) {
        supply_step_done(ctx, t, s->view);
        return CODE_OK;
    }
    if (!before && (supply_over(state) || (t->reservation->from && !holds_any(w))))
        return supply_wrong_state(ctx, t, "be withdrawn");
    supply_forget_moves(w);
    s->eta_ms = t->reservation->eta_ms;
    code = choose_lines(ctx, s);
    if (!code)
        code = supply_step_prepare(ctx, t);
    for (uint32_t i = 0; !code && i < w->move_count; i++)
        code = post_withdrawn(ctx, s, i);
    t->may_undo = true;
    return code;
}

static const struct txn_kind withdraw_txn = {
    .id_name = "op",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_SUPPLY_STEP,
    .plan = plan_withdraw,
    .taken = supply_step_taken,
    .record = supply_step_record,
    .show = supply_step_show,
    .repeat = supply_step_repeat,
};

enum code ledger_withdraw(struct ctx *ctx, const struct supply_step *step, struct supply_view *view)
{
    enum code code = check_supply_step(ctx, step, 1);
    if (code)
        return code;
    struct stepping_supply s = {
        .txn = { .id = step->op, .content = supply_step_fingerprint(step, RECORD_WITHDRAW) },
        .asked = step,
        .type = RECORD_WITHDRAW,
        .view = view,
    };
    code = txn_perform(ctx, &s.txn, &withdraw_txn);
    supply_step_end(ctx, &s);
    return code;
}
