/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/wire.h"

#include <assert.h>
#include <string.h>

/*
 * What a value's first byte says: the low five bits are the length of its head (a number is all
 * head), the bits above are what follows the head. A head of length 0 begins no value.
 */
enum follows {
    NOTHING = 0 << 5,
    SHORT_TEXT = 1 << 5, /* its length is in the first byte */
    TEXT = 2 << 5,       /* its length is in the head, as in those below */
    EXT = 3 << 5,        /* and one more byte, its type */
    SHORT_ARRAY = 4 << 5,
    ARRAY = 5 << 5,
    SHORT_MAP = 6 << 5,
    MAP = 7 << 5,
};

enum { HEAD_MASK = 31 };

static const uint8_t leads[256] = {
    [0x00 ... 0x7f] = NOTHING | 1,     /* positive fixint */
    [0x80 ... 0x8f] = SHORT_MAP | 1,   /* fixmap */
    [0x90 ... 0x9f] = SHORT_ARRAY | 1, /* fixarray */
    [0xa0 ... 0xbf] = SHORT_TEXT | 1,  /* fixstr */
    [0xc0] = NOTHING | 1,              /* nil; 0xc1 begins nothing */
    [0xc2 ... 0xc3] = NOTHING | 1,     /* false, true */
    [0xc4] = TEXT | 2,                 /* bin 8, 16, 32 */
    [0xc5] = TEXT | 3,
    [0xc6] = TEXT | 5,
    [0xc7] = EXT | 2, /* ext 8, 16, 32 */
    [0xc8] = EXT | 3,
    [0xc9] = EXT | 5,
    [0xca] = NOTHING | 5, /* float 32, 64 */
    [0xcb] = NOTHING | 9,
    [0xcc] = NOTHING | 2, /* uint 8, 16, 32, 64 */
    [0xcd] = NOTHING | 3,
    [0xce] = NOTHING | 5,
    [0xcf] = NOTHING | 9,
    [0xd0] = NOTHING | 2, /* int 8, 16, 32, 64 */
    [0xd1] = NOTHING | 3,
    [0xd2] = NOTHING | 5,
    [0xd3] = NOTHING | 9,
    [0xd4] = NOTHING | 3, /* fixext 1, 2, 4, 8, 16: all head */
    [0xd5] = NOTHING | 4,
    [0xd6] = NOTHING | 6,
    [0xd7] = NOTHING | 10,
    [0xd8] = NOTHING | 18,
    [0xd9] = TEXT | 2, /* str 8, 16, 32 */
    [0xda] = TEXT | 3,
    [0xdb] = TEXT | 5,
    [0xdc] = ARRAY | 3, /* array 16, 32 */
    [0xdd] = ARRAY | 5,
    [0xde] = MAP | 3, /* map 16, 32 */
    [0xdf] = MAP | 5,
    [0xe0 ... 0xff] = NOTHING | 1, /* negative fixint */
};

/*
 * The length of a value whose first byte determines it; 0: a container, a value with its length in
 * its head, or no value. Most values are of this kind, and walking needs no more of them.
 */
static const uint8_t wholes[256] = {
    [0x00 ... 0x7f] = 1, [0xa0] = 1,  [0xa1] = 2,  [0xa2] = 3,          [0xa3] = 4,  [0xa4] = 5,
    [0xa5] = 6,          [0xa6] = 7,  [0xa7] = 8,  [0xa8] = 9,          [0xa9] = 10, [0xaa] = 11,
    [0xab] = 12,         [0xac] = 13, [0xad] = 14, [0xae] = 15,         [0xaf] = 16, [0xb0] = 17,
    [0xb1] = 18,         [0xb2] = 19, [0xb3] = 20, [0xb4] = 21,         [0xb5] = 22, [0xb6] = 23,
    [0xb7] = 24,         [0xb8] = 25, [0xb9] = 26, [0xba] = 27,         [0xbb] = 28, [0xbc] = 29,
    [0xbd] = 30,         [0xbe] = 31, [0xbf] = 32, [0xc0] = 1,          [0xc2] = 1,  [0xc3] = 1,
    [0xca] = 5,          [0xcb] = 9,  [0xcc] = 2,  [0xcd] = 3,          [0xce] = 5,  [0xcf] = 9,
    [0xd0] = 2,          [0xd1] = 3,  [0xd2] = 5,  [0xd3] = 9,          [0xd4] = 3,  [0xd5] = 4,
    [0xd6] = 6,          [0xd7] = 10, [0xd8] = 18, [0xe0 ... 0xff] = 1,
};

