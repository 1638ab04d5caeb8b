/* SPDX-License-Identifier: Apache-2.0 */
/* The client's MessagePack: packing, reading, and walking what a hostile peer might send. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stockd/client.h>

#include "client/walk.h"

static stockd_value packed(const stockd_pack *pack)
{
    cr_assert_eq(stockd_pack_status(pack), STOCKD_OK);
    return (stockd_value){ pack->data, pack->len };
}

/* {"a": 7, "list": [nil, true, -3, "x", 1.5], "a": 8} */
static stockd_value pack_sample(stockd_pack *pack)
{
    stockd_pack_init(pack, NULL, 0);
    stockd_pack_map(pack, 3);
    stockd_pack_str(pack, "a");
    stockd_pack_u64(pack, 7);
    stockd_pack_str(pack, "list");
    stockd_pack_array(pack, 5);
    stockd_pack_nil(pack);
    stockd_pack_bool(pack, true);
    stockd_pack_i64(pack, -3);
    stockd_pack_str(pack, "x");
    stockd_pack_double(pack, 1.5);
    stockd_pack_str(pack, "a");
    stockd_pack_u64(pack, 8);
    return packed(pack);
}

Test(client_value, unsigned_integers_come_back_at_every_width)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t want = (UINT64_C(1) << bit) + (uint64_t)delta;
            unsigned char buffer[16];
            stockd_pack pack;
            uint64_t got = ~want;

            stockd_pack_init(&pack, buffer, sizeof buffer);
            stockd_pack_u64(&pack, want);
            cr_assert(stockd_value_u64(packed(&pack), &got));
            cr_assert_eq(got, want);
            cr_assert_eq(stockd_value_kind(packed(&pack)), STOCKD_KIND_UINT);
        }
    }
}

Test(client_value, signed_integers_come_back_at_every_width)
{
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            int64_t want = -(INT64_C(1) << bit) + delta;
            unsigned char buffer[16];
            stockd_pack pack;
            int64_t got = ~want;
            uint64_t none;

            stockd_pack_init(&pack, buffer, sizeof buffer);
            stockd_pack_i64(&pack, want);
            cr_assert(stockd_value_i64(packed(&pack), &got));
            cr_assert_eq(got, want);
            cr_assert_eq(stockd_value_u64(packed(&pack), &none), want >= 0);
        }
    }
}

Test(client_value, signed_forms_hold_positive_numbers_too)
{
    const unsigned char seven[] = { 0xd1, 0x00, 0x07 };
    const unsigned char minus[] = { 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe };
    uint64_t positive;
    int64_t negative;

    cr_assert(stockd_value_u64((stockd_value){ seven, sizeof seven }, &positive));
    cr_assert_eq(positive, 7);
    cr_assert_eq(stockd_value_kind((stockd_value){ seven, sizeof seven }), STOCKD_KIND_UINT);
    cr_assert(stockd_value_i64((stockd_value){ minus, sizeof minus }, &negative));
    cr_assert_eq(negative, -2);
    cr_assert_eq(stockd_value_kind((stockd_value){ minus, sizeof minus }), STOCKD_KIND_INT);
}

Test(client_value, an_integer_too_big_for_i64_is_refused)
{
    unsigned char buffer[16];
    stockd_pack pack;
    int64_t got = 5;

    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_u64(&pack, UINT64_MAX);
    cr_assert_not(stockd_value_i64(packed(&pack), &got));
    cr_assert_eq(got, 5);
}

Test(client_value, doubles_of_both_widths_and_integers)
{
    const unsigned char half[] = { 0xca, 0x3f, 0x00, 0x00, 0x00 };
    unsigned char buffer[16];
    stockd_pack pack;
    double got;

    cr_assert(stockd_value_double((stockd_value){ half, sizeof half }, &got));
    cr_assert(fabs(got - 0.5) < 1e-12);
    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_double(&pack, -1234.25);
    cr_assert(stockd_value_double(packed(&pack), &got));
    cr_assert(fabs(got + 1234.25) < 1e-12);
    stockd_pack_reset(&pack);
    stockd_pack_i64(&pack, -9);
    cr_assert(stockd_value_double(packed(&pack), &got));
    cr_assert(fabs(got + 9) < 1e-12);
}

