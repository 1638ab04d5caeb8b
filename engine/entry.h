/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries: what an id stands for. A reservation, an operation that was done (so that asking again
 * gives the first result), or further draws of a reservation with many lines.
 *
 * An entry's `state` word is its ownership: who swaps BUSY in owns everything else in the entry
 * until BUSY is stored away (E1). Nobody waits: who finds it busy is deferred. The wheel links
 * belong to the wheel's seat alone, and `mail` to the mailbox (see wheel.h).
 *
 * Slots are given out by a hand that goes round the table, so a finished entry is remembered until
 * the hand comes by again: the oldest are reused first. A bit set tells the hand what it need not
 * look at: live reservations, and anything that is still linked in a wheel.
 *
 * Finding: buckets of one cache line, each seven words `tag | entry + 1` behind a head. Adding an
 * id takes its home bucket's busy bit, so that two seats that add the same id cannot both succeed;
 * a full bucket overflows into those behind it, and its head counts how many did.
 */
#ifndef STOCKD_ENGINE_ENTRY_H
#define STOCKD_ENGINE_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/limits.h"
#include "engine/memory.h"
#include "engine/text.h"

enum entry_kind {
    ENTRY_FREE,    /* stands for nothing, and is not in the index */
    ENTRY_REFUSED, /* its operation came to nothing: the id is free again */
    ENTRY_RESERVATION,
    ENTRY_MOVEMENT, /* a receive, adjust, count, return or allot that was done */
    ENTRY_STEP,     /* a partial fulfil or cancel with an op of its own, done */
    ENTRY_DRAWS,    /* more draws of a reservation; has no id */
};

/* States of a reservation, in the order of its life. docs/ARCHITECTURE.md draws them. */
enum entry_state {
    STATE_NONE,
    STATE_HELD,
    STATE_CONFIRMED,
    STATE_FULFILLED,
    STATE_CANCELLED,
    STATE_EXPIRED,
    STATE_COUNT
};

const char *state_name(enum entry_state state);
static inline bool state_final(enum entry_state state)
{
    return state >= STATE_FULFILLED;
}
/* The state machine as a table: may a reservation go from one to the other? */
bool state_may_become(enum entry_state from, enum entry_state to);

struct draw {
    uint32_t pool; /* unit, see struct items */
    uint32_t qty, fulfilled, cancelled;
};

static inline uint32_t draw_left(const struct draw *draw)
{
    return draw->qty - draw->fulfilled - draw->cancelled;
}

struct movement_outcome {
    int64_t on_hand, available; /* allot: what is allotted, and available */
};

enum { ENTRY_NONE = 0, DRAWS_PER_ENTRY = 7, NO_OWNER = 0xff };

/* Links are entry numbers + 1, so that zeroed memory is an empty table. */
struct entry {
    _Atomic uint64_t state; /* word: kind, state, id length, busy; any seat, see E1 */
    uint64_t content;       /* fingerprint of what was asked */
    uint64_t lsn_first;     /* of the first result */
    uint64_t lsn_last;      /* of the last change */
    union {
        uint64_t expires_ms;    /* held: engine time */
        uint64_t lsn_confirmed; /* later: of the change that confirmed it */
        int64_t delta;          /* ENTRY_MOVEMENT: of on hand, in all */
    };
    uint64_t created_ms; /* wall clock */
    uint32_t ttl_ms;     /* as first granted; 0: confirmed at once */
    uint16_t channel;
    uint16_t draw_count;
    char id[ID_MAX];
    union {
        struct draw draw;                 /* draw_count == 1 */
        uint32_t more;                    /* draw_count > 1: first ENTRY_DRAWS */
        struct movement_outcome movement; /* ENTRY_MOVEMENT */
        uint32_t result_state;            /* ENTRY_STEP: state it led to */
    };
    uint32_t wheel_next, wheel_prev; /* the owner's thread only */
    _Atomic uint32_t mail_next;      /* mailbox link, see wheel.h */
    uint8_t owner;                   /* seat in whose wheel it is linked, or NO_OWNER - see E1 */
    _Atomic uint8_t mailed;          /* it is in its owner's mailbox */
};

