/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates: the pools of an item that a channel, or one line of its order, may draw from. */
#ifndef STOCKD_ENGINE_SOURCING_CANDIDATES_H
#define STOCKD_ENGINE_SOURCING_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/sourcing/demand.h"
#include "engine/store/pool.h"

struct channel;
struct location;
struct ctx;

struct candidate {
    uint64_t key; /* the pool's */
    uint32_t unit;
    uint32_t rank; /* lower comes first: the channel's own allotments, below LOCATIONS_MAX, then
                      shared pools, then expected units; within each, locations in the channel's
                      order */
    int64_t available;
    uint64_t eta_ms; /* of expected units: wall clock; else 0 */
};

enum source { FROM_OWN, FROM_SHARED, FROM_EXPECTED, SOURCES };

static inline enum source source_of(const struct candidate *c)
{
    return (enum source)(c->rank / LOCATIONS_MAX);
}

static inline bool is_own(const struct candidate *c)
{
    return source_of(c) == FROM_OWN;
}

static inline bool is_expected(const struct candidate *c)
{
    return source_of(c) == FROM_EXPECTED;
}

/* The channel's own pools come first, and expected units last, the earliest first; then what is
 * nearer, if that matters; then the lower rank. */
static inline bool comes_before(const struct demand *demand, const struct candidate *a,
                                const struct candidate *b)
{
    if (a->eta_ms != b->eta_ms)
        return a->eta_ms < b->eta_ms;
    if (!demand->distance || source_of(a) != source_of(b))
        return a->rank < b->rank;
    double from_a = demand->distance[key_location(a->key)];
    double from_b = demand->distance[key_location(b->key)];
    return from_a != from_b ? from_a < from_b : a->rank < b->rank;
}

/* Pools that hold stock all fit; of those that expect some, the first that are met. */
enum { STOCK_CANDIDATES_MAX = 2 * LOCATIONS_MAX, CANDIDATES_MAX = 2 * STOCK_CANDIDATES_MAX };

/* What one walk over an item's pools found. */
struct candidates {
    uint32_t count;
    uint32_t pools;   /* that the channel sells from, including empty ones */
    int64_t total;    /* available at all of the channel's locations */
    int64_t takeable; /* available to this line: where it may be served, less the buffer */
    bool undecided;   /* one of them has an undecided take */
    bool stable;      /* no give came in between: the sums are those of one instant */
    bool leaves;      /* the item has safety stock, places where it is not stocked, or supply */
    struct candidate at[CANDIDATES_MAX];
};

/* May the sums be of no instant? One pool alone is, unless a setting says what it leaves. */
static inline bool candidates_momentary(const struct candidates *found)
{
    return !found->stable && (found->pools > 1 || found->leaves);
}

/* What an order's planned lines already take from each pool: a hash table. */
enum { PLANNED_SLOTS = 4096 };

struct planned {
    struct {
        uint32_t unit;
        int64_t qty; /* 0: the slot is empty */
    } slots[PLANNED_SLOTS];
};

void planned_add(struct planned *planned, uint32_t unit, int64_t qty);

/* Walks the item's pools that a channel sells from, without what it leaves there (safety.h), and
 * for a line bound to a location (NULL: free), less what is already planned (NULL: nothing). Only
 * those that the demand allows are candidates; the others count for the buffer. */
void candidates_find(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                     uint32_t item, const struct location *bound, struct planned *planned,
                     struct candidates *found);

/* The same for no order in particular, which may have only so many draws: all of the pools that
 * serve, and `takeable` over all of them. */
void candidates_all(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                    uint32_t item, struct candidates *found);

/*
 * The pool that a free line draws from first, for an item that no other line has. False: it does
 * not hold all that is wanted; use candidates_find. *pools: as in struct candidates. `by_most`:
 * more is better, after the channel's own; otherwise comes_before decides.
 */
bool candidates_first(struct ctx *ctx, const struct channel *channel, const struct demand *demand,
                      uint32_t item, int64_t wanted, bool by_most, struct candidate *first,
                      uint32_t *pools);

/* What one order on the channel could take of the item now, from all of its locations. *moving:
 * units of the item are being moved all the time, so some may be missing or counted twice. */
int64_t channel_available(struct ctx *ctx, const struct channel *channel, uint32_t item,
                          bool *moving);

#endif
