/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching ahead for records that are about to be applied: the entry of the id, the pool's item.
 * The cost of following a journal is memory latency, as that of serving is. Nothing here is checked
 * beyond what reading it needs: the applying does that.
 */
#include <string.h>

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
    struct movement_record r;
    struct record_reader reader = record_open(record, &r, sizeof r);
    fetch_id(ledger, record_text(&reader, r.id_len), stage);
    fetch_pool(ledger, &r.pool, stage);
}

static void fetch_reserve(const struct ledger *ledger, const struct record_head *record,
                          unsigned stage)
{
    enum { MOST = 4 };
    struct reserve_record r;
    struct record_reader reader = record_open(record, &r, sizeof r);
    fetch_id(ledger, record_text(&reader, r.id_len), stage);
    const unsigned char *draws = record_array(&reader, r.draw_count, sizeof(struct draw_record));
    for (unsigned i = 0; draws && i < r.draw_count && i < MOST; i++) {
        struct draw_record draw;
        memcpy(&draw, draws + i * sizeof draw, sizeof draw);
        fetch_pool(ledger, &draw.pool, stage);
    }
}

/* Records whose first text is the id of a reservation. */
static void fetch_step(const struct ledger *ledger, const struct record_head *record,
                       unsigned stage, uint32_t fixed, uint32_t id_len_at)
{
    const unsigned char *bytes = (const unsigned char *)record;
    if (record->length < fixed || record->length - fixed < bytes[id_len_at])
        return;
    struct text id = { (const char *)bytes + fixed, bytes[id_len_at] };
    fetch_id(ledger, id, stage);
}

#define STEP(type)                                                                                 \
    fetch_step(ledger, record, stage, sizeof(struct type), offsetof(struct type, id_len))

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
        STEP(extend_record);
        break;
    case RECORD_CONFIRM:
        STEP(confirm_record);
        break;
    case RECORD_FULFIL:
    case RECORD_CANCEL:
        STEP(step_head_record);
        break;
    case RECORD_EXPIRE:
        STEP(expire_record);
        break;
    default:
        break;
    }
}