_Static_assert(sizeof(struct entry) == 128, "an entry is two cache lines");

/* An ENTRY_DRAWS: the same 128 bytes, seen otherwise. Owned with the reservation it belongs to. */
struct draws_entry {
    _Atomic uint64_t state;
    uint32_t next; /* entry number + 1 */
    uint32_t zero;
    struct draw draws[DRAWS_PER_ENTRY];
};

_Static_assert(sizeof(struct draws_entry) == 128, "as large as an entry");

/* A walk over a reservation's draws, in the order of its lines. */
struct draw_walk {
    const struct entries *entries;
    struct draw *at;
    uint32_t left, in_block;
    uint32_t next; /* ENTRY_DRAWS behind this block: number + 1 */
};

/* ---- the state word: last step 8 | id length 8 | kind 8 | state 8 | busy 8 ---- */

#define STATE_BUSY UINT64_C(0x80)

static inline uint64_t state_word(enum entry_kind kind, enum entry_state state, uint32_t id_len)
{
    return (uint64_t)id_len << 24 | (uint64_t)kind << 16 | (uint64_t)state << 8;
}

static inline enum entry_kind word_kind(uint64_t word)
{
    return (enum entry_kind)(word >> 16 & 0xff);
}

static inline enum entry_state word_state(uint64_t word)
{
    return (enum entry_state)(word >> 8 & 0xff);
}

/* Which kind of step (a record type) changed it last; 0 for none. */
static inline uint64_t word_with_last(uint64_t word, unsigned last)
{
    return (word & ~(UINT64_C(0xff) << 32)) | (uint64_t)last << 32;
}

static inline unsigned word_last(uint64_t word)
{
    return (unsigned)(word >> 32 & 0xff);
}

static inline uint32_t word_id_len(uint64_t word)
{
    return (uint32_t)(word >> 24 & 0xff);
}

/* Takes ownership; false if somebody else has it. *word: the state without BUSY. */
static inline bool entry_take(struct entry *entry, uint64_t *word)
{
    *word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    return !(*word & STATE_BUSY) &&
           atomic_compare_exchange_strong_explicit(&entry->state, word, *word | STATE_BUSY,
                                                   memory_order_acquire, /* E1 */
                                                   memory_order_relaxed);
}

/* Gives ownership back, showing a state. */
static inline void entry_put(struct entry *entry, uint64_t word)
{
    atomic_store_explicit(&entry->state, word & ~STATE_BUSY, memory_order_release); /* E1 */
}

/* ---- the table ---- */

struct bucket {
    _Atomic uint64_t head; /* busy bit, and how many of its ids overflowed; who holds busy */
    _Atomic uint64_t words[7];
};

/* A bit per entry of a chunk of 64: not to be reused yet. Any seat; but mostly the one that took
 * the chunk from the hand, so it has a cache line of its own: neighbours belong to other seats. */
struct kept_chunk {
    _Alignas(64) _Atomic uint64_t bits;
};

struct entries {
    struct entry *all;
    struct kept_chunk *kept;
    struct bucket *buckets;
    uint32_t max, chunk_count, bucket_count;
    uint64_t hash_seed;
    uint32_t populated; /* slots below have memory; the thread that populates */
    _Alignas(
        64) _Atomic uint64_t hand; /* next chunk of 64 entries, counted without end; any seat */
};

/* Where one seat is in the chunk that it took from the hand. */
struct entry_cursor {
    uint32_t chunk;
    uint64_t candidates; /* bits of the chunk still to be tried */
    struct entry *spare; /* an owned slot that stands for nothing, or NULL */
};

int entries_init(struct entries *entries, uint32_t max, uint64_t hash_seed);
void entries_destroy(struct entries *entries);

static inline struct entry *entry_at(const struct entries *entries, uint32_t number)
{
    return entries->all + number;
}

