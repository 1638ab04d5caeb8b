/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot contents: all that a ledger knows, as a sequence of records of a few kinds, and back.
 * Loading them into a fresh ledger has the same result as replaying the journal up to the
 * snapshot's LSN.
 *
 * They do not depend on memory layout: pools have their names in the journal, slots of ids are
 * numbered by age. So layout and table sizes may differ between writer and loader.
 *
 * Records are little-endian, packed, a multiple of 8 bytes long. docs/FILE_FORMAT.md specifies
 * them; persistence/snapshot.h stores them in files. Each record is self-contained: those of one
 * kind may be loaded in any order and by several threads, except for the kinds marked below.
 */
#ifndef STOCKD_ENGINE_REPLAY_CONTENTS_H
#define STOCKD_ENGINE_REPLAY_CONTENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/log/record.h"
#include "engine/store/id_table.h"

struct ledger;

/* In the order in which they are written and must be loaded. */
enum contents_kind {
    CONTENTS_SETTINGS = 1, /* calendars, locations, channels, clients; in order, by one thread */
    CONTENTS_ITEMS = 2,    /* items with their details and pools */
    CONTENTS_ENTRIES = 3,  /* what ids stand for */
    CONTENTS_RECENT = 4,   /* recent changes of on hand; in order, by one thread */
    CONTENTS_SIGNALS = 5,  /* from which events go on; in order, by one thread */
    CONTENTS_FIGURES = 6,  /* what reports tell; in order, by one thread */
    CONTENTS_KIND_END = 7,
};

/* A calendar, location, channel or client: the journal's record of its current state. */
struct contents_setting {
    uint64_t lsn;          /* of its last change */
} __attribute__((packed)); /* a record as in the journal */

struct contents_item {
    uint32_t length;  /* of the whole record; a multiple of 8 */
    uint32_t item;    /* its index */
    uint64_t version; /* its version: the LSN of its last change */
    uint64_t details_lsn;
    int32_t low_stock;       /* -1: not set */
    int32_t backorder_limit; /* -1: not set */
    int32_t safety;          /* -1: not set */
    uint32_t pool_count;
    uint32_t stocking_count;
    uint32_t moved_count; /* pools of expected units whose ETA was changed */
    uint8_t detailed;     /* 0: no details */
    uint8_t moved;        /* 1: units of it have come or gone */
    uint8_t decimals;
    uint8_t sku_len, name_len, barcode_len, unit_len;
    uint8_t missed;        /* 1: a pool has had fewer units on hand than were promised, once */
} __attribute__((packed)); /* pool_count x struct contents_pool; stocking_count x struct
                              contents_stocking; moved_count x struct contents_moved; sku, name,
                              barcode, unit; zeroes */

struct contents_pool {
    uint16_t location;
    uint16_t owner; /* as in struct pool_key */
    uint32_t on_hand;
    uint32_t reserved;
} __attribute__((packed));

/* The stocking of one of the pools before; in their order. */
struct contents_stocking {
    uint32_t pool;       /* its position among them */
    int32_t safety;      /* -1: not set */
    int32_t lead_time_s; /* -1: not set */
    uint32_t stocked;    /* 0 or 1 */
} __attribute__((packed));

/* A change of the ETA of what one of those pools expects, or has expected: what was promised of it
 * before, and was not covered, is ready at another time now. In their order, and of each pool the
 * earliest first, at most ETA_CHANGES. What is expected itself follows from the supply that owns
 * the pool. */
struct contents_moved {
    uint32_t pool; /* its position among them */
    uint32_t zero;
    uint64_t lsn, covered_lsn;
    uint64_t ship_ms, pickup_ms;
} __attribute__((packed));

/* Where an item's texts lie, behind its fixed part. */
static inline uint64_t contents_item_texts(const struct contents_item *saved)
{
    return (uint64_t)saved->pool_count * sizeof(struct contents_pool) +
           (uint64_t)saved->stocking_count * sizeof(struct contents_stocking) +
           (uint64_t)saved->moved_count * sizeof(struct contents_moved);
}

