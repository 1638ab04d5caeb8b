/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_verdict.h"

#include <assert.h>
#include <string.h>

const char *etcd_error_name(enum etcd_error error)
{
    static const char *const names[] = {
        [ETCD_NO_ERROR] = "no error",
        [ETCD_NOT_CONNECTED] = "not connected",
        [ETCD_CONNECTION_LOST] = "connection lost",
        [ETCD_TIMED_OUT] = "timed out",
        [ETCD_UNAVAILABLE] = "unavailable",
        [ETCD_NO_SPACE] = "no space",
        [ETCD_CORRUPT] = "corrupt",
        [ETCD_DENIED] = "denied",
        [ETCD_COMPACTED] = "compacted",
        [ETCD_TOO_LARGE] = "too large",
        [ETCD_BAD_REQUEST] = "bad request",
        [ETCD_MALFORMED] = "malformed",
        [ETCD_OTHER] = "other",
    };
    return names[error];
}

const char *etcd_end_name(enum grpc_end end)
{
    switch (end) {
    case GRPC_NOT_TAKEN:
        return "the member did not take the call";
    case GRPC_OVERFLOW:
        return "the reply is too large";
    case GRPC_MALFORMED:
        return "the reply is not gRPC";
    case GRPC_RESET:
        return "the member broke the call off";
    default:
        return "the member gives no reason";
    }
}

static bool says(const struct grpc_call *call, const char *what)
{
    return strstr(call->message, what) != NULL;
}

static struct etcd_verdict refused(enum etcd_error error)
{
    return (struct etcd_verdict){ .outcome = ETCD_REFUSED, .error = error };
}

static struct etcd_verdict unknown(enum etcd_error error)
{
    return (struct etcd_verdict){ .outcome = ETCD_UNKNOWN, .error = error };
}

/* etcd uses one status for three things. A member that is full answers so from before the proposal,
 * and from after it has applied it; gRPC, when the reply is too large, after that. */
static struct etcd_verdict judge_exhausted(const struct grpc_call *call)
{
    if (says(call, "database space exceeded"))
        return unknown(ETCD_NO_SPACE);
    if (says(call, "too many requests"))
        return refused(ETCD_UNAVAILABLE);
    return unknown(ETCD_TOO_LARGE);
}

static struct etcd_verdict judge_status(const struct grpc_call *call)
{
    struct etcd_verdict verdict;
    switch (call->status) {
    case GRPC_INVALID_ARGUMENT:
        return refused(says(call, "too large") ? ETCD_TOO_LARGE : ETCD_BAD_REQUEST);
    case GRPC_OUT_OF_RANGE:
        return refused(ETCD_COMPACTED);
    case GRPC_RESOURCE_EXHAUSTED:
        return judge_exhausted(call);
    case GRPC_PERMISSION_DENIED:
    case GRPC_UNAUTHENTICATED:
        return refused(ETCD_DENIED);
    case GRPC_NOT_FOUND:
    case GRPC_ALREADY_EXISTS:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_UNIMPLEMENTED:
        return refused(ETCD_BAD_REQUEST);
    case GRPC_DATA_LOSS:
        return unknown(ETCD_CORRUPT);
    case GRPC_UNAVAILABLE:
        verdict = unknown(ETCD_UNAVAILABLE);
        verdict.leave = true;
        return verdict;
    default:
        return unknown(ETCD_OTHER);
    }
}

struct etcd_verdict etcd_judge(const struct grpc_call *call)
{
    struct etcd_verdict verdict;
    assert(call->end != GRPC_UNDER_WAY);
    switch (call->end) {
    case GRPC_STATUS:
        assert(call->status != GRPC_OK);
        return judge_status(call);
    case GRPC_NOT_TAKEN:
        verdict = refused(ETCD_UNAVAILABLE);
        verdict.again = verdict.leave = true;
        return verdict;
    case GRPC_OVERFLOW:
        return unknown(ETCD_TOO_LARGE);
    case GRPC_RESET:
        verdict = unknown(ETCD_CONNECTION_LOST);
        verdict.leave = true;
        return verdict;
    default:
        verdict = unknown(ETCD_MALFORMED);
        verdict.distrust = true;
        return verdict;
    }
}
