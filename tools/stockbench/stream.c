/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

bool broke_off(const char *what, const char *why)
{
    fprintf(stderr, "stockbench: %s: %s\n", what, why);
    return false;
}

bool stream_watch(const struct load *load, struct stream *stream, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = stream };

    if (epoll_ctl(load->epoll, operation, stockd_fd(stream->client), &event) < 0)
        return broke_off("epoll_ctl", strerror(errno));
    return true;
}

/* ---- Moving to another node ------------------------------------------------------------------ */

static bool has_code(stockd_value error, const char *code)
{
    const char *text;
    stockd_value part;
    size_t len;

    return stockd_array_at(error, 0, &part) && stockd_value_str(part, &text, &len) &&
           len == strlen(code) && memcmp(text, code, len) == 0;
}

/* The connection is of no more use. False: there is no other. */
static bool lost(struct load *load, struct stream *stream)
{
    if (!stream->kept) {
        fprintf(stderr, "stockbench: %s\n", stockd_error_message(stream->client));
        return false;
    }
    if (stream->moving.lost)
        return true;
    moving_lost(&stream->moving, result_now());
    load->lost++;
    stream->pending_len = stream->partial_len = 0;
    return stream_watch(load, stream, EPOLL_CTL_DEL, 0);
}

/* Whether the node is not the primary, so that another one is to be asked. */
static bool follow(const struct stream *stream, stockd_value error)
{
    if (!stream->kept || !(has_code(error, "not_primary") || has_code(error, "read_only")))
        return false;
    stockd_reply reply = { .code = has_code(error, "not_primary") ? "not_primary" : "read_only" };

    (void)stockd_array_at(error, 2, &reply.details);
    return stockd_follow(stream->client, &reply);
}

