/* SPDX-License-Identifier: Apache-2.0 */
/* Single steps of reading, writing and waiting on a connected socket. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "client/internal.h"

int stk_write(stockd_client *client)
{
    struct stk_buffer *out = &client->out;

    assert(client->fd >= 0);
    while (stk_buffer_len(out) > 0 && !client->write_failed) {
        ssize_t n = send(client->fd, out->data + out->head, stk_buffer_len(out),
                         MSG_NOSIGNAL | MSG_DONTWAIT);

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
        n = recv(client->fd, in->data + in->tail, in->capacity - in->tail, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        in->tail += (size_t)n;
        return STOCKD_OK;
    }
    if (n < 0 && errno == EAGAIN)
        return STOCKD_E_AGAIN;
    return stk_fail_drop(client, STOCKD_E_CLOSED, "%s: the connection was lost: %s",
                         client->address, n == 0 ? "closed by the engine" : strerror(errno));
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
