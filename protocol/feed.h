/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change feed: what has changed since an LSN, for a client that asks (changes) or that wants to
 * be told (subscribe). Both follow the engine's marks (engine/ledger/change_index.h): nothing is
 * queued, and only the newest value of an item on a channel is ever shown.
 *
 * A change of the catalogue touches what all items show on some channels. Who knows everything up
 * to an LSN before it has to look at all items again; see feed_touched.
 *
 * A connection's feed belongs to its worker's thread; nothing here makes system calls.
 */
#ifndef STOCKD_PROTOCOL_FEED_H
#define STOCKD_PROTOCOL_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/out.h"

enum { FEED_ALL_CHANNELS = UINT16_MAX };

/*
 * A full read, from LSN 0 on, on one connection. Its pages may begin before the last change of the
 * catalogue, since all that it was given was read after it.
 */
struct feed_reading {
    uint64_t next;    /* where it goes on; 0: there is none */
    uint64_t touched; /* of its channel, when it began */
    uint16_t channel;
};

/*
 * A subscriber is told, walk by walk, what has changed between two LSNs. A walk meets the items in
 * the order of their indexes, so that each gets its turn however slow the subscriber is.
 */
struct subscription {
    bool on;
    bool progress; /* wants to hear where each walk ended */
    bool eager;    /* the walk before passed over items that were still changing: not again */
    bool passed;   /* this walk has passed over some */
    uint16_t channel;
    uint32_t cursor;   /* of the walk */
    uint64_t since;    /* it was told everything up to here */
    uint64_t target;   /* the walk tells everything up to here; 0: no walk is under way */
    uint64_t sent;     /* place in the output, when that moved last */
    uint64_t moved_ms; /* steady time of that */
};

struct feed {
    struct feed_reading reading;
    struct subscription subscription;
};

/* The LSN of the last change of the catalogue that touches what the channel shows of all items. */
uint64_t feed_touched(const struct catalogue *catalogue, uint16_t channel);

/* What is looked at, in an iteration of the context. */
struct feed_view {
    const struct ledger *ledger;
    struct ctx *ctx;
    uint16_t channel;   /* or FEED_ALL_CHANNELS */
    uint64_t locations; /* the LSN of the last change of one */
};

struct feed_view feed_look(const struct ledger *ledger, struct ctx *ctx, uint16_t channel);

/* What is told of an item. */
struct feed_item {
    uint32_t index;
    uint64_t version;
    uint64_t since; /* channels on which nothing has changed since are left out */
    uint64_t until; /* no row says more than this */
};

/* Packs [channel, sku, available, lsn] per channel, as notifications or by themselves. Returns how
 * many. */
uint32_t feed_pack_item(const struct feed_view *view, struct out *out, const struct feed_item *item,
                        bool notifications);

/* ---- telling subscribers ---- */

enum { FEED_SLICE_ROWS = 256, FEED_SLICE_LOOKS = 4096 };

/* A part of a walk, packed: those who are at the same place get the same bytes. */
struct feed_slice {
    bool made;
    bool given;               /* to somebody; the caller's to set */
    struct subscription from; /* whom it was made for */
    struct subscription to;
    struct out out;
    uint32_t rows;
    uint64_t shown_until; /* may go when the log is acknowledged up to here */
};

/* Begins a walk if there is something to tell; false: there is not. head: from log_head. */
bool feed_begin_walk(struct subscription *s, uint64_t head);

/* Packs the next part of the subscriber's walk, if the slice is not that already. False: a change
 * is under way in the middle of it; try again soon. In an iteration of the context. */
bool feed_make_slice(struct feed_slice *slice, const struct feed_view *view,
                     const struct subscription *s);
void feed_drop_slice(struct feed_slice *slice);

/* Gives the subscriber the slice that was made for it. */
void feed_give_slice(struct subscription *s, struct out *to, const struct feed_slice *slice);

#endif
