/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

static const struct wire_limits limits = { .bytes = 1 << 20, .elements = 65536, .depth = 8 };

static enum wire_found walk_of(struct wire_walk *walk, const void *bytes, size_t length)
{
    wire_walk_start(walk);
    return wire_walk(walk, &limits, bytes, length);
}

#define BYTES(literal) (literal), sizeof(literal) - 1

/* ---- walking ---- */

Test(wire_walk, finds_the_end_of_every_form)
{
    static const struct {
        const char *bytes;
        size_t length;
    } frames[] = {
        { BYTES("\x00") },
        { BYTES("\x7f") },
        { BYTES("\xe0") },
        { BYTES("\xc0") },
        { BYTES("\xc2") },
        { BYTES("\xc3") },
        { BYTES("\xcc\x05") },
        { BYTES("\xcd\x00\x05") },
        { BYTES("\xce\x00\x00\x00\x05") },
        { BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x05") },
        { BYTES("\xd0\xfb") },
        { BYTES("\xd1\xff\xfb") },
        { BYTES("\xd2\xff\xff\xff\xfb") },
        { BYTES("\xd3\xff\xff\xff\xff\xff\xff\xff\xfb") },
        { BYTES("\xca\x3f\x80\x00\x00") },
        { BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00") },
        { BYTES("\xa0") },
        { BYTES("\xa3"
                "abc") },
        { BYTES("\xd9\x01x") },
        { BYTES("\xda\x00\x01x") },
        { BYTES("\xdb\x00\x00\x00\x01x") },
        { BYTES("\xc4\x01x") },
        { BYTES("\xc5\x00\x01x") },
        { BYTES("\xc6\x00\x00\x00\x01x") },
        { BYTES("\xd4\x01x") },
        { BYTES("\xd5\x01xx") },
        { BYTES("\xd6\x01xxxx") },
        { BYTES("\xd7\x01xxxxxxxx") },
        { BYTES("\xd8\x01xxxxxxxxxxxxxxxx") },
        { BYTES("\xc7\x01\x05x") },
        { BYTES("\xc8\x00\x01\x05x") },
        { BYTES("\xc9\x00\x00\x00\x01\x05x") },
        { BYTES("\x90") },
        { BYTES("\x92\x01\x91\x02") },
        { BYTES("\xdc\x00\x02\x01\x02") },
        { BYTES("\xdd\x00\x00\x00\x02\x01\x02") },
        { BYTES("\x80") },
        { BYTES("\x81\x01\x82\x01\x02\x03\x04") },
        { BYTES("\xde\x00\x01\x01\x02") },
        { BYTES("\xdf\x00\x00\x00\x01\x01\x02") },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct wire_walk walk;
        size_t length = frames[i].length;
        char *exact = malloc(length);
        memcpy(exact, frames[i].bytes, length);
        cr_assert_eq(walk_of(&walk, exact, length), WIRE_WHOLE, "frame %zu", i);
        cr_assert_eq(walk.at, length, "frame %zu", i);
        wire_walk_start(&walk);
        for (size_t come = 1; come < length; come++)
            cr_assert_eq(wire_walk(&walk, &limits, exact, come), WIRE_PARTIAL, "frame %zu", i);
        cr_assert_eq(wire_walk(&walk, &limits, exact, length), WIRE_WHOLE, "frame %zu", i);
        free(exact);
    }
}

Test(wire_walk, stops_at_the_end_of_the_first_of_two)
{
    struct wire_walk walk;
    cr_assert_eq(walk_of(&walk, BYTES("\x91\x01\x91\x02")), WIRE_WHOLE);
    cr_assert_eq(walk.at, 2);
}

Test(wire_walk, knows_the_byte_that_begins_nothing)
{
    struct wire_walk walk;
    cr_assert_eq(walk_of(&walk, BYTES("\xc1")), WIRE_BAD);
    cr_assert_eq(walk_of(&walk, BYTES("\x92\x01\xc1")), WIRE_BAD);
}

Test(wire_walk, claims_are_over_the_limit_before_anything_is_held)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_excess excess;
    } frames[] = {
        { BYTES("\xdd\x0f\xff\xff\xff"), WIRE_MANY_ELEMENTS },
        { BYTES("\xdf\xff\xff\xff\xff"), WIRE_MANY_ELEMENTS },
        { BYTES("\xdc\xff\xff\xdc\x00\x02"), WIRE_MANY_ELEMENTS },
        { BYTES("\xdb\xff\xff\xff\xff"), WIRE_MANY_BYTES },
        { BYTES("\xc9\x00\x10\x00\x00"), WIRE_MANY_BYTES },
        { BYTES("\x91\x91\x91\x91\x91\x91\x91\x91\x91"), WIRE_TOO_DEEP },
        { BYTES("\x91\x91\x91\x91\x91\x91\x91\x91\x90"), WIRE_TOO_DEEP },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct wire_walk walk;
        walk_of(&walk, frames[i].bytes, frames[i].length);
        cr_assert_eq(walk.excess, frames[i].excess, "frame %zu", i);
    }
}

