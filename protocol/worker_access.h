/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker and the rights of its peers. Strangers, who have not said who they are, get little time,
 * and are few: a new one makes the oldest of its address go, or the oldest of all. So a peer that
 * opens connections and says nothing crowds out its own first, and a client that says hello at once
 * gets through.
 *
 * When tokens change, every connection's rights are looked at again before any of its requests run.
 */
#ifndef STOCKD_PROTOCOL_WORKER_ACCESS_H
#define STOCKD_PROTOCOL_WORKER_ACCESS_H

#include "protocol/worker_state.h"

/* A connection was adopted: it is a stranger, or known by the user of its Unix socket. */
void worker_meet(struct worker *worker, struct connection *connection);

/* Its peer has shown a certificate of that common name. For a transport that asks for one. */
void worker_meet_certificate(struct worker *worker, struct connection *connection,
                             const char *common_name);

/* At the beginning of an iteration: looks at all rights again if tokens have changed. */
void worker_mind_access(struct worker *worker);

/* Takes a connection that has become known, or takes no more requests, from the strangers. */
void worker_note_known(struct worker *worker, struct connection *connection);

/* Ends what strangers have had their time, and tells what was refused. */
void worker_mind_strangers(struct worker *worker);
/* Milliseconds until it is due again; UINT64_MAX: nothing is. */
uint64_t worker_access_sleep_ms(const struct worker *worker);

/* The connection ends. */
void worker_part(struct worker *worker, struct connection *connection);

#endif
