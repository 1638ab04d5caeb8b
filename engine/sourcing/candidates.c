/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/candidates.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/ledger/ctx.h"
#include "engine/sourcing/backlog_claims.h"
#include "engine/sourcing/ready.h"
#include "engine/sourcing/safety.h"

_Static_assert(SOURCES *LOCATIONS_MAX < RANK_NEVER, "ranks of all sources are below never");

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

/* May the channel sell expected units with that ETA? Those that are late it may not. */
static inline bool is_promised(const struct ctx *ctx, const struct channel *channel,
                               uint64_t eta_ms)
{
    return eta_ms > ctx->wall_ms && /* @late */
           (channel->horizon_s < 0 ||
            eta_ms - ctx->wall_ms <= (uint64_t)channel->horizon_s * 1000); /* @horizon */
}

/* The pool's rank for the channel; RANK_NEVER: the channel does not sell from it. The channel's own
 * allotments come before shared pools, and expected units last, if they are asked for. */
static inline __attribute__((always_inline)) uint32_t
rank_of(const struct ctx *ctx, const struct channel *channel, uint16_t channel_at, uint64_t key,
        uint32_t unit, bool expected, uint64_t *eta_ms)
{
    uint16_t owner = key_owner(key);
    uint32_t rank = channel->rank[key_location(key)];
    *eta_ms = 0;
    if (rank == RANK_NEVER)
        return RANK_NEVER;
    if (owner_kind(owner) == POOL_SHARED)
        return rank + FROM_SHARED * LOCATIONS_MAX;
    if (owner_kind(owner) == POOL_ALLOTTED && owner_channel(owner) == channel_at)
        return rank;
    if (owner_kind(owner) != POOL_EXPECTED || !expected || !channel->incoming) /* @incoming */
        return RANK_NEVER;
    *eta_ms = incoming_eta_ms(incoming_at(&ctx->ledger->items, unit));
    return is_promised(ctx, channel, *eta_ms) ? rank + FROM_EXPECTED * LOCATIONS_MAX : RANK_NEVER;
}

/* word: the pool's. gone: what the channel leaves there, and what is planned. The candidate's parts
 * are in registers: to put it together in memory and copy it made a walk over 500 places twice as
 * slow. */
static inline __attribute__((always_inline)) void look_at(struct candidates *s, uint64_t word,
                                                          uint64_t key, uint32_t unit,
                                                          uint32_t rank, uint64_t eta_ms,
                                                          int64_t gone, bool serving)
{
    int64_t available = word_available(word) - gone;
    s->pools++; /* @look */
    s->undecided |= word_undecided(word) != 0;
    if (available <= 0)
        return;
    s->total += available;
    if (!serving || (eta_ms != 0 && s->count >= CANDIDATES_MAX - STOCK_CANDIDATES_MAX))
        return;
    assert(s->count < CANDIDATES_MAX);
    s->takeable += available;
    struct candidate *c = &s->at[s->count++];
    c->key = key;
    c->unit = unit;
    c->rank = rank;
    c->available = available;
    c->eta_ms = eta_ms;
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
                           uint32_t unit, uint64_t eta_ms)
{
    if (demand->by_ms == READY_NEVER)
        return true;
    return demand->sent_to
               ? sent_will_do(ctx, demand, key, unit, eta_ms)
               : ready_ms_of(ctx, key, unit, demand->mode, eta_ms) <= demand->by_ms; /* @by */
}

/* May a change of an ETA, which is bracketed as a give, have changed what the channel sells? */
static inline bool expects(const struct ctx *ctx, const struct channel *channel, uint32_t index)
{
    return channel->incoming && item_has(item_at(&ctx->ledger->items, index), ITEM_SUPPLY);
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
        uint32_t unit = pool_unit(items, pool);
        uint64_t eta_ms;
        uint32_t rank = rank_of(ctx, channel, channel_at, key, unit, true, &eta_ms);
        if (rank == RANK_NEVER)
            continue;
        uint64_t word = pool_read(pool);
        int64_t left = leaves ? leaves_in_pool(leaves, key, unit, word) : 0;
        if (left == NOT_STOCKED)
            continue;
        int64_t gone = left + (planned ? planned->slots[planned_slot(planned, unit)].qty : 0);
        bool serving = bound ? at == bound_at && (!demand->serves_bound || demand->serves_bound[at])
                             : demand->serves[at];
        look_at(s, word, key, unit, rank, eta_ms, gone,
                serving && in_time(ctx, demand, key, unit, eta_ms));
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
    s->leaves = !leaves.nothing || expects(ctx, channel, index);
    walk_pools(ctx, channel, demand, leaves.nothing ? NULL : &leaves, stamp, index, bound, planned,
               s);
    s->undecided |= leaves_undecided(&leaves);
    limit_to_draws(s);
    leave_buffer(channel, s);
}