/* The big-endian number in a head behind its first byte. */
static uint64_t head_number(const unsigned char *head, unsigned length)
{
    uint64_t number = 0;
    for (unsigned i = 1; i < length; i++)
        number = number << 8 | head[i];
    return number;
}

/* What follows a head: bytes of the same value, and nested values. */
struct extent {
    uint64_t bytes;
    uint64_t values;
    bool container;
};

static struct extent extent_of(const unsigned char *head, unsigned lead)
{
    unsigned length = lead & HEAD_MASK;
    switch ((enum follows)(lead & ~HEAD_MASK)) {
    case SHORT_TEXT:
        return (struct extent){ .bytes = *head & 0x1f };
    case TEXT:
        return (struct extent){ .bytes = head_number(head, length) };
    case EXT:
        return (struct extent){ .bytes = head_number(head, length) + 1 };
    case SHORT_ARRAY:
        return (struct extent){ .values = *head & 0x0f, .container = true };
    case ARRAY:
        return (struct extent){ .values = head_number(head, length), .container = true };
    case SHORT_MAP:
        return (struct extent){ .values = 2 * (*head & UINT64_C(0x0f)), .container = true };
    case MAP:
        return (struct extent){ .values = 2 * head_number(head, length), .container = true };
    case NOTHING:
        break;
    }
    return (struct extent){ 0 };
}

/* ---- walking ---- */

void wire_walk_start(struct wire_walk *walk)
{
    walk->at = 0;
    walk->dropped = 0;
    walk->excess = WIRE_WITHIN;
    walk->elements = 0;
    walk->level = 0;
    walk->left[0] = 1;
}

/* From here on only the end of the frame matters, not the levels. */
static void begin_excess(struct wire_walk *walk, enum wire_excess excess, uint64_t values)
{
    walk->excess = excess;
    walk->open = values;
    for (uint32_t i = 0; i <= walk->level; i++)
        walk->open += walk->left[i];
}

/* False: over a limit. */
static bool enter_container(struct wire_walk *walk, const struct wire_limits *limits,
                            uint64_t values)
{
    if (values > limits->elements - walk->elements) {
        begin_excess(walk, WIRE_MANY_ELEMENTS, values);
        return false;
    }
    if (walk->level == limits->depth) {
        begin_excess(walk, WIRE_TOO_DEEP, values);
        return false;
    }
    walk->elements += (uint32_t)values;
    walk->left[++walk->level] = (uint32_t)values;
    return true;
}

/* Passes a value that wholes does not cover; of a container only the head. */
static enum wire_found pass_long(struct wire_walk *walk, const struct wire_limits *limits,
                                 const unsigned char *first, size_t length)
{
    const unsigned char *head = first + walk->at;
    unsigned lead = leads[*head];
    unsigned head_length = lead & HEAD_MASK;
    if (head_length == 0)
        return WIRE_BAD;
    if (head_length > length - walk->at)
        return WIRE_PARTIAL;
    struct extent extent = extent_of(head, lead);
    walk->left[walk->level]--;
    walk->at += head_length + extent.bytes;
    if (extent.container)
        enter_container(walk, limits, extent.values);
    else if (walk->at > limits->bytes)
        begin_excess(walk, WIRE_MANY_BYTES, 0);
    return WIRE_WHOLE;
}

static bool walk_holds(const struct wire_walk *walk, const struct wire_limits *limits)
{
    if (walk->excess != WIRE_WITHIN)
        return true;
    return walk->dropped == 0 && walk->level <= limits->depth &&
           walk->elements <= limits->elements && walk->at <= limits->bytes;
}

/* Leaves the finished levels; returns how many values the level reached still has left. */
static inline uint32_t leave_levels(const struct wire_walk *walk, uint32_t *level)
{
    uint32_t left = 0;
    while (*level > 0 && left == 0)
        left = walk->left[--*level];
    return left;
}

