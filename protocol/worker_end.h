/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker's connection ends: it is cut, or it lingers after its last reply. */
#ifndef STOCKD_PROTOCOL_WORKER_END_H
#define STOCKD_PROTOCOL_WORKER_END_H

#include "protocol/worker_state.h"

/* Cuts the connection: what is under way ends at once. The end of the iteration looks at it and
 * releases it. */
void worker_cut(struct worker *worker, struct connection *connection);

/* Everything is sent: waits a while for the peer to read it and to close. */
void worker_begin_linger(struct worker *worker, struct connection *connection);
/* Cuts connections that have lingered long enough. */
void worker_end_lingering(struct worker *worker);

#endif
