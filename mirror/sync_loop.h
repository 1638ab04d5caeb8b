/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds: one transaction is on its way to Redis while the next batch is read from the engine.
 *
 * The questions of the next batch's looks go out behind the transaction, so that their answers come
 * with its answer: a round is one round trip. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_SYNC_LOOP_H
#define STOCKD_MIRROR_SYNC_LOOP_H

#include "mirror/exchange.h"
#include "mirror/pace.h"
#include "mirror/publish.h"
#include "mirror/reconcile.h"

struct sync_loop {
    struct exchange *exchange;
    struct reconciler *reconciler;
    struct publisher *publisher;
    struct follow *follow;
    struct mirror_metrics *metrics;
    struct wake *wake;

    struct pace pace;
    struct transaction next;           /* what is to be done in the next round */
    struct batch *batches[2];          /* one on its way, one being read */
    uint64_t audit_us;                 /* steady time of the last looks that were not mandatory */
    uint64_t rates_us, rates_commands; /* when the rates were worked out, and `commands` then */
};

/* Makes its batches. False: no memory. */
bool sync_loop_init(struct sync_loop *s);
void sync_loop_destroy(struct sync_loop *s);

/* Keeps Redis up to date until the connection fails, the fence is lost, or it is to stop. */
void sync_loop_run(struct sync_loop *s);

/* The connection is gone: what was sent without being confirmed is to be read and sent again. */
void sync_loop_rewind(struct sync_loop *s);

/* Works out, about once a second, the metrics that take a walk over the marks, or two looks. To be
 * called at least that often, connected or not. */
void sync_loop_tick(struct sync_loop *s);

#endif
