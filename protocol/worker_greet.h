/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections whose transport greets its peer first. A step of a TLS handshake is some hundred
 * microseconds of arithmetic that anybody may ask for, so an iteration takes a few, after what its
 * clients asked for; and a handshake that is not done in time is cut.
 */
#ifndef STOCKD_PROTOCOL_WORKER_GREET_H
#define STOCKD_PROTOCOL_WORKER_GREET_H

#include "protocol/worker_state.h"

/* Notes a new connection, if its link has to greet. */
void worker_begin_greeting(struct worker *worker, struct connection *connection);

/* Notes that the next step of its greeting can be taken. */
void worker_greeting_ready(struct worker *worker, struct connection *connection);

/* Its link has failed in the middle. */
void worker_greeting_failed(struct worker *worker, const struct connection *connection);

/* Takes some steps, in the order in which they became possible, and cuts what is late. True: more
 * can be taken. */
bool worker_greet(struct worker *worker);

/* Milliseconds until the next greeting is late; UINT64_MAX: there is none. */
uint64_t worker_greet_sleep_ms(const struct worker *worker);

#endif
