/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sync loop: while one transaction is on its way to Redis, it reads the next batch from the
 * engine.
 *
 * The requests for the next batch's checks follow the transaction, so their replies come with its
 * own: a round is one round trip. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_SYNC_LOOP_H
#define STOCKD_MIRROR_SYNC_LOOP_H

#include "mirror/exchange.h"
#include "mirror/pace.h"
#include "mirror/publish.h"
#include "mirror/reconcile.h"
#include "mirror/tell.h"

struct sync_loop {
    struct exchange *exchange;
    struct reconciler *reconciler;
    struct publisher *publisher;
    struct teller *teller;
    struct follow *follow;
    struct mirror_metrics *metrics;
    struct wake *wake;

    struct pace pace;
    struct transaction next;           /* what the next round sends */
    struct batch *batches[2];          /* one on its way, one being read */
    uint64_t audit_us;                 /* steady time of the last audit */
    uint64_t rates_us, rates_commands; /* of the last tick: its time, and `commands` then */
};

/* Allocates the batches. False: out of memory. */
bool sync_loop_init(struct sync_loop *s);
void sync_loop_destroy(struct sync_loop *s);

/* Keeps Redis up to date until the connection fails, the fence is lost, or the mirror stops. */
void sync_loop_run(struct sync_loop *s);

/* The connection is gone: what was sent and not confirmed will be read and sent again. */
void sync_loop_rewind(struct sync_loop *s);

/* Once a second, updates the metrics that need a walk of the change index or a difference over
 * time. Call it at least that often, connected or not. */
void sync_loop_tick(struct sync_loop *s);

#endif
