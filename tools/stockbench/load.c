/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/load.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/stockbench/reply.h"
#include "tools/stockbench/traffic.h"

enum {
    RECEIVE_BYTES = 256 << 10,
    MAX_REPLY = 64 << 10,
    MAX_EVENTS = 256,
    STALL_MS = 20000, /* nothing at all has come for so long: the engine hangs */
    DRAIN_MS = 10000,
};

static const uint64_t second_ns = 1000000000;

/* Requests that went out in one send. */
struct batch {
    uint64_t time;
    uint32_t count;
};

/*
 * L1: the batches from first_batch on sum up to in_flight, which is never more than the window;
 *     each batch is of at least one request, so as many places as the window has are enough.
 * L2: pending holds what the socket did not take; while there is any, nothing more is made.
 */
struct stream {
    int fd;
    uint32_t in_flight;
    uint32_t expected; /* msgid of the oldest in flight */
    uint32_t first_batch;
    uint32_t batches;
    struct batch *batch; /* ring of batch_mask + 1 */
    size_t partial_len;
    size_t pending_at;
    size_t pending_len;
    unsigned char *pending; /* room for a whole window */
    unsigned char *partial; /* room for MAX_REPLY; the begun reply at the end of a receive */
    struct traffic traffic;
};

struct load {
    const struct options *options;
    struct load_result *result;
    struct stream *streams;
    uint32_t batch_mask;
    size_t in_flight;
    int epoll;
    bool measuring;
    bool draining;
    struct shapes shapes;
    unsigned char *out; /* a window of requests */
    unsigned char *in;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool broke_off(const char *what, const char *why)
{
    fprintf(stderr, "stockbench: %s: %s\n", what, why);
    return false;
}

/* ---- Replies --------------------------------------------------------------------------------- */

static void note_refusal(struct load *load, const struct reply *reply)
{
    struct refusals *place = load->result->refusals;
    struct refusals *last = place + LOAD_CODES - 1;
    stockd_value error = { reply->error, reply->error_len };
    stockd_value part;
    char code[sizeof place->code] = "(no code)";

    if (stockd_array_at(error, 0, &part))
        (void)stockd_value_copy_str(part, code, sizeof code);
    while (place < last && place->count > 0 && strcmp(place->code, code) != 0)
        place++;
    if (place->count == 0) {
        snprintf(place->code, sizeof place->code, "%s", place == last ? "(other)" : code);
        if (stockd_array_at(error, 1, &part))
            (void)stockd_value_copy_str(part, place->message, sizeof place->message);
    }
    place->count++;
    load->result->errors++;
}

/* Takes count replies that were read at time now off the oldest batches. */
static void note_replies(struct load *load, struct stream *stream, uint32_t count, uint64_t now)
{
    assert(count <= stream->in_flight);
    stream->in_flight -= count;
    load->in_flight -= count;
    if (load->measuring)
        load->result->messages += count;
    while (count > 0) {
        struct batch *batch = &stream->batch[stream->first_batch & load->batch_mask];
        uint32_t taken = count < batch->count ? count : batch->count;

        assert(stream->batches > 0);
        if (load->measuring)
            histogram_add(&load->result->latency, now - batch->time, taken);
        batch->count -= taken;
        count -= taken;
        if (batch->count == 0) {
            stream->first_batch++;
            stream->batches--;
        }
    }
}

/* Steps over whole replies in the bytes; returns how many bytes that was, or -1. */
static ssize_t parse_replies(struct load *load, struct stream *stream, const unsigned char *bytes,
                             size_t len, uint32_t *count)
{
    bool echo = load->options->workload == WORKLOAD_ECHO;
    size_t size = load->options->response_bytes;
    size_t at = 0;

    while (at < len) {
        uint32_t msgid = stream->expected;
        struct reply reply = echo ? reply_echo(bytes + at, len - at, msgid, size)
                                  : reply_read(&load->shapes, bytes + at, len - at, msgid);

        if (reply.foreign || (reply.len > 0 && *count == stream->in_flight))
            return -1;
        if (reply.len == 0)
            break;
        if (reply.error)
            note_refusal(load, &reply);
        at += reply.len;
        stream->expected++;
        ++*count;
    }
    return (ssize_t)at;
}

/* Reads once and takes in what has come. */
static bool receive(struct load *load, struct stream *stream, uint64_t *now)
{
    uint32_t count = 0;
    ssize_t n;

    memcpy(load->in, stream->partial, stream->partial_len);
    n = recv(stream->fd, load->in + stream->partial_len, RECEIVE_BYTES, MSG_DONTWAIT);
    *now = now_ns();
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return broke_off("the connection was lost", n == 0 ? "closed" : strerror(errno));
    size_t len = stream->partial_len + (size_t)n;
    ssize_t used = parse_replies(load, stream, load->in, len, &count);
    if (used < 0)
        return broke_off("not a reply to what was asked", load->options->address);
    stream->partial_len = len - (size_t)used;
    if (stream->partial_len > MAX_REPLY)
        return broke_off("a reply is too long", load->options->address);
    memcpy(stream->partial, load->in + used, stream->partial_len);
    if (load->measuring)
        load->result->bytes_in += (uint64_t)n;
    note_replies(load, stream, count, *now);
    return true;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static bool watch(const struct load *load, struct stream *stream, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = stream };

    if (epoll_ctl(load->epoll, operation, stream->fd, &event) < 0)
        return broke_off("epoll_ctl", strerror(errno));
    return true;
}

/* Writes from bytes; what the socket does not take is kept in pending. */
static bool write_out(struct load *load, struct stream *stream, const unsigned char *bytes,
                      size_t len)
{
    ssize_t n = send(stream->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return broke_off("the connection was lost", strerror(errno));
    if (n < 0)
        n = 0;
    if (load->measuring)
        load->result->bytes_out += (uint64_t)n;
    if ((size_t)n == len)
        return true;
    memcpy(stream->pending, bytes + n, len - (size_t)n);
    stream->pending_at = 0;
    stream->pending_len = len - (size_t)n;
    return watch(load, stream, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* Writes what is pending, as far as it goes. */
static bool write_pending(struct load *load, struct stream *stream)
{
    ssize_t n = send(stream->fd, stream->pending + stream->pending_at, stream->pending_len,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ||
               broke_off("the connection was lost", strerror(errno));
    if (load->measuring)
        load->result->bytes_out += (uint64_t)n;
    stream->pending_at += (size_t)n;
    stream->pending_len -= (size_t)n;
    return stream->pending_len > 0 || watch(load, stream, EPOLL_CTL_MOD, EPOLLIN);
}

/* How many requests may follow now: a full window, or while draining the cancel still owed. */
static size_t requests_due(const struct load *load, const struct stream *stream)
{
    if (stream->pending_len > 0)
        return 0; /* L2 */
    size_t room = load->options->window - stream->in_flight;

    if (load->draining)
        return room > 0 && stream->traffic.cancel_next ? 1 : 0;
    return room;
}

static bool refill(struct load *load, struct stream *stream, uint64_t now)
{
    size_t due = requests_due(load, stream);
    unsigned char *end = load->out;

    if (due == 0)
        return true;
    for (size_t i = 0; i < due; i++)
        end = traffic_next(&stream->traffic, end);
    struct batch *batch =
        &stream->batch[(stream->first_batch + stream->batches++) & load->batch_mask];

    *batch = (struct batch){ .time = now, .count = (uint32_t)due };
    stream->in_flight += (uint32_t)due;
    load->in_flight += due;
    assert(stream->in_flight <= load->options->window);
    return write_out(load, stream, load->out, (size_t)(end - load->out));
}

/* ---- The loop -------------------------------------------------------------------------------- */

static bool serve(struct load *load, struct stream *stream, uint32_t events)
{
    uint64_t now = 0;

    if (events & EPOLLOUT && !write_pending(load, stream))
        return false;
    if (!receive(load, stream, &now))
        return false;
    return refill(load, stream, now);
}

/* Runs until the deadline or, while draining, until nothing is in flight. */
static bool run_until(struct load *load, uint64_t deadline)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t last = now_ns();

    while (!load->draining || load->in_flight > 0) {
        int n = epoll_wait(load->epoll, events, MAX_EVENTS, 10);
        uint64_t now = now_ns();

        if (n < 0 && errno != EINTR)
            return broke_off("epoll_wait", strerror(errno));
        for (int i = 0; i < n; i++) {
            if (!serve(load, events[i].data.ptr, events[i].events))
                return false;
        }
        if (n > 0)
            last = now;
        if (now - last > (uint64_t)STALL_MS * 1000000)
            return broke_off("no reply has come for 20 s", load->options->address);
        if (now >= deadline)
            return !load->draining || broke_off("replies are missing", load->options->address);
    }
    return true;
}

static bool refill_all(struct load *load)
{
    uint64_t now = now_ns();

    for (size_t i = 0; i < load->options->connections; i++) {
        if (!refill(load, &load->streams[i], now))
            return false;
    }
    return true;
}

static uint64_t after(double seconds)
{
    return now_ns() + (uint64_t)(seconds * 1e9);
}

static bool run_phases(struct load *load)
{
    if (!refill_all(load) || !run_until(load, after(load->options->warmup)))
        return false;

    double cpu = cpu_seconds();
    uint64_t begin = now_ns();
    load->measuring = true;
    if (!run_until(load, after(load->options->seconds)))
        return false;
    load->measuring = false;
    load->result->seconds = (double)(now_ns() - begin) / 1e9;
    load->result->cpu_seconds = cpu_seconds() - cpu;

    load->draining = true;
    return refill_all(load) && run_until(load, now_ns() + (uint64_t)DRAIN_MS * 1000000);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory) {
        fprintf(stderr, "stockbench: out of memory\n");
        exit(3);
    }
    return memory;
}

static bool start_streams(struct load *load, stockd_client *const *clients)
{
    size_t window_bytes = load->options->window * traffic_request_max(load->options);
    uint32_t places = 1;

    while (places < load->options->window)
        places *= 2;
    load->batch_mask = places - 1;
    load->out = take(1, window_bytes + 16); /* a tiny echo request is patched beyond its end */
    load->in = take(1, MAX_REPLY + RECEIVE_BYTES + SHAPE_BYTES);
    load->streams = take(load->options->connections, sizeof *load->streams);
    for (size_t i = 0; i < load->options->connections; i++) {
        struct stream *stream = &load->streams[i];

        stream->fd = stockd_fd(clients[i]);
        stream->expected = FIRST_MSGID;
        stream->batch = take(places, sizeof *stream->batch);
        stream->pending = take(1, window_bytes);
        stream->partial = take(1, MAX_REPLY);
        traffic_start(&stream->traffic, load->options, i);
        if (!watch(load, stream, EPOLL_CTL_ADD, EPOLLIN))
            return false;
    }
    return true;
}

static void free_streams(struct load *load)
{
    for (size_t i = 0; load->streams && i < load->options->connections; i++) {
        free(load->streams[i].batch);
        free(load->streams[i].pending);
        free(load->streams[i].partial);
    }
    free(load->streams);
    free(load->out);
    free(load->in);
}

bool load_run(const struct options *options, stockd_client *const *clients,
              struct load_result *result)
{
    struct load load = { .options = options, .result = result };

    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0)
        return broke_off("epoll_create1", strerror(errno));
    bool done = start_streams(&load, clients) && run_phases(&load);
    free_streams(&load);
    close(load.epoll);
    return done;
}