Test(client_value, strings_and_bins_are_read_in_place_or_copied)
{
    const unsigned char bin[] = { 0xc4, 0x03, 'a', 0x00, 'c' };
    const char *bytes;
    size_t len;
    char copy[4];

    cr_assert(stockd_value_str((stockd_value){ bin, sizeof bin }, &bytes, &len));
    cr_assert_eq(len, 3);
    cr_assert_eq((const unsigned char *)bytes, bin + 2);
    cr_assert(stockd_value_copy_str((stockd_value){ bin, sizeof bin }, copy, 4));
    cr_assert_not(stockd_value_copy_str((stockd_value){ bin, sizeof bin }, copy, 3));
}

Test(client_value, maps_are_searched_and_iterated)
{
    stockd_pack pack;
    stockd_value map = pack_sample(&pack);
    stockd_value list, element, key;
    uint64_t number;
    bool flag;
    size_t pairs = 0;

    cr_assert_eq(stockd_value_count(map), 3);
    cr_assert(stockd_map_u64(map, "a", &number));
    cr_assert_eq(number, 7, "the first of a repeated key counts");
    cr_assert_not(stockd_map_find(map, "b", &element));
    cr_assert(stockd_map_find(map, "list", &list));
    cr_assert_eq(stockd_value_count(list), 5);
    cr_assert(stockd_array_at(list, 1, &element));
    cr_assert(stockd_value_bool(element, &flag) && flag);
    cr_assert(stockd_array_at(list, 4, &element));
    cr_assert_not(stockd_array_at(list, 5, &element));
    cr_assert_not(stockd_array_at(map, 0, &element));
    cr_assert_not(stockd_map_find(list, "a", &element));

    stockd_iter it = stockd_iterate(map);
    while (stockd_next(&it, &key, &element)) {
        cr_assert_eq(stockd_value_kind(key), STOCKD_KIND_STR);
        pairs++;
    }
    cr_assert_eq(pairs, 3);
    stockd_pack_free(&pack);
}

Test(client_value, nothing_is_read_out_of_no_value)
{
    stockd_value none = { 0 };
    stockd_value element;
    uint64_t number;
    bool flag;

    cr_assert_eq(stockd_value_kind(none), STOCKD_KIND_NONE);
    cr_assert_eq(stockd_value_count(none), 0);
    cr_assert_not(stockd_value_u64(none, &number));
    cr_assert_not(stockd_value_bool(none, &flag));
    cr_assert_not(stockd_map_find(none, "a", &element));
}

/* All readers over bytes in memory of exactly their size, so that a sanitizer sees one byte more.
 */
static void read_everything(const unsigned char *bytes, size_t len)
{
    unsigned char *exact = malloc(len ? len : 1);
    stockd_value value = { exact, len };
    stockd_value key, element;
    char copy[8];
    double number;
    int64_t integer;
    bool flag;

    cr_assert_not_null(exact);
    memcpy(exact, bytes, len);
    (void)stockd_value_kind(value);
    (void)stockd_value_bool(value, &flag);
    (void)stockd_value_double(value, &number);
    (void)stockd_value_copy_str(value, copy, sizeof copy);
    (void)stockd_map_i64(value, "a", &integer);
    cr_assert_leq(stockd_value_count(value), len);
    stockd_iter it = stockd_iterate(value);
    while (stockd_next(&it, &key, &element)) {
        cr_assert(element.data >= exact);
        cr_assert(element.data + element.len <= exact + len);
    }
    cr_assert_leq(stk_walk_length(exact, len), len);
    free(exact);
}

Test(client_value, cut_anywhere_nothing_is_read_past_the_end)
{
    stockd_pack pack;
    stockd_value map = pack_sample(&pack);

    for (size_t len = 0; len <= map.len; len++) {
        read_everything(map.data, len);
        cr_assert_eq(stk_walk_length(map.data, len), len == map.len ? len : 0);
    }
    stockd_pack_free(&pack);
}

Test(client_value, random_bytes_are_survived)
{
    unsigned seed = 20240607;

    for (int round = 0; round < 200000; round++) {
        unsigned char bytes[24];
        size_t len = (size_t)rand_r(&seed) % (sizeof bytes + 1);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)rand_r(&seed);
        /* Half of them begin as a container or a long string, which is where the danger is. */
        if (len > 0 && round % 2)
            bytes[0] = (unsigned char)(0xd9 + round / 2 % 7);
        read_everything(bytes, len);
    }
}

static enum walk_status walk_all(const unsigned char *bytes, size_t len, size_t limit)
{
    struct walk walk;

    stk_walk_start(&walk);
    return stk_walk_resume(&walk, bytes, len, limit);
}

