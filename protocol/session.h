/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns a connection's bytes into replies in its out stream: finds the messages, reads them,
 * prefetches what they will touch, and runs them in order.
 */
#ifndef STOCKD_PROTOCOL_SESSION_H
#define STOCKD_PROTOCOL_SESSION_H

#include "protocol/call.h"
#include "protocol/connection.h"

/* Requests refused for lack of rights since the worker last told of any. */
struct refused {
    uint64_t count;
    char first[384]; /* what and who; never a token */
};

/* What a worker needs to run requests. */
struct executor {
    const struct service *service;
    struct scratch *scratch;
    struct ctx *ctx;
    struct worker_metrics *metrics;
    struct answer_box *box;
    bool refuses_changes;          /* of this iteration: see struct call */
    uint64_t engine_ms, steady_ms; /* likewise */
    uint64_t steady_ns;            /* likewise */
    uint64_t asked_ns; /* when the current connection's requests were read; if the first of them
                          waited, when that began */
    uint64_t free_replies[REQUEST_KINDS]; /* of this iteration's requests, not held back */
    uint64_t iteration;
    uint64_t bytes;    /* of requests and replies so far; they count as work */
    uint64_t quantum;  /* of work that a connection may do at once; then STALL_QUANTUM */
    uint64_t work_end; /* of the current connection, see executor_work */
    bool crowded;      /* starts no great request: others wait in LIST_HEAVY, or such requests have
                          had their share of the iteration */
    struct refused refused;
};

enum {
    GREAT_BYTES = 2048, /* a request this long may take long */
    BYTES_PER_WORK = 16,
};

/* Work done for connections so far, in units of ctx_work. */
static inline uint64_t executor_work(const struct executor *executor)
{
    return ctx_work(executor->ctx) + executor->bytes / BYTES_PER_WORK;
}

/* With more unsent bytes than this a connection starts no request; with any, while memory for
 * clients is short. */
enum { OUTPUT_HIGH = 256 << 10 };

/*
 * Processes the bytes, which begin where connection->walk began, as far as a quantum of work
 * allows: at least one request, or a part of it, unless the executor is crowded or the
 * output is high. Returns how many bytes are
 * done; pass the rest again with more behind it, or once connection->stall is over. Sets
 * connection->stall and ->discarding, and ends the connection's requests if the stream cannot be
 * read any further.
 */
size_t session_run(struct executor *executor, struct connection *connection,
                   const unsigned char *bytes, size_t length);

/* Refuses an incomplete message, of which these bytes have come; nothing more is read from the
 * connection. */
void session_refuse(struct executor *executor, struct connection *connection,
                    const unsigned char *bytes, size_t length, const struct refusal *refusal);

#endif
