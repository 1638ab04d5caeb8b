/* SPDX-License-Identifier: Apache-2.0 */
/* The field numbers are etcd's contract with its clients. */
#include "cluster/etcd_codec.h"

#include <assert.h>
#include <string.h>

enum { HEADER = 1 }; /* in every answer */
enum { HEADER_CLUSTER = 1, HEADER_MEMBER = 2, HEADER_REVISION = 3, HEADER_TERM = 4 };
enum { RANGE_KEY = 1, RANGE_END = 2, RANGE_LIMIT = 3, RANGE_KEYS_ONLY = 8 };
enum { FOUND_PAIR = 2, FOUND_MORE = 3, FOUND_COUNT = 4 };
enum { PAIR_KEY = 1, PAIR_CREATED = 2, PAIR_MODIFIED = 3, PAIR_VERSION = 4, PAIR_VALUE = 5 };
enum { PUT_KEY = 1, PUT_VALUE = 2 };
enum { DELETE_KEY = 1, DELETE_END = 2, DELETED_COUNT = 2 };
enum { OP_RANGE = 1, OP_PUT = 2, OP_DELETE = 3 }; /* in requests and in answers */
enum { COMPARE_RELATION = 1, COMPARE_PROPERTY = 2, COMPARE_KEY = 3 };
enum { COMPARE_VERSION = 4, COMPARE_CREATED = 5, COMPARE_MODIFIED = 6 };
enum { TXN_COMPARE = 1, TXN_THEN = 2, TXN_OTHERWISE = 3 };
enum { TXN_SUCCEEDED = 2, TXN_RESULT = 3 };
enum { COMPACT_REVISION = 1 };
enum {
    STATUS_VERSION = 2,
    STATUS_SIZE = 3,
    STATUS_LEADER = 4,
    STATUS_INDEX = 5,
    STATUS_TERM = 6,
    STATUS_ERROR = 8,
    STATUS_IN_USE = 9,
    STATUS_LEARNER = 10,
};

/* ---- requests ---- */

void etcd_encode_range(struct proto_writer *writer, const struct etcd_range *range)
{
    proto_put_bytes(writer, RANGE_KEY, range->key);
    proto_put_bytes(writer, RANGE_END, range->end);
    proto_put_varint(writer, RANGE_LIMIT, range->limit);
    proto_put_varint(writer, RANGE_KEYS_ONLY, range->keys_only);
}

static void write_range(struct proto_writer *writer, const void *message)
{
    const struct etcd_op *op = message;
    etcd_encode_range(writer, &op->range);
}

static void write_put(struct proto_writer *writer, const void *message)
{
    const struct etcd_op *op = message;
    proto_put_bytes(writer, PUT_KEY, op->range.key);
    proto_put_bytes(writer, PUT_VALUE, op->value);
}

static void write_delete(struct proto_writer *writer, const void *message)
{
    const struct etcd_op *op = message;
    proto_put_bytes(writer, DELETE_KEY, op->range.key);
    proto_put_bytes(writer, DELETE_END, op->range.end);
}

static void write_op(struct proto_writer *writer, const void *message)
{
    const struct etcd_op *op = message;
    switch (op->kind) {
    case ETCD_OP_RANGE:
        proto_put_message(writer, OP_RANGE, write_range, op);
        break;
    case ETCD_OP_PUT:
        proto_put_message(writer, OP_PUT, write_put, op);
        break;
    case ETCD_OP_DELETE:
        proto_put_message(writer, OP_DELETE, write_delete, op);
        break;
    }
}

static void write_compare(struct proto_writer *writer, const void *message)
{
    static const uint32_t numbers[] = {
        [ETCD_VERSION] = COMPARE_VERSION,
        [ETCD_CREATED] = COMPARE_CREATED,
        [ETCD_MODIFIED] = COMPARE_MODIFIED,
    };
    const struct etcd_compare *compare = message;
    proto_put_varint(writer, COMPARE_RELATION, compare->relation);
    proto_put_varint(writer, COMPARE_PROPERTY, compare->property);
    proto_put_bytes(writer, COMPARE_KEY, compare->key);
    proto_put_varint_always(writer, numbers[compare->property], (uint64_t)compare->number);
}

