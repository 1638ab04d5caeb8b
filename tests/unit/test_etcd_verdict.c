/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "cluster/etcd_verdict.h"

static struct etcd_verdict judge(enum grpc_end end, int status, const char *message)
{
    struct grpc_call call = { .end = end, .status = status };
    memcpy(call.message, message, strlen(message) + 1);
    return etcd_judge(&call);
}

/* E1: only what etcd refuses before it proposes it to the cluster is known not to happen. */
Test(etcd_verdict, tells_what_is_known)
{
    static const struct {
        int status;
        const char *message;
        enum etcd_outcome outcome;
        enum etcd_error error;
        bool leave;
    } cases[] = {
        { 3, "etcdserver: key is not provided", ETCD_REFUSED, ETCD_BAD_REQUEST, false },
        { 3, "etcdserver: request is too large", ETCD_REFUSED, ETCD_TOO_LARGE, false },
        { 7, "etcdserver: permission denied", ETCD_REFUSED, ETCD_DENIED, false },
        { 16, "etcdserver: invalid auth token", ETCD_REFUSED, ETCD_DENIED, false },
        { 8, "etcdserver: mvcc: database space exceeded", ETCD_UNKNOWN, ETCD_NO_SPACE, false },
        { 8, "etcdserver: too many requests", ETCD_REFUSED, ETCD_UNAVAILABLE, false },
        { 8, "grpc: trying to send message larger than max", ETCD_UNKNOWN, ETCD_TOO_LARGE, false },
        { 11, "etcdserver: mvcc: required revision has been compacted", ETCD_REFUSED,
          ETCD_COMPACTED, false },
        { 14, "etcdserver: request timed out", ETCD_UNKNOWN, ETCD_UNAVAILABLE, true },
        { 14, "etcdserver: no leader", ETCD_UNKNOWN, ETCD_UNAVAILABLE, true },
        { 14, "etcdserver: leader changed", ETCD_UNKNOWN, ETCD_UNAVAILABLE, true },
        { 15, "etcdserver: corrupt cluster", ETCD_UNKNOWN, ETCD_CORRUPT, false },
        { 1, "context canceled", ETCD_UNKNOWN, ETCD_OTHER, false },
        { 2, "something", ETCD_UNKNOWN, ETCD_OTHER, false },
        { 4, "context deadline exceeded", ETCD_UNKNOWN, ETCD_OTHER, false },
        { 13, "internal", ETCD_UNKNOWN, ETCD_OTHER, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct etcd_verdict verdict = judge(GRPC_STATUS, cases[i].status, cases[i].message);
        cr_assert_eq(verdict.outcome, cases[i].outcome, "%s", cases[i].message);
        cr_assert_eq(verdict.error, cases[i].error, "%s", cases[i].message);
        cr_assert_eq(verdict.leave, cases[i].leave, "%s", cases[i].message);
        cr_assert(!verdict.again && !verdict.distrust, "%s", cases[i].message);
    }
}

Test(etcd_verdict, only_what_no_member_has_looked_at_may_be_sent_again)
{
    cr_assert(judge(GRPC_NOT_TAKEN, -1, "").again);
    cr_assert(!judge(GRPC_RESET, -1, "").again);
    cr_assert(!judge(GRPC_OVERFLOW, -1, "").again);
    cr_assert(!judge(GRPC_MALFORMED, -1, "").again);
}

Test(etcd_verdict, what_has_no_status_is_unknown)
{
    static const enum grpc_end ends[] = { GRPC_OVERFLOW, GRPC_MALFORMED, GRPC_RESET };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        cr_assert_eq(judge(ends[i], -1, "").outcome, ETCD_UNKNOWN);
    cr_assert(judge(GRPC_MALFORMED, -1, "").distrust);
}
