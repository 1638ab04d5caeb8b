/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's connections: from being accepted to being let go. */
#ifndef STOCKD_PROTOCOL_WORKER_IO_H
#define STOCKD_PROTOCOL_WORKER_IO_H

#include "protocol/worker_state.h"

void worker_begin_accepting(struct worker *worker);
void worker_on_accept(struct worker *worker, unsigned listener, const struct completion *c);
/* Takes over a connection that was accepted from that listener. */
void worker_adopt(struct worker *worker, unsigned listener, int fd);
void worker_on_receive(struct worker *worker, struct connection *connection,
                       const struct completion *c);
void worker_on_send(struct worker *worker, struct connection *connection, int result);

/* Goes on with the requests whose questions about history were answered. */
void worker_on_answers(struct worker *worker);

/* Tries deferred requests again. True if some are still only deferred: try again at once. */
bool worker_retry(struct worker *worker);

/* Goes on with those that have more to do than a quantum, round robin, for a limited time. True:
 * some are left. */
bool worker_run_heavy(struct worker *worker);

/* Sends what may go, lets go of what is over. */
void worker_flush(struct worker *worker);

/* Looks at every connection at the end of this iteration; cut: and breaks it off. */
void worker_look_at_all(struct worker *worker, bool cut);

#endif
