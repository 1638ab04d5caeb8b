/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/log/record_layout.h"

#include <assert.h>
#include <string.h>

/* ---- tables ---- */

#define IS_SIGNED(type) _Generic((type){ 0 }, int32_t : true, int64_t : true, default : false)
#define NUMBER_FIELD(tag, type, member, to)                                                        \
    { .name = #member,                                                                             \
      .shown = SHOWN_##to,                                                                         \
      .at = offsetof(struct tag##_fields, fixed.member),                                           \
      .bytes = sizeof(type),                                                                       \
      .is_signed = IS_SIGNED(type) },
#define TEXT_FIELD(tag, member, to)                                                                \
    { .name = #member, .shown = SHOWN_##to, .at = offsetof(struct tag##_fields, member) },
#define LIST_FIELD(tag, kind, member, of, to)                                                      \
    { .name = #member,                                                                             \
      .shown = SHOWN_##to,                                                                         \
      .at = offsetof(struct tag##_fields, member),                                                 \
      .count_at = offsetof(struct tag##_fields, fixed.of),                                         \
      .bytes = sizeof((struct tag##_fields *)0)->fixed.of },

#define X(tag)                                                                                     \
    static const struct record_field tag##_list[] = { NUMBERS_##tag(                               \
        NUMBER_FIELD, tag) TEXTS_##tag(TEXT_FIELD, tag) LISTS_##tag(LIST_FIELD, tag) };            \
    static bool decode_##tag(const struct record_head *record, union record_fields *fields)        \
    {                                                                                              \
        return tag##_decode(record, &fields->tag##_);                                              \
    }
RECORD_TAGS(X)
#undef X

static const struct record_layout layouts[] = {
#define X(type, number, called, tag, of_flags)                                                     \
    [RECORD_##type] = { called, FLAGS_##of_flags, decode_##tag, tag##_list,                        \
                        sizeof tag##_list / sizeof(struct record_field) },
    RECORD_TYPES(X)
#undef X
};

const struct record_layout *record_layout(unsigned type)
{
    bool known = type < sizeof layouts / sizeof *layouts && layouts[type].name;
    return known ? &layouts[type] : NULL;
}

/* ---- one field ---- */

static uint64_t bits_at(const union record_fields *fields, uint16_t at, uint8_t bytes)
{
    uint64_t bits = 0;
    assert(bytes <= sizeof bits);
    memcpy(&bits, (const unsigned char *)fields + at, bytes); /* little-endian */
    return bits;
}

int64_t record_number(const union record_fields *fields, const struct record_field *field)
{
    uint64_t bits = bits_at(fields, field->at, field->bytes);
    unsigned above = 64 - 8U * field->bytes;
    return field->is_signed ? (int64_t)(bits << above) >> above : (int64_t)bits;
}

uint32_t record_count_of(const union record_fields *fields, const struct record_field *field)
{
    return (uint32_t)bits_at(fields, field->count_at, field->bytes);
}

struct text record_text_of(const union record_fields *fields, const struct record_field *field)
{
    struct text t;
    memcpy(&t, (const unsigned char *)fields + field->at, sizeof t);
    return t;
}

/* ---- of any record ---- */

uint64_t record_time_ms(const struct record_head *record, uint64_t batch_ms)
{
    const struct record_layout *layout = record_layout(record->type);
    union record_fields fields;
    if (!layout || !layout->decode(record, &fields))
        return batch_ms;
    for (unsigned i = 0; i < layout->field_count; i++)
        if (layout->fields[i].shown == SHOWN_WHEN)
            return (uint64_t)record_number(&fields, &layout->fields[i]);
    return batch_ms;
}

static bool is_asked_by(const struct record_head *record, const struct record_field *field)
{
    bool returned = record->type == RECORD_MOVEMENT && record->flags == MOVE_RETURN;
    return field->shown == SHOWN_ID || field->shown == SHOWN_OP ||
           (field->shown == SHOWN_REF && returned);
}

static int ids_of_sends(const struct sent_fields *f, struct text *ids)
{
    int count = 0;
    for (uint32_t i = 0; i < f->fixed.send_count && i < SENDS_MAX; i++)
        if (f->sends[i].id_len <= ID_MAX)
            ids[count++] = (struct text){ f->sends[i].id, f->sends[i].id_len };
    return count;
}

int record_ids(const struct record_head *record, struct text ids[RECORD_IDS])
{
    const struct record_layout *layout = record_layout(record->type);
    union record_fields fields;
    int count = 0;
    if (!layout || !layout->decode(record, &fields))
        return -1;
    for (unsigned i = 0; i < layout->field_count; i++) {
        const struct record_field *field = &layout->fields[i];
        if (field->shown == SHOWN_SENDS)
            count += ids_of_sends(&fields.sent_, ids + count);
        if (!is_asked_by(record, field))
            continue;
        struct text id = record_text_of(&fields, field);
        assert(count < RECORD_IDS);
        if (id.len > 0)
            ids[count++] = id;
    }
    return count;
}
