/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/marks.h"

#include <errno.h>

#include "engine/base/memory.h"
#include "engine/ledger/seat.h"

/* An operation takes far less; whoever is in one for longer was preempted. */
enum { LOOKS_AT_SEAT = 200 };

int marks_init(struct ledger *ledger)
{
    uint32_t blocks = ledger->items.max_items / MARKS_PER_BLOCK + 1;
    ledger->block_count = blocks;
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        struct seat *seat = ledger->seats[i];
        seat->blocks = memory_reserve((size_t)blocks * sizeof(uint64_t));
        if (!seat->blocks)
            return -ENOMEM;
    }
    return 0;
}

void marks_destroy(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->seat_count && ledger->seats[i]; i++)
        memory_release((void *)ledger->seats[i]->blocks,
                       (size_t)ledger->block_count * sizeof(uint64_t));
}

void mark_item(struct seat *seat, uint32_t item, uint64_t lsn)
{
    _Atomic uint64_t *mark = &seat->ledger->items.marks[item];
    uint64_t was = atomic_load_explicit(mark, memory_order_relaxed);
    /* Release (M1): a thread that finds a mark finds the item's sku, even before it is in a
     * published record. Another seat's swap goes on with that release. Where a greater mark stands
     * already there is nothing to do: it is over every `since` that this one is over. */
    while (was < lsn && !atomic_compare_exchange_weak_explicit(
                            mark, &was, lsn, memory_order_release, memory_order_relaxed)) {
    }
    /* A row of the seat's own, where the greater stays: a plain store, which no other seat's line
     * has to come for. Relaxed: the record's publication (L1) and the head (L2) bring it to who
     * reads a head that includes it; one that does not owes it nothing. */
    _Atomic uint64_t *block = &seat->blocks[item / MARKS_PER_BLOCK];
    if (atomic_load_explicit(block, memory_order_relaxed) < lsn)
        atomic_store_explicit(block, lsn, memory_order_relaxed);
}

void mark_pool(struct seat *seat, uint32_t unit, uint64_t lsn)
{
    const struct pool *pool = pool_at(&seat->ledger->items, unit);
    mark_item(seat, key_item(atomic_load_explicit(&pool->key, memory_order_relaxed)), lsn);
}

void mark_catalogue(struct ledger *ledger, uint64_t lsn)
{
    if (atomic_load_explicit(&ledger->catalogue_lsn, memory_order_relaxed) < lsn)
        atomic_store_explicit(&ledger->catalogue_lsn, lsn, memory_order_relaxed); /* as a block's */
}

static void raise(_Atomic uint64_t *mark, uint64_t lsn)
{
    uint64_t was = atomic_load_explicit(mark, memory_order_relaxed);
    while (was < lsn && !atomic_compare_exchange_weak_explicit(
                            mark, &was, lsn, memory_order_release, memory_order_relaxed)) {
    }
}

void marks_restore(struct ledger *ledger, uint32_t item, uint64_t lsn)
{
    assert(item < ledger->items.max_items);
    raise(&ledger->items.marks[item], lsn);
    raise(&ledger->seats[0]->blocks[item / MARKS_PER_BLOCK], lsn);
}

/* ---- reading ---- */

uint32_t marks_count(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->items.count, memory_order_acquire);
}

uint32_t marks_pools_each(const struct ledger *ledger)
{
    uint32_t items = marks_count(ledger);
    uint32_t pools = atomic_load_explicit(&ledger->items.pool_count, memory_order_relaxed);
    return items > 0 && pools > items ? pools / items : 1;
}

uint64_t marks_of(const struct ledger *ledger, uint32_t item)
{
    assert(item < ledger->items.max_items);
    return atomic_load_explicit(&ledger->items.marks[item], memory_order_acquire); /* M1 */
}

/* Has any seat marked an item of that block after since? */
static bool block_changed(const struct ledger *ledger, uint32_t block, uint64_t since)
{
    for (unsigned i = 0; i < ledger->seat_count; i++)
        if (atomic_load_explicit(&ledger->seats[i]->blocks[block], memory_order_relaxed) > since)
            return true;
    return false;
}

bool marks_next(const struct ledger *ledger, uint64_t since, uint32_t *cursor, uint32_t *item,
                uint64_t *lsn)
{
    uint32_t count = marks_count(ledger);
    while (*cursor < count) {
        uint32_t index = *cursor;
        if (index % MARKS_PER_BLOCK == 0 &&
            !block_changed(ledger, index / MARKS_PER_BLOCK, since)) {
            *cursor += MARKS_PER_BLOCK;
            continue;
        }
        ++*cursor;
        uint64_t mark = marks_of(ledger, index);
        if (mark > since) {
            *item = index;
            *lsn = mark;
            return true;
        }
    }
    return false;
}

uint64_t ledger_catalogue_lsn(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->catalogue_lsn, memory_order_relaxed);
}

struct text ledger_item_sku(const struct ledger *ledger, uint32_t item)
{
    assert(marks_of(ledger, item) > 0);
    return item_sku(item_at(&ledger->items, item));
}

bool ledger_shown_until(const struct ledger *ledger, uint64_t *lsn)
{
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        const struct seat *seat = ledger->seats[i];
        unsigned looks = 0;
        while (atomic_load_explicit(&seat->taking, memory_order_acquire)) /* M2 */
            if (++looks == LOOKS_AT_SEAT)
                return false;
    }
    *lsn = atomic_load_explicit(&ledger->log->tail, memory_order_acquire);
    return true;
}
