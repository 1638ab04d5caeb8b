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
    struct seat *seat;
    struct worker_figures *figures;
    struct answer_box *box;
    uint64_t engine_ms; /* of this turn */
    uint64_t turn;
};

/* Unsent bytes of one connection above which none of its requests is begun. */
enum { OUTPUT_HIGH = 256 << 10 };

/*
 * Does all that can be done of the bytes, which begin where connection->walk began. Returns how
 * many are through; the rest is to be given again, with more behind it, or when connection->stall
 * has gone. Sets connection->stall, ->discarding, and ->last_words when the stream cannot be read
 * on.
 */
size_t session_run(struct executor *executor, struct connection *connection,
                   const unsigned char *bytes, size_t length);

#endif
