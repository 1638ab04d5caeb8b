/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's connections, from accept to release. */
#ifndef STOCKD_PROTOCOL_WORKER_IO_H
#define STOCKD_PROTOCOL_WORKER_IO_H

#include "protocol/worker_state.h"

void worker_begin_accepting(struct worker *worker);
void worker_on_accept(struct worker *worker, unsigned listener, const struct completion *c);
/* Takes over a connection accepted from that listener. */
void worker_adopt(struct worker *worker, unsigned listener, int fd);
void worker_on_receive(struct worker *worker, struct connection *connection,
                       const struct completion *c);
/* What a connection's link has received, by a completion or by its greeting. */
void worker_take(struct worker *worker, struct connection *connection,
                 const struct received *received);
void worker_on_send(struct worker *worker, struct connection *connection, int result);

/* Continues the requests whose history queries were answered. */
void worker_on_answers(struct worker *worker);

/* Retries deferred requests. True: some are still deferred; retry at once. */
bool worker_retry(struct worker *worker);

/* Continues connections with more work than a quantum, round-robin, for a limited time. True: some
 * are left. */
bool worker_run_heavy(struct worker *worker);

/* Sends what may be sent, releases what has ended. */
void worker_flush(struct worker *worker);

/* Looks at every connection at the end of this iteration; `cut`: and cuts it. */
void worker_look_at_all(struct worker *worker, bool cut);

#endif
