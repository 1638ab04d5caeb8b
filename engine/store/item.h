/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The item table and, within it, the items' pools. Items and pools are created, never removed.
 *
 * An item is two cache lines: its sku, then its first pools, so that looking up a typical item
 * costs one miss in the hash and one here. Further pools lie in linked blocks of doubling size, so
 * that a walk over hundreds of locations reads memory in order.
 *
 * The hash: an open-addressing table of words `tag | busy | index + 1`, written by compare-and-swap
 * from zero and never cleared. A busy word is an item whose first record is being claimed (rule O):
 * a thread that meets it is deferred.
 */
#ifndef STOCKD_ENGINE_STORE_ITEM_H
#define STOCKD_ENGINE_STORE_ITEM_H

#include "engine/base/text.h"
#include "engine/store/incoming.h"
#include "engine/store/pool.h"
#include "engine/store/stocking.h"

enum { ITEM_POOLS = 3, ITEM_NONE = -1, ITEM_BUSY = -2, ITEM_FULL = -3 };

enum item_flag {
    ITEM_STOCKING = 1, /* it has a safety of its own, or a stocking at some place */
    ITEM_MOVED = 2,    /* units of it have come or gone */
    ITEM_SUPPLY = 4,   /* it has had a pool of expected units */
    ITEM_SHORT = 8,    /* a pool has had fewer units on hand than were promised of it, once */
    ITEM_OWED = 16,    /* tills have sold more of it somewhere than was booked in, once */
    ITEM_BACKLOG = 32, /* it was promised before it was there, once */
};

struct item {
    char sku[SKU_MAX]; /* written before the item is shown; const from then on */
    uint8_t sku_len;
    _Atomic uint8_t flags;  /* enum item_flag; any context, relaxed: they are only ever set. But see
                              inherit_stocking in item.c */
    _Atomic uint16_t moves; /* see moves_begin; any context */
    _Atomic uint32_t more;  /* unit of the first further block, 0 for none; set once by CAS */
    _Atomic uint32_t begun; /* gives that began, see gives_begin; any context */
    _Atomic uint32_t ended; /* gives that are visible; any context */
    struct pool pools[ITEM_POOLS];
};

_Static_assert(sizeof(struct item) == 128, "an item is two cache lines");

enum { ITEM_UNITS = sizeof(struct item) / sizeof(struct pool) };

/* What item_set has set. Immutable once shown. */
struct item_details {
    bool has_low_stock, has_backorder_limit, has_safety;
    int32_t low_stock, backorder_limit, safety;
    uint64_t lsn;
    uint8_t decimals; /* quantities are whole numbers of 10^-decimals of the unit */
    uint8_t name_len, barcode_len, unit_len;
    char name[NAME_MAX_BYTES], barcode[NAME_MAX_BYTES], unit[UNIT_MAX];
};

/* In memory a pool's name is the number of its 16-byte unit in one region: items, then blocks. */
struct items {
    struct pool *units;
    uint32_t max_items, max_pools, unit_count;
    uint64_t *slots_memory;
    _Atomic uint64_t *slots;
    uint32_t slot_mask;
    uint64_t hash_seed;
    _Atomic(struct item_details *) *details; /* per item, NULL until item_set; written by a
                                                catalogue writer */
    _Atomic uint64_t *stockings;   /* per unit: of a pool, its place's; of an item's first unit, the
                                    item's own, see stocking.h */
    _Atomic uint64_t *counted_ms;  /* per unit: of a shared pool, the latest time as of which its
                                      place was counted, wall clock; see item_counted */
    _Atomic uint32_t *incoming_of; /* per unit: of a pool of expected units, its number in
                                      `incoming`, 0 until it has one; its maker writes, release */
    _Atomic uint32_t *set_aside;   /* per unit, see set_aside_at */
    _Atomic uint32_t *covered;     /* per unit, see pool_note_covered */
    struct incoming *incoming;     /* the first stands for pools that expect nothing */
    _Atomic uint32_t incoming_count; /* numbers given out; any context */
    _Atomic bool any_short;     /* some item has ITEM_SHORT; any context, relaxed, only ever set */
    _Atomic uint64_t *versions; /* per item, see engine/ledger/change_index.h; any context */
    _Alignas(64) _Atomic uint32_t count; /* indexes given out; any context */
    _Atomic uint32_t pool_count;         /* pools in use; any context */
    _Atomic uint32_t unit_tail;          /* units given out; any context */
};

int items_init(struct items *items, uint32_t max_items, uint32_t max_pools, uint64_t hash_seed);
void items_destroy(struct items *items);

