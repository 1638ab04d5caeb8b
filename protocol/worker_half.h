/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half messages: bytes that a worker keeps until the rest of their message comes. They have a bound
 * for all connections of the worker together, and each has a time to become whole. A connection
 * between two messages keeps nothing, and may be silent for ever.
 *
 * Input behind a request that is not done has a bound of its own, as large: whoever does not read
 * replies takes no room from the halves of others. Nobody is closed for it; beyond it a connection
 * that waits is not read from.
 */
#ifndef STOCKD_PROTOCOL_WORKER_HALF_H
#define STOCKD_PROTOCOL_WORKER_HALF_H

#include "protocol/worker_state.h"

/* After its input has changed: counts it, and whether it is half a message. */
void worker_note_input(struct worker *worker, struct connection *connection);
/* Likewise, and a message was done: what is left is another one's. */
void worker_note_message(struct worker *worker, struct connection *connection);
/* Input behind requests that are not done has reached its bound: no more of it is to be read. */
bool worker_stalled_is_full(const struct worker *worker);
/* Closes those that hold too much, or for too long. */
void worker_mind_halves(struct worker *worker);
/* Milliseconds until one is held for too long; UINT64_MAX: none. */
uint64_t worker_half_sleep_ms(const struct worker *worker);

#endif