/*
 * Walks to the end, a limit, or the last byte that has come. The first byte alone passes most
 * values, and most containers are short lists; pass_long passes the others. `left` caches
 * walk->left of the current level and is stored wherever other code reads it.
 */
static enum wire_found walk_within(struct wire_walk *walk, const struct wire_limits *limits,
                                   const unsigned char *first, size_t length)
{
    const uint32_t depth = limits->depth;
    uint64_t at = walk->at;
    uint32_t level = walk->level;
    uint32_t left = walk->left[level];
    while (left > 0 && at < length) {
        unsigned char byte = first[at];
        unsigned whole = wholes[byte];
        uint32_t values = byte & 0x0f;
        if (whole > 0) {
            at += whole;
            left--;
        } else if ((byte & 0xf0) == 0x90 && level < depth &&
                   values <= limits->elements - walk->elements) {
            at++;
            walk->elements += values;
            walk->left[level++] = left - 1;
            left = values;
        } else {
            walk->at = at;
            walk->level = level;
            walk->left[level] = left;
            if (at > limits->bytes)
                break;
            enum wire_found found = pass_long(walk, limits, first, length);
            if (found != WIRE_WHOLE || walk->excess != WIRE_WITHIN)
                return found;
            at = walk->at;
            level = walk->level;
            left = walk->left[level];
        }
        if (left == 0)
            left = leave_levels(walk, &level);
    }
    walk->at = at;
    walk->level = level;
    walk->left[level] = left;
    if (at > limits->bytes)
        begin_excess(walk, WIRE_MANY_BYTES, 0);
    return left == 0 && at <= length ? WIRE_WHOLE : WIRE_PARTIAL;
}

/* Likewise for a frame that is over a limit. */
static enum wire_found walk_over(struct wire_walk *walk, const unsigned char *first, size_t length)
{
    while (walk->open > 0) {
        if (walk->at >= length)
            return WIRE_PARTIAL;
        const unsigned char *head = first + walk->at;
        unsigned lead = leads[*head];
        unsigned head_length = lead & HEAD_MASK;
        if (head_length == 0)
            return WIRE_BAD;
        if (head_length > length - walk->at)
            return WIRE_PARTIAL;
        struct extent extent = extent_of(head, lead);
        walk->at += head_length + extent.bytes;
        walk->open += extent.values - 1;
    }
    return walk->at > length ? WIRE_PARTIAL : WIRE_WHOLE;
}

/*
 * The length of a complete frame of short forms and plain numbers, as almost all are, found with
 * one count and no levels: a frame with no more containers than may be nested cannot be too deep.
 * 0: leave it to the careful walk.
 */
static size_t pass_plain(struct wire_walk *walk, const struct wire_limits *limits,
                         const unsigned char *first, size_t length)
{
    size_t at = 0;
    uint32_t open = 1, values = 1, containers = 0;
    for (; open > 0; open--) {
        if (at >= length)
            return 0;
        unsigned char byte = first[at];
        unsigned whole = wholes[byte];
        at += whole;
        if (whole > 0)
            continue;
        if ((byte & 0xf0) != 0x90 || containers == limits->depth)
            return 0;
        at++;
        open += byte & 0x0f;
        values += byte & 0x0f;
        containers++;
    }
    if (at > length || at > limits->bytes || values - 1 > limits->elements)
        return 0;
    walk->at = at;
    walk->elements = values - 1;
    walk->left[0] = 0;
    return at;
}

enum wire_found wire_walk(struct wire_walk *walk, const struct wire_limits *limits,
                          const void *bytes, size_t length)
{
    assert(limits->depth <= WIRE_DEPTH_MAX);
    assert(walk_holds(walk, limits));
    if (walk->at == 0 && walk->dropped == 0 && pass_plain(walk, limits, bytes, length) > 0)
        return WIRE_WHOLE;
    if (walk->excess == WIRE_WITHIN) {
        enum wire_found found = walk_within(walk, limits, bytes, length);
        if (walk->excess == WIRE_WITHIN || found == WIRE_BAD)
            return found;
    }
    return walk_over(walk, bytes, length);
}

