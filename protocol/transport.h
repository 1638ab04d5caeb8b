/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface between a worker and its peers: a transport accepts a listener's peers, receives,
 * sends, and closes. A worker reaches sockets only through it, and a connection keeps the listener
 * that accepted it, on whichever worker it is.
 *
 * `socket_transport` is TCP and Unix sockets on the worker's io_uring. `tls_transport` encrypts
 * over the same: its `received` returns other bytes than the completion has, and its `sent` the
 * number of stream bytes that its own bytes carried. A link belongs to its connection's worker.
 *
 * A link that must greet its peer first (a TLS handshake) carries no stream until then. Its
 * greeting is computed in steps, when the worker has time for one.
 */
#ifndef STOCKD_PROTOCOL_TRANSPORT_H
#define STOCKD_PROTOCOL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "engine/base/text.h"
#include "protocol/address.h"
#include "protocol/out.h"
#include "protocol/uring.h"

enum { SEND_PIECES = 16 };

enum greeting {
    GREETING_DONE,    /* or none is needed */
    GREETING_AWAITED, /* the peer's next bytes are */
    GREETING_READY,   /* they have come: `greet` is to be called, and nothing received until then */
};

struct tls_link;

/* A connection's end of its transport. */
struct link {
    int fd;
    const struct listener *listener; /* the one that accepted it; its transport is the link's */
    struct in_flight {
        bool receive; /* one is under way */
        bool cancel;  /* and is being cancelled */
        bool send;    /* one is under way */
    } in_flight;      /* with the kernel */
    bool has_more;    /* to send, besides the stream */
    enum greeting greeting;
    struct tls_link *tls;             /* of tls_transport; owned */
    struct iovec pieces[SEND_PIECES]; /* of the send under way */
    struct msghdr message;
};

/* The outcome of a receive. */
struct received {
    unsigned char *bytes; /* valid until the completion's buffer is returned */
    size_t length;
    bool ended;  /* the peer will send no more */
    bool failed; /* the link is unusable */
};

/* The outcome of a step of the greeting. */
struct greeted {
    struct received received; /* of the stream behind it */
    const char *why;          /* it failed; else NULL */
    bool resumed;             /* it is done, and took up an earlier session */
};

struct transport {
    /* Once, before the first accept. */
    void (*prepare)(const struct listener *listener);
    /* Completes with a descriptor for each peer until a completion says that no more come. */
    void (*accept)(const struct listener *listener, struct uring *ring, uint64_t tag);
    /* Closes an accepted descriptor; first sends what it can of the bytes without waiting. */
    void (*turn_away)(int fd, const void *bytes, size_t length);

    /* Before the first receive. False: no memory, and `close` is not to be called. */
    bool (*open)(struct link *link, struct chunk_pool *pool);
    /* One step of the greeting, which is GREETING_READY. The stream may begin with it. */
    struct greeted (*greet)(struct link *link);

    /* Begins to receive; completes for each piece until a completion says that no more come. */
    void (*receive)(struct link *link, struct uring *ring, uint64_t tag);
    /* Decodes such a completion. */
    struct received (*received)(struct link *link, const struct completion *completion);
    /* Ends the receive under way; its last completion still comes. */
    void (*stop_receiving)(struct link *link, struct uring *ring, uint64_t tag);

    /* Sends the unsent bytes before the offset `to`, or a part of them, and what link->has_more
     * tells of; completes once. Until then the bytes do not move, and no other send begins. */
    void (*send)(struct link *link, struct uring *ring, const struct out *out, uint64_t to,
                 uint64_t tag);
    /* Decodes that completion: how many bytes of the stream were sent, perhaps none; negative: the
     * link is unusable. */
    int (*sent)(struct link *link, int result);

    /* Tells the peer that no more bytes come. False: the link is unusable. */
    bool (*finish)(struct link *link);
    /* Ends what is in flight, in either direction, at once; its completions still come. */
    void (*abort)(struct link *link);
    /* Call with nothing in flight. */
    void (*close)(struct link *link);

    /* Names the peer for a log line: an address, a process, or that it has gone. */
    void (*name_peer)(const struct link *link, char *to, size_t size);
};

extern const struct transport socket_transport;
extern const struct transport tls_transport; /* its listeners have a `tls` */

static inline const struct transport *link_transport(const struct link *link)
{
    return link->listener->transport;
}

/* Bytes that the system holds and the peer has not taken; 0 if that is not known. Of any transport
 * that has a socket. */
int link_queued(const struct link *link);
/* The subject's common name in the peer's certificate, which an authority of --tls-client-ca
 * vouches for; absent: it has shown none. Valid as long as the link. */
struct text link_certified_name(const struct link *link);

/* Nothing is in flight: the kernel refers to nothing of the link. */
static inline bool link_is_idle(const struct link *link)
{
    return !link->in_flight.receive && !link->in_flight.send;
}

#endif
