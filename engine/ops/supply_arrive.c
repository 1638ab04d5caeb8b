/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrive: what becomes of a supply's units once they come, or are known never to come.
 *
 * Of what comes, the promised units stay in the supply's pool, where they now count as on hand; the
 * free ones go to the shared pool of the place, and so does what nobody expected. So an arrival
 * costs the same whether one or 100,000 orders wait for it. What is lost or cannot be sold leaves
 * the supply's pool. If that holds fewer units than were promised then, free stock of the place
 * stands in for them in the same transaction; what still lacks is short: the latest promises.
 */
#include "engine/ops/supply_step.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/sent_come.h"
#include "engine/txn/txn_run.h"

/* What a move does to the pools of its line's item at the destination. */
struct arriving {
    uint32_t own, shared; /* units of the supply's pool, and of the shared one */
    int64_t come;         /* within what was expected */
    int64_t gone;         /* of what was expected: rejected, lost or withdrawn */
    int64_t over;         /* accepted beyond that */
    int64_t damaged;
    int64_t free;    /* of what has come: goes to the shared pool */
    int64_t lacking; /* of what was promised */
    int64_t stands_in;
    int64_t stays;   /* must be available in the supply's pool afterwards */
    int64_t counted; /* must be on hand in it, with no take undecided; or NOT_COUNTED */
};

static struct arriving arriving_of(const struct stepping_supply *s, const struct line_entry *line,
                                   const struct move_record *move)
{
    if (s->type == RECORD_WITHDRAW)
        return (struct arriving){ .own = line->pool, .gone = move->qty };
    struct arrival a = arrival_of(line, move);
    return (struct arriving){ .own = line->pool,
                              .come = a.accepted,
                              .gone = (int64_t)a.rejected + move->lost,
                              .over = a.over,
                              .damaged = move->rejected };
}

/* Of a line of which nothing was ever under way the supply has no pool: all is an overage. */
static bool has_own(const struct items *items, const struct arriving *a)
{
    return incoming_at(items, a->own) != items->incoming;
}

/* Plans who gets what, by a look at both pools. CODE_DEFERRED: what is promised may not be. */
static enum code divide(const struct items *items, struct arriving *a)
{
    if (!has_own(items, a))
        return CODE_OK;
    const struct pool *own = pool_at(items, a->own), *shared = pool_at(items, a->shared);
    int64_t expected = incoming_expected(incoming_at(items, a->own));
    uint64_t word = pool_read(own), shared_word = pool_read(shared);
    int64_t later = expected - a->come - a->gone; /* still expected */
    assert(later >= 0);
    int64_t free = word_on_hand(word) - expected + a->come - word_reserved(word);
    int64_t lacking = word_reserved(word) - (word_on_hand(word) - a->gone);
    a->free = free > 0 ? free : 0; /* @kept */
    a->lacking = lacking > 0 && a->gone > 0 ? lacking : 0;
    a->stays = a->free > 0 ? later : 0;
    a->counted = NOT_COUNTED;
    if (a->lacking == 0)
        return CODE_OK;
    assert(a->free == 0);
    if (word_undecided(word) || word_undecided(shared_word))
        return CODE_DEFERRED;
    int64_t there = word_available(shared_word) > 0 ? word_available(shared_word) : 0;
    a->stands_in = a->over + there < a->lacking ? a->over + there : a->lacking;
    a->stays = a->stands_in - a->lacking;
    a->counted = word_on_hand(word); /* an order that is undone later would make it lack less */
    return CODE_OK;
}

/* A change of on hand by so many units, which leaves that many available. */
static void post_change(struct ctx *ctx, uint32_t unit, int64_t delta, int64_t leaves,
                        int64_t counted, bool stays)
{
    post(ctx->postings,
         (struct posting){ .pool = unit,
                           .counted = (int32_t)counted,
                           .on_hand = (int32_t)delta,
                           .needs = delta < 0 ? (int32_t)(leaves - delta) : NEEDS_NONE,
                           .stays = stays });
}

static enum code post_damaged(struct ctx *ctx, const struct stepping_supply *s, uint32_t item,
                              int64_t qty)
{
    struct items *items = &ctx->ledger->items;
    uint16_t location = s->txn.reservation->location;
    struct pool *pool = pool_make(items, item, location, owner_of(POOL_DAMAGED, 0));
    if (!pool)
        return supply_no_pool(ctx, item);
    if (word_on_hand(pool_read(pool)) + qty > QUANTITY_MAX)
        return supply_pool_is_full(ctx, item, location);
    post_change(ctx, pool_unit(items, pool), qty, 0, NOT_COUNTED, false);
    return CODE_OK;
}

