/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/grpc against a server of nghttp2: what a call comes to, whatever the server does. */
#include <criterion/criterion.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "cluster/grpc.h"

enum { CALLS = 3, REPLY_ROOM = 100 };

static struct grpc *grpc;
static struct grpc_call calls[CALLS];
static uint8_t requests[CALLS][2000], replies[CALLS][REPLY_ROOM];

/* ---- the server ---- */

static nghttp2_session *server;
static int32_t streams[CALLS]; /* whose requests have come in whole */
static size_t stream_count, body_length;
static char path[64], content_type[64];

static int take_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                       void *context)
{
    char *to = NULL;
    (void)session, (void)frame, (void)flags, (void)context;
    if (name_length == 5 && !memcmp(name, ":path", 5))
        to = path;
    if (name_length == 12 && !memcmp(name, "content-type", 12))
        to = content_type;
    if (to) {
        cr_assert_lt(length, sizeof path);
        memcpy(to, value, length);
        to[length] = '\0';
    }
    return 0;
}

static int take_body(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                     size_t length, void *context)
{
    (void)session, (void)flags, (void)stream, (void)bytes, (void)context;
    body_length += length;
    return 0;
}

static int take_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session, (void)context;
    if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        streams[stream_count++] = frame->hd.stream_id;
    return 0;
}

static void start_server(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_body);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
    cr_assert(!nghttp2_session_server_new(&server, callbacks, NULL));
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(server, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* Moves bytes both ways, a few at a time, until nothing more comes. */
static void exchange(void)
{
    uint8_t bytes[37];
    const uint8_t *more;
    bool good, moved = true;
    while (moved) {
        size_t length = grpc_send(grpc, bytes, sizeof bytes, &good);
        cr_assert(good);
        moved = length > 0;
        cr_assert_eq(nghttp2_session_mem_recv(server, bytes, length), (ssize_t)length);
        ssize_t back = nghttp2_session_mem_send(server, &more);
        for (ssize_t at = 0; at < back; at++)
            cr_assert(grpc_receive(grpc, more + at, 1));
        moved = moved || back > 0;
    }
}

static struct {
    const char *bytes;
    size_t length;
} body;

static ssize_t give_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    nghttp2_nv trailer = { (uint8_t *)"grpc-status", (uint8_t *)"0", 11, 1, 0 };
    (void)source, (void)context;
    cr_assert_leq(body.length, room);
    if (body.length > 0)
        memcpy(to, body.bytes, body.length);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, &trailer, 1);
    return (ssize_t)body.length;
}

/* Answers with that body, and status 0 behind it. */
static void answer(int32_t stream, const char *bytes, size_t length)
{
    nghttp2_nv headers[] = { { (uint8_t *)":status", (uint8_t *)"200", 7, 3, 0 } };
    nghttp2_data_provider provider = { { 0 }, give_body };
    body.bytes = bytes;
    body.length = length;
    nghttp2_submit_response(server, stream, headers, 1, &provider);
    exchange();
}

/* Answers without a body. */
static void refuse(int32_t stream, const char *http, const char *status, const char *message)
{
    nghttp2_nv headers[] = {
        { (uint8_t *)":status", (uint8_t *)http, 7, strlen(http), 0 },
        { (uint8_t *)"grpc-status", (uint8_t *)status, 11, strlen(status), 0 },
        { (uint8_t *)"grpc-message", (uint8_t *)message, 12, strlen(message), 0 },
    };
    nghttp2_submit_response(server, stream, headers, 3, NULL);
    exchange();
}

/* ---- the client ---- */

static void open_calls(void)
{
    start_server();
    grpc = grpc_create("localhost:2379", false);
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i] = (struct grpc_call){ .path = "/some/Method",
                                       .request = requests[i],
                                       .request_length = sizeof requests[i],
                                       .reply = replies[i],
                                       .reply_room = REPLY_ROOM };
        cr_assert(grpc_open(grpc, &calls[i]));
    }
    exchange();
    cr_assert_eq(stream_count, CALLS);
}

static void end(void)
{
    grpc_destroy(grpc);
    nghttp2_session_del(server);
}

TestSuite(grpc, .init = open_calls, .fini = end);

static void assert_reply(const struct grpc_call *call, const char *expected)
{
    size_t length;
    cr_assert_eq(call->end, GRPC_STATUS);
    cr_assert_eq(call->status, GRPC_OK);
    const void *reply = grpc_reply(call, &length);
    cr_assert_eq(length, strlen(expected));
    cr_assert(!memcmp(reply, expected, length));
}

Test(grpc, a_request_is_one_message_with_its_length_before_it)
{
    static const uint8_t prefix[] = { 0, 0, 0, 0x07, 0xcb };
    cr_assert_str_eq(path, "/some/Method");
    cr_assert_str_eq(content_type, "application/grpc");
    cr_assert_eq(body_length, CALLS * sizeof requests[0]);
    cr_assert(!memcmp(requests[0], prefix, sizeof prefix));
    cr_assert_eq(calls[0].sent, calls[0].request_length);
}

