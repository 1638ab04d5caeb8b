/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one ring, one context at the ledger, and the connections that it was given.
 *
 * It works in turns: takes what the kernel completed, runs the requests that came, tries deferred
 * ones again, expires holds, moves the journal on, sends the replies that may go, and sleeps in
 * the kernel until there is more. Workers share the ledger, the log and the journal, and tell each
 * other things through their rings only.
 *
 * A turn is short, whatever is asked: a connection does at most a quantum of work at once, and what
 * it has beyond that waits in LIST_HEAVY, which gets its share at the end of each iteration.
 */
#ifndef STOCKD_PROTOCOL_WORKER_H
#define STOCKD_PROTOCOL_WORKER_H

#include "protocol/shared.h"
#include "protocol/worker_state.h"

/* Worker `index` of those that share this. 0 or -ENOMEM. The ring is the caller's to add. */
int worker_init(struct worker *worker, struct shared *shared, unsigned index);
void worker_destroy(struct worker *worker);

/* Serves until it is told to stop, on the thread that enabled the ring. 0, or -errno if the ring
 * broke. */
int worker_run(struct worker *worker);

#endif