enum code supply_post_arrival(struct ctx *ctx, struct stepping_supply *s, uint32_t at)
{
    struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    struct move_record *move = &w->moves[at];
    uint32_t item = w->items[move->line];
    struct arriving a = arriving_of(s, w->lines[move->line], move);
    a.shared = shared_unit(items, item, s->txn.reservation->location);
    assert(a.shared != UINT32_MAX); /* it was made with the supply */
    enum code code = divide(items, &a);
    if (code)
        return code;
    int64_t shared = a.free + a.over - a.stands_in;
    if (word_on_hand(pool_read(pool_at(items, a.shared))) + shared > QUANTITY_MAX)
        return supply_pool_is_full(ctx, item, s->txn.reservation->location);
    move->over = (uint32_t)a.over;
    move->swept = (int32_t)(a.free - a.stands_in);
    if (a.stays < 0)
        item_set_short(items, item);
    if (has_own(items, &a))
        post_change(ctx, a.own, a.stands_in - a.free - a.gone, a.stays, a.counted, true);
    if (shared != 0 || !has_own(items, &a))
        post_change(ctx, a.shared, shared, 0, NOT_COUNTED, true);
    return a.damaged > 0 ? post_damaged(ctx, s, item, a.damaged) : CODE_OK;
}

/* ---- which lines, and how much of each ---- */

static void accept_all(struct supply_work *w)
{
    for (uint32_t i = 0; i < w->line_count; i++)
        if (line_under_way(w->lines[i]) > 0)
            supply_move(w, i)->qty = line_under_way(w->lines[i]);
}

static enum code choose_lines(struct ctx *ctx, struct stepping_supply *s)
{
    struct supply_work *w = ctx->supply;
    const struct supply_step *asked = s->asked;
    if (asked->all)
        accept_all(w);
    for (uint32_t i = 0; !asked->all && i < asked->line_count; i++) {
        uint32_t line;
        enum code code = supply_find_line(ctx, i, asked->lines[i].sku, &line);
        if (code)
            return code;
        struct move_record *move = supply_move(w, line);
        move->qty += (uint32_t)asked->lines[i].qty;
        move->rejected += (uint32_t)asked->lines[i].rejected;
        const struct line_entry *to = w->lines[line];
        if ((uint64_t)to->accepted + to->rejected + move->qty + move->rejected > INT32_MAX)
            return supply_pool_is_full(ctx, w->items[line], s->txn.reservation->location);
    }
    for (uint32_t i = 0; asked->close && i < w->line_count; i++) {
        uint32_t left = line_under_way(w->lines[i]);
        if (left == 0)
            continue;
        struct move_record *move = supply_move(w, i);
        struct arrival a = arrival_of(w->lines[i], move);
        move->lost = left - a.accepted - a.rejected;
    }
    return CODE_OK;
}

/* ---- the transaction ---- */

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    supply_step_unbracket(ctx, s);
    enum code code = supply_hold(ctx, t, s->asked->id);
    if (code)
        return code;
    enum supply_state state = word_supply_state(t->word);
    bool before = s->asked->all && state == SUPPLY_ARRIVED;
    if (before && !text_given(t->id)) {
        supply_step_done(ctx, t, s->view);
        return CODE_OK;
    }
    if (!before && state != SUPPLY_IN_TRANSIT)
        return supply_wrong_state(ctx, t, "arrive");
    supply_forget_moves(w);
    s->eta_ms = t->reservation->eta_ms;
    code = choose_lines(ctx, s);
    if (!code)
        code = supply_step_prepare(ctx, t);
    for (uint32_t i = 0; !code && i < w->move_count; i++)
        code = supply_post_arrival(ctx, s, i);
    t->may_undo = true; /* what it gives may not fit */
    return code;
}

static const struct txn_kind arrive_txn = {
    .id_name = "op",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_SUPPLY_STEP,
    .plan = plan,
    .taken = supply_step_taken,
    .record = supply_step_record,
    .show = supply_step_show,
    .repeat = supply_step_repeat,
};

enum code ledger_arrive(struct ctx *ctx, const struct supply_step *step, struct supply_view *view)
{
    enum code code = check_supply_step(ctx, step, 0);
    if (code)
        return code;
    struct stepping_supply s = {
        .txn = { .id = step->op, .content = supply_step_fingerprint(step, RECORD_ARRIVE) },
        .asked = step,
        .type = RECORD_ARRIVE,
        .view = view,
    };
    code = txn_perform(ctx, &s.txn, &arrive_txn);
    supply_step_end(ctx, &s);
    sent_come_now(ctx);
    return code;
}
