/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker tells its subscribers what has changed, every few milliseconds and in a bounded share of
 * its time, so requests continue however many subscribers there are. A subscriber that falls behind
 * gets the newest values later.
 *
 * Subscribers at the same position of the same walk get the same bytes, so a thousand that are up
 * to date cost one walk and a thousand copies.
 */
#ifndef STOCKD_PROTOCOL_WORKER_FEED_H
#define STOCKD_PROTOCOL_WORKER_FEED_H

#include "protocol/worker_state.h"

/* Tells subscribers what has changed, if a pass is due. */
void worker_feed(struct worker *worker);
/* Milliseconds until the next pass; UINT64_MAX: when the journal advances. */
uint64_t worker_feed_sleep_ms(const struct worker *worker);
void worker_note_subscriber(struct worker *worker, struct connection *connection);
/* Some of its output was sent: it may be told more. */
void worker_note_room(struct worker *worker, const struct connection *connection);
void worker_forget_subscriber(struct worker *worker, struct connection *connection);

#endif
