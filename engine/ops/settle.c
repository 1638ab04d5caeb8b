/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling: fulfil and cancel, in part or whole; and restock, which cancels what a place set aside
 * and nobody collected.
 *
 * A step with an op has an entry of its own, so that a retry returns the first result and does
 * nothing twice. The op's entry is taken first, then the reservation's; both are tried, never
 * waited for.
 */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/figures/figures.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/parts.h"
#include "engine/ops/precedence.h"
#include "engine/ops/reservation.h"
#include "engine/ops/reservation_find.h"
#include "engine/ops/sale.h"
#include "engine/ops/sent_come.h"
#include "engine/ops/sweep.h"
#include "engine/txn/txn_run.h"

enum step_kind {
    STEP_FULFIL = RECORD_FULFIL,
    STEP_CANCEL = RECORD_CANCEL,
    STEP_RESTOCK = RECORD_RESTOCK,
};

/* One step in progress. */
struct stepping {
    struct txn txn; /* its id is the step's op */
    const struct step *asked;
    enum step_kind kind;
    bool at_place;     /* it settles only what is drawn from there */
    uint16_t location; /* its index */
    bool done_before;  /* nothing is left to do; the op stands for that */
    uint32_t part_count;
    struct step_part *parts; /* the context's */
    enum entry_state to;     /* the resulting state */
    struct reservation_view *result;
};

static const char *verb(enum step_kind kind)
{
    return kind == STEP_FULFIL ? "fulfilled" : kind == STEP_CANCEL ? "cancelled" : "restocked";
}

static enum entry_state goal(enum step_kind kind)
{
    return kind == STEP_FULFIL ? STATE_FULFILLED : STATE_CANCELLED;
}

static uint64_t fingerprint(const struct step *step, enum step_kind kind)
{
    uint64_t f = mix_text(mix_number(mix_number(0, kind), step->line_count), step->id);
    for (uint32_t i = 0; i < step->line_count; i++)
        f = mix_number(mix_text(f, step->lines[i].sku), (uint64_t)step->lines[i].qty);
    return text_given(step->location) ? mix_text(f, step->location) : f;
}

static enum code check_step(struct ctx *ctx, const struct step *step)
{
    enum code code = check_id(ctx, "id", step->id);
    if (!code && text_given(step->op))
        code = check_id(ctx, "op", step->op);
    if (!code && text_given(step->op) && text_equal(step->op, step->id))
        return fail_param(ctx, CODE_BAD_REQUEST, "op",
                          "op must be another id than the reservation's");
    if (!code && step->line_count > LINES_MAX)
        return fail_param(ctx, CODE_TOO_LARGE, "lines", "lines: a step has at most %d, not %u",
                          LINES_MAX, step->line_count);
    for (uint32_t i = 0; !code && i < step->line_count; i++) {
        int64_t qty = step->lines[i].qty;
        if (qty < 1 || qty > QUANTITY_MAX)
            code = fail_param(ctx, CODE_BAD_REQUEST, "qty",
                              "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                              (long long)QUANTITY_MAX, (long long)qty);
    }
    return code;
}

/* ---- which draws, and how much of each ---- */

/* Is the draw one that the step settles? */
static bool concerns(const struct ctx *ctx, const struct stepping *s, struct draw *draw)
{
    if (!s->at_place)
        return true;
    if (s->kind == STEP_RESTOCK && draw_step(s->txn.reservation, draw) != PART_NOT_COLLECTED)
        return false;
    uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, draw->pool));
    return key_location(key) == s->location;
}

/* Lists the draws that the step settles by their items. */
static void chain_draws(struct ctx *ctx, const struct stepping *s)
{
    struct draw_list *list = &ctx->draw_list;
    list_draws(ctx, s->txn.reservation);
    for (uint32_t i = list->count; i-- > 0;)
        if (concerns(ctx, s, list->draws[i]))
            chain_draw(ctx, i);
}