static inline uint32_t entry_number(const struct entries *entries, const struct entry *entry)
{
    return (uint32_t)(entry - entries->all);
}

struct draw_walk draw_walk_start(const struct entries *entries, struct entry *entry);
/* NULL at the end. */
struct draw *draw_walk_next(struct draw_walk *walk);

uint64_t id_hash(const struct entries *entries, struct text id);

static inline struct text entry_id(const struct entry *entry, uint64_t word)
{
    return (struct text){ entry->id, word_id_len(word) };
}

enum entry_found { ENTRY_ABSENT, ENTRY_FOUND, ENTRY_UNDECIDED, ENTRY_TABLE_FULL };

/* Finds and takes the entry of that id. FOUND: *entry is owned by the caller, *word its state.
 * UNDECIDED: a busy object is in the way. */
enum entry_found entries_find(struct entries *entries, struct text id, uint64_t hash,
                              struct entry **entry, uint64_t *word);

/* Would entries_find come to this entry, which the caller owns and which stands for that id? ABSENT
 * if not. */
enum entry_found entries_find_own(struct entries *entries, const struct entry *entry,
                                  struct text id, uint64_t hash);

/* Finds and takes it, or adds a new one: ABSENT then means that *entry is owned, is in the index
 * under its id, and everything else in it is for the caller to fill. */
enum entry_found entries_add(struct entries *entries, struct entry_cursor *cursor, struct text id,
                             uint64_t hash, struct entry **entry, uint64_t *word);

/* Ends an operation on a fresh entry that came to nothing. */
void entry_refuse(struct entries *entries, struct entry *entry, uint64_t word);

/* A slot for draws, owned as long as its reservation is remembered; NULL if the table is full. */
struct draws_entry *entries_take_draws(struct entries *entries, struct entry_cursor *cursor);
void entries_free_draws(struct entries *entries, uint32_t more);

/* From now on the hand may look at it. The bit is a hint: the hand reuses only what is finished. */
void entry_release_slot(struct entries *entries, const struct entry *entry);

/* Sets the bit again: an entry that was finished comes to life. */
void entry_keep_slot(struct entries *entries, const struct entry *entry);

/* Entries from this number on have never stood for anything. */
uint32_t entries_used(const struct entries *entries);

/* One step of giving memory to the slots that the hand will come to next: as much again as is in
 * use, up to a limit. One thread, beside those that use the table. */
enum populated entries_populate(struct entries *entries);

/* Bits set in `kept`: live entries, or not yet unlinked. */
uint64_t entries_kept(const struct entries *entries);

/* For loading: enters a filled entry, which is in no index yet, under its id. Any thread; waits for
 * others that are at the same bucket. 0; -EEXIST: that id is there; -ENOSPC: no place for it. */
int entries_enter(struct entries *entries, struct entry *entry, struct text id, uint64_t hash);
/* For loading: slots below this number were given out; the hand goes on with the next. */
void entries_resume(struct entries *entries, struct entry_cursor *cursor, uint32_t number);

/* The home bucket of a hash: its lower half, as a fraction of 2^32, of the number of buckets
 * (Lemire, "Fast random integer generation in an interval", 2019). Its upper half is the tag. */
static inline uint32_t entries_home(const struct entries *entries, uint64_t hash)
{
    return (uint32_t)((hash & UINT32_MAX) * entries->bucket_count >> 32);
}

static inline size_t entries_bucket_bytes(const struct entries *entries)
{
    return (size_t)entries->bucket_count * sizeof(struct bucket);
}

/* Hints: fetch the bucket of an id, then the entry that it probably names: its number + 1, or 0. */
void entries_prefetch_bucket(const struct entries *entries, uint64_t hash);
uint32_t entries_prefetch_entry(const struct entries *entries, uint64_t hash);
/* Another: the pool of a reservation that draws from one. Takes the entry for a moment. */
bool entries_only_draw(struct entries *entries, uint32_t number, uint32_t *pool);

#endif
