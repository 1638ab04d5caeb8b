/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/grpc.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_WINDOW = 1 << 20, /* bytes that the server may send of a reply before we say go on */
    CONNECTION_WINDOW = 8 << 20,
};

struct grpc {
    nghttp2_session *session;
    const char *authority;
    bool encrypted;
    bool leaving;
    const uint8_t *pending; /* nghttp2's, until it is asked for more */
    size_t pending_length;
};

/* ---- what nghttp2 tells; each of these returns 0, or an error that ends the connection ---- */

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

/* A number of at most three digits; -1 if it is none. */
static int small_number(const uint8_t *text, size_t length)
{
    int number = 0;
    if (length == 0 || length > 3)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Messages are percent-encoded. What is not printable becomes a question mark. */
static void take_message(struct grpc_call *call, const uint8_t *text, size_t length)
{
    size_t to = 0;
    for (size_t at = 0; at < length && to < sizeof call->message - 1; at++) {
        uint8_t c = text[at];
        if (c == '%' && length - at > 2 && hex_digit(text[at + 1]) >= 0 &&
            hex_digit(text[at + 2]) >= 0) {
            c = (uint8_t)(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
            at += 2;
        }
        call->message[to++] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    call->message[to] = '\0';
}

static bool is_named(const uint8_t *name, size_t length, const char *expected)
{
    return length == strlen(expected) && !memcmp(name, expected, length);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                     void *context)
{
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    (void)flags;
    (void)context;
    if (!call)
        return 0;
    if (is_named(name, name_length, ":status")) {
        int number = small_number(value, length);
        call->http_status = number > 0 ? (unsigned)number : 0;
    } else if (is_named(name, name_length, "grpc-status")) {
        call->status = small_number(value, length);
        call->has_status = call->status >= 0 && call->status <= GRPC_STATUS_LAST;
    } else if (is_named(name, name_length, "grpc-message")) {
        take_message(call, value, length);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t length, void *context)
{
    struct grpc_call *call = call_of(session, stream);
    (void)flags;
    (void)context;
    if (!call || call->overflow)
        return 0;
    if (length > call->reply_room - call->reply_length) {
        call->overflow = true;
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    }
    memcpy(call->reply + call->reply_length, bytes, length);
    call->reply_length += length;
    return 0;
}

/* One message, uncompressed, that ends where its prefix says. */
static bool has_reply(const struct grpc_call *call)
{
    const uint8_t *prefix = call->reply;
    if (call->reply_length < GRPC_PREFIX || prefix[0] != 0)
        return false;
    size_t length =
        (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
    return length == call->reply_length - GRPC_PREFIX;
}

static enum grpc_end end_of(const struct grpc_call *call, uint32_t error)
{
    if (call->overflow)
        return GRPC_OVERFLOW;
    if (error == NGHTTP2_REFUSED_STREAM)
        return GRPC_NOT_TAKEN;
    /* A server may reset the stream of a request that it has answered without reading it. */
    if (error != NGHTTP2_NO_ERROR && !call->has_status)
        return GRPC_RESET;
    if (call->http_status != 200 || !call->has_status)
        return GRPC_MALFORMED;
    return call->status == GRPC_OK && !has_reply(call) ? GRPC_MALFORMED : GRPC_STATUS;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context)
{
    struct grpc_call *call = call_of(session, stream);
    (void)context;
    if (call)
        call->end = end_of(call, error);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct grpc *grpc = context;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        grpc->leaving = true;
    return 0;
}

static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct grpc_call *call = source->ptr;
    size_t length = call->request_length - call->sent;
    (void)session;
    (void)stream;
    (void)context;
    if (length > room)
        length = room;
    memcpy(to, call->request + call->sent, length);
    call->sent += length;
    if (call->sent == call->request_length)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)length;
}

/* ---- a connection ---- */

static bool open_session(struct grpc *grpc)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return false;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    int error = nghttp2_session_client_new(&grpc->session, callbacks, grpc);
    nghttp2_session_callbacks_del(callbacks);
    return error == 0;
}

static bool greet(struct grpc *grpc)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384 },
    };
    return nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof *settings) == 0 &&
           nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW) == 0;
}

struct grpc *grpc_create(const char *authority, bool encrypted)
{
    struct grpc *grpc = calloc(1, sizeof *grpc);
    if (!grpc)
        return NULL;
    grpc->authority = authority;
    grpc->encrypted = encrypted;
    if (open_session(grpc) && greet(grpc))
        return grpc;
    grpc_destroy(grpc);
    return NULL;
}

void grpc_destroy(struct grpc *grpc)
{
    if (!grpc)
        return;
    nghttp2_session_del(grpc->session);
    free(grpc);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)name,
        .value = (uint8_t *)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NONE, /* nghttp2 copies both */
    };
}

static void write_prefix(struct grpc_call *call)
{
    size_t length = call->request_length - GRPC_PREFIX;
    assert(call->request_length >= GRPC_PREFIX);
    assert(length <= UINT32_MAX);
    call->request[0] = 0;
    for (unsigned i = 1; i < GRPC_PREFIX; i++)
        call->request[i] = (uint8_t)(length >> (8 * (GRPC_PREFIX - 1 - i)));
}

bool grpc_open(struct grpc *grpc, struct grpc_call *call)
{
    const nghttp2_nv headers[] = {
        header(":method", "POST"),   header(":scheme", grpc->encrypted ? "https" : "http"),
        header(":path", call->path), header(":authority", grpc->authority),
        header("te", "trailers"),    header("content-type", "application/grpc"),
    };
    const nghttp2_data_provider body = { { .ptr = call }, read_request };
    assert(call->reply_room >= GRPC_PREFIX);
    write_prefix(call);
    call->end = GRPC_UNDER_WAY;
    call->sent = call->reply_length = 0;
    call->status = -1;
    call->message[0] = '\0';
    call->http_status = 0;
    call->has_status = call->overflow = false;
    call->stream = nghttp2_submit_request(grpc->session, NULL, headers,
                                          sizeof headers / sizeof *headers, &body, call);
    return call->stream > 0;
}

bool grpc_receive(struct grpc *grpc, const void *bytes, size_t length)
{
    ssize_t taken = nghttp2_session_mem_recv(grpc->session, bytes, length);
    return taken >= 0 && (size_t)taken == length;
}

bool grpc_over(const struct grpc *grpc)
{
    return grpc->pending_length == 0 && !nghttp2_session_want_read(grpc->session) &&
           !nghttp2_session_want_write(grpc->session);
}

size_t grpc_send(struct grpc *grpc, void *to, size_t room, bool *good)
{
    size_t length = 0;
    *good = true;
    while (length < room) {
        if (grpc->pending_length == 0) {
            ssize_t more = nghttp2_session_mem_send(grpc->session, &grpc->pending);
            *good = more >= 0;
            if (more <= 0)
                break;
            grpc->pending_length = (size_t)more;
        }
        size_t part = room - length < grpc->pending_length ? room - length : grpc->pending_length;
        memcpy((uint8_t *)to + length, grpc->pending, part);
        grpc->pending += part;
        grpc->pending_length -= part;
        length += part;
    }
    return length;
}

bool grpc_leaving(const struct grpc *grpc)
{
    return grpc->leaving;
}

const void *grpc_reply(const struct grpc_call *call, size_t *length)
{
    assert(call->end == GRPC_STATUS && call->status == GRPC_OK);
    assert(call->reply_length >= GRPC_PREFIX);
    *length = call->reply_length - GRPC_PREFIX;
    return call->reply + GRPC_PREFIX;
}
