/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: one change each, as the journal stores them. docs/FILE_FORMAT.md specifies them.
 *
 * A record says what happened, not what was requested: which pools were drawn from, not which rule
 * chose them. So replay needs no rules, and no change of rules alters the past.
 *
 * Bytes: little-endian, packed; record.def lists every field. Reading borrows from the given bytes,
 * and trusts no length before it is checked.
 */
#ifndef STOCKD_ENGINE_LOG_RECORD_H
#define STOCKD_ENGINE_LOG_RECORD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/log/log.h"
#include "engine/log/record.def"

enum record_type {
#define X(type, number, name, tag, flags) RECORD_##type = (number),
    RECORD_TYPES(X)
#undef X
};

/*
 * Times in records are wall clock times, as clients saw them; but deadlines are measured in engine
 * time (protocol/clock.h), which never goes back. If the two differ, a hold's record has this flag,
 * and a u64 at its end: the engine time of the same moment.
 */
enum { RECORD_TWO_CLOCKS = 1 }; /* a flag of reserve and extend */
enum { RESERVE_TIMED = 16 };    /* a flag of reserve, and of sent: its draws have ready times */
enum { RESERVE_REF = 8 };       /* it has a ref */
enum { RESERVE_PICKUP = 4 };    /* with that: of collections, not of parcels */
/* Another one is of an earlier or a later version, which means something by it. */
enum { RESERVE_FLAGS = RECORD_TWO_CLOCKS | RESERVE_PICKUP | RESERVE_REF | RESERVE_TIMED };

/* A flag of a sweep: its pool pays what the place owes. What is owed falls by as much. */
enum { SWEEP_PAYS = 1 };

/* A flag of an undone: none was; but of what is free of its item, nobody who waits for it can have
 * any, as all of them were looked at. */
enum { UNDONE_IN_VAIN = 1 };

/* The flags of a movement's head: its kind, and for a count whether it says when it was taken. */
enum movement_kind { MOVE_RECEIVE = 1, MOVE_ADJUST, MOVE_COUNT, MOVE_RETURN };
enum { MOVEMENT_AS_OF = 0x80 };

static inline unsigned movement_kind_of(unsigned flags)
{
    return flags == (MOVE_COUNT | MOVEMENT_AS_OF) ? MOVE_COUNT : flags;
}

/* A pool's name in the journal, independent of its place in memory. */
struct pool_key {
    uint32_t item;     /* index of the item */
    uint16_t location; /* index of the location */
    uint16_t owner;    /* enum pool_kind in the upper 3 bits; allotted: the channel below them */
} __attribute__((packed));

struct draw_record {
    struct pool_key pool;
    uint32_t qty;
} __attribute__((packed));

/* A transfer of what an order is sent. */
struct send_record {
    uint64_t eta_ms;
    uint16_t from; /* the place's index */
    uint8_t id_len;
    char id[ID_MAX];
    uint8_t zero[5];
} __attribute__((packed));

/* A draw whose units are sent: of the pool that the transfer's line has at its destination. */
struct sent_draw_record {
    uint16_t draw;  /* its number */
    uint16_t send;  /* the transfer's number */
    uint16_t owner; /* of the pool that the units left, where the transfer comes from */
    uint16_t zero;
} __attribute__((packed));

/* One that a reservation draws after it was made. */
struct drawn_record {
    struct pool_key pool;
    uint32_t qty;
    uint64_t ready_ms; /* wall clock; UINT64_MAX: not known */
} __attribute__((packed));

struct change_record {
    struct pool_key pool;
    int32_t delta; /* of on hand */
} __attribute__((packed));

/* What was sold of one item, and what the place then had of it, as replied. */
struct sold_line_record {
    uint32_t item;
    uint32_t qty;
    int32_t on_hand, available; /* no more than fits: nobody has 2,147,483,648 in one place */
} __attribute__((packed));

struct step_record {
    uint16_t draw; /* index in the reservation's draws */
    uint16_t zero;
    uint32_t qty;
} __attribute__((packed));

