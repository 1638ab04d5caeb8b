/* SPDX-License-Identifier: Apache-2.0 */
/* What the workers know of their server: only for protocol/server.c and protocol/worker*.c. */
#ifndef STOCKD_PROTOCOL_SERVER_INSIDE_H
#define STOCKD_PROTOCOL_SERVER_INSIDE_H

#include <pthread.h>
#include <semaphore.h>
#include <sys/signalfd.h>

#include "protocol/server.h"
#include "protocol/worker.h"

struct server {
    struct service service;
    struct checks checks;
    const struct engine_clock *clock;
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    int signal_fd;
    struct signalfd_siginfo signal; /* worker 0 reads into it */
    void (*stopping)(void *context, int signal, pid_t from);
    void (*slow)(void *context, const char *line);
    void *context; /* of both */
    struct worker *workers;
    pthread_t *threads;
    unsigned started; /* threads that run */
    sem_t enabled;    /* posted by each thread when other rings may tell its ring things */

    /* Connections of all workers. The accepting worker adds, the owner takes away; relaxed: it is
     * only compared with a limit. */
    _Atomic uint32_t connections;
    /* The first error that ended a worker; 0: none. Any worker; relaxed: read after the joins or by
     * the worker whose bell rang. */
    _Atomic int broken;
};

/* Tells another worker to look around. */
void server_wake(struct worker *from, unsigned index);

/* Worker 0: a stop signal was read. */
void server_note_signal(const struct server *server);

#endif