Test(grpc, replies_come_in_any_order)
{
    answer(streams[2], "\0\0\0\0\5three", 10);
    cr_assert_eq(calls[0].end, GRPC_UNDER_WAY);
    answer(streams[0], "\0\0\0\0\3one", 8);
    answer(streams[1], "\0\0\0\0\0", 5);
    assert_reply(&calls[0], "one");
    assert_reply(&calls[1], "");
    assert_reply(&calls[2], "three");
}

Test(grpc, a_status_comes_with_its_message)
{
    refuse(streams[1], "200", "14", "no%20leader%3A%0a%zz%4");
    cr_assert_eq(calls[1].end, GRPC_STATUS);
    cr_assert_eq(calls[1].status, GRPC_UNAVAILABLE);
    cr_assert_str_eq(calls[1].message, "no leader:?%zz%4");
    cr_assert_eq(calls[0].end, GRPC_UNDER_WAY);
}

Test(grpc, a_message_is_cut_off)
{
    char message[1000];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    refuse(streams[0], "200", "2", message);
    cr_assert_eq(calls[0].end, GRPC_STATUS);
    cr_assert_eq(strlen(calls[0].message), GRPC_MESSAGE_MAX - 1);
}

Test(grpc, what_is_not_grpc)
{
    refuse(streams[0], "502", "3", "");
    cr_assert_eq(calls[0].end, GRPC_MALFORMED);
    refuse(streams[1], "200", "0", ""); /* and no reply */
    cr_assert_eq(calls[1].end, GRPC_MALFORMED);
    refuse(streams[2], "200", "17", "");
    cr_assert_eq(calls[2].end, GRPC_MALFORMED);
}

Test(grpc, a_message_that_is_not_as_long_as_it_says)
{
    answer(streams[0], "\0\0\0\0\4one", 8);
    cr_assert_eq(calls[0].end, GRPC_MALFORMED);
    answer(streams[1], "\0\0\0\0\2one", 8);
    cr_assert_eq(calls[1].end, GRPC_MALFORMED);
    answer(streams[2], "\1\0\0\0\3one", 8); /* compressed, which nobody asked for */
    cr_assert_eq(calls[2].end, GRPC_MALFORMED);
}

Test(grpc, a_reply_that_is_larger_than_its_room)
{
    char large[REPLY_ROOM + 1] = { 0, 0, 0, 0, REPLY_ROOM + 1 - GRPC_PREFIX };
    answer(streams[0], large, sizeof large);
    cr_assert_eq(calls[0].end, GRPC_OVERFLOW);
    large[4]--;
    answer(streams[1], large, sizeof large - 1);
    cr_assert_eq(calls[1].end, GRPC_STATUS);
    cr_assert_eq(calls[1].reply_length, REPLY_ROOM);
}

Test(grpc, a_stream_that_is_reset)
{
    nghttp2_submit_rst_stream(server, NGHTTP2_FLAG_NONE, streams[0], NGHTTP2_INTERNAL_ERROR);
    nghttp2_submit_rst_stream(server, NGHTTP2_FLAG_NONE, streams[1], NGHTTP2_REFUSED_STREAM);
    exchange();
    cr_assert_eq(calls[0].end, GRPC_RESET);
    cr_assert_eq(calls[1].end, GRPC_NOT_TAKEN);
    cr_assert_eq(calls[2].end, GRPC_UNDER_WAY);
}

Test(grpc, a_server_that_leaves_says_what_it_has_not_looked_at)
{
    nghttp2_submit_goaway(server, NGHTTP2_FLAG_NONE, streams[1], NGHTTP2_NO_ERROR, NULL, 0);
    exchange();
    cr_assert(grpc_leaving(grpc));
    cr_assert_eq(calls[0].end, GRPC_UNDER_WAY);
    cr_assert_eq(calls[1].end, GRPC_UNDER_WAY);
    cr_assert_eq(calls[2].end, GRPC_NOT_TAKEN);
    cr_assert(!grpc_over(grpc));
    answer(streams[0], "\0\0\0\0\3one", 8);
    answer(streams[1], "\0\0\0\0\3two", 8);
    assert_reply(&calls[0], "one");
    assert_reply(&calls[1], "two");
    cr_assert(grpc_over(grpc));
}

Test(grpc, what_is_no_http2)
{
    bool good;
    uint8_t bytes[4096];
    if (grpc_receive(grpc, "HTTP/1.1 400 Bad Request\r\n\r\n", 28))
        grpc_send(grpc, bytes, sizeof bytes, &good);
    cr_assert(grpc_over(grpc));
    cr_assert_eq(calls[0].end, GRPC_UNDER_WAY);
}
