/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool: the units of one item, at one location, of one kind. All of it is one atomic word:
 *
 *     on_hand : 29 | reserved : 29 | undecided : 6        (from the most significant bit)
 *
 * On hand has room for twice the maximum quantity, though no give may exceed the maximum. A take
 * from a full pool makes room before it claims (rule T), so a give that fills that room may precede
 * the take in the log, and a prefix of the log may hold only the give. The same room takes back
 * what an undone fulfil had taken. Reserved has room for twice the maximum too: the units given
 * into that room may have been reserved by then, and an undone fulfil promises its units again.
 *
 * Available is on hand less reserved; it is negative only if a count or an adjustment found less
 * than was promised (the pool is then short). `undecided` counts the tentative takes here, those
 * that may still be undone: while it is not zero, "too little" is not yet true.
 *
 * Written by any context, by compare-and-swap. Order: a give's claim comes before its swap, a
 * take's after it (rules T and G), so swaps release and reads acquire: a thread that sees a give
 * sees its claim.
 */
#ifndef STOCKD_ENGINE_STORE_POOL_H
#define STOCKD_ENGINE_STORE_POOL_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"

enum pool_kind {
    POOL_SHARED,
    POOL_ALLOTTED,
    POOL_EXPECTED,
    POOL_DAMAGED,
    POOL_QUALITY, /* being looked at */
    POOL_DISPLAY,
    POOL_OWED, /* on hand in its word: units that tills sold, and that nobody has booked in yet */
    POOL_BACKLOG, /* reserved in its word: units that are promised, and that are not there yet */
    POOL_KIND_COUNT
};

enum { OWNER_KIND_SHIFT = 13 }; /* struct pool_key.owner: kind above, channel below */

static inline uint16_t owner_of(enum pool_kind kind, uint16_t channel)
{
    assert(channel < CHANNELS_MAX);
    return (uint16_t)((unsigned)kind << OWNER_KIND_SHIFT | channel);
}

static inline enum pool_kind owner_kind(uint16_t owner)
{
    return (enum pool_kind)(owner >> OWNER_KIND_SHIFT);
}

static inline uint16_t owner_channel(uint16_t owner)
{
    return owner & ((1u << OWNER_KIND_SHIFT) - 1);
}

/* "shared", "allotted", "expected", "damaged", "quality", "display", "owed", "backlog"; static.
 * NULL: no such kind. */
const char *pool_kind_name(enum pool_kind kind);

/* I7: may an order of that channel draw from this pool? From expected units it may if the channel
 * sells them, which is a setting; from the backlog it may, too. */
static inline bool owner_sells_to(uint16_t owner, uint16_t channel)
{
    enum pool_kind kind = owner_kind(owner);
    return kind == POOL_SHARED || kind == POOL_EXPECTED || kind == POOL_BACKLOG ||
           (kind == POOL_ALLOTTED && owner_channel(owner) == channel);
}

/* Can units of this pool be sold at all? */
static inline bool owner_sellable(uint16_t owner)
{
    return owner_kind(owner) == POOL_SHARED || owner_kind(owner) == POOL_ALLOTTED;
}

/* Are units promised from this pool before they are there? */
static inline bool owner_waits(uint16_t owner)
{
    return owner_kind(owner) == POOL_EXPECTED || owner_kind(owner) == POOL_BACKLOG;
}

/* Does this pool count in what is on hand at its place? What is owed counts against it. */
static inline bool owner_counts(uint16_t owner)
{
    return owner_sellable(owner) || owner_kind(owner) == POOL_OWED;
}

/* A change of on hand in the pool's word, as a change of on hand at its place. */
static inline int64_t delta_at_place(uint16_t owner, int64_t delta)
{
    return owner_kind(owner) == POOL_OWED ? -delta : delta;
}

/* An item may have several supplies under way to one place: each has a slot there, and a pool. */
enum { EXPECTED_SLOTS = 1 << OWNER_KIND_SHIFT };

static inline uint16_t owner_expected(uint16_t slot)
{
    assert(slot < EXPECTED_SLOTS);
    return (uint16_t)((unsigned)POOL_EXPECTED << OWNER_KIND_SHIFT | slot);
}

static inline uint16_t expected_slot(uint16_t owner)
{
    assert(owner_kind(owner) == POOL_EXPECTED);
    return owner & (EXPECTED_SLOTS - 1);
}

/* The backlog of an item (ops/backlog.h) is at no place: at this location. */
#define NO_LOCATION UINT16_MAX

/* Its lower bits say what will do to serve it: the place's index + 1; 0: any place of the order's
 * channel. */
static inline uint16_t owner_backlog(uint16_t place)
{
    return (uint16_t)((unsigned)POOL_BACKLOG << OWNER_KIND_SHIFT | place);
}

static inline uint16_t backlog_place(uint16_t owner)
{
    assert(owner_kind(owner) == POOL_BACKLOG);
    return owner & (uint16_t)((1u << OWNER_KIND_SHIFT) - 1);
}

/* Can there be such a pool, with so many locations and channels? */
static inline bool pool_can_be(uint16_t location, uint16_t owner, uint16_t locations,
                               uint16_t channels)
{
    if (owner_kind(owner) == POOL_BACKLOG)
        return location == NO_LOCATION && backlog_place(owner) <= locations;
    return location < locations &&
           (owner_kind(owner) == POOL_EXPECTED || owner_channel(owner) < channels);
}

