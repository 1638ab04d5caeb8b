/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that serves clients: its own libmicrohttpd daemon on the shared listening socket, its
 * own connections to the engine, its own streams. Threads share the options and the documents,
 * which nobody writes, the dialer's queues, and `stopping`.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <microhttpd.h>

#include "tools/gateway/dialer.h"
#include "tools/gateway/ops.h"
#include "tools/gateway/options.h"
#include "tools/gateway/upstream.h"
#include "tools/gateway/watch.h"

/* What all threads read and nobody writes while they run. */
struct gateway {
    struct options options;
    const char *openapi;
    struct dialer *dialer;
    struct ops *ops; /* NULL: none */
    int listen_fd;
};

struct stream;

/* A client's connection. While it is receiving, it has until deadline_ms to send a whole
 * request. */
struct peer {
    int fd;
    bool receiving;
    int64_t deadline_ms;
    struct peer *before, *after; /* of those that receive, in the order of their deadlines */
};

struct worker {
    const struct gateway *gateway;
    pthread_t thread;
    struct watcher watcher;
    struct watch http_watch; /* libmicrohttpd's descriptor */
    struct inbox_watch {
        struct watch watch; /* of the inbox's descriptor */
        struct worker *worker;
    } inbox_watch;
    struct inbox inbox;
    struct upstream upstream;
    struct MHD_Daemon *daemon;
    int64_t now_ms;
    int64_t swept_ms;
    struct peer *first_receiving, *last_receiving;
    unsigned peers; /* open connections of clients */
    struct stream *streams;
    unsigned stream_count;
    unsigned dials;         /* of streams, under way */
    unsigned ops_questions; /* under way */
    bool paced;             /* a stream waits for its next page */
    bool draining;
    int64_t drain_until_ms;
    atomic_bool stopping; /* set by the main thread, which then wakes the inbox */
};

/* False: it could not be started, and said why. */
bool worker_start(struct worker *worker, const struct gateway *gateway);
/* Asks it to finish what is under way and to end; worker_join waits for that. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

/* The peer's request has come whole, or it waits for its next one. */
void peer_busy(struct worker *worker, struct peer *peer);
void peer_receives(struct worker *worker, struct peer *peer);

#endif
