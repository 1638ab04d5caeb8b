/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconciling Redis with the engine: asks for what Redis holds, compares, and repairs what differs.
 * Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_RECONCILE_H
#define STOCKD_MIRROR_RECONCILE_H

#include "mirror/follow.h"
#include "mirror/keys.h"
#include "mirror/metrics.h"
#include "mirror/publish.h"
#include "mirror/redis.h"
#include "mirror/report.h"
#include "mirror/transaction.h"

struct reconciler {
    struct redis *redis;
    struct follow *follow;
    struct publisher *publisher;
    struct report *report;
    struct mirror_metrics *metrics;
    const struct mirror_keys *keys;
};

/* Adds the requests for the batch's checks to redis->commands. */
void reconcile_ask(struct reconciler *r, const struct batch *batch);

/* Reads the replies, and adds the repairs to the transaction. False: the connection failed. */
bool reconcile_receive(struct reconciler *r, const struct batch *batch, struct transaction *t);

#endif