Test(wire_walk, the_limits_themselves_are_within)
{
    struct wire_walk walk;
    cr_assert_eq(walk_of(&walk, BYTES("\x91\x91\x91\x91\x91\x91\x91\x90")), WIRE_WHOLE);
    cr_assert_eq(walk.excess, WIRE_WITHIN);

    size_t length = 1 << 20;
    unsigned char *bytes = calloc(1, length);
    memcpy(bytes, "\xdb\x00\x0f\xff\xfb", 5); /* a text that fills it to the byte */
    cr_assert_eq(walk_of(&walk, bytes, length), WIRE_WHOLE);
    cr_assert_eq(walk.excess, WIRE_WITHIN);
    bytes[4]++;
    cr_assert_eq(walk_of(&walk, bytes, length), WIRE_PARTIAL);
    cr_assert_eq(walk.excess, WIRE_MANY_BYTES);

    memcpy(bytes, "\xdd\x00\x01\x00\x00", 5); /* 65,536 values */
    cr_assert_eq(walk_of(&walk, bytes, 65541), WIRE_WHOLE);
    cr_assert_eq(walk.excess, WIRE_WITHIN);
    free(bytes);
}

/* Those that have come whole and have no long forms are passed without the careful walk. */
Test(wire_walk, a_plain_frame_is_held_to_the_same_limits)
{
    static const struct wire_limits small = { .bytes = 8, .elements = 3, .depth = 2 };
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_excess excess;
    } frames[] = {
        { BYTES("\x93\x01\x02\x03"), WIRE_WITHIN },
        { BYTES("\x94\x01\x02\x03\x04"), WIRE_MANY_ELEMENTS },
        { BYTES("\x92\x91\x01\x02"), WIRE_WITHIN },
        { BYTES("\x92\x92\x01\x02\x03"), WIRE_MANY_ELEMENTS },
        { BYTES("\x91\x91\x91\x01"), WIRE_TOO_DEEP },
        { BYTES("\x92\x05\xce\x00\x00\x00\x01"), WIRE_WITHIN },
        { BYTES("\x93\x05\x05\xce\x00\x00\x00\x01"), WIRE_WITHIN },
        { BYTES("\x91\xcf\x00\x00\x00\x00\x00\x00\x00\x01"), WIRE_MANY_BYTES },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct wire_walk walk;
        wire_walk_start(&walk);
        wire_walk(&walk, &small, frames[i].bytes, frames[i].length);
        cr_assert_eq(walk.excess, frames[i].excess, "frame %zu", i);
    }
}

Test(wire_walk, a_frame_over_a_limit_is_walked_to_its_end)
{
    /* 30 deep, fed and dropped one byte at a time */
    unsigned char bytes[31];
    struct wire_walk walk;
    memset(bytes, 0x91, 30);
    bytes[30] = 0x07;
    enum wire_found found = WIRE_PARTIAL;
    size_t start = 0;
    wire_walk_start(&walk);
    for (size_t come = 1; come <= sizeof bytes; come++) {
        cr_assert_eq(found, WIRE_PARTIAL);
        found = wire_walk(&walk, &limits, bytes + start, come - start);
        if (walk.excess != WIRE_WITHIN) {
            wire_walk_drop(&walk, (size_t)walk.at);
            start = come;
        }
    }
    cr_assert_eq(found, WIRE_WHOLE);
    cr_assert_eq(walk.at + walk.dropped, sizeof bytes);
}

Test(wire_walk, a_byte_at_a_time_costs_no_more)
{
    /* If each byte began anew this would take minutes. */
    size_t length = 65541;
    unsigned char *bytes = calloc(1, length);
    struct wire_walk walk;
    memcpy(bytes, "\xdd\x00\x01\x00\x00", 5);
    wire_walk_start(&walk);
    for (size_t come = 1; come < length; come++)
        cr_assert_eq(wire_walk(&walk, &limits, bytes, come), WIRE_PARTIAL);
    cr_assert_eq(wire_walk(&walk, &limits, bytes, length), WIRE_WHOLE);
    free(bytes);
}

