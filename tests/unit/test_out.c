/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "protocol/connection.h"
#include "protocol/out.h"
#include "tests/support/random.h"

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 7 + offset / 251);
}

/* Appends so many bytes whose values tell their place in the stream. */
static void append(struct out *out, size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(out_end(out) + i);
    out_append(out, bytes, length);
    free(bytes);
}

/* Reads what may go up to a place; checks each byte; returns how many. */
static size_t check_pieces(const struct out *out, uint64_t to, unsigned max)
{
    struct iovec pieces[64];
    unsigned count = out_pieces(out, to, pieces, max);
    uint64_t offset = out->sent;
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *at = pieces[i].iov_base;
        for (size_t j = 0; j < pieces[i].iov_len; j++, offset++)
            cr_assert_eq(at[j], byte_at(offset), "place %zu", (size_t)offset);
    }
    cr_assert(offset <= to);
    return offset - out->sent;
}

Test(out, keeps_bytes_in_order_whatever_the_sizes)
{
    struct chunk_pool pool;
    struct out out;
    chunk_pool_init(&pool, 4);
    out_init(&out, &pool);
    struct random seed = { 7 };
    for (int round = 0; round < 2000; round++) {
        append(&out, (size_t)random_next(&seed) % 5000);
        uint64_t to = out.sent + random_next(&seed) % (out_unsent(&out) + 1);
        size_t may = check_pieces(&out, to, 1 + (unsigned)random_next(&seed) % 16);
        out_consume(&out, may ? (size_t)random_next(&seed) % (may + 1) : 0);
    }
    out_destroy(&out);
    cr_assert_eq(pool.in_use, 0);
    chunk_pool_destroy(&pool);
}

Test(out, holds_no_memory_when_all_is_sent)
{
    struct chunk_pool pool;
    struct out out;
    chunk_pool_init(&pool, 4);
    out_init(&out, &pool);
    append(&out, 3 * CHUNK_BYTES + 5);
    cr_assert_eq(pool.in_use, 4);
    out_consume(&out, CHUNK_BYTES);
    cr_assert_eq(pool.in_use, 3);
    out_consume(&out, 2 * CHUNK_BYTES + 5);
    cr_assert_eq(pool.in_use, 0);
    append(&out, 10);
    cr_assert_eq(check_pieces(&out, out_end(&out), 4), 10);
    out_destroy(&out);
    chunk_pool_destroy(&pool);
}

Test(out, can_be_cut_at_any_place)
{
    const uint64_t total = 3 * CHUNK_BYTES;
    const uint64_t places[] = { 0,         1,    CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1,
                                total - 1, total };
    for (size_t sent = 0; sent < 3; sent++) {
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            struct chunk_pool pool;
            struct out out;
            chunk_pool_init(&pool, 4);
            out_init(&out, &pool);
            append(&out, total);
            out_consume(&out, sent * 1000);
            uint64_t cut = places[i] < out.sent ? out.sent : places[i];
            unsigned char *tail = malloc(total);
            out_copy(&out, cut, tail);
            for (uint64_t offset = cut; offset < total; offset++)
                cr_assert_eq(tail[offset - cut], byte_at(offset));
            free(tail);
            out_cut(&out, cut);
            append(&out, CHUNK_BYTES);
            cr_assert_eq(check_pieces(&out, out_end(&out), 16), out_unsent(&out));
            out_destroy(&out);
            cr_assert_eq(pool.in_use, 0);
            chunk_pool_destroy(&pool);
        }
    }
}

/* ---- reply barriers ---- */