void etcd_encode_txn(struct proto_writer *writer, const struct etcd_txn *txn)
{
    for (uint32_t i = 0; i < txn->compare_count; i++)
        proto_put_message(writer, TXN_COMPARE, write_compare, &txn->compares[i]);
    for (uint32_t i = 0; i < txn->then_count; i++)
        proto_put_message(writer, TXN_THEN, write_op, &txn->then[i]);
    for (uint32_t i = 0; i < txn->otherwise_count; i++)
        proto_put_message(writer, TXN_OTHERWISE, write_op, &txn->otherwise[i]);
}

void etcd_encode_compact(struct proto_writer *writer, int64_t revision)
{
    proto_put_varint(writer, COMPACT_REVISION, (uint64_t)revision);
}

struct etcd_branches etcd_branches_of(const struct etcd_txn *txn)
{
    struct etcd_branches branches = { .then_count = (uint8_t)txn->then_count,
                                      .otherwise_count = (uint8_t)txn->otherwise_count };
    assert(txn->then_count <= ETCD_OPS_MAX && txn->otherwise_count <= ETCD_OPS_MAX);
    for (uint32_t i = 0; i < txn->then_count; i++)
        branches.then[i] = (uint8_t)txn->then[i].kind;
    for (uint32_t i = 0; i < txn->otherwise_count; i++)
        branches.otherwise[i] = (uint8_t)txn->otherwise[i].kind;
    return branches;
}

/* ---- answers; each of these returns false if the message is bad ---- */

static bool decode_header(struct text message, struct etcd_answer *answer)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, HEADER_CLUSTER, PROTO_VARINT))
            answer->cluster_id = field.varint;
        else if (proto_is(&field, HEADER_MEMBER, PROTO_VARINT))
            answer->member_id = field.varint;
        else if (proto_is(&field, HEADER_REVISION, PROTO_VARINT))
            answer->revision = (int64_t)field.varint;
        else if (proto_is(&field, HEADER_TERM, PROTO_VARINT))
            answer->raft_term = field.varint;
    }
    return !reader.bad;
}

static bool decode_pair(struct text message, struct etcd_pair *pair)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    *pair = (struct etcd_pair){ 0 };
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, PAIR_KEY, PROTO_BYTES))
            pair->key = field.bytes;
        else if (proto_is(&field, PAIR_VALUE, PROTO_BYTES))
            pair->value = field.bytes;
        else if (proto_is(&field, PAIR_CREATED, PROTO_VARINT))
            pair->created = (int64_t)field.varint;
        else if (proto_is(&field, PAIR_MODIFIED, PROTO_VARINT))
            pair->modified = (int64_t)field.varint;
        else if (proto_is(&field, PAIR_VERSION, PROTO_VARINT))
            pair->version = (int64_t)field.varint;
    }
    return !reader.bad && pair->key.len > 0;
}

bool etcd_next_pair(struct etcd_pairs *pairs, struct etcd_pair *pair)
{
    struct proto_field field;
    while (proto_next(&pairs->rest, &field)) {
        if (!proto_is(&field, FOUND_PAIR, PROTO_BYTES))
            continue;
        if (decode_pair(field.bytes, pair))
            return true;
        pairs->rest.bad = true;
    }
    return false;
}

static bool decode_found(struct text message, struct etcd_found *found)
{
    struct proto_reader reader = proto_over(message);
    struct etcd_pairs pairs = { reader };
    struct etcd_pair pair;
    struct proto_field field;
    *found = (struct etcd_found){ .pairs = pairs };
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, FOUND_MORE, PROTO_VARINT))
            found->more = field.varint != 0;
        else if (proto_is(&field, FOUND_COUNT, PROTO_VARINT))
            found->count = (int64_t)field.varint;
    }
    while (etcd_next_pair(&pairs, &pair))
        found->pair_count++;
    return !reader.bad && !pairs.rest.bad && found->count >= found->pair_count;
}

static bool decode_deleted(struct text message, int64_t *deleted)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    *deleted = 0;
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, DELETED_COUNT, PROTO_VARINT))
            *deleted = (int64_t)field.varint;
    }
    return !reader.bad && *deleted >= 0;
}

