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
#ifndef STOCKD_ENGINE_REPLAY_IMAGE_H
#define STOCKD_ENGINE_REPLAY_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/log/record.h"
#include "engine/store/entry.h"

struct ledger;

/* In the order in which they are written, and must be loaded. */
enum image_kind {
    IMAGE_SETTINGS = 1, /* locations, channels, clients; in order, by one thread */
    IMAGE_ITEMS = 2,    /* items with their details and pools */
    IMAGE_ENTRIES = 3,  /* what ids stand for */
    IMAGE_RECENT = 4,   /* recent changes of what is on hand; in order, by one thread */
    IMAGE_KIND_END = 5,
};

/* A setting, client or the like: the journal's record of it as it is now. */
struct image_setting {
    uint64_t lsn;          /* of its last change */
} __attribute__((packed)); /* a record as in the journal */

struct image_item {
    uint32_t length; /* of all of it; a multiple of 8 */
    uint32_t item;   /* its index */
    uint64_t mark;   /* LSN of its last change */
    uint64_t details_lsn;
    int32_t low_stock;       /* -1: not set */
    int32_t backorder_limit; /* -1: not set */
    uint32_t pool_count;
    uint8_t detailed; /* 0: it has no details */
    uint8_t sku_len, name_len, barcode_len;
} __attribute__((packed)); /* pool_count x struct image_pool; sku, name, barcode; zeroes */

struct image_pool {
    uint16_t location;
    uint16_t owner; /* as in struct pool_key */
    uint32_t on_hand;
    uint32_t reserved;
} __attribute__((packed));

/* What an id stands for. Slots count from the one that is to be reused first: those of what has
 * ended come before those of what is live. */
struct image_entry {
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
    packed)); /* draw_count x struct image_draw; id; timed: draw_count x u64, when each is
                              ready, wall clock; zeroes */

/* Of what has ended: when. */
static inline uint64_t image_ended_ms(const struct image_entry *image)
{
    if (image->kind == ENTRY_RESERVATION)
        return image->reservation.moment;
    return image->kind == ENTRY_STEP ? image->step.done_ms : image->movement.done_ms;
}

struct image_draw {
    struct pool_key pool;
    uint32_t qty, fulfilled, cancelled;
} __attribute__((packed));

struct image_recent {
    uint64_t time_ms;
    struct pool_key pool;
    int32_t delta;
    uint32_t zero;
} __attribute__((packed));

/* Of the whole image; known once it is written, needed before it is loaded. */
struct image_totals {
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

struct image_sink {
    void *context;
    /* Room for the next record; NULL ends it all. */
    void *(*room)(void *context, enum image_kind kind, uint32_t length);
};

/* Writes a ledger at rest. 0; -EBUSY if something is under way in it; -EIO if there is no room. */
int ledger_image_write(const struct ledger *ledger, const struct image_sink *sink,
                       struct image_totals *totals);

/* ---- loading ---- */

struct image_load {
    struct ledger *ledger;
    struct image_totals totals;
    uint64_t dropped; /* slots of the oldest finished entries, for which there is no room */
    /* Weighted sums over all pools, and over what is left of all live draws: they must be equal
     * (I1). Each thread adds once per run of records; relaxed, read after the threads have ended.
     */
    _Atomic uint64_t reserved, promised;
    _Atomic uint64_t early; /* ids left out before their time was over; likewise */
};

struct image_complaint {
    char text[160];
};

/* Starts to load into a fresh ledger. 0; -ENOSPC if a table is too small. If there are more ids
 * than its table has room for, the oldest finished ones are left out. */
int ledger_image_begin(struct image_load *load, struct ledger *ledger,
                       const struct image_totals *totals, struct image_complaint *complaint);

/* Loads a run of whole records of one kind. 0; -EINVAL or -ENOSPC, and why. Any thread, but one
 * kind after the other. */
int ledger_image_load(struct image_load *load, enum image_kind kind, const void *bytes,
                      size_t length, struct image_complaint *complaint);

/* After all of it, before the records that follow (ledger_apply), or ledger_recovered. 0, or
 * -EINVAL if reserved stock and reservations do not agree. */
int ledger_image_end(struct image_load *load, struct image_complaint *complaint);

#endif
