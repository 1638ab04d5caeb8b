/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id table. An entry is what an id stands for: a reservation, or a completed operation (so that
 * a retry gets the first result); or it holds further draws of a reservation with many lines.
 *
 * An entry's `state` word is its ownership: the thread that swaps BUSY in owns everything else in
 * the entry until it stores a word without BUSY (E1). No thread waits: one that finds the entry
 * busy is deferred. The wheel links belong to the wheel's context alone, and inbox_next to the
 * inbox (see wheel.h). Once the entry has ended, its links belong to the context whose queue of
 * ended ids it is in.
 *
 * An ended entry stays for at least remember_ms, so that a retry finds its first result; slots.h
 * says when its slot may be reused. A refused operation keeps no slot.
 *
 * The index: buckets of one cache line, each seven words `tag | entry + 1` behind a head. Adding an
 * id takes its home bucket's busy bit, so that two contexts that add the same id cannot both
 * succeed. A full bucket overflows into those behind it, and its head counts the overflowed ids.
 */
#ifndef STOCKD_ENGINE_STORE_ID_TABLE_H
#define STOCKD_ENGINE_STORE_ID_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/memory.h"
#include "engine/base/text.h"

enum entry_kind {
    ENTRY_FREE,    /* stands for nothing, and is not in the index */
    ENTRY_REFUSED, /* fresh, outcome undecided; or a tombstone, which stands for nothing */
    ENTRY_RESERVATION,
    ENTRY_MOVEMENT,    /* a completed movement: receive, adjust, allot, sold and so on */
    ENTRY_STEP,        /* a completed fulfil or cancel with an op of its own */
    ENTRY_DRAWS,       /* more draws of a reservation, the lines of a supply, or outcomes of a
                          movement of several lines; has no id */
    ENTRY_SUPPLY,      /* see engine/store/supply_lines.h */
    ENTRY_SUPPLY_STEP, /* a completed step of a supply, with an op of its own */
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

/* A line of a supply, in units. */
struct line_entry {
    uint32_t pool; /* unit: that of expected units; before it is shipped, or if it arrives at once,
                      the shared one that it comes from */
    uint32_t qty, shipped, accepted, rejected, lost;
    uint32_t over; /* of those accepted and rejected: beyond what was shipped */
};

/* A draw with its own ready time, as promised: later changes of lead times do not affect it. Of
 * units of a supply that was rescheduled, the time that held when they were fulfilled is kept too,
 * because the supply's pool will be another's. Wall clock, in 48 bits: of four draws, these fill
 * what a block has. */
struct timed_draw {
    struct draw draw;
    uint32_t ready_low, last_low;
    uint16_t ready_high, last_high; /* last: 0: as promised */
};

/* How far a part of a confirmed reservation, that is, what it draws from one place, has come
 * there. */
enum part_step {
    PART_OPEN,
    PART_READY,         /* set aside for its buyer */
    PART_NOT_COLLECTED, /* and not collected in time */
    PART_STEP_COUNT
};

/* A draw whose place has begun to work on it. */
struct tracked_draw {
    struct timed_draw timed;
    uint32_t granted;       /* units, when the order was granted; 0: drawn since */
    uint64_t collect_by_ms; /* wall clock; 0: whenever */
    uint64_t lsn;           /* of the change that drew it; 0: the order */
    uint8_t step;           /* enum part_step, of what is left */
    bool rejected;          /* the place could not give some of it: nothing more is drawn there */
    uint8_t zero[6];
};

#define TIME48_NEVER UINT64_C(0xffffffffffff)

/* UINT64_MAX: never. */
static inline uint64_t time48_read(uint32_t low, uint16_t high)
{
    uint64_t ms = (uint64_t)high << 32 | low;
    return ms == TIME48_NEVER ? UINT64_MAX : ms;
}

static inline void time48_write(uint32_t *low, uint16_t *high, uint64_t ms)
{
    ms = ms < TIME48_NEVER ? ms : TIME48_NEVER;
    *low = (uint32_t)ms;
    *high = (uint16_t)(ms >> 32);
}

static inline uint32_t draw_left(const struct draw *draw)
{
    return draw->qty - draw->fulfilled - draw->cancelled;
}

struct movement_outcome {
    int64_t on_hand, available; /* of one line, as replied; allot: allotted, and available */
};

enum {
    ENTRY_NONE = 0,
    DRAWS_PER_ENTRY = 7,
    TIMED_PER_ENTRY = 4,
    TRACKED_PER_ENTRY = 2,
    LINES_PER_ENTRY = 4,
    OUTCOMES_PER_ENTRY = 7,
    BYTES_PER_ENTRY = 112,
    NO_OWNER = 0xff
};

/* Has each draw of a reservation a ready time? If not, all are ready at once. */
enum timed {
    NOT_TIMED,
    TIMED_SHIP,   /* of a parcel */
    TIMED_PICKUP, /* of a collection */
};

/* Links are entry numbers + 1, so that zeroed memory is an empty table. */
struct id_entry {
    _Atomic uint64_t state; /* kind, state, id length, busy; any context, see E1 */
    uint64_t content;       /* fingerprint of the request */
    uint64_t lsn_first;     /* of the first result */
    uint64_t lsn_last;      /* of the last change */
    union {
        uint64_t expires_ms;    /* held: engine time */
        uint64_t lsn_confirmed; /* later: of the change that confirmed it */
        uint64_t ended_ms;      /* final: engine time, see entry_ended_ms */
        int64_t delta;          /* ENTRY_MOVEMENT: of on hand, in total */
        uint64_t eta_ms;        /* ENTRY_SUPPLY, ENTRY_SUPPLY_STEP: wall clock; 0: not known */
    };
    union {
        uint64_t created_ms; /* ENTRY_RESERVATION: wall clock */
        uint64_t watched_ms; /* ENTRY_SUPPLY, until it is over: up to when it was announced that it
                                is late, or near enough to be sold; wall clock */
        uint64_t done_ms;    /* else: engine time, see entry_ended_ms */
    };
    union {
        uint32_t ttl_ms; /* as first granted; 0: confirmed at once */
        struct {
            uint16_t from;     /* ENTRY_SUPPLY: the place's index + 1; 0: from outside */
            uint16_t location; /* likewise: where it goes */
        };
    };
    uint16_t channel;
    uint16_t draw_count; /* or lines; ENTRY_MOVEMENT: outcomes, if there are several, else 0 */
    char id[ID_MAX];
    union {
        struct draw draw;                 /* draw_count == 1 and not timed */
        uint32_t more;                    /* else: first ENTRY_DRAWS */
        struct movement_outcome movement; /* ENTRY_MOVEMENT of one line */
        uint32_t result_state;            /* ENTRY_STEP: state it led to */
    };
    union {
        struct {
            uint32_t wheel_next, wheel_prev; /* the owner's thread only */
        };
        struct {
            uint32_t ended_next,
                ended_prev; /* in a queue of ended ids: its context's thread only */
        };
    };
    uint32_t inbox_next; /* inbox link: the sending thread, then the owner - see Q1 */
    uint8_t owner;       /* context in whose wheel it is linked, or NO_OWNER - see E1 */
    bool in_inbox : 1;   /* the entry is in its owner's inbox - see E1 */
    bool tracked : 1;    /* ENTRY_RESERVATION: its draws are struct tracked_draw */
    bool awaits : 1;     /* ENTRY_RESERVATION: what is sent for it has not been made ready yet */
    uint8_t sends : 5;   /* ENTRY_RESERVATION: transfers that were made with it. ENTRY_SUPPLY: 1: it
                            is one of those, and its ref is the reservation's id */
    uint8_t timed;       /* ENTRY_RESERVATION: enum timed */
    uint8_t ref_len;     /* bytes of its ref, behind the draws or lines */
};

_Static_assert(sizeof(struct id_entry) == 128, "an entry is two cache lines");
_Static_assert(SENDS_MAX < 1 << 5, "an entry has room for their number");

/* An ENTRY_DRAWS: another layout of the same 128 bytes. Owned together with its reservation. */
struct draws_entry {
    _Atomic uint64_t state;
    uint32_t next; /* entry number + 1 */
    uint32_t zero;
    union {
        struct draw draws[DRAWS_PER_ENTRY];
        struct timed_draw timed[TIMED_PER_ENTRY];
        struct tracked_draw tracked[TRACKED_PER_ENTRY];
        struct line_entry lines[LINES_PER_ENTRY]; /* of a supply */
        char bytes[BYTES_PER_ENTRY];              /* of its ref */
        struct movement_outcome outcomes[OUTCOMES_PER_ENTRY];
    };
};

_Static_assert(sizeof(struct draws_entry) == 128, "as large as an entry");
_Static_assert(offsetof(struct tracked_draw, timed.draw) == 0, "each begins with a draw");
_Static_assert(TIMED_PER_ENTRY * sizeof(struct timed_draw) == BYTES_PER_ENTRY, "they fill a block");
_Static_assert(TRACKED_PER_ENTRY * sizeof(struct tracked_draw) == BYTES_PER_ENTRY, "likewise");

/* How the draws of a reservation lie in its blocks. */
enum draw_layout { LAYOUT_PLAIN, LAYOUT_TIMED, LAYOUT_TRACKED };

static inline enum draw_layout entry_layout(const struct id_entry *entry)
{
    return entry->tracked ? LAYOUT_TRACKED : entry->timed ? LAYOUT_TIMED : LAYOUT_PLAIN;
}

static inline uint32_t draws_in_block(enum draw_layout layout)
{
    return layout == LAYOUT_PLAIN   ? DRAWS_PER_ENTRY
           : layout == LAYOUT_TIMED ? TIMED_PER_ENTRY
                                    : TRACKED_PER_ENTRY;
}

static inline uint32_t draw_size(enum draw_layout layout)
{
    return layout == LAYOUT_PLAIN   ? sizeof(struct draw)
           : layout == LAYOUT_TIMED ? sizeof(struct timed_draw)
                                    : sizeof(struct tracked_draw);
}

/* A walk over a reservation's draws, in the order of its lines. */
struct draw_walk {
    const struct id_table *ids;
    struct draw *at;
    uint32_t left, in_block;
    uint32_t next; /* ENTRY_DRAWS behind this block: number + 1 */
    enum draw_layout layout;
};

/* How many blocks a ref takes. */
static inline uint32_t ref_blocks(uint32_t ref_len)
{
    return (ref_len + BYTES_PER_ENTRY - 1) / BYTES_PER_ENTRY;
}

/* How many ENTRY_DRAWS a reservation's draws and its ref take. */
static inline uint32_t draw_blocks(uint32_t count, enum draw_layout layout, uint32_t ref_len)
{
    if (count == 1 && layout == LAYOUT_PLAIN && ref_len == 0)
        return 0;
    return (count + draws_in_block(layout) - 1) / draws_in_block(layout) + ref_blocks(ref_len);
}

static inline uint32_t entry_draw_blocks(const struct id_entry *entry)
{
    return draw_blocks(entry->draw_count, entry_layout(entry), entry->ref_len);
}

/* How many ENTRY_DRAWS the outcomes of a movement take; that of a single line lies in its entry. */
static inline uint32_t outcome_blocks(uint32_t count)
{
    return count <= 1 ? 0 : (count + OUTCOMES_PER_ENTRY - 1) / OUTCOMES_PER_ENTRY;
}

/* How many ENTRY_DRAWS a supply's lines take. */
static inline uint32_t line_blocks(uint32_t count)
{
    return (count + LINES_PER_ENTRY - 1) / LINES_PER_ENTRY;
}

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

/* The kind of step (a record type) that changed it last; 0: none. */
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

/* Takes ownership; false if another thread has it. *word: the state without BUSY. */
static inline bool entry_take(struct id_entry *entry, uint64_t *word)
{
    *word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    return !(*word & STATE_BUSY) &&
           atomic_compare_exchange_strong_explicit(&entry->state, word, *word | STATE_BUSY,
                                                   memory_order_acquire, /* E1 */
                                                   memory_order_relaxed);
}

/* Gives ownership back and shows a state. */
static inline void entry_put(struct id_entry *entry, uint64_t word)
{
    atomic_store_explicit(&entry->state, word & ~STATE_BUSY, memory_order_release); /* E1 */
}

/* E1, for assertions: somebody owns it, and that must be the caller. */
static inline bool entry_is_owned(const struct id_entry *entry)
{
    return atomic_load_explicit(&entry->state, memory_order_relaxed) & STATE_BUSY; /* @is-owned */
}

/* The first ENTRY_DRAWS that belongs to the entry: number + 1; 0: none. The caller owns it. */
static inline uint32_t entry_blocks(const struct id_entry *entry, uint64_t word)
{
    bool supply = word_kind(word) == ENTRY_SUPPLY || word_kind(word) == ENTRY_SUPPLY_STEP;
    bool draws = word_kind(word) == ENTRY_RESERVATION && entry_draw_blocks(entry) > 0;
    bool outcomes = word_kind(word) == ENTRY_MOVEMENT && outcome_blocks(entry->draw_count) > 0;
    return supply || draws || outcomes ? entry->more : 0;
}

/* When what the entry stands for ended. The caller owns it, or its queue. */
static inline uint64_t entry_ended_ms(const struct id_entry *entry, uint64_t word)
{
    return word_kind(word) == ENTRY_RESERVATION ? entry->ended_ms : entry->done_ms;
}

/* ---- the table ---- */

struct bucket {
    _Atomic uint64_t head; /* busy bit, and how many of its ids overflowed; the bit's holder
                              writes */
    _Atomic uint64_t words[7];
};

enum { CHUNK_SLOTS = 64 };

/* One bit per entry of a chunk of 64: set if its slot is taken. Any context may write it, but
 * mostly the one that took the chunk from the hand (slots.h) does, so a chunk has its own cache
 * line: its neighbours belong to other contexts. Relaxed: a thread that finds a bit clear takes the
 * entry (E1), and relies on what it then finds. */
struct taken_chunk {
    _Alignas(64) _Atomic uint64_t bits;
};

/* One context's share of the ids. Its thread writes all but `asked`; any thread may read what is
 * atomic (relaxed: metrics and hints). */
struct ctx_ids {
    _Alignas(64) uint32_t first, last; /* queue of ended ids, oldest first: entry number + 1 */
    _Atomic uint64_t remembered;       /* ids in it */
    _Atomic uint64_t ripe_ms; /* engine time before which none of them may be forgotten; UINT64_MAX:
                                 the queue is empty */
    _Atomic uint64_t live;    /* reservations begun here less those ended here: may wrap; the sum
                                 over all contexts does not */
    _Atomic uint64_t added;   /* ids used so far, for the rate */
    _Atomic uint32_t hoard;   /* free slots that no other context can take */
    _Atomic bool asked; /* another context found no slot, and this one has some: any context sets
                           it, its own clears it; relaxed, a hint */
};

struct id_table {
    struct id_entry *all;
    struct taken_chunk *taken;
    _Atomic uint32_t *places; /* per slot, see slot_places.h */
    struct bucket *buckets;
    uint32_t max, chunk_count, bucket_count;
    uint64_t hash_seed;
    uint64_t remember_ms;               /* minimum time to remember an ended id; const */
    uint64_t started_ms, downtime_ms;   /* see id_table_started; const while threads run */
    uint32_t populated;                 /* slots below this have memory; the populating thread
                                           writes */
    _Atomic uint64_t forgotten_ms;      /* the latest end of any forgotten id; only grows; any
                                           context, before it forgets: relaxed, because a thread
                                           that finds the id gone has synchronized with the
                                           bucket */
    _Alignas(64) _Atomic uint64_t hand; /* next chunk of 64 entries, never wraps; any context */
    _Alignas(64) _Atomic uint64_t free; /* clear bits in all chunks; any context; relaxed */
    struct ctx_ids contexts[CONTEXTS_MAX];
};

/* The source of one context's slots; used by its thread only. */
struct id_cursor {
    uint64_t now_ms;     /* engine time */
    uint8_t ctx;         /* index in id_table.contexts */
    bool replaying;      /* forgets ids early rather than run out of room: the past did happen */
    uint64_t early;      /* ids forgotten early */
    uint32_t chunk;      /* taken from the hand */
    uint64_t candidates; /* its slots that were free: now this context's */
    uint32_t stash;      /* free slots of this context's, linked by ended_next: number + 1 */
    uint32_t stash_count;
    uint32_t prepared; /* slots set aside for an order, linked likewise */
    uint32_t prepared_count;
    struct id_entry *spare; /* an owned slot that stands for nothing, or NULL */
};

int id_table_init(struct id_table *ids, uint32_t max, uint64_t remember_ms, uint64_t hash_seed);
void id_table_destroy(struct id_table *ids);

static inline struct id_entry *entry_at(const struct id_table *ids, uint32_t number)
{
    return ids->all + number;
}

static inline uint32_t entry_number(const struct id_table *ids, const struct id_entry *entry)
{
    return (uint32_t)(entry - ids->all);
}

static inline struct draw_walk draw_walk_start(const struct id_table *ids, struct id_entry *entry)
{
    bool single = entry_draw_blocks(entry) == 0;
    return (struct draw_walk){ .ids = ids,
                               .at = single ? &entry->draw : NULL,
                               .left = entry->draw_count,
                               .in_block = single ? 1 : 0,
                               .next = single ? 0 : entry->more,
                               .layout = entry_layout(entry) };
}

/* Advances to the next block of draws. */
void draw_walk_block(struct draw_walk *walk);

/* NULL at the end. */
static inline struct draw *draw_walk_next(struct draw_walk *walk)
{
    if (walk->left == 0)
        return NULL;
    if (walk->in_block == 0)
        draw_walk_block(walk);
    walk->left--;
    walk->in_block--;
    struct draw *draw = walk->at;
    walk->at = (struct draw *)(void *)((char *)draw + draw_size(walk->layout));
    return draw;
}

/* The promised ready time of a draw of that reservation: wall clock. */
static inline uint64_t draw_ready_ms(const struct id_entry *entry, const struct draw *draw)
{
    if (entry_layout(entry) == LAYOUT_PLAIN)
        return entry->created_ms;
    const struct timed_draw *timed = (const struct timed_draw *)(const void *)draw;
    return time48_read(timed->ready_low, timed->ready_high);
}

/* The time that held when units of it were last fulfilled; 0: as promised. */
static inline uint64_t draw_last_ms(const struct id_entry *entry, const struct draw *draw)
{
    if (entry_layout(entry) == LAYOUT_PLAIN)
        return 0;
    const struct timed_draw *timed = (const struct timed_draw *)(const void *)draw;
    return time48_read(timed->last_low, timed->last_high);
}

/* Of a draw with a time. */
static inline void draw_set_ready(struct draw *draw, uint64_t ready_ms, uint64_t last_ms)
{
    struct timed_draw *timed = (struct timed_draw *)(void *)draw;
    time48_write(&timed->ready_low, &timed->ready_high, ready_ms);
    time48_write(&timed->last_low, &timed->last_high, last_ms);
}

/* Units of it when the order was granted. */
static inline uint32_t draw_granted(const struct id_entry *entry, const struct draw *draw)
{
    return entry->tracked ? ((const struct tracked_draw *)(const void *)draw)->granted : draw->qty;
}

/* The LSN of the change that drew it. */
static inline uint64_t draw_lsn(const struct id_entry *entry, const struct draw *draw)
{
    uint64_t lsn = entry->tracked ? ((const struct tracked_draw *)(const void *)draw)->lsn : 0;
    return lsn ? lsn : entry->lsn_first;
}

/* Of a reservation whose draws are tracked. */
static inline struct tracked_draw *draw_tracked(struct draw *draw)
{
    return (struct tracked_draw *)(void *)draw;
}

uint64_t id_hash(const struct id_table *ids, struct text id);

static inline struct text entry_id(const struct id_entry *entry, uint64_t word)
{
    return (struct text){ entry->id, word_id_len(word) };
}

enum entry_found {
    ENTRY_ABSENT,
    ENTRY_FOUND,
    ENTRY_BUSY,
    ENTRY_NO_SLOT,     /* slots_why_none says why */
    ENTRY_TABLE_FULL,  /* of live reservations */
    ENTRY_TABLE_YOUNG, /* of live reservations, and of ids that must not be forgotten yet */
};

/* Finds and takes the entry of an id. FOUND: the caller owns *entry, and *word is its state.
 * BUSY: a busy object is in the way. */
enum entry_found id_table_find(struct id_table *ids, struct text id, uint64_t hash,
                               struct id_entry **entry, uint64_t *word);

/* Would id_table_find find this entry, which the caller owns and which stands for that id? ABSENT
 * if not. */
enum entry_found id_table_find_own(struct id_table *ids, const struct id_entry *entry,
                                   struct text id, uint64_t hash);

/* Finds and takes the entry, or adds a new one. ABSENT: *entry is new, owned and indexed under its
 * id; the caller fills in everything else. */
enum entry_found id_table_add(struct id_table *ids, struct id_cursor *cursor, struct text id,
                              uint64_t hash, struct id_entry **entry, uint64_t *word);

/* Drops the fresh entry of a refused operation: the id is free again, and the slot is this
 * context's. */
void entry_refuse(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  uint64_t word);

/* Removes the id of an owned entry from the index; false if its home bucket is busy. */
bool entry_unindex(struct id_table *ids, const struct id_entry *entry, uint64_t word);

/* For loading: indexes a filled entry under its id. Any thread; waits for threads that hold the
 * same bucket. 0; -EEXIST: the id is indexed already; -ENOSPC: no room for it. */
int id_table_enter(struct id_table *ids, struct id_entry *entry, struct text id, uint64_t hash);
/* The home bucket of a hash: its lower half, as a fraction of 2^32, of the number of buckets
 * (Lemire, "Fast random integer generation in an interval", 2019). Its upper half is the tag. */
static inline uint32_t id_table_home(const struct id_table *ids, uint64_t hash)
{
    return (uint32_t)((hash & UINT32_MAX) * ids->bucket_count >> 32);
}

static inline size_t id_table_bucket_bytes(const struct id_table *ids)
{
    return (size_t)ids->bucket_count * sizeof(struct bucket);
}

/* Hints: fetch the bucket of an id, then the entry that it probably names. Returns its number + 1,
 * or 0. */
void id_table_prefetch_bucket(const struct id_table *ids, uint64_t hash);
uint32_t id_table_prefetch_entry(const struct id_table *ids, uint64_t hash);
/* Another hint: the pool of a reservation with a single draw. Takes the entry for a moment. */
bool id_table_only_draw(struct id_table *ids, uint32_t number, uint32_t *pool);

#endif
