/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: one change each, as the journal keeps them. docs/FILE_FORMAT.md is their specification.
 *
 * A record says what happened, not what was asked: which pools were drawn from, not which rule
 * found them. So replaying needs no rule, and no rule may change what the past was.
 *
 * Bytes: little-endian, packed. A fixed part (below), then the texts whose lengths it names, in
 * the order of the length fields, then arrays; zeroes to a multiple of 8.
 * Reading one borrows from the bytes given; it trusts no length before it has checked it.
 */
#ifndef STOCKD_ENGINE_RECORD_H
#define STOCKD_ENGINE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/limits.h"
#include "engine/log.h"
#include "engine/text.h"

enum record_type {
    RECORD_VOID = 1, /* a claim that came to nothing */
    RECORD_ITEM = 2, /* an item came into being, or its details were set */
    RECORD_LOCATION = 3,
    RECORD_CHANNEL = 4,
    RECORD_CLIENT = 5,   /* a client's name got its index */
    RECORD_MOVEMENT = 6, /* receive, adjust, count, return: flags is enum movement_kind */
    RECORD_RESERVE = 7,
    RECORD_EXTEND = 8,
    RECORD_CONFIRM = 9,
    RECORD_FULFIL = 10,
    RECORD_CANCEL = 11,
    RECORD_EXPIRE = 12,
    RECORD_ALLOT = 13,  /* units moved between the shared pool and a channel's own */
    RECORD_OP = 14,     /* a step with an op of its own found its work done */
    RECORD_UNDONE = 20, /* takes were undone; says of which items, see engine/marks.h */
};

/*
 * Times in records are the wall clock's, as clients were told; but deadlines are measured in engine
 * time (protocol/clock.h), which never goes back. Where the two differ a record of a hold has this
 * flag, and a u64 at its end: the engine time of the same moment.
 */
enum { RECORD_TWO_CLOCKS = 1 }; /* flags of reserve and extend */

enum movement_kind { MOVE_RECEIVE = 1, MOVE_ADJUST, MOVE_COUNT, MOVE_RETURN };

/* A pool's name in the journal, free of where it lies in memory. */
struct pool_key {
    uint32_t item;     /* index of the item */
    uint16_t location; /* index of the location */
    uint16_t owner;    /* enum pool_kind in the upper 3 bits; allotted: the channel below them */
} __attribute__((packed));

struct draw_record {
    struct pool_key pool;
    uint32_t qty;
} __attribute__((packed));

struct change_record {
    struct pool_key pool;
    int32_t delta; /* of on hand */
} __attribute__((packed));

struct step_record {
    uint16_t draw; /* index in the reservation's draws */
    uint16_t zero;
    uint32_t qty;
} __attribute__((packed));

struct item_record {
    struct record_head head;
    uint32_t item;
    int32_t low_stock;
    int32_t backorder_limit;
    uint8_t detailed; /* 0: only the sku; 1: what item_set said */
    uint8_t sku_len, name_len, barcode_len;
} __attribute__((packed)); /* sku, name, barcode */

struct location_record {
    struct record_head head;
    int32_t priority;
    uint32_t lead_time_s;
    double lat, lon; /* NaN when not set */
    uint16_t location;
    uint8_t ships, pickup, active;
    uint8_t code_len, kind_len, name_len, group_count;
    uint8_t zero[3];
} __attribute__((packed)); /* code, kind, name, group_count x (u8 length, text) */

struct channel_record {
    struct record_head head;
    uint32_t buffer;
    uint32_t hold_ttl_ms; /* 0: the default */
    uint16_t channel;
    uint16_t place_count;
    uint8_t sourcing; /* enum sourcing */
    uint8_t code_len, kind_len, name_len;
} __attribute__((packed)); /* code, kind, name, place_count x (u8 length, text) */

struct client_record {
    struct record_head head;
    uint16_t client;
    uint8_t name_len;
    uint8_t zero[5];
} __attribute__((packed)); /* name */

