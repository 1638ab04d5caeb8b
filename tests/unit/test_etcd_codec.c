/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/etcd_codec.h"

static uint8_t room[4096];

static struct proto_writer fresh(void)
{
    return (struct proto_writer){ .bytes = room, .capacity = sizeof room };
}

#define LITERAL(bytes) ((struct text){ (bytes), sizeof(bytes) - 1 })

static void assert_written(const struct proto_writer *writer, struct text expected)
{
    cr_assert(!writer->full);
    cr_assert_eq(writer->length, expected.len, "%zu bytes, not %u", writer->length, expected.len);
    cr_assert(!memcmp(writer->bytes, expected.at, expected.len));
}

/* ---- protobuf ---- */

static bool reads(struct text bytes, uint64_t *value)
{
    struct proto_reader reader = proto_over(bytes);
    struct proto_field field;
    bool came = proto_next(&reader, &field);
    *value = came ? field.varint : 0;
    cr_assert_eq(came, !reader.bad);
    return came;
}

Test(protobuf, reads_back_every_length_of_varint)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        struct proto_writer writer = fresh();
        uint64_t value = (uint64_t)1 << bit, read;
        proto_put_varint(&writer, 3, value);
        cr_assert_eq(writer.length, 1 + bit / 7 + 1);
        cr_assert(reads((struct text){ (char *)room, (uint32_t)writer.length }, &read));
        cr_assert_eq(read, value);
        cr_assert(!reads((struct text){ (char *)room, (uint32_t)writer.length - 1 }, &read));
    }
}

