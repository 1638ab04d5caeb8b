/* SPDX-License-Identifier: Apache-2.0 */
/* What the pools of an item hold for one channel, or for one line of an order: one walk. */
#include <stdlib.h>

#include "engine/seat.h"

_Static_assert(2 * LOCATIONS_MAX < RANK_NEVER, "ranks of both kinds are below never");

/* ---- what earlier lines of the plan are going to take ---- */

static struct planned_take *planned_slot(struct plan *plan, uint32_t unit)
{
    uint32_t at = unit * UINT32_C(2654435761) >> 20;
    _Static_assert(PLANNED_SLOTS == 1 << (32 - 20), "the hash has as many bits as the table");
    while (plan->planned[at].qty != 0 && plan->planned[at].unit != unit)
        at = (at + 1) % PLANNED_SLOTS;
    return &plan->planned[at];
}

void plan_note(struct plan *plan, uint32_t unit, int64_t qty)
{
    struct planned_take *slot = planned_slot(plan, unit);
    slot->unit = unit;
    slot->qty += qty;
}

/* ---- the walk ---- */

/* Rank of the pool for the channel; RANK_NEVER: it does not sell from it. Its own allotment goes
 * before what is shared. */
static inline uint32_t rank_of(const struct channel *channel, uint16_t channel_at, uint64_t key)
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

static inline void look_at(struct survey *s, const struct pool *pool, uint32_t unit,
                           int64_t planned, uint32_t rank, bool serving)
{
    uint64_t word = pool_read(pool);
    int64_t available = word_available(word) - planned;
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

static int most_first(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return a->available > b->available ? -1 : a->available < b->available;
}

/* An order has only so many draws: more pools than that are worth the largest of them. */
static void limit_to_draws(struct survey *s)
{
    if (s->count <= DRAWS_MAX)
        return;
    qsort(s->candidates, s->count, sizeof s->candidates[0], most_first);
    s->takeable = 0;
    for (uint32_t i = 0; i < DRAWS_MAX; i++)
        s->takeable += s->candidates[i].available;
}

const struct survey *survey_item(struct seat *seat, const struct channel *channel, uint32_t index,
                                 const struct location *bound, bool repeated)
{
    const struct catalogue *catalogue = seat->catalogue;
    const struct items *items = &seat->ledger->items;
    const struct item *item = item_at(items, index);
    uint16_t channel_at = channel_index(catalogue, channel);
    uint16_t bound_at = bound ? location_index(catalogue, bound) : 0;
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
        uint16_t at = key_location(key);
        if (at >= catalogue->location_count)
            continue; /* younger than the pinned catalogue: note_short sees that */
        uint32_t rank = rank_of(channel, channel_at, key);
        if (rank == RANK_NEVER)
            continue;
        uint32_t unit = pool_unit(items, pool);
        int64_t planned = repeated ? planned_slot(&seat->plan, unit)->qty : 0;
        look_at(s, pool, unit, planned, rank, bound ? at == bound_at : catalogue->ships[at]);
    }
    s->quiet &= gives_unchanged(item, stamp);
    seat->work += walk.entered;
    limit_to_draws(s);
    int64_t above_buffer = s->total - channel->buffer;
    if (s->takeable > above_buffer)
        s->takeable = above_buffer > 0 ? above_buffer : 0;
    return s;
}

/* `by_most`: more is better, the channel's own before all else; else the rank decides alone. */
static inline bool is_better(const struct candidate *a, const struct candidate *b, bool by_most)
{
    bool own = a->rank < LOCATIONS_MAX;
    if (by_most && own != (b->rank < LOCATIONS_MAX))
        return own;
    if (by_most && a->available != b->available)
        return a->available > b->available;
    return a->rank < b->rank;
}

const struct candidate *survey_first(struct seat *seat, const struct channel *channel,
                                     uint32_t index, int64_t wanted, bool by_most)
{
    const struct catalogue *catalogue = seat->catalogue;
    const struct items *items = &seat->ledger->items;
    uint16_t channel_at = channel_index(catalogue, channel);
    struct survey *s = &seat->survey;
    struct candidate best = { .rank = RANK_NEVER };
    int64_t total = 0;
    s->pools = 0;
    struct pool_walk walk = pool_walk_start(items, index);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        uint16_t at = key_location(key);
        uint32_t rank =
            at < catalogue->location_count ? rank_of(channel, channel_at, key) : RANK_NEVER;
        if (rank == RANK_NEVER)
            continue;
        struct candidate c = { 0, rank, word_available(pool_read(pool)) };
        s->pools++;
        if (c.available <= 0)
            continue;
        total += c.available;
        if (!catalogue->ships[at] || !is_better(&c, &best, by_most))
            continue;
        best = c;
        best.unit = pool_unit(items, pool);
    }
    seat->work += walk.entered;
    s->candidates[0] = best;
    return best.available >= wanted && total - channel->buffer >= wanted ? s->candidates : NULL;
}

int64_t channel_available(struct seat *seat, const struct channel *channel, uint32_t item)
{
    return survey_item(seat, channel, item, NULL, false)->takeable;
}
