/* SPDX-License-Identifier: Apache-2.0 */
/* The server: listeners, workers, and what they share. */
#ifndef STOCKD_PROTOCOL_SERVER_H
#define STOCKD_PROTOCOL_SERVER_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ledger/ledger.h"
#include "protocol/address.h"
#include "protocol/call.h"
#include "protocol/clock.h"
#include "protocol/mirror_port.h"
#include "protocol/role.h"
#include "protocol/storage_port.h"

struct server;
struct tls;

struct server_config {
    const char *const *listen; /* addresses: HOST:PORT, tls://HOST:PORT or unix:PATH */
    unsigned listen_count;
    struct tls *tls;  /* outlives it; NULL if no address is tls:// */
    unsigned workers; /* the ledger has as many contexts */
    struct service_limits limits;
    struct ledger *ledger; /* these three outlive the server */
    struct log *log;
    const struct storage_port *storage;
    const struct history_port *history;
    const struct mirror_port *mirror; /* outlives it too; NULL: no mirror */
    const struct engine_clock *clock;
    bool standby;          /* it begins as one: ledger_follow was called */
    unsigned standby_ctx;  /* then: a reader's context of the ledger, for worker 0 */
    struct access *access; /* outlives it too; NULL: everybody may do everything */
    const char *version;
    sigset_t stop_signals; /* end server_run; every thread already blocks them */
    /* Called on worker 0's thread when a stop signal has come, before the workers end; `from`: the
     * process that sent it. May be NULL. */
    void (*stopping)(void *context, int signal, pid_t from);
    /* Takes a line for the log: that a reply has waited for long and for what, or that none does
     * any longer, or that handshakes fail; level: of syslog.h. Any worker may call it, in the
     * middle of its iteration. May be NULL. */
    void (*say)(void *context, int level, const char *line);
    void *context; /* of both */
};

/* NULL on failure, with one line in why (size bytes). */
struct server *server_create(const struct server_config *config, char *why, size_t size);
void server_destroy(struct server *server);

/* A bound address, as clients write it; NULL past the last. */
const char *server_address(const struct server *server, unsigned index);

/* How far that address can be reached from. */
enum reach server_reach(const struct server *server, unsigned index);

/* Has every worker look at what has changed, even one that sleeps. Any thread, while it runs. */
void server_wake(struct server *server);
/* The same for those that wait for the log, after another thread has moved it on: once per batch
 * that a standby has applied. */
void server_log_moved(struct server *server);

/*
 * Any thread. To the primary: after ledger_promote and clock_raise; from then on changes are taken,
 * and deadlines expire. From the primary to replaced, or another primary for a node that is not
 * one: changes are refused, and told of that primary.
 */
void server_set_role(struct server *server, enum server_role role, const struct primary *primary);

/* What its workers share: for who watches the server. */
const struct service *server_service(const struct server *server);

/* That worker's metrics. */
const struct worker_metrics *server_metrics(const struct server *server, unsigned worker);

/*
 * Serves until a stop signal comes, then sends every reply that waits only for the journal. Calls
 * ready once requests are served. Returns 0, or -errno if a worker could not go on.
 */
int server_run(struct server *server, void (*ready)(void *context), void *context);

#endif
