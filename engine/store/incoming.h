/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a pool of expected units, beside its word: when they come, how many have not
 * come yet, and whose they are.
 *
 * A line of a supply that is under way has such a pool at its destination. On hand in its word are
 * the units that have come and are promised, and those that are still expected: so orders draw from
 * it as from any pool, and nothing is re-pointed when the units come. What has come is on hand less
 * expected; what of that is promised to nobody is swept to the shared pool (ops/sweep.h), so
 * usually there is no such part.
 *
 * Rules, for readers that do not own the supply (tests/model/arrive.pml):
 *
 *   X1  `mark` is raised before the word's on hand is, and lowered after it: what seems to have
 *       come has come. While it is raised its version is odd, and no later mark is the same. So who
 *       takes what has come (fulfil, sweep) takes tentatively and undoes that unless the mark is
 *       still the one it planned with; and nobody is refused by an odd mark, or if it has changed
 *   X2  an order that draws from the pool takes tentatively, and then looks whether `eta_ms` is
 *       still the one that it planned with; whoever changes `eta_ms` stores 0, which promises
 *       nothing, and then looks whether a take is undecided. One of the two sees the other, so no
 *       order behind a change in the log was promised the old time
 *   X3  a pool is reused once its word is all zero and no supply owns it; the new owner swaps
 *       `supply` in first
 *
 * The owner of the supply's entry (E1) writes all fields but the last ones: release, and readers
 * acquire. Until a record names the supply, that is the context that took the pool for it: it may
 * have put or refused the entry already when it gives the pool back, and `supply` keeps others out.
 */
#ifndef STOCKD_ENGINE_STORE_INCOMING_H
#define STOCKD_ENGINE_STORE_INCOMING_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/store/pool.h"

/* A change of `eta_ms`. What was promised before it, and was not covered by what had come, is ready
 * at these times now. */
struct eta_change {
    _Atomic uint64_t lsn;
    _Atomic uint64_t covered_lsn; /* of the last promise that was covered, or before the next */
    _Atomic uint64_t ship_ms, pickup_ms;
};

/* A copy of one. */
struct eta_times {
    uint64_t lsn, covered_lsn;
    uint64_t ship_ms, pickup_ms;
};

/* Of each pool, so many changes are told apart: of those between which more came, and by which
 * promises that still stand are covered. With more of them the earliest is forgotten. */
enum { ETA_CHANGES = 4 };

struct incoming {
    _Alignas(64) _Atomic uint64_t mark; /* version : 32 | units that have not come yet : 32 */
    _Atomic uint64_t eta_ms;            /* wall clock; 0: not known, or nothing is expected */
    _Atomic uint32_t supply;   /* the supply's entry: number + 1; 0: no supply owns the pool */
    _Atomic uint32_t transfer; /* 1: the supply is a transfer, 0: from outside */
    _Atomic uint32_t changing; /* odd while `changes` is being written; raised with each change */
    _Atomic uint32_t change_count;
    struct eta_change changes[ETA_CHANGES]; /* the newest last */
    union {
        struct {                          /* any context, see ops/precedence.h */
            _Atomic uint64_t covered_lsn; /* what was promised up to here has come */
            _Atomic uint32_t promises; /* the newest block of what was promised: entry number + 1 */
            _Atomic uint32_t resets;   /* how often covered_lsn was reset */
        };
        struct { /* of a backlog, which uses nothing else: any context, see store/backlog.h */
            _Atomic uint64_t served;
            _Atomic uint32_t added;
            _Atomic uint32_t orders; /* the newest block of its list: entry number + 1 */
            _Atomic uint32_t room;   /* a block of it that may have room, likewise; a hint */
        };
    };
};

_Static_assert(sizeof(struct incoming) == 192, "three cache lines; orders need the first");

static inline uint64_t incoming_mark(const struct incoming *in)
{
    return atomic_load_explicit(&in->mark, memory_order_acquire);
}

static inline uint32_t mark_expected(uint64_t mark)
{
    return (uint32_t)mark;
}

/* More are being given to the pool's word: it may not say so yet. */
static inline bool mark_is_raised(uint64_t mark)
{
    return mark >> 32 & 1;
}

