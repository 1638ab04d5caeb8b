/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/methods.h"
#include "protocol/server_inside.h"

static const struct uring_config ring_config = {
    .entries = 1024,
    .completions = 8192,
    .buffers = 64, /* few: they go round, and should stay in the cache */
    .buffer_bytes = 16384,
};

/* Per connection, in the kernel: it would let a peer that reads nothing have megabytes. */
enum { SEND_BUFFER = 256 << 10 };

enum { BUSY_TRIES = 20, BUSY_PAUSE_MS = 50 };

void server_wake(struct worker *from, unsigned index)
{
    const struct server *server = from->server;
    assert(index < server->service.workers);
    uring_tell(from->ring, uring_descriptor(server->workers[index].ring), 0, tag_of(TAG_WAKE, 0),
               tag_of(TAG_TELL_FAILED, 0));
}

/* ---- making ---- */

/*
 * The kernel takes a killed server's ring apart some milliseconds after the process has gone, and
 * until then that ring's accepts keep its sockets open. Whoever starts it again at once finds the
 * address in use, by nobody: so an address in use is tried again for a while.
 */
static int open_listener(struct listener *listener, const char *address, char *why, size_t size)
{
    int error = listener_open(listener, address, why, size);
    for (int tries = 0; error == -EADDRINUSE && tries < BUSY_TRIES; tries++) {
        poll(NULL, 0, BUSY_PAUSE_MS);
        error = listener_open(listener, address, why, size);
    }
    return error;
}

static int open_listeners(struct server *server, const struct server_config *config, char *why,
                          size_t size)
{
    if (config->listen_count > LISTENERS_MAX) {
        snprintf(why, size, "cannot listen on more than %d addresses", LISTENERS_MAX);
        return -EINVAL;
    }
    for (unsigned i = 0; i < config->listen_count; i++) {
        struct listener *listener = &server->listeners[i];
        int error = open_listener(listener, config->listen[i], why, size);
        if (error)
            return error;
        server->listener_count++;
        /* Linux hands these down to the connections that are accepted. */
        int one = 1;
        int send_buffer = SEND_BUFFER;
        if (!listener->unix_socket) {
            setsockopt(listener->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
            setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            setsockopt(listener->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        }
    }
    return 0;
}

static int make_workers(struct server *server, char *why, size_t size)
{
    unsigned count = server->service.workers;
    struct uring_config rings = ring_config;
    rings.rings = count;
    server->workers = aligned_alloc(64, count * sizeof *server->workers);
    server->threads = calloc(count, sizeof *server->threads);
    server->service.figures = aligned_alloc(64, count * sizeof *server->service.figures);
    if (!server->workers || !server->threads || !server->service.figures) {
        snprintf(why, size, "no memory for %u workers", count);
        return -ENOMEM;
    }
    memset(server->workers, 0, count * sizeof *server->workers);
    for (unsigned i = 0; i < count; i++)
        server->workers[i].answers.bell = -1;
    memset(server->service.figures, 0, count * sizeof *server->service.figures);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = &server->workers[i];
        worker->index = i;
        worker->server = server;
        worker->executor.service = &server->service;
        worker->executor.seat = ledger_seat(server->service.ledger, i);
        worker->executor.figures = &server->service.figures[i];
        if (worker_init(worker)) {
            snprintf(why, size, "no memory for %u workers", count);
            return -ENOMEM;
        }
        worker->ring = uring_create(&rings, why, size);
        if (!worker->ring)
            return -ENOSYS;
    }
    return 0;
}

struct server *server_create(const struct server_config *config, char *why, size_t size)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    server->service = (struct service){
        .ledger = config->ledger,
        .log = config->log,
        .storage = config->storage,
        .book = config->book,
        .mirror = config->mirror,
        .limits = config->limits,
        .version = config->version,
        .started_ms = config->clock->base_ms,
        .workers = config->workers,
        .checks = &server->checks,
    };
    server->clock = config->clock;
    server->stopping = config->stopping;
    server->slow = config->slow;
    server->context = config->context;
    methods_prepare();
    sem_init(&server->enabled, 0, 0);
    server->signal_fd = signalfd(-1, &config->stop_signals, SFD_CLOEXEC);
    if (server->signal_fd < 0)
        snprintf(why, size, "cannot make a signalfd: %s", strerror(errno));
    if (server->signal_fd < 0 || make_workers(server, why, size) ||
        open_listeners(server, config, why, size)) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

void server_destroy(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++)
        listener_close(&server->listeners[i]);
    for (unsigned i = 0; server->workers && i < server->service.workers; i++)
        worker_destroy(&server->workers[i]);
    if (server->signal_fd >= 0)
        close(server->signal_fd);
    sem_destroy(&server->enabled);
    free(server->service.figures);
    free(server->threads);
    free(server->workers);
    free(server);
}

const char *server_address(const struct server *server, unsigned index)
{
    return index < server->listener_count ? server->listeners[index].address : NULL;
}

enum reach server_reach(const struct server *server, unsigned index)
{
    assert(index < server->listener_count);
    const struct listener *listener = &server->listeners[index];
    if (listener->wildcard)
        return REACH_ALL;
    return listener->exposed ? REACH_ADDRESS : REACH_LOCAL;
}

/* ---- running ---- */

void server_note_signal(const struct server *server)
{
    const struct signalfd_siginfo *signal = &server->signal;
    if (server->stopping && signal->ssi_signo != 0)
        server->stopping(server->context, (int)signal->ssi_signo, (pid_t)signal->ssi_pid);
}

/* The others need not go on without it. Its ring cannot tell them, so their bells do: whoever hears
 * one after this finds `broken` set, for the bell's read comes after its write. */
static void server_break(struct server *server, int error)
{
    int none = 0;
    if (!error)
        return;
    atomic_compare_exchange_strong_explicit(&server->broken, &none, error, memory_order_relaxed,
                                            memory_order_relaxed);
    for (unsigned i = 0; i < server->service.workers; i++)
        answer_box_ring(&server->workers[i].answers);
}

static void *thread_main(void *argument)
{
    struct worker *worker = argument;
    struct server *server = worker->server;
    int error = uring_enable(worker->ring);
    sem_post(&server->enabled);
    if (!error)
        error = worker_run(worker);
    server_break(server, error);
    return NULL;
}

static int start_threads(struct server *server)
{
    int error = uring_enable(server->workers[0].ring);
    for (unsigned i = 1; i < server->service.workers && !error; i++) {
        error = -pthread_create(&server->threads[i], NULL, thread_main, &server->workers[i]);
        server->started += error == 0;
    }
    for (unsigned i = 0; i < server->started; i++)
        while (sem_wait(&server->enabled) < 0 && errno == EINTR)
            ;
    return error;
}

int server_run(struct server *server, void (*ready)(void *context), void *context)
{
    struct worker *first = &server->workers[0];
    int error = start_threads(server);
    server_break(server, error);
    if (!error && ready)
        ready(context);
    server_break(server, worker_run(first));
    for (unsigned i = 1; i <= server->started; i++)
        pthread_join(server->threads[i], NULL);
    return atomic_load_explicit(&server->broken, memory_order_relaxed);
}
