/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image of a ledger: all that it knows, as a stream of records of a few kinds, and back. What a
 * journal up to some LSN would make of a fresh ledger, an image of it makes at once.
 *
 * An image does not say how memory is laid out: pools are named as in the journal, slots of ids by
 * their age. So layout and table sizes may differ between who wrote it and who loads it.
 *
 * Records are little-endian, packed, a multiple of 8 bytes long. docs/FILE_FORMAT.md is their
 * specification; persistence/snapshot.h keeps them in files. A record is whole in itself: those of
 * one kind may be loaded in any order and by several threads, but for the two kinds that say so.
 */
#ifndef STOCKD_ENGINE_REPLAY_CONTENTS_H
#define STOCKD_ENGINE_REPLAY_CONTENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/log/record.h"
#include "engine/store/id_table.h"

struct ledger;

/* In the order in which they are written, and must be loaded. */
enum contents_kind {
    CONTENTS_SETTINGS = 1, /* locations, channels, clients; in order, by one thread */
    CONTENTS_ITEMS = 2,    /* items with their details and pools */
    CONTENTS_ENTRIES = 3,  /* what ids stand for */
    CONTENTS_RECENT = 4,   /* recent changes of what is on hand; in order, by one thread */
    CONTENTS_KIND_END = 5,
};

/* A setting, client or the like: the journal's record of it as it is now. */
struct contents_setting {
    uint64_t lsn;          /* of its last change */
} __attribute__((packed)); /* a record as in the journal */

struct contents_item {
    uint32_t length; /* of all of it; a multiple of 8 */
    uint32_t item;   /* its index */
    uint64_t mark;   /* LSN of its last change */
    uint64_t details_lsn;
    int32_t low_stock;       /* -1: not set */
    int32_t backorder_limit; /* -1: not set */
    uint32_t pool_count;
    uint8_t detailed; /* 0: it has no details */
    uint8_t sku_len, name_len, barcode_len;
} __attribute__((packed)); /* pool_count x struct contents_pool; sku, name, barcode; zeroes */

struct contents_pool {
    uint16_t location;
    uint16_t owner; /* as in struct pool_key */
    uint32_t on_hand;
    uint32_t reserved;
} __attribute__((packed));

/* What an id stands for. Slots count from the one that is to be reused first: those of what has
 * ended come before those of what is live. */
struct contents_entry {
    uint32_t length;
    uint32_t slot;  /* its place in the order of forgetting */
    uint32_t timed; /* 1: each draw says when it is ready; else they are when it was created */
    uint8_t kind;   /* enum entry_kind: a reservation, a movement, a step */
    uint8_t state;  /* enum entry_state */
    uint8_t last;   /* record type of the step that changed it last; 0: none */
    uint8_t id_len;
    uint32_t ttl_ms;
    uint16_t channel;
    uint16_t draw_count;
    uint64_t content;
    uint64_t lsn_first;
    union {
        struct {
            uint64_t lsn_last;
            uint64_t moment; /* held: its deadline; confirmed: the LSN that did it; else when it
                                ended */
            uint64_t created_ms;
            uint64_t zero;
        } __attribute__((packed)) reservation;
        struct {
            int64_t delta, on_hand, available; /* the reply that was given */
            uint64_t done_ms;
        } __attribute__((packed)) movement;
        struct {
            uint64_t state; /* it led to */
            uint64_t zero[2];
            uint64_t done_ms;
        } __attribute__((packed)) step;
    };
} __attribute__((
    packed)); /* draw_count x struct contents_draw; id; timed: draw_count x u64, when each is
                              ready, wall clock; zeroes */

/* Of what has ended: when. */
static inline uint64_t contents_ended_ms(const struct contents_entry *saved)
{
    if (saved->kind == ENTRY_RESERVATION)
        return saved->reservation.moment;
    return saved->kind == ENTRY_STEP ? saved->step.done_ms : saved->movement.done_ms;
}

struct contents_draw {
    struct pool_key pool;
    uint32_t qty, fulfilled, cancelled;
} __attribute__((packed));

struct contents_recent {
    uint64_t time_ms;
    struct pool_key pool;
    int32_t delta;
    uint32_t zero;
} __attribute__((packed));

/* Of the whole image; known once it is written, needed before it is loaded. */
struct contents_totals {
    uint64_t items;          /* indexes given out */
    uint64_t pools;          /* in use */
    uint64_t slots;          /* that entries and their draws take */
    uint64_t finished_slots; /* the first ones: of what has ended */
    uint64_t recents;
    uint64_t forgotten_ms;     /* changes of what is on hand up to here are not remembered */
    uint64_t ids_forgotten_ms; /* ids that ended up to here may not be */
    uint64_t born_ms;          /* when the first id was done */
    uint64_t last_ms;          /* of the last change */
    /* Sizes of the tables of the ledger that it was made from. */
    uint64_t items_max, pools_max, reservations_max;
};

/* ---- writing ---- */

struct contents_sink {
    void *context;
    /* Room for the next record; NULL ends it all. */
    void *(*room)(void *context, enum contents_kind kind, uint32_t length);
};

/* Writes a ledger at rest. 0; -EBUSY if something is under way in it; -EIO if there is no room. */
int ledger_contents_write(const struct ledger *ledger, const struct contents_sink *sink,
                          struct contents_totals *totals);

/* ---- loading ---- */

struct contents_load {
    struct ledger *ledger;
    struct contents_totals totals;
    uint64_t dropped; /* slots of the oldest finished entries, for which there is no room */
    /* Weighted sums over all pools, and over what is left of all live draws: they must be equal
     * (I1). Each thread adds once per run of records; relaxed, read after the threads have ended.
     */
    _Atomic uint64_t reserved, promised;
    _Atomic uint64_t early; /* ids left out before their time was over; likewise */
};

struct contents_complaint {
    char text[160];
};

/* Starts to load into a fresh ledger. 0; -ENOSPC if a table is too small. If there are more ids
 * than its table has room for, the oldest finished ones are left out. */
int ledger_contents_begin(struct contents_load *load, struct ledger *ledger,
                          const struct contents_totals *totals,
                          struct contents_complaint *complaint);

/* Loads a run of whole records of one kind. 0; -EINVAL or -ENOSPC, and why. Any thread, but one
 * kind after the other. */
int ledger_contents_load(struct contents_load *load, enum contents_kind kind, const void *bytes,
                         size_t length, struct contents_complaint *complaint);

/* After all of it, before the records that follow (ledger_apply), or ledger_recovered. 0, or
 * -EINVAL if reserved stock and reservations do not agree. */
int ledger_contents_end(struct contents_load *load, struct contents_complaint *complaint);

#endif