/* Why a place cannot give what was promised from it. */
enum reject_reason { REJECT_BUSY, REJECT_NOT_FOUND, REJECT_DAMAGED, REJECT_REASON_COUNT };

/* What a place could not give of a draw. */
struct rejected_record {
    uint16_t draw; /* index in the reservation's draws */
    uint16_t zero;
    uint32_t item; /* its pool's */
    uint32_t qty;
    uint32_t off;       /* of these: units taken off what is on hand there */
    uint32_t cancelled; /* of these: units that nothing else is drawn for */
} __attribute__((packed));

struct ready_record {
    uint64_t ms; /* wall clock; UINT64_MAX: never */
} __attribute__((packed));

struct undone_item_record {
    uint32_t item; /* its index */
} __attribute__((packed));

struct minute_record {
    uint16_t at; /* of the week, from Monday 00:00 */
} __attribute__((packed));

struct week_record {
    uint16_t from, to; /* minutes of the week */
} __attribute__((packed));

struct date_record {
    int32_t day; /* since 1970-01-01 */
} __attribute__((packed));

struct extra_record {
    int32_t day;
    uint16_t from, to; /* minutes of the day */
} __attribute__((packed));

/* A line of a new supply. */
struct supply_line_record {
    uint32_t item;
    uint32_t qty;
    uint16_t slot; /* of its pool at the destination, see expected_slot in pool.h; held: 0 */
    uint16_t zero;
} __attribute__((packed));

/* What a step changes of one line. */
struct move_record {
    uint16_t line; /* its index in the supply */
    uint16_t slot; /* as above, once it is under way */
    uint32_t qty;  /* shipped, accepted or withdrawn */
    uint32_t rejected, lost;
    uint32_t item; /* of the line */
    uint32_t over; /* arrive: of qty, units that nobody expected */
    int32_t swept; /* of what has come: units that went to the shared pool; negative: that came
                      from there, to stand in for what was promised and has not come */
} __attribute__((packed));

/* What of one item was missing to an order, or to several. */
struct refused_line {
    uint64_t who;  /* a hash of channel and id: an order that is tried again counts once */
    uint32_t item; /* its index */
    uint32_t wanted, missing; /* units */
    uint32_t orders;
    uint32_t repeated; /* further lines of the orders of this one, which count them too */
    uint16_t channel;
    uint16_t zero;
} __attribute__((packed));

/* When what was promised of a line is ready: wall clock; UINT64_MAX: never. */
struct time_record {
    uint64_t ship_ms, pickup_ms;
    uint64_t covered_lsn; /* promises up to here were covered by what has come, and keep their
                             times; UINT64_MAX: all are */
} __attribute__((packed));

/* How much of an item can be sold on a channel, as it was last recorded. */
enum level {
    LEVEL_NONE, /* nothing, since ever */
    LEVEL_IN,   /* some, and more than the item's low_stock if that is set */
    LEVEL_LOW,  /* some, but not more than that */
    LEVEL_OUT,  /* nothing more */
    LEVEL_COUNT,
};

/* What a crossing tells: bits. */
enum { TOLD_SOLD_OUT = 1, TOLD_BACK_IN_STOCK = 2, TOLD_LOW_STOCK = 4 };

/* A new level. */
struct level_record {
    uint32_t item;
    uint16_t channel;
    uint8_t levels; /* enum level: before, and from now on in the upper four bits */
    uint8_t told;
} __attribute__((packed));

/* ---- building ---- */

/* A record under construction in a buffer of RECORD_MAX bytes. */
struct record_builder {
    unsigned char *bytes;
    uint32_t length;
};

