/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/values.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>

/* A field is a number (size 0: uint64_t), or a text in an array of that size. */
struct field {
    const char *name; /* NULL: the end */
    size_t at, size;
};

#define NUMBER(type, name)                                                                         \
    {                                                                                              \
#name, offsetof(struct type, name), 0                                                      \
    }
#define TEXT(type, name)                                                                           \
    {                                                                                              \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name)                       \
    }

enum { FIELDS_MAX = 5 };

static const struct field fields[][FIELDS_MAX + 1] = {
    [CLUSTER_COMMON] = { NUMBER(cluster_common, format), NUMBER(cluster_common, journal),
                         NUMBER(cluster_common, segment_bytes), NUMBER(cluster_common, ids) },
    [CLUSTER_TERM] = { NUMBER(cluster_term, number), TEXT(cluster_term, node),
                       NUMBER(cluster_term, id), TEXT(cluster_term, address),
                       NUMBER(cluster_term, word) },
    [CLUSTER_BEAT] = { NUMBER(cluster_beat, counter), NUMBER(cluster_beat, clock_ms) },
    [CLUSTER_TRIMMED] = { NUMBER(cluster_trimmed, number), NUMBER(cluster_trimmed, checksum) },
    [CLUSTER_MEMBER] = { NUMBER(cluster_member, id), TEXT(cluster_member, address),
                         TEXT(cluster_member, version) },
    [CLUSTER_KEPT] = { NUMBER(cluster_kept, number), NUMBER(cluster_kept, lsn) },
    [CLUSTER_HANDOVER] = { TEXT(cluster_handover, node), NUMBER(cluster_handover, number),
                           NUMBER(cluster_handover, term) },
};

/* ---- writing ---- */

struct output {
    char *bytes;
    size_t length;
};

static int write_bytes(void *context, const char *bytes, size_t length)
{
    struct output *output = context;
    assert(output->length + length <= CLUSTER_VALUE_MAX); /* the structs are smaller */
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
    return 0;
}

static void write_text(msgpack_packer *packer, const char *text, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

struct text cluster_value(enum cluster_kind kind, const void *value, char *room)
{
    struct output output = { .bytes = room };
    msgpack_packer packer;
    size_t count = 0;
    while (fields[kind][count].name)
        count++;
    msgpack_packer_init(&packer, &output, write_bytes);
    msgpack_pack_map(&packer, count);
    for (const struct field *field = fields[kind]; field->name; field++) {
        const char *at = (const char *)value + field->at;
        uint64_t number;
        write_text(&packer, field->name, strlen(field->name));
        if (field->size) {
            write_text(&packer, at, strnlen(at, field->size - 1));
        } else {
            memcpy(&number, at, sizeof number);
            msgpack_pack_uint64(&packer, number);
        }
    }
    return (struct text){ room, (uint32_t)output.length };
}

/* ---- reading ---- */

static bool read_field(const struct field *field, const msgpack_object *given, char *at)
{
    if (field->size) {
        if (given->type != MSGPACK_OBJECT_STR || given->via.str.size >= field->size)
            return false;
        memcpy(at, given->via.str.ptr, given->via.str.size);
        at[given->via.str.size] = '\0';
        return true;
    }
    if (given->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    memcpy(at, &given->via.u64, sizeof given->via.u64);
    return true;
}

static const msgpack_object *find(const msgpack_object_map *map, const char *name)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
            !memcmp(key->via.str.ptr, name, strlen(name)))
            return &map->ptr[i].val;
    }
    return NULL;
}

static bool read_map(enum cluster_kind kind, const msgpack_object *object, void *value)
{
    if (object->type != MSGPACK_OBJECT_MAP)
        return false;
    for (const struct field *field = fields[kind]; field->name; field++) {
        const msgpack_object *given = find(&object->via.map, field->name);
        if (!given || !read_field(field, given, (char *)value + field->at))
            return false;
    }
    return true;
}

bool cluster_read_value(enum cluster_kind kind, struct text bytes, void *value)
{
    msgpack_unpacked unpacked;
    size_t at = 0;
    bool good = false;
    msgpack_unpacked_init(&unpacked);
    if (bytes.len <= CLUSTER_VALUE_MAX &&
        msgpack_unpack_next(&unpacked, bytes.at, bytes.len, &at) == MSGPACK_UNPACK_SUCCESS)
        good = at == bytes.len && read_map(kind, &unpacked.data, value);
    msgpack_unpacked_destroy(&unpacked);
    return good;
}