/* The length of an item's record, before it is padded. */
static inline uint64_t contents_item_length(const struct contents_item *saved)
{
    return sizeof *saved + contents_item_texts(saved) + saved->sku_len + saved->name_len +
           saved->barcode_len + saved->unit_len;
}

/* What an id stands for. Slots are numbered from the one to be reused first: ended entries come
 * before live ones. */
struct contents_entry {
    uint32_t length;
    uint32_t slot;  /* its position in the order of forgetting */
    uint32_t timed; /* enum timed; 0: all draws are ready at creation, else each has a time */
    uint8_t kind;   /* enum entry_kind: a reservation, a movement, a supply, or a step of one */
    uint8_t state;  /* enum entry_state; of a supply, and a step of one: enum supply_state */
    uint8_t last;   /* record type of the step that changed it last; 0: none */
    uint8_t id_len;
    uint32_t ttl_ms;
    uint16_t channel;
    uint16_t draw_count; /* of a movement of several lines: how many outcomes */
    uint64_t content;
    uint64_t lsn_first;
    union {
        struct {
            uint64_t lsn_last;
            uint64_t moment; /* held: its deadline; confirmed: the LSN of that; final: when it
                                ended */
            uint64_t created_ms;
            uint8_t tracked; /* 1: its draws are followed by struct contents_track */
            uint8_t ref_len;
            uint8_t sends;  /* transfers that were made with it */
            uint8_t awaits; /* 1: what they bring has not been made ready yet */
            uint8_t zero[4];
        } __attribute__((packed)) reservation;
        struct {
            int64_t delta, on_hand, available; /* as replied */
            uint64_t done_ms;
        } __attribute__((packed)) movement;
        struct {
            uint64_t state; /* the resulting state */
            uint64_t zero[2];
            uint64_t done_ms;
        } __attribute__((packed)) step;
        struct {
            uint64_t lsn_last;
            uint64_t moment; /* live: up to when it was watched; over, or a step: when it ended */
            uint64_t eta_ms;
            uint16_t from, location; /* from: index + 1; 0: from outside. A step: 0, 0 */
            uint16_t line_count;
            uint8_t ref_len;
            uint8_t sent;                 /* 1: with a reservation, whose id its ref is */
        } __attribute__((packed)) supply; /* or a step of one */
    };
} __attribute__((
    packed)); /* draw_count x struct contents_draw; id; timed: draw_count x struct contents_times;
                 tracked: draw_count x struct contents_track; line_count x struct contents_line;
                 ref; of a movement of several lines, draw_count x struct contents_outcome in place
                 of draws, behind the id; zeroes */

/* Does it stand for a supply, or a step of one? Then it has lines, and no draws. */
static inline bool contents_has_lines(const struct contents_entry *saved)
{
    return saved->kind == ENTRY_SUPPLY || saved->kind == ENTRY_SUPPLY_STEP;
}

static inline uint32_t contents_draws(const struct contents_entry *saved)
{
    return saved->kind == ENTRY_RESERVATION ? saved->draw_count : 0;
}

static inline uint32_t contents_outcomes(const struct contents_entry *saved)
{
    return saved->kind == ENTRY_MOVEMENT ? saved->draw_count : 0;
}

/* When an ended entry ended. */
static inline uint64_t contents_ended_ms(const struct contents_entry *saved)
{
    if (saved->kind == ENTRY_RESERVATION)
        return saved->reservation.moment;
    if (contents_has_lines(saved))
        return saved->supply.moment;
    return saved->kind == ENTRY_STEP ? saved->step.done_ms : saved->movement.done_ms;
}

struct contents_draw {
    struct pool_key pool;
    uint32_t qty, fulfilled, cancelled;
} __attribute__((packed));

