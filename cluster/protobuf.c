/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/protobuf.h"

#include <assert.h>
#include <string.h>

enum { NUMBER_MAX = (1 << 29) - 1, FORM_BITS = 3 };

struct proto_reader proto_over(struct text message)
{
    const uint8_t *at = (const uint8_t *)message.at;
    return (struct proto_reader){ .at = at, .end = at ? at + message.len : NULL };
}

static uint64_t fail(struct proto_reader *reader)
{
    reader->bad = true;
    return 0;
}

/* At most ten bytes, the last of which has one bit of the number. */
static uint64_t read_varint(struct proto_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end)
            return fail(reader);
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            return fail(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    return fail(reader);
}

static struct text read_bytes(struct proto_reader *reader, uint64_t length)
{
    struct text bytes = { (const char *)reader->at, 0 };
    if (length > (uint64_t)(reader->end - reader->at) || length > UINT32_MAX) {
        fail(reader);
        return bytes;
    }
    bytes.len = (uint32_t)length;
    reader->at += length;
    return bytes;
}

bool proto_next(struct proto_reader *reader, struct proto_field *field)
{
    if (reader->bad || reader->at == reader->end)
        return false;
    uint64_t tag = read_varint(reader);
    uint64_t number = tag >> FORM_BITS;
    *field = (struct proto_field){ .number = (uint32_t)number, .form = (enum proto_form)(tag & 7) };
    if (number == 0 || number > NUMBER_MAX)
        fail(reader);
    if (reader->bad)
        return false;
    switch (field->form) {
    case PROTO_VARINT:
        field->varint = read_varint(reader);
        break;
    case PROTO_BYTES:
        field->bytes = read_bytes(reader, read_varint(reader));
        break;
    case PROTO_FIXED64:
        read_bytes(reader, 8);
        break;
    case PROTO_FIXED32:
        read_bytes(reader, 4);
        break;
    default:
        fail(reader); /* groups, which etcd has none of */
    }
    assert(reader->at <= reader->end);
    return !reader->bad;
}

/* ---- writing ---- */

static void write_bytes(struct proto_writer *writer, const void *bytes, size_t length)
{
    size_t room = writer->full ? 0 : writer->capacity - writer->length;
    if (writer->bytes && length > room)
        writer->full = true;
    if (writer->bytes && !writer->full && length > 0)
        memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

static void write_varint(struct proto_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    unsigned length = 0;
    do {
        bytes[length++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    write_bytes(writer, bytes, length);
}

static void write_tag(struct proto_writer *writer, uint32_t number, enum proto_form form)
{
    assert(number > 0 && number <= NUMBER_MAX);
    write_varint(writer, (uint64_t)number << FORM_BITS | form);
}

void proto_put_varint_always(struct proto_writer *writer, uint32_t number, uint64_t value)
{
    write_tag(writer, number, PROTO_VARINT);
    write_varint(writer, value);
}

void proto_put_varint(struct proto_writer *writer, uint32_t number, uint64_t value)
{
    if (value != 0)
        proto_put_varint_always(writer, number, value);
}

void proto_put_bytes(struct proto_writer *writer, uint32_t number, struct text bytes)
{
    if (bytes.len == 0)
        return;
    write_tag(writer, number, PROTO_BYTES);
    write_varint(writer, bytes.len);
    write_bytes(writer, bytes.at, bytes.len);
}

void proto_put_message(struct proto_writer *writer, uint32_t number,
                       void (*write)(struct proto_writer *writer, const void *message),
                       const void *message)
{
    struct proto_writer count = { 0 };
    write(&count, message);
    write_tag(writer, number, PROTO_BYTES);
    write_varint(writer, count.length);
    write(writer, message);
}
