/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/out.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(sizeof(struct chunk) == 16384, "a chunk is four pages");

void chunk_pool_limit(struct chunk_pool *pool, uint64_t bytes)
{
    pool->bytes_max = bytes;
    pool->bytes_short = bytes ? bytes / 4 * 3 : UINT64_MAX;
    pool->bytes_full = bytes ? bytes / 16 * 15 : UINT64_MAX;
}

void chunk_pool_init(struct chunk_pool *pool, unsigned free_max)
{
    *pool = (struct chunk_pool){ .free_max = free_max };
    chunk_pool_limit(pool, 0);
}

void chunk_pool_destroy(struct chunk_pool *pool)
{
    assert(pool->in_use == 0);
    while (pool->free) {
        struct chunk *chunk = pool->free;
        pool->free = chunk->next;
        free(chunk);
    }
    pool->free_count = 0;
}

static void note_peak(struct chunk_pool *pool)
{
    uint64_t bytes = chunk_pool_bytes(pool);
    if (bytes > pool->bytes_peak)
        pool->bytes_peak = bytes;
}

void chunk_pool_note_other(struct chunk_pool *pool, uint64_t bytes)
{
    pool->other_bytes = bytes;
    note_peak(pool);
}

static struct chunk *take_chunk(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->free;
    if (!chunk_pool_allows(pool, sizeof *chunk))
        return NULL;
    if (chunk) {
        pool->free = chunk->next;
        pool->free_count--;
    } else {
        chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
    }
    pool->in_use++;
    note_peak(pool);
    chunk->next = NULL;
    return chunk;
}

static void give_chunk(struct chunk_pool *pool, struct chunk *chunk)
{
    assert(pool->in_use > 0);
    pool->in_use--;
    if (pool->free_count >= pool->free_max) {
        free(chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

void out_init(struct out *out, struct chunk_pool *pool)
{
    *out = (struct out){ .pool = pool };
}

/* Sets the stream's end to an offset, and at and limit with it. */
static void move_to(struct out *out, uint64_t end, unsigned char *at, unsigned char *limit)
{
    out->at = at;
    out->limit = limit;
    out->bias = end - (uint64_t)(uintptr_t)at;
}

static void drop_first(struct out *out)
{
    struct chunk *chunk = out->first;
    out->first = chunk->next;
    out->base += CHUNK_BYTES;
    give_chunk(out->pool, chunk);
    if (!out->first) {
        out->base = out_end(out);
        out->last = NULL;
        move_to(out, out->base, NULL, NULL);
    }
}

void out_destroy(struct out *out)
{
    while (out->first)
        drop_first(out);
    out->sent = out_end(out);
}

static bool grow(struct out *out)
{
    struct chunk *chunk = take_chunk(out->pool);
    if (!chunk)
        return false;
    if (out->last)
        out->last->next = chunk;
    else
        out->first = chunk;
    out->last = chunk;
    move_to(out, out_end(out), chunk->bytes, chunk->bytes + CHUNK_BYTES);
    return true;
}

void out_append_over(struct out *out, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        if (out->at == out->limit && !grow(out)) {
            out->failed = true;
            return;
        }
        size_t room = (size_t)(out->limit - out->at);
        size_t piece = length < room ? length : room;
        memcpy(out->at, from, piece);
        out->at += piece;
        from += piece;
        length -= piece;
    }
}

void out_append_stream(struct out *out, const struct out *from)
{
    assert(from->sent == from->base);
    for (struct chunk *chunk = from->first; chunk; chunk = chunk->next) {
        size_t filled = chunk == from->last ? (size_t)(from->at - chunk->bytes) : CHUNK_BYTES;
        out_append(out, chunk->bytes, filled);
    }
    out->failed |= from->failed;
}

void out_cut(struct out *out, uint64_t offset)
{
    assert(offset >= out->sent);
    assert(offset <= out_end(out));
    if (offset == out->sent) {
        move_to(out, offset, out->at, out->limit);
        out_destroy(out);
        return;
    }
    struct chunk *last = out->first;
    uint64_t base = out->base;
    for (; base + CHUNK_BYTES < offset; base += CHUNK_BYTES)
        last = last->next;
    struct chunk *over = last->next;
    while (over) {
        struct chunk *next = over->next;
        give_chunk(out->pool, over);
        over = next;
    }
    last->next = NULL;
    out->last = last;
    move_to(out, offset, last->bytes + (offset - base), last->bytes + CHUNK_BYTES);
}

void out_copy(const struct out *out, uint64_t offset, unsigned char *to)
{
    assert(offset >= out->sent);
    uint64_t base = out->base;
    for (struct chunk *chunk = out->first; chunk; chunk = chunk->next, base += CHUNK_BYTES) {
        uint64_t end = base + CHUNK_BYTES < out_end(out) ? base + CHUNK_BYTES : out_end(out);
        if (offset >= end)
            continue;
        memcpy(to, chunk->bytes + (offset - base), (size_t)(end - offset));
        to += end - offset;
        offset = end;
    }
}

unsigned out_pieces(const struct out *out, uint64_t to, struct iovec *pieces, unsigned max)
{
    assert(out->base <= out->sent); /* O1 */
    assert(to <= out_end(out));
    unsigned count = 0;
    uint64_t from = out->sent;
    uint64_t base = out->base;
    for (struct chunk *chunk = out->first; chunk && from < to && count < max; chunk = chunk->next) {
        uint64_t chunk_end = base + CHUNK_BYTES;
        uint64_t end = to < chunk_end ? to : chunk_end;
        pieces[count++] = (struct iovec){ chunk->bytes + (from - base), end - from };
        from = end;
        base = chunk_end;
    }
    return count;
}

void out_consume(struct out *out, size_t length)
{
    assert(length <= out_unsent(out));
    out->sent += length;
    while (out->first && (out->sent >= out->base + CHUNK_BYTES || out->sent == out_end(out)))
        drop_first(out);
    assert(out->first || out->sent == out_end(out)); /* O2 */
}
