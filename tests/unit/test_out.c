/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "protocol/connection.h"
#include "protocol/out.h"
#include "tests/support/random.h"

static unsigned char byte_at(uint64_t place)
{
    return (unsigned char)(place * 7 + place / 251);
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
    uint64_t place = out->sent;
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *at = pieces[i].iov_base;
        for (size_t j = 0; j < pieces[i].iov_len; j++, place++)
            cr_assert_eq(at[j], byte_at(place), "place %zu", (size_t)place);
    }
    cr_assert(place <= to);
    return place - out->sent;
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
            for (uint64_t place = cut; place < total; place++)
                cr_assert_eq(tail[place - cut], byte_at(place));
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

/* ---- gates ---- */

Test(gates, hold_back_what_is_not_acknowledged)
{
    struct chunk_pool pool;
    struct connection connection;
    chunk_pool_init(&pool, 4);
    connection_init(&connection, &pool);
    append(&connection.out, 100);
    connection_gate(&connection, 100, 8, 1, 0);
    append(&connection.out, 50);
    connection_gate(&connection, 150, 16, 1, 0); /* the same turn: the same gate */
    append(&connection.out, 50);
    connection_gate(&connection, 200, 24, 2, 0);
    append(&connection.out, 50);
    connection_gate(&connection, 250, 24, 3, 0); /* not later than the one before: none needed */
    append(&connection.out, 50);
    cr_assert_eq(connection.gate_count, 2);
    cr_assert_eq(connection_open_gates(&connection, 8), 100);
    cr_assert_eq(connection_open_gates(&connection, 16), 200);
    cr_assert_eq(connection_open_gates(&connection, 23), 200);
    cr_assert_eq(connection_open_gates(&connection, 24), 300);
    connection_destroy(&connection);
    chunk_pool_destroy(&pool);
}

Test(gates, that_find_no_place_make_the_last_one_wait_longer)
{
    struct chunk_pool pool;
    struct connection connection;
    chunk_pool_init(&pool, 4);
    connection_init(&connection, &pool);
    for (uint64_t turn = 1; turn <= 3 * GATES_MAX; turn++) {
        connection_gate(&connection, out_end(&connection.out), turn * 8, turn, 0);
        append(&connection.out, 10);
    }
    cr_assert_eq(connection.gate_count, GATES_MAX);
    for (uint64_t turn = 1; turn < GATES_MAX; turn++)
        cr_assert_eq(connection_open_gates(&connection, turn * 8), turn * 10);
    cr_assert_eq(connection_open_gates(&connection, (3 * GATES_MAX - 1) * 8), (GATES_MAX - 1) * 10);
    cr_assert_eq(connection_open_gates(&connection, 3 * GATES_MAX * 8), out_end(&connection.out));
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
