/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of a connection to replies in its out stream: finds the messages, reads them,
 * fetches ahead what they will touch, and runs them in order.
 */
#ifndef STOCKD_PROTOCOL_SESSION_H
#define STOCKD_PROTOCOL_SESSION_H

#include "protocol/call.h"
#include "protocol/connection.h"

/* What a worker brings along for running requests. */
struct executor {
    const struct service *service;
    struct scratch *scratch;
    struct ctx *ctx;
    struct worker_metrics *metrics;
    struct answer_box *box;
    uint64_t engine_ms, steady_ms; /* of this iteration */
    uint64_t iteration;
    uint64_t bytes;    /* of requests and replies so far: they are work, too */
    uint64_t quantum;  /* of work that a connection may do at once; then it is STALL_QUANTUM */
    uint64_t work_end; /* of the connection at hand, see executor_work */
    bool crowded; /* great requests are not begun now: others had their share of the iteration */
};

enum {
    GREAT_BYTES = 2048, /* a request of that length may be long work */
    BYTES_PER_WORK = 16,
};

/* Work that was done for connections so far, in the units of ctx_work. */
static inline uint64_t executor_work(const struct executor *executor)
{
    return ctx_work(executor->ctx) + executor->bytes / BYTES_PER_WORK;
}

/* Unsent bytes of one connection above which none of its requests is begun. */
enum { OUTPUT_HIGH = 256 << 10 };

/*
 * Does all that can be done of the bytes, which begin where connection->walk began, within a
 * quantum of work; at least one request, or a part of it, unless it is crowded. Returns how many
 * are through; the rest is to be given again, with more behind it, or when connection->stall has
 * gone. Sets connection->stall and ->discarding, and ends the connection's requests when the stream
 * cannot be read on.
 */
size_t session_run(struct executor *executor, struct connection *connection,
                   const unsigned char *bytes, size_t length);

/* Says why a message that is not whole, of which these bytes have come, is not waited for; nothing
 * more is read of the connection. */
void session_refuse(struct executor *executor, struct connection *connection,
                    const unsigned char *bytes, size_t length, const struct refusal *refusal);

#endif