uint64_t sku_hash(const struct items *items, struct text sku);

static inline struct item *item_at(const struct items *items, uint32_t index)
{
    return (struct item *)(void *)(items->units + (size_t)index * ITEM_UNITS);
}

static inline unsigned item_flags(const struct item *item)
{
    return atomic_load_explicit(&item->flags, memory_order_relaxed);
}

static inline bool item_has(const struct item *item, enum item_flag flag)
{
    return item_flags(item) & flag;
}

static inline bool item_has_any(const struct item *item, unsigned flags)
{
    return item_flags(item) & flags;
}

static inline void item_set(struct item *item, enum item_flag flag)
{
    if (!item_has(item, flag))
        atomic_fetch_or_explicit(&item->flags, (uint8_t)flag, memory_order_relaxed);
}

/* A pool of the item may have fewer units on hand than are promised of it. Before the take that
 * makes it so. */
static inline void item_set_short(struct items *items, uint32_t index)
{
    item_set(item_at(items, index), ITEM_SHORT);
    if (!atomic_load_explicit(&items->any_short, memory_order_relaxed))
        atomic_store_explicit(&items->any_short, true, memory_order_relaxed);
}

/*
 * How often the pool was short, and then was not any more. Whoever has swapped its word so counts
 * it, within its operation. So who finds the same word as before, then no context in an operation,
 * and then the same number, knows that the pool was short all the time, unless the word says that
 * it is not.
 */
static inline void pool_note_covered(const struct items *items, uint32_t unit, uint64_t after,
                                     int64_t more_available)
{
    if (word_available(after) >= 0 && word_available(after) < more_available)
        atomic_fetch_add_explicit(&items->covered[unit], 1, memory_order_release); /* @covered */
}

static inline uint32_t pool_covered(const struct items *items, uint32_t unit)
{
    return atomic_load_explicit(&items->covered[unit], memory_order_acquire);
}

static inline struct text item_sku(const struct item *item)
{
    return (struct text){ item->sku, item->sku_len };
}

static inline struct pool *pool_at(const struct items *items, uint32_t unit)
{
    assert(unit < items->unit_count);
    return items->units + unit;
}

/* The stocking of a pool, by its unit; or of an item, by its first unit. */
static inline uint64_t stocking_at(const struct items *items, uint32_t unit)
{
    return atomic_load_explicit(&items->stockings[unit], memory_order_acquire);
}

static inline uint64_t item_stocking(const struct items *items, uint32_t index)
{
    return stocking_at(items, index * (uint32_t)ITEM_UNITS);
}

/*
 * A count tells what was on the shelf at a time: a sale before it was missing there already, so one
 * that is booked after the count takes nothing again.
 *
 * Sequentially consistent, like the brackets of gives: a count raises this once it has looked at
 * the pools, and then looks at the brackets again; a late sale reads it after its takes, each of
 * which was bracketed. So either the count sees that takes have begun since it looked, or the sale
 * sees the count.
 */
static inline uint64_t item_counted(const struct items *items, uint32_t shared)
{
    return atomic_load_explicit(&items->counted_ms[shared], memory_order_seq_cst);
}

static inline void item_count_raise(struct items *items, uint32_t shared, uint64_t time_ms)
{
    uint64_t known = item_counted(items, shared);
    while (known < time_ms &&
           !atomic_compare_exchange_weak_explicit(&items->counted_ms[shared], &known, time_ms,
                                                  memory_order_seq_cst, memory_order_seq_cst))
        ;
}

/* Of a pool of expected units. One that is being made expects nothing yet. */
static inline struct incoming *incoming_at(const struct items *items, uint32_t unit)
{
    return items->incoming + atomic_load_explicit(&items->incoming_of[unit], memory_order_acquire);
}

/* NULL for a pool of another kind. */
static inline struct incoming *incoming_find(const struct items *items, uint32_t unit)
{
    uint64_t key = pool_read_key(pool_at(items, unit));
    return owner_kind(key_owner(key)) == POOL_EXPECTED ? incoming_at(items, unit) : NULL;
}

/* Has anything ever been expected? */
static inline bool incoming_any(const struct items *items)
{
    return atomic_load_explicit(&items->incoming_count, memory_order_relaxed) > 0;
}

/*
 * How many of the pool's units places have set aside for their buyers: the sum over the draws of
 * parts that are ready or were not collected. The owner of a reservation's entry changes it along
 * with its draws (release). A fulfil changes it while its takes are undecided. So a thread that
 * finds a pool with nothing undecided, and then reads this (acquire), sees no unit as set aside
 * that it does not see on hand.
 */