static inline uint32_t incoming_expected(const struct incoming *in)
{
    return mark_expected(incoming_mark(in));
}

static inline uint64_t incoming_eta_ms(const struct incoming *in)
{
    return atomic_load_explicit(&in->eta_ms, memory_order_acquire);
}

/* In `supply` while an empty pool's list is freed: no entry has that number. */
#define INCOMING_TIDIED UINT32_MAX

/* The entry of the supply that owns the pool: number + 1; 0: none does. */
static inline uint32_t incoming_supply(const struct incoming *in)
{
    uint32_t supply = atomic_load_explicit(&in->supply, memory_order_acquire);
    return supply == INCOMING_TIDIED ? 0 : supply;
}

/* What of a pool's word has come and what has not, by a look at both. */
struct arrived {
    int64_t come, come_reserved; /* units that have come, and what is promised of them */
    int64_t expected, expected_reserved;
};

/* What is promised is of what has come, first; what is promised beyond all of it is missing of what
 * has come. */
static inline struct arrived arrived_in(int64_t expected, int64_t on_hand, int64_t promised)
{
    int64_t come = on_hand - expected;
    if (come < 0) { /* some of it has been withdrawn or lost just now, or is not given yet */
        expected = on_hand;
        come = 0;
    }
    int64_t later = promised - come;
    if (later < 0)
        later = 0;
    if (later > expected)
        later = expected;
    return (struct arrived){ come, promised - later, expected, later };
}

/* `expected` was read before the word (X1). */
static inline struct arrived arrived_of(int64_t expected, uint64_t word)
{
    return arrived_in(expected, word_on_hand(word), word_reserved(word));
}

#define EVERYTHING_COVERED UINT64_MAX

struct items;
struct id_table;
struct id_cursor;

/* A pool of expected units for a line of that supply (its link), which owns it from now on. NULL:
 * the pool table is full; or, if *again, another context is in the way. */
struct pool *incoming_take(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                           uint32_t item, uint16_t location, uint32_t supply, bool *again);
/* If the pool is empty and nobody's: frees the blocks of what was promised of it. */
void incoming_tidy(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                   uint32_t unit);

/* For replay: what was promised of an empty pool by an earlier supply is settled. */
void incoming_forget_promises(struct items *items, struct id_table *ids, struct id_cursor *cursor,
                              uint32_t unit);

/* ---- the owner of the supply's entry ---- */

/* Of a pool that was taken; or for replay and loading. */
void incoming_own(struct incoming *in, uint32_t supply, bool transfer);
/* Before so many units more are given to the pool. */
void incoming_raise(struct incoming *in, uint64_t eta_ms, uint32_t more);
/* After they were given. */
void incoming_raised(struct incoming *in);
/* They are not given after all. */
void incoming_abandon(struct incoming *in, uint32_t more);
/* After so many units have left the word, or have come. */
void incoming_lower(struct incoming *in, uint32_t by);
/* The change of the ETA with that LSN: when what was promised before, but for what is covered up to
 * covered_lsn, is ready now. EVERYTHING_COVERED: there is nothing else. */
void incoming_move(struct incoming *in, uint64_t eta_ms, uint64_t lsn, uint64_t covered_lsn,
                   uint64_t ship_ms, uint64_t pickup_ms);
/* The change alone; also for loading, the earliest first. */
void incoming_add_change(struct incoming *in, uint64_t lsn, uint64_t covered_lsn, uint64_t ship_ms,
                         uint64_t pickup_ms);
/* The supply is over: another may have the pool, once all that is promised of it is settled. */
void incoming_end(struct incoming *in);

/* Copies the changes, the earliest first. Returns how many there are. While the ETA is being
 * changed they may be those of before, those of after, or some of both. */
uint32_t incoming_changes(const struct incoming *in, struct eta_times changes[ETA_CHANGES]);

/* What of a pool of expected units has come and what has not, at one instant; or, if it changes all
 * the time, about one. */
struct arrived incoming_look(const struct items *items, const struct pool *pool);

#endif