/* A result is one field, whose number tells its kind. */
static bool decode_result(struct text message, struct etcd_result *result)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    bool known = false;
    *result = (struct etcd_result){ 0 };
    while (proto_next(&reader, &field)) {
        bool again = known;
        bool good = true;
        known = field.form == PROTO_BYTES && field.number >= OP_RANGE && field.number <= OP_DELETE;
        if (!known || again)
            return false;
        if (field.number == OP_RANGE) {
            result->kind = ETCD_OP_RANGE;
            good = decode_found(field.bytes, &result->found);
        } else if (field.number == OP_PUT) {
            result->kind = ETCD_OP_PUT;
        } else {
            result->kind = ETCD_OP_DELETE;
            good = decode_deleted(field.bytes, &result->deleted);
        }
        if (!good)
            return false;
    }
    return !reader.bad && known;
}

bool etcd_next_result(struct etcd_results *results, struct etcd_result *result)
{
    struct proto_field field;
    while (proto_next(&results->rest, &field)) {
        if (!proto_is(&field, TXN_RESULT, PROTO_BYTES))
            continue;
        if (decode_result(field.bytes, result))
            return true;
        results->rest.bad = true;
    }
    return false;
}

static bool results_match(struct etcd_results results, const uint8_t *kinds, uint32_t count)
{
    struct etcd_result result;
    uint32_t seen = 0;
    while (etcd_next_result(&results, &result)) {
        if (seen == count || kinds[seen] != result.kind)
            return false;
        seen++;
    }
    return !results.rest.bad && seen == count;
}

static bool decode_txn(const struct etcd_branches *branches, struct text message,
                       struct etcd_answer *answer)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    answer->results.rest = reader;
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, TXN_SUCCEEDED, PROTO_VARINT))
            answer->succeeded = field.varint != 0;
    }
    if (reader.bad)
        return false;
    if (answer->succeeded)
        return results_match(answer->results, branches->then, branches->then_count);
    return results_match(answer->results, branches->otherwise, branches->otherwise_count);
}

static void take_status_number(const struct proto_field *field, struct etcd_member *member)
{
    switch (field->number) {
    case STATUS_SIZE:
        member->size = (int64_t)field->varint;
        break;
    case STATUS_LEADER:
        member->leader = field->varint;
        break;
    case STATUS_INDEX:
        member->index = field->varint;
        break;
    case STATUS_TERM:
        member->term = field->varint;
        break;
    case STATUS_IN_USE:
        member->size_in_use = (int64_t)field->varint;
        break;
    case STATUS_LEARNER:
        member->learner = field->varint != 0;
        break;
    default:
        break; /* of a later version */
    }
}

static bool decode_status(struct text message, struct etcd_member *member)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    while (proto_next(&reader, &field)) {
        if (field.form == PROTO_VARINT)
            take_status_number(&field, member);
        else if (proto_is(&field, STATUS_VERSION, PROTO_BYTES))
            member->version = field.bytes;
        else if (proto_is(&field, STATUS_ERROR, PROTO_BYTES) && member->alarm.len == 0)
            member->alarm = field.bytes;
    }
    return !reader.bad && member->size >= 0 && member->size_in_use >= 0;
}

static bool decode_header_of(struct text message, struct etcd_answer *answer)
{
    struct proto_reader reader = proto_over(message);
    struct proto_field field;
    while (proto_next(&reader, &field)) {
        if (proto_is(&field, HEADER, PROTO_BYTES) && !decode_header(field.bytes, answer))
            return false;
    }
    return !reader.bad && answer->cluster_id != 0;
}

bool etcd_decode(enum etcd_method method, const struct etcd_branches *branches, struct text bytes,
                 struct etcd_answer *answer)
{
    *answer = (struct etcd_answer){ 0 };
    if (!decode_header_of(bytes, answer))
        return false;
    switch (method) {
    case ETCD_RANGE:
        return decode_found(bytes, &answer->found);
    case ETCD_TXN:
        return decode_txn(branches, bytes, answer);
    case ETCD_STATUS:
        return decode_status(bytes, &answer->member);
    case ETCD_COMPACT:
        break;
    }
    return true;
}
