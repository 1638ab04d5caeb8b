/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs values into an out stream with msgpack-c's packer, and on the hot path with our own. The
 * packer's callback is a compile-time constant, so msgpack-c's templates and out_append inline into
 * one piece of code.
 */
#ifndef STOCKD_PROTOCOL_PACK_H
#define STOCKD_PROTOCOL_PACK_H

#include <assert.h>
#include <endian.h>
#include <msgpack/pack.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/base/text.h"
#include "protocol/out.h"

static inline int pack_write(void *out, const char *bytes, size_t length)
{
    out_append(out, bytes, length);
    return 0;
}

#define PACKER(out) (&(msgpack_packer){ (out), pack_write })

/* ---- what every reply has ---- */

static inline void pack_nil(struct out *out)
{
    msgpack_pack_nil(PACKER(out));
}

/* Heads: that many values, or pairs of values, come next. */
static inline void pack_array(struct out *out, uint32_t count)
{
    msgpack_pack_array(PACKER(out), count);
}

static inline void pack_map(struct out *out, uint32_t pairs)
{
    msgpack_pack_map(PACKER(out), pairs);
}

static inline void pack_text(struct out *out, struct text text)
{
    msgpack_pack_str(PACKER(out), text.len);
    out_append(out, text.at, text.len);
}

/*
 * The parts of hot-path replies go straight into the chunk. msgpack-c's packer first puts a number
 * and its head side by side and then copies them as one; a load that spans two stores must wait
 * until both, and all stores before them, are in the cache. One such load took 8 % of the time of a
 * reserve.
 *
 * put_ functions write at `at`, where there must be room, and return the position behind it.
 */
enum { PUT_NUMBER_MAX = 9, PUT_TEXT_MAX = 255 }; /* bytes: with head, without head */

static inline unsigned char *put_byte(unsigned char *at, unsigned byte)
{
    *at = (unsigned char)byte;
    return at + 1;
}

static inline unsigned char *put_uint(unsigned char *at, uint64_t number)
{
    if (number < 0x80)
        return put_byte(at, (unsigned)number);
    if (number <= UINT8_MAX)
        return put_byte(put_byte(at, 0xcc), (unsigned)number);
    if (number <= UINT16_MAX) {
        uint16_t big = htobe16((uint16_t)number);
        return (unsigned char *)memcpy(put_byte(at, 0xcd), &big, sizeof big) + sizeof big;
    }
    if (number <= UINT32_MAX) {
        uint32_t big = htobe32((uint32_t)number);
        return (unsigned char *)memcpy(put_byte(at, 0xce), &big, sizeof big) + sizeof big;
    }
    uint64_t big = htobe64(number);
    return (unsigned char *)memcpy(put_byte(at, 0xcf), &big, sizeof big) + sizeof big;
}

/* At most 15 values. */
static inline unsigned char *put_array(unsigned char *at, unsigned count)
{
    assert(count <= 15);
    return put_byte(at, 0x90 | count);
}

static inline unsigned char *put_map(unsigned char *at, unsigned pairs)
{
    assert(pairs <= 15);
    return put_byte(at, 0x80 | pairs);
}

static inline unsigned char *put_nil(unsigned char *at)
{
    return put_byte(at, 0xc0);
}

/* A key that is a literal: one store of known length. */
#define PUT_KEY(at, key) put_key_of((at), (key), sizeof(key) - 1)

static inline __attribute__((always_inline)) unsigned char *
put_key_of(unsigned char *at, const char *key, size_t length)
{
    assert(length < 32);
    return (unsigned char *)memcpy(put_byte(at, 0xa0 | (unsigned)length), key, length) + length;
}

static inline unsigned char *put_text(unsigned char *at, struct text text)
{
    assert(text.len <= PUT_TEXT_MAX);
    at = text.len < 32 ? put_byte(at, 0xa0 | text.len) : put_byte(put_byte(at, 0xd9), text.len);
    copy_small(at, (const unsigned char *)text.at, text.len);
    return at + text.len;
}

/* A run of values of at most RUN_MAX bytes: in the last chunk if it has room, else aside. */
enum { RUN_MAX = 128 };

struct run {
    unsigned char *start;
    unsigned char aside[RUN_MAX];
};

static inline unsigned char *run_begin(struct run *run, const struct out *out)
{
    run->start = out->limit - out->at >= RUN_MAX ? out->at : run->aside;
    return run->start;
}

static inline void run_end(const struct run *run, struct out *out, unsigned char *at)
{
    assert(at - run->start <= RUN_MAX);
    if (run->start == run->aside)
        out_append_over(out, run->aside, (size_t)(at - run->start));
    else
        out->at = at;
}

static inline void pack_uint(struct out *out, uint64_t number)
{
    struct run run;
    run_end(&run, out, put_uint(run_begin(&run, out), number));
}

static inline void pack_int(struct out *out, int64_t number)
{
    if (number >= 0)
        pack_uint(out, (uint64_t)number);
    else
        msgpack_pack_int64(PACKER(out), number);
}

#define PACK_KEY(out, key) pack_key_of((out), (key), sizeof(key) - 1)

static inline __attribute__((always_inline)) void pack_key_of(struct out *out, const char *key,
                                                              size_t length)
{
    struct run run;
    run_end(&run, out, put_key_of(run_begin(&run, out), key, length));
}

/* ---- the others ---- */

void pack_bool(struct out *out, bool truth);
void pack_double(struct out *out, double number);
void pack_string(struct out *out, const char *string);
/* Arbitrary bytes, such as ids: a str if it is UTF-8, else a bin. */
void pack_bytes(struct out *out, struct text text);

/* A key and its value. */
void pack_key_int(struct out *out, const char *key, int64_t number);
void pack_key_uint(struct out *out, const char *key, uint64_t number);
void pack_key_limit(struct out *out, const char *key, int64_t number); /* negative: nil */
void pack_key_bool(struct out *out, const char *key, bool truth);
void pack_key_text(struct out *out, const char *key, struct text text); /* absent: nil */
void pack_key_string(struct out *out, const char *key, const char *string);

#endif