Test(protobuf, refuses_what_is_no_field)
{
    static const struct text bad[] = {
        LITERAL("\x08"),                                             /* no value */
        LITERAL("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* 65 bits */
        LITERAL("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), /* too long */
        LITERAL("\x00\x01"),                                         /* number 0 */
        LITERAL("\x80\x80\x80\x80\x10\x01"),                         /* a number too big */
        LITERAL("\x0a\x02x"),                                        /* bytes cut short */
        LITERAL("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"),    /* longer than all */
        LITERAL("\x09\x01\x02\x03\x04\x05\x06\x07"),                 /* fixed64 */
        LITERAL("\x0d\x01\x02\x03"),                                 /* fixed32 */
        LITERAL("\x0b\x0c"),                                         /* a group */
        LITERAL("\x0e"),                                             /* no form */
    };
    uint64_t value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *exact = malloc(bad[i].len);
        memcpy(exact, bad[i].at, bad[i].len);
        cr_assert(!reads((struct text){ exact, bad[i].len }, &value), "message %zu", i);
        free(exact);
    }
}

Test(protobuf, counts_what_it_has_no_room_for)
{
    uint8_t small[8];
    struct proto_writer writer = { .bytes = small, .capacity = sizeof small };
    proto_put_bytes(&writer, 1, text_of("four"));
    cr_assert(!writer.full);
    proto_put_bytes(&writer, 1, text_of("four"));
    cr_assert(writer.full);
    cr_assert_eq(writer.length, 12);
    proto_put_varint(&writer, 1, 1);
    cr_assert_eq(writer.length, 14);
}

/* ---- requests ---- */

Test(etcd_codec, encodes_a_range)
{
    struct proto_writer writer = fresh();
    struct etcd_range range = { text_of("log/"), text_of("log0"), .limit = 300, .keys_only = true };
    etcd_encode_range(&writer, &range);
    assert_written(&writer, LITERAL("\x0a\x04log/\x12\x04log0\x18\xac\x02\x40\x01"));
}

Test(etcd_codec, encodes_a_transaction)
{
    struct proto_writer writer = fresh();
    struct etcd_compare compares[] = {
        { text_of("t"), ETCD_MODIFIED, ETCD_EQUAL, 7 },
        { text_of("a"), ETCD_CREATED, ETCD_EQUAL, 0 },
        { text_of("b"), ETCD_VERSION, ETCD_NOT_EQUAL, 0 },
    };
    struct etcd_op then[] = { { ETCD_OP_PUT, { .key = text_of("a") }, text_of("value") },
                              { ETCD_OP_DELETE, { text_of("b"), .end = text_of("c") }, { 0 } } };
    struct etcd_op otherwise = { ETCD_OP_RANGE, { .key = text_of("a") }, { 0 } };
    struct etcd_txn txn = { compares, then, &otherwise, 3, 2, 1 };
    etcd_encode_txn(&writer, &txn);
    assert_written(&writer, LITERAL("\x0a\x07\x10\x02\x1a\x01t\x30\x07"
                                    "\x0a\x07\x10\x01\x1a\x01"
                                    "a\x28\x00"
                                    "\x0a\x07\x08\x03\x1a\x01"
                                    "b\x20\x00"
                                    "\x12\x0c\x12\x0a\x0a\x01"
                                    "a\x12\x05value"
                                    "\x12\x08\x1a\x06\x0a\x01"
                                    "b\x12\x01"
                                    "c"
                                    "\x1a\x05\x0a\x03\x0a\x01"
                                    "a"));
}

/* ---- answers ---- */

#define HEADER "\x0a\x08\x08\x05\x10\x06\x18\x2a\x20\x03"

static bool decodes(enum etcd_method method, const struct etcd_branches *branches,
                    struct text bytes, struct etcd_answer *answer)
{
    char *exact = malloc(bytes.len);
    memcpy(exact, bytes.at, bytes.len);
    for (uint32_t length = 0; length < bytes.len; length++) {
        etcd_decode(method, branches, (struct text){ exact, length }, answer);
    }
    free(exact);
    return etcd_decode(method, branches, bytes, answer);
}

Test(etcd_codec, decodes_pairs)
{
    struct etcd_answer answer;
    struct etcd_pair pair;
    cr_assert(decodes(ETCD_RANGE, NULL,
                      LITERAL(HEADER "\x12\x0c\x0a\x01"
                                     "a\x10\x02\x18\x03\x20\x04\x2a\x01x"
                                     "\x12\x03\x0a\x01"
                                     "b"
                                     "\x18\x01\x20\x09\x7a\x01?"), /* and a field unknown yet */
                      &answer));
    cr_assert_eq(answer.cluster_id, 5);
    cr_assert_eq(answer.member_id, 6);
    cr_assert_eq(answer.revision, 42);
    cr_assert_eq(answer.raft_term, 3);
    cr_assert_eq(answer.found.pair_count, 2);
    cr_assert_eq(answer.found.count, 9);
    cr_assert(answer.found.more);
    cr_assert(etcd_next_pair(&answer.found.pairs, &pair));
    cr_assert(text_equal(pair.key, text_of("a")) && text_equal(pair.value, text_of("x")));
    cr_assert_eq(pair.created, 2);
    cr_assert_eq(pair.modified, 3);
    cr_assert_eq(pair.version, 4);
    cr_assert(etcd_next_pair(&answer.found.pairs, &pair));
    cr_assert(text_equal(pair.key, text_of("b")));
    cr_assert_eq(pair.value.len, 0);
    cr_assert_eq(pair.version, 0);
    cr_assert(!etcd_next_pair(&answer.found.pairs, &pair));
}

static const struct etcd_branches branches = { .then_count = 2,
                                               .otherwise_count = 1,
                                               .then = { ETCD_OP_PUT, ETCD_OP_DELETE },
                                               .otherwise = { ETCD_OP_RANGE } };

Test(etcd_codec, decodes_the_branch_taken)
{
    struct etcd_answer answer;
    struct etcd_result result;
    struct etcd_pair pair;
    cr_assert(decodes(ETCD_TXN, &branches,
                      LITERAL(HEADER "\x10\x01\x1a\x02\x12\x00\x1a\x04\x1a\x02\x10\x03"), &answer));
    cr_assert(answer.succeeded);
    cr_assert(etcd_next_result(&answer.results, &result));
    cr_assert_eq(result.kind, ETCD_OP_PUT);
    cr_assert(etcd_next_result(&answer.results, &result));
    cr_assert_eq(result.kind, ETCD_OP_DELETE);
    cr_assert_eq(result.deleted, 3);
    cr_assert(!etcd_next_result(&answer.results, &result));

    cr_assert(decodes(ETCD_TXN, &branches,
                      LITERAL(HEADER "\x1a\x09\x0a\x07\x12\x03\x0a\x01"
                                     "a\x20\x01"),
                      &answer));
    cr_assert(!answer.succeeded);
    cr_assert(etcd_next_result(&answer.results, &result));
    cr_assert_eq(result.found.pair_count, 1);
    cr_assert(etcd_next_pair(&result.found.pairs, &pair));
    cr_assert(text_equal(pair.key, text_of("a")));
}

Test(etcd_codec, refuses_results_that_were_not_asked_for)
{
    static const struct text bad[] = {
        LITERAL(HEADER "\x10\x01"),                                 /* none */
        LITERAL(HEADER "\x10\x01\x1a\x02\x12\x00"),                 /* too few */
        LITERAL(HEADER "\x10\x01\x1a\x02\x12\x00\x1a\x02\x12\x00"), /* others */
        LITERAL(HEADER "\x10\x01\x1a\x02\x12\x00\x1a\x02\x1a\x00\x1a\x02\x1a\x00"),
        LITERAL(HEADER "\x10\x01\x1a\x04\x12\x00\x12\x00\x1a\x02\x1a\x00"), /* two in one */
        LITERAL(HEADER "\x10\x01\x1a\x00\x1a\x02\x1a\x00"),                 /* none in one */
        LITERAL("\x10\x01\x1a\x02\x12\x00\x1a\x02\x1a\x00"),                /* no header */
    };
    struct etcd_answer answer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!decodes(ETCD_TXN, &branches, bad[i], &answer), "answer %zu", i);
}

Test(etcd_codec, refuses_pairs_that_cannot_be)
{
    static const struct text bad[] = {
        LITERAL(HEADER "\x12\x02\x2a\x00\x20\x01"), /* no key */
        LITERAL(HEADER "\x12\x03\x0a\x01"
                       "a"),                        /* fewer in the range than are here */
        LITERAL(HEADER "\x12\x02\x0a\x07\x20\x01"), /* a key that leaves its pair */
    };
    struct etcd_answer answer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!decodes(ETCD_RANGE, NULL, bad[i], &answer), "answer %zu", i);
}

Test(etcd_codec, decodes_a_status)
{
    struct etcd_answer answer;
    cr_assert(decodes(ETCD_STATUS, NULL,
                      LITERAL(HEADER "\x12\x03"
                                     "3.4\x18\x80\x20\x20\x07\x28\x09\x30\x03"
                                     "\x42\x0d"
                                     "alarm:NOSPACE\x48\x80\x10\x50\x01"),
                      &answer));
    cr_assert(text_equal(answer.member.version, text_of("3.4")));
    cr_assert(text_equal(answer.member.alarm, text_of("alarm:NOSPACE")));
    cr_assert_eq(answer.member.size, 4096);
    cr_assert_eq(answer.member.size_in_use, 2048);
    cr_assert_eq(answer.member.leader, 7);
    cr_assert_eq(answer.member.index, 9);
    cr_assert_eq(answer.member.term, 3);
    cr_assert(answer.member.learner);
}
