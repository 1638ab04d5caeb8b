/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/candidates.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/ledger/ctx.h"
#include "engine/sourcing/ready.h"
#include "engine/sourcing/safety.h"

_Static_assert(2 * LOCATIONS_MAX < RANK_NEVER, "ranks of both kinds are below never");

/* ---- what planned lines already take ---- */

static uint32_t planned_slot(const struct planned *planned, uint32_t unit)
{
    uint32_t at = unit * UINT32_C(2654435761) >> 20;
    _Static_assert(PLANNED_SLOTS == 1 << (32 - 20), "the hash has as many bits as the table");
    while (planned->slots[at].qty != 0 && planned->slots[at].unit != unit)
        at = (at + 1) % PLANNED_SLOTS;
    return at;
}

void planned_add(struct planned *planned, uint32_t unit, int64_t qty)
{
    assert(qty > 0); /* a slot without units is empty */
    uint32_t at = planned_slot(planned, unit);
    planned->slots[at].unit = unit;
    planned->slots[at].qty += qty;
}

/* ---- the walk ---- */

/* The pool's rank for the channel; RANK_NEVER: the channel does not sell from it. The channel's own
 * allotments come before shared pools. */
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

/* gone: what the channel leaves there, and what is planned. */
static inline void look_at(struct candidates *s, const struct pool *pool, struct candidate c,
                           int64_t gone, bool serving)
{
    uint64_t word = pool_read(pool);
    c.available = word_available(word) - gone;
    s->pools++; /* @look */
    s->undecided |= word_undecided(word) != 0;
    if (c.available <= 0)
        return;
    s->total += c.available;
    if (!serving)
        return;
    assert(s->count < 2 * LOCATIONS_MAX);
    s->takeable += c.available;
    s->at[s->count++] = c;
}

static int most_first(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return a->available > b->available ? -1 : a->available < b->available;
}

/* An order has at most DRAWS_MAX draws: of more pools, only the largest that many count. */
static void limit_to_draws(struct candidates *s)
{
    if (s->count <= DRAWS_MAX)
        return;
    qsort(s->at, s->count, sizeof s->at[0], most_first);
    s->takeable = 0;
    for (uint32_t i = 0; i < DRAWS_MAX; i++)
        s->takeable += s->at[i].available;
    assert(s->takeable <= s->total);
}

/* Is it ready early enough? */
static inline bool in_time(const struct ctx *ctx, const struct demand *demand, uint64_t key,
                           uint32_t unit)
{
    return demand->by_ms == READY_NEVER ||
           ready_ms_of(ctx, key, unit, demand->mode) <= demand->by_ms; /* @by */
}

/* Before a walk, and before anything is read of what the channel leaves: a setting that comes in
 * between counts as a give. */
static inline uint32_t begin_walk(const struct ctx *ctx, uint32_t index, struct candidates *s)
{
    uint32_t stamp;
    s->count = s->pools = 0;
    s->total = s->takeable = 0;
    s->undecided = false;
    s->stable = gives_stable(item_at(&ctx->ledger->items, index), &stamp);
    return stamp;
}

/* A template: the question how much is available, which is asked most often, has no line that is
 * bound, no plan, and the usual demand; and of most items the channel leaves nothing (leaves:
 * NULL). */
static inline __attribute__((always_inline)) void
walk_pools(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
           const struct leaves *leaves, uint32_t stamp, uint32_t index,
           const struct location *bound, const struct planned *planned, struct candidates *s)
{
    const struct catalogue *catalogue = ctx->catalogue;
    const struct items *items = &ctx->ledger->items;
    uint16_t channel_at = channel_index(catalogue, channel);
    uint16_t bound_at = bound ? location_index(catalogue, bound) : 0;
    struct pool_walk walk = pool_walk_start(items, index);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        uint16_t at = key_location(key);
        if (at >= catalogue->location_count)
            continue; /* newer than the pinned catalogue: sourcing.c notices */
        uint32_t rank = rank_of(channel, channel_at, key);
        if (rank == RANK_NEVER)
            continue;
        uint32_t unit = pool_unit(items, pool);
        int64_t left = leaves ? leaves_in_pool(leaves, key, unit) : 0;
        if (left == NOT_STOCKED)
            continue;
        int64_t gone = left + (planned ? planned->slots[planned_slot(planned, unit)].qty : 0);
        struct candidate c = { .key = key, .unit = unit, .rank = rank };
        bool serving = bound ? at == bound_at && (!demand->serves_bound || demand->serves_bound[at])
                             : demand->serves[at];
        look_at(s, pool, c, gone, serving && in_time(ctx, demand, key, unit));
    }
    s->stable &= gives_unchanged(item_at(items, index), stamp);
    ctx->work += walk.entered;
    assert(s->count <= s->pools);
}

