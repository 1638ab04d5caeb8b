/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a client's connection: its invariants, dropping it, and the last error. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "client/internal.h"
#include "client/tls.h"

static const struct {
    int status;
    const char *text;
} statuses[] = {
    { STOCKD_OK, "ok" },
    { STOCKD_REFUSED, "refused by the engine" },
    { STOCKD_E_ARGUMENT, "bad argument" },
    { STOCKD_E_MEMORY, "out of memory" },
    { STOCKD_E_CONNECT, "cannot reach the engine" },
    { STOCKD_E_TIMEOUT, "timed out" },
    { STOCKD_E_CLOSED, "connection lost" },
    { STOCKD_E_PROTOCOL, "protocol error" },
    { STOCKD_E_TOO_LARGE, "too large" },
    { STOCKD_E_AGAIN, "not ready yet" },
};

const char *stockd_status_text(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].status == status)
            return statuses[i].text;
    }
    return "unknown status";
}

void stk_check(const stockd_client *client)
{
    assert(client->in_flight == (uint32_t)(client->next_msgid - client->expected)); /* C1 */
    if (client->fd < 0) {                                                           /* C2 */
        assert(client->in_flight == 0);
        assert(stk_buffer_len(&client->in) == 0);
        assert(stk_buffer_len(&client->out) == 0);
    }
}

void stk_drop(stockd_client *client)
{
    stk_tls_end(client->tls);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->encrypted = false;
    client->expected = client->next_msgid;
    client->in_flight = 0;
    client->write_failed = false;
    stk_buffer_clear(&client->in);
    stk_buffer_clear(&client->out);
    stk_walk_start(&client->walk);
    stk_check(client);
}

int stk_fail(stockd_client *client, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(client->error, sizeof client->error, format, args);
    va_end(args);
    return status;
}

int stk_fail_drop(stockd_client *client, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(client->error, sizeof client->error, format, args);
    va_end(args);
    return stk_leave(client, status);
}

int stk_leave(stockd_client *client, int status)
{
    stk_drop(client);
    stk_nodes_failed(&client->nodes, client->error);
    client->moved_ms = stk_now();
    return status;
}

const char *stockd_address(const stockd_client *client)
{
    return stk_nodes_address(&client->nodes);
}

const char *stockd_error_message(const stockd_client *client)
{
    return client ? client->error : stockd_status_text(STOCKD_E_MEMORY);
}

int stockd_fd(const stockd_client *client)
{
    return client->fd;
}

bool stockd_wants_write(const stockd_client *client)
{
    return stk_buffer_len(&client->out) > 0;
}

size_t stockd_in_flight(const stockd_client *client)
{
    return client->in_flight;
}

const stockd_reply *stockd_last_reply(const stockd_client *client)
{
    return &client->reply;
}
