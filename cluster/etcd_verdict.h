/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call that etcd did not answer with its result has come to. Whatever is not known to have
 * been refused before etcd proposed it to the cluster is unknown (E1 of cluster/etcd.h).
 */
#ifndef STOCKD_CLUSTER_ETCD_VERDICT_H
#define STOCKD_CLUSTER_ETCD_VERDICT_H

#include <stdbool.h>

#include "cluster/etcd.h"
#include "cluster/grpc.h"

struct etcd_verdict {
    enum etcd_outcome outcome;
    enum etcd_error error;
    bool again;    /* no member has looked at it: it may be sent once more */
    bool leave;    /* another endpoint may do better */
    bool distrust; /* this connection must end */
};

/* Of a call that has ended, and not with a reply. */
struct etcd_verdict etcd_judge(const struct grpc_call *call);

/* In words; a static string. */
const char *etcd_end_name(enum grpc_end end);

#endif
