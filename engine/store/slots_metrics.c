/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the id table, for any thread; and memory for the slots that come next. */
#include "engine/base/memory.h"
#include "engine/store/slots.h"

enum { CHUNK = CHUNK_SLOTS };

uint32_t id_table_used(const struct id_table *ids)
{
    /* In its first round the hand goes from the first chunk to the last. */
    uint64_t hand = atomic_load_explicit(&ids->hand, memory_order_relaxed);
    return hand < ids->chunk_count ? (uint32_t)hand * CHUNK : ids->max;
}

uint64_t id_table_taken(const struct id_table *ids)
{
    return ids->max - id_table_free(ids);
}

uint64_t id_table_remembered(const struct id_table *ids)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        sum += atomic_load_explicit(&ids->contexts[i].remembered, memory_order_relaxed);
    return sum;
}

uint64_t id_table_live(const struct id_table *ids)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        sum += atomic_load_explicit(&ids->contexts[i].live, memory_order_relaxed);
    return (int64_t)sum > 0 ? sum : 0; /* the counts are not of one instant */
}

uint64_t id_table_added(const struct id_table *ids)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        sum += atomic_load_explicit(&ids->contexts[i].added, memory_order_relaxed);
    return sum;
}

uint64_t id_table_ripe_ms(const struct id_table *ids)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        uint64_t ripe = atomic_load_explicit(&ids->contexts[i].ripe_ms, memory_order_relaxed);
        first = ripe < first ? ripe : first;
    }
    return first;
}

uint64_t id_table_forgotten_ms(const struct id_table *ids)
{
    return atomic_load_explicit(&ids->forgotten_ms, memory_order_relaxed);
}

/* ---- memory ahead of use ---- */

/* A step is one huge page of slots. The limit is what the hand passes in some tenths of a second at
 * its fastest. */
enum {
    POPULATE_STEP = (2 << 20) / sizeof(struct id_entry),
    POPULATE_AHEAD = (64 << 20) / sizeof(struct id_entry),
};

enum populated id_table_populate(struct id_table *ids)
{
    uint32_t used = id_table_used(ids), from = ids->populated;
    uint32_t ahead = used < POPULATE_AHEAD ? used : POPULATE_AHEAD;
    uint32_t until = used + ahead < ids->max ? used + ahead : ids->max;
    if (from == ids->max)
        return POPULATED_ALL;
    if (from >= until)
        return POPULATED_ENOUGH;
    if (from == 0) /* from the first id on, any bucket may be used */
        memory_populate(ids->buckets, id_table_bucket_bytes(ids));
    uint32_t count = until - from < POPULATE_STEP ? until - from : POPULATE_STEP;
    memory_populate(ids->all + from, count * sizeof *ids->all);
    memory_populate((void *)(ids->places + from), count * sizeof *ids->places);
    memory_populate(ids->taken + from / CHUNK, count / CHUNK * sizeof *ids->taken);
    ids->populated = from + count;
    return POPULATED_SOME;
}