Test(barriers, hold_back_what_is_not_acknowledged)
{
    struct chunk_pool pool;
    struct connection connection;
    chunk_pool_init(&pool, 4);
    connection_init(&connection, &pool);
    append(&connection.out, 100);
    connection_barrier(&connection, 100, 8, 1, 0);
    append(&connection.out, 50);
    connection_barrier(&connection, 150, 16, 1, 0); /* the same turn: the same reply barrier */
    append(&connection.out, 50);
    connection_barrier(&connection, 200, 24, 2, 0);
    append(&connection.out, 50);
    connection_barrier(&connection, 250, 24, 3, 0); /* not later than the one before: none needed */
    append(&connection.out, 50);
    cr_assert_eq(connection.barrier_count, 2);
    cr_assert_eq(connection_open_barriers(&connection, 8), 100);
    cr_assert_eq(connection_open_barriers(&connection, 16), 200);
    cr_assert_eq(connection_open_barriers(&connection, 23), 200);
    cr_assert_eq(connection_open_barriers(&connection, 24), 300);
    connection_destroy(&connection);
    chunk_pool_destroy(&pool);
}

Test(barriers, that_find_no_place_make_the_last_one_wait_longer)
{
    struct chunk_pool pool;
    struct connection connection;
    chunk_pool_init(&pool, 4);
    connection_init(&connection, &pool);
    for (uint64_t iteration = 1; iteration <= 3 * BARRIERS_MAX; iteration++) {
        connection_barrier(&connection, out_end(&connection.out), iteration * 8, iteration, 0);
        append(&connection.out, 10);
    }
    cr_assert_eq(connection.barrier_count, BARRIERS_MAX);
    for (uint64_t iteration = 1; iteration < BARRIERS_MAX; iteration++)
        cr_assert_eq(connection_open_barriers(&connection, iteration * 8), iteration * 10);
    cr_assert_eq(connection_open_barriers(&connection, (3 * BARRIERS_MAX - 1) * 8),
                 (BARRIERS_MAX - 1) * 10);
    cr_assert_eq(connection_open_barriers(&connection, 3 * BARRIERS_MAX * 8),
                 out_end(&connection.out));
    connection_destroy(&connection);
    chunk_pool_destroy(&pool);
}

/* ---- input ---- */

Test(input, gives_back_what_was_appended)
{
    struct input input = { 0 };
    uint64_t in = 0;
    uint64_t through = 0;
    unsigned char bytes[3000];
    struct random seed = { 11 };
    for (int round = 0; round < 5000; round++) {
        size_t length = (size_t)random_next(&seed) % sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = byte_at(in + i);
        cr_assert(input_append(&input, bytes, length));
        in += length;
        cr_assert_eq(input_length(&input), in - through);
        size_t take = (size_t)random_next(&seed) % (input_length(&input) + 1);
        if (round % 50 == 0)
            take = input_length(&input);
        for (size_t i = 0; i < take; i++)
            cr_assert_eq(input.bytes[input.start + i], byte_at(through + i));
        input_consume(&input, take);
        through += take;
    }
    free(input.bytes);
}

/* The stream fails as without memory, and what was sent makes room for others. */
Test(out, stays_within_the_limit)
{
    enum { CHUNKS = 3 };
    static unsigned char bytes[CHUNK_BYTES];
    struct chunk_pool pool;
    struct out one, other;
    chunk_pool_init(&pool, 4);
    chunk_pool_limit(&pool, CHUNKS * sizeof(struct chunk));
    chunk_pool_note_other(&pool, sizeof(struct chunk));
    out_init(&one, &pool);
    out_init(&other, &pool);
    out_append(&one, bytes, sizeof bytes);
    out_append(&one, bytes, sizeof bytes);
    cr_assert(!one.failed);
    out_append(&other, bytes, 1);
    cr_assert(other.failed, "the rest is in use elsewhere");
    cr_assert(!chunk_pool_allows(&pool, 1));
    cr_assert_eq(pool.bytes_peak, CHUNKS * sizeof(struct chunk));
    out_destroy(&other);
    out_consume(&one, sizeof bytes);
    out_init(&other, &pool);
    out_append(&other, bytes, 1);
    cr_assert(!other.failed);
    out_destroy(&one);
    out_destroy(&other);
    chunk_pool_destroy(&pool);
}
