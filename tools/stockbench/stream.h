/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection under load: requests going out, replies coming in, and those in flight between.
 * All messages of one send share one time stamp (in open loop each has its own, from the schedule),
 * and so do all replies of one receive.
 */
#ifndef TOOLS_STOCKBENCH_STREAM_H
#define TOOLS_STOCKBENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/stockbench/moving.h"
#include "tools/stockbench/options.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/reply.h"
#include "tools/stockbench/result.h"
#include "tools/stockbench/schedule.h"
#include "tools/stockbench/traffic.h"

enum {
    RECEIVE_BYTES = 256 << 10,
    MAX_REPLY = 64 << 10,
};

/* Requests that went out in one send. */
struct batch {
    uint64_t time;  /* closed loop: of the send */
    uint64_t index; /* open loop: of the first in the schedule; the others follow */
    uint32_t count;
};

/*
 * L1: the batches from first_batch on add up to in_flight, which never exceeds the window; each
 * batch has at least one request, so as many slots as the window has are enough.
 * L2: pending holds what the socket did not take; while it is not empty, no request is made.
 * L3: with several addresses `kept` holds all requests in flight. When the connection is lost, or
 * one is refused because the node is not the primary, these are sent again as they were, with their
 * ids and in their order, once another node is connected to. Until then no request is made.
 */
struct stream {
    stockd_client *client;
    uint32_t in_flight;
    uint32_t expected; /* msgid of the oldest in flight */
    uint32_t resent;   /* msgid behind those that were sent again */
    uint32_t first_batch;
    uint32_t batches;
    uint64_t free_since; /* when it last became able to take a request; ns */
    struct batch *batch; /* ring of mask + 1 */
    struct asked *asked; /* ring of mask + 1, by msgid */
    size_t partial_len;
    size_t pending_at;
    size_t pending_len;
    unsigned char *pending; /* room for a whole window */
    unsigned char *partial; /* room for MAX_REPLY; the incomplete reply at the end of a receive */
    unsigned char *kept;    /* a place for each of `asked`; NULL: one address */
    struct moving moving;
    struct traffic traffic;
};

struct load {
    const struct options *options;
    struct result *result;
    struct progress *progress;
    struct stream *streams;
    struct choice choice;
    uint32_t mask;
    size_t request_max; /* bytes */
    size_t lost;        /* streams without a connection */
    size_t in_flight;
    uint64_t replies; /* ever */
    int epoll;
    bool measuring;
    bool draining;
    struct shapes shapes;
    unsigned char *out; /* a window of requests */
    unsigned char *in;

    /* open loop */
    struct schedule schedule;
    uint64_t offered;                    /* requests sent so far; the next one's index */
    uint64_t measured_from, measured_to; /* indexes whose latencies count */
    size_t next_stream;
    uint64_t next_look; /* open loop: at the schedule */
    bool blocked;       /* a request is late, and no connection can take it */
};

/* Says on standard error what went wrong; returns false. */
bool broke_off(const char *what, const char *why);

bool stream_watch(const struct load *load, struct stream *stream, int operation, uint32_t events);

static inline bool stream_free(const struct load *load, const struct stream *stream)
{
    return stream->pending_len == 0 && !stream->moving.lost && /* L2, L3 */
           stream->in_flight < load->options->window;
}

/* Makes and sends count requests: at least 1, at most what the window has room for. */
bool stream_send(struct load *load, struct stream *stream, size_t count, uint64_t now);

/* Continues with what the socket did not take. */
bool stream_flush(struct load *load, struct stream *stream);

/* Connects those that were lost and whose time has come, and sends again what they had in flight.
 * False: a node cannot be found. */
bool streams_resume(struct load *load, uint64_t now);

/* Reads and processes what arrived; *now is when that was. */
bool stream_receive(struct load *load, struct stream *stream, uint64_t *now);

#endif