struct movement_record {
    struct record_head head;
    uint64_t content; /* fingerprint of what was asked, for idempotency */
    uint64_t time_ms;
    struct pool_key pool;
    int64_t on_hand;     /* at the location, afterwards: the reply that was given */
    int64_t available;   /* likewise */
    int32_t delta;       /* of on hand in the pool */
    uint16_t more_count; /* further pools that were changed */
    uint8_t id_len, ref_len, reason_len, zero;
} __attribute__((packed)); /* id, ref, reason, more_count x struct change_record */

struct allot_record {
    struct record_head head;
    uint64_t content;
    uint64_t time_ms;
    struct pool_key pool; /* the allotted one; what it gets leaves the shared one, and back */
    int64_t available;    /* at the location, afterwards: the reply that was given */
    int32_t delta;        /* of on hand in the allotted pool */
    int32_t allotted;     /* on hand in it afterwards: likewise */
    uint8_t id_len;
} __attribute__((packed)); /* id */

struct reserve_record {
    struct record_head head;
    uint64_t content;
    uint64_t created_ms; /* wall clock; two clocks: the engine's is at the end */
    uint32_t ttl_ms;     /* 0: confirmed at once */
    uint16_t channel;
    uint16_t draw_count;
    uint8_t id_len;
} __attribute__((packed)); /* id, draw_count x struct draw_record; timed: draw_count x u32, seconds
                              after which each is ready; two clocks: u64 created */

enum { RESERVE_TIMED = 2 }; /* flag; without it all draws are ready when it was created */

struct extend_record {
    struct record_head head;
    uint64_t expires_ms; /* wall clock; two clocks: the engine's is at the end */
    uint8_t id_len;
} __attribute__((packed)); /* id; two clocks: u64 expires */

struct confirm_record {
    struct record_head head;
    uint64_t time_ms;
    uint8_t id_len, ref_len;
} __attribute__((packed)); /* id, ref */

/* Fulfil and cancel. Without steps: all that is left. Flags: enum entry_state it led to. */
struct step_head_record {
    struct record_head head;
    uint64_t time_ms;
    uint64_t content; /* fingerprint of the step; used when it has an op */
    uint16_t step_count;
    uint8_t id_len, op_len;
} __attribute__((packed)); /* id, op, step_count x struct step_record */

/* Flags: enum entry_state that the op was answered with. */
struct op_record {
    struct record_head head;
    uint64_t time_ms;
    uint64_t content; /* fingerprint of the step */
    uint8_t id_len, op_len;
} __attribute__((packed)); /* id, op */

struct expire_record {
    struct record_head head;
    uint64_t time_ms;
    uint8_t id_len;
} __attribute__((packed)); /* id */

struct undone_record {
    struct record_head head;
    uint32_t count;
} __attribute__((packed)); /* count x u32, indexes of items */

/* ---- building ---- */

/* A record under construction in a buffer of RECORD_MAX bytes. */
struct record_builder {
    unsigned char *bytes;
    uint32_t length;
};

/* Starts with the fixed part, whose head needs only type, flags and client. */
struct record_builder record_begin(void *buffer, const void *fixed, uint32_t size);
void record_add(struct record_builder *builder, const void *bytes, uint32_t length);
static inline void record_add_text(struct record_builder *builder, struct text t)
{
    record_add(builder, t.at, t.len);
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

/* Copies the fixed part out and stands behind it. */
struct record_reader record_open(const struct record_head *record, void *fixed, uint32_t size);
struct text record_text(struct record_reader *reader, uint32_t length);
/* A text preceded by its length in one byte. */
struct text record_short_text(struct record_reader *reader);
/* Borrowed array of count elements of that size; NULL (and bad) if they are not there. */
const void *record_array(struct record_reader *reader, uint32_t count, uint32_t size);
/* Engine time, which stands at the end if the clocks differed; else `told`, the wall clock's. */
uint64_t record_engine_time(struct record_reader *reader, const struct record_head *record,
                            uint64_t told);

#endif