Test(client_walk, a_walk_resumed_at_every_byte_ends_at_the_same_place)
{
    stockd_pack pack;
    stockd_value map = pack_sample(&pack);

    for (size_t cut = 0; cut < map.len; cut++) {
        struct walk walk;

        stk_walk_start(&walk);
        cr_assert_eq(stk_walk_resume(&walk, map.data, cut, 1000), WALK_PARTIAL);
        cr_assert_eq(stk_walk_resume(&walk, map.data, map.len, 1000), WALK_DONE);
        cr_assert_eq(walk.pos, map.len);
    }
    stockd_pack_free(&pack);
}

Test(client_walk, a_promise_over_the_limit_is_refused_when_it_is_seen)
{
    const unsigned char array[] = { 0xdd, 0x0f, 0xff, 0xff, 0xff };
    const unsigned char map[] = { 0xdf, 0xff, 0xff, 0xff, 0xff };
    const unsigned char str[] = { 0xdb, 0x7f, 0xff, 0xff, 0xff };
    const unsigned char ext[] = { 0xc9, 0xff, 0xff, 0xff, 0xff };

    cr_assert_eq(walk_all(array, sizeof array, 1 << 20), WALK_TOO_LARGE);
    cr_assert_eq(walk_all(map, sizeof map, 1 << 20), WALK_TOO_LARGE);
    cr_assert_eq(walk_all(str, sizeof str, 1 << 20), WALK_TOO_LARGE);
    cr_assert_eq(walk_all(ext, sizeof ext, 1 << 20), WALK_TOO_LARGE);
}

Test(client_walk, depth_is_bounded_and_the_reserved_byte_is_bad)
{
    unsigned char nested[1000];
    const unsigned char reserved[] = { 0x91, 0xc1 };

    memset(nested, 0x91, sizeof nested);
    cr_assert_eq(walk_all(nested, sizeof nested, 1 << 20), WALK_BAD);
    nested[STOCKD_DEPTH_MAX] = 0xc0;
    cr_assert_eq(walk_all(nested, sizeof nested, 1 << 20), WALK_DONE);
    cr_assert_eq(walk_all(reserved, sizeof reserved, 1 << 20), WALK_BAD);
}

Test(client_walk, a_value_that_ends_at_the_limit_is_whole)
{
    const unsigned char str[] = { 0xa3, 'a', 'b', 'c' };

    cr_assert_eq(walk_all(str, 4, 4), WALK_DONE);
    cr_assert_eq(walk_all(str, 4, 3), WALK_TOO_LARGE);
    cr_assert_eq(walk_all(str, 3, 4), WALK_PARTIAL);
}

Test(client_pack, a_full_buffer_is_latched)
{
    unsigned char buffer[4];
    stockd_pack pack;

    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_str(&pack, "abc");
    cr_assert_eq(stockd_pack_status(&pack), STOCKD_OK);
    cr_assert_eq(pack.len, 4);
    stockd_pack_nil(&pack);
    stockd_pack_nil(&pack);
    cr_assert_eq(stockd_pack_status(&pack), STOCKD_E_TOO_LARGE);
    cr_assert_eq(pack.len, 0);
    stockd_pack_reset(&pack);
    stockd_pack_nil(&pack);
    cr_assert_eq(stockd_pack_status(&pack), STOCKD_OK);
    cr_assert_eq(pack.len, 1);
    stockd_pack_free(&pack);
}

Test(client_pack, a_growing_buffer_keeps_what_it_has)
{
    stockd_pack pack;
    stockd_value element;
    uint64_t number;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 10000);
    for (uint64_t i = 0; i < 10000; i++)
        stockd_pack_u64(&pack, i);
    stockd_iter it = stockd_iterate(packed(&pack));
    for (uint64_t i = 0; i < 10000; i++) {
        cr_assert(stockd_next(&it, NULL, &element));
        cr_assert(stockd_value_u64(element, &number));
        cr_assert_eq(number, i);
    }
    cr_assert_not(stockd_next(&it, NULL, &element));
    stockd_pack_free(&pack);
}

Test(client_pack, no_string_is_nil_and_values_are_packed_as_they_are)
{
    const unsigned char seven[] = { 0x07 };
    stockd_pack pack;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, NULL);
    stockd_pack_value(&pack, (stockd_value){ seven, 1 });
    stockd_pack_value(&pack, (stockd_value){ 0 });
    cr_assert_eq(pack.len, 4);
    cr_assert_arr_eq(pack.data, "\x93\xc0\x07\xc0", 4);
    stockd_pack_free(&pack);
}
