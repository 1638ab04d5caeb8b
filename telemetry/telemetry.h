/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ops port (stockd --http): health, readiness and metrics of a running engine over HTTP, for
 * those who operate it.
 *
 *   GET /healthz   200 while the process lives
 *   GET /readyz    200 only while the engine takes changes; else 503, and the body says why not
 *   GET /metrics   OpenMetrics, if the client accepts that; else the Prometheus text format
 *
 * It runs on a thread of its own, with libmicrohttpd and a reader's context of the ledger. It reads
 * what workers count for themselves and asks nothing of them: a slow or hostile client of this port
 * delays no order.
 *
 * It begins to listen before the journal is replayed, so that a long replay can be watched; it then
 * knows no engine, and is not ready.
 */
#ifndef STOCKD_TELEMETRY_TELEMETRY_H
#define STOCKD_TELEMETRY_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctx;
struct engine_clock;
struct service;
struct telemetry;

/* What it watches; all of it outlives telemetry_detach. */
struct telemetry_engine {
    const struct service *service;
    struct ctx *ctx; /* a reader's, for the port's thread only */
    const struct engine_clock *clock;
    const char *directory; /* the data directory */
    /* System calls that the process's filter has refused; NULL: they are not counted. */
    uint64_t (*refused_calls)(void);
};

struct telemetry_config {
    const char *address; /* HOST:PORT */
    bool exposed;        /* other machines may reach it: nothing here checks who asks */
    const char *version;
};

/* Whether it could listen as that says, as far as that shows before it binds: false, with one line
 * in why. */
bool telemetry_check(const struct telemetry_config *config, char *why, size_t size);

/* Listens and answers from now on. NULL on failure, with one line in why (size bytes). Its thread
 * takes no signals. */
struct telemetry *telemetry_create(const struct telemetry_config *config, char *why, size_t size);
/* NULL is ignored, here and below. */
void telemetry_destroy(struct telemetry *telemetry);

/* "http://HOST:PORT", as bound. */
const char *telemetry_address(const struct telemetry *telemetry);

/* The engine serves from now on, until it is stopping. Any thread. */
void telemetry_attach(struct telemetry *telemetry, const struct telemetry_engine *engine);
/* It takes no more changes: /readyz says so. Any thread. */
void telemetry_stopping(struct telemetry *telemetry);
/* Forgets the engine; waits for an answer that is being made, which ends soon. */
void telemetry_detach(struct telemetry *telemetry);

#endif