/* Begins with the fixed part, whose head needs only type, flags and client. */
struct record_builder record_begin(void *buffer, const void *fixed, uint32_t size);
void record_add(struct record_builder *builder, const void *bytes, uint32_t length);
static inline void record_add_text(struct record_builder *builder, struct text t)
{
    record_add(builder, t.at, t.len);
}
/* With its length in a byte before it. */
static inline void record_add_short_text(struct record_builder *builder, struct text t)
{
    uint8_t length = (uint8_t)t.len;
    record_add(builder, &length, sizeof length);
    record_add_text(builder, t);
}
/* Pads, stores the length in the head and returns it. */
uint32_t record_end(struct record_builder *builder);

/* ---- reading ---- */

/* A cursor over one record's bytes; its first error sticks (`bad`). */
struct record_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool bad;
};

/* Copies the fixed part out and positions the reader behind it. */
struct record_reader record_open(const struct record_head *record, void *fixed, uint32_t size);
struct text record_text(struct record_reader *reader, uint32_t length);
/* A text preceded by its length in one byte. */
struct text record_short_text(struct record_reader *reader);
/* Skips `count` short texts; returns a reader positioned before the first. */
struct record_reader record_texts(struct record_reader *reader, uint32_t count);
/* A borrowed array of count elements of that size; NULL (and bad) if the record is too short. */
const void *record_array(struct record_reader *reader, uint32_t count, uint32_t size);
/* The time at the record's end, if there is one; else `told`: such as the engine time if the clocks
 * differed, and otherwise the wall clock's. */
uint64_t record_time_if(struct record_reader *reader, bool there, uint64_t told);

/* ---- each record, generated from record.def ---- */

/*
 * struct TAG_record   its fixed part: head, numbers, lengths of texts
 * struct TAG_fields   all of it; texts and lists are borrowed from the record
 * TAG_decode          false if the record is too short: missing parts are then zero or empty
 * TAG_begin           begins a record with its numbers and texts, and fills in the texts' lengths;
 *                     the caller adds the lists
 */
#define RECORD_NUMBER(tag, type, name, shown) type name;
#define RECORD_LENGTH(tag, name, shown) uint8_t name##_len;
#define RECORD_TEXT(tag, name, shown) struct text name;
#define RECORD_LIST(tag, kind, name, of, shown) RECORD_LIST_##kind(name);
#define RECORD_LIST_TEXTS(name) struct record_reader name
#define RECORD_LIST_DRAWS(name) const struct draw_record *name
#define RECORD_LIST_CHANGES(name) const struct change_record *name
#define RECORD_LIST_SOLD(name) const struct sold_line_record *name
#define RECORD_LIST_STEPS(name) const struct step_record *name
#define RECORD_LIST_ITEMS(name) const struct undone_item_record *name
#define RECORD_LIST_REJECTS(name) const struct rejected_record *name
#define RECORD_LIST_DRAWN(name) const struct drawn_record *name
#define RECORD_LIST_SENDS(name) const struct send_record *name
#define RECORD_LIST_SENT(name) const struct sent_draw_record *name
#define RECORD_LIST_READY(name) const struct ready_record *name
#define RECORD_LIST_MINUTES(name) const struct minute_record *name
#define RECORD_LIST_WEEK(name) const struct week_record *name
#define RECORD_LIST_DATES(name) const struct date_record *name
#define RECORD_LIST_EXTRA(name) const struct extra_record *name
#define RECORD_LIST_SUPPLY(name) const struct supply_line_record *name
#define RECORD_LIST_MOVES(name) const struct move_record *name
#define RECORD_LIST_LEVELS(name) const struct level_record *name
#define RECORD_LIST_TIMES(name) const struct time_record *name
#define RECORD_LIST_REF(name) struct text name
#define RECORD_LIST_AS_OF(name) uint64_t name
#define RECORD_LIST_REFUSED(name) const struct refused_line *name
#define RECORD_LIST_CLOCK(name) uint64_t name

#define DECODE_TEXT(tag, name, shown) f->name = record_text(&reader, f->fixed.name##_len);
#define DECODE_LIST(tag, kind, name, of, shown) DECODE_##kind(name, of);
#define DECODE_TEXTS(name, count) f->name = record_texts(&reader, f->fixed.count)
#define DECODE_ARRAY(name, count)                                                                  \
    f->name = record_array(&reader, f->fixed.count, (uint32_t)sizeof *f->name)
