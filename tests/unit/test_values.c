/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "cluster/values.h"

static char room[CLUSTER_VALUE_MAX];

#define LITERAL(bytes) ((struct text){ (bytes), sizeof(bytes) - 1 })

Test(values, are_read_back)
{
    const struct cluster_term term = {
        .number = 7, .id = UINT64_MAX, .word = 1, .node = "n1", .address = "host:7070"
    };
    const struct cluster_kept kept = { .number = 12, .lsn = UINT64_C(1) << 40 };
    const struct cluster_handover handover = { .node = "n2", .number = 5, .term = 7 };
    struct cluster_term term_back;
    struct cluster_kept kept_back;
    struct cluster_handover handover_back;
    cr_assert(
        cluster_read_value(CLUSTER_TERM, cluster_value(CLUSTER_TERM, &term, room), &term_back));
    cr_assert_eq(term_back.number, 7);
    cr_assert_eq(term_back.id, UINT64_MAX);
    cr_assert_eq(term_back.word, 1);
    cr_assert_str_eq(term_back.node, "n1");
    cr_assert_str_eq(term_back.address, "host:7070");
    cr_assert(
        cluster_read_value(CLUSTER_KEPT, cluster_value(CLUSTER_KEPT, &kept, room), &kept_back));
    cr_assert_eq(kept_back.number, 12);
    cr_assert_eq(kept_back.lsn, UINT64_C(1) << 40);
    cr_assert(cluster_read_value(CLUSTER_HANDOVER, cluster_value(CLUSTER_HANDOVER, &handover, room),
                                 &handover_back));
    cr_assert_str_eq(handover_back.node, "n2");
}

Test(values, are_maps_that_a_later_version_may_add_to)
{
    struct cluster_kept kept;
    cr_assert(cluster_read_value(CLUSTER_KEPT, LITERAL("\x83\xa3lsn\x09\xa3new\x90\xa6number\x05"),
                                 &kept));
    cr_assert_eq(kept.number, 5);
    cr_assert_eq(kept.lsn, 9);
}

Test(values, refuse_what_is_none)
{
    static char long_name[2 * NODE_NAME_MAX];
    static const struct text bad[] = {
        LITERAL(""),
        LITERAL("\x81\xa6number\x05"),             /* a field is missing */
        LITERAL("\x82\xa3lsn\x09\xa6number"),      /* cut short */
        LITERAL("\x82\xa3lsn\x09\xa6number\x05z"), /* more follows */
        LITERAL("\x82\xa3lsn\x09\xa6number\xa1z"), /* a text for a number */
        LITERAL("\x82\xa3lsn\x09\xa6number\xff"),  /* a negative one */
        LITERAL("\x92\x01\x02"),
    };
    struct cluster_kept kept;
    struct cluster_handover handover;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!cluster_read_value(CLUSTER_KEPT, bad[i], &kept), "%zu", i);
    memcpy(long_name, "\x83\xa4term\x01\xa6number\x01\xa4node\xd9\x40", 22);
    memset(long_name + 22, 'n', 64);
    cr_assert(!cluster_read_value(CLUSTER_HANDOVER, (struct text){ long_name, 86 }, &handover));
    long_name[21] = 63;
    cr_assert(cluster_read_value(CLUSTER_HANDOVER, (struct text){ long_name, 85 }, &handover));
}
