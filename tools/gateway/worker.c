/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/worker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/gateway/http.h"
#include "tools/gateway/stream.h"
#include "tools/gateway/stream_state.h"
#include "tools/service/notice.h"

enum { SWEEP_MS = 100 };

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_inbox(struct watch *watch, uint32_t events)
{
    struct worker *worker = ((struct inbox_watch *)watch)->worker;
    (void)events;
    inbox_serve(&worker->inbox);
}

/* libmicrohttpd runs once in each round of the loop anyway. */
static void on_http(struct watch *watch, uint32_t events)
{
    (void)watch, (void)events;
}

static void each_stream(struct worker *worker, void (*what)(struct stream *stream))
{
    for (struct stream *stream = worker->streams, *next; stream; stream = next) {
        next = stream->next;
        what(stream);
    }
}

static void sweep(struct worker *worker)
{
    if (worker->now_ms - worker->swept_ms < SWEEP_MS)
        return;
    worker->swept_ms = worker->now_ms;
    upstream_sweep(&worker->upstream);
    http_sweep(worker);
    each_stream(worker, stream_tick);
}

static void begin_draining(struct worker *worker)
{
    worker->draining = true;
    worker->drain_until_ms = worker->now_ms + (int64_t)worker->gateway->options.drain_s * 1000;
    http_drain(worker);
    each_stream(worker, stream_end);
}

static int patience(struct worker *worker)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int most = worker->paced ? PACE_MS : SWEEP_MS;
    if (MHD_get_timeout(worker->daemon, &ms) == MHD_YES && ms < (unsigned)most)
        return (int)ms;
    return most;
}

static void round_of_loop(struct worker *worker)
{
    watcher_wait(&worker->watcher, patience(worker));
    worker->now_ms = clock_now();
    if (worker->paced) {
        worker->paced = false;
        each_stream(worker, stream_pace);
    }
    (void)MHD_run(worker->daemon);
    upstream_flush(&worker->upstream);
    sweep(worker);
    watcher_clear(&worker->watcher);
}

/* What is still suspended is answered, because libmicrohttpd cannot end before that. */
static void end_all(struct worker *worker)
{
    upstream_end(&worker->upstream);
    each_stream(worker, stream_end);
    if (worker->ops_questions > 0)
        ops_refuse(worker->gateway->ops);
    while (worker->ops_questions > 0)
        watcher_wait(&worker->watcher, SWEEP_MS);
    for (int rounds = 0; rounds < 3; rounds++)
        (void)MHD_run(worker->daemon);
    while (worker->upstream.dialing > 0 || worker->dials > 0) {
        watcher_wait(&worker->watcher, SWEEP_MS);
        worker->now_ms = clock_now();
    }
    MHD_stop_daemon(worker->daemon);
    upstream_free(&worker->upstream);
    watcher_close(&worker->watcher);
    inbox_close(&worker->inbox);
}

static void *worker_run(void *context)
{
    struct worker *worker = context;
    for (;;) {
        round_of_loop(worker);
        if (!worker->draining && atomic_load_explicit(&worker->stopping, memory_order_acquire))
            begin_draining(worker);
        if (worker->draining && (worker->peers == 0 || worker->now_ms >= worker->drain_until_ms))
            break;
    }
    end_all(worker);
    return NULL;
}

static bool watch_daemon(struct worker *worker)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    worker->http_watch.ready = on_http;
    worker->inbox_watch = (struct inbox_watch){ .watch.ready = on_inbox, .worker = worker };
    return watch_add(&worker->watcher, info->epoll_fd, EPOLLIN, &worker->http_watch) &&
           watch_add(&worker->watcher, worker->inbox.event_fd, EPOLLIN, &worker->inbox_watch.watch);
}

static bool fail(const char *what)
{
    notice(LOG_ERR, "start", "cannot start a thread: %s", what);
    return false;
}

bool worker_start(struct worker *worker, const struct gateway *gateway)
{
    *worker = (struct worker){ .gateway = gateway, .now_ms = clock_now() };
    worker->upstream = (struct upstream){
        .watcher = &worker->watcher,
        .dialer = gateway->dialer,
        .inbox = &worker->inbox,
        .settings = { .connections = gateway->options.connections,
                      .call_ms = gateway->options.call_s * 1000 },
        .several = strchr(gateway->options.engine.address, ',') != NULL,
        .now_ms = &worker->now_ms,
    };
    if (!watcher_open(&worker->watcher) || !inbox_open(&worker->inbox))
        return fail("no descriptors");
    if (!http_start(worker) || !watch_daemon(worker))
        return fail("libmicrohttpd does not start");
    int error = pthread_create(&worker->thread, NULL, worker_run, worker);
    return error == 0 || fail(strerror(error));
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->stopping, true, memory_order_release);
    inbox_wake(&worker->inbox);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}
