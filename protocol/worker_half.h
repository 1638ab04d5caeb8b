/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half messages: bytes that a worker keeps until the rest of their message comes. They share one
 * bound over all connections of the worker, and each must become complete in time. A connection
 * between two messages keeps nothing and may stay silent for ever.
 *
 * Input behind a request that waits has its own bound of the same size, so a client that does not
 * read its replies takes no room from other connections' halves. That bound closes no connection;
 * beyond it, a waiting connection is not read from.
 */
#ifndef STOCKD_PROTOCOL_WORKER_HALF_H
#define STOCKD_PROTOCOL_WORKER_HALF_H

#include "protocol/worker_state.h"

/* Call after its input has changed: counts it, and notes whether it is half a message. */
void worker_note_input(struct worker *worker, struct connection *connection);
/* Likewise, after a message was done: what is left belongs to another one. */
void worker_note_message(struct worker *worker, struct connection *connection);
/* Input behind waiting requests has reached its bound: read no more of it. */
bool worker_stalled_is_full(const struct worker *worker);
/* Closes connections that hold too much, or for too long. */
void worker_mind_halves(struct worker *worker);
/* Cuts connections whose peers have taken nothing of a send for too long: they hold up to some
 * hundred KiB of replies, and more input, as long as they do not read. */
void worker_mind_readers(struct worker *worker);
/* Milliseconds until a half message, or a send, is too old; UINT64_MAX: there is none. */
uint64_t worker_half_sleep_ms(const struct worker *worker);

#endif
