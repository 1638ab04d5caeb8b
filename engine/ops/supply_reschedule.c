/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reschedule: the ETA of a supply changes, and with it when all is ready that was promised from it.
 * That is computed once for each line, for parcels and for collection, and recorded; no reservation
 * is touched (see view_reservation). What is covered by units that have come keeps its times: the
 * record says up to where in the log. Only if some promises of a line are covered and others are
 * not, a walk over them finds that out.
 */
#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/sweeps.h"
#include "engine/ops/precedence.h"
#include "engine/ops/supply_step.h"
#include "engine/ops/supply_watch.h"
#include "engine/sourcing/ready.h"
#include "engine/txn/txn_run.h"

/* How often it looks whether the orders that are under way have ended: some microseconds. */
enum { DRAIN_LOOKS = 2000 };

static enum code compute_times(struct ctx *ctx, struct stepping_supply *s)
{
    enum code code = CODE_OK;
    struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    catalogue_pin(ctx);
    for (uint32_t i = 0; !code && i < w->line_count; i++) {
        uint32_t unit = w->lines[i]->pool;
        uint64_t key = pool_read_key(pool_at(items, unit));
        w->times[i] = (struct time_record){ .covered_lsn = EVERYTHING_COVERED };
        if (owner_kind(key_owner(key)) != POOL_EXPECTED)
            continue; /* it is held: nothing of it was promised */
        w->times[i].ship_ms = ready_ms_of(ctx, key, unit, MODE_SHIP, s->eta_ms);
        w->times[i].pickup_ms = ready_ms_of(ctx, key, unit, MODE_PICKUP, s->eta_ms);
        uint64_t covered_lsn;
        code = precedence_covered(ctx, unit, s->txn.entry, &covered_lsn);
        w->times[i].covered_lsn = covered_lsn; /* @covered */
    }
    return code;
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    enum code code = supply_hold(ctx, t, s->asked->id);
    if (code)
        return code;
    if (supply_over(word_supply_state(t->word)))
        return supply_wrong_state(ctx, t, "be rescheduled");
    s->eta_ms = s->asked->eta_ms;
    if (s->eta_ms == t->reservation->eta_ms && !text_given(t->id)) {
        supply_step_done(ctx, t, s->view);
        return CODE_OK;
    }
    code = check_eta(ctx, s->eta_ms);
    if (!code)
        code = supply_step_prepare(ctx, t);
    if (code)
        return code;
    code = compute_times(ctx, s);
    for (uint32_t i = 0; i < ctx->supply->line_count; i++) /* raises the item's version */
        post(ctx->postings, (struct posting){ .pool = ctx->supply->lines[i]->pool,
                                              .counted = NOT_COUNTED,
                                              .needs = NEEDS_NONE }); /* @rescheduled */
    return code;
}

static void set_etas(struct ctx *ctx, uint64_t eta_ms)
{
    const struct items *items = &ctx->ledger->items;
    const struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct incoming *in = incoming_find(items, w->lines[i]->pool);
        if (in)
            atomic_store_explicit(&in->eta_ms, eta_ms, memory_order_seq_cst);
    }
}

/* X2: have all orders that planned with the old ETA claimed, or been undone? */
static bool drained(struct ctx *ctx)
{
    const struct supply_work *w = ctx->supply;
    unsigned looks = 0;
    for (uint32_t i = 0; i < w->line_count && looks < DRAIN_LOOKS; looks++) {
        struct pool *pool = pool_at(&ctx->ledger->items, w->lines[i]->pool);
        bool expects = incoming_find(&ctx->ledger->items, w->lines[i]->pool) != NULL;
        /* Adds nothing, but takes its place among the changes of the word. */
        uint64_t word = atomic_fetch_add_explicit(&pool->word, 0, memory_order_seq_cst);
        i += !expects || word_undecided(word) == 0;
    }
    return looks < DRAIN_LOOKS;
}

