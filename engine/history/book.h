/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book: the journal's records, told as the history of an item or of an id.
 *
 * A record of a reservation's later life names its id alone: what it did to an item is known only
 * from the reserve before it. So the book is folded: it takes the records in order, remembers the
 * pools and the open reservations that concern what was asked for, and makes events of them.
 * It knows no files, and touches no ledger: whoever has records may fold them, on any thread.
 */
#ifndef STOCKD_ENGINE_HISTORY_BOOK_H
#define STOCKD_ENGINE_HISTORY_BOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"
#include "engine/log/record.h"
#include "engine/replay/image.h"
#include "engine/store/entry.h"
#include "engine/store/returns.h"

enum book_subject { BOOK_ALL, BOOK_ITEM, BOOK_ID };

struct book_filter {
    enum book_subject subject;
    uint32_t item;  /* BOOK_ITEM: its index; BOOK_RETURNED: likewise, of what is returned */
    uint8_t id_len; /* BOOK_ID: of an operation, a step or a reservation */
    char id[ID_MAX];
};

/* What one record did to one pool; or that it touched no pool (then has_pool is false). */
struct book_event {
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

struct book_pool {
    struct pool_key key;
    bool used;
    int64_t on_hand, reserved;
};

struct book_draw {
    struct pool_key pool;
    uint16_t index; /* in the reservation */
    uint32_t qty, left;
};

/* An open reservation, as far as it concerns what was asked for. */
struct book_hold {
    struct book_hold *next;
    uint64_t hash;
    uint16_t channel;
    uint8_t id_len;
    char id[ID_MAX];
    uint32_t draw_count;
    struct book_draw draws[];
};

/* BOOK_ID: what an image says of the reservation of that id, finished or not. */
struct book_seen {
    bool known;
    enum entry_state state;
    uint64_t fulfilled; /* units of the filter's item */
};

struct book {
    struct book_filter filter;
    struct book_seen seen;
    struct book_pool *pools; /* a hash table, owned */
    size_t pool_room, pool_count;
    struct book_hold **holds; /* chained, owned */
    size_t hold_room, hold_count;
    uint64_t time_ms; /* of the last event: threads begin their turns at times of their own, and the
                         past is told in one order */
    bool born;        /* BOOK_ITEM: its first record has been seen */
    bool concerned;   /* the record that was taken last concerns what was asked for */
    uint64_t lsn;     /* all records up to here were taken */
};

void book_open(struct book *book, const struct book_filter *filter);
void book_close(struct book *book);

/* Called for each event, in order; texts live for the call. Non-zero stops, and is returned. */
typedef int book_emit(void *context, const struct book_event *event);

/* Takes the record that ends at lsn, in a batch of that time. emit may be NULL. 0, -ENOMEM, -EILSEQ
 * (the record is not what its type says), or what emit returned. */
int book_take(struct book *book, const struct record_head *record, uint64_t lsn, uint64_t time_ms,
              book_emit *emit, void *context);

/* Takes whole records of an image, which stand for all records of the journal before it. 0, -ENOMEM
 * or -EILSEQ. */
int book_load(struct book *book, enum image_kind kind, const unsigned char *bytes, size_t length);
/* What an image says of one pool, of one open reservation. 0 or -ENOMEM. */
int book_set_pool(struct book *book, const struct pool_key *key, int64_t on_hand, int64_t reserved);
int book_set_hold(struct book *book, struct text id, uint16_t channel,
                  const struct book_draw *draws, uint32_t count);

/* Walks the pools: *cursor is 0 at first; NULL at the end. */
const struct book_pool *book_next_pool(const struct book *book, size_t *cursor);

/* ---- asking ---- */

enum book_kind {
    BOOK_HISTORY,
    BOOK_STOCK,
    BOOK_RETURNED, /* what may still be returned of a reservation: BOOK_ID, and the item */
};

enum book_outcome {
    BOOK_ANSWERED,
    BOOK_NOT_YET, /* at is later than what the journal holds: lsn says how far it goes */
    BOOK_NO_MORE, /* at is earlier than what is kept: begins_lsn says from where on */
    BOOK_UNBORN,  /* BOOK_STOCK: there was no such item then */
    BOOK_FAILED,  /* the journal could not be read: why says it */
    BOOK_STOPPED, /* nobody wants to know any more */
};

enum { BOOK_LIMIT_MAX = 1000 };

/* A question and its answer. It belongs to one thread at a time: asker, reader, asker. */
struct book_question {
    enum book_kind kind;
    struct book_filter filter;
    uint64_t since_lsn; /* BOOK_HISTORY: events after it */
    uint32_t limit;     /* BOOK_HISTORY: a page ends with the record that reaches it */
    bool has_lsn, has_time;
    uint64_t at;            /* BOOK_STOCK: an LSN, or a time in ms, up to which it is asked */
    uint64_t upto;          /* nothing after this LSN is told: what is durable */
    uint64_t asked_upto;    /* upto, as it was asked for: it may be more than became durable */
    _Atomic bool abandoned; /* the asker sets it, the reader looks: relaxed, a hint to stop */

    enum book_outcome outcome;
    uint64_t lsn;              /* history: everything up to here was looked at; stock: as of here */
    uint64_t time_ms;          /* BOOK_STOCK: of the last batch in it */
    uint64_t begins_lsn;       /* nothing is kept of what was before */
    uint64_t next;             /* history: since_lsn of the next page; 0: this was the last */
    struct book_event *events; /* owned; their texts lie in `texts` */
    uint32_t event_count, event_room;
    char *texts; /* owned */
    size_t text_length, text_room;
    struct book_pool *pools; /* BOOK_STOCK: owned */
    uint32_t pool_count;
    struct return_evidence evidence; /* BOOK_RETURNED */
    char why[256];

    void *asker;                         /* the asker's own */
    struct book_question *next_question; /* in whoever's list it is */
};

/* NULL: no memory. */
struct book_question *book_question_new(enum book_kind kind);
void book_question_free(struct book_question *question); /* NULL is fine */

/* Keeps a copy of an event, texts and all; its texts can be read after book_settle_texts. 0 or
 * -ENOMEM. */
int book_keep(struct book_question *question, const struct book_event *event);
void book_settle_texts(struct book_question *question);

/* BOOK_RETURNED: counts an event in (a book_emit's work); and, once the book was begun from an
 * image, what that said. */
void book_count_returned(struct book_question *question, const struct book_event *event);
void book_begin_returned(struct book_question *question, const struct book_seen *seen);

#endif
