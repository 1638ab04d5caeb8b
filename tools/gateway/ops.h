/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of the engine's ops port (stockd --http), for the console.
 *
 * A thread of its own fetches them, because the port may let it wait. Those who ask meanwhile get
 * what it fetches, and those who ask within a second after that the same again: however many ask,
 * the engine makes them once a second at most. The ops port does not check who asks; the gateway
 * does, by a question to the engine that needs the same right.
 */
#ifndef GATEWAY_OPS_H
#define GATEWAY_OPS_H

#include <stdbool.h>

#include "tools/gateway/bytes.h"
#include "tools/gateway/inbox.h"

struct ops;

/* Whether it is HOST:PORT. */
bool ops_is_address(const char *address);

struct ops_question {
    struct errand errand;
    struct bytes text; /* the metrics, the asker's to free; empty: the port gave none */
    void *owner;
};

/* Fetches from HOST:PORT, which has limit_s for an answer. NULL: it could not be started. */
struct ops *ops_start(const char *address, int limit_s);
void ops_ask(struct ops *ops, struct ops_question *question);
/* Gives back what is asked, and from now on every question at once, without an answer. */
void ops_refuse(struct ops *ops);
/* Ends the thread. All questions must have been returned. NULL: none. */
void ops_stop(struct ops *ops);

#endif