struct pool {
    _Atomic uint64_t key;  /* item + 1 : 32 | location : 16 | owner : 16; 0: no pool yet. Set once,
                              by compare-and-swap */
    _Atomic uint64_t word; /* see above */
};

_Static_assert(sizeof(struct pool) == 16, "a pool is 16 bytes");

static inline uint64_t pool_key_word(uint32_t item, uint16_t location, uint16_t owner)
{
    return (uint64_t)(item + 1) << 32 | (uint64_t)location << 16 | owner;
}

static inline uint32_t key_item(uint64_t key)
{
    return (uint32_t)(key >> 32) - 1;
}

static inline uint16_t key_location(uint64_t key)
{
    return (uint16_t)(key >> 16);
}

static inline uint16_t key_owner(uint64_t key)
{
    return (uint16_t)key;
}

/* ---- the word ---- */

#define WORD_UNDECIDED_ONE UINT64_C(1)
#define WORD_RESERVED_ONE (UINT64_C(1) << 6)
#define WORD_ON_HAND_ONE (UINT64_C(1) << 35)
#define WORD_UNDECIDED_MOST 63
#define WORD_ON_HAND_MOST ((INT64_C(1) << 29) - 1)
#define WORD_RESERVED_MOST ((INT64_C(1) << 29) - 1)

_Static_assert((INT64_C(1) << 29) - 1 >= 2 * QUANTITY_MAX, "both have room for twice as much");

_Static_assert(CONTEXTS_MAX <= WORD_UNDECIDED_MOST,
               "a thread has at most one undecided take on a pool");

static inline int64_t word_on_hand(uint64_t word)
{
    return (int64_t)(word >> 35);
}

static inline int64_t word_reserved(uint64_t word)
{
    return (int64_t)(word >> 6) & WORD_RESERVED_MOST;
}

static inline unsigned word_undecided(uint64_t word)
{
    return (unsigned)(word & WORD_UNDECIDED_MOST);
}

static inline int64_t word_available(uint64_t word)
{
    return word_on_hand(word) - word_reserved(word);
}

static inline uint64_t word_make(int64_t on_hand, int64_t reserved, unsigned undecided)
{
    assert(on_hand >= 0);
    assert(on_hand <= WORD_ON_HAND_MOST);
    assert(reserved >= 0);
    assert(reserved <= WORD_RESERVED_MOST);
    assert(undecided <= WORD_UNDECIDED_MOST);
    return (uint64_t)on_hand << 35 | (uint64_t)reserved << 6 | undecided;
}

/* A change of a pool's word; `tentative` is +1 for an undecided take, -1 to decide it. */
struct pool_change {
    int64_t on_hand, reserved;
    int tentative;
};

enum { NOT_COUNTED = -1 }; /* any quantity on hand will do */

enum pool_outcome { POOL_CHANGED, POOL_SHORT, POOL_FULL };

/* Of a pool that was found. Relaxed: finding it was reading its key, which never changes. */
static inline uint64_t pool_read_key(const struct pool *pool)
{
    return atomic_load_explicit(&pool->key, memory_order_relaxed);
}

static inline uint64_t pool_read(const struct pool *pool)
{
    return atomic_load_explicit(&pool->word, memory_order_acquire);
}

/*
 * Applies the change if `needs_available` units are available and on hand neither goes below 0 nor
 * grows above the maximum quantity. *after is the word written, or the word that failed the
 * condition.
 */
enum pool_outcome pool_apply(struct pool *pool, struct pool_change change, int64_t needs_available,
                             uint64_t *after);

/* What a change requires of the pool. */
struct pool_terms {
    int64_t needs_available;
    int64_t counted; /* if given: exactly that many are on hand, and no take is undecided */
    int64_t floor;   /* what must stay on hand */
};

/* The same, on all of these terms. POOL_SHORT: one is not met. */
enum pool_outcome pool_apply_on(struct pool *pool, struct pool_change change,
                                struct pool_terms terms, uint64_t *after);

/* Applies a change that was possible when first made, whatever came in between: the journal says
 * so, or it undoes a take. Both on hand and reserved may exceed the maximum quantity. */
enum pool_outcome pool_reapply(struct pool *pool, struct pool_change change, uint64_t *after);

/* The same, for a change known to be possible. */
uint64_t pool_give(struct pool *pool, struct pool_change change);

/* Keeps the pool from becoming empty, as an undecided take does, until pool_decide. False: it is
 * empty. */
static inline bool pool_hold(struct pool *pool)
{
    uint64_t word = pool_read(pool);
    while (word != 0 &&
           !atomic_compare_exchange_weak_explicit(&pool->word, &word, word + WORD_UNDECIDED_ONE,
                                                  memory_order_acq_rel, memory_order_acquire))
        ;
    return word != 0;
}

/* Decides one take: `undecided` falls by one. */
static inline void pool_decide(struct pool *pool)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&pool->word, WORD_UNDECIDED_ONE, memory_order_acq_rel);
    assert(word_undecided(before) > 0);
    (void)before;
}

#endif
