/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history: the journal's records, told as the history of an item or of an id.
 *
 * A record of a reservation's later life names its id alone: what it did to an item is known only
 * from the reserve before it. So the history is folded: it takes the records in order, remembers
 * the pools and the open reservations that concern what was asked for, and makes events of them. It
 * knows no files, and touches no ledger: whoever has records may fold them, on any thread.
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
#include "engine/store/id_table.h"
#include "engine/store/returns.h"

enum history_subject { HISTORY_ALL, HISTORY_ITEM, HISTORY_ID };

struct history_filter {
    enum history_subject subject;
    uint32_t item;  /* HISTORY_ITEM: its index; HISTORY_RETURNED: likewise, of what is returned */
    uint8_t id_len; /* HISTORY_ID: of an operation, a step or a reservation */
    char id[ID_MAX];
};

/* What one record did to one pool; or that it touched no pool (then has_pool is false). */
struct history_event {
    uint64_t lsn, time_ms;
    enum record_type record;
    const char *type;  /* "receive", "reserve", ...; static */
    const char *state; /* of the reservation afterwards; static; NULL: no reservation */
    uint16_t client;   /* index of who; 0: nobody */
    uint16_t channel;  /* of the reservation, or the owner of an allotted pool */
    bool has_channel;
    bool has_item; /* pool.item means something */
    bool has_pool; /* all of pool does */
    struct pool_key pool;
    int64_t qty; /* on hand: signed change; reservations: units of this step */
    bool has_stock;
    int64_t on_hand, reserved;       /* of the pool, afterwards */
    uint64_t expires_ms;             /* 0: no deadline is set by this */
    struct text id, op, ref, reason; /* borrowed */
};

struct history_pool {
    struct pool_key key;
    bool used;
    int64_t on_hand, reserved;
};

struct history_draw {
    struct pool_key pool;
    uint16_t index; /* in the reservation */
    uint32_t qty, left;
};

/* An open reservation, as far as it concerns what was asked for. */
struct history_hold {
    struct history_hold *next;
    uint64_t hash;
    uint16_t channel;
    uint8_t id_len;
    char id[ID_MAX];
    uint32_t draw_count;
    struct history_draw draws[];
};

/* HISTORY_ID: what an image says of the reservation of that id, finished or not. */
struct history_seen {
    bool known;
    enum entry_state state;
    uint64_t fulfilled; /* units of the filter's item */
};

struct history {
    struct history_filter filter;
    struct history_seen seen;
    struct history_pool *pools; /* a hash table, owned */
    size_t pool_room, pool_count;
    struct history_hold **holds; /* chained, owned */
    size_t hold_room, hold_count;
    uint64_t time_ms; /* of the last event: threads begin their iterations at times of their own,
                         and the past is told in one order */
    bool born;        /* HISTORY_ITEM: its first record has been seen */
    bool concerned;   /* the record that was taken last concerns what was asked for */
    uint64_t lsn;     /* all records up to here were taken */
};

void history_open(struct history *history, const struct history_filter *filter);
void history_close(struct history *history);

/* Called for each event, in order; texts live for the call. Non-zero stops, and is returned. */
typedef int history_emit(void *context, const struct history_event *event);

/* Takes the record that ends at lsn, in a batch of that time. emit may be NULL. 0, -ENOMEM, -EILSEQ
 * (the record is not what its type says), or what emit returned. */
int history_take(struct history *history, const struct record_head *record, uint64_t lsn,
                 uint64_t time_ms, history_emit *emit, void *context);

/* Takes whole records of an image, which stand for all records of the journal before it. 0, -ENOMEM
 * or -EILSEQ. */
int history_load(struct history *history, enum contents_kind kind, const unsigned char *bytes,
                 size_t length);
/* What an image says of one pool, of one open reservation. 0 or -ENOMEM. */
int history_set_pool(struct history *history, const struct pool_key *key, int64_t on_hand,
                     int64_t reserved);
int history_set_hold(struct history *history, struct text id, uint16_t channel,
                     const struct history_draw *draws, uint32_t count);

/* Walks the pools: *cursor is 0 at first; NULL at the end. */
const struct history_pool *history_next_pool(const struct history *history, size_t *cursor);

/* ---- asking ---- */

enum history_kind {
    HISTORY_EVENTS,
    HISTORY_STOCK,
    HISTORY_RETURNED, /* what may still be returned of a reservation: HISTORY_ID, and the item */
};

enum history_outcome {
    HISTORY_ANSWERED,
    HISTORY_NOT_YET, /* at is later than what the journal holds: lsn says how far it goes */
    HISTORY_NO_MORE, /* at is earlier than what is kept: begins_lsn says from where on */
    HISTORY_UNBORN,  /* HISTORY_STOCK: there was no such item then */
    HISTORY_FAILED,  /* the journal could not be read: why says it */
    HISTORY_STOPPED, /* nobody wants to know any more */
};

enum { HISTORY_LIMIT_MAX = 1000 };

/* A question and its answer. It belongs to one thread at a time: asker, reader, asker. */
struct history_query {
    enum history_kind kind;
    struct history_filter filter;
    uint64_t since_lsn; /* HISTORY_EVENTS: events after it */
    uint32_t limit;     /* HISTORY_EVENTS: a page ends with the record that reaches it */
    bool has_lsn, has_time;
    uint64_t at;            /* HISTORY_STOCK: an LSN, or a time in ms, up to which it is asked */
    uint64_t upto;          /* nothing after this LSN is told: what is durable */
    uint64_t asked_upto;    /* upto, as it was asked for: it may be more than became durable */
    _Atomic bool abandoned; /* the asker sets it, the reader looks: relaxed, a hint to stop */

    enum history_outcome outcome;
    uint64_t lsn;        /* history: everything up to here was looked at; stock: as of here */
    uint64_t time_ms;    /* HISTORY_STOCK: of the last batch in it */
    uint64_t begins_lsn; /* nothing is kept of what was before */
    uint64_t next;       /* history: since_lsn of the next page; 0: this was the last */
    struct history_event *events; /* owned; their texts lie in `texts` */
    uint32_t event_count, event_room;
    char *texts; /* owned */
    size_t text_length, text_room;
    struct history_pool *pools; /* HISTORY_STOCK: owned */
    uint32_t pool_count;
    struct return_evidence evidence; /* HISTORY_RETURNED */
    char why[256];

    void *asker;                      /* the asker's own */
    struct history_query *next_query; /* in whoever's list it is */
};

/* NULL: no memory. */
struct history_query *history_query_new(enum history_kind kind);
void history_query_free(struct history_query *query); /* NULL is fine */

/* Keeps a copy of an event, texts and all; its texts can be read after history_settle_texts. 0 or
 * -ENOMEM. */
int history_keep(struct history_query *query, const struct history_event *event);
void history_settle_texts(struct history_query *query);

/* HISTORY_RETURNED: counts an event in (a history_emit's work); and, once the history was begun
 * from an image, what that said. */
void history_count_returned(struct history_query *query, const struct history_event *event);
void history_begin_returned(struct history_query *query, const struct history_seen *seen);

#endif