void wire_walk_drop(struct wire_walk *walk, size_t length)
{
    assert(walk->excess != WIRE_WITHIN);
    assert(length <= walk->at);
    walk->at -= length;
    walk->dropped += length;
}

/* ---- reading ---- */

static struct wire_value no_value(struct wire *wire)
{
    wire->bad = true;
    wire->end = wire->at;
    return (struct wire_value){ .kind = WIRE_NONE };
}

static struct wire_value signed_value(int64_t number)
{
    return (
        struct wire_value){ .kind = WIRE_INT, .negative = number < 0, .bits = (uint64_t)number };
}

static struct wire_value float_value(const unsigned char *head)
{
    uint64_t bits = head_number(head, *head == 0xca ? 5 : 9);
    struct wire_value value = { .kind = WIRE_FLOAT };
    if (*head == 0xca) {
        uint32_t narrow = (uint32_t)bits;
        float number;
        memcpy(&number, &narrow, sizeof number);
        value.number = (double)number;
    } else {
        memcpy(&value.number, &bits, sizeof bits);
    }
    return value;
}

/* Values that are all head. */
static struct wire_value plain_value(const unsigned char *head, unsigned length)
{
    uint64_t bits = length <= 9 ? head_number(head, length) : 0;
    switch (*head) {
    case 0xc0:
        return (struct wire_value){ .kind = WIRE_NIL };
    case 0xc2:
    case 0xc3:
        return (struct wire_value){ .kind = WIRE_BOOL, .truth = *head == 0xc3 };
    case 0xca:
    case 0xcb:
        return float_value(head);
    case 0xcc ... 0xcf:
        return (struct wire_value){ .kind = WIRE_INT, .bits = bits };
    case 0xd0:
        return signed_value((int8_t)bits);
    case 0xd1:
        return signed_value((int16_t)bits);
    case 0xd2:
        return signed_value((int32_t)bits);
    case 0xd3:
        return signed_value((int64_t)bits);
    case 0xd4 ... 0xd8:
        return (struct wire_value){ .kind = WIRE_EXT,
                                    .text = { (const char *)head + 2, length - 2 } };
    default:
        return signed_value((int8_t)*head); /* both kinds of fixint */
    }
}

static struct wire_value long_value(const unsigned char *after, const struct extent *extent,
                                    unsigned lead)
{
    switch ((enum follows)(lead & ~HEAD_MASK)) {
    case SHORT_ARRAY:
    case ARRAY:
        return (struct wire_value){ .kind = WIRE_ARRAY, .count = (uint32_t)extent->values };
    case SHORT_MAP:
    case MAP:
        return (struct wire_value){ .kind = WIRE_MAP, .count = (uint32_t)(extent->values / 2) };
    case EXT:
        return (struct wire_value){
            .kind = WIRE_EXT, .text = { (const char *)after + 1, (uint32_t)(extent->bytes - 1) }
        };
    default:
        return (struct wire_value){ .kind = WIRE_TEXT,
                                    .text = { (const char *)after, (uint32_t)extent->bytes } };
    }
}

struct wire_value wire_next(struct wire *wire)
{
    size_t length = (size_t)(wire->end - wire->at);
    if (length == 0)
        return no_value(wire);
    const unsigned char *head = wire->at;
    unsigned lead = leads[*head];
    unsigned head_length = lead & HEAD_MASK;
    if (head_length == 0 || head_length > length)
        return no_value(wire);
    if (lead <= HEAD_MASK) {
        wire->at += head_length;
        return plain_value(head, head_length);
    }
    struct extent extent = extent_of(head, lead);
    if (extent.bytes > length - head_length)
        return no_value(wire);
    wire->at += head_length + extent.bytes;
    return long_value(head + head_length, &extent, lead);
}

void wire_skip(struct wire *wire)
{
    uint64_t open = 1;
    while (open > 0) {
        struct wire_value value = wire_next(wire);
        if (value.kind == WIRE_NONE)
            return;
        open--;
        if (value.kind == WIRE_ARRAY)
            open += value.count;
        else if (value.kind == WIRE_MAP)
            open += 2 * (uint64_t)value.count;
    }
}