static inline void leave_buffer(const struct channel *channel, struct candidates *s)
{
    int64_t above_buffer = s->total - channel->buffer;
    if (s->takeable > above_buffer)
        s->takeable = above_buffer > 0 ? above_buffer : 0;
    assert(s->takeable <= s->total);
}

void candidates_find(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                     uint32_t index, const struct location *bound, struct planned *planned,
                     struct candidates *s)
{
    uint32_t stamp = begin_walk(ctx, index, s);
    struct leaves leaves = leaves_of(ctx, channel, index); /* @after-stamp */
    s->leaves = !leaves.nothing;
    walk_pools(ctx, channel, demand, s->leaves ? &leaves : NULL, stamp, index, bound, planned, s);
    limit_to_draws(s);
    leave_buffer(channel, s);
}

void candidates_all(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                    uint32_t index, struct candidates *s)
{
    uint32_t stamp = begin_walk(ctx, index, s);
    struct leaves leaves = leaves_of(ctx, channel, index);
    s->leaves = !leaves.nothing;
    walk_pools(ctx, channel, demand, s->leaves ? &leaves : NULL, stamp, index, NULL, NULL, s);
    leave_buffer(channel, s);
}

static inline bool is_better(const struct demand *demand, const struct candidate *a,
                             const struct candidate *b, bool by_most)
{
    if (b->rank == RANK_NEVER) /* the first one */
        return true;
    if (by_most && is_own(a) != is_own(b))
        return is_own(a);
    if (by_most && a->available != b->available)
        return a->available > b->available;
    return comes_before(demand, a, b);
}

bool candidates_first(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                      uint32_t index, int64_t wanted, bool by_most, struct candidate *first,
                      uint32_t *pools)
{
    const struct catalogue *catalogue = ctx->catalogue;
    const struct items *items = &ctx->ledger->items;
    uint16_t channel_at = channel_index(catalogue, channel);
    struct leaves leaves = leaves_of(ctx, channel, index);
    struct candidate best = { .rank = RANK_NEVER };
    int64_t total = 0;
    *pools = 0;
    struct pool_walk walk = pool_walk_start(items, index);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        uint16_t at = key_location(key);
        uint32_t rank =
            at < catalogue->location_count ? rank_of(channel, channel_at, key) : RANK_NEVER;
        if (rank == RANK_NEVER)
            continue;
        uint32_t unit = pool_unit(items, pool);
        int64_t left = leaves.nothing ? 0 : leaves_in_pool(&leaves, key, unit);
        if (left == NOT_STOCKED)
            continue;
        struct candidate c = { key, unit, rank, word_available(pool_read(pool)) - left };
        ++*pools; /* @first-look */
        if (c.available <= 0)
            continue;
        total += c.available;
        if (demand->serves[at] && is_better(demand, &c, &best, by_most) &&
            in_time(ctx, demand, key, unit))
            best = c;
    }
    ctx->work += walk.entered;
    *first = best;
    return best.available >= wanted && total - channel->buffer >= wanted;
}

int64_t channel_available(struct ctx *ctx, const struct channel *channel, uint32_t item)
{
    struct demand usual = demand_usual(ctx);
    uint32_t stamp = begin_walk(ctx, item, ctx->candidates);
    struct leaves leaves = leaves_of(ctx, channel, item);
    if (leaves.nothing)
        walk_pools(ctx, channel, &usual, NULL, stamp, item, NULL, NULL, ctx->candidates);
    else
        walk_pools(ctx, channel, &usual, &leaves, stamp, item, NULL, NULL, ctx->candidates);
    limit_to_draws(ctx->candidates);
    leave_buffer(channel, ctx->candidates);
    return ctx->candidates->takeable;
}
