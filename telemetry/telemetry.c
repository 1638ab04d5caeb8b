/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/telemetry.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol/address.h"
#include "protocol/call.h"
#include "telemetry/collect.h"
#include "telemetry/exposition.h"

enum {
    CLIENTS_AT_ONCE = 16,
    CLIENT_TIMEOUT_S = 10,
    CLIENT_MEMORY = 8 << 10, /* bytes for a request's head */
};

/* A connection of a client. Only the port's thread knows of it. */
struct visit {
    int fd;         /* -1: none */
    bool asks;      /* its request is being answered */
    bool shut;      /* it is to be closed */
    uint64_t since; /* it has been as it is; a later visit has a higher number */
};

struct telemetry {
    struct telemetry_config config;
    struct visit visits[CLIENTS_AT_ONCE];
    uint64_t now; /* of visits */
    struct listener listener;
    char address[ADDRESS_MAX + 8];
    struct MHD_Daemon *daemon;
    _Atomic bool leaving;  /* ends a long look at the ledger early; relaxed, it is only a hint */
    _Atomic bool stopping; /* relaxed, likewise */
    pthread_mutex_t lock;  /* of the rest; the port's thread holds it while it makes an answer */
    bool attached;
    struct collector collector;
};

/* ---- answers ---- */

struct answer {
    unsigned status;
    const char *type;
    char *text; /* owned */
    size_t length;
};

static const char plain[] = "text/plain; charset=utf-8";

__attribute__((format(printf, 3, 4))) static void
answer_line(struct answer *answer, unsigned status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vasprintf(&answer->text, format, values);
    va_end(values);
    answer->status = status;
    answer->type = plain;
    answer->length = length < 0 ? 0 : (size_t)length;
    if (length < 0)
        answer->text = NULL;
}

static void answer_ready(struct telemetry *t, struct answer *answer)
{
    const struct service *service = t->collector.engine.service;
    if (atomic_load_explicit(&t->stopping, memory_order_relaxed))
        answer_line(answer, 503, "stopping\n");
    else if (!t->attached)
        answer_line(answer, 503, "starting: the journal is being replayed\n");
    else if (atomic_load_explicit(&service->log->failed, memory_order_acquire))
        answer_line(answer, 503, "read_only: %s\n",
                    service->storage->failure(service->storage->self));
    else
        answer_line(answer, 200, "ready\n");
}

static void answer_metrics(struct telemetry *t, struct answer *answer, bool open_metrics)
{
    struct exposition e;
    exposition_init(&e, open_metrics);
    collect_build(&e, t->config.version, t->attached);
    if (t->attached)
        collect(&t->collector, &e, &t->leaving);
    exposition_end(&e);
    if (e.failed) {
        exposition_free(&e);
        answer_line(answer, 500, "no memory\n");
        return;
    }
    answer->status = 200;
    answer->type = open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
    answer->text = e.text;
    answer->length = e.length;
}

static void make_answer(struct telemetry *t, struct MHD_Connection *connection, const char *path,
                        struct answer *answer)
{
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
    bool open_metrics = accept && strstr(accept, "application/openmetrics-text");
    pthread_mutex_lock(&t->lock);
    if (strcmp(path, "/healthz") == 0)
        answer_line(answer, 200, "alive\n");
    else if (strcmp(path, "/readyz") == 0)
        answer_ready(t, answer);
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(t, answer, open_metrics);
    else
        answer_line(answer, 404, "there is /healthz, /readyz and /metrics\n");
    pthread_mutex_unlock(&t->lock);
}

/* ---- clients ---- */

static struct visit *visit_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void set_asks(struct telemetry *t, struct visit *visit, bool asks)
{
    visit->asks = asks;
    visit->since = ++t->now;
}

/* NULL: but for the last to come, none is silent. */
static struct visit *longest_silent(struct telemetry *t)
{
    struct visit *found = NULL;
    for (unsigned i = 0; i < CLIENTS_AT_ONCE; i++) {
        struct visit *visit = &t->visits[i];
        if (!visit->asks && visit->since < t->now && (!found || visit->since < found->since))
            found = visit;
    }
    return found;
}

static bool is_full(const struct telemetry *t)
{
    for (unsigned i = 0; i < CLIENTS_AT_ONCE; i++)
        if (t->visits[i].fd < 0 || t->visits[i].shut)
            return false;
    return true;
}