/* An order may have been promised some of a line since all promises of it were found covered. */
static bool covers_all(const struct ctx *ctx)
{
    const struct items *items = &ctx->ledger->items;
    const struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->line_count; i++) {
        uint32_t unit = w->lines[i]->pool;
        const struct incoming *in = incoming_find(items, unit);
        uint64_t word = pool_read(pool_at(items, unit));
        if (in && w->times[i].covered_lsn == EVERYTHING_COVERED &&
            word_on_hand(word) - incoming_expected(in) < word_reserved(word))
            return false;
    }
    return true;
}

static void bracket(struct ctx *ctx, void (*edge)(struct item *))
{
    const struct supply_work *w = ctx->supply;
    for (uint32_t i = 0; i < w->line_count; i++)
        edge(item_at(&ctx->ledger->items, w->items[i]));
}

/* Nothing is promised from the supply until it has its new ETA. Meanwhile no sum over its items
 * counts, as if its units were moving: nobody is refused because of it, nor shown too little. */
static enum code stop_promising(struct ctx *ctx, struct txn *t)
{
    bracket(ctx, moves_begin);
    set_etas(ctx, 0);
    if (drained(ctx) && covers_all(ctx))
        return CODE_OK;
    set_etas(ctx, t->reservation->eta_ms);
    bracket(ctx, moves_end);
    return CODE_DEFERRED;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct stepping_supply *s = (const struct stepping_supply *)t;
    struct supply_work *w = ctx->supply;
    struct reschedule_fields f = { .fixed = { .head = head_of(ctx, RECORD_RESCHEDULE, 0),
                                              .time_ms = ctx->wall_ms,
                                              .content = t->content,
                                              .eta_ms = s->eta_ms,
                                              .line_count = (uint16_t)w->line_count },
                                   .id = s->asked->id,
                                   .op = s->asked->op };
    struct record_builder b = reschedule_begin(ctx->record, &f);
    record_add(&b, w->times, w->line_count * (uint32_t)sizeof w->times[0]);
    return record_end(&b);
}

void supply_reschedule(struct ctx *ctx, struct id_entry *entry, uint64_t lsn, uint64_t eta_ms,
                       uint64_t time_ms, const struct time_record *times)
{
    const struct items *items = &ctx->ledger->items;
    const struct supply_work *w = ctx->supply;
    entry->lsn_last = lsn;
    entry->eta_ms = eta_ms;
    entry->watched_ms = time_ms;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct incoming *in = incoming_find(items, w->lines[i]->pool);
        if (in)
            incoming_move(in, eta_ms, lsn, times[i].covered_lsn, times[i].ship_ms,
                          times[i].pickup_ms);
    }
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct stepping_supply *s = (struct stepping_supply *)t;
    struct id_entry *entry = t->reservation;
    enum supply_state state = word_supply_state(t->word);
    supply_reschedule(ctx, entry, t->lsn, s->eta_ms, ctx->wall_ms, ctx->supply->times);
    bracket(ctx, moves_end);
    for (uint32_t i = 0; i < ctx->supply->line_count; i++)
        sweep_later(ctx, ctx->supply->lines[i]->pool); /* a backlog may be served from it now */
    view_supply(ctx, entry, t->word, s->view);
    if (t->entry) {
        bool stored =
            remember_supply_step(ctx, t->entry, t->content, t->lsn, entry, state, t->id.len);
        assert(stored); /* in slots that were set aside */
        (void)stored;
    }
    supply_watch(ctx, entry, t->word);
    entry_put(entry, t->word);
    COUNT(ctx, supplies);
}

static const struct txn_kind reschedule_txn = {
    .id_name = "op",
    .gives = true,
    .remembered = ENTRY_SUPPLY_STEP,
    .plan = plan,
    .taken = stop_promising,
    .record = build_record,
    .show = show,
    .repeat = supply_step_repeat,
};

enum code ledger_reschedule(struct ctx *ctx, const struct supply_step *step,
                            struct supply_view *view)
{
    assert(step->all);
    assert(step->has_eta);
    enum code code = check_supply_step(ctx, step, 1);
    if (code)
        return code;
    struct stepping_supply s = {
        .txn = { .id = step->op, .content = supply_step_fingerprint(step, RECORD_RESCHEDULE) },
        .asked = step,
        .type = RECORD_RESCHEDULE,
        .view = view,
    };
    code = txn_perform(ctx, &s.txn, &reschedule_txn);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    return code;
}
