/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC calls over one HTTP/2 connection, with libnghttp2: bytes from the server in, bytes for the
 * server out. It touches no socket and knows no messages.
 *
 * A call is one request message and one reply message. Several may be under way; they end in any
 * order. Everything is owned by one thread.
 */
#ifndef STOCKD_CLUSTER_GRPC_H
#define STOCKD_CLUSTER_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grpc;

/* Before each message: a byte that says whether it is compressed, and its length in four. */
enum { GRPC_PREFIX = 5, GRPC_MESSAGE_MAX = 160 };

/* The codes of gRPC that a server answers with. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
    GRPC_STATUS_LAST = 16,
};

enum grpc_end {
    GRPC_UNDER_WAY,
    GRPC_STATUS,    /* the server's status has come; if it is GRPC_OK, so has the reply */
    GRPC_NOT_TAKEN, /* the server says that it has not looked at the call */
    GRPC_OVERFLOW,  /* the reply is larger than its room */
    GRPC_MALFORMED, /* not what gRPC says */
    GRPC_RESET,     /* the server has broken the call off */
};

struct grpc_call {
    /* What the caller fills in; unchanged until the call has ended. */
    const char *path;
    uint8_t *request;      /* the first GRPC_PREFIX bytes are grpc_open's to write */
    size_t request_length; /* with those */
    uint8_t *reply;
    size_t reply_room; /* at least GRPC_PREFIX, which it begins with */

    /* What comes of it. */
    enum grpc_end end;
    size_t sent; /* bytes of the request; until all are, no server can have executed the call */
    size_t reply_length;
    int status;                     /* enum grpc_status */
    char message[GRPC_MESSAGE_MAX]; /* the server's, cut off; printable */

    /* grpc's own. */
    int32_t stream;
    unsigned http_status;
    bool has_status, overflow;
};

/* authority: HOST:PORT, borrowed. NULL: no memory. */
struct grpc *grpc_create(const char *authority, bool encrypted);
/* Calls under way are forgotten: they do not end. */
void grpc_destroy(struct grpc *grpc);

/* Begins the call. False: the connection takes no more. */
bool grpc_open(struct grpc *grpc, struct grpc_call *call);

/* Bytes from the server: calls end. False: this is not HTTP/2. */
bool grpc_receive(struct grpc *grpc, const void *bytes, size_t length);

/* Moves what is to be sent, and returns how much it is. False in *good: no memory. */
size_t grpc_send(struct grpc *grpc, void *to, size_t room, bool *good);

/* Whether nothing more will come or be sent: the server ended the connection, or broke the rules of
 * HTTP/2 and has been told so. */
bool grpc_over(const struct grpc *grpc);
/* Whether the server has said that it takes no more calls. */
bool grpc_leaving(const struct grpc *grpc);

/* The reply's message, without its prefix; the call has ended with GRPC_STATUS and GRPC_OK. */
const void *grpc_reply(const struct grpc_call *call, size_t *length);

#endif