static inline int64_t set_aside_at(const struct items *items, uint32_t unit)
{
    return atomic_load_explicit(&items->set_aside[unit], memory_order_acquire);
}

static inline void set_aside_more(const struct items *items, uint32_t unit, uint32_t units)
{
    atomic_fetch_add_explicit(&items->set_aside[unit], units, memory_order_release);
}

static inline void set_aside_less(const struct items *items, uint32_t unit, uint32_t units)
{
    atomic_fetch_sub_explicit(&items->set_aside[unit], units, memory_order_release);
}

/* Gives a pool of expected units its number. Its maker is alone with this, or a loader. */
void number_incoming(struct items *items, const struct pool *pool);

/* Index, or ITEM_NONE, or ITEM_BUSY. */
int64_t items_find(const struct items *items, struct text sku, uint64_t hash);

/*
 * Creates the item as busy. Returns its index; ITEM_BUSY: another thread is creating it, or has
 * just done so; or ITEM_FULL. *spare keeps an index left over from a lost race (UINT32_MAX: none).
 */
int64_t items_create(struct items *items, struct text sku, uint64_t hash, uint32_t *spare);
/* Shows a busy item once its record is claimed. */
void items_show(struct items *items, uint32_t index, uint64_t hash);
/* For replay: creates the item with that index, shown at once. 0, -ENOSPC or -EINVAL. */
int items_restore(struct items *items, uint32_t index, struct text sku);

/* For loading: creates the item with that index and hash, shown at once, including to look-ups by
 * sku. Any thread. 0; -EEXIST: the index or sku exists; -EINVAL: invalid. The caller maintains
 * `count`. */
int items_load(struct items *items, uint32_t index, struct text sku, uint64_t hash);

/* Hints: fetch the hash slot, then the item that it names; or a pool and its item. */
void items_prefetch_slot(const struct items *items, uint64_t hash);
void items_prefetch_named(const struct items *items, uint64_t hash);
void items_prefetch_pool(const struct items *items, uint32_t unit);

/* ---- pools of an item ---- */

/* A walk over an item's pools in the order of their creation. When it ends there is no further pool
 * at that moment, hence at none before: links are read when the walk gets there. */
struct pool_walk {
    const struct items *items;
    const struct item *item;
    const struct pool *block; /* the current block; NULL: the item itself */
    struct pool *at;
    uint32_t left;    /* in this block */
    uint32_t entered; /* capacity of the further blocks entered so far, see ctx_work */
};

/* The position of a walk, to resume it in another iteration. */
struct pool_place {
    uint32_t block; /* unit of the current block; 0: the item itself */
    uint32_t left;
};

struct pool_walk pool_walk_start(const struct items *items, uint32_t item);
struct pool_place pool_walk_place(const struct pool_walk *walk);
struct pool_walk pool_walk_resume(const struct items *items, uint32_t item,
                                  struct pool_place place);
/* Advances to the next block; false if there is none. */
bool pool_walk_enter(struct pool_walk *walk);

/* NULL at the end. */
static inline struct pool *pool_walk_next(struct pool_walk *walk)
{
    if (walk->left == 0 && !pool_walk_enter(walk))
        return NULL;
    struct pool *pool = walk->at;
    /* Pools are created in order: the first without a key ends the walk. */
    if (atomic_load_explicit(&pool->key, memory_order_acquire) == 0)
        return NULL;
    walk->at++;
    walk->left--;
    return pool;
}

static inline uint32_t pool_unit(const struct items *items, const struct pool *pool)
{
    return (uint32_t)(pool - items->units);
}

/* NULL if the pool does not exist. */
struct pool *pool_find(const struct items *items, uint32_t item, uint16_t location, uint16_t owner);
/* The pool under which recent changes (recent.h) are noted: the pool itself, or the shared pool
 * there for a pool of expected units, because units that have come count as shared, and for what is
 * owed, which counts against them. */
static inline uint32_t unit_at_place(const struct items *items, uint32_t unit)
{
    uint64_t key = pool_read_key(pool_at(items, unit));
    enum pool_kind kind = owner_kind(key_owner(key));
    if (kind != POOL_EXPECTED && kind != POOL_OWED)
        return unit;
    const struct pool *shared =
        pool_find(items, key_item(key), key_location(key), owner_of(POOL_SHARED, 0));
    return shared ? pool_unit(items, shared) : unit; /* it was made with the supply */
}

