/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing what Redis holds with what it should: the questions of a pass, their answers, and the
 * commands that mend what differs. Owned by the mirror's thread.
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

/* Adds the questions for what the batch is to look at to redis->commands. */
void reconcile_ask(struct reconciler *r, const struct batch *batch);

/* Reads the answers, and puts what must change into the transaction. False: the connection
 * failed. */
bool reconcile_receive(struct reconciler *r, const struct batch *batch, struct transaction *t);

#endif
