/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between a worker and the bytes that come and go: a transport accepts peers of a
 * listener, receives, sends, and ends. A worker knows nothing of sockets but through it, and a
 * connection keeps the listener that it came by, on whichever worker it is.
 *
 * `socket_transport` is the one that exists: TCP and Unix sockets on the worker's io_uring. One
 * that changes the bytes (TLS) gives `received` other bytes than the completion has, and counts in
 * `sent` those of the stream that its own have carried. It belongs to the connection's worker.
 */
#ifndef STOCKD_PROTOCOL_TRANSPORT_H
#define STOCKD_PROTOCOL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "protocol/address.h"
#include "protocol/out.h"
#include "protocol/uring.h"

enum { SEND_PIECES = 16 };

/* A connection's end of its transport. */
struct link {
    int fd;
    const struct listener *listener; /* that accepted it; its transport is the link's */
    struct in_flight {
        bool receive;                 /* one is under way */
        bool cancel;                  /* and was asked to end */
        bool send;                    /* one is under way */
    } in_flight;                      /* with the kernel */
    struct iovec pieces[SEND_PIECES]; /* of the send under way */
    struct msghdr message;
};

/* What a receive has brought. */
struct received {
    const unsigned char *bytes; /* until the completion's buffer is returned */
    size_t length;
    bool ended;  /* the peer will send no more */
    bool failed; /* the link is of no more use */
};

struct transport {
    /* Once, before the first accept. */
    void (*prepare)(const struct listener *listener);
    /* Completes with a descriptor for each peer, until it says that no more come. */
    void (*accept)(const struct listener *listener, struct uring *ring, uint64_t tag);
    /* Closes a descriptor that was accepted; sends the bytes first, as far as they go at once. */
    void (*turn_away)(int fd, const void *bytes, size_t length);

    /* Begins to receive; completes for each piece that comes until it says that no more come. */
    void (*receive)(struct link *link, struct uring *ring, uint64_t tag);
    /* What such a completion means. */
    struct received (*received)(struct link *link, const struct completion *completion);
    /* Ends the receive under way; its last completion is still to come. */
    void (*stop_receiving)(struct link *link, struct uring *ring, uint64_t tag);

    /* Sends from what was sent up to the offset `to`, or a part of it; it completes once. Until
     * then the bytes stay where they are, and no other send begins. */
    void (*send)(struct link *link, struct uring *ring, const struct out *out, uint64_t to,
                 uint64_t tag);
    /* What that completion means: how many bytes of the stream have gone; negative: the link is of
     * no more use. */
    int (*sent)(struct link *link, int result);

    /* Tells the peer that no more comes. False: the link is of no more use. */
    bool (*finish)(struct link *link);
    /* What is in flight ends at once, in either direction; its completions are still to come. */
    void (*abort)(struct link *link);
    /* With nothing in flight. */
    void (*close)(struct link *link);

    /* Who is at the other end, for people: an address, a process, or that it has gone. */
    void (*name_peer)(const struct link *link, char *to, size_t size);
};

extern const struct transport socket_transport;

static inline const struct transport *link_transport(const struct link *link)
{
    return link->listener->transport;
}

/* Neither receives nor sends: the kernel holds nothing of it. */
static inline bool link_is_idle(const struct link *link)
{
    return !link->in_flight.receive && !link->in_flight.send;
}

#endif
