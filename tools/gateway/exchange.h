/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request and its answer.
 *
 *   READING    its head has come; the body may still be coming
 *   WAITING    its calls are with the engine, and libmicrohttpd keeps the connection suspended
 *   DECIDED    the answer is there and is queued the next time that libmicrohttpd asks
 *   ANSWERED   libmicrohttpd has the answer
 *
 * READING becomes DECIDED at once when no call is needed, or none can be sent.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include <stdint.h>
#include <sys/types.h>

#include <microhttpd.h>

#include "tools/gateway/arguments.h"
#include "tools/gateway/assets.h"
#include "tools/gateway/bytes.h"
#include "tools/gateway/cors.h"
#include "tools/gateway/methods.h"
#include "tools/gateway/ops.h"
#include "tools/gateway/routes.h"
#include "tools/gateway/upstream.h"

struct worker;
struct stream;

enum { BODY_MAX = 1 << 20, CALLS_MAX = 2 };

enum exchange_state { EXCHANGE_READING, EXCHANGE_WAITING, EXCHANGE_DECIDED, EXCHANGE_ANSWERED };

struct exchange {
    struct worker *worker;
    struct MHD_Connection *connection;
    struct peer *peer;
    enum exchange_state state;
    bool begun;       /* the head was looked at */
    bool too_large;   /* the rest of the body is read and dropped */
    bool unclear;     /* what the request is, so the connection is closed */
    bool bears_token; /* it has an Authorization */
    uint64_t dropped;
    char *target; /* as it came; NULL: out of memory */
    const struct method *method;
    const struct route *route;
    struct span variable;
    struct bytes body;
    const char *none_match;    /* If-None-Match; NULL: not given */
    char key[64];              /* Idempotency-Key, "" if there is none */
    char token[TOKEN_MAX + 1]; /* of the request, or the gateway's own; "" for none */
    struct cors_answer cors;
    struct call calls[CALLS_MAX];
    struct ops_question ops_question;
    unsigned waiting;  /* calls and questions to the ops port that are not done */
    struct bytes skus; /* of GET availability: of each its length, a size_t, and what it is */
    unsigned sku_count;

    unsigned status; /* of the answer */
    const char *type;
    const char *allow; /* of 405 */
    unsigned retry_after;
    struct bytes reply;
    const struct asset *asset; /* it is answered by a file of the console */
    struct stream *stream;     /* it is answered by a stream */
};

/* What the answer is. */
void exchange_refuse(struct exchange *exchange, const char *code, const char *detail);
void exchange_refuse_by(struct exchange *exchange, const struct complaint *why);
void exchange_give(struct exchange *exchange, const struct answer *answer);

/* Begins to answer a request that has come whole: it is WAITING or DECIDED then. */
void exchange_dispatch(struct exchange *exchange);

/* Lets libmicrohttpd go on with an exchange that is no longer WAITING. */
void exchange_resume(struct exchange *exchange);

#endif
