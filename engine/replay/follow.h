/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger that follows another one: one thread applies the records of that one's log, while other
 * contexts ask. docs/CLUSTER.md, "Replay beside readers".
 *
 *   replay              as for any start: ledger_apply, before any other thread
 *   ledger_follow       in place of ledger_recovered: from here on others may ask
 *   ledger_follow_batch the next records; the log's head is then behind them
 *   ledger_promote      no more batches come: the ledger takes changes
 *   ledger_take_up      by each worker's context, from then on
 *
 * P1  Context 0 is the applying thread's until ledger_promote returns. So the worker that owns it
 *     afterwards asks through a reader's context before. All other contexts only ask: nothing may
 *     change the ledger, and nothing expires.
 * P2  The log's tail is at a batch's end before anything of the batch is applied, its head after
 *     all of it. So an answer whose LSN is the head includes everything up to there; and who shows
 *     what it has read once ledger_shown_until is acknowledged shows nothing of a batch in part.
 * P3  A record changes pools, entries, versions and the catalogue in the steps of an operation: so
 *     a reader sees what a reader beside the first ledger may see. The record that moves units is
 *     bracketed as a whole, for each of its items.
 * P4  Readers never wait for the applying thread, except as they do for any other context; it waits
 *     for them: for an entry that one of them looks at, for the catalogue, for a watch, and for a
 *     report that holds the figures.
 */
#ifndef STOCKD_ENGINE_REPLAY_FOLLOW_H
#define STOCKD_ENGINE_REPLAY_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctx;
struct ledger;

/* After the last record of a start, before other threads. 0 or -ENOMEM. */
int ledger_follow(struct ledger *ledger, uint64_t engine_ms);

/* Any thread. */
bool ledger_follows(const struct ledger *ledger);

/* The records that follow each other in one batch. */
struct follow_batch {
    uint64_t first_lsn;  /* where the log is before them */
    uint64_t time_ms;    /* engine time, of the ledger that made them */
    const void *records; /* aligned to 8; borrowed for the call */
    size_t length;
};

/*
 * Applies them. 0; or -EINVAL, -ENOSPC, with the reason in context 0's failure: the batch does not
 * continue the log, and nothing has changed; or one of its records is refused. Then it is applied
 * in part, which answers may show, but no LSN names: the ledger is of no more use.
 */
int ledger_follow_batch(struct ledger *ledger, const struct follow_batch *batch);

/* The first LSN of the next batch. By the applying thread. */
uint64_t ledger_follow_lsn(const struct ledger *ledger);

/*
 * By the applying thread, after its last batch: from here on the ledger takes changes. Engine time
 * goes on at engine_ms, which is not below the last batch's time: ledger_begin gives no less from
 * now on. What the first ledger was about to do by itself is due: each worker's context takes up
 * its share.
 */
void ledger_promote(struct ledger *ledger, uint64_t engine_ms);

/*
 * In an iteration of a worker's context, before anything else in it: takes up the context's share
 * of what promises to come up, by at most so many chunks of ids, or of items. Deadlines that have
 * passed are due then. True: all of it is done, as it is at once if nothing was promoted.
 */
bool ledger_take_up(struct ctx *ctx, unsigned chunks);

#endif
