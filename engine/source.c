/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sourcing: which pools an order draws from, and taking from all of them or from none.
 *
 * First a plan, from what the pools say; then the takes, in ascending order of pools, so that of
 * two orders that meet the one further on goes through. Nothing is locked in between: a pool that
 * has less than planned sends the order back to planning.
 *
 * An order over several pools marks each take as pending until it is decided (docs/CONCURRENCY.md,
 * multi-pool orders). Who finds too little where takes are pending does not know whether the stock
 * is gone: it undoes its own and is deferred. So a refusal is always the truth of one instant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/seat.h"

enum { PLANS_PER_TURN = 8 }; /* then the order is deferred, so that others get their turn */

/* Rank of the pool for the channel; RANK_NEVER: it does not sell from it. Its own allotment goes
 * before what is shared. */
static uint32_t rank_of(const struct channel *channel, uint16_t channel_at, uint64_t key)
{
    uint16_t owner = key_owner(key);
    uint32_t rank = channel->rank[key_location(key)];
    if (rank == RANK_NEVER)
        return RANK_NEVER;
    if (owner_kind(owner) == POOL_SHARED)
        return rank + LOCATIONS_MAX;
    if (owner_kind(owner) == POOL_ALLOTTED && owner_channel(owner) == channel_at)
        return rank;
    return RANK_NEVER;
}

_Static_assert(2 * LOCATIONS_MAX < RANK_NEVER, "ranks of both kinds are below never");

/* Units that earlier lines of the plan are going to take from the pool. */
static int64_t planned(const struct plan *plan, uint32_t unit)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < plan->draw_count; i++)
        if (plan->draws[i].pool == unit)
            sum += plan->draws[i].qty;
    return sum;
}

/* May an order that is not bound to this place be sent from it? */
static bool serves(const struct catalogue *catalogue, const struct location *bound, uint16_t at)
{
    const struct location *location = &catalogue->locations[at];
    return bound ? bound == location : location->ships;
}

static void look_at(struct survey *s, const struct pool *pool, const struct items *items,
                    const struct plan *plan, bool repeated, uint32_t rank, bool serving)
{
    uint64_t word = pool_read(pool);
    uint32_t unit = pool_unit(items, pool);
    int64_t available = word_available(word) - (repeated ? planned(plan, unit) : 0);
    s->pools++;
    s->pending |= word_pending(word) != 0;
    if (available <= 0)
        return;
    s->total += available;
    if (!serving)
        return;
    assert(s->count < 2 * LOCATIONS_MAX);
    s->takeable += available;
    s->candidates[s->count++] = (struct candidate){ unit, rank, available };
}

static const struct survey *survey_item(struct seat *seat, const struct channel *channel,
                                        uint32_t index, const struct location *bound, bool repeated)
{
    const struct catalogue *catalogue = seat->catalogue;
    const struct items *items = &seat->ledger->items;
    const struct item *item = item_at(items, index);
    uint16_t channel_at = channel_index(catalogue, channel);
    struct survey *s = &seat->survey;
    uint32_t stamp;
    s->count = s->pools = 0;
    s->total = s->takeable = 0;
    s->pending = false;
    s->quiet = gives_quiet(item, &stamp);
    struct pool_walk walk = pool_walk_start(items, index);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        if (key_location(key) >= catalogue->location_count)
            continue; /* younger than the pinned catalogue: note_short sees that */
        uint32_t rank = rank_of(channel, channel_at, key);
        if (rank != RANK_NEVER)
            look_at(s, pool, items, &seat->plan, repeated, rank,
                    serves(catalogue, bound, key_location(key)));
    }
    s->quiet &= gives_unchanged(item, stamp);
    int64_t above_buffer = s->total - channel->buffer;
    if (s->takeable > above_buffer)
        s->takeable = above_buffer > 0 ? above_buffer : 0;
    return s;
}

int64_t channel_available(struct seat *seat, const struct channel *channel, uint32_t item)
{
    return survey_item(seat, channel, item, NULL, false)->takeable;
}

/* ---- planning ---- */

/* Is a the better one to draw `wanted` units from? */
static bool better(enum sourcing sourcing, const struct candidate *a, const struct candidate *b,
                   int64_t wanted)
{
    bool allotted_a = a->rank < LOCATIONS_MAX, allotted_b = b->rank < LOCATIONS_MAX;
    if (allotted_a != allotted_b)
        return allotted_a;
    if (sourcing == SOURCE_FEWEST) {
        bool whole_a = a->available >= wanted, whole_b = b->available >= wanted;
        if (whole_a != whole_b)
            return whole_a;
        if (!whole_a && a->available != b->available)
            return a->available > b->available;
    }
    if (sourcing == SOURCE_BALANCE && a->available != b->available)
        return a->available > b->available;
    return a->rank < b->rank;
}

/* Draws `wanted` units from the candidates, best first. False if that takes too many draws. */
static bool choose(struct seat *seat, const struct channel *channel, uint32_t line, int64_t wanted)
{
    struct plan *plan = &seat->plan;
    struct survey *survey = &seat->survey;
    while (wanted > 0) {
        struct candidate *best = NULL;
        for (uint32_t i = 0; i < survey->count; i++) {
            struct candidate *c = &survey->candidates[i];
            if (c->available > 0 && (!best || better(channel->sourcing, c, best, wanted)))
                best = c;
        }
        assert(best);
        if (plan->draw_count == DRAWS_MAX)
            return false;
        int64_t qty = best->available < wanted ? best->available : wanted;
        plan->draws[plan->draw_count++] = (struct plan_draw){ best->unit, line, qty };
        best->available -= qty;
        wanted -= qty;
    }
    return true;
}

