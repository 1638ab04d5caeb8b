/* SPDX-License-Identifier: Apache-2.0 */
/* Loads items, with their pools and details. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/ledger/change_index.h"
#include "engine/replay/contents_loading.h"

static bool can_be(const struct loading *l, const struct contents_pool *saved)
{
    const struct catalogue *catalogue = atomic_load(&l->ledger->catalogue);
    return pool_can_be(saved->location, saved->owner, catalogue->location_count,
                       catalogue->channel_count) &&
           saved->on_hand <= WORD_ON_HAND_MOST && saved->reserved <= WORD_RESERVED_MOST;
}

static bool read_stocking(const unsigned char **at, struct contents_stocking *saved)
{
    memcpy(saved, *at, sizeof *saved);
    *at += sizeof *saved;
    return saved->safety >= -1 && saved->safety <= QUANTITY_MAX && saved->lead_time_s >= -1 &&
           saved->stocked <= 1;
}

/* Sets the stockings of pools; both lists are in the order of the pools. */
static int load_stockings(struct loading *l, uint32_t index, const struct contents_item *saved,
                          const unsigned char *at)
{
    struct items *items = &l->ledger->items;
    struct pool_walk walk = pool_walk_start(items, index);
    uint32_t position = 0;
    for (uint32_t i = 0; i < saved->stocking_count; i++) {
        struct contents_stocking s;
        const struct pool *pool = NULL;
        bool good = read_stocking(&at, &s) && s.pool >= position;
        while (good && position <= s.pool && (pool = pool_walk_next(&walk)) != NULL)
            position++;
        if (!pool)
            return contents_complain(l->complaint, -EINVAL, "item %u has an invalid stocking",
                                     index);
        item_set(item_at(items, index), ITEM_STOCKING);
        atomic_store_explicit(
            &items->stockings[pool_unit(items, pool)],
            stocking_word((struct stocking){ s.stocked, s.safety, s.lead_time_s }),
            memory_order_relaxed); /* its readers start later */
    }
    return 0;
}

/* Behind the changes before it: later, and it covers more. */
static bool add_change(struct incoming *in, const struct contents_moved *m)
{
    uint32_t count = atomic_load_explicit(&in->change_count, memory_order_relaxed);
    const struct eta_change *last = count > 0 ? &in->changes[count - 1] : NULL;
    if (m->lsn == 0 || count == ETA_CHANGES ||
        (last &&
         (m->lsn <= atomic_load_explicit(&last->lsn, memory_order_relaxed) ||
          m->covered_lsn <= atomic_load_explicit(&last->covered_lsn, memory_order_relaxed))))
        return false;
    incoming_add_change(in, m->lsn, m->covered_lsn, m->ship_ms, m->pickup_ms);
    return true;
}

/* Sets what came of changed ETAs; both lists are in the order of the pools. */
static int load_moved(struct loading *l, uint32_t index, const struct contents_item *saved,
                      const unsigned char *at)
{
    const struct items *items = &l->ledger->items;
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool = NULL;
    uint32_t position = 0;
    for (uint32_t i = 0; i < saved->moved_count; i++, at += sizeof(struct contents_moved)) {
        struct contents_moved m;
        memcpy(&m, at, sizeof m);
        if (m.pool + 1 < position)
            pool = NULL;
        while (position <= m.pool && (pool = pool_walk_next(&walk)) != NULL)
            position++;
        struct incoming *in = pool ? incoming_at(items, pool_unit(items, pool)) : items->incoming;
        if (in == items->incoming || !add_change(in, &m))
            return contents_complain(l->complaint, -EINVAL, "item %u has an invalid change of ETA",
                                     index);
    }
    return 0;
}

static int load_pools(struct loading *l, uint32_t index, const unsigned char *at, uint32_t count)
{
    struct items *items = &l->ledger->items;
    struct item *item = item_at(items, index);
    struct pool *to = item->pools;
    if (!pools_reserve(items, index, count))
        return contents_no_room(l->complaint, "pools", l->load->totals.pools, items->max_pools);
    for (uint32_t i = 0; i < count; i++, at += sizeof(struct contents_pool)) {
        struct contents_pool saved;
        memcpy(&saved, at, sizeof saved);
        if (i == ITEM_POOLS) /* the block begins with its head */
            to = pool_at(items, atomic_load_explicit(&item->more, memory_order_relaxed)) + 1;
        if (!can_be(l, &saved))
            return contents_complain(l->complaint, -EINVAL, "item %u has an invalid pool", index);
        atomic_store_explicit(&to->word, word_make(saved.on_hand, saved.reserved, 0),
                              memory_order_relaxed);
        atomic_store_explicit(&to->key, pool_key_word(index, saved.location, saved.owner),
                              memory_order_relaxed); /* its readers start later */
        if (owner_waits(saved.owner))
            number_incoming(items, to);
        if (owner_kind(saved.owner) == POOL_OWED)
            item_set(item, ITEM_OWED);
        if (saved.reserved > 0)
            l->reserved += saved.reserved * contents_weight(pool_unit(items, to));
        to++;
    }
    return 0;
}

