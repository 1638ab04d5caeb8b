/* SPDX-License-Identifier: Apache-2.0 */
/* The face of libmicrohttpd: requests come from it as exchanges, answers go to it. */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "tools/gateway/worker.h"

/* Starts the worker's daemon on its own copy of the listening socket. False: it cannot. */
bool http_start(struct worker *worker);

/* Takes no new connections; idle ones are closed once what they have sent is answered. */
void http_drain(struct worker *worker);

/* Closes connections whose request is not complete in time. */
void http_sweep(struct worker *worker);

#endif
