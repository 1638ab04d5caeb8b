/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history: the journal's records, told as the events of an item or of an id.
 *
 * A later record of a reservation has only its id: what it did to an item is known only from the
 * reserve record before it; and so it is with a supply. So the history folds the records in order,
 * remembers the pools, open reservations and supplies that match the filter, and makes events of
 * them. It knows no files and touches no ledger: any thread that has records may fold them.
 *
 * It tells stock as `stock` shows it: of a pool of expected units, what has not come yet; what has
 * come belongs to the shared pool of the place, whatever it was promised from. So an order that
 * draws from a supply, and is fulfilled once that has come, reserves in the one pool and leaves the
 * other.
 */
#ifndef STOCKD_ENGINE_HISTORY_HISTORY_H
#define STOCKD_ENGINE_HISTORY_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"
#include "engine/log/record.h"
#include "engine/replay/contents.h"
#include "engine/reports/report.h"
#include "engine/store/returns.h"
#include "engine/store/stocking.h"
#include "engine/store/supply_lines.h"

enum history_subject { HISTORY_ALL, HISTORY_ITEM, HISTORY_ID };

struct history_filter {
    enum history_subject subject;
    uint32_t item;  /* HISTORY_ITEM: its index; HISTORY_RETURNED: the returned item's index */
    uint8_t id_len; /* HISTORY_ID: of an operation, a step or a reservation */
    char id[ID_MAX];
};

/* What one record did to one pool; if it touched none, has_pool is false. */
struct history_event {
    uint64_t lsn, time_ms;
    enum record_type record;
    const char *type;  /* "receive", "reserve", ...; static */
    const char *state; /* of the reservation afterwards; static; NULL: no reservation */
    uint16_t client;   /* index of the client; 0: none */
    uint16_t channel;  /* of the reservation, or the owner of an allotted pool */
    bool has_channel;
    bool has_item; /* pool.item means something */
    bool has_pool; /* all of pool does, and kind */
    struct pool_key pool;
    const char *kind; /* of the pool, as `stock` names it; static */
    int64_t qty;      /* on hand: signed change; reservations: units of this step */
    bool has_stock;
    int64_t on_hand, reserved; /* of the pool, afterwards */
    bool has_stocking;
    struct stocking stocking;        /* as it is set by this */
    uint64_t expires_ms;             /* 0: no deadline is set by this */
    uint64_t eta_ms;                 /* of the supply afterwards; 0: none, or not known */
    struct text id, op, ref, reason; /* borrowed */
};

struct history_supply;

/* on_hand and reserved are those of the pool's word. */
struct history_pool {
    struct pool_key key;
    bool used;
    int64_t on_hand, reserved;
    int64_t expected; /* of expected units: what has not come yet */
    /* Shared: of units that have come of supplies to the place; of expected units: its own part. */
    int64_t come, come_reserved;
    const struct history_supply *supply; /* that owns the pool of expected units, or NULL */
};

/* A pool as `stock` shows it. */
struct history_shown {
    struct pool_key key;
    const char *kind; /* static */
    int64_t on_hand, reserved;
    uint64_t eta_ms;    /* 0: none, or not known */
    struct text supply; /* its id; absent: none */
};

struct history_draw {
    struct pool_key pool;
    uint16_t index; /* in the reservation */
    uint32_t qty, left;
};

/* What later records name by its id. */
struct history_named {
    struct history_named *next;
    uint64_t hash;
    uint8_t id_len;
    char id[ID_MAX];
};

/* A chained hash table of them, by their ids. */
struct history_names {
    struct history_named **at; /* owned, and what it leads to */
    size_t room, count;
};

/* An open reservation, as far as it matches the filter. */
struct history_hold {
    struct history_named named;
    uint16_t channel;
    uint32_t draw_count;
    struct history_draw draws[];
};

/* A line of a supply: `pool` is not used. */
struct history_line {
    uint32_t item;
    uint16_t slot; /* of its pool at the destination, while units are under way */
    struct line_entry line;
};

/* A supply that is not over and concerns what the filter asks for: with all its lines, from which
 * its state follows. */
struct history_supply {
    struct history_named named;
    uint64_t eta_ms;         /* 0: not known */
    uint16_t from, location; /* from: index + 1; 0: from outside */
    enum supply_state state;
    uint32_t line_count;
    struct history_line lines[];
};

/* HISTORY_ID: what snapshot contents say of the reservation with that id, finished or not. */
struct history_seen {
    bool known;
    enum entry_state state;
    uint16_t channel;
    uint64_t fulfilled; /* units of the filter's item */
};

struct history {
    struct history_filter filter;
    struct history_seen seen;
    struct history_pool *pools; /* a hash table, owned */
    size_t pool_room, pool_count;
    struct history_names holds, supplies;
    uint64_t time_ms; /* of the last event: threads begin iterations at different times, and events
                         come in one order */
    bool born;        /* HISTORY_ITEM: its first record has been taken */
    bool concerned;   /* the last taken record matches the filter */
    uint64_t lsn;     /* all records up to here are taken */
};

