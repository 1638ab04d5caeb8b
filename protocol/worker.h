/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread, one ring, one context of the ledger, and the connections handed to it.
 *
 * It loops. Each iteration retries deferred requests, takes the kernel's completions and runs the
 * requests that came with them, expires holds, gives heavy connections their share, asks the
 * journal for writes, and sends the replies that may go. Then the worker sleeps in the kernel until
 * there is more. Workers share the ledger, the log and the journal, and message each other through
 * their rings only.
 *
 * An iteration is short, whatever clients ask: a connection does at most a quantum of work at once,
 * and the rest of its work waits in LIST_HEAVY, which gets its share after the others.
 */
#ifndef STOCKD_PROTOCOL_WORKER_H
#define STOCKD_PROTOCOL_WORKER_H

#include "protocol/shared.h"
#include "protocol/worker_state.h"

/* Makes worker `index` of those that share `shared`. 0 or -ENOMEM. The caller adds the ring. */
int worker_init(struct worker *worker, struct shared *shared, unsigned index);
void worker_destroy(struct worker *worker);

/* Serves until told to stop, on the thread that enabled the ring. 0, or -errno if the ring
 * broke. */
int worker_run(struct worker *worker);

#endif