void candidates_all(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                    uint32_t index, struct candidates *s)
{
    uint32_t stamp = begin_walk(ctx, index, s);
    struct leaves leaves = leaves_of(ctx, channel, index);
    s->leaves = !leaves.nothing || expects(ctx, channel, index);
    walk_pools(ctx, channel, demand, leaves.nothing ? NULL : &leaves, stamp, index, NULL, NULL, s);
    s->undecided |= leaves_undecided(&leaves);
    leave_buffer(channel, s);
}

static inline bool is_better(const struct demand *demand, const struct candidate *a,
                             const struct candidate *b, bool by_most)
{
    if (b->rank == RANK_NEVER) /* the first one */
        return true;
    if (by_most && source_of(a) != source_of(b))
        return source_of(a) < source_of(b);
    if (by_most && !is_expected(a) && a->available != b->available)
        return a->available > b->available;
    return comes_before(demand, a, b);
}

/* A template: with expected units or without. */
static inline __attribute__((always_inline)) bool
find_first(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
           uint32_t index, int64_t wanted, bool by_most, bool expected, struct candidate *first,
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
        uint32_t unit = pool_unit(items, pool);
        struct candidate c = { .key = key, .unit = unit, .rank = RANK_NEVER };
        if (at < catalogue->location_count)
            c.rank = rank_of(ctx, channel, channel_at, key, unit, expected, &c.eta_ms);
        if (c.rank == RANK_NEVER)
            continue;
        uint64_t word = pool_read(pool);
        int64_t left = leaves.nothing ? 0 : leaves_in_pool(&leaves, key, unit, word);
        if (left == NOT_STOCKED)
            continue;
        c.available = word_available(word) - left;
        ++*pools; /* @first-look */
        if (c.available <= 0)
            continue;
        total += c.available;
        if (demand->serves[at] && is_better(demand, &c, &best, by_most) &&
            in_time(ctx, demand, key, unit, c.eta_ms))
            best = c;
    }
    ctx->work += walk.entered;
    *first = best;
    return best.available >= wanted && total - channel->buffer >= wanted;
}

/* Apart, so that orders that need none of it have less code in their way. */
static __attribute__((noinline)) bool
first_with_expected(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                    uint32_t index, int64_t wanted, bool by_most, struct candidate *first,
                    uint32_t *pools)
{
    return expects(ctx, channel, index) &&
           find_first(ctx, channel, demand, index, wanted, by_most, true, first, pools);
}

/* Expected units come last: if what is on hand will do, their pools need not be read. Without them
 * the channel may seem to sell from one pool alone; then that one also holds all that the channel
 * must leave. */
bool candidates_first(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                      uint32_t index, int64_t wanted, bool by_most, struct candidate *first,
                      uint32_t *pools)
{
    if (find_first(ctx, channel, demand, index, wanted, by_most, false, first, pools))
        return true;
    return channel->incoming &&
           first_with_expected(ctx, channel, demand, index, wanted, by_most, first, pools);
}

static int64_t available_once(struct ctx *ctx, const struct channel *channel, uint32_t item)
{
    struct demand usual = demand_usual(ctx);
    uint32_t stamp = begin_walk(ctx, item, ctx->candidates);
    struct leaves leaves = leaves_of(ctx, channel, item);
    if (leaves.nothing)
        walk_pools(ctx, channel, &usual, NULL, stamp, item, NULL, NULL, ctx->candidates);
    else
        walk_pools(ctx, channel, &usual, &leaves, stamp, item, NULL, NULL, ctx->candidates);
    ctx->candidates->undecided |= leaves_undecided(&leaves);
    limit_to_draws(ctx->candidates);
    leave_buffer(channel, ctx->candidates);
    return ctx->candidates->takeable;
}

/* What has just come may be promised already. If anything was given meanwhile, the look may have
 * met it before those had it who wait: then all of them count. */
static __attribute__((noinline)) int64_t
available_beside_backlog(struct ctx *ctx, const struct channel *channel, uint32_t item)
{
    const struct item *of = item_at(&ctx->ledger->items, item);
    uint32_t gives;
    bool stable = gives_stable(of, &gives);
    int64_t waited = backlog_look(&ctx->ledger->items, item).units;
    int64_t available = available_once(ctx, channel, item);
    int64_t claims = backlog_claims(ctx, item);
    if (!stable || !gives_unchanged(of, gives)) {
        int64_t wait = backlog_look(&ctx->ledger->items, item).units;
        claims = wait > waited ? wait : waited;
    }
    return available > claims ? available - claims : 0; /* @claims */
}

int64_t channel_available(struct ctx *ctx, const struct channel *channel, uint32_t item,
                          bool *moving)
{
    enum { TRIES = 16 };
    const struct item *of = item_at(&ctx->ledger->items, item);
    int64_t available = 0;
    *moving = true;
    for (int i = 0; *moving && i < TRIES; i++) {
        uint16_t stamp;
        bool none = moves_none(of, &stamp);
        available = item_has(of, ITEM_BACKLOG) ? available_beside_backlog(ctx, channel, item)
                                               : available_once(ctx, channel, item);
        *moving = !none || !moves_unchanged(of, stamp); /* @moving */
    }
    return available;
}
