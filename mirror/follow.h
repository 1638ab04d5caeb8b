/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the engine: which items are to be shown next, and what they show now.
 *
 * Three cursors run side by side, so that none holds the others up:
 *   fresh    walks what has changed since the last walk (engine/marks.h);
 *   backlog  what a fresh walk did not get through at once, after an import or an outage;
 *   pass     looks at all items, and compares them with what Redis holds: after a change of the
 *            catalogue, when Redis may hold anything (then it is mandatory), and else slowly all
 *            the time, so that what others have spoilt does not stay so. Then it looks for keys of
 *            items that there are not.
 *
 * A batch is what the cursors found for one transaction. The position after it is kept with it; it
 * counts when Redis has applied the batch. After a failure one goes on from the last that counted.
 * Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_FOLLOW_H
#define STOCKD_MIRROR_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger.h"

enum {
    BATCH_LEAST = 128, /* items of a batch: what Redis takes decides */
    BATCH_MOST = 4096,
    AUDIT_ITEMS = 256,       /* looked at, at each heartbeat, when no pass is mandatory */
    VALUES_MAX = 128 * 1024, /* of one batch: items times channels */
    SUSPECTS_MAX = 64,
};

struct walk {
    uint64_t since, upto; /* LSNs: it looks for marks over since; what is up to upto it will meet */
    uint64_t as_of_ms;    /* wall clock when it began */
    uint32_t cursor;
    bool active;
};

struct pass {
    uint64_t catalogue_lsn; /* of the catalogue that it shows */
    uint64_t floor;         /* as long as it is mandatory Redis shows all changes up to here */
    uint64_t scan;          /* Redis's cursor */
    uint32_t cursor;        /* goes round */
    uint32_t left;          /* items of this round */
    bool scanning;          /* looks for keys of items that there are not */
    bool mandatory;
};

struct position {
    struct walk fresh, backlog;
    struct pass pass;
    uint64_t as_of_ms; /* wall clock up to which everything that changed has been met */
};

struct change {
    uint32_t item;
    uint32_t values; /* of the first of its values in the batch */
    uint64_t lsn;
    struct text sku; /* lives as long as the ledger */
    bool unread;     /* there was no room for its values: another look will follow */
};

struct channel_codes {
    uint32_t count;
    struct code_text codes[CHANNELS_MAX];
};

struct batch {
    uint32_t count, looks; /* changes; those of them, the first ones, that the pass looks at */
    struct change changes[3 * BATCH_MOST];
    int64_t values[VALUES_MAX];
    uint32_t value_count;
    bool scans;      /* a SCAN was asked for it */
    bool full;       /* there was more than it took */
    bool suspicious; /* has suspects among its looks */
    bool read;       /* follow_read has been there */
    struct channel_codes channels;
    uint64_t shown_until;     /* covers all that the values show: wait until the log is
                                 acknowledged up to here */
    struct position position; /* after it; filled in when it is sent */
};

struct follow {
    struct ledger *ledger;
    struct log *log;
    struct seat *seat;
    uint64_t engine_ms;              /* a time that the seat may begin its turns with */
    uint32_t limit;                  /* items of a batch, for each cursor */
    struct position at;              /* of what has been read */
    struct position confirmed;       /* of what Redis has applied */
    uint32_t suspects[SUSPECTS_MAX]; /* items whose key is of another type */
    uint32_t suspect_count;
};

/* Begins with what there is: all of it is still to be looked at. */
void follow_start(struct follow *f, uint64_t wall_ms);

/* Nothing is on its way to Redis any more: what was read and not confirmed is to be read again. */
void follow_rewind(struct follow *f);
/* Nor may Redis hold what was confirmed: all items are to be looked at. Nothing is on its way. */
void follow_doubt(struct follow *f);

/* Chooses the items that the pass is to look at in that batch, and whether it is to scan; before
 * follow_read. audit: may be some although nothing is mandatory. */
void follow_look(struct follow *f, struct batch *batch, bool audit);

/* Looks at that item in the next batch. */
void follow_suspect(struct follow *f, uint32_t item);

/* Reads the values of what is to be looked at, and of what has changed. */
void follow_read(struct follow *f, struct batch *batch, uint64_t wall_ms);

/* Redis's next cursor, 0 at the end of a scan that follow_look asked for. */
void follow_scanned(struct follow *f, uint64_t scan);

/* The LSN up to which Redis shows everything, once it has what led to that position. */
uint64_t position_lsn(const struct position *position);

/* True: Redis shows everything up to the position's LSN, and nothing older is still to be sent. */
static inline bool position_is_live(const struct position *position)
{
    return !position->pass.mandatory && !position->backlog.active;
}

/* The LSN up to which every change was sent in that position, whatever its pass is at. */
static inline uint64_t position_walked(const struct position *position)
{
    return position->backlog.active ? position->backlog.since : position->fresh.since;
}

/* Items that have changed since what is confirmed; goes over the marks. */
uint64_t follow_dirty(const struct follow *f);

static inline void batch_clear(struct batch *batch)
{
    batch->count = batch->looks = batch->value_count = 0;
    batch->scans = batch->full = batch->suspicious = batch->read = false;
}

#endif