/* Settles at most `wanted` units of one draw. Returns how many. */
static int64_t choose_draw(struct draw_list *list, struct stepping *s, uint32_t index,
                           int64_t wanted)
{
    struct draw *draw = list->draws[index];
    if (list->part[index] == 0) {
        s->parts[s->part_count++] = (struct step_part){ .draw = draw, .index = (uint16_t)index };
        list->part[index] = (uint16_t)s->part_count;
    }
    struct step_part *part = &s->parts[list->part[index] - 1];
    assert(part->draw == draw);
    assert(part->qty <= draw_left(draw)); /* I3 */
    int64_t left = (int64_t)draw_left(draw) - part->qty;
    int64_t qty = left < wanted ? left : wanted;
    part->qty += (uint32_t)qty;
    return qty;
}

static enum code too_little_left(struct ctx *ctx, const struct stepping *s,
                                 const struct order_line *line, int64_t left)
{
    fail(ctx, CODE_WRONG_STATE, "only %lld of \"%.*s\" are left to be %s", (long long)left,
         (int)line->sku.len, line->sku.at, verb(s->kind));
    ctx->failure.state = state_name(word_state(s->txn.word));
    ctx->failure.shorts[0] = (struct shortfall){ line->sku, line->qty, left };
    ctx->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* How many of the units that the reservation wants of the draw's pool can be handed over now; of a
 * supply's pool it may say no more than that all of them can. */
static enum code there_of(struct ctx *ctx, const struct stepping *s, const struct draw *draw,
                          int64_t wanted, int64_t *there)
{
    const struct items *items = &ctx->ledger->items;
    *there = wanted;
    if (incoming_find(items, draw->pool))
        return precedence_check(ctx, draw->pool, s->txn.reservation, s->txn.entry, wanted, there);
    *there = word_on_hand(pool_read(pool_at(items, draw->pool)));
    return CODE_OK;
}

/* What the step settles of a draw so far. */
static int64_t chosen(const struct draw_list *list, const struct stepping *s, uint32_t index)
{
    return list->part[index] ? s->parts[list->part[index] - 1].qty : 0;
}

/* What it settles so far of all draws of the item that are from that pool. */
static int64_t chosen_of_pool(const struct draw_list *list, const struct stepping *s,
                              uint32_t first, uint32_t pool)
{
    int64_t sum = 0;
    for (uint32_t at = first; at != 0; at = list->next[at - 1])
        if (list->draws[at - 1]->pool == pool)
            sum += chosen(list, s, at - 1);
    return sum;
}

/* Of several draws of one item, some units may be there and others not: those that are there are
 * handed over first. Leaves in *wanted how many of the wanted ones are not. */
static enum code choose_there(struct ctx *ctx, struct stepping *s, uint32_t first, int64_t *wanted)
{
    struct draw_list *list = &ctx->draw_list;
    for (uint32_t at = first; at != 0 && *wanted > 0; at = list->next[at - 1]) {
        const struct draw *draw = list->draws[at - 1];
        int64_t more = draw_left(draw) - chosen(list, s, at - 1), there;
        if (more == 0)
            continue;
        int64_t before = chosen_of_pool(list, s, first, draw->pool);
        if (there_of(ctx, s, draw, before + more, &there) == CODE_DEFERRED)
            return CODE_DEFERRED;
        there -= before;
        if (there > 0)
            *wanted -= choose_draw(list, s, at - 1, there < *wanted ? there : *wanted);
    }
    return CODE_OK;
}

/* Spreads one line over the reservation's draws of that item, in their order. */
static enum code choose_line(struct ctx *ctx, struct stepping *s, const struct order_line *line)
{
    struct draw_list *list = &ctx->draw_list;
    uint32_t item;
    enum code code = find_item(ctx, line->sku, &item);
    if (code)
        return code;
    int64_t wanted = line->qty;
    uint32_t *first = item_map_number(&ctx->draw_list.map, item, 0);
    if (s->kind == STEP_FULFIL && *first != 0 && list->next[*first - 1] != 0)
        code = choose_there(ctx, s, *first, &wanted);
    while (!code && wanted > 0) {
        ctx->work++;
        /* The next line of that item continues where this one ends. */
        while (*first != 0 && draw_left(list->draws[*first - 1]) == 0)
            *first = list->next[*first - 1];
        if (*first == 0)
            return too_little_left(ctx, s, line, line->qty - wanted);
        wanted -= choose_draw(list, s, *first - 1, wanted);
        if (wanted > 0)
            *first = list->next[*first - 1];
    }
    return code;
}

static void choose_all(struct ctx *ctx, struct stepping *s)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, s->txn.reservation);
    struct draw *draw;
    for (uint16_t i = 0; (draw = draw_walk_next(&walk)) != NULL; i++)
        if (draw_left(draw) > 0 && concerns(ctx, s, draw))
            s->parts[s->part_count++] =
                (struct step_part){ .draw = draw, .qty = draw_left(draw), .index = i };
}

