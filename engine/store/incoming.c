/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/incoming.h"

#include <assert.h>

#include "engine/store/item.h"
#include "engine/store/slots.h"

/* Is it the caller's now? One that is not empty has draws of an earlier supply. */
static bool own(const struct items *items, const struct pool *pool, uint32_t supply)
{
    struct incoming *in = incoming_at(items, pool_unit(items, pool));
    uint32_t none = 0;
    if (in == items->incoming) /* another context is making it */
        return false;
    if (atomic_load_explicit(&in->supply, memory_order_relaxed) != 0 || pool_read(pool) != 0)
        return false;
    if (!atomic_compare_exchange_strong_explicit(&in->supply, &none, supply, /* X3 */
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    if (pool_read(pool) != 0) {
        atomic_store_explicit(&in->supply, 0, memory_order_release);
        return false;
    }
    assert(incoming_expected(in) == 0);
    return true;
}

/* Nobody promises of an empty pool: what was promised has been settled. */
void incoming_forget_promises(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                              uint32_t unit)
{
    struct incoming *in = incoming_at(items, unit);
    slots_free_draws(ids, cursor, atomic_exchange_explicit(&in->promises, 0, memory_order_acq_rel));
    atomic_store_explicit(&in->covered_lsn, 0, memory_order_release);
}

struct pool *incoming_take(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                           uint32_t item, uint16_t location, uint32_t supply, bool *again)
{
    struct pool_walk walk = pool_walk_start(items, item);
    struct pool *pool;
    uint32_t slots = 0;
    *again = false;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        if (key_location(key) != location || owner_kind(key_owner(key)) != POOL_EXPECTED)
            continue;
        slots++;
        if (!own(items, pool, supply))
            continue;
        incoming_forget_promises(items, ids, cursor, pool_unit(items, pool));
        return pool;
    }
    if (slots >= EXPECTED_SLOTS)
        return NULL;
    pool = pool_make(items, item, location, owner_expected((uint16_t)slots));
    if (!pool || own(items, pool, supply))
        return pool;
    *again = true; /* another context made it first */
    return NULL;
}

void incoming_tidy(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                   uint32_t unit)
{
    struct incoming *in = incoming_at(items, unit);
    if (atomic_load_explicit(&in->promises, memory_order_relaxed) == 0 ||
        !own(items, pool_at(items, unit), INCOMING_TIDIED))
        return;
    incoming_forget_promises(items, ids, cursor, unit);
    atomic_store_explicit(&in->supply, 0, memory_order_release);
}

static void set_mark(struct incoming *in, uint32_t versions, int64_t more)
{
    uint64_t mark = atomic_load_explicit(&in->mark, memory_order_relaxed);
    int64_t expected = mark_expected(mark) + more;
    assert(expected >= 0);
    assert(expected <= QUANTITY_MAX);
    uint32_t version = (uint32_t)(mark >> 32) + versions;
    atomic_store_explicit(&in->mark, (uint64_t)version << 32 | (uint64_t)expected,
                          memory_order_release); /* X1 */
}

/* ---- changes of the ETA ---- */

static void begin_changes(struct incoming *in)
{
    uint32_t version = atomic_load_explicit(&in->changing, memory_order_relaxed);
    assert(version % 2 == 0);
    atomic_store_explicit(&in->changing, version + 1, memory_order_relaxed);
}

static void end_changes(struct incoming *in)
{
    uint32_t version = atomic_load_explicit(&in->changing, memory_order_relaxed);
    atomic_store_explicit(&in->changing, version + 1, memory_order_release);
}

/* Release: a reader that finds what is written finds the odd version before it. */
static void write_change(struct incoming *in, uint32_t at, uint64_t lsn, uint64_t covered_lsn,
                         uint64_t ship_ms, uint64_t pickup_ms)
{
    struct eta_change *c = &in->changes[at];
    atomic_store_explicit(&c->lsn, lsn, memory_order_release);
    atomic_store_explicit(&c->covered_lsn, covered_lsn, memory_order_release);
    atomic_store_explicit(&c->ship_ms, ship_ms, memory_order_release);
    atomic_store_explicit(&c->pickup_ms, pickup_ms, memory_order_release);
}

static void forget_earliest(struct incoming *in)
{
    for (uint32_t i = 1; i < ETA_CHANGES; i++) {
        struct eta_change *c = &in->changes[i];
        write_change(in, i - 1, atomic_load_explicit(&c->lsn, memory_order_relaxed),
                     atomic_load_explicit(&c->covered_lsn, memory_order_relaxed),
                     atomic_load_explicit(&c->ship_ms, memory_order_relaxed),
                     atomic_load_explicit(&c->pickup_ms, memory_order_relaxed));
    }
}

void incoming_add_change(struct incoming *in, uint64_t lsn, uint64_t covered_lsn, uint64_t ship_ms,
                         uint64_t pickup_ms)
{
    uint32_t count = atomic_load_explicit(&in->change_count, memory_order_relaxed);
    begin_changes(in);
    /* All that those concern that covered no less, the new one concerns, too. */
    while (count > 0 && atomic_load_explicit(&in->changes[count - 1].covered_lsn,
                                             memory_order_relaxed) >= covered_lsn)
        count--;
    if (count == ETA_CHANGES) {
        forget_earliest(in);
        count--;
    }
    write_change(in, count, lsn, covered_lsn, ship_ms, pickup_ms);
    atomic_store_explicit(&in->change_count, count + 1, memory_order_release);
    end_changes(in);
}

uint32_t incoming_changes(const struct incoming *in, struct eta_times changes[ETA_CHANGES])
{
    enum { TRIES = 64 };
    uint32_t count = 0;
    for (int i = 0; i < TRIES; i++) {
        uint32_t version = atomic_load_explicit(&in->changing, memory_order_acquire);
        count = atomic_load_explicit(&in->change_count, memory_order_acquire);
        for (uint32_t at = 0; at < count; at++) {
            const struct eta_change *c = &in->changes[at];
            changes[at] = (struct eta_times){
                .lsn = atomic_load_explicit(&c->lsn, memory_order_acquire),
                .covered_lsn = atomic_load_explicit(&c->covered_lsn, memory_order_acquire),
                .ship_ms = atomic_load_explicit(&c->ship_ms, memory_order_acquire),
                .pickup_ms = atomic_load_explicit(&c->pickup_ms, memory_order_acquire)
            };
        }
        if (version % 2 == 0 &&
            atomic_load_explicit(&in->changing, memory_order_acquire) == version)
            break;
    }
    return count;
}

void incoming_own(struct incoming *in, uint32_t supply, bool transfer)
{
    begin_changes(in);
    atomic_store_explicit(&in->change_count, 0, memory_order_release);
    end_changes(in);
    atomic_store_explicit(&in->transfer, transfer, memory_order_release);
    atomic_store_explicit(&in->supply, supply, memory_order_release);
}

void incoming_raise(struct incoming *in, uint64_t eta_ms, uint32_t more)
{
    assert(!mark_is_raised(incoming_mark(in)));
    assert(atomic_load_explicit(&in->supply, memory_order_relaxed) != 0);
    atomic_store_explicit(&in->eta_ms, eta_ms, memory_order_release);
    set_mark(in, 1, more);
}

void incoming_raised(struct incoming *in)
{
    assert(mark_is_raised(incoming_mark(in)));
    set_mark(in, 1, 0);
}

void incoming_abandon(struct incoming *in, uint32_t more)
{
    assert(mark_is_raised(incoming_mark(in)));
    set_mark(in, 1, -(int64_t)more);
}

void incoming_lower(struct incoming *in, uint32_t by)
{
    set_mark(in, 0, -(int64_t)by);
}

void incoming_move(struct incoming *in, uint64_t eta_ms, uint64_t lsn, uint64_t covered_lsn,
                   uint64_t ship_ms, uint64_t pickup_ms)
{
    if (covered_lsn != EVERYTHING_COVERED)
        incoming_add_change(in, lsn, covered_lsn, ship_ms, pickup_ms);
    atomic_store_explicit(&in->eta_ms, eta_ms, memory_order_release); /* a fulfil looks at it */
}

void incoming_end(struct incoming *in)
{
    assert(incoming_expected(in) == 0);
    atomic_store_explicit(&in->eta_ms, 0, memory_order_release);
    atomic_store_explicit(&in->supply, 0, memory_order_release); /* X3: the last */
}

struct arrived incoming_look(const struct items *items, const struct pool *pool)
{
    enum { TRIES = 64 };
    const struct incoming *in = incoming_at(items, pool_unit(items, pool));
    uint64_t mark = 0, word = 0;
    if (in == items->incoming) /* it is being made: it had no units just now */
        return (struct arrived){ 0 };
    for (int i = 0; i < TRIES; i++) {
        mark = incoming_mark(in);
        word = pool_read(pool);
        if (!mark_is_raised(mark) && incoming_mark(in) == mark)
            break;
    }
    return arrived_of(mark_expected(mark), word);
}
