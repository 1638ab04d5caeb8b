/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's state, for the files that make a stream: stream.c, stream_begin.c. */
#ifndef GATEWAY_STREAM_STATE_H
#define GATEWAY_STREAM_STATE_H

#include "tools/gateway/dialer.h"
#include "tools/gateway/exchange.h"
#include "tools/gateway/watch.h"

enum stream_state {
    STREAM_DIALING,
    STREAM_OPENING,
    STREAM_RESTING,
    STREAM_PAGING,
    STREAM_AWAY,
    STREAM_ENDED,
};

struct stream {
    struct watch watch;          /* of the connection to the engine */
    struct stream *next, **back; /* of the worker's */
    struct worker *worker;
    struct exchange *exchange; /* NULL: the client has gone, but a dial is under way */
    enum stream_state state;
    bool changes;   /* otherwise events */
    bool answered;  /* the client got its 200 */
    bool has_since; /* otherwise from now on */
    bool dirty;     /* there may be more than was asked for */
    bool suspended; /* libmicrohttpd waits for text */
    bool dialing;   /* the dialer has the dial */
    bool said_away;
    uint64_t since;
    int64_t retry_ms, backoff_ms;
    int64_t next_page_ms; /* not before */
    int64_t spoken_ms;    /* when something was written last */
    int64_t behind_ms;    /* since when the node has not yet what the client has; 0: it has */
    struct dial dial;
    stockd_client *client;
    char token[TOKEN_MAX + 1];
    stockd_pack filter; /* a map of channel, location and types, as the pages take them */
    struct bytes text;
    size_t taken; /* of text, by libmicrohttpd */
    struct client_watch *client_watch;
};

/* Adds a stream that has its filter to the worker, and dials. */
void stream_start(struct stream *stream);
/* Frees what belongs to a stream, but not the stream. */
void stream_discard(struct stream *stream);

#endif
