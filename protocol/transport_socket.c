/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/transport.h"

/* Per connection, in the kernel, which would otherwise buffer megabytes for an idle peer. */
enum { SEND_BUFFER = 256 << 10 };

/* On Linux, accepted connections inherit these options. */
static void prepare(const struct listener *listener)
{
    int one = 1;
    int send_buffer = SEND_BUFFER;
    if (listener->unix_socket)
        return;
    setsockopt(listener->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(listener->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

static void accept_peers(const struct listener *listener, struct uring *ring, uint64_t tag)
{
    uring_accept(ring, listener->fd, tag);
}

static void turn_away(int fd, const void *bytes, size_t length)
{
    if (send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* The descriptor is closed in any case. */
    }
    close(fd);
}

static bool open_link(struct link *link, struct chunk_pool *pool)
{
    (void)pool;
    link->greeting = GREETING_DONE;
    return true;
}

/* Never called: sockets have nothing to greet with. */
static struct greeted greet(struct link *link)
{
    (void)link;
    return (struct greeted){ .received.failed = true, .why = "it needs no greeting" };
}

/* ---- receiving ---- */

/* A multishot receive may never report the end of a Unix socket whose peer sends and shuts it down
 * at once: axboe/liburing#1549, Linux commit a68ed2df7213. */
static void receive(struct link *link, struct uring *ring, uint64_t tag)
{
    assert(!link->in_flight.receive);
    uring_receive(ring, link->fd, link->listener->unix_socket, tag);
    link->in_flight.receive = true;
}

static struct received received(struct link *link, const struct completion *completion)
{
    int result = completion->result;
    if (!completion->more)
        link->in_flight.receive = link->in_flight.cancel = false;
    if (result > 0 && completion->has_buffer)
        return (struct received){ .bytes = completion->bytes, .length = (size_t)result };
    bool passing =
        result == -ENOBUFS || result == -ECANCELED || result == -EINTR || result == -EAGAIN;
    return (struct received){ .ended = result == 0, .failed = result < 0 && !passing };
}

static void stop_receiving(struct link *link, struct uring *ring, uint64_t tag)
{
    assert(link->in_flight.receive && !link->in_flight.cancel);
    uring_cancel(ring, tag);
    link->in_flight.cancel = true;
}

/* ---- sending ---- */

static void send_stream(struct link *link, struct uring *ring, const struct out *out, uint64_t to,
                        uint64_t tag)
{
    assert(!link->in_flight.send);
    unsigned count = out_pieces(out, to, link->pieces, SEND_PIECES);
    assert(count > 0);
    link->in_flight.send = true;
    if (count == 1) {
        uring_send(ring, link->fd, link->pieces->iov_base, link->pieces->iov_len, tag);
        return;
    }
    link->message = (struct msghdr){ .msg_iov = link->pieces, .msg_iovlen = count };
    uring_send_message(ring, link->fd, &link->message, tag);
}

static int sent(struct link *link, int result)
{
    assert(link->in_flight.send);
    link->in_flight.send = false;
    if (result > 0)
        return result;
    return result == -EINTR || result == -EAGAIN ? 0 : -EPIPE;
}

/* ---- ending ---- */

static bool finish(struct link *link)
{
    return shutdown(link->fd, SHUT_WR) == 0;
}

static void abort_link(struct link *link)
{
    if (!link_is_idle(link))
        shutdown(link->fd, SHUT_RDWR);
}

static void close_link(struct link *link)
{
    assert(link_is_idle(link));
    close(link->fd);
    link->fd = -1;
}

static void name_peer(const struct link *link, char *to, size_t size)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t peer_size = sizeof peer;
    char host[64], port[16];
    struct ucred who;
    socklen_t who_size = sizeof who;
    if (link->listener->unix_socket &&
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0)
        snprintf(to, size, "process %d", (int)who.pid);
    else if (getpeername(link->fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
             getnameinfo((struct sockaddr *)&peer, peer_size, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(to, size, peer.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    else
        snprintf(to, size, "a client that has gone");
}

int link_queued(const struct link *link)
{
    int queued = 0;
    return ioctl(link->fd, SIOCOUTQ, &queued) == 0 ? queued : 0;
}

const struct transport socket_transport = {
    .prepare = prepare,
    .accept = accept_peers,
    .turn_away = turn_away,
    .open = open_link,
    .greet = greet,
    .receive = receive,
    .received = received,
    .stop_receiving = stop_receiving,
    .send = send_stream,
    .sent = sent,
    .finish = finish,
    .abort = abort_link,
    .close = close_link,
    .name_peer = name_peer,
};
