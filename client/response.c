/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of the in buffer to replies and notifications:
 *
 *   [1, msgid, nil, result]    [1, msgid, [code, message, details], nil]    [2, method, params]
 *
 * A frame is walked to its end (well formed, not too deep, not too long) before anything looks
 * inside.
 */
#include <assert.h>
#include <string.h>

#include "client/internal.h"

enum frame_type { FRAME_RESPONSE = 1, FRAME_NOTIFICATION = 2 };

static int bad_frame(stockd_client *client, const char *what)
{
    return stk_fail_drop(client, STOCKD_E_PROTOCOL, "%s: not a stockd reply: %s",
                         stockd_address(client), what);
}

/* Cuts the first frame off the in buffer. */
static int next_frame(stockd_client *client, stockd_value *frame)
{
    struct stk_buffer *in = &client->in;
    const unsigned char *data = in->data + in->head;

    switch (
        stk_walk_resume(&client->walk, data, stk_buffer_len(in), client->options.max_reply_bytes)) {
    case WALK_PARTIAL:
        return STOCKD_E_AGAIN;
    case WALK_BAD:
        return bad_frame(client, "bad MessagePack, or nested too deep");
    case WALK_TOO_LARGE:
        return stk_fail_drop(client, STOCKD_E_TOO_LARGE, "%s: a reply of more than %zu bytes",
                             stockd_address(client), client->options.max_reply_bytes);
    case WALK_DONE:
        break;
    }
    *frame = (stockd_value){ data, client->walk.pos };
    in->head += client->walk.pos;
    stk_walk_start(&client->walk);
    return STOCKD_OK;
}

/* Copies a text to NUL-terminated storage; truncates it at a character's start if it is too
 * long. */
static void copy_text(stockd_value text, char *out, size_t size)
{
    const char *bytes;
    size_t len;

    out[0] = '\0';
    if (!stockd_value_str(text, &bytes, &len))
        return;
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)bytes[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, bytes, len);
    out[len] = '\0';
}

static int take_error(stockd_client *client, stockd_value error)
{
    stockd_reply *reply = &client->reply;
    stockd_iter it = stockd_iterate(error);
    stockd_value code;
    stockd_value message;

    if (stockd_value_kind(error) != STOCKD_KIND_ARRAY || !stockd_next(&it, NULL, &code) ||
        stockd_value_kind(code) != STOCKD_KIND_STR)
        return bad_frame(client, "an error without a code");
    copy_text(code, client->code, sizeof client->code);
    client->message[0] = '\0';
    if (stockd_next(&it, NULL, &message))
        copy_text(message, client->message, sizeof client->message);
    if (!stockd_next(&it, NULL, &reply->details))
        reply->details = (stockd_value){ 0 };
    reply->code = client->code;
    reply->message = client->message;
    return stk_fail(client, STOCKD_REFUSED, client->message[0] ? "%s: %s" : "%s%s", client->code,
                    client->message);
}

static int take_response(stockd_client *client, stockd_iter *it)
{
    stockd_value msgid;
    stockd_value error;
    stockd_value result;
    uint64_t number;

    if (!stockd_next(it, NULL, &msgid) || !stockd_next(it, NULL, &error) ||
        !stockd_next(it, NULL, &result) || it->left != 0)
        return bad_frame(client, "a response that is not [1, msgid, error, result]");
    if (client->in_flight == 0)
        return bad_frame(client, "a response to no request");
    if (!stockd_value_u64(msgid, &number) || number != client->expected)
        return bad_frame(client, "a response out of order");
    client->expected++;
    client->in_flight--;
    stk_check(client);
    client->reply = (stockd_reply){ .msgid = (uint32_t)number };
    if (stockd_value_kind(error) != STOCKD_KIND_NIL)
        return take_error(client, error);
    client->reply.result = result;
    return STOCKD_OK;
}

static int take_notification(stockd_client *client, stockd_iter *it)
{
    stockd_value method;
    stockd_value params;
    char name[STK_METHOD_MAX + 1];

    if (!stockd_next(it, NULL, &method) || !stockd_next(it, NULL, &params) || it->left != 0 ||
        !stockd_value_copy_str(method, name, sizeof name))
        return bad_frame(client, "a notification that is not [2, method, params]");
    client->notified++;
    if (client->options.notify)
        client->options.notify(client->options.notify_context, name, params);
    return STOCKD_OK;
}

int stk_next_response(stockd_client *client)
{
    for (;;) {
        stockd_value frame = { 0 };
        stockd_value type;
        uint64_t number;
        int rc = next_frame(client, &frame);

        if (rc != STOCKD_OK)
            return rc;
        stockd_iter it = stockd_iterate(frame);
        if (stockd_value_kind(frame) != STOCKD_KIND_ARRAY || !stockd_next(&it, NULL, &type) ||
            !stockd_value_u64(type, &number))
            return bad_frame(client, "not an array that begins with its type");
        if (number == FRAME_RESPONSE)
            return take_response(client, &it);
        if (number != FRAME_NOTIFICATION)
            return bad_frame(client, "a message of unknown type");
        rc = take_notification(client, &it);
        if (rc != STOCKD_OK)
            return rc;
    }
}
