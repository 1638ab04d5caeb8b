/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching ahead for records that are about to be applied: the entry of the id, the pool's item.
 * The cost of following a journal is memory latency, as that of serving is. Nothing here is checked
 * beyond what reading it needs: the applying does that.
 */
#include "engine/seat.h"

static void fetch_id(const struct ledger *ledger, struct text id, unsigned stage)
{
    const struct entries *entries = &ledger->entries;
    if (id.len < 1 || id.len > ID_MAX)
        return;
    uint64_t hash = id_hash(entries, id);
    if (stage == 0)
        entries_prefetch_bucket(entries, hash);
    else
        entries_prefetch_entry(entries, hash);
}

static void fetch_pool(const struct ledger *ledger, const struct pool_key *key, unsigned stage)
{
    const struct items *items = &ledger->items;
    if (key->item >= items->max_items)
        return;
    const struct item *item = item_at(items, key->item);
    if (stage == 0) {
        memory_fetch(item);
        memory_fetch((const char *)item + 64);
        memory_fetch(&items->marks[key->item]);
        return;
    }
    uint32_t more = atomic_load_explicit(&item->more, memory_order_relaxed);
    if (more == 0 || more >= items->unit_count)
        return;
    for (unsigned line = 0; line < 4; line++)
        memory_fetch((const char *)pool_at(items, more) + (size_t)line * 64);
}

static void fetch_movement(const struct ledger *ledger, const struct record_head *record,
                           unsigned stage)
{
    struct movement_fields f;
    if (!movement_decode(record, &f))
        return;
    fetch_id(ledger, f.id, stage);
    fetch_pool(ledger, &f.fixed.pool, stage);
}

static void fetch_reserve(const struct ledger *ledger, const struct record_head *record,
                          unsigned stage)
{
    enum { MOST = 4 };
    struct reserve_fields f;
    if (!reserve_decode(record, &f))
        return;
    fetch_id(ledger, f.id, stage);
    for (unsigned i = 0; i < f.fixed.draw_count && i < MOST; i++)
        fetch_pool(ledger, &f.draws[i].pool, stage);
}

/* A record of the later life of a reservation. */
#define FETCH_ID(tag)                                                                              \
    do {                                                                                           \
        struct tag##_fields f;                                                                     \
        if (tag##_decode(record, &f))                                                              \
            fetch_id(ledger, f.id, stage);                                                         \
    } while (0)

void ledger_apply_prefetch(const struct ledger *ledger, const struct record_head *record,
                           unsigned stage)
{
    switch (record->type) {
    case RECORD_MOVEMENT:
        fetch_movement(ledger, record, stage);
        break;
    case RECORD_RESERVE:
        fetch_reserve(ledger, record, stage);
        break;
    case RECORD_EXTEND:
        FETCH_ID(extend);
        break;
    case RECORD_CONFIRM:
        FETCH_ID(confirm);
        break;
    case RECORD_FULFIL:
    case RECORD_CANCEL:
        FETCH_ID(step_head);
        break;
    case RECORD_EXPIRE:
        FETCH_ID(expire);
        break;
    default:
        break;
    }
}