/* ---- reading ---- */

static struct wire_value only_value(const void *bytes, size_t length)
{
    struct wire wire = wire_over(bytes, length);
    struct wire_value value = wire_next(&wire);
    cr_assert(wire.at == wire.end);
    return value;
}

Test(wire, integers_of_every_width)
{
    static const struct {
        const char *bytes;
        size_t length;
        int64_t number;
    } frames[] = {
        { BYTES("\x00"), 0 },
        { BYTES("\x7f"), 127 },
        { BYTES("\xff"), -1 },
        { BYTES("\xe0"), -32 },
        { BYTES("\xcc\xff"), 255 },
        { BYTES("\xcd\xff\xfe"), 65534 },
        { BYTES("\xce\xff\xff\xff\xff"), 4294967295 },
        { BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX },
        { BYTES("\xd0\x80"), -128 },
        { BYTES("\xd1\x80\x00"), -32768 },
        { BYTES("\xd2\x80\x00\x00\x00"), INT32_MIN },
        { BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN },
        { BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x07"), 7 },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        int64_t number;
        struct wire_value value = only_value(frames[i].bytes, frames[i].length);
        cr_assert(wire_fits_int64(&value, &number), "integer %zu", i);
        cr_assert_eq(number, frames[i].number, "integer %zu", i);
    }
    int64_t number;
    struct wire_value huge = only_value(BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"));
    cr_assert_not(wire_fits_int64(&huge, &number));
    cr_assert_eq(huge.bits, UINT64_C(1) << 63);
}

Test(wire, floats_are_told_apart)
{
    struct wire_value narrow = only_value(BYTES("\xca\x3f\xc0\x00\x00"));
    cr_assert_eq(narrow.kind, WIRE_FLOAT);
    cr_assert_eq(narrow.number, 1.5);
    struct wire_value wide = only_value(BYTES("\xcb\x40\x00\x00\x00\x00\x00\x00\x00"));
    cr_assert_eq(wide.kind, WIRE_FLOAT);
    cr_assert_eq(wide.number, 2.0);
}

Test(wire, str_and_bin_are_texts)
{
    static const struct {
        const char *bytes;
        size_t length;
    } frames[] = {
        { BYTES("\xa2hi") },
        { BYTES("\xd9\x02hi") },
        { BYTES("\xda\x00\x02hi") },
        { BYTES("\xc4\x02hi") },
        { BYTES("\xc5\x00\x02hi") },
        { BYTES("\xdb\x00\x00\x00\x02hi") },
        { BYTES("\xc6\x00\x00\x00\x02hi") },
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct wire_value value = only_value(frames[i].bytes, frames[i].length);
        cr_assert_eq(value.kind, WIRE_TEXT, "text %zu", i);
        cr_assert(text_equal(value.text, text_of("hi")), "text %zu", i);
    }
}

Test(wire, the_first_error_sticks)
{
    struct wire wire = wire_over(BYTES("\x01\xa5hi"));
    cr_assert_eq(wire_next(&wire).kind, WIRE_INT);
    cr_assert_eq(wire_next(&wire).kind, WIRE_NONE);
    cr_assert(wire.bad);
    cr_assert_eq(wire_next(&wire).kind, WIRE_NONE);
    struct text text;
    uint32_t number;
    cr_assert_not(wire_short_text(&wire, &text));
    cr_assert_not(wire_short_array(&wire, &number));
    cr_assert_not(wire_short_number(&wire, &number));
}

Test(wire, short_forms_take_only_what_they_are)
{
    struct text text;
    uint32_t number;
    struct wire wire = wire_over(BYTES("\x92\x07\xa1x"));
    cr_assert_not(wire_short_text(&wire, &text));
    cr_assert(wire_short_array(&wire, &number));
    cr_assert_eq(number, 2);
    cr_assert_not(wire_short_array(&wire, &number));
    cr_assert(wire_short_number(&wire, &number));
    cr_assert_eq(number, 7);
    cr_assert(wire_short_text(&wire, &text));
    cr_assert(text_equal(text, text_of("x")));
    cr_assert(wire.at == wire.end);
}

Test(wire, skip_passes_over_all_that_is_inside)
{
    struct wire wire = wire_over(BYTES("\x82\x01\x92\x02\x80\xa1x\xc4\x01y\x09"));
    wire_skip(&wire);
    uint32_t number;
    cr_assert(wire_short_number(&wire, &number));
    cr_assert_eq(number, 9);
}
