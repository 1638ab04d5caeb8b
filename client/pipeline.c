/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses over the open connection: send, flush, receive. */
#include <assert.h>
#include <poll.h>
#include <string.h>

#include "client/internal.h"

enum {
    HEADER_MAX = 1 + 1 + 5 + 3 + STK_METHOD_MAX, /* array, type, msgid, method */
};

/* A malformed frame would lose every request after it, so it is never sent. */
int stk_check_request(stockd_client *client, const char *method, const void **params, size_t *len)
{
    static const unsigned char none[] = { 0x90 };

    if (!*params) {
        *params = none;
        *len = sizeof none;
    }
    const stockd_value value = { *params, *len };
    size_t name = method ? strlen(method) : 0;

    if (name == 0 || name > STK_METHOD_MAX)
        return stk_fail(client, STOCKD_E_ARGUMENT, "a method's name must be 1 to %d bytes long",
                        STK_METHOD_MAX);
    if (*len > STK_OUT_MAX)
        return stk_fail(client, STOCKD_E_TOO_LARGE, "%s: the parameters are too large: %zu bytes",
                        method, *len);
    if (stockd_value_kind(value) != STOCKD_KIND_ARRAY || stk_walk_length(*params, *len) != *len)
        return stk_fail(client, STOCKD_E_ARGUMENT, "%s: parameters must be one packed array",
                        method);
    return STOCKD_OK;
}

/* Appends one request, checked before, to the out buffer. */
static int enqueue(stockd_client *client, const char *method, const void *params, size_t len)
{
    unsigned char header[HEADER_MAX];
    stockd_pack pack;

    assert(client->fd >= 0);
    stockd_pack_init(&pack, header, sizeof header);
    stockd_pack_array(&pack, 4);
    stockd_pack_u64(&pack, 0);
    stockd_pack_u64(&pack, client->next_msgid);
    stockd_pack_str(&pack, method);
    assert(stockd_pack_status(&pack) == STOCKD_OK);
    if (!stk_buffer_ensure(&client->out, pack.len + len))
        return stk_fail(client, STOCKD_E_MEMORY, "out of memory for a request");
    memcpy(client->out.data + client->out.tail, pack.data, pack.len);
    client->out.tail += pack.len;
    memcpy(client->out.data + client->out.tail, params, len);
    client->out.tail += len;
    client->next_msgid++;
    client->in_flight++;
    stk_check(client);
    return STOCKD_OK;
}

void stk_copy_reply(const stockd_client *client, int rc, stockd_reply *reply)
{
    if (reply && rc >= 0)
        *reply = client->reply;
}

static int not_connected(stockd_client *client)
{
    return stk_fail(client, STOCKD_E_CLOSED, "%s: not connected", stockd_address(client));
}

static int timed_out(stockd_client *client)
{
    return stk_fail_drop(client, STOCKD_E_TIMEOUT, "%s: no answer in time", stockd_address(client));
}

/* The events to poll for: input always, room for output while some waits. */
static short wait_events(const stockd_client *client)
{
    return stockd_wants_write(client) ? POLLIN | POLLOUT : POLLIN;
}

/* Flushes and waits for the next response. */
static int await_response(stockd_client *client, stk_ms deadline)
{
    for (;;) {
        int rc = stk_next_response(client);
        if (rc != STOCKD_E_AGAIN)
            return rc;
        (void)stk_write(client); /* wait_events sees what it leaves */
        rc = stk_read(client);
        if (rc == STOCKD_E_AGAIN)
            rc = stk_wait(client, wait_events(client), deadline);
        if (rc == STOCKD_E_TIMEOUT)
            return timed_out(client);
        if (rc != STOCKD_OK)
            return rc;
    }
}

int stockd_send(stockd_client *client, const char *method, const void *params, size_t len,
                uint32_t *msgid)
{
    uint32_t number = client->next_msgid;

    int rc = stk_check_request(client, method, &params, &len);
    if (rc != STOCKD_OK)
        return rc;
    if (client->fd < 0)
        return not_connected(client);
    if (stk_buffer_len(&client->out) + len > STK_OUT_MAX || client->in_flight >= INT32_MAX)
        return STOCKD_E_AGAIN;
    rc = enqueue(client, method, params, len);
    if (rc == STOCKD_OK && msgid)
        *msgid = number;
    return rc;
}

/*
 * One iteration of a flush that could not finish: waits for room and reads what comes meanwhile,
 * because a peer blocked writing to us would never read. Unread replies may fill the limit; from
 * then on only the peer can make progress.
 */
static int flush_turn(stockd_client *client, stk_ms deadline)
{
    bool full = stk_buffer_len(&client->in) >= client->options.max_reply_bytes;
    int rc = stk_wait(client, full ? POLLOUT : POLLIN | POLLOUT, deadline);

    if (rc == STOCKD_E_TIMEOUT)
        return timed_out(client);
    if (rc != STOCKD_OK || full)
        return rc;
    rc = stk_read(client);
    return rc == STOCKD_E_AGAIN ? STOCKD_OK : rc;
}

int stockd_flush(stockd_client *client)
{
    if (client->fd < 0)
        return not_connected(client);
    while (stk_write(client) == STOCKD_E_AGAIN) {
        int rc = flush_turn(client, stk_deadline(client->options.call_timeout_ms));

        if (rc != STOCKD_OK)
            return rc;
    }
    return STOCKD_OK;
}

int stockd_try_flush(stockd_client *client)
{
    return client->fd < 0 ? not_connected(client) : stk_write(client);
}

int stockd_receive(stockd_client *client, stockd_reply *reply)
{
    if (client->fd < 0)
        return not_connected(client);
    if (client->in_flight == 0)
        return stk_fail(client, STOCKD_E_ARGUMENT, "nothing is in flight");
    int rc = await_response(client, stk_deadline(client->options.call_timeout_ms));
    stk_copy_reply(client, rc, reply);
    return rc;
}

int stockd_try_receive(stockd_client *client, stockd_reply *reply)
{
    if (client->fd < 0)
        return not_connected(client);
    int rc = stk_next_response(client);
    while (rc == STOCKD_E_AGAIN) {
        rc = stk_read(client);
        if (rc != STOCKD_OK)
            return rc;
        rc = stk_next_response(client);
    }
    stk_copy_reply(client, rc, reply);
    return rc;
}

int stockd_wait_notifications(stockd_client *client, int timeout_ms)
{
    stk_ms deadline = stk_deadline(timeout_ms);
    unsigned before = client->notified;

    if (client->in_flight > 0)
        return stk_fail(client, STOCKD_E_ARGUMENT, "requests are in flight");
    for (;;) {
        int rc = stockd_try_receive(client, NULL);

        assert(rc != STOCKD_OK); /* a response to no request is a failure */
        unsigned delivered = client->notified - before;
        if (rc != STOCKD_E_AGAIN)
            return delivered ? (int)(delivered & INT_MAX) : rc;
        if (delivered)
            return (int)(delivered & INT_MAX);
        rc = stk_wait(client, POLLIN, deadline);
        if (rc != STOCKD_OK)
            return rc == STOCKD_E_TIMEOUT ? 0 : rc;
    }
}

int stk_round_trip(stockd_client *client, const char *method, const void *params, size_t len,
                   stk_ms deadline)
{
    assert(client->in_flight == 0);
    int rc = enqueue(client, method, params, len);

    return rc == STOCKD_OK ? await_response(client, deadline) : rc;
}
