/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the table of ids, for any thread; and memory for the slots that come next. */
#include "engine/base/memory.h"
#include "engine/store/slots.h"

enum { CHUNK = 64 };

uint32_t entries_used(const struct entries *entries)
{
    /* In its first round the hand goes from the first chunk to the last. */
    uint64_t hand = atomic_load_explicit(&entries->hand, memory_order_relaxed);
    return hand < entries->chunk_count ? (uint32_t)hand * CHUNK : entries->max;
}

uint64_t entries_taken(const struct entries *entries)
{
    return entries->max - entries_free(entries);
}

uint64_t entries_remembered(const struct entries *entries)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++)
        sum += atomic_load_explicit(&entries->seats[i].remembered, memory_order_relaxed);
    return sum;
}

uint64_t entries_live(const struct entries *entries)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++)
        sum += atomic_load_explicit(&entries->seats[i].live, memory_order_relaxed);
    return (int64_t)sum > 0 ? sum : 0; /* the figures are not of one instant */
}

uint64_t entries_added(const struct entries *entries)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++)
        sum += atomic_load_explicit(&entries->seats[i].added, memory_order_relaxed);
    return sum;
}

uint64_t entries_ripe_ms(const struct entries *entries)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        uint64_t ripe = atomic_load_explicit(&entries->seats[i].ripe_ms, memory_order_relaxed);
        first = ripe < first ? ripe : first;
    }
    return first;
}

uint64_t entries_forgotten_ms(const struct entries *entries)
{
    return atomic_load_explicit(&entries->forgotten_ms, memory_order_relaxed);
}

/* ---- memory ahead of use ---- */

/* A step is one huge page of slots. The limit is what the hand goes through in some tenths of a
 * second at its fastest. */
enum {
    POPULATE_STEP = (2 << 20) / sizeof(struct entry),
    POPULATE_AHEAD = (64 << 20) / sizeof(struct entry),
};

enum populated entries_populate(struct entries *entries)
{
    uint32_t used = entries_used(entries), from = entries->populated;
    uint32_t ahead = used < POPULATE_AHEAD ? used : POPULATE_AHEAD;
    uint32_t until = used + ahead < entries->max ? used + ahead : entries->max;
    if (from == entries->max)
        return POPULATED_ALL;
    if (from >= until)
        return POPULATED_ENOUGH;
    if (from == 0) /* ids go anywhere in them from the first on */
        memory_populate(entries->buckets, entries_bucket_bytes(entries));
    uint32_t count = until - from < POPULATE_STEP ? until - from : POPULATE_STEP;
    memory_populate(entries->all + from, count * sizeof *entries->all);
    memory_populate(entries->taken + from / CHUNK, count / CHUNK * sizeof *entries->taken);
    entries->populated = from + count;
    return POPULATED_SOME;
}
