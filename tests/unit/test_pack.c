/* SPDX-License-Identifier: Apache-2.0 */
/* Our own packing against msgpack-c's packer, wherever in a chunk it comes to lie. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdlib.h>

#include "protocol/pack.h"
#include "tests/support/random.h"

static struct chunk_pool pool;
static struct out out;
static msgpack_sbuffer expected;
static msgpack_packer packer;

static void set_up(size_t before)
{
    unsigned char *filling = calloc(1, before + 1);
    chunk_pool_init(&pool, 4);
    out_init(&out, &pool);
    out_append(&out, filling, before);
    msgpack_sbuffer_init(&expected);
    msgpack_packer_init(&packer, &expected, msgpack_sbuffer_write);
    free(filling);
}

static void tear_down(size_t before)
{
    uint64_t length = out_end(&out) - before;
    cr_assert_eq(length, expected.size, "%zu bytes, not %zu", (size_t)length, expected.size);
    unsigned char *packed = malloc(length + 1);
    out_copy(&out, before, packed);
    cr_assert_arr_eq(packed, expected.data, expected.size);
    free(packed);
    msgpack_sbuffer_destroy(&expected);
    out_destroy(&out);
    chunk_pool_destroy(&pool);
}

/* At the border of each form, and one to either side of it. */
static const uint64_t borders[] = {
    0,      0x20,    0x7f,       0x80,       0xff,        0x100,
    0xffff, 0x10000, 0x7fffffff, 0xffffffff, 0x100000000, INT64_MAX
};

enum { BORDERS = sizeof borders / sizeof *borders };

static void pack_borders(void)
{
    for (unsigned i = 0; i < BORDERS; i++) {
        for (int by = -1; by <= 1; by++) {
            uint64_t number = borders[i] + (uint64_t)(int64_t)by;
            pack_uint(&out, number);
            msgpack_pack_uint64(&packer, number);
            pack_int(&out, (int64_t)number);
            msgpack_pack_int64(&packer, (int64_t)number);
            pack_int(&out, -(int64_t)borders[i]);
            msgpack_pack_int64(&packer, -(int64_t)borders[i]);
        }
    }
}

Test(pack, numbers_have_their_shortest_form)
{
    set_up(0);
    pack_borders();
    tear_down(0);
}

Test(pack, numbers_go_over_the_end_of_a_chunk)
{
    for (size_t before = CHUNK_BYTES - RUN_MAX - 2; before <= CHUNK_BYTES + 1; before++) {
        set_up(before);
        pack_borders();
        tear_down(before);
    }
}

/* The longest run, from any place on. */
Test(pack, a_run_of_values_is_the_same_wherever_it_lies)
{
    char letters[PUT_TEXT_MAX];
    struct random random = { 11 };
    memset(letters, 'x', sizeof letters);
    for (size_t before = CHUNK_BYTES - 2 * RUN_MAX; before <= CHUNK_BYTES + 1; before++) {
        uint64_t number = random_next(&random) >> random_next(&random) % 64;
        struct text text = { letters, (uint32_t)(random_next(&random) % 90) };
        struct run run;
        set_up(before);
        unsigned char *at = put_map(run_begin(&run, &out), 2);
        at = put_text(PUT_KEY(at, "text"), text);
        at = put_uint(PUT_KEY(at, "number"), number);
        run_end(&run, &out, put_nil(put_array(at, 1)));
        msgpack_pack_map(&packer, 2);
        msgpack_pack_str_with_body(&packer, "text", 4);
        msgpack_pack_str_with_body(&packer, text.at, text.len);
        msgpack_pack_str_with_body(&packer, "number", 6);
        msgpack_pack_uint64(&packer, number);
        msgpack_pack_array(&packer, 1);
        msgpack_pack_nil(&packer);
        tear_down(before);
    }
}

Test(pack, texts_of_each_length)
{
    char letters[PUT_TEXT_MAX];
    memset(letters, 'y', sizeof letters);
    for (uint32_t length = 0; length <= PUT_TEXT_MAX; length++) {
        unsigned char packed[PUT_TEXT_MAX + 2];
        set_up(0);
        unsigned char *end = put_text(packed, (struct text){ letters, length });
        out_append(&out, packed, (size_t)(end - packed));
        msgpack_pack_str_with_body(&packer, letters, length);
        tear_down(0);
    }
}
