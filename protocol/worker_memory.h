/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a worker holds for its clients, which has a limit: bytes received whose requests
 * are not done, and replies and notifications not sent yet. Each worker has an equal share of
 * client-memory, and never passes it:
 *
 * M1: from three quarters of it on, a connection with unsent bytes starts no request.
 * M2: from seven eighths on, the end of an iteration cuts connections to which a send is under way,
 *     those first that hold the most, until what is left is less.
 * M3: from fifteen sixteenths on, no request starts before the next iteration.
 * M4: at the limit, input that would have to be kept and output that needs another chunk find no
 *     memory, and their connection is cut.
 *
 * So it is the clients that do not read who pay: somebody who reads his replies holds memory only
 * within an iteration.
 */
#ifndef STOCKD_PROTOCOL_WORKER_MEMORY_H
#define STOCKD_PROTOCOL_WORKER_MEMORY_H

#include "protocol/worker_state.h"

/* The capacity of what waits in input has changed. */
void worker_note_memory(struct worker *worker);

/* Whether input may take so much more. */
bool worker_may_grow(const struct worker *worker, uint64_t bytes);

/* At the end of an iteration. */
void worker_mind_memory(struct worker *worker);

#endif
