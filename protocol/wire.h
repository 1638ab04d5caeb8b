/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads MessagePack in memory: where a frame ends, and what is in it. Pure: no I/O, no allocation,
 * and never a byte outside the given range.
 *
 * Two steps, neither of which trusts the peer:
 *
 *   walk    finds the end of a frame without looking inside its texts. It continues where it
 *           stopped when more bytes come, so a frame that arrives byte by byte costs no more than
 *           one that arrives whole. It counts the values still to come, so nesting costs nothing,
 *           and it detects a frame that is over a limit before anything has to be kept.
 *   cursor  reads the values of a walked frame, one after another. Its first error sticks: read
 *           many values, check once.
 *
 * docs/PROTOCOL.md shows the bytes.
 */
#ifndef STOCKD_PROTOCOL_WIRE_H
#define STOCKD_PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

/* ---- walking ---- */

enum { WIRE_DEPTH_MAX = 32 };

struct wire_limits {
    uint32_t bytes;    /* in a frame */
    uint32_t elements; /* values in a frame, at all levels, the frame itself not counted */
    uint32_t depth;    /* nested containers, the frame itself is the first; <= WIRE_DEPTH_MAX */
};

enum wire_found {
    WIRE_PARTIAL, /* the frame continues after the bytes given */
    WIRE_WHOLE,   /* the frame is walk->at bytes long */
    WIRE_BAD,     /* not MessagePack: a byte that begins no value */
};

enum wire_excess { WIRE_WITHIN, WIRE_MANY_BYTES, WIRE_MANY_ELEMENTS, WIRE_TOO_DEEP };

/*
 * W1: within the limits, left[0 .. level] are the values that still have to begin at each level;
 *     the frame itself is the only value of level 0. Over them, open is the sum of these.
 * W2: at may lie past the bytes that have come: the rest of a value lies between.
 */
struct wire_walk {
    uint64_t at;      /* bytes walked since the frame's first, or since what was dropped */
    uint64_t dropped; /* only in frames that are over a limit */
    uint64_t open;
    enum wire_excess excess; /* the first limit exceeded; the frame is still walked to its end */
    uint32_t elements;       /* values announced so far */
    uint32_t level;
    uint32_t left[WIRE_DEPTH_MAX + 1];
};

void wire_walk_start(struct wire_walk *walk);

/* bytes: the frame from its first byte (less what was dropped) as far as it has come; each call
 * gives at least the bytes of the previous call. */
enum wire_found wire_walk(struct wire_walk *walk, const struct wire_limits *limits,
                          const void *bytes, size_t length);

/* The caller drops the frame's next `length` bytes, at most walk->at: for frames that are over a
 * limit and walked only to find their end. */
void wire_walk_drop(struct wire_walk *walk, size_t length);

/* ---- reading ---- */

enum wire_kind {
    WIRE_NONE, /* no value: the end of the bytes, or an earlier error */
    WIRE_NIL,
    WIRE_BOOL,
    WIRE_INT,
    WIRE_FLOAT,
    WIRE_TEXT, /* str or bin */
    WIRE_ARRAY,
    WIRE_MAP,
    WIRE_EXT,
};

struct wire_value {
    enum wire_kind kind;
    bool truth;       /* WIRE_BOOL */
    bool negative;    /* WIRE_INT: bits are a negative int64_t, else a uint64_t */
    uint32_t count;   /* WIRE_ARRAY: elements, WIRE_MAP: pairs that follow */
    uint64_t bits;    /* WIRE_INT */
    double number;    /* WIRE_FLOAT */
    struct text text; /* WIRE_TEXT, WIRE_EXT; borrowed from the bytes */
};

struct wire {
    const unsigned char *at;
    const unsigned char *end;
    bool bad; /* a value was missing or of another kind; nothing moves any more */
};

static inline struct wire wire_over(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    return (struct wire){ at, at + length, false };
}

/* Reads the next value; of a container only the head, its contents come next. */
struct wire_value wire_next(struct wire *wire);

/* Skips the next value with its contents. */
void wire_skip(struct wire *wire);

/* Fast paths of wire_next for the most frequent values: short-form texts, counts and small numbers.
 * False: it is something else, and nothing moved. */
static inline bool wire_short_text(struct wire *wire, struct text *text)
{
    if (wire->at >= wire->end || (*wire->at & 0xe0) != 0xa0)
        return false;
    uint32_t length = *wire->at & 0x1f;
    if (length > wire->end - wire->at - 1)
        return false;
    *text = (struct text){ (const char *)wire->at + 1, length };
    wire->at += 1 + length;
    return true;
}

static inline bool wire_short_array(struct wire *wire, uint32_t *count)
{
    if (wire->at >= wire->end || (*wire->at & 0xf0) != 0x90)
        return false;
    *count = *wire->at++ & 0x0f;
    return true;
}

static inline bool wire_short_number(struct wire *wire, uint32_t *number)
{
    if (wire->at >= wire->end || *wire->at > 0x7f)
        return false;
    *number = *wire->at++;
    return true;
}

/* The unsigned forms of message ids. */
static inline bool wire_unsigned(struct wire *wire, uint32_t *number)
{
    const unsigned char *at = wire->at;
    if (wire_short_number(wire, number))
        return true;
    if (wire->end - at >= 3 && *at == 0xcd) {
        *number = (uint32_t)at[1] << 8 | at[2];
        wire->at += 3;
        return true;
    }
    if (wire->end - at >= 5 && *at == 0xce) {
        *number = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
        wire->at += 5;
        return true;
    }
    return false;
}

/* Converts an integer that fits; false if it does not fit or is not an integer. */
static inline bool wire_fits_int64(const struct wire_value *value, int64_t *number)
{
    if (value->kind != WIRE_INT || (!value->negative && value->bits > INT64_MAX))
        return false;
    *number = (int64_t)value->bits;
    return true;
}

#endif
