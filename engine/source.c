/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sourcing: taking from all the pools that an order draws from, or from none.
 *
 * First a plan (plan.c), from what the pools say; then the takes, in ascending order of pools, so
 * that of two orders that meet the one further on goes through. Nothing is locked in between: a
 * pool that has less than planned sends the order back to planning.
 *
 * An order over several pools marks each take as pending until it is decided (docs/CONCURRENCY.md,
 * multi-pool orders). A thread that finds too little where takes are pending does not know whether
 * the stock is gone: it undoes its own and is deferred. So a refusal is always the truth of one
 * instant.
 */
#include <stdlib.h>

#include "engine/seat.h"

enum {
    PLANS_PER_TURN = 8,       /* then the order is deferred, so that others get their turn */
    PLANNING_WORK = 64 << 10, /* likewise, see seat_work */
    LOOKS_FOR_QUIET = 4,
};

static int compare_takes(const void *left, const void *right)
{
    const struct plan_take *a = left, *b = right;
    return a->pool < b->pool ? -1 : a->pool > b->pool;
}

uint32_t merge_takes(struct plan_take *takes, uint32_t count)
{
    uint32_t in_order = 1;
    while (in_order < count && takes[in_order - 1].pool < takes[in_order].pool)
        in_order++;
    if (in_order < count) /* pools are often met as they were made */
        qsort(takes, count, sizeof *takes, compare_takes);
    uint32_t merged = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && takes[merged - 1].pool == takes[i].pool)
            takes[merged - 1].qty += takes[i].qty;
        else
            takes[merged++] = takes[i];
    }
    return merged;
}

static void gather_takes(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->draw_count; i++)
        plan->takes[i] = (struct plan_take){ plan->draws[i].pool, NOT_COUNTED, plan->draws[i].qty };
    plan->take_count = merge_takes(plan->takes, plan->draw_count);
}

/* ---- taking ---- */

uint64_t give_back(struct seat *seat, uint32_t unit, struct pool_change change)
{
    struct items *items = &seat->ledger->items;
    struct pool *pool = pool_at(items, unit);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    struct item *item = item_at(items, key_item(key));
    seat->work += DRAW_WORK;
    gives_begin(item);
    uint64_t after = pool_give(pool, change);
    if (change.on_hand != 0)
        recent_add(&seat->recent, seat->wall_ms, unit, change.on_hand);
    gives_end(item);
    return after;
}

enum pool_outcome change_on_hand(struct seat *seat, uint32_t unit, struct pool_change change,
                                 int64_t needs_available, int64_t counted, uint64_t *after)
{
    struct items *items = &seat->ledger->items;
    struct pool *pool = pool_at(items, unit);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    struct item *item = item_at(items, key_item(key));
    seat->work += DRAW_WORK;
    gives_begin(item);
    enum pool_outcome outcome = pool_apply_counted(pool, change, needs_available, counted, after);
    if (outcome == POOL_CHANGED)
        recent_add(&seat->recent, seat->wall_ms, unit, change.on_hand);
    gives_end(item);
    return outcome;
}

static void undo(struct seat *seat, uint32_t count)
{
    struct plan *plan = &seat->plan;
    int mark = plan->tentative ? -1 : 0;
    for (uint32_t i = 0; i < count; i++)
        give_back(seat, plan->takes[i].pool,
                  (struct pool_change){ .reserved = -plan->takes[i].qty, .tentative = mark });
    mark_undone(seat, plan->takes, count);
}

void undo_takes(struct seat *seat)
{
    undo(seat, seat->plan.take_count);
}

void decide_takes(struct seat *seat)
{
    struct plan *plan = &seat->plan;
    for (uint32_t i = 0; plan->tentative && i < plan->take_count; i++)
        pool_give(pool_at(&seat->ledger->items, plan->takes[i].pool),
                  (struct pool_change){ .tentative = -1 });
}

/* Takes all that is planned, or nothing. *undecided: a take is pending where it fell short. */
static bool apply_takes(struct seat *seat, int64_t buffer, bool *undecided)
{
    struct plan *plan = &seat->plan;
    int mark = plan->tentative ? 1 : 0;
    seat->work += (uint64_t)DRAW_WORK * plan->take_count;
    for (uint32_t i = 0; i < plan->take_count; i++) {
        const struct plan_take *take = &plan->takes[i];
        struct pool_change change = { .reserved = take->qty, .tentative = mark };
        uint64_t after;
        if (pool_apply(pool_at(&seat->ledger->items, take->pool), change, take->qty + buffer,
                       &after) != POOL_CHANGED) {
            *undecided = word_pending(after) != 0;
            undo(seat, i);
            return false;
        }
    }
    return true;
}

/* On a busy item most looks meet a give; the next one may not. */
static const struct survey *look_quietly(struct seat *seat, const struct channel *channel,
                                         uint32_t item)
{
    const struct survey *s;
    int looks = 0;
    do
        s = survey_item(seat, channel, item, NULL, false);
    while (!s->quiet && ++looks < LOOKS_FOR_QUIET);
    return s;
}

/*
 * A channel with a buffer must leave that many units of the item, over all its pools. With a single
 * pool the take itself checks that. With several, the sum is looked at again after the takes: by
 * then every order that took before this look is counted. Only if no give came in between was the
 * sum there, at the start of the look: a unit that moved on before it could be counted twice.
 */
static bool leaves_buffer(struct seat *seat, const struct order *order,
                          const struct channel *channel)
{
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct survey *s = look_quietly(seat, channel, seat->plan.items[i]);
        if (s->total < channel->buffer || (s->pools > 1 && !s->quiet))
            return false;
    }
    return true;
}

/* What is promised is when it is ready by the lead times of now. True: not all at once. */
static bool time_draws(struct seat *seat)
{
    struct plan *plan = &seat->plan;
    bool timed = false;
    for (uint32_t i = 0; i < plan->draw_count; i++) {
        const struct pool *pool = pool_at(&seat->ledger->items, plan->draws[i].pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        const struct location *from = &seat->catalogue->locations[key_location(key)];
        plan->draws[i].ready_ms = seat->wall_ms + (uint64_t)from->lead_time_s * 1000;
        timed |= from->lead_time_s > 0;
    }
    return timed;
}

/* Before any stock is taken: what follows cannot fail for want of slots. */
static enum code prepare_slots(struct seat *seat)
{
    struct entries *entries = &seat->ledger->entries;
    uint32_t blocks = draw_blocks(seat->plan.draw_count, time_draws(seat));
    enum entry_found found = slots_prepare(entries, &seat->cursor, blocks);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(seat, found);
}

enum code take_stock(struct seat *seat, const struct order *order, const struct channel *channel)
{
    uint64_t begun = seat->work;
    for (int tries = 0; tries < PLANS_PER_TURN && seat->work - begun < PLANNING_WORK; tries++) {
        enum code code = plan_order(seat, order, channel);
        if (!code)
            code = prepare_slots(seat);
        if (code)
            return code;
        gather_takes(&seat->plan);
        bool one_pool = order->line_count == 1 && seat->survey.pools == 1;
        bool guarded = channel->buffer == 0 || one_pool;
        bool undecided = false;
        /* Several takes are decided together. */
        seat->plan.tentative = seat->plan.draw_count > 1 || !guarded;
        if (apply_takes(seat, guarded ? channel->buffer : 0, &undecided)) {
            if (guarded || leaves_buffer(seat, order, channel))
                return CODE_OK;
            undo_takes(seat);
            undecided = true;
        }
        if (undecided)
            return CODE_DEFERRED;
    }
    return CODE_DEFERRED;
}
