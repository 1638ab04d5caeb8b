/* SPDX-License-Identifier: Apache-2.0 */
/* A client's life: options, connecting with `hello`, dropping, and what went wrong. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/internal.h"

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_CALL_TIMEOUT_MS = 10000,
    DEFAULT_RETRIES = 3,
    DEFAULT_BACKOFF_MS = 50,
    DEFAULT_MAX_REPLY = 64 << 20,
};

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

static void drop(stockd_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
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
    drop(client);
    return status;
}

const char *stockd_error_message(const stockd_client *client)
{
    return client ? client->error : stockd_status_text(STOCKD_E_MEMORY);
}

/* A copy of an optional string; false: out of memory. */
static bool copy_string(char **out, const char *string)
{
    if (string)
        *out = strdup(string);
    return !string || *out;
}

static int or_default(int value, int standard)
{
    return value == 0 ? standard : value;
}

static stockd_options with_defaults(const stockd_options *given)
{
    stockd_options options = given ? *given : (stockd_options){ 0 };

    options.connect_timeout_ms = or_default(options.connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
    options.call_timeout_ms = or_default(options.call_timeout_ms, DEFAULT_CALL_TIMEOUT_MS);
    options.retries = or_default(options.retries, DEFAULT_RETRIES);
    options.backoff_ms = or_default(options.backoff_ms, DEFAULT_BACKOFF_MS);
    if (options.max_reply_bytes == 0)
        options.max_reply_bytes = DEFAULT_MAX_REPLY;
    if (options.retries < 0)
        options.retries = 0;
    if (options.backoff_ms < 0)
        options.backoff_ms = 0;
    return options;
}

static stockd_client *new_client(const char *address, const stockd_options *options)
{
    stockd_client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    client->fd = -1;
    client->options = with_defaults(options);
    stk_walk_start(&client->walk);
    stockd_pack_init(&client->scratch, NULL, 0);
    if (!copy_string(&client->address, address) ||
        !copy_string(&client->client_name, client->options.client_name) ||
        !copy_string(&client->token, client->options.token)) {
        stockd_close(client);
        return NULL;
    }
    client->options.client_name = client->client_name;
    client->options.token = client->token;
    stk_check(client);
    return client;
}

int stk_open(stockd_client *client, stk_ms deadline)
{
    stk_ms own = stk_deadline(client->options.connect_timeout_ms);
    char why[256] = "";

    if (client->fd >= 0)
        return STOCKD_OK;
    if (own < deadline)
        deadline = own;
    int fd = stk_dial(client->address, deadline, why, sizeof why);
    if (fd < 0)
        return stk_fail(client, fd, "%s: cannot connect: %s", client->address, why);
    client->fd = fd;
    if (!client->client_name && !client->token)
        return STOCKD_OK;

    const char *name = client->client_name ? client->client_name : "";
    int rc = stk_say_hello(client, name, client->token, deadline);
    if (rc != STOCKD_OK)
        drop(client); /* the message stays */
    return rc;
}

int stockd_connect(stockd_client **out, const char *address, const stockd_options *options)
{
    *out = new_client(address ? address : "", options);
    if (!*out)
        return STOCKD_E_MEMORY;
    return stk_open(*out, STK_NEVER);
}

int stockd_reconnect(stockd_client *client)
{
    drop(client);
    return stk_open(client, STK_NEVER);
}

void stockd_close(stockd_client *client)
{
    if (!client)
        return;
    drop(client);
    stk_buffer_free(&client->in);
    stk_buffer_free(&client->out);
    stockd_pack_free(&client->scratch);
    free(client->address);
    free(client->client_name);
    free(client->token);
    free(client);
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
