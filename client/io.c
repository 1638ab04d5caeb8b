/* SPDX-License-Identifier: Apache-2.0 */
/* Single steps of reading, writing and waiting on a connected socket. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "client/internal.h"
#include "client/tls.h"

static ssize_t send_some(stockd_client *client, const void *bytes, size_t length)
{
    if (client->encrypted)
        return stk_tls_send(client->tls, bytes, length);
    return send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t receive_some(stockd_client *client, void *bytes, size_t size)
{
    if (client->encrypted)
        return stk_tls_receive(client->tls, bytes, size);
    return recv(client->fd, bytes, size, MSG_DONTWAIT);
}

/* Notes why nothing more can be sent or received: errno says, or the peer has ended it. */
static void note_lost(stockd_client *client, bool ended)
{
    const char *why = client->encrypted ? stk_tls_why(client->tls) : strerror(errno);

    stk_fail(client, STOCKD_E_CLOSED, "%s: the connection was lost: %s", stockd_address(client),
             ended ? "closed by the engine" : why);
}

int stk_write(stockd_client *client)
{
    struct stk_buffer *out = &client->out;

    assert(client->fd >= 0);
    while (stk_buffer_len(out) > 0 && !client->write_failed) {
        ssize_t n = send_some(client, out->data + out->head, stk_buffer_len(out));

        if (n >= 0)
            out->head += (size_t)n;
        else if (errno == EAGAIN)
            return STOCKD_E_AGAIN;
        else if (errno != EINTR)
            client->write_failed = true;
    }
    stk_buffer_clear(out);
    return STOCKD_OK;
}

int stk_read(stockd_client *client)
{
    struct stk_buffer *in = &client->in;
    ssize_t n;

    assert(client->fd >= 0);
    if (stk_buffer_len(in) == 0)
        stk_buffer_clear(in);
    if (!stk_buffer_ensure(in, STK_READ_SIZE))
        return stk_fail_drop(client, STOCKD_E_MEMORY, "out of memory for a reply");
    do
        n = receive_some(client, in->data + in->tail, in->capacity - in->tail);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        in->tail += (size_t)n;
        return STOCKD_OK;
    }
    if (n < 0 && errno == EAGAIN)
        return STOCKD_E_AGAIN;
    note_lost(client, n == 0);
    return stk_leave(client, STOCKD_E_CLOSED);
}

int stk_wait(stockd_client *client, short events, stk_ms deadline)
{
    struct pollfd pfd = { .fd = client->fd, .events = events };

    assert(client->fd >= 0);
    for (;;) {
        int ready = poll(&pfd, 1, stk_poll_timeout(deadline));

        if (ready > 0)
            return STOCKD_OK;
        if (ready == 0 && stk_now() >= deadline)
            return STOCKD_E_TIMEOUT;
        if (ready < 0 && errno != EINTR)
            return stk_fail_drop(client, STOCKD_E_CLOSED, "poll: %s", strerror(errno));
    }
}

static ptrdiff_t some_or_none(stockd_client *client, ssize_t n)
{
    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    note_lost(client, n == 0);
    stk_nodes_failed(&client->nodes, client->error);
    client->moved_ms = stk_now();
    return STOCKD_E_CLOSED;
}

ptrdiff_t stockd_send_bytes(stockd_client *client, const void *bytes, size_t length)
{
    return client->fd < 0 ? STOCKD_E_CLOSED
                          : some_or_none(client, send_some(client, bytes, length));
}

ptrdiff_t stockd_receive_bytes(stockd_client *client, void *bytes, size_t size)
{
    return client->fd < 0 ? STOCKD_E_CLOSED
                          : some_or_none(client, receive_some(client, bytes, size));
}