/* The line cannot be filled: is that the truth, or may it be the moment? */
static void note_short(struct seat *seat, const struct order_line *line)
{
    struct plan *plan = &seat->plan;
    struct failure *failure = &seat->failure;
    const struct survey *survey = &seat->survey;
    plan->undecided |= survey->pending || (survey->pools > 1 && !survey->quiet) ||
                       catalogue_now(seat) != seat->catalogue;
    failure->shorts[failure->short_count++] =
        (struct shortfall){ line->sku, line->qty, survey->takeable };
}

/* Plans the lines that are bound to a place, or those that are not. */
static enum code plan_lines(struct seat *seat, const struct order *order,
                            const struct channel *channel, bool bound)
{
    struct plan *plan = &seat->plan;
    for (uint32_t i = 0; i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        if ((plan->bound[i] != NULL) != bound)
            continue;
        const struct survey *survey =
            survey_item(seat, channel, plan->items[i], plan->bound[i], plan->repeated[i]);
        if (survey->takeable < line->qty)
            note_short(seat, line);
        else if (!choose(seat, channel, i, line->qty))
            return fail(seat, CODE_LIMIT, "an order may draw from at most %d pools", DRAWS_MAX);
    }
    return CODE_OK;
}

/* Puts the draws back into the order of the lines; each line's own stay as they are. */
static void order_draws(struct plan *plan)
{
    for (uint32_t i = 1; i < plan->draw_count; i++) {
        struct plan_draw draw = plan->draws[i];
        uint32_t at = i;
        for (; at > 0 && plan->draws[at - 1].line > draw.line; at--)
            plan->draws[at] = plan->draws[at - 1];
        plan->draws[at] = draw;
    }
}

/* Bound lines have no choice, so they choose first: else a free line of the same item might take
 * what only they can use, and the order be refused although there is enough for it. */
static enum code plan_order(struct seat *seat, const struct order *order,
                            const struct channel *channel)
{
    struct plan *plan = &seat->plan;
    struct failure *failure = &seat->failure;
    plan->draw_count = plan->take_count = 0;
    plan->undecided = false;
    failure->short_count = 0;
    failure->state = NULL;
    enum code code = plan_lines(seat, order, channel, true);
    if (!code)
        code = plan_lines(seat, order, channel, false);
    if (code)
        return code;
    order_draws(plan);
    if (failure->short_count == 0)
        return CODE_OK;
    if (plan->undecided)
        return CODE_DEFERRED;
    const struct shortfall *first = &failure->shorts[0];
    snprintf(failure->message, sizeof failure->message, "\"%.*s\": %lld wanted, %lld available%s",
             (int)first->sku.len, first->sku.at, (long long)first->wanted,
             (long long)first->available,
             failure->short_count > 1 ? ", and other lines fell short too" : "");
    return CODE_INSUFFICIENT_STOCK;
}

static int compare_takes(const void *left, const void *right)
{
    const struct plan_take *a = left, *b = right;
    return a->pool < b->pool ? -1 : a->pool > b->pool;
}

uint32_t merge_takes(struct plan_take *takes, uint32_t count)
{
    if (count > 1)
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
        plan->takes[i] = (struct plan_take){ plan->draws[i].pool, plan->draws[i].qty };
    plan->take_count = merge_takes(plan->takes, plan->draw_count);
}

/* ---- taking ---- */

uint64_t give_back(struct seat *seat, uint32_t unit, struct pool_change change)
{
    struct items *items = &seat->ledger->items;
    struct pool *pool = pool_at(items, unit);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    struct item *item = item_at(items, key_item(key));
    gives_begin(item);
    uint64_t after = pool_give(pool, change);
    if (change.on_hand != 0)
        recent_add(&seat->recent, seat->wall_ms, unit, change.on_hand);
    gives_end(item);
    return after;
}

enum pool_outcome change_on_hand(struct seat *seat, uint32_t unit, struct pool_change change,
                                 int64_t needs_available, uint64_t *after)
{
    struct items *items = &seat->ledger->items;
    struct pool *pool = pool_at(items, unit);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    struct item *item = item_at(items, key_item(key));
    gives_begin(item);
    enum pool_outcome outcome = pool_apply(pool, change, needs_available, after);
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
        const struct survey *s = survey_item(seat, channel, seat->plan.items[i], NULL, false);
        if (s->total < channel->buffer || (s->pools > 1 && !s->quiet))
            return false;
    }
    return true;
}

enum code take_stock(struct seat *seat, const struct order *order, const struct channel *channel)
{
    for (int tries = 0; tries < PLANS_PER_TURN; tries++) {
        enum code code = plan_order(seat, order, channel);
        if (code)
            return code;
        gather_takes(&seat->plan);
        bool one_pool = order->line_count == 1 && seat->survey.pools == 1;
        bool guarded = channel->buffer == 0 || one_pool;
        bool undecided = false;
        /* More than one draw needs slots, which there may not be: that order may fail yet. */
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
