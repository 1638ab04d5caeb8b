/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/log/record.h"

#include <assert.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian in memory");
_Static_assert(sizeof(struct reserve_record) + 24 + sizeof(struct draw_record) <= 72,
               "a single-line reserve with a 24-byte id stays within 72 bytes");
_Static_assert(sizeof(struct reserve_record) + ID_MAX + NAME_MAX_BYTES + sizeof(uint64_t) +
                       DRAWS_MAX * (sizeof(struct draw_record) + sizeof(struct ready_record)) <=
                   RECORD_MAX,
               "the largest reserve fits a record");
_Static_assert(sizeof(struct redraw_record) + 2 * ID_MAX + DRAWS_MAX * sizeof(struct step_record) +
                       REDRAWN_MAX * sizeof(struct drawn_record) <=
                   RECORD_MAX,
               "the largest change of draws fits a record");
_Static_assert(sizeof(struct reject_record) + 2 * ID_MAX +
                       REJECTED_MAX * sizeof(struct rejected_record) +
                       REDRAWN_MAX * sizeof(struct drawn_record) <=
                   RECORD_MAX,
               "the largest reject fits a record");
_Static_assert(sizeof(struct step_head_record) + 2 * ID_MAX +
                       DRAWS_MAX * sizeof(struct step_record) <=
                   RECORD_MAX,
               "the largest step fits a record");
_Static_assert(sizeof(struct sold_record) + ID_MAX + NAME_MAX_BYTES +
                       LINES_MAX *
                           (sizeof(struct sold_line_record) + sizeof(struct change_record)) <=
                   RECORD_MAX,
               "a sale that changes one pool for each line fits a record");
_Static_assert(sizeof(struct supply_step_record) + 2 * ID_MAX +
                       LINES_MAX * sizeof(struct move_record) <=
                   RECORD_MAX,
               "the largest step of a supply fits a record");
_Static_assert(sizeof(struct movement_record) + ID_MAX + 2 * NAME_MAX_BYTES +
                       2 * CHANNELS_MAX * sizeof(struct change_record) <=
                   RECORD_MAX,
               "a count that changes all pools of a location fits a record");

struct record_builder record_begin(void *buffer, const void *fixed, uint32_t size)
{
    assert(size >= sizeof(struct record_head));
    struct record_builder builder = { buffer, 0 };
    record_add(&builder, fixed, size);
    return builder;
}

void record_add(struct record_builder *builder, const void *bytes, uint32_t length)
{
    assert(length <= RECORD_MAX - builder->length);
    if (length > 0)
        memcpy(builder->bytes + builder->length, bytes, length);
    builder->length += length;
}

uint32_t record_end(struct record_builder *builder)
{
    uint32_t padded = (builder->length + 7) & ~UINT32_C(7);
    assert(padded <= RECORD_MAX);
    memset(builder->bytes + builder->length, 0, padded - builder->length);
    memcpy(builder->bytes, &padded, sizeof padded); /* struct record_head begins with length */
    return padded;
}

struct record_reader record_open(const struct record_head *record, void *fixed, uint32_t size)
{
    const unsigned char *bytes = (const unsigned char *)record;
    struct record_reader reader = { bytes, bytes + record->length, record->length < size };
    if (reader.bad) {
        memset(fixed, 0, size);
    } else {
        memcpy(fixed, bytes, size);
        reader.at += size;
    }
    return reader;
}

const void *record_array(struct record_reader *reader, uint32_t count, uint32_t size)
{
    uint64_t bytes = (uint64_t)count * size;
    if (reader->bad || bytes > (uint64_t)(reader->end - reader->at)) {
        reader->bad = true;
        return NULL;
    }
    const void *array = reader->at;
    reader->at += bytes;
    return array;
}

struct text record_text(struct record_reader *reader, uint32_t length)
{
    const char *at = record_array(reader, length, 1);
    return (struct text){ at, at ? length : 0 };
}

struct text record_short_text(struct record_reader *reader)
{
    const uint8_t *length = record_array(reader, 1, 1);
    return length ? record_text(reader, *length) : (struct text){ NULL, 0 };
}

struct record_reader record_texts(struct record_reader *reader, uint32_t count)
{
    struct record_reader first = *reader;
    for (uint32_t i = 0; i < count && !reader->bad; i++)
        record_short_text(reader);
    return first;
}

uint64_t record_time_if(struct record_reader *reader, bool there, uint64_t told)
{
    if (!there)
        return told;
    const void *at = record_array(reader, 1, sizeof told);
    if (at)
        memcpy(&told, at, sizeof told);
    return told;
}
