/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the connections to the engine, for the files that are `upstream`: upstream.c has the
 * pools and the dialing, upstream_links.c what happens on a connection. */
#ifndef GATEWAY_UPSTREAM_STATE_H
#define GATEWAY_UPSTREAM_STATE_H

#include "tools/gateway/upstream.h"

struct link {
    struct watch watch;
    struct link *next; /* of its lane */
    struct link *next_unflushed;
    struct upstream *upstream;
    struct pool *pool;
    enum lane lane;
    stockd_client *client;
    struct call *first, **last; /* in flight, in the order of sending */
    unsigned in_flight;
    bool listed;  /* in unflushed */
    bool writing; /* waits for room too */
    bool leaving; /* takes no more calls (U4, U5) */
    bool knows;   /* its client has been told where the primary is */
};

struct lane_state {
    struct link *links;
    int count;
    bool dialing;
    struct dial dial;
    struct call *first, **last; /* waiting for the first link */
    int64_t next_dial_ms;
    int backoff_ms;
    stockd_client *moving; /* is dialled next, because it knows where to; NULL: a new one */
    unsigned moves;        /* since a node took what was asked */
};

struct pool {
    struct pool *next;
    struct upstream *upstream;
    char token[TOKEN_MAX + 1];
    struct lane_state lanes[LANES];
    int64_t used_ms;
    unsigned calls; /* not done */
    int64_t refused_until_ms;
    char code[64], message[512]; /* why it was refused */
};

/* ---- upstream_links.c ---- */

/* The engine has not answered it. If it may have been done, that is what the asker has to know. */
void upstream_unanswered(struct call *call, const struct answer *answer);
void upstream_away(struct call *call, const char *why); /* as `engine_away` */
/* The engine has answered it, or it was never sent. */
void upstream_finish(struct call *call, const struct answer *answer);
struct call *upstream_take_all(struct call **first, struct call ***last);

bool upstream_link_open(struct pool *pool, enum lane lane, stockd_client *client);
void upstream_link_send(struct link *link, struct call *call);
/* Closes it, and takes it out of its lane. Returns what was in flight. */
struct call *upstream_link_close(struct link *link);
/* Nothing is in flight: its client goes on elsewhere, if it knows where and is needed. */
void upstream_link_leave(struct link *link);
/* What was in flight is sent again, if it may be. */
void upstream_link_lost(struct link *link, const char *why);

/* ---- upstream.c ---- */

/* Gives it to a connection of its lane, or lets it wait for one. */
void upstream_route(struct upstream *upstream, struct pool *pool, struct call *call);
/* Calls may wait for the first connection of a lane that has none. */
void upstream_dial_if_awaited(struct pool *pool, struct lane_state *lane);

#endif
