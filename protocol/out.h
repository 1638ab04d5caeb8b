/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes to a peer, in chunks of one size from a pool.
 *
 * Offsets count from the start of the stream and are never reused, so "send up to there" stays
 * valid however much was sent since. A chunk is filled to its end before the next begins, and bytes
 * once written do not move: a send may be reading them while more are appended behind it.
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
    unsigned free_max; /* chunks beyond that go back to the system */
    uint64_t in_use;
    /* What may be in use for peers in all, in bytes (0: no limit), and what its owner has in use
     * for them beside the chunks. A stream that would pass it fails, as without memory. */
    uint64_t bytes_max, other_bytes;
    /* From these on it is short, and nearly full: see worker_memory.h. */
    uint64_t bytes_short, bytes_full;
    uint64_t bytes_peak; /* the most that was in use */
};

static inline uint64_t chunk_pool_bytes(const struct chunk_pool *pool)
{
    return pool->in_use * sizeof(struct chunk) + pool->other_bytes;
}

/* Whether so many bytes more are within the limit. */
static inline bool chunk_pool_allows(const struct chunk_pool *pool, uint64_t more)
{
    return pool->bytes_max == 0 || chunk_pool_bytes(pool) + more <= pool->bytes_max;
}

void chunk_pool_limit(struct chunk_pool *pool, uint64_t bytes);

/* The owner has now so much in use beside the chunks. */
void chunk_pool_note_other(struct chunk_pool *pool, uint64_t bytes);

void chunk_pool_init(struct chunk_pool *pool, unsigned free_max);
void chunk_pool_destroy(struct chunk_pool *pool);

/*
 * O1: base <= sent <= out_end; base is the offset of first's first byte.
 * O2: there are exactly as many chunks as hold [base, out_end); none when nothing is unsent.
 */
struct out {
    struct chunk_pool *pool;
    struct chunk *first, *last;
    uint64_t base, sent;
    unsigned char *at;    /* where the next byte goes */
    unsigned char *limit; /* the last chunk's end */
    uint64_t bias;        /* offset of the next byte less the address in at */
    bool failed;          /* no memory: bytes are missing, the stream cannot continue */
};

/* The offset of the next byte. */
static inline uint64_t out_end(const struct out *out)
{
    return (uint64_t)(uintptr_t)out->at + out->bias;
}

void out_init(struct out *out, struct chunk_pool *pool);

/* Gives all chunks back; unsent bytes are lost. */
void out_destroy(struct out *out);

/* out_append's slow path, for bytes that do not fit in the last chunk. */
void out_append_over(struct out *out, const void *bytes, size_t length);

/* Copies small lengths without a call; touches no byte outside the given lengths. */
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

/* Appends all unsent bytes of another stream, of the same pool or not. */
void out_append_stream(struct out *out, const struct out *from);

static inline uint64_t out_unsent(const struct out *out)
{
    return out_end(out) - out->sent;
}

/* Removes everything from the offset on; none of it was sent or is being sent. */
void out_cut(struct out *out, uint64_t offset);

/* Copies from the offset to the end; `to` has room for out_end - offset bytes. */
void out_copy(const struct out *out, uint64_t offset, unsigned char *to);

/* The bytes not sent before the offset `to`, as at most max pieces. Returns how many. */
unsigned out_pieces(const struct out *out, uint64_t to, struct iovec *pieces, unsigned max);

/* `length` more bytes were sent; gives back chunks that are sent whole. */
void out_consume(struct out *out, size_t length);

#endif
