/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change feed: what has changed since an LSN, for a client that polls (changes) or subscribes
 * (subscribe). Both follow the engine's change index (engine/ledger/change_index.h): nothing is
 * queued, and only the newest value of an item on a channel is ever shown.
 *
 * A catalogue change touches what all items show on some channels. A client that is up to date only
 * to an LSN before it must read all items again; see feed_touched.
 *
 * A connection's feed belongs to its worker's thread; nothing here makes system calls.
 */
#ifndef STOCKD_PROTOCOL_FEED_H
#define STOCKD_PROTOCOL_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/out.h"
#include "protocol/signals.h"

enum { FEED_ALL_CHANNELS = UINT16_MAX };

/*
 * A full read, from LSN 0 on, on one connection. Its pages may begin before the last catalogue
 * change, since everything it was given was read after that change.
 */
struct feed_reading {
    uint64_t next;    /* where it continues; 0: no full read */
    uint64_t touched; /* of its channel, when it began */
    uint16_t channel;
};

/*
 * A subscription sends what has changed between two LSNs, walk by walk. A walk visits the items in
 * index order, so it reaches each one however slow the subscriber is.
 */
struct subscription {
    bool on;
    bool progress; /* wants to be told where each walk ended */
    bool eager;    /* the previous walk skipped items that were still changing: this one must not */
    bool passed;   /* this walk has skipped some */
    uint16_t channel;
    uint32_t cursor;   /* of the walk */
    uint64_t since;    /* it has been told everything up to here */
    uint64_t target;   /* the walk tells everything up to here; 0: no walk is under way */
    uint64_t sent;     /* offset in the output when that last moved */
    uint64_t moved_ms; /* steady time of that */
};

struct feed {
    struct feed_reading reading;
    struct subscription subscription;
    struct event_subscription events;
};

/* The LSN of the last catalogue change that touches what the channel shows of all items. */
uint64_t feed_touched(const struct catalogue *catalogue, uint16_t channel);

/* What is read, in an iteration of the context. */
struct feed_view {
    const struct ledger *ledger;
    struct ctx *ctx;
    uint16_t channel;   /* or FEED_ALL_CHANNELS */
    uint64_t locations; /* LSN of the last change of a location */
};

struct feed_view feed_look(const struct ledger *ledger, struct ctx *ctx, uint16_t channel);

/* What to tell about an item. */
struct feed_item {
    uint32_t index;
    uint64_t version;
    uint64_t since; /* omits channels on which nothing has changed since */
    uint64_t until; /* caps the lsn of each row */
};

/* Packs [channel, sku, available, lsn] per channel, as notifications or as plain rows. Returns how
 * many. */
uint32_t feed_pack_item(const struct feed_view *view, struct out *out, const struct feed_item *item,
                        bool notifications);

/* ---- telling subscribers ---- */

enum { FEED_SLICE_ROWS = 256, FEED_SLICE_LOOKS = 4096 };

/* A packed part of a walk: subscribers at the same position get the same bytes. */
struct feed_slice {
    bool made;
    bool given;               /* to at least one subscriber; the caller sets it */
    struct subscription from; /* the subscriber that it was made for */
    struct subscription to;
    struct out out;
    uint32_t rows;
    uint64_t shown_until; /* may be sent once the log is acknowledged up to here */
};

/* Begins a walk; false: there is nothing to tell. head: from log_head. */
bool feed_begin_walk(struct subscription *s, uint64_t head);

/* Packs the next part of the subscriber's walk, unless the slice is that already. False: a change
 * is under way in the middle of it; try again soon. In an iteration of the context. */
bool feed_make_slice(struct feed_slice *slice, const struct feed_view *view,
                     const struct subscription *s);
void feed_drop_slice(struct feed_slice *slice);

/* Gives the subscriber the slice that was made for it. */
void feed_give_slice(struct subscription *s, struct out *to, const struct feed_slice *slice);

#endif
