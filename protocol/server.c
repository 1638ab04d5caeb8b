/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/server.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "protocol/methods.h"
#include "protocol/shared.h"
#include "protocol/transport.h"
#include "protocol/worker.h"

enum { BUSY_TRIES = 20, BUSY_PAUSE_MS = 50 };

struct server {
    struct shared shared;
    struct worker *workers;
    pthread_t *threads;
    unsigned started; /* threads that run */
    sem_t enabled;    /* posted by each thread once other rings may message its ring */
};

/* ---- making ---- */

/*
 * The kernel tears down a killed server's ring some milliseconds after the process has gone, and
 * until then the ring's accepts keep its sockets open. A server started again at once would find
 * its address in use by no process, so an address in use is retried for a while.
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
        struct listener *listener = &server->shared.listeners[i];
        int error = open_listener(listener, config->listen[i], why, size);
        if (error)
            return error;
        server->shared.listener_count++;
        assert(!listener->encrypted || config->tls);
        listener->transport = listener->encrypted ? &tls_transport : &socket_transport;
        listener->tls = config->tls;
        listener->transport->prepare(listener);
    }
    return 0;
}

static int no_memory(const struct server *server, char *why, size_t size)
{
    snprintf(why, size, "no memory for %u workers", server->shared.service.workers);
    return -ENOMEM;
}

static int make_worker(struct server *server, unsigned index, char *why, size_t size)
{
    struct worker *worker = &server->workers[index];
    struct uring_config rings = uring_of_worker(server->shared.service.workers);
    if (worker_init(worker, &server->shared, index))
        return no_memory(server, why, size);
    worker->ring = uring_create(&rings, why, size);
    if (!worker->ring)
        return -ENOSYS;
    server->shared.inboxes[index].ring = uring_descriptor(worker->ring);
    return 0;
}

static int make_workers(struct server *server, char *why, size_t size)
{
    unsigned count = server->shared.service.workers;
    int error = 0;
    server->workers = aligned_alloc(64, count * sizeof *server->workers);
    if (server->workers)
        memset(server->workers, 0, count * sizeof *server->workers);
    server->threads = calloc(count, sizeof *server->threads);
    if (!server->workers || !server->threads || shared_init(&server->shared))
        return no_memory(server, why, size);
    for (unsigned i = 0; i < count && !error; i++)
        error = make_worker(server, i, why, size);
    return error;
}

struct server *server_create(const struct server_config *config, char *why, size_t size)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    struct shared *shared = &server->shared;
    shared->service = (struct service){
        .ledger = config->ledger,
        .log = config->log,
        .storage = config->storage,
        .history = config->history,
        .mirror = config->mirror,
        .limits = config->limits,
        .version = config->version,
        .started_ms = clock_base_ms(config->clock),
        .workers = config->workers,
        .checks = &shared->checks,
        .access = config->access,
        .role = &shared->role,
    };
    role_init(&shared->role, config->standby ? ROLE_STANDBY : ROLE_PRIMARY);
    shared->standby_ctx = config->standby_ctx;
    shared->clock = config->clock;
    shared->stopping = config->stopping;
    shared->say = config->say;
    shared->context = config->context;
    methods_prepare();
    sem_init(&server->enabled, 0, 0);
    shared->signal_fd = signalfd(-1, &config->stop_signals, SFD_CLOEXEC);
    if (shared->signal_fd < 0)
        snprintf(why, size, "cannot create a signalfd: %s", strerror(errno));
    if (shared->signal_fd < 0 || make_workers(server, why, size) ||
        open_listeners(server, config, why, size)) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

void server_destroy(struct server *server)
{
    struct shared *shared = &server->shared;
    for (unsigned i = 0; i < shared->listener_count; i++)
        listener_close(&shared->listeners[i]);
    for (unsigned i = 0; server->workers && i < shared->service.workers; i++)
        worker_destroy(&server->workers[i]);
    shared_destroy(shared);
    if (shared->signal_fd >= 0)
        close(shared->signal_fd);
    sem_destroy(&server->enabled);
    role_destroy(&shared->role);
    free(server->threads);
    free(server->workers);
    free(server);
}

const char *server_address(const struct server *server, unsigned index)
{
    return index < server->shared.listener_count ? server->shared.listeners[index].address : NULL;
}

enum reach server_reach(const struct server *server, unsigned index)
{
    assert(index < server->shared.listener_count);
    return server->shared.listeners[index].reach;
}

const struct service *server_service(const struct server *server)
{
    return &server->shared.service;
}

const struct worker_metrics *server_metrics(const struct server *server, unsigned worker)
{
    assert(worker < server->shared.service.workers);
    return &server->shared.service.metrics[worker];
}

void server_wake(struct server *server)
{
    for (unsigned i = 0; i < server->shared.service.workers; i++)
        answer_box_ring(&server->shared.inboxes[i].answers);
}

void server_log_moved(struct server *server)
{
    for (unsigned i = 0; i < server->shared.service.workers; i++) {
        struct inbox *inbox = &server->shared.inboxes[i];
        if (atomic_exchange_explicit(&inbox->waiting, false, memory_order_acq_rel))
            answer_box_ring(&inbox->answers);
    }
}

void server_set_role(struct server *server, enum server_role role, const struct primary *primary)
{
    role_set(&server->shared.role, role, primary);
    server_wake(server);
}

/* ---- running ---- */

static struct server *server_of(struct shared *shared)
{
    char *at = (char *)shared;
    return (struct server *)(void *)(at - offsetof(struct server, shared));
}

static void *thread_main(void *argument)
{
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    int error = uring_enable(worker->ring);
    sem_post(&server_of(shared)->enabled);
    if (!error)
        error = worker_run(worker);
    shared_break(shared, error);
    return NULL;
}

static int start_threads(struct server *server)
{
    int error = uring_enable(server->workers[0].ring);
    for (unsigned i = 1; i < server->shared.service.workers && !error; i++) {
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
    shared_break(&server->shared, error);
    if (!error && ready)
        ready(context);
    shared_break(&server->shared, worker_run(first));
    for (unsigned i = 1; i <= server->started; i++)
        pthread_join(server->threads[i], NULL);
    return atomic_load_explicit(&server->shared.broken, memory_order_relaxed);
}