void history_open(struct history *history, const struct history_filter *filter);
void history_close(struct history *history);

/* Called for each event, in order; texts live for the call. Non-zero stops the fold and is
 * returned. */
typedef int history_emit(void *context, const struct history_event *event);

/* Takes the record that ends at lsn, in a batch of that time. emit may be NULL. 0, -ENOMEM, -EILSEQ
 * (malformed record), or what emit returned. */
int history_take(struct history *history, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms, history_emit *emit, void *context);

/* Takes whole records of snapshot contents, which stand for all journal records before the
 * snapshot. 0, -ENOMEM or -EILSEQ. */
int history_load(struct history *history, enum contents_kind kind, const unsigned char *bytes,
                 size_t length);
/* Set one pool, or one open reservation, from snapshot contents. 0 or -ENOMEM. */
int history_set_pool(struct history *history, const struct pool_key *key, int64_t on_hand,
                     int64_t reserved);
int history_set_hold(struct history *history, struct text id, uint16_t channel,
                     const struct history_draw *draws, uint32_t count);

/* Set one supply that is not over, as it is then. `of` has all but its name, the number of its
 * lines and the lines. 0 or -ENOMEM. */
int history_set_supply(struct history *history, struct text id, const struct history_supply *of,
                       const struct history_line *lines, uint32_t count);

/* Walks the pools: *cursor starts at 0; NULL at the end. */
const struct history_pool *history_next_pool(const struct history *history, size_t *cursor);
/* False: it has nothing to show. */
bool history_show_pool(const struct history_pool *pool, struct history_shown *shown);

/* ---- queries ---- */

enum history_kind {
    HISTORY_EVENTS,
    HISTORY_STOCK,
    HISTORY_RETURNED, /* what may still be returned of a reservation: HISTORY_ID, and the item */
    HISTORY_REPORT,   /* figures: nothing is read from the journal */
};

enum history_outcome {
    HISTORY_ANSWERED,
    HISTORY_NOT_YET, /* `at` is later than what the journal holds: it ends at `lsn` */
    HISTORY_NO_MORE, /* `at` is earlier than what is kept: that begins at `begins_lsn` */
    HISTORY_UNBORN,  /* HISTORY_STOCK: the item did not exist then */
    HISTORY_FAILED,  /* the journal could not be read: `why` has the reason */
    HISTORY_STOPPED, /* the asker no longer wants the answer */
};

enum { HISTORY_LIMIT_MAX = 1000 };

/* A history query and its answer. One thread at a time owns it: asker, reader, asker. */
struct history_query {
    enum history_kind kind;
    struct history_filter filter;
    uint64_t since_lsn; /* HISTORY_EVENTS: events after it */
    uint32_t limit;     /* HISTORY_EVENTS: a page ends with the record that reaches it */
    bool has_lsn, has_time;
    uint64_t at;            /* HISTORY_STOCK: the LSN, or the time in ms, that it asks about */
    uint64_t upto;          /* the durable LSN; the answer leaves out all records after it */
    uint64_t asked_upto;    /* upto as requested: may be more than became durable */
    _Atomic bool abandoned; /* the asker sets it, the reader reads it: relaxed, a hint to stop */

    enum history_outcome outcome;
    uint64_t lsn;        /* history: everything up to here is examined; stock: as of here */
    uint64_t time_ms;    /* HISTORY_STOCK: of the last batch included */
    uint64_t begins_lsn; /* nothing before this is kept */
    uint64_t next;       /* history: since_lsn of the next page; 0: this is the last */
    struct history_event *events; /* owned; their texts lie in `texts` */
    uint32_t event_count, event_room;
    char *texts; /* owned */
    size_t text_length, text_room;
    struct history_shown *pools; /* HISTORY_STOCK: owned; their texts lie in `texts` */
    uint32_t pool_count;
    struct return_evidence evidence; /* HISTORY_RETURNED */
    struct report *report;           /* HISTORY_REPORT: owned */
    char why[256];

    void *asker;                      /* for the asker's use */
    struct history_query *next_query; /* in the list that holds it */
};

/* NULL: no memory. */
struct history_query *history_query_new(enum history_kind kind);
void history_query_free(struct history_query *query); /* NULL is fine */

/* Keeps a copy of an event with its texts, which can be read after history_settle_texts. 0 or
 * -ENOMEM. */
int history_keep(struct history_query *query, const struct history_event *event);
/* Keeps what there is in stock, likewise. */
int history_keep_stock(struct history_query *query, const struct history *history);
void history_settle_texts(struct history_query *query);

/* HISTORY_RETURNED: count an event (for a history_emit); and take what snapshot contents say, if
 * the history begins with them. */
void history_count_returned(struct history_query *query, const struct history_event *event);
void history_begin_returned(struct history_query *query, const struct history_seen *seen);

#endif