static enum code choose_parts(struct ctx *ctx, struct stepping *s)
{
    const struct step *step = s->asked;
    enum code code = CODE_OK;
    assert(s->part_count == 0);
    if (step->line_count == 0) {
        choose_all(ctx, s);
        return CODE_OK;
    }
    chain_draws(ctx, s);
    for (uint32_t i = 0; !code && i < step->line_count; i++)
        code = choose_line(ctx, s, &step->lines[i]);
    return code;
}

/* ---- planning ---- */

/* Of a pool of expected units: have enough come, for this reservation and those before it? */
static enum code check_come(struct ctx *ctx, const struct stepping *s, const struct posting *p)
{
    int64_t there;
    enum code code =
        precedence_check(ctx, p->pool, s->txn.reservation, s->txn.entry, -p->on_hand, &there);
    return code == CODE_INSUFFICIENT_STOCK ? not_on_hand(ctx, p->pool, -p->on_hand, there) : code;
}

/* A short pool has fewer units on hand than are promised, so what should ship may be missing. The
 * plan finds that before it takes anything, so that a refusal leaves no undone takes. */
static enum code check_on_hand(struct ctx *ctx, const struct stepping *s)
{
    struct postings *postings = ctx->postings;
    const struct items *items = &ctx->ledger->items;
    enum code code = CODE_OK;
    if (postings->count > 1)
        postings_order(postings);
    for (uint32_t i = 0; !code && i < postings->count; i++) {
        const struct posting *p = &postings->at[i];
        uint64_t word = pool_read(pool_at(items, p->pool));
        if (s->txn.may_undo && incoming_find(items, p->pool))
            code = check_come(ctx, s, p);
        else if (word_on_hand(word) < -p->on_hand)
            code = word_undecided(word) != 0
                       ? CODE_DEFERRED
                       : not_on_hand(ctx, p->pool, -p->on_hand, word_on_hand(word));
    }
    return code;
}

static enum code post_parts(struct ctx *ctx, struct stepping *s)
{
    const struct items *items = &ctx->ledger->items;
    bool fulfil = s->kind == STEP_FULFIL;
    bool expects = fulfil && s->txn.reservation->timed; /* others have no draws of supplies */
    bool tracked = s->txn.reservation->tracked;
    for (uint32_t i = 0; i < s->part_count; i++) {
        struct step_part *part = &s->parts[i];
        const struct incoming *in = expects ? incoming_find(items, part->draw->pool) : NULL;
        assert(part->qty <= draw_left(part->draw)); /* I3 */
        int32_t qty = (int32_t)part->qty;
        part->expected = in != NULL;
        part->mark = part->expected ? incoming_mark(in) : 0;
        /* Undecided until the units are set aside no longer: see set_aside_at. */
        bool aside = fulfil && tracked && draw_tracked(part->draw)->step != PART_OPEN; /* @aside */
        s->txn.may_undo |= part->expected || aside;
        post(ctx->postings,
             (struct posting){ .pool = part->draw->pool,
                               .counted = NOT_COUNTED,
                               .on_hand = fulfil ? -qty : 0,
                               .reserved = -qty,
                               .needs = NEEDS_NONE,
                               .floor = (int32_t)mark_expected(part->mark) }); /* @floor */
    }
    return fulfil ? check_on_hand(ctx, s) : CODE_OK;
}

/* X1 of store/incoming.h: what seemed to have come had come. And X2: a change of the ETA behind the
 * fulfil in the log waits until the fulfil is done, and one before it is shown. */
static enum code check_marks(struct ctx *ctx, struct txn *t)
{
    const struct stepping *s = (const struct stepping *)t;
    const struct items *items = &ctx->ledger->items;
    for (uint32_t i = 0; i < s->part_count && t->may_undo; i++) {
        const struct step_part *part = &s->parts[i];
        if (!part->expected)
            continue;
        const struct incoming *in = incoming_at(items, part->draw->pool);
        if (incoming_mark(in) != part->mark)
            return CODE_DEFERRED; /* @mark */
        if (incoming_eta_ms(in) == 0 && incoming_supply(in) != 0)
            return CODE_DEFERRED; /* X2: it is being rescheduled */
    }
    return CODE_OK;
}