/* Who takes the last place makes who has been silent for the longest time leave, so that clients
 * that say nothing keep nobody out. */
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct telemetry *t = context;
    struct visit *visit = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *visit = (struct visit){ .fd = -1 };
        return;
    }
    for (visit = t->visits; visit->fd >= 0;)
        visit++; /* there are as many as libmicrohttpd lets in */
    *socket_context = visit;
    visit->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    set_asks(t, visit, false);
    struct visit *silent = is_full(t) ? longest_silent(t) : NULL;
    if (silent) {
        silent->shut = true;
        shutdown(silent->fd, SHUT_RDWR); /* libmicrohttpd sees the end, and closes it */
    }
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)state, (void)code;
    set_asks(context, visit_of(connection), false);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_length, void **state)
{
    struct answer answer = { 0 };
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    (void)version, (void)body, (void)body_length, (void)state;
    set_asks(context, visit_of(connection), true);
    if (reads)
        make_answer(context, connection, path, &answer);
    else
        answer_line(&answer, 405, "only GET and HEAD\n");
    if (!answer.text)
        return MHD_NO; /* no memory: the connection is closed */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer.length, answer.text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer.text);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", answer.type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (!reads)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- the port ---- */

/* The library's own messages are about clients that went away. */
static void keep_silent(void *context, const char *format, va_list values)
{
    (void)context, (void)format, (void)values;
}

/* Its thread inherits the mask: a signal is for the workers or the watch. */
static bool start_daemon(struct telemetry *t)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* it comes from the thread's own system calls */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    t->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, t, MHD_OPTION_EXTERNAL_LOGGER, keep_silent, NULL,
        MHD_OPTION_LISTEN_SOCKET, t->listener.fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CLIENTS_AT_ONCE, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, t, MHD_OPTION_NOTIFY_COMPLETED, on_completed, t, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return t->daemon != NULL;
}

static bool reach_good(const struct telemetry_config *config, enum reach reach, char *why,
                       size_t size)
{
    if (reach == REACH_LOCAL || config->exposed)
        return true;
    snprintf(why, size,
             "http %s: other machines could reach it, and it does not check who asks: use "
             "127.0.0.1",
             config->address);
    return false;
}

bool telemetry_check(const struct telemetry_config *config, char *why, size_t size)
{
    enum reach reach;
    return address_reach(config->address, &reach, why, size) == 0 &&
           reach_good(config, reach, why, size);
}

static bool start(struct telemetry *t, char *why, size_t size)
{
    if (listener_open(&t->listener, t->config.address, why, size) ||
        !reach_good(&t->config, t->listener.reach, why, size))
        return false;
    snprintf(t->address, sizeof t->address, "http://%s", t->listener.address);
    if (start_daemon(t))
        return true;
    snprintf(why, size, "http %s: cannot start its thread", t->config.address);
    return false;
}

struct telemetry *telemetry_create(const struct telemetry_config *config, char *why, size_t size)
{
    struct telemetry *t = calloc(1, sizeof *t);
    if (!t) {
        snprintf(why, size, "no memory");
        return NULL;
    }
    t->config = *config;
    t->listener.fd = -1;
    for (unsigned i = 0; i < CLIENTS_AT_ONCE; i++)
        t->visits[i].fd = -1;
    pthread_mutex_init(&t->lock, NULL);
    if (start(t, why, size))
        return t;
    telemetry_destroy(t);
    return NULL;
}

void telemetry_destroy(struct telemetry *t)
{
    if (!t)
        return;
    if (t->daemon) {
        MHD_stop_daemon(t->daemon); /* and closes the socket */
        t->listener.fd = -1;
    }
    listener_close(&t->listener);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const char *telemetry_address(const struct telemetry *t)
{
    return t ? t->address : NULL;
}

void telemetry_attach(struct telemetry *t, const struct telemetry_engine *engine)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    collector_init(&t->collector, engine);
    t->attached = true;
    pthread_mutex_unlock(&t->lock);
}

void telemetry_stopping(struct telemetry *t)
{
    if (t)
        atomic_store_explicit(&t->stopping, true, memory_order_relaxed);
}

void telemetry_detach(struct telemetry *t)
{
    if (!t)
        return;
    atomic_store_explicit(&t->leaving, true, memory_order_relaxed);
    pthread_mutex_lock(&t->lock);
    if (t->attached)
        collector_end(&t->collector);
    t->attached = false;
    pthread_mutex_unlock(&t->lock);
}
