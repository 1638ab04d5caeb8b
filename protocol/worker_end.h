/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection of a worker ends: by being broken off, or by lingering after its last words. */
#ifndef STOCKD_PROTOCOL_WORKER_END_H
#define STOCKD_PROTOCOL_WORKER_END_H

#include "protocol/worker_state.h"

/* Breaks the connection off: what is under way ends at once. At the end of the iteration it is
 * looked at and let go. */
void worker_cut(struct worker *worker, struct connection *connection);

/* All was sent: waits a while for the peer to read it and to close. */
void worker_begin_linger(struct worker *worker, struct connection *connection);
/* Cuts those that have lingered for long enough. */
void worker_end_lingering(struct worker *worker);

#endif
