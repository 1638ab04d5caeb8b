/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/reply.h"

#include <assert.h>
#include <string.h>

#include "tools/stockbench/traffic.h"

/* How to skip a value, by its first byte. */
struct step {
    unsigned char size;     /* its head with its length, and its body if of fixed size */
    unsigned char children; /* values that follow */
    unsigned char length;   /* bytes of a length after the head byte; 0: the head byte says all */
    unsigned char unit;     /* what the length counts: 0 bytes, else this many children each */
};

static struct step steps[256];

void reply_init(void)
{
    static const struct step special[32] = {
        [0x04] = { 2, 0, 1, 0 }, [0x05] = { 3, 0, 2, 0 },  [0x06] = { 5, 0, 4, 0 },
        [0x07] = { 3, 0, 1, 0 }, [0x08] = { 4, 0, 2, 0 },  [0x09] = { 6, 0, 4, 0 },
        [0x0a] = { 5, 0, 0, 0 }, [0x0b] = { 9, 0, 0, 0 },  [0x0c] = { 2, 0, 0, 0 },
        [0x0d] = { 3, 0, 0, 0 }, [0x0e] = { 5, 0, 0, 0 },  [0x0f] = { 9, 0, 0, 0 },
        [0x10] = { 2, 0, 0, 0 }, [0x11] = { 3, 0, 0, 0 },  [0x12] = { 5, 0, 0, 0 },
        [0x13] = { 9, 0, 0, 0 }, [0x14] = { 3, 0, 0, 0 },  [0x15] = { 4, 0, 0, 0 },
        [0x16] = { 6, 0, 0, 0 }, [0x17] = { 10, 0, 0, 0 }, [0x18] = { 18, 0, 0, 0 },
        [0x19] = { 2, 0, 1, 0 }, [0x1a] = { 3, 0, 2, 0 },  [0x1b] = { 5, 0, 4, 0 },
        [0x1c] = { 3, 0, 2, 1 }, [0x1d] = { 5, 0, 4, 1 },  [0x1e] = { 3, 0, 2, 2 },
        [0x1f] = { 5, 0, 4, 2 },
    };

    for (unsigned lead = 0; lead < 256; lead++) {
        struct step *step = &steps[lead];

        step->size = 1;
        if (lead >= 0x80 && lead < 0x90)
            step->children = (unsigned char)(2 * (lead & 0x0f));
        else if (lead >= 0x90 && lead < 0xa0)
            step->children = lead & 0x0f;
        else if (lead >= 0xa0 && lead < 0xc0)
            step->size = (unsigned char)(1 + (lead & 0x1f));
        else if (lead >= 0xc4 && lead < 0xe0)
            *step = special[lead - 0xc0];
    }
}

/*
 * Where the value at position `at` ends; 0: beyond len. Sets each head byte and its length bytes
 * in mask, if there is one.
 */
static size_t step_over(const unsigned char *bytes, size_t at, size_t len, unsigned char *mask)
{
    uint64_t left = 1;

    while (left > 0) {
        if (at >= len)
            return 0;
        struct step step = steps[bytes[at]];
        uint64_t count = 0;

        if (len - at <= step.length)
            return 0;
        for (unsigned i = 1; i <= step.length; i++)
            count = count << 8 | bytes[at + i];
        if (mask)
            memset(mask + at, 0xff, 1U + step.length);
        left += count * step.unit + step.children - 1;
        at += step.size + (step.unit == 0 ? (size_t)count : 0);
    }
    return at <= len ? at : 0;
}

static bool fits(const struct shape *shape, const unsigned char *bytes, size_t len)
{
    uint64_t differences = 0;

    if (shape->len == 0 || shape->len > len)
        return false;
    for (size_t i = 0; i < (shape->len + 7) / 8; i++) {
        uint64_t word;

        memcpy(&word, bytes + 8 * i, sizeof word);
        differences |= (word & shape->mask[i]) ^ shape->want[i];
    }
    return differences == 0;
}

/* Finds a shape that fits, and moves it to the front. */
static size_t known_length(struct shape *shapes, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < SHAPES; i++) {
        if (!fits(&shapes[i], bytes, len))
            continue;
        size_t known = shapes[i].len;

        if (i > 0) {
            struct shape found = shapes[i];

            shapes[i] = shapes[0];
            shapes[0] = found;
        }
        return known;
    }
    return 0;
}

/* Remembers a whole reply without an error, in place of the least recently used shape. */
static void learn(struct shape *shapes, const unsigned char *bytes, size_t len)
{
    struct shape shape = { .len = len };
    unsigned char mask[SHAPE_BYTES] = { 0 };

    if (len > SHAPE_BYTES)
        return;
    size_t end = step_over(bytes, 0, len, mask);
    assert(end == len);
    memcpy(shape.mask, mask, sizeof mask);
    memcpy(shape.want, bytes, len);
    for (size_t i = 0; i < SHAPE_WORDS; i++)
        shape.want[i] &= shape.mask[i];
    memmove(shapes + 1, shapes, (SHAPES - 1) * sizeof *shapes);
    shapes[0] = shape;
}

/* The msgid at *at, which it advances past it; UINT64_MAX: no msgid. */
static uint64_t read_msgid(const unsigned char *bytes, size_t *at)
{
    uint64_t msgid = 0;
    unsigned char lead = bytes[(*at)++];

    if (lead < 0x80)
        return lead;
    if (lead < 0xcc || lead > 0xcf)
        return UINT64_MAX;
    for (unsigned left = 1U << (lead - 0xcc); left > 0; left--)
        msgid = msgid << 8 | bytes[(*at)++];
    return msgid;
}

struct reply reply_read(struct shapes *shapes, enum ask kind, const unsigned char *bytes,
                        size_t len, uint32_t msgid)
{
    struct shape *known = shapes->shape[kind];
    struct reply reply = { .len = known_length(known, bytes, len) };
    size_t at = 2;

    if (reply.len > 0) {
        reply.foreign = read_msgid(bytes, &at) != msgid;
        return reply;
    }
    /* It detects a foreign byte at once, without waiting for the rest. */
    reply.foreign = (len > 0 && bytes[0] != 0x94) || (len > 1 && bytes[1] != 0x01);
    if (reply.foreign)
        return reply;
    reply.len = step_over(bytes, 0, len, NULL);
    if (reply.len == 0)
        return reply;
    reply.foreign = read_msgid(bytes, &at) != msgid;
    if (reply.foreign)
        return reply;
    if (bytes[at] == 0xc0) {
        learn(known, bytes, reply.len);
    } else {
        reply.error = bytes + at;
        reply.error_len = step_over(bytes, at, len, NULL) - at;
    }
    return reply;
}

struct reply reply_echo(const unsigned char *bytes, size_t len, uint32_t msgid,
                        size_t response_bytes)
{
    struct reply reply = { 0 };
    uint32_t big_endian;

    if (len < response_bytes)
        return reply;
    reply.len = response_bytes;
    if (response_bytes >= MSGID_AT + sizeof big_endian) {
        memcpy(&big_endian, bytes + MSGID_AT, sizeof big_endian);
        reply.foreign = big_endian != __builtin_bswap32(msgid);
    }
    return reply;
}