#define DECODE_DRAWS(name, count) DECODE_ARRAY(name, count)
#define DECODE_CHANGES(name, count) DECODE_ARRAY(name, count)
#define DECODE_SOLD(name, count) DECODE_ARRAY(name, count)
#define DECODE_STEPS(name, count) DECODE_ARRAY(name, count)
#define DECODE_ITEMS(name, count) DECODE_ARRAY(name, count)
#define DECODE_DRAWN(name, count) DECODE_ARRAY(name, count)
#define DECODE_REJECTS(name, count) DECODE_ARRAY(name, count)
#define DECODE_SENDS(name, count) DECODE_ARRAY(name, count)
#define DECODE_SENT(name, count) DECODE_ARRAY(name, count)
#define DECODE_MINUTES(name, count) DECODE_ARRAY(name, count)
#define DECODE_WEEK(name, count) DECODE_ARRAY(name, count)
#define DECODE_DATES(name, count) DECODE_ARRAY(name, count)
#define DECODE_EXTRA(name, count) DECODE_ARRAY(name, count)
#define DECODE_SUPPLY(name, count) DECODE_ARRAY(name, count)
#define DECODE_MOVES(name, count) DECODE_ARRAY(name, count)
#define DECODE_LEVELS(name, count) DECODE_ARRAY(name, count)
#define DECODE_TIMES(name, count) DECODE_ARRAY(name, count)
#define DECODE_REFUSED(name, count) DECODE_ARRAY(name, count)
#define DECODE_READY(name, count)                                                                  \
    f->name = NULL;                                                                                \
    if (record->flags & RESERVE_TIMED)                                                             \
    DECODE_ARRAY(name, count)
#define DECODE_REF(name, count)                                                                    \
    f->name = (struct text){ NULL, 0 };                                                            \
    if (record->flags & RESERVE_REF)                                                               \
    f->name = record_short_text(&reader)
#define DECODE_AS_OF(name, told)                                                                   \
    f->name = record_time_if(&reader, record->flags & MOVEMENT_AS_OF, f->fixed.told)
#define DECODE_CLOCK(name, told)                                                                   \
    f->name = record_time_if(&reader, record->flags & RECORD_TWO_CLOCKS, f->fixed.told)

#define ENCODE_LENGTH(tag, name, shown) f->fixed.name##_len = (uint8_t)f->name.len;
#define ENCODE_TEXT(tag, name, shown) record_add_text(&builder, f->name);

#define RECORD(tag)                                                                                \
    struct tag##_record {                                                                          \
        struct record_head head;                                                                   \
        NUMBERS_##tag(RECORD_NUMBER, tag) TEXTS_##tag(RECORD_LENGTH, tag)                          \
    } __attribute__((packed));                                                                     \
    struct tag##_fields {                                                                          \
        struct tag##_record fixed;                                                                 \
        TEXTS_##tag(RECORD_TEXT, tag) LISTS_##tag(RECORD_LIST, tag)                                \
    };                                                                                             \
    static inline bool tag##_decode(const struct record_head *record, struct tag##_fields *f)      \
    {                                                                                              \
        struct record_reader reader = record_open(record, &f->fixed, sizeof f->fixed);             \
        TEXTS_##tag(DECODE_TEXT, tag) LISTS_##tag(DECODE_LIST, tag) return !reader.bad;            \
    }                                                                                              \
    static inline struct record_builder tag##_begin(void *buffer, struct tag##_fields *f)          \
    {                                                                                              \
        TEXTS_##tag(ENCODE_LENGTH, tag) struct record_builder builder =                            \
            record_begin(buffer, &f->fixed, sizeof f->fixed);                                      \
        TEXTS_##tag(ENCODE_TEXT, tag) return builder;                                              \
    }

RECORD_TAGS(RECORD)
#undef RECORD

#endif
