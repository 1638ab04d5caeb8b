/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/item.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/memory.h"

/* A hash word: the item's index + 1, a busy bit, and as much of the hash as fits. */
#define SLOT_INDEX UINT64_C(0xffffffff)
#define SLOT_BUSY (UINT64_C(1) << 32)
#define SLOT_TAG (~(SLOT_INDEX | SLOT_BUSY))

enum { UNITS_PER_ITEM = 8, FIRST_BLOCK_UNITS = 8, LARGEST_BLOCK_UNITS = 512 };

/* The first unit of a block holds no pool: `key` is the unit of the next block, `word` this block's
 * number of units. */

static uint32_t power_of_two_over(uint64_t n)
{
    uint32_t p = 16;
    while (p < n)
        p *= 2;
    return p;
}

int items_init(struct items *items, uint32_t max_items, uint32_t max_pools, uint64_t hash_seed)
{
    memset(items, 0, sizeof *items);
    uint64_t item_units = (uint64_t)max_items * UNITS_PER_ITEM;
    /* Blocks are at least half full, except each item's newest: twice the pools is more than
     * enough. */
    uint64_t units = item_units + (uint64_t)max_pools * 3 + LARGEST_BLOCK_UNITS;
    if (units > UINT32_MAX)
        return -EINVAL;
    uint32_t slots = power_of_two_over((uint64_t)max_items * 2);
    items->units = memory_reserve(units * sizeof(struct pool));
    items->slots = memory_reserve((size_t)slots * sizeof(uint64_t));
    items->details = memory_reserve((size_t)max_items * sizeof(void *));
    items->versions = memory_reserve((size_t)max_items * sizeof(uint64_t));
    items->stockings = memory_reserve(units * sizeof(uint64_t));
    items->counted_ms = memory_reserve(units * sizeof(uint64_t));
    items->incoming_of = memory_reserve(units * sizeof(uint32_t));
    items->set_aside = memory_reserve(units * sizeof(uint32_t));
    items->covered = memory_reserve_scattered(units * sizeof(uint32_t));
    items->incoming = memory_reserve(((size_t)max_pools + 1) * sizeof(struct incoming));
    items->max_items = max_items;
    items->max_pools = max_pools;
    items->unit_count = (uint32_t)units;
    items->slot_mask = slots - 1;
    items->hash_seed = hash_seed;
    atomic_store(&items->unit_tail, (uint32_t)item_units);
    return items->units && items->slots && items->details && items->versions && items->stockings &&
                   items->counted_ms && items->incoming_of && items->set_aside && items->covered &&
                   items->incoming
               ? 0
               : -ENOMEM;
}

void items_destroy(struct items *items)
{
    memory_release(items->units, (size_t)items->unit_count * sizeof(struct pool));
    memory_release((void *)items->slots, ((size_t)items->slot_mask + 1) * sizeof(uint64_t));
    memory_release((void *)items->details, (size_t)items->max_items * sizeof(void *));
    memory_release((void *)items->versions, (size_t)items->max_items * sizeof(uint64_t));
    memory_release((void *)items->stockings, (size_t)items->unit_count * sizeof(uint64_t));
    memory_release((void *)items->counted_ms, (size_t)items->unit_count * sizeof(uint64_t));
    memory_release((void *)items->incoming_of, (size_t)items->unit_count * sizeof(uint32_t));
    memory_release((void *)items->set_aside, (size_t)items->unit_count * sizeof(uint32_t));
    memory_release((void *)items->covered, (size_t)items->unit_count * sizeof(uint32_t));
    memory_release(items->incoming, ((size_t)items->max_pools + 1) * sizeof(struct incoming));
}

uint64_t sku_hash(const struct items *items, struct text sku)
{
    return XXH3_64bits_withSeed(sku.at, sku.len, items->hash_seed);
}

static uint64_t load_slot(const struct items *items, uint32_t i)
{
    return atomic_load_explicit(&items->slots[i], memory_order_acquire);
}

static uint32_t home_slot(const struct items *items, uint64_t hash)
{
    return (uint32_t)hash & items->slot_mask;
}

static bool slot_names(const struct items *items, uint64_t slot, struct text sku, uint64_t hash)
{
    if ((slot & SLOT_TAG) != (hash & SLOT_TAG))
        return false;
    const struct item *item = item_at(items, (uint32_t)(slot & SLOT_INDEX) - 1);
    return item->sku_len == sku.len && memcmp(item->sku, sku.at, sku.len) == 0;
}

/* The slot of that sku, or the empty one where it belongs. */
static uint32_t probe(const struct items *items, struct text sku, uint64_t hash, uint64_t *slot)
{
    uint32_t i = home_slot(items, hash);
    for (;;) {
        *slot = load_slot(items, i);
        if (*slot == 0 || slot_names(items, *slot, sku, hash))
            return i;
        i = (i + 1) & items->slot_mask;
    }
}

