/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of the engine's ops port (stockd --http), for the console.
 *
 * A thread of its own fetches them, at most once a second and only while somebody asks: so no
 * request waits for the port. The ops port does not check who asks; the gateway does, by a question
 * to the engine that needs the same right.
 */
#ifndef GATEWAY_OPS_H
#define GATEWAY_OPS_H

#include "tools/gateway/bytes.h"

struct ops;

/* Whether it is HOST:PORT. */
bool ops_is_address(const char *address);

/* Fetches from HOST:PORT. NULL: it could not be started. */
struct ops *ops_start(const char *address);
void ops_stop(struct ops *ops); /* NULL: none */

/* Appends what was fetched in the last seconds, and has it fetched again. False: there is nothing;
 * soon there may be. */
bool ops_read(struct ops *ops, struct bytes *out);

#endif
