/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol/wire against msgpack-c's own unpacker, on any bytes.
 *
 *   F1  Walking in pieces finds what walking at once finds.
 *   F2  A frame within the limits: both end it at the same byte, and read the same values in it.
 *   F3  What the walk calls bad or unfinished, so does msgpack-c. (It is not asked about frames
 *       over a limit: it would reserve what they claim.)
 *   F4  Dropping what was walked of a frame over a limit changes nothing.
 *   F5  The cursor reads any bytes, walked or not, without leaving them.
 *
 * The bytes lie in a heap block of just their size, so that AddressSanitizer sees any step outside.
 */
#include <assert.h>
#include <msgpack.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the server has them, but small enough that a fuzzer comes to them. */
static const struct wire_limits limits = { .bytes = 4096, .elements = 512, .depth = 8 };

/* ---- F2: the same values ---- */

static void check_text(const struct wire_value *value, const void *at, uint32_t length)
{
    assert(value->text.len == length);
    assert(length == 0 || memcmp(value->text.at, at, length) == 0); /* at may be NULL then */
}

static void check_float(const struct wire_value *value, double number)
{
    assert(value->kind == WIRE_FLOAT);
    assert(memcmp(&value->number, &number, sizeof number) == 0 ||
           (value->number != value->number && number != number));
}

static void check_value(struct wire *wire, const msgpack_object *object);

static void check_container(struct wire *wire, const msgpack_object *object,
                            const struct wire_value *value)
{
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        assert(value->kind == WIRE_ARRAY);
        assert(value->count == object->via.array.size);
        for (uint32_t i = 0; i < value->count; i++)
            check_value(wire, &object->via.array.ptr[i]);
        return;
    }
    assert(object->type == MSGPACK_OBJECT_MAP);
    assert(value->kind == WIRE_MAP);
    assert(value->count == object->via.map.size);
    for (uint32_t i = 0; i < value->count; i++) {
        check_value(wire, &object->via.map.ptr[i].key);
        check_value(wire, &object->via.map.ptr[i].val);
    }
}

static void check_value(struct wire *wire, const msgpack_object *object)
{
    struct wire_value value = wire_next(wire);
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        assert(value.kind == WIRE_NIL);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        assert(value.kind == WIRE_BOOL && value.truth == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        assert(value.kind == WIRE_INT && !value.negative && value.bits == object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert(value.kind == WIRE_INT && value.negative);
        assert((int64_t)value.bits == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        check_float(&value, object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        assert(value.kind == WIRE_TEXT);
        check_text(&value, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_BIN:
        assert(value.kind == WIRE_TEXT);
        check_text(&value, object->via.bin.ptr, object->via.bin.size);
        break;
    case MSGPACK_OBJECT_EXT:
        assert(value.kind == WIRE_EXT);
        check_text(&value, object->via.ext.ptr, object->via.ext.size);
        break;
    default:
        check_container(wire, object, &value);
    }
}

/* ---- F1, F4: walking in pieces ---- */

static void walk_in_pieces(const uint8_t *bytes, size_t size, const struct wire_walk *whole,
                           enum wire_found expected)
{
    struct wire_walk walk;
    enum wire_found found = WIRE_PARTIAL;
    wire_walk_start(&walk);
    for (size_t come = 1; come <= size && found == WIRE_PARTIAL; come++)
        found = wire_walk(&walk, &limits, bytes, come);
    assert(size == 0 || found == expected);
    assert(size == 0 || walk.excess == whole->excess);
    assert(found != WIRE_WHOLE || walk.at == whole->at);
}

static void walk_and_drop(const uint8_t *bytes, size_t size, const struct wire_walk *whole,
                          enum wire_found expected)
{
    struct wire_walk walk;
    enum wire_found found = WIRE_PARTIAL;
    size_t start = 0;
    wire_walk_start(&walk);
    for (size_t come = 1; come <= size && found == WIRE_PARTIAL; come++) {
        found = wire_walk(&walk, &limits, bytes + start, come - start);
        if (walk.excess == WIRE_WITHIN)
            continue;
        size_t through = walk.at < come - start ? (size_t)walk.at : come - start;
        wire_walk_drop(&walk, through);
        start += through;
    }
    assert(found == expected);
    assert(found != WIRE_WHOLE || walk.at + walk.dropped == whole->at);
}

/* ---- F2, F3: msgpack-c ---- */

static void ask_msgpack(const uint8_t *bytes, size_t size, const struct wire_walk *walk,
                        enum wire_found found)
{
    msgpack_unpacked unpacked;
    size_t end = 0;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return got = msgpack_unpack_next(&unpacked, (const char *)bytes, size, &end);
    if (found == WIRE_WHOLE) {
        assert(got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES);
        assert(end == walk->at);
        struct wire wire = wire_over(bytes, walk->at);
        check_value(&wire, &unpacked.data);
        assert(!wire.bad);
        assert(wire.at == wire.end);
        wire = wire_over(bytes, walk->at);
        wire_skip(&wire);
        assert(wire.at == wire.end);
    } else if (found == WIRE_BAD) {
        assert(got == MSGPACK_UNPACK_PARSE_ERROR);
    } else {
        assert(got == MSGPACK_UNPACK_CONTINUE);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* ---- F5 ---- */

static void read_anything(const uint8_t *bytes, size_t size)
{
    struct text text;
    uint32_t number;
    struct wire wire = wire_over(bytes, size);
    while (wire_next(&wire).kind != WIRE_NONE)
        assert(wire.at <= wire.end);
    assert(wire.bad);
    for (size_t start = 0; start <= size; start++) {
        wire = wire_over(bytes + start, size - start);
        if (!wire_short_text(&wire, &text) && !wire_short_array(&wire, &number))
            wire_short_number(&wire, &number);
        assert(wire.at <= wire.end);
        wire_skip(&wire);
        assert(wire.at <= wire.end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 3 * limits.bytes)
        return -1;
    uint8_t *bytes = malloc(size ? size : 1);
    assert(bytes);
    if (size > 0)
        memcpy(bytes, data, size);

    struct wire_walk walk;
    wire_walk_start(&walk);
    enum wire_found found = wire_walk(&walk, &limits, bytes, size);
    walk_in_pieces(bytes, size, &walk, found);
    if (size > 0)
        walk_and_drop(bytes, size, &walk, found);
    if (walk.excess == WIRE_WITHIN && size > 0)
        ask_msgpack(bytes, size, &walk, found);
    if (size <= 256)
        read_anything(bytes, size);
    free(bytes);
    return 0;
}
