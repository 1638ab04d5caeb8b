/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies at one location of one item: its shared pool, and the pools allotted to channels.
 * People count units there, not pools, so counts and adjustments look at all of them together.
 */
#include "engine/ledger.h"

#include "engine/seat.h"

_Static_assert(CHANNELS_MAX + 1 <= TAKES_MAX, "a location's pools fit the takes");

void sum_place(const struct seat *seat, uint32_t item, uint16_t location, int64_t *on_hand,
               int64_t *available)
{
    struct pool_walk walk = pool_walk_start(&seat->ledger->items, item);
    struct pool *pool;
    *on_hand = *available = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        if (key_location(key) != location || !owner_sellable(key_owner(key)))
            continue;
        uint64_t word = pool_read(pool);
        *on_hand += word_on_hand(word);
        *available += word_available(word);
    }
}

void look_at_place(struct seat *seat, uint32_t item, uint16_t location, struct place *place)
{
    const struct items *items = &seat->ledger->items;
    struct plan *plan = &seat->plan;
    struct pool_walk walk = pool_walk_start(items, item);
    struct pool *pool;
    uint32_t stamp;
    *place = (struct place){ .quiet = gives_quiet(item_at(items, item), &stamp) };
    plan->take_count = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        if (key_location(key) != location || !owner_sellable(key_owner(key)))
            continue;
        uint64_t word = pool_read(pool);
        place->on_hand += word_on_hand(word);
        place->pending |= word_pending(word) != 0;
        uint32_t at = plan->take_count++;
        plan->takes[at] =
            (struct plan_take){ pool_unit(items, pool), (int32_t)word_on_hand(word), 0 };
        if (owner_kind(key_owner(key)) == POOL_SHARED) { /* the shared pool comes first */
            struct plan_take shared = plan->takes[at];
            plan->takes[at] = plan->takes[0];
            plan->takes[0] = shared;
        }
    }
    place->quiet &= gives_unchanged(item_at(items, item), stamp);
}

/* Takes from the pools in turn what is free in them, or else all that is on hand. */
static int64_t spread(struct seat *seat, int64_t missing, bool free)
{
    struct plan *plan = &seat->plan;
    for (uint32_t i = 0; i < plan->take_count && missing > 0; i++) {
        struct plan_take *take = &plan->takes[i];
        uint64_t word = pool_read(pool_at(&seat->ledger->items, take->pool));
        int64_t there = (free ? word_available(word) : word_on_hand(word)) - take->qty;
        int64_t qty = there < missing ? there : missing;
        if (qty <= 0)
            continue;
        take->qty += qty;
        missing -= qty;
    }
    return missing;
}

static void drop_empty_takes(struct plan *plan)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->take_count; i++)
        if (plan->takes[i].qty > 0)
            plan->takes[kept++] = plan->takes[i];
    plan->take_count = merge_takes(plan->takes, kept);
    plan->tentative = plan->take_count > 1;
}

static void put_back(struct seat *seat, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_take *take = &seat->plan.takes[i];
        give_back(seat, take->pool, (struct pool_change){ .on_hand = take->qty, .tentative = -1 });
    }
    mark_undone(seat, seat->plan.takes, count);
}

bool remove_from_place(struct seat *seat, int64_t missing, bool as_counted)
{
    struct plan *plan = &seat->plan;
    int64_t promised = spread(seat, missing, true);
    if (spread(seat, promised, false) > 0)
        return false;
    drop_empty_takes(plan);
    for (uint32_t i = 0; i < plan->take_count; i++) {
        const struct plan_take *take = &plan->takes[i];
        struct pool_change change = { .on_hand = -take->qty, .tentative = plan->tentative ? 1 : 0 };
        /* As long as free units are enough, nobody's promise is broken, whoever comes between. */
        int64_t needs = promised > 0 ? INT64_MIN : take->qty;
        uint64_t after;
        int64_t counted = as_counted ? take->counted : NOT_COUNTED;
        if (change_on_hand(seat, take->pool, change, needs, counted, &after) != POOL_CHANGED) {
            put_back(seat, i);
            return false;
        }
    }
    return true;
}