/* Finds the place that the step is about, and how far its part is. */
static enum code find_part(struct ctx *ctx, struct stepping *s, struct part *part)
{
    const struct location *location;
    *part = (struct part){ 0 };
    if (!text_given(s->asked->location))
        return CODE_OK;
    catalogue_pin(ctx);
    enum code code = find_location(ctx, "location", s->asked->location, &location);
    if (code)
        return code;
    s->at_place = true;
    s->location = location_index(ctx->catalogue, location);
    *part = part_at(ctx, s->txn.reservation, s->location);
    ctx->work += s->txn.reservation->draw_count;
    return CODE_OK;
}

static bool may_step(enum step_kind kind, enum entry_state state)
{
    return state == STATE_CONFIRMED || (kind == STEP_CANCEL && state == STATE_HELD);
}

/* The step asks for all, nothing is left, and it was this kind of step that ended it. */
static bool already_done(const struct stepping *s, const struct part *part)
{
    if (s->at_place && s->asked->line_count == 0)
        return part->draws > 0 && part->left == 0 &&
               (s->kind == STEP_FULFIL) == (part->fulfilled > 0);
    return s->asked->line_count == 0 && state_final(word_state(s->txn.word)) &&
           (word_state(s->txn.word) == goal(s->kind) || word_last(s->txn.word) == s->kind);
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct stepping *s = (struct stepping *)t;
    struct part part;
    if (s->kind == STEP_FULFIL && !figures_have_room(ctx->ledger->figures, ctx->index))
        return CODE_DEFERRED;
    enum code code = reservation_hold(ctx, t, s->asked->id);
    if (!code)
        code = find_part(ctx, s, &part);
    if (code)
        return code;
    if (already_done(s, &part)) {
        view_reservation(ctx, t->reservation, t->word, false, s->result);
        COUNT(ctx, repeats);
        s->done_before = true;
        t->done = !text_given(t->id);
        return CODE_OK;
    }
    if (!may_step(s->kind, word_state(t->word)))
        return reservation_wrong_state(ctx, t, verb(s->kind));
    s->parts = ctx->parts;
    s->part_count = 0;
    code = choose_parts(ctx, s);
    if (!code && s->part_count == 0)
        return part_refused(ctx, t, s->asked->location, &part, verb(s->kind));
    return code ? code : post_parts(ctx, s);
}

/* ---- the step itself ---- */

static uint32_t record_step(struct ctx *ctx, const struct stepping *s)
{
    const struct step *step = s->asked;
    struct step_head_fields f = {
        .fixed = { .head = head_of(ctx, (enum record_type)s->kind, s->to),
                   .time_ms = ctx->wall_ms,
                   .content = s->txn.content,
                   .step_count =
                       step->line_count > 0 || s->at_place ? (uint16_t)s->part_count : 0 },
        .id = step->id,
        .op = step->op,
    };
    struct record_builder b = step_head_begin(ctx->record, &f);
    for (uint32_t i = 0; i < f.fixed.step_count; i++) {
        struct step_record part = { .draw = s->parts[i].index, .qty = s->parts[i].qty };
        record_add(&b, &part, sizeof part);
    }
    return record_end(&b);
}

/* A fulfil frees nothing; but that a backlog was served with all there was must be found anew. */
static void sweep_backlogs(struct ctx *ctx, const struct stepping *s)
{
    const struct items *items = &ctx->ledger->items;
    for (uint32_t i = 0; i < s->part_count; i++) {
        uint64_t key = pool_read_key(pool_at(items, s->parts[i].draw->pool));
        if (item_has(item_at(items, key_item(key)), ITEM_BACKLOG))
            sweep_note(ctx, s->parts[i].draw->pool);
    }
}

