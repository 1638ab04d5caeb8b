/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that opens connections to the engine.
 *
 * Connecting, and the `hello` that begins a connection, wait: for a host that does not answer, for
 * seconds. So the threads that serve clients never do it themselves. They ask here, and find the
 * result in their inbox.
 *
 * A dial is an errand (inbox.h). The two queues, and who the primary is, are the only things that
 * threads share; each queue has a mutex.
 */
#ifndef GATEWAY_DIALER_H
#define GATEWAY_DIALER_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/gateway/inbox.h"

struct dial {
    struct errand errand;
    stockd_options options; /* but the engine's files; strings live until done */
    stockd_client *client;  /* the caller's to close; NULL: out of memory */
    bool again;             /* client is one that is to go on elsewhere: stockd_reconnect */
    int status;             /* of stockd_connect or stockd_reconnect */
    void *owner;
};

struct dialer;

/* Where the engine is, or the nodes of a cluster, "A,B,C", and, if an address is tls://, the PEM
 * files by which each side knows the other; NULL as in stockd_options. */
struct engine {
    const char *address;
    const char *ca_file, *cert_file, *key_file;
};

/* Connects, as stockd_connect does; the engine's files stand in for those of the options. */
int engine_connect(const struct engine *engine, stockd_client **client, stockd_options options);

/* engine must outlive it. NULL: it could not be started. */
struct dialer *dialer_start(const struct engine *engine);
void dialer_ask(struct dialer *dialer, struct dial *dial);
/* The node at that address is the primary: of several, new connections try it first. Any thread. */
void dialer_found(struct dialer *dialer, const char *address);
/* How often that was another one; and whether this is the one. */
unsigned dialer_changes(struct dialer *dialer);
bool dialer_is_primary(struct dialer *dialer, const char *address);
/* From now on every dial fails at once. */
void dialer_refuse(struct dialer *dialer);
/* Ends the thread. All dials must have been returned. */
void dialer_stop(struct dialer *dialer);

#endif
