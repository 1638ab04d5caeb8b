/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker tells its subscribers what has changed, every few milliseconds and for a limited part of
 * its time: however many there are, requests go on. A subscriber that gets less than there is to
 * tell hears the newest of it later.
 *
 * Those at the same place of the same walk get the same bytes, so a thousand who are up to date
 * cost one walk and a thousand copies.
 */
#ifndef STOCKD_PROTOCOL_WORKER_FEED_H
#define STOCKD_PROTOCOL_WORKER_FEED_H

#include "protocol/worker_state.h"

/* Tells subscribers what has changed, if it is time. */
void worker_feed(struct worker *worker);
/* Milliseconds until it is time; UINT64_MAX: when the journal moves. */
uint64_t worker_feed_sleep_ms(const struct worker *worker);
void worker_note_subscriber(struct worker *worker, struct connection *connection);
/* Some of its output has gone: it may be told more. */
void worker_note_room(struct worker *worker, const struct connection *connection);
void worker_forget_subscriber(struct worker *worker, struct connection *connection);

#endif
