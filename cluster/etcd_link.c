/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_link.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/etcd_tls.h"

static bool fail(struct etcd_link *link, int error)
{
    snprintf(link->why, sizeof link->why, "%s", strerror(error));
    return false;
}

bool etcd_link_open(struct etcd_link *link, const struct addrinfo *address, struct ssl_ctx_st *tls,
                    const char *host)
{
    int on = 1;
    assert(link->state == ETCD_LINK_CLOSED);
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(link, errno);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* only speed is lost */
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        fail(link, errno);
        close(fd);
        return false;
    }
    *link = (struct etcd_link){
        .state = ETCD_LINK_CONNECTS, .fd = fd, .tls = tls, .host = host, .wants_write = true
    };
    return true;
}

void etcd_link_close(struct etcd_link *link)
{
    if (link->state == ETCD_LINK_CLOSED)
        return;
    SSL_free(link->ssl);
    link->ssl = NULL;
    close(link->fd);
    link->fd = -1;
    link->state = ETCD_LINK_CLOSED;
}

/* After a step of OpenSSL that did not succeed. False: it failed. */
static bool note_wait(struct etcd_link *link, int returned)
{
    int error = SSL_get_error(link->ssl, returned);
    link->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    etcd_tls_failure(link->ssl, returned, link->why, sizeof link->why);
    return false;
}

static bool finish_connect(struct etcd_link *link)
{
    struct pollfd pollfd = { .fd = link->fd, .events = POLLOUT };
    int error = 0;
    socklen_t size = sizeof error;
    if (poll(&pollfd, 1, 0) <= 0)
        return true;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error)
        return fail(link, error);
    link->wants_write = false;
    link->state = ETCD_LINK_OPEN;
    if (!link->tls)
        return true;
    link->state = ETCD_LINK_GREETS;
    link->ssl = etcd_tls_connect(link->tls, &link->fd, link->host);
    return link->ssl ? true : fail(link, ENOMEM);
}

static bool is_http2(const SSL *ssl)
{
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    return length == 2 && !memcmp(chosen, "h2", 2);
}

static bool greet(struct etcd_link *link)
{
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(link->ssl);
    if (done != 1)
        return note_wait(link, done);
    link->wants_write = false;
    link->state = ETCD_LINK_OPEN;
    if (is_http2(link->ssl))
        return true;
    snprintf(link->why, sizeof link->why, "it does not speak HTTP/2");
    return false;
}

bool etcd_link_step(struct etcd_link *link)
{
    assert(link->state != ETCD_LINK_CLOSED);
    if (link->state == ETCD_LINK_CONNECTS && !finish_connect(link))
        return false;
    return link->state != ETCD_LINK_GREETS || greet(link);
}

static ssize_t moved(struct etcd_link *link, ssize_t result)
{
    if (result >= 0)
        return result;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    fail(link, errno);
    return -1;
}

ssize_t etcd_link_send(struct etcd_link *link, const void *bytes, size_t length)
{
    size_t sent;
    assert(link->state == ETCD_LINK_OPEN);
    if (!link->ssl) {
        ssize_t result = moved(link, send(link->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT));
        link->wants_write = result == 0;
        return result;
    }
    ERR_clear_error();
    errno = 0;
    int done = SSL_write_ex(link->ssl, bytes, length, &sent);
    if (done != 1)
        return note_wait(link, done) ? 0 : -1;
    link->wants_write = false;
    return (ssize_t)sent;
}

ssize_t etcd_link_receive(struct etcd_link *link, void *bytes, size_t size)
{
    size_t received;
    assert(link->state == ETCD_LINK_OPEN);
    if (!link->ssl) {
        ssize_t result = recv(link->fd, bytes, size, MSG_DONTWAIT);
        if (result != 0)
            return moved(link, result);
        snprintf(link->why, sizeof link->why, "it closed the connection");
        return -1;
    }
    bool waits_to_write = link->wants_write;
    ERR_clear_error();
    errno = 0;
    int done = SSL_read_ex(link->ssl, bytes, size, &received);
    if (done == 1)
        return (ssize_t)received;
    if (!note_wait(link, done))
        return -1;
    link->wants_write = link->wants_write || waits_to_write;
    return 0;
}