/* Reserves room for one pool, so that nothing can fail once the caller begins to create things;
 * false if the pool table is full. The caller then uses the room or gives it back. */
bool pool_room_take(struct items *items);
void pool_room_give(struct items *items);
/* Finds or creates the pool, and uses up the room; NULL if there is no memory for a further block,
 * which the first ITEM_POOLS of an item do not need. */
struct pool *pool_make_in_room(struct items *items, uint32_t item, uint16_t location,
                               uint16_t owner);
/* Finds or creates the pool; NULL if the pool table is full. */
struct pool *pool_make(struct items *items, uint32_t item, uint16_t location, uint16_t owner);

/* ---- stockings: the caller holds catalogue_busy, or is alone ---- */

/* The stocking of an item at a place; 0: none. */
uint64_t stocking_find(const struct items *items, uint32_t item, uint16_t location);
/* Gives a pool that was found the stocking of its place, if its maker has not got there yet. */
void stocking_inherit(struct items *items, const struct pool *pool);
/* Sets it, for all pools of the item there. Its shared pool there must exist: it keeps the word for
 * pools that are made later. */
void stocking_set(struct items *items, uint32_t item, uint16_t location, uint64_t word);
/* Sets what holds for the item at every place that has no safety set for it. */
void item_stocking_set(struct items *items, uint32_t item, uint64_t word);

/* For loading: makes room for that many pools of a fresh item. The first ITEM_POOLS lie in the
 * item, the others behind the head of one block, `more`, of exactly their size. False if the table
 * is full. */
bool pools_reserve(struct items *items, uint32_t item, uint32_t count);

/*
 * A sum over several pools is that of one instant only if no give came in between: a unit that
 * moves from an unread pool to a read one would be counted nowhere. Gives (and undos of takes) are
 * bracketed; a reader that finds too little checks whether its walk was undisturbed. Writers: any
 * context. Order: begun before the give, ended after it; both sequentially consistent with the
 * reader's loads around its walk.
 */
static inline void gives_begin(struct item *item)
{
    atomic_fetch_add_explicit(&item->begun, 1, memory_order_seq_cst);
}

static inline void gives_end(struct item *item)
{
    atomic_fetch_add_explicit(&item->ended, 1, memory_order_seq_cst);
}

/*
 * Units that move between pools of an item are in neither for a moment: a sum must not say so.
 * `moves` has how many such moves are under way, and above that how many have ended, modulo what
 * there is room for. A move is a give, too.
 */
enum { MOVE_ENDED = 256, MOVES_PER_CONTEXT = 4 };

_Static_assert(MOVES_PER_CONTEXT *CONTEXTS_MAX < MOVE_ENDED,
               "an operation brackets an item for itself, and for each pool that it takes from");

static inline void moves_begin(struct item *item)
{
    gives_begin(item);
    atomic_fetch_add_explicit(&item->moves, 1, memory_order_seq_cst);
}

static inline void moves_end(struct item *item)
{
    atomic_fetch_add_explicit(&item->moves, MOVE_ENDED - 1, memory_order_seq_cst);
    gives_end(item);
}

/* Before a walk: false if a move is under way. */
static inline bool moves_none(const struct item *item, uint16_t *stamp)
{
    *stamp = atomic_load_explicit(&item->moves, memory_order_seq_cst);
    return *stamp % MOVE_ENDED == 0;
}

/* After the walk: true if no move has begun since, nor ended. */
static inline bool moves_unchanged(const struct item *item, uint16_t stamp)
{
    return atomic_load_explicit(&item->moves, memory_order_seq_cst) == stamp;
}

/* Before a walk: false if a give is under way. */
static inline bool gives_stable(const struct item *item, uint32_t *stamp)
{
    uint32_t ended = atomic_load_explicit(&item->ended, memory_order_seq_cst);
    *stamp = atomic_load_explicit(&item->begun, memory_order_seq_cst);
    return *stamp == ended;
}

/* The same for who has so many gives under way itself: false if others have, too. */
static inline bool gives_stable_beside(const struct item *item, uint32_t own, uint32_t *stamp)
{
    uint32_t ended = atomic_load_explicit(&item->ended, memory_order_seq_cst);
    *stamp = atomic_load_explicit(&item->begun, memory_order_seq_cst);
    return *stamp == ended + own;
}

/* After the walk: true if no give has begun since. */
static inline bool gives_unchanged(const struct item *item, uint32_t stamp)
{
    return atomic_load_explicit(&item->begun, memory_order_seq_cst) == stamp;
}

#endif