int64_t items_find(const struct items *items, struct text sku, uint64_t hash)
{
    uint64_t slot;
    probe(items, sku, hash, &slot);
    if (slot == 0)
        return ITEM_NONE;
    return slot & SLOT_BUSY ? ITEM_BUSY : (int64_t)(slot & SLOT_INDEX) - 1;
}

/* A fresh index, or UINT32_MAX. */
static uint32_t take_index(struct items *items, uint32_t *spare)
{
    uint32_t index = *spare;
    if (index != UINT32_MAX) {
        *spare = UINT32_MAX;
        return index;
    }
    index = atomic_load_explicit(&items->count, memory_order_relaxed);
    do {
        if (index >= items->max_items)
            return UINT32_MAX;
    } while (!atomic_compare_exchange_weak_explicit(&items->count, &index, index + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return index;
}

static void write_sku(struct items *items, uint32_t index, struct text sku)
{
    struct item *item = item_at(items, index);
    assert(sku.len >= 1);
    assert(sku.len <= SKU_MAX);
    assert(index < items->max_items);
    memset(item->sku, 0, sizeof item->sku);
    memcpy(item->sku, sku.at, sku.len);
    item->sku_len = (uint8_t)sku.len;
}

int64_t items_create(struct items *items, struct text sku, uint64_t hash, uint32_t *spare)
{
    assert(sku.len >= 1);
    assert(sku.len <= SKU_MAX);
    uint32_t index = take_index(items, spare);
    if (index == UINT32_MAX)
        return ITEM_FULL;
    write_sku(items, index, sku);
    uint64_t wanted = (hash & SLOT_TAG) | SLOT_BUSY | (index + 1);
    for (;;) {
        uint64_t slot;
        uint32_t i = probe(items, sku, hash, &slot);
        if (slot != 0) {
            *spare = index;
            return ITEM_BUSY;
        }
        /* Release: a thread that finds the index finds the sku written. */
        if (atomic_compare_exchange_strong_explicit(&items->slots[i], &slot, wanted,
                                                    memory_order_acq_rel, memory_order_acquire))
            return index;
    }
}

void items_show(struct items *items, uint32_t index, uint64_t hash)
{
    uint64_t slot;
    uint32_t i = probe(items, item_sku(item_at(items, index)), hash, &slot);
    assert((slot & SLOT_INDEX) == (uint64_t)index + 1);
    assert(slot & SLOT_BUSY);
    /* Release, after the claim of the item's record: rule O. */
    atomic_store_explicit(&items->slots[i], slot & ~SLOT_BUSY, memory_order_release);
}

int items_restore(struct items *items, uint32_t index, struct text sku)
{
    if (index >= items->max_items)
        return -ENOSPC;
    uint64_t hash = sku_hash(items, sku);
    if (!text_is_sku(sku) || items_find(items, sku, hash) != ITEM_NONE ||
        item_at(items, index)->sku_len != 0)
        return -EINVAL;
    uint32_t spare = index;
    items_create(items, sku, hash, &spare);
    items_show(items, index, hash);
    if (index >= atomic_load(&items->count))
        atomic_store(&items->count, index + 1);
    return 0;
}

int items_load(struct items *items, uint32_t index, struct text sku, uint64_t hash)
{
    if (index >= items->max_items || !text_is_sku(sku))
        return -EINVAL;
    if (item_at(items, index)->sku_len != 0)
        return -EEXIST;
    write_sku(items, index, sku);
    uint64_t slot, wanted = (hash & SLOT_TAG) | (index + 1);
    for (;;) {
        uint32_t i = probe(items, sku, hash, &slot);
        if (slot != 0)
            return -EEXIST;
        /* Release: a thread that finds the index finds the sku written. */
        if (atomic_compare_exchange_strong_explicit(&items->slots[i], &slot, wanted,
                                                    memory_order_acq_rel, memory_order_acquire))
            return 0;
    }
}

void items_prefetch_slot(const struct items *items, uint64_t hash)
{
    memory_fetch(&items->slots[home_slot(items, hash)]);
}

static void prefetch_item(const struct items *items, uint32_t index)
{
    const char *item = (const char *)item_at(items, index);
    memory_fetch(&items->versions[index]);
    memory_fetch(item);
    memory_fetch(item + 64);
}

void items_prefetch_named(const struct items *items, uint64_t hash)
{
    uint64_t slot = load_slot(items, home_slot(items, hash));
    if (slot != 0)
        prefetch_item(items, (uint32_t)(slot & SLOT_INDEX) - 1);
}

void items_prefetch_pool(const struct items *items, uint32_t unit)
{
    if (unit / ITEM_UNITS < items->max_items) /* it lies in its item, as most do */
        prefetch_item(items, unit / ITEM_UNITS);
    else
        memory_fetch(pool_at(items, unit));
}

struct pool_walk pool_walk_start(const struct items *items, uint32_t index)
{
    struct item *item = item_at(items, index);
    return (
        struct pool_walk){ .items = items, .item = item, .at = item->pools, .left = ITEM_POOLS };
}

struct pool_place pool_walk_place(const struct pool_walk *walk)
{
    return (struct pool_place){ walk->block ? pool_unit(walk->items, walk->block) : 0, walk->left };
}

struct pool_walk pool_walk_resume(const struct items *items, uint32_t index,
                                  struct pool_place place)
{
    struct item *item = item_at(items, index);
    struct pool_walk walk = { .items = items, .item = item, .left = place.left };
    struct pool *end = item->pools + ITEM_POOLS;
    if (place.block != 0) {
        struct pool *block = pool_at(items, place.block);
        walk.block = block;
        end = block + atomic_load_explicit(&block->word, memory_order_relaxed);
    }
    walk.at = end - place.left;
    return walk;
}

/* Unit of the block behind `block`; 0: none. */
static uint32_t next_block(const struct item *item, const struct pool *block)
{
    return block ? (uint32_t)atomic_load_explicit(&block->key, memory_order_acquire)
                 : atomic_load_explicit(&item->more, memory_order_acquire);
}

bool pool_walk_enter(struct pool_walk *walk)
{
    uint32_t next = next_block(walk->item, walk->block);
    if (next == 0)
        return false;
    struct pool *block = pool_at(walk->items, next);
    walk->block = block;
    assert(atomic_load_explicit(&block->word, memory_order_relaxed) >=
           2); /* its head, and a pool */
    walk->left = (uint32_t)atomic_load_explicit(&block->word, memory_order_relaxed) - 1;
    walk->entered += walk->left;
    walk->at = block + 1;
    return true;
}

struct pool *pool_find(const struct items *items, uint32_t item, uint16_t location, uint16_t owner)
{
    uint64_t key = pool_key_word(item, location, owner);
    struct pool_walk walk = pool_walk_start(items, item);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (pool_read_key(pool) == key)
            return pool;
    return NULL;
}

/* Counts up by `by`, to `max` at most; false if that would exceed it. */
static bool count_up(_Atomic uint32_t *counter, uint32_t by, uint32_t max, uint32_t *before)
{
    *before = atomic_load_explicit(counter, memory_order_relaxed);
    do {
        if (by > max - *before)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(counter, before, *before + by,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Unit of a new block of that size, prepared but not yet linked; 0 if there is no room. */
static uint32_t make_block(struct items *items, uint32_t units)
{
    uint32_t unit;
    if (!count_up(&items->unit_tail, units, items->unit_count, &unit))
        return 0;
    assert(unit >= items->max_items * UNITS_PER_ITEM); /* behind what lies in items */
    assert(atomic_load_explicit(&pool_at(items, unit)->key, memory_order_relaxed) == 0);
    atomic_store_explicit(&pool_at(items, unit)->word, units, memory_order_relaxed);
    return unit;
}

/* The first slot of the item that holds the key or is empty; adds blocks as needed. */
static struct pool *slot_for(struct items *items, uint32_t index, uint64_t key)
{
    struct item *item = item_at(items, index);
    struct pool *at = item->pools;
    uint32_t left = ITEM_POOLS, size = FIRST_BLOCK_UNITS;
    struct pool *block = NULL; /* NULL: the item itself */
    for (;;) {
        for (; left > 0; left--, at++) {
            uint64_t found = atomic_load_explicit(&at->key, memory_order_acquire);
            if (found == 0 || found == key)
                return at;
        }
        uint32_t next = next_block(item, block);
        if (next == 0) {
            next = make_block(items, size);
            if (next == 0)
                return NULL;
            /* Release: a thread that follows the link finds the block's size. The loser of a race
             * leaves its block unused: a few hundred bytes, at most once per doubling of an
             * item. */
            uint32_t none = 0;
            uint64_t none64 = 0;
            bool hung =
                block ? atomic_compare_exchange_strong_explicit(
                            &block->key, &none64, next, memory_order_acq_rel, memory_order_acquire)
                      : atomic_compare_exchange_strong_explicit(
                            &item->more, &none, next, memory_order_acq_rel, memory_order_acquire);
            if (!hung)
                next = block ? (uint32_t)none64 : none;
        }
        block = pool_at(items, next);
        left = (uint32_t)atomic_load_explicit(&block->word, memory_order_relaxed) - 1;
        at = block + 1;
        if (size < LARGEST_BLOCK_UNITS)
            size *= 2;
    }
}

bool pools_reserve(struct items *items, uint32_t index, uint32_t count)
{
    uint32_t before;
    if (!count_up(&items->pool_count, count, items->max_pools, &before))
        return false;
    if (count <= ITEM_POOLS)
        return true;
    uint32_t unit = make_block(items, count - ITEM_POOLS + 1);
    if (unit == 0)
        return false;
    atomic_store_explicit(&item_at(items, index)->more, unit, memory_order_release);
    return true;
}

bool pool_room_take(struct items *items)
{
    uint32_t before;
    return count_up(&items->pool_count, 1, items->max_pools, &before);
}

void pool_room_give(struct items *items)
{
    atomic_fetch_sub_explicit(&items->pool_count, 1, memory_order_relaxed);
}

/* ---- stockings ---- */

/*
 * A new pool gets the stocking of its place, as the shared pool there has it. Its key is written
 * before the item's flags are, and the shared pool's word read after that; a setting writes that
 * word before the flags, and walks over the keys after that. One of the two writes the flags later
 * and so sees what the other has done: a setting that does not meet this pool is one that this
 * pool meets. (To write is to or with 0.) If both meet, the setting's word stays: this one only
 * fills in an empty word.
 */
void stocking_inherit(struct items *items, const struct pool *pool)
{
    uint64_t key = pool_read_key(pool);
    struct item *item = item_at(items, key_item(key));
    if (!(atomic_fetch_or_explicit(&item->flags, 0, memory_order_acq_rel) & ITEM_STOCKING))
        return;
    uint64_t none = 0, word = stocking_find(items, key_item(key), key_location(key));
    atomic_compare_exchange_strong_explicit(&items->stockings[pool_unit(items, pool)], &none, word,
                                            memory_order_release, memory_order_relaxed);
}

uint64_t stocking_find(const struct items *items, uint32_t item, uint16_t location)
{
    const struct pool *shared = pool_find(items, item, location, owner_of(POOL_SHARED, 0));
    return shared ? stocking_at(items, pool_unit(items, shared)) : 0;
}

void stocking_set(struct items *items, uint32_t index, uint16_t location, uint64_t word)
{
    struct item *item = item_at(items, index);
    const struct pool *pool = pool_find(items, index, location, owner_of(POOL_SHARED, 0));
    assert(pool);
    assert(word & STOCKING_SET);
    gives_begin(item);
    atomic_store_explicit(&items->stockings[pool_unit(items, pool)], word, memory_order_release);
    /* @stocking-met: see stocking_inherit */
    atomic_fetch_or_explicit(&item->flags, ITEM_STOCKING, memory_order_acq_rel);
    struct pool_walk walk = pool_walk_start(items, index);
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (key_location(pool_read_key(pool)) == location)
            atomic_store_explicit(&items->stockings[pool_unit(items, pool)], word,
                                  memory_order_release);
    gives_end(item);
}

void item_stocking_set(struct items *items, uint32_t index, uint64_t word)
{
    struct item *item = item_at(items, index);
    gives_begin(item);
    item_set(item, ITEM_STOCKING);
    atomic_store_explicit(&items->stockings[index * (uint32_t)ITEM_UNITS], word,
                          memory_order_release);
    gives_end(item);
}

/* Until then others find that it expects nothing yet. */
void number_incoming(struct items *items, const struct pool *pool)
{
    uint32_t number =
        atomic_fetch_add_explicit(&items->incoming_count, 1, memory_order_relaxed) + 1;
    assert(number <= items->max_pools); /* each pool has room of its own */
    uint64_t key = pool_read_key(pool);
    bool backlog = owner_kind(key_owner(key)) == POOL_BACKLOG;
    item_set(item_at(items, key_item(key)), backlog ? ITEM_BACKLOG : ITEM_SUPPLY);
    atomic_store_explicit(&items->incoming_of[pool_unit(items, pool)], number,
                          memory_order_release);
}

struct pool *pool_make_in_room(struct items *items, uint32_t item, uint16_t location,
                               uint16_t owner)
{
    uint64_t key = pool_key_word(item, location, owner);
    for (;;) {
        struct pool *pool = slot_for(items, item, key);
        uint64_t none = 0;
        if (pool && atomic_compare_exchange_strong_explicit(
                        &pool->key, &none, key, memory_order_acq_rel, memory_order_acquire)) {
            stocking_inherit(items, pool); /* @inherit-stocking */
            if (owner_waits(owner))
                number_incoming(items, pool);
            return pool;
        }
        if (!pool || none == key) { /* no memory, or the pool exists already */
            pool_room_give(items);
            return pool;
        }
    }
}

struct pool *pool_make(struct items *items, uint32_t item, uint16_t location, uint16_t owner)
{
    struct pool *found = pool_find(items, item, location, owner);
    if (found || !pool_room_take(items))
        return found;
    return pool_make_in_room(items, item, location, owner);
}