/* Wall clock. */
struct contents_times {
    uint64_t ready_ms; /* as promised */
    uint64_t last_ms;  /* that held when it was last fulfilled; 0: as promised */
} __attribute__((packed));

/* What a place has done with a draw. */
struct contents_track {
    uint64_t collect_by_ms; /* wall clock; 0: whenever */
    uint64_t lsn;           /* of the change that drew it; 0: the order */
    uint32_t granted;       /* units, when the order was granted; 0: drawn since */
    uint8_t step;           /* enum part_step */
    uint8_t rejected;       /* 1: the place could not give some of it */
    uint8_t zero[2];
} __attribute__((packed));

static inline enum draw_layout contents_layout(const struct contents_entry *saved)
{
    return saved->reservation.tracked ? LAYOUT_TRACKED : saved->timed ? LAYOUT_TIMED : LAYOUT_PLAIN;
}

/* How many slots a reservation has behind its own. */
static inline uint32_t contents_draw_blocks(const struct contents_entry *saved)
{
    return draw_blocks(saved->draw_count, contents_layout(saved), saved->reservation.ref_len);
}

/* The bytes of a reservation's record behind its id; 0: it is none. */
static inline uint64_t contents_behind_draws(const struct contents_entry *saved)
{
    if (saved->kind != ENTRY_RESERVATION)
        return 0;
    uint64_t each = (saved->timed ? sizeof(struct contents_times) : 0) +
                    (saved->reservation.tracked ? sizeof(struct contents_track) : 0);
    return saved->draw_count * each + saved->reservation.ref_len;
}

/* Of one line of a movement of several, as replied. */
struct contents_outcome {
    int64_t on_hand, available;
} __attribute__((packed));

/* A line of a supply, or of a step of one. */
struct contents_line {
    struct pool_key pool; /* of expected units; or the shared one that it comes from */
    uint32_t qty, shipped, accepted, rejected, lost;
    uint32_t over; /* see struct line_entry */
} __attribute__((packed));

enum recent_kind {
    RECENT_CHANGE,
    RECENT_BOOKED_LATE, /* later than it happened, with the change before it */
    RECENT_COUNT,       /* no change: the shared pool's place was last counted as of then */
};

struct contents_recent {
    uint64_t time_ms;
    struct pool_key pool;
    int32_t delta;
    uint32_t kind; /* enum recent_kind */
} __attribute__((packed));

/* From which events go on: records of five kinds, which begin alike. Events and leaps in their
 * order. */
enum contents_signal_kind {
    SIGNAL_SEEN = 1,
    SIGNAL_LEVELS,
    SIGNAL_EVENT,
    SIGNAL_SHORTAGE,
    SIGNAL_LEAP,
};

struct contents_signal {
    uint32_t length;
    uint16_t what; /* enum contents_signal_kind */
    uint16_t zero;
} __attribute__((packed));

struct contents_seen {
    uint32_t length;
    uint16_t what;
    uint16_t zero;
    uint64_t seen_lsn;      /* K3, see engine/ops/crossings.h */
    uint64_t forgotten_lsn; /* events up to there are not all among those that follow */
} __attribute__((packed));

/* A run of levels of a channel; what is not in any is LEVEL_NONE. */
struct contents_levels {
    uint32_t length;
    uint16_t what;
    uint16_t channel;
    uint32_t from; /* byte of the channel's plane: four items each, the first in the lowest bits */
    uint32_t bytes;
} __attribute__((packed)); /* that many bytes; zeroes */

struct contents_event {
    uint32_t length;
    uint16_t what;
    uint8_t type; /* enum event_type */
    uint8_t id_len;
    uint64_t lsn, time_ms;
    uint32_t item;     /* UINT32_MAX: none */
    uint16_t location; /* UINT16_MAX: none */
    uint16_t channel;  /* likewise */
    int64_t qty;
    uint64_t has_qty;      /* 0 or 1 */
} __attribute__((packed)); /* id; zeroes */

