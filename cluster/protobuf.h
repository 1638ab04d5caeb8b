/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol Buffers, as far as etcd's messages need them: fields of varints and of bytes, and
 * messages within messages. Nothing here allocates memory or copies what it reads.
 *
 * A reader latches its first error: read many fields, check `bad` once. What a writer has no room
 * for it only counts: `full` is set, and `length` says how much room there should have been.
 */
#ifndef STOCKD_CLUSTER_PROTOBUF_H
#define STOCKD_CLUSTER_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/text.h"

struct proto_reader {
    const uint8_t *at, *end; /* borrowed */
    bool bad;
};

enum proto_form { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_field {
    uint32_t number;
    enum proto_form form;
    uint64_t varint;   /* if the form is PROTO_VARINT */
    struct text bytes; /* if the form is PROTO_BYTES; in the reader's memory */
};

struct proto_reader proto_over(struct text message);

/* The next field. False: the message has ended, or is bad. */
bool proto_next(struct proto_reader *reader, struct proto_field *field);

/* Whether it is that field. One whose form is another is not: it is skipped, like unknown ones. */
static inline bool proto_is(const struct proto_field *field, uint32_t number, enum proto_form form)
{
    return field->number == number && field->form == form;
}

struct proto_writer {
    uint8_t *bytes; /* borrowed; NULL: counts only */
    size_t length, capacity;
    bool full;
};

/* Zero and empty are the defaults of these fields, and are left out. */
void proto_put_varint(struct proto_writer *writer, uint32_t number, uint64_t value);
void proto_put_bytes(struct proto_writer *writer, uint32_t number, struct text bytes);
/* Even if it is zero: a member of a oneof, whose presence means something. */
void proto_put_varint_always(struct proto_writer *writer, uint32_t number, uint64_t value);
/* A message within this one. `write` runs twice, the first time to count. */
void proto_put_message(struct proto_writer *writer, uint32_t number,
                       void (*write)(struct proto_writer *writer, const void *message),
                       const void *message);

#endif
