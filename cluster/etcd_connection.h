/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one connection of a client of etcd, and how it moves from endpoint to endpoint.
 *
 *    PAUSES ──time──▶ RESOLVES ──addresses──▶ CONNECTS ──HTTP/2──▶ ASKS ──good status──▶ SERVES
 *      ▲                 │                       │                  │                      │
 *      └─────────────────┴────────── the next endpoint ◀────────────┴──────────────────────┘
 *
 * A failure goes on to the next endpoint: at once, unless all of them have failed since the last
 * answer; then after a pause that doubles up to PAUSE_MOST_MS. `connection_step` and
 * `connection_fail` are the transitions. Owned by the client's thread.
 */
#ifndef STOCKD_CLUSTER_ETCD_CONNECTION_H
#define STOCKD_CLUSTER_ETCD_CONNECTION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/etcd.h"
#include "cluster/etcd_endpoints.h"
#include "cluster/etcd_link.h"
#include "cluster/grpc.h"

enum etcd_stage { ETCD_PAUSES, ETCD_RESOLVES, ETCD_CONNECTS, ETCD_ASKS, ETCD_SERVES };

enum {
    PAUSE_FIRST_MS = 20,
    PAUSE_MOST_MS = 250,
    CONNECTION_OUTPUT = 64 << 10,
    STATUS_REPLY_MAX = 4096,
};

struct etcd_connection {
    struct etcd_endpoints endpoints;
    struct ssl_ctx_st *tls; /* NULL: plain */
    uint32_t connect_ms;
    void *owner;
    /* The connection ends; calls on it will not. Called before it is closed. */
    void (*lost)(void *owner, const char *why);
    void (*say)(void *context, const char *line); /* or NULL */
    void *context;

    enum etcd_stage stage;
    uint64_t until_ms; /* end of the pause, or deadline of the stage; SERVES has none */
    uint64_t look_ms;  /* RESOLVES: when to look again */
    uint32_t at;       /* which endpoint */
    const struct addrinfo *address;
    uint64_t cluster_id; /* of the first member that answered; 0: none has */
    uint32_t failures;   /* since the last answer */
    bool proven;         /* this connection has had an answer to a call */
    bool leaving;        /* takes no more calls, and ends with the last one */
    bool unread;         /* there may be more to receive */
    struct etcd_link link;
    struct grpc *grpc; /* CONNECTS, once the link is open, to SERVES */
    struct grpc_call status;
    uint8_t status_request[GRPC_PREFIX], status_reply[STATUS_REPLY_MAX];
    uint8_t output[CONNECTION_OUTPUT];
    size_t output_at, output_end; /* what is not sent yet */
    char problem[ETCD_WHY_MAX];   /* the last failure; "" if it serves */
};

/* Receives, goes on, and ends what took too long. Calls may have ended. */
void etcd_connection_receive(struct etcd_connection *connection, uint64_t now_ms);
/* Sends what calls have to send. */
void etcd_connection_send(struct etcd_connection *connection, uint64_t now_ms);

/* Whether a call can be opened. */
bool etcd_connection_serves(const struct etcd_connection *connection);

/* Ends the connection, says why, and goes on to the next endpoint. */
void etcd_connection_fail(struct etcd_connection *connection, const char *why, uint64_t now_ms);

/* The event to wait for, and until when at most. */
uint64_t etcd_connection_waits_for(const struct etcd_connection *connection, struct pollfd *poll);

void etcd_connection_end(struct etcd_connection *connection);

#endif
