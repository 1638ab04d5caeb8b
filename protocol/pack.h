/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values into an out stream, by msgpack-c's packer. The packer's callback is a constant that the
 * compiler sees, so msgpack-c's templates and out_append become one piece of code.
 */
#ifndef STOCKD_PROTOCOL_PACK_H
#define STOCKD_PROTOCOL_PACK_H

#include <msgpack/pack.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/text.h"
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

/* Heads: so many values, or pairs of them, come next. */
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

/* A key that is a literal: one store of known length. */
#define PACK_KEY(out, key) pack_key_of((out), (key), sizeof(key) - 1)

static inline __attribute__((always_inline)) void pack_key_of(struct out *out, const char *key,
                                                              size_t length)
{
    unsigned char bytes[32];
    bytes[0] = (unsigned char)(0xa0 | length); /* fixstr */
    memcpy(bytes + 1, key, length);
    out_append(out, bytes, length + 1);
}

/* ---- the others ---- */

void pack_bool(struct out *out, bool truth);
void pack_int(struct out *out, int64_t number);
void pack_uint(struct out *out, uint64_t number);
void pack_double(struct out *out, double number);
void pack_string(struct out *out, const char *string);
/* What may be any bytes, as ids may: a str if it is UTF-8, else a bin. */
void pack_bytes(struct out *out, struct text text);

/* A key and its value. */
void pack_key_int(struct out *out, const char *key, int64_t number);
void pack_key_uint(struct out *out, const char *key, uint64_t number);
void pack_key_bool(struct out *out, const char *key, bool truth);
void pack_key_text(struct out *out, const char *key, struct text text); /* absent: nil */
void pack_key_string(struct out *out, const char *key, const char *string);

#endif
