/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefetches for records that are about to be applied: the entry of the id, the pool's item.
 * Replay, like serving, costs memory latency. This code checks only what reading needs: applying
 * checks the rest.
 */
#include "engine/ledger/ctx.h"
#include "engine/log/record_layout.h"

static void fetch_id(const struct ledger *ledger, struct text id, unsigned stage)
{
    const struct id_table *ids = &ledger->ids;
    if (id.len < 1 || id.len > ID_MAX)
        return;
    uint64_t hash = id_hash(ids, id);
    if (stage == 0)
        id_table_prefetch_bucket(ids, hash);
    else
        id_table_prefetch_entry(ids, hash);
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
        memory_fetch(&items->versions[key->item]);
        return;
    }
    uint32_t more = atomic_load_explicit(&item->more, memory_order_relaxed);
    if (more == 0 || more >= items->unit_count)
        return;
    for (unsigned line = 0; line < 4; line++)
        memory_fetch((const char *)pool_at(items, more) + (size_t)line * 64);
}

static inline const void *at_in(const void *fields, size_t offset)
{
    return (const unsigned char *)fields + offset;
}

/* What to fetch for each field of a record. Other fields compile to nothing. */
#define FETCH_NUMBER(tag, type, member, shown)                                                     \
    if (SHOWN_##shown == SHOWN_POOL)                                                               \
        fetch_pool(ledger, at_in(&f, offsetof(struct tag##_fields, fixed.member)), stage);
#define FETCH_TEXT(tag, member, shown)                                                             \
    if (SHOWN_##shown == SHOWN_ID || SHOWN_##shown == SHOWN_OP)                                    \
        fetch_id(ledger, f.member, stage);
#define FETCH_LIST(tag, kind, member, of, shown) FETCH_##kind(member, of)
#define FETCH_TEXTS(member, of)
#define FETCH_SOLD(member, of)
#define FETCH_STEPS(member, of)
#define FETCH_SENDS(member, of)
#define FETCH_SENT(member, of)
#define FETCH_ITEMS(member, of)
#define FETCH_READY(member, of)
#define FETCH_MINUTES(member, of)
#define FETCH_WEEK(member, of)
#define FETCH_DATES(member, of)
#define FETCH_EXTRA(member, of)
#define FETCH_SUPPLY(member, of)
#define FETCH_MOVES(member, of)
#define FETCH_TIMES(member, of)
#define FETCH_REF(member, of)
#define FETCH_AS_OF(member, of)
#define FETCH_LEVELS(member, of)
#define FETCH_REFUSED(member, of)
#define FETCH_CLOCK(member, of)
#define FETCH_DRAWS(member, of) FETCH_POOLS(member, of)
#define FETCH_DRAWN(member, of) FETCH_POOLS(member, of)
#define FETCH_REJECTS(member, of)
#define FETCH_CHANGES(member, of) FETCH_POOLS(member, of)
#define FETCH_POOLS(member, of)                                                                    \
    for (unsigned i = 0; i < f.fixed.of && i < MOST_POOLS; i++)                                    \
        fetch_pool(ledger, &f.member[i].pool, stage);

enum { MOST_POOLS = 4 }; /* of a list: more would evict what is fetched for other records */

#define X(tag)                                                                                     \
    static void fetch_##tag(const struct ledger *ledger, const struct record_head *record,         \
                            unsigned stage)                                                        \
    {                                                                                              \
        struct tag##_fields f;                                                                     \
        if (!tag##_decode(record, &f))                                                             \
            return;                                                                                \
        (void)ledger, (void)stage;                                                                 \
        NUMBERS_##tag(FETCH_NUMBER, tag) TEXTS_##tag(FETCH_TEXT, tag) LISTS_##tag(FETCH_LIST, tag) \
    }
RECORD_TAGS(X)
#undef X

void ledger_apply_prefetch(const struct ledger *ledger, const struct record_head *record,
                           unsigned stage)
{
    static void (*const fetchers[])(const struct ledger *, const struct record_head *, unsigned) = {
#define X(type, number, name, tag, flags) [RECORD_##type] = fetch_##tag,
        RECORD_TYPES(X)
#undef X
    };
    if (record->type < sizeof fetchers / sizeof *fetchers && fetchers[record->type])
        fetchers[record->type](ledger, record, stage);
}
