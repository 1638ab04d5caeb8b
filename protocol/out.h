/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes on its way to a peer, in chunks of one size from a pool.
 *
 * Places in the stream are counted from its birth and never come back, so that "send up to there"
 * stays true however much was sent since. A chunk is filled to its end before the next begins, and
 * bytes once written do not move: a send may be reading them while more are appended behind it.
 *
 * One thread owns a pool and all streams on it.
 */
#ifndef STOCKD_PROTOCOL_OUT_H
#define STOCKD_PROTOCOL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

enum { CHUNK_BYTES = 16384 - 16 };

struct chunk {
    struct chunk *next;
    uint64_t unused; /* keeps the whole at 16 KiB */
    unsigned char bytes[CHUNK_BYTES];
};

struct chunk_pool {
    struct chunk *free;
    unsigned free_count;
    unsigned free_max; /* more than that go back to the system */
    uint64_t in_use;
};

void chunk_pool_init(struct chunk_pool *pool, unsigned free_max);
void chunk_pool_destroy(struct chunk_pool *pool);

/*
 * O1: base <= sent <= out_end; base is the place of first's first byte.
 * O2: there are just as many chunks as hold [base, out_end); none when nothing is unsent.
 */
struct out {
    struct chunk_pool *pool;
    struct chunk *first, *last;
    uint64_t base, sent;
    unsigned char *at;    /* where the next byte goes */
    unsigned char *limit; /* the last chunk's end */
    uint64_t bias;        /* what at's address lacks to be the place of the next byte */
    bool failed;          /* no memory: bytes are missing, the stream cannot go on */
};

/* The place of the next byte. */
static inline uint64_t out_end(const struct out *out)
{
    return (uint64_t)(uintptr_t)out->at + out->bias;
}

void out_init(struct out *out, struct chunk_pool *pool);

/* Gives all chunks back; what was not sent is gone. */
void out_destroy(struct out *out);

/* The part of out_append for bytes that do not fit the last chunk. */
void out_append_over(struct out *out, const void *bytes, size_t length);

/* Small copies of any length without a call; source and destination have just that many bytes. */
static inline void copy_small(unsigned char *to, const unsigned char *from, size_t length)
{
    if (length > 32) {
        memcpy(to, from, length);
    } else if (length >= 16) {
        memcpy(to, from, 16);
        memcpy(to + length - 16, from + length - 16, 16);
    } else if (length >= 8) {
        memcpy(to, from, 8);
        memcpy(to + length - 8, from + length - 8, 8);
    } else if (length >= 4) {
        memcpy(to, from, 4);
        memcpy(to + length - 4, from + length - 4, 4);
    } else {
        for (size_t i = 0; i < length; i++)
            to[i] = from[i];
    }
}

static inline void out_append(struct out *out, const void *bytes, size_t length)
{
    unsigned char *at = out->at;
    if (__builtin_expect(length <= (size_t)(out->limit - at), 1)) {
        if (__builtin_constant_p(length))
            memcpy(at, bytes, length);
        else
            copy_small(at, bytes, length);
        out->at = at + length;
    } else {
        out_append_over(out, bytes, length);
    }
}

/* Appends all that is unsent in another stream, of the same pool or not. */
void out_append_stream(struct out *out, const struct out *from);

static inline uint64_t out_unsent(const struct out *out)
{
    return out_end(out) - out->sent;
}

/* Takes back all from a place on that was not sent, and is not being sent. */
void out_cut(struct out *out, uint64_t offset);

/* Copies what lies from a place to the end; it must be as long as out_end - place. */
void out_copy(const struct out *out, uint64_t offset, unsigned char *to);

/* What lies between what was sent and the place `to`, as at most max pieces. Returns how many. */
unsigned out_pieces(const struct out *out, uint64_t to, struct iovec *pieces, unsigned max);

/* So many bytes more were sent; chunks that are through are given back. */
void out_consume(struct out *out, size_t length);

#endif