static void settle_parts(struct ctx *ctx, const struct stepping *s)
{
    /* A fulfil leaves as much available as before; but of a supply others may have come. */
    bool sweeps =
        (s->kind != STEP_FULFIL || s->txn.reservation->timed) && incoming_any(&ctx->ledger->items);
    bool tracked = s->txn.reservation->tracked;
    if (!sweeps &&
        incoming_any(&ctx->ledger->items)) /* what a backlog waits in vain for is noted */
        sweep_backlogs(ctx, s);
    for (uint32_t i = 0; i < s->part_count; i++) {
        struct draw *draw = s->parts[i].draw;
        if (s->kind == STEP_FULFIL) {
            if (s->parts[i].expected)
                keep_ready(ctx, s->txn.reservation, draw);
            draw->fulfilled += s->parts[i].qty;
        } else {
            draw->cancelled += s->parts[i].qty;
        }
        if (tracked)
            part_settled(ctx, draw, s->parts[i].qty);
        if (sweeps)
            sweep_later(ctx, draw->pool);
        assert(draw->fulfilled + draw->cancelled <= draw->qty);
    }
}

/* Everything is taken, and what a step gives always fits, so the draws may change before the claim,
 * and the record holds the state that follows from them. */
static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    struct stepping *s = (struct stepping *)t;
    s->to = word_state(t->word);
    if (s->done_before)
        return build_op_record(ctx, t, s->asked->id, s->to);
    if (s->kind == STEP_FULFIL) /* nothing can fail any more; before it is published: G3 */
        sale_note(ctx, t->reservation, s->parts, s->part_count, ctx->wall_ms);
    settle_parts(ctx, s);
    s->to = state_of_draws(&ctx->ledger->ids, t->reservation, s->to);
    return record_step(ctx, s);
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct stepping *s = (struct stepping *)t;
    if (s->done_before) {
        s->result->lsn = t->lsn;
        entry_put(t->reservation, t->word);
    } else {
        t->reservation->lsn_last = t->lsn;
        uint64_t word = word_with_last(with_state(t->word, s->to), s->kind);
        view_reservation(ctx, t->reservation, word, false, s->result);
        sent_come_note(ctx, t->reservation, word);
        settle_entry(ctx, t->reservation, word);
    }
    if (t->entry)
        remember_step(ctx, t->entry, t->content, t->lsn, s->to, t->id.len);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    view_step(t->entry, ((struct stepping *)t)->result);
}

static const struct txn_kind fulfil_txn = {
    .id_name = "op",
    .takes = true,
    .remembered = ENTRY_STEP,
    .plan = plan,
    .taken = check_marks,
    .record = build_record,
    .show = show,
    .repeat = repeat,
};

static const struct txn_kind cancel_txn = {
    .id_name = "op",
    .gives = true,
    .remembered = ENTRY_STEP,
    .preclaims = true,
    .plan = plan,
    .record = build_record,
    .show = show,
    .repeat = repeat,
};

static enum code step(struct ctx *ctx, const struct step *asked, enum step_kind kind,
                      struct reservation_view *r)
{
    enum code code = check_step(ctx, asked);
    if (code)
        return code;
    uint64_t content = text_given(asked->op) ? fingerprint(asked, kind) : 0;
    struct stepping s = {
        .txn = { .id = asked->op, .content = content }, .asked = asked, .kind = kind, .result = r
    };
    code = kind == STEP_FULFIL ? txn_perform(ctx, &s.txn, &fulfil_txn)
                               : txn_perform(ctx, &s.txn, &cancel_txn);
    if (kind == STEP_FULFIL)
        precedence_end(ctx, s.txn.reservation, code);
    sweep_now(ctx);
    sent_come_now(ctx);
    return code;
}

enum code ledger_fulfil(struct ctx *ctx, const struct step *asked, struct reservation_view *r)
{
    enum code code = step(ctx, asked, STEP_FULFIL, r);
    if (code == CODE_OK)
        COUNT(ctx, fulfils);
    return code;
}

enum code ledger_restock(struct ctx *ctx, const struct step *asked, struct reservation_view *r)
{
    assert(asked->line_count == 0);
    assert(text_given(asked->location));
    return step(ctx, asked, STEP_RESTOCK, r);
}

enum code ledger_cancel(struct ctx *ctx, const struct step *asked, struct reservation_view *r)
{
    enum code code = step(ctx, asked, STEP_CANCEL, r);
    if (code == CODE_OK)
        COUNT(ctx, cancels);
    return code;
}