/* Which promises of a pool were told to be short, see engine/ops/shortages.h. */
struct contents_shortage {
    uint32_t length;
    uint16_t what;
    uint16_t zero;
    struct pool_key pool;
    uint64_t since, until;
} __attribute__((packed));

/* See engine/ledger/leaps.h. from 0: LSNs below `to` may have been taken back by earlier ones. */
struct contents_leap {
    uint32_t length;
    uint16_t what;
    uint16_t zero;
    uint64_t from, to;
} __attribute__((packed));

/* Figures: first from when on they are there, then the facts, day by day. */
struct contents_fact {
    uint32_t item;              /* index; FACT_NO_ITEM. The first record: detail_from */
    uint16_t location, channel; /* indexes; FACT_NO_CODE. The first record: 0, 0 */
    uint32_t hour;              /* since 1970. The first record: whole_from */
    uint32_t measure;           /* enum measure. The first record: 0 */
    uint32_t units, count;      /* The first record: crossings_from, 1 */
} __attribute__((packed));

/* Totals of the contents; known once they are written, needed before they are loaded. */
struct contents_totals {
    uint64_t items;          /* indexes given out */
    uint64_t pools;          /* in use */
    uint64_t slots;          /* taken by entries and their draws */
    uint64_t finished_slots; /* the first ones: of ended entries */
    uint64_t recents;
    uint64_t forgotten_ms;     /* changes of on hand up to here are not remembered */
    uint64_t ids_forgotten_ms; /* ids that ended up to here may be forgotten */
    uint64_t born_ms;          /* when the first id was done */
    uint64_t last_ms;          /* of the last change */
    /* Table sizes of the ledger that wrote them. */
    uint64_t items_max, pools_max, reservations_max;
};

/* ---- writing ---- */

struct contents_sink {
    void *context;
    /* Returns room for the next record; NULL stops the writing. */
    void *(*room)(void *context, enum contents_kind kind, uint32_t length);
};

/* Writes the contents of a ledger at rest. 0; -EBUSY if an operation is under way; -EIO if the sink
 * has no room. */
int ledger_contents_write(const struct ledger *ledger, const struct contents_sink *sink,
                          struct contents_totals *totals);

/* ---- loading ---- */

struct contents_load {
    struct ledger *ledger;
    struct contents_totals totals;
    uint64_t dropped; /* slots of the oldest finished entries, which do not fit */
    /* Weighted sums over all pools, and over what all live draws have left and transfers hold: they
     * must be equal (I1). Each thread adds once per run of records; relaxed, read after the threads
     * have ended. */
    _Atomic uint64_t reserved, promised;
    _Atomic uint64_t early; /* ids left out before they were ripe; likewise */
};

struct contents_complaint {
    char text[160];
};

/* Begins to load into a fresh ledger. 0; -ENOSPC if a table is too small; -EINVAL. If there are
 * more ids than its table has room for, the oldest finished ones are left out. */
int ledger_contents_begin(struct contents_load *load, struct ledger *ledger,
                          const struct contents_totals *totals,
                          struct contents_complaint *complaint);

/* Loads a run of whole records of one kind. 0; -EINVAL or -ENOSPC, and the reason. Any thread, but
 * one kind after the other. */
int ledger_contents_load(struct contents_load *load, enum contents_kind kind, const void *bytes,
                         size_t length, struct contents_complaint *complaint);

/* Call after all contents, before the records that follow (ledger_apply) or ledger_recovered. 0, or
 * -EINVAL if reserved stock disagrees with reservations and held transfers. */
int ledger_contents_end(struct contents_load *load, struct contents_complaint *complaint);

/* Copies a record's fixed part; false if the record is not whole. */
static inline bool contents_open_record(const unsigned char *at, size_t left, void *fixed,
                                        size_t size)
{
    uint32_t length;
    if (left < size)
        return false;
    memcpy(fixed, at, size);
    memcpy(&length, at, sizeof length);
    return length >= size && length <= left && length % 8 == 0;
}

#endif