/* The parts of an item's record. */
struct item_parts {
    struct contents_item saved;
    const unsigned char *pools, *stockings, *moved;
    struct text sku, name, barcode, unit;
    uint64_t hash;
};

static int load_details(struct loading *l, const struct item_parts *p)
{
    const struct contents_item *saved = &p->saved;
    if (p->name.len > NAME_MAX_BYTES || p->barcode.len > NAME_MAX_BYTES || p->unit.len > UNIT_MAX ||
        saved->decimals > DECIMALS_MAX || saved->safety > QUANTITY_MAX)
        return contents_complain(l->complaint, -EINVAL, "item %u has invalid details", saved->item);
    struct item_details *details = calloc(1, sizeof *details);
    if (!details)
        return contents_complain(l->complaint, -ENOSPC, "no memory for the details of items");
    struct item_setting s = { .has_name = true,
                              .has_barcode = true,
                              .has_low_stock = saved->low_stock >= 0,
                              .has_backorder_limit = saved->backorder_limit >= 0,
                              .has_safety = saved->safety >= 0,
                              .has_unit = true,
                              .has_decimals = true,
                              .name = p->name,
                              .barcode = p->barcode,
                              .unit = p->unit,
                              .decimals = saved->decimals,
                              .safety = saved->safety,
                              .low_stock = saved->low_stock,
                              .backorder_limit = saved->backorder_limit };
    details_apply(details, &s);
    details->lsn = saved->details_lsn;
    details_apply_safety(&l->ledger->items, saved->item, details);
    struct item_details *none = NULL;
    if (atomic_compare_exchange_strong(&l->ledger->items.details[saved->item], &none, details))
        return 0;
    free(details); /* another thread loads another record of that item */
    return contents_complain(l->complaint, -EINVAL, "item %u appears twice", saved->item);
}

static int open_item(struct loading *l, const unsigned char *at, size_t left, struct item_parts *p)
{
    struct contents_item *saved = &p->saved;
    if (!contents_open_record(at, left, saved, sizeof *saved))
        return contents_complain(l->complaint, -EINVAL, "an item has an invalid length");
    if (contents_item_length(saved) > saved->length || saved->item >= l->load->totals.items)
        return contents_complain(l->complaint, -EINVAL, "item %u is malformed", saved->item);
    p->pools = at + sizeof *saved;
    p->stockings = p->pools + (size_t)saved->pool_count * sizeof(struct contents_pool);
    p->moved = p->stockings + (size_t)saved->stocking_count * sizeof(struct contents_stocking);
    const char *texts = (const char *)p->pools + contents_item_texts(saved);
    p->sku = (struct text){ texts, saved->sku_len };
    p->name = (struct text){ p->sku.at + p->sku.len, saved->name_len };
    p->barcode = (struct text){ p->name.at + p->name.len, saved->barcode_len };
    p->unit = (struct text){ p->barcode.at + p->barcode.len, saved->unit_len };
    p->hash = sku_hash(&l->ledger->items, p->sku);
    assert(p->saved.item < l->ledger->items.max_items); /* the totals were held against it */
    return 0;
}

static int load_item(struct loading *l, const struct item_parts *p)
{
    struct items *items = &l->ledger->items;
    uint32_t index = p->saved.item;
    if (items_load(items, index, p->sku, p->hash) != 0)
        return contents_complain(l->complaint, -EINVAL, "item %u is invalid, or appears twice",
                                 index);
    item_version_restore(l->ledger, index, p->saved.version);
    if (p->saved.moved)
        item_set(item_at(items, index), ITEM_MOVED);
    if (p->saved.missed)
        item_set_short(items, index);
    int error = load_pools(l, index, p->pools, p->saved.pool_count);
    if (!error)
        error = load_stockings(l, index, &p->saved, p->stockings);
    if (!error)
        error = load_moved(l, index, &p->saved, p->moved);
    if (!error && p->saved.detailed)
        error = load_details(l, p);
    return error;
}

int contents_load_items(struct loading *l, const unsigned char *at, size_t left)
{
    struct item_parts window[AHEAD] = { 0 };
    uint64_t opened = 0, loaded = 0;
    int error = 0;
    while (!error && (left > 0 || loaded < opened)) {
        if (left > 0 && opened - loaded < AHEAD) {
            struct item_parts *p = &window[opened % AHEAD];
            error = open_item(l, at, left, p);
            if (error)
                break;
            items_prefetch_slot(&l->ledger->items, p->hash);
            memory_fetch(item_at(&l->ledger->items, p->saved.item));
            at += p->saved.length;
            left -= p->saved.length;
            opened++;
        } else {
            error = load_item(l, &window[loaded++ % AHEAD]);
            assert(loaded <= opened);
        }
    }
    return error;
}