/* All that is in flight is to be written again. */
static bool send_again(struct load *load, struct stream *stream)
{
    stream->pending_at = stream->pending_len = 0;
    for (uint32_t i = 0; i < stream->in_flight; i++) {
        size_t at = (stream->expected + i) & load->mask;

        memcpy(stream->pending + stream->pending_len, stream->kept + at * load->request_max,
               stream->asked[at].length);
        stream->pending_len += stream->asked[at].length;
    }
    load->lost--;
    stream->resent = stream->expected + stream->in_flight;
    load->result->moves++;
    load->result->resent += stream->in_flight;
    return stream_watch(load, stream, EPOLL_CTL_ADD,
                        stream->pending_len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

bool streams_resume(struct load *load, uint64_t now)
{
    for (size_t i = 0; i < load->options->connections && load->lost > 0; i++) {
        struct stream *stream = &load->streams[i];
        enum moved moved = MOVED_NOT_YET;

        if (stream->moving.lost)
            moved = moving_try(&stream->moving, stream->client, now);
        if (moved == MOVED_NOWHERE || (moved == MOVED && !send_again(load, stream)))
            return false;
    }
    return true;
}

/* ---- Replies --------------------------------------------------------------------------------- */

/* The times of count replies of one batch, received at now. */
static void note_latencies(struct load *load, const struct batch *batch, uint32_t count,
                           uint64_t now)
{
    if (load->options->rate == 0) {
        if (load->measuring)
            histogram_add(&load->result->latency, now - batch->time, count);
        return;
    }
    for (uint64_t index = batch->index; index < batch->index + count; index++) {
        uint64_t meant = schedule_time(&load->schedule, index);

        if (index >= load->measured_from && index < load->measured_to)
            histogram_add(&load->result->latency, now - meant, 1);
    }
}

/* Takes count replies, read at time now, off the oldest batches. */
static void note_replies(struct load *load, struct stream *stream, uint32_t count, uint64_t now)
{
    bool was_full = stream->in_flight == load->options->window;

    assert(count <= stream->in_flight);
    stream->in_flight -= count;
    load->in_flight -= count;
    load->replies += count;
    if (load->measuring)
        load->result->messages += count;
    if (was_full && count > 0)
        stream->free_since = now;
    while (count > 0) {
        struct batch *batch = &stream->batch[stream->first_batch & load->mask];
        uint32_t taken = count < batch->count ? count : batch->count;

        assert(stream->batches > 0);
        note_latencies(load, batch, taken, now);
        batch->count -= taken;
        batch->index += taken;
        count -= taken;
        if (batch->count == 0) {
            stream->first_batch++;
            stream->batches--;
        }
    }
}

/* A confirm that was sent again behind which the order was fulfilled: it was done the first time,
 * and its reply lost. */
static bool was_done(const struct stream *stream, const struct asked *asked, stockd_value error)
{
    return asked->kind == ASK_CONFIRM && (int32_t)(stream->expected - stream->resent) < 0 &&
           has_code(error, "wrong_state");
}

static void note_outcome(struct load *load, struct stream *stream, const struct asked *asked,
                         const struct reply *reply)
{
    struct result *result = load->result;

    stockd_value error = { reply->error, reply->error_len };

    if (reply->error && !was_done(stream, asked, error)) {
        result_note_error(result, asked->kind, error, load->options->workload->flash);
        return;
    }
    result->done[asked->kind]++;
    result->units[asked->kind] += asked->units;
    traffic_granted(&stream->traffic, asked);
}

/* Skips complete replies in the bytes; returns their length, or -1. */
static ssize_t parse_replies(struct load *load, struct stream *stream, const unsigned char *bytes,
                             size_t len, uint32_t *count)
{
    size_t size = load->options->response_bytes;
    size_t at = 0;

    while (at < len) {
        uint32_t msgid = stream->expected;
        const struct asked *asked = &stream->asked[msgid & load->mask];
        struct reply reply = asked->kind == ASK_ECHO ? reply_echo(bytes + at, len - at, msgid, size)
                                                     : reply_read(&load->shapes, asked->kind,
                                                                  bytes + at, len - at, msgid);

        if (reply.foreign || (reply.len > 0 && *count == stream->in_flight))
            return -1;
        if (reply.len == 0)
            break;
        if (reply.error && follow(stream, (stockd_value){ reply.error, reply.error_len }))
            return lost(load, stream) ? (ssize_t)at : -1; /* those behind it are sent again, too */
        moving_served(&stream->moving);
        note_outcome(load, stream, asked, &reply);
        at += reply.len;
        stream->expected++;
        ++*count;
    }
    return (ssize_t)at;
}

/* *full: there may be more, of which nothing would tell. */
static bool receive_once(struct load *load, struct stream *stream, uint64_t *now, bool *full)
{
    uint32_t count = 0;

    memcpy(load->in, stream->partial, stream->partial_len);
    ptrdiff_t n =
        stockd_receive_bytes(stream->client, load->in + stream->partial_len, RECEIVE_BYTES);
    *now = result_now();
    *full = n == RECEIVE_BYTES;
    if (n == 0)
        return true;
    if (n < 0)
        return lost(load, stream);
    size_t len = stream->partial_len + (size_t)n;
    ssize_t used = parse_replies(load, stream, load->in, len, &count);
    if (used < 0)
        return broke_off("not a reply to the request", load->options->address);
    if (!stream->moving.lost)
        stream->partial_len = len - (size_t)used;
    if (stream->partial_len > MAX_REPLY)
        return broke_off("a reply is too long", load->options->address);
    memcpy(stream->partial, load->in + used, stream->partial_len);
    *full = *full && !stream->moving.lost;
    if (load->measuring)
        load->result->bytes_in += (uint64_t)n;
    note_replies(load, stream, count, *now);
    return true;
}

bool stream_receive(struct load *load, struct stream *stream, uint64_t *now)
{
    bool full;

    do {
        if (!receive_once(load, stream, now, &full))
            return false;
    } while (full);
    return true;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Writes from bytes; what the socket does not take stays in pending. */
static bool write_out(struct load *load, struct stream *stream, const unsigned char *bytes,
                      size_t len)
{
    ptrdiff_t n = stockd_send_bytes(stream->client, bytes, len);

    if (n < 0)
        return lost(load, stream);
    if (load->measuring)
        load->result->bytes_out += (uint64_t)n;
    if ((size_t)n == len)
        return true;
    memcpy(stream->pending, bytes + n, len - (size_t)n);
    stream->pending_at = 0;
    stream->pending_len = len - (size_t)n;
    return stream_watch(load, stream, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

bool stream_flush(struct load *load, struct stream *stream)
{
    if (stream->pending_len == 0)
        return true;
    ptrdiff_t n = stockd_send_bytes(stream->client, stream->pending + stream->pending_at,
                                    stream->pending_len);
    if (n < 0)
        return lost(load, stream);
    if (load->measuring)
        load->result->bytes_out += (uint64_t)n;
    stream->pending_at += (size_t)n;
    stream->pending_len -= (size_t)n;
    if (stream->pending_len > 0)
        return true;
    stream->free_since = result_now();
    return stream_watch(load, stream, EPOLL_CTL_MOD, EPOLLIN);
}

bool stream_send(struct load *load, struct stream *stream, size_t count, uint64_t now)
{
    struct batch *batch = &stream->batch[(stream->first_batch + stream->batches++) & load->mask];
    unsigned char *end = load->out;

    assert(count >= 1);
    assert(stream->pending_len == 0); /* L2 */
    assert(!stream->moving.lost);     /* L3 */
    for (size_t i = 0; i < count; i++) {
        size_t at = stream->traffic.next_msgid & load->mask;
        unsigned char *request = end;

        end = traffic_next(&stream->traffic, request, &stream->asked[at]);
        if (stream->kept)
            memcpy(stream->kept + at * load->request_max, request, (size_t)(end - request));
    }
    *batch = (struct batch){ .time = now, .index = load->offered, .count = (uint32_t)count };
    load->offered += count;
    stream->in_flight += (uint32_t)count;
    load->in_flight += count;
    assert(stream->in_flight <= load->options->window); /* L1 */
    return write_out(load, stream, load->out, (size_t)(end - load->out));
}
