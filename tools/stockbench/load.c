/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/load.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tools/stockbench/missing.h"
#include "tools/stockbench/stream.h"

enum {
    MAX_EVENTS = 256,
    STALL_S = 20, /* no reply at all for so long: the engine hangs */
    DRAIN_S = 10,
    LOOK_NS = 10000000, /* the longest wait for an event */
    GROUP = 16,         /* open loop: requests to one connection before the next */
    /* Open loop: from one look at the schedule to the next. Without it the generator spins, takes
     * the processor from the engine, and measures that. */
    TICK_NS = 50000,
};

/* ---- Closed loop ----------------------------------------------------------------------------- */

/* How many requests may follow now: a full window, or while draining what still has to be sent. */
static size_t requests_due(const struct load *load, const struct stream *stream)
{
    size_t room = load->options->window - stream->in_flight;

    if (stream->pending_len > 0 || stream->moving.lost)
        return 0; /* L2, L3 */
    if (!load->draining)
        return room;
    size_t owed = traffic_owed(&stream->traffic);
    return owed < room ? owed : room;
}

static bool refill(struct load *load, struct stream *stream, uint64_t now)
{
    size_t due = requests_due(load, stream);

    return due == 0 || stream_send(load, stream, due, now);
}

static bool refill_all(struct load *load)
{
    uint64_t now = result_now();

    for (size_t i = 0; i < load->options->connections; i++) {
        if (!refill(load, &load->streams[i], now))
            return false;
    }
    return true;
}

/* ---- Open loop ------------------------------------------------------------------------------- */

/* The next connection in round robin that can take a request; NULL: none. */
static struct stream *next_free(struct load *load)
{
    for (size_t i = 0; i < load->options->connections; i++) {
        struct stream *stream = &load->streams[load->next_stream];

        load->next_stream = (load->next_stream + 1) % load->options->connections;
        if (stream_free(load, stream))
            return stream;
    }
    return NULL;
}

/* How late the requests sent now are, less the time for which nothing could be sent. */
static void note_slip(struct load *load, const struct stream *stream, size_t count, uint64_t now)
{
    uint64_t meant = schedule_time(&load->schedule, load->offered);
    uint64_t from = meant > stream->free_since ? meant : stream->free_since;

    if (load->measuring)
        histogram_add(&load->result->slip, now > from ? now - from : 0, count);
}

/* Sends what has become due, to each connection at most once. */
static bool offer(struct load *load)
{
    uint64_t now = result_now();

    if (now < load->next_look)
        return true;
    load->next_look = now + TICK_NS;
    uint64_t due = schedule_due(&load->schedule, now) - load->offered;
    size_t connections = load->options->connections;
    size_t share = (size_t)((due + connections - 1) / connections);

    if (share < GROUP)
        share = GROUP;
    for (size_t i = 0; due > 0 && i < connections; i++) {
        struct stream *stream = next_free(load);

        if (!stream)
            break;
        size_t room = load->options->window - stream->in_flight;
        size_t count = share < room ? share : room;

        if (count > due)
            count = (size_t)due;
        note_slip(load, stream, count, now);
        if (!stream_send(load, stream, count, now))
            return false;
        due -= count;
    }
    load->blocked = due > 0;
    return true;
}

/* Requests due but not sent when the measured time ended have waited at least until now. */
static void note_unsent(struct load *load, uint64_t now)
{
    uint64_t due = schedule_due(&load->schedule, now);

    load->measured_to = load->offered;
    for (uint64_t index = load->offered; index < due; index++)
        histogram_add(&load->result->latency, now - schedule_time(&load->schedule, index), 1);
    load->result->unsent = due > load->offered ? due - load->offered : 0;
}

/* ---- The loop -------------------------------------------------------------------------------- */

static bool is_open(const struct load *load)
{
    return load->options->rate > 0 && !load->draining;
}

static bool serve(struct load *load, struct stream *stream, uint32_t events)
{
    uint64_t now = 0;

    if (events & EPOLLOUT && !stream_flush(load, stream))
        return false;
    if (stream->moving.lost)
        return true;
    if (!stream_receive(load, stream, &now))
        return false;
    return is_open(load) || refill(load, stream, now);
}

/* Waits for events, in open loop no longer than to the next request. If no connection can take a
 * late request, only an event can change that. */
static int wait_events(const struct load *load, struct epoll_event *events)
{
    uint64_t wait = LOOK_NS;

    if (is_open(load) && !load->blocked) {
        uint64_t next = schedule_time(&load->schedule, load->offered);
        uint64_t now = result_now();

        if (next < load->next_look)
            next = load->next_look;
        wait = next <= now ? 0 : next - now < wait ? next - now : wait;
    }
    struct timespec limit = { .tv_nsec = (long)wait };
    return epoll_pwait2(load->epoll, events, MAX_EVENTS, &limit, NULL);
}

