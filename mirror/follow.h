/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the engine: which items to show next, and what they show now.
 *
 * Three cursors run side by side, so none holds up the others:
 *   fresh    walks what has changed since the last walk (engine/ledger/change_index.h);
 *   backlog  takes over what a fresh walk could not finish at once, after an import or an outage;
 *   pass     checks all items against Redis. It is mandatory after a catalogue change and when
 *            Redis may hold anything; otherwise it runs slowly all the time, as an audit, so damage
 *            by other writers does not last. At its end it scans for keys of unknown items.
 *
 * A batch is what the cursors have found for one transaction, with the position that they reached.
 * The position is confirmed once Redis has applied the batch; after a failure the cursors go back
 * to the last confirmed one. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_FOLLOW_H
#define STOCKD_MIRROR_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"

enum {
    BATCH_LEAST = 128, /* items in a batch; the round trip decides how many */
    BATCH_MOST = 4096,
    AUDIT_ITEMS = 256,       /* checked with each heartbeat when no pass is mandatory */
    VALUES_MAX = 128 * 1024, /* in a batch: items times channels */
    SUSPECTS_MAX = 64,
};

struct walk {
    uint64_t since, upto; /* LSNs: finds items changed after since, and all of those up to upto */
    uint64_t as_of_ms;    /* wall clock when the walk began */
    uint32_t cursor;
    bool active;
};

struct pass {
    uint64_t catalogue_lsn; /* of the catalogue that the pass compares by */
    uint64_t floor;         /* while mandatory: Redis shows all changes up to here */
    uint64_t scan;          /* cursor of SCAN */
    uint32_t cursor;        /* next item; wraps around */
    uint32_t left;          /* items still to check in this round */
    bool scanning;          /* still has to scan for keys of unknown items */
    bool mandatory;
};

struct position {
    struct walk fresh, backlog;
    struct pass pass;
    uint64_t as_of_ms; /* wall clock: every change up to then has been found */
};

struct change {
    uint32_t item;
    uint32_t values; /* index of its first value in the batch */
    uint64_t lsn;
    struct text sku; /* lives as long as the ledger */
    bool unread;     /* there was no room for its values; a later check will read them */
};

struct channel_codes {
    uint32_t count;
    struct code_text codes[CHANNELS_MAX];
};

struct batch {
    uint32_t count, checks; /* changes; the first `checks` of them are for the pass to compare */
    struct change changes[3 * BATCH_MOST];
    int64_t values[VALUES_MAX];
    uint32_t value_count;
    bool scans;      /* a SCAN goes out with its checks */
    bool full;       /* there was more than it could take */
    bool suspicious; /* has suspects among its checks */
    bool read;       /* follow_read has filled it */
    struct channel_codes channels;
    uint64_t shown_until;     /* covers everything that the values show: send the batch once the log
                                 is acknowledged up to here */
    struct position position; /* after the batch; set when it is sent */
};

struct follow {
    struct ledger *ledger;
    struct log *log;
    struct ctx *ctx;
    uint64_t engine_ms;              /* engine time when the engine started */
    uint64_t steady_ms;              /* CLOCK_MONOTONIC then */
    uint32_t limit;                  /* items in a batch, for each cursor */
    struct position at;              /* how far the engine was read */
    struct position confirmed;       /* how far Redis has applied it */
    uint32_t suspects[SUSPECTS_MAX]; /* items whose key has another type */
    uint32_t suspect_count;
};

/* Starts at the log's head, with a mandatory pass over all items. */
void follow_start(struct follow *f, uint64_t wall_ms);

/* The connection is gone: goes back to the confirmed position. */
void follow_rewind(struct follow *f);
/* Redis may have lost what was confirmed: starts a mandatory pass. No batch is on its way. */
void follow_doubt(struct follow *f);

/* Chooses the items that the pass checks with that batch, and whether it scans. Comes before
 * follow_read. audit: checks some even if no pass is mandatory. */
void follow_choose_checks(struct follow *f, struct batch *batch, bool audit);

/* Has that item checked in the next batch. */
void follow_suspect(struct follow *f, uint32_t item);

/* Begins an iteration of the context, in which names may be looked up; end it with ledger_end. */
void follow_begin(struct follow *f, uint64_t wall_ms);

/* Reads the values of the chosen items, and of those that have changed. */
void follow_read(struct follow *f, struct batch *batch, uint64_t wall_ms);

/* SCAN has returned that cursor; 0: the scan is complete. */
void follow_scanned(struct follow *f, uint64_t scan);

/* The LSN up to which Redis shows every change once that position is confirmed. */
uint64_t position_lsn(const struct position *position);

/* True if, once the position is confirmed, nothing older than its LSN is left to send. */
static inline bool position_is_live(const struct position *position)
{
    return !position->pass.mandatory && !position->backlog.active;
}

/* The LSN up to which the walks have sent every change; the pass is not considered. */
static inline uint64_t position_walked(const struct position *position)
{
    return position->backlog.active ? position->backlog.since : position->fresh.since;
}

/* Counts the items that have changed since the confirmed position; walks the change index. */
uint64_t follow_dirty(const struct follow *f);

static inline void batch_clear(struct batch *batch)
{
    batch->count = batch->checks = batch->value_count = 0;
    batch->scans = batch->full = batch->suspicious = batch->read = false;
}

#endif
