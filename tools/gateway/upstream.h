/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one thread to the engine.
 *
 * A token has a pool of connections: its `hello` gives them its rights. In a pool each lane has a
 * few connections, on which requests are pipelined. Answers on one connection come in order, so a
 * question behind a change would wait for the disk with it: hence the lanes.
 *
 *   U1  A call is in exactly one place: with a link, in flight; in its lane, waiting for the first
 *       link; or done. `done` is called once.
 *   U2  A call that was in flight when its connection was lost is sent again, once, if it may be,
 *       and with several nodes until its time is over; otherwise it is done as `engine_away`, and
 *       what became of it is not known.
 *   U3  At most one connection of a lane is being opened. Calls wait for it only while the lane has
 *       no other.
 *   U4  A call that was refused by a node that is not the primary was not done: it goes to another.
 *       That node's connection takes no more calls, and once none is in flight its client moves.
 *   U5  Once a change has shown where the primary is, all connections move there, those for
 *       questions too: who was told that a change is done finds it done.
 */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/gateway/dialer.h"
#include "tools/gateway/methods.h"
#include "tools/gateway/watch.h"

enum { TOKEN_MAX = 256 };

/* The engine's answer, or why there is none. Valid only during `done`. */
struct answer {
    const char *code; /* NULL: it is a result */
    const char *message;
    stockd_value result, details;
};

/* One request to the engine. Its memory belongs to the asker, who keeps it until done. */
struct call {
    struct call *next;
    const char *method;
    stockd_pack params;
    enum lane lane;
    bool again; /* it may be sent a second time */
    int64_t deadline_ms;
    void (*done)(struct call *call, const struct answer *answer);
    void *owner;
    struct pool *pool; /* upstream's own */
    bool resent;       /* it was lost in flight: it may have been done */
};

struct upstream_settings {
    int connections; /* of a lane */
    int call_ms;     /* for an answer; SLOW_TIMES that in the slow lane */
};

enum { SLOW_TIMES = 6 };

struct upstream {
    struct watcher *watcher;
    struct dialer *dialer;
    struct inbox *inbox;
    struct upstream_settings settings;
    struct pool *pools;
    unsigned pool_count;
    struct link *unflushed;
    unsigned dialing; /* dials under way */
    bool several;     /* nodes of a cluster */
    unsigned changes; /* of the primary, as far as its connections have followed */
    const int64_t *now_ms;
};

/* Sends it; may call `done` at once. token: NULL or "" for none; it is copied. */
void upstream_send(struct upstream *upstream, const char *token, struct call *call);

/* Writes what has been sent. Call it once in a while of the thread's loop. */
void upstream_flush(struct upstream *upstream);

/* Ends what is overdue and what has been idle for long. Call it some times a second. */
void upstream_sweep(struct upstream *upstream);

/* Ends all calls as `engine_away`, and closes all connections. Dials may still be under way. */
void upstream_end(struct upstream *upstream);
/* Frees the pools, once no dial is under way. */
void upstream_free(struct upstream *upstream);

/* The options of every connection to the engine. */
stockd_options upstream_options(const char *token);
/* Why a dial failed. The texts live as long as its client. */
struct answer upstream_refusal(const struct dial *dial);

#endif