static const char *phase(const struct load *load)
{
    return load->measuring ? "measuring" : load->draining ? "ending" : "warming up";
}

/* Runs until the deadline or, while draining, until nothing is in flight. */
static bool run_until(struct load *load, uint64_t deadline)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t now = result_now();
    uint64_t last = now;

    while (!load->draining || load->in_flight > 0) {
        if (is_open(load) && !offer(load))
            return false;
        int n = wait_events(load, events);

        now = result_now();
        if (n < 0 && errno != EINTR)
            return broke_off("epoll_pwait2", strerror(errno));
        for (int i = 0; i < n; i++) {
            if (!serve(load, events[i].data.ptr, events[i].events))
                return false;
        }
        if (load->lost > 0 && !streams_resume(load, now))
            return false;
        if (n > 0 || load->in_flight == 0 || load->lost > 0)
            last = now;
        progress_tick(load->progress, phase(load), load->replies, now);
        if (now - last > (uint64_t)STALL_S * 1000000000)
            return replies_missing(load, STALL_S);
        if (now >= deadline && (!load->draining || load->lost == 0))
            return !load->draining || replies_missing(load, DRAIN_S);
    }
    return true;
}

static uint64_t after(double seconds)
{
    return result_now() + (uint64_t)(seconds * 1e9);
}

static bool run_measured(struct load *load)
{
    double cpu = result_cpu();
    uint64_t begin = result_now();

    load->measuring = true;
    load->measured_from = load->offered;
    load->measured_to = UINT64_MAX;
    if (!run_until(load, after(load->options->seconds)))
        return false;
    load->measuring = false;
    uint64_t end = result_now();
    load->result->seconds = (double)(end - begin) / 1e9;
    load->result->cpu_seconds = result_cpu() - cpu;
    if (load->options->rate > 0)
        note_unsent(load, end);
    return true;
}

static bool run_phases(struct load *load)
{
    prctl(PR_SET_TIMERSLACK, 1UL); /* for the wait until the next look */
    load->schedule = (struct schedule){ .start = result_now(), .rate = load->options->rate };
    if (load->options->rate == 0 && !refill_all(load))
        return false;
    if (!run_until(load, after(load->options->warmup)) || !run_measured(load))
        return false;
    load->draining = true;
    return refill_all(load) && run_until(load, result_now() + (uint64_t)DRAIN_S * 1000000000);
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
    size_t request_max = traffic_request_max(load->options);
    size_t window_bytes = load->options->window * request_max;
    bool several = moving_possible(load->options->address);
    uint32_t places = 1;

    while (places < load->options->window)
        places *= 2;
    load->mask = places - 1;
    load->request_max = request_max;
    load->out = take(1, window_bytes + 16); /* a tiny echo request is patched beyond its end */
    load->in = take(1, MAX_REPLY + RECEIVE_BYTES + SHAPE_BYTES);
    load->streams = take(load->options->connections, sizeof *load->streams);
    for (size_t i = 0; i < load->options->connections; i++) {
        struct stream *stream = &load->streams[i];

        stream->client = clients[i];
        stream->expected = stream->resent = FIRST_MSGID;
        stream->batch = take(places, sizeof *stream->batch);
        stream->asked = take(places, sizeof *stream->asked);
        stream->pending = take(1, window_bytes);
        stream->partial = take(1, MAX_REPLY);
        if (several)
            stream->kept = take(places, request_max);
        traffic_start(&stream->traffic, load->options, &load->choice, i);
        if (!stream_watch(load, stream, EPOLL_CTL_ADD, EPOLLIN))
            return false;
    }
    return true;
}

static void free_streams(struct load *load)
{
    for (size_t i = 0; load->streams && i < load->options->connections; i++) {
        free(load->streams[i].batch);
        free(load->streams[i].asked);
        free(load->streams[i].pending);
        free(load->streams[i].partial);
        free(load->streams[i].kept);
        traffic_end(&load->streams[i].traffic);
    }
    free(load->streams);
    free(load->out);
    free(load->in);
    choice_destroy(&load->choice);
}

bool load_run(const struct options *options, stockd_client *const *clients,
              struct progress *progress, struct result *result)
{
    struct load load = { .options = options, .result = result, .progress = progress };

    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0)
        return broke_off("epoll_create1", strerror(errno));
    traffic_init();
    bool done = choice_init(&load.choice, (uint32_t)options->items, options->workload->zipf) ||
                broke_off("the choice of items", "out of memory");
    done = done && start_streams(&load, clients) && run_phases(&load);
    free_streams(&load);
    close(load.epoll);
    return done;
}
