/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/http.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/gateway/exchange.h"
#include "tools/gateway/headers.h"
#include "tools/gateway/problem.h"
#include "tools/gateway/stream.h"

enum {
    HEAD_MAX = 32 << 10, /* of a request: its line and headers, and buffers */
    DROPPED_MAX =
        8 << 20, /* of a body that is too large: read so that the client sees the answer */
    STREAM_BLOCK = 16 << 10,
};

typedef enum MHD_Result yes_or_no;

/* ---- connections of clients ---- */

void peer_receives(struct worker *worker, struct peer *peer)
{
    assert(!peer->receiving);
    peer->receiving = true;
    peer->deadline_ms = worker->now_ms + (int64_t)worker->gateway->options.idle_s * 1000;
    peer->after = NULL;
    peer->before = worker->last_receiving;
    if (peer->before)
        peer->before->after = peer;
    else
        worker->first_receiving = peer;
    worker->last_receiving = peer;
    if (worker->draining)
        shutdown(peer->fd, SHUT_RD);
}

void peer_busy(struct worker *worker, struct peer *peer)
{
    if (!peer->receiving)
        return;
    peer->receiving = false;
    if (peer->before)
        peer->before->after = peer->after;
    else
        worker->first_receiving = peer->after;
    if (peer->after)
        peer->after->before = peer->before;
    else
        worker->last_receiving = peer->before;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct worker *worker = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct peer *peer = calloc(1, sizeof *peer);
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = peer;
        worker->peers++;
        if (!peer)
            return; /* its requests are refused */
        peer->fd = info->connect_fd;
        peer_receives(worker, peer);
    } else {
        struct peer *peer = *socket_context;
        worker->peers--;
        if (peer)
            peer_busy(worker, peer);
        free(peer);
    }
}

void http_sweep(struct worker *worker)
{
    while (worker->first_receiving && worker->first_receiving->deadline_ms <= worker->now_ms) {
        struct peer *peer = worker->first_receiving;
        peer_busy(worker, peer);
        shutdown(peer->fd, SHUT_RDWR); /* libmicrohttpd sees the end, and closes it */
    }
}

void http_drain(struct worker *worker)
{
    MHD_socket listening = MHD_quiesce_daemon(worker->daemon);
    if (listening != MHD_INVALID_SOCKET)
        close(listening);
    for (struct peer *peer = worker->first_receiving; peer; peer = peer->after)
        shutdown(peer->fd, SHUT_RD);
}

/* ---- the head of a request ---- */

static const char *header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

/* The key, without quotes, which the draft of the header has and many clients leave out. */
static bool read_key(struct exchange *exchange)
{
    const char *key = header(exchange, "Idempotency-Key");
    size_t len = key ? strlen(key) : 0;
    struct complaint why;
    if (!key)
        return true;
    if (len >= 2 && key[0] == '"' && key[len - 1] == '"') {
        key++;
        len -= 2;
    }
    if (len == 0 || len > STOCKD_ID_MAX) {
        complain(&why, "Idempotency-Key", "Idempotency-Key must have 1 to %d bytes", STOCKD_ID_MAX);
        exchange_refuse_by(exchange, &why);
        return false;
    }
    memcpy(exchange->key, key, len);
    return true;
}

static bool read_token(struct exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    const char *given = header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *token = exchange->worker->gateway->options.token;
    exchange->bears_token = given != NULL;
    if (given) {
        token = given + sizeof scheme - 1;
        if (strncasecmp(given, scheme, sizeof scheme - 1) != 0 || !*token) {
            exchange_refuse(exchange, "unauthorized", "Authorization must be Bearer TOKEN");
            return false;
        }
    }
    if (token && strlen(token) > TOKEN_MAX) {
        exchange_refuse(exchange, "unauthorized", "the token is too long");
        return false;
    }
    if (token)
        memcpy(exchange->token, token, strlen(token));
    return true;
}

static bool is_read(const char *verb)
{
    return strcmp(verb, MHD_HTTP_METHOD_GET) == 0 || strcmp(verb, MHD_HTTP_METHOD_HEAD) == 0;
}

static bool judge_origin(struct exchange *exchange, const char *verb)
{
    const struct method *method = exchange->method;
    const struct cors_request request = {
        .origin = header(exchange, "Origin"),
        .host = header(exchange, MHD_HTTP_HEADER_HOST),
        .has_token = header(exchange, MHD_HTTP_HEADER_AUTHORIZATION) != NULL,
        .is_question = is_read(verb) || strcmp(verb, MHD_HTTP_METHOD_OPTIONS) == 0 ||
                       (method && method->lane == LANE_QUESTION),
    };
    exchange->cors = cors_judge(exchange->worker->gateway->options.cors, &request);
    if (exchange->cors.allowed)
        return true;
    exchange_refuse(exchange, "forbidden",
                    "a page of another origin needs a token, or the gateway's --cors");
    return false;
}

/* Finds what answers it, or refuses it. */
static void find_route(struct exchange *exchange, const char *verb)
{
    struct span path = uri_path(exchange->target), name = method_of(path);
    const struct method *method = name.len > 0 ? gateway_method(name.at, name.len) : NULL;
    const struct route *route = route_of(path, &exchange->variable);
    if (!method && !route && name.len > 0 && strcmp(verb, MHD_HTTP_METHOD_POST) == 0)
        exchange_refuse(exchange, "unknown_method", "the engine has no such method");
    else if (!method && !route)
        exchange_refuse(exchange, PROBLEM_NOT_FOUND, "there is nothing at this address");
    else if (method && strcmp(verb, MHD_HTTP_METHOD_POST) == 0)
        exchange->method = method;
    else if (route && is_read(verb))
        exchange->route = route;
    else if (strcmp(verb, MHD_HTTP_METHOD_OPTIONS) != 0) {
        exchange->allow = method && route ? "GET, POST, OPTIONS"
                          : method        ? "POST, OPTIONS"
                                          : "GET, OPTIONS";
        exchange_refuse(exchange, PROBLEM_NOT_ALLOWED, "the address does not take this method");
    }
}

static bool read_clear(struct exchange *exchange, const char *verb, const char *version)
{
    struct complaint why = { .param = "" };
    if (headers_clear(exchange->connection, verb, version, &why))
        return true;
    exchange->unclear = true;
    exchange_refuse_by(exchange, &why);
    return false;
}

static void read_head(struct exchange *exchange, const char *verb, const char *version)
{
    if (!read_clear(exchange, verb, version))
        return;
    find_route(exchange, verb);
    bool good = judge_origin(exchange, verb);
    if (exchange->state != EXCHANGE_READING || !good)
        return;
    if (!exchange->method && !exchange->route) { /* OPTIONS */
        exchange->status = MHD_HTTP_NO_CONTENT;
        exchange->state = EXCHANGE_DECIDED;
        return;
    }
    exchange->none_match = header(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH);
    if (read_token(exchange))
        (void)read_key(exchange);
}

/* ---- its body ---- */

static void refuse_large(struct exchange *exchange)
{
    exchange_refuse(exchange, "too_large", "a body may have 1 MiB");
}

static void read_body(struct exchange *exchange, const char *data, size_t size)
{
    if (exchange->state != EXCHANGE_READING || exchange->too_large ||
        exchange->body.len + size > BODY_MAX) {
        exchange->too_large |= exchange->state == EXCHANGE_READING;
        exchange->dropped += size;
        bytes_free(&exchange->body);
        return;
    }
    bytes_add(&exchange->body, data, size);
}

/* ---- its answer ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value); /* fails without memory only */
}

/* A browser keeps the file, and asks each time whether it is still that version: so what it runs is
 * always of one release. */
static void add_asset_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    bool embedded = !exchange->worker->gateway->options.console;
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, embedded ? "no-cache" : "no-store");
    if (embedded)
        add_header(response, MHD_HTTP_HEADER_ETAG, exchange->asset->etag);
    add_header(response, "Content-Security-Policy", ASSET_POLICY);
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Referrer-Policy", "no-referrer");
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    char seconds[16];
    struct bytes text = { 0 };
    if (exchange->type)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, exchange->type);
    if (exchange->asset)
        add_asset_headers(exchange, response);
    else
        add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (exchange->allow)
        add_header(response, MHD_HTTP_HEADER_ALLOW, exchange->allow);
    if (exchange->status == MHD_HTTP_UNAUTHORIZED)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (exchange->retry_after > 0) {
        bytes_add_unsigned(&text, exchange->retry_after);
        bytes_add_char(&text, '\0');
        memcpy(seconds, text.failed ? "1" : text.at, text.failed ? 2 : text.len);
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        bytes_free(&text);
    }
    if (exchange->cors.varies)
        add_header(response, MHD_HTTP_HEADER_VARY, "Origin");
    if (exchange->cors.allow_origin) {
        add_header(response, "Access-Control-Allow-Origin", exchange->cors.allow_origin);
        add_header(response, "Access-Control-Expose-Headers", "Retry-After");
        if (exchange->status == MHD_HTTP_NO_CONTENT) {
            add_header(response, "Access-Control-Allow-Methods", "GET, HEAD, POST");
            add_header(response, "Access-Control-Allow-Headers",
                       "Authorization, Content-Type, Idempotency-Key, Last-Event-ID");
            add_header(response, "Access-Control-Max-Age", "86400");
        }
    }
    if (exchange->worker->draining || exchange->too_large || exchange->unclear)
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static yes_or_no answer(struct exchange *exchange)
{
    struct MHD_Response *response;
    if (exchange->reply.failed && !exchange->stream) {
        bytes_free(&exchange->reply);
        exchange->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (exchange->stream) {
        exchange->status = MHD_HTTP_OK;
        exchange->type = "text/event-stream";
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read,
                                                     exchange->stream, NULL);
        if (response)
            add_header(response, "X-Accel-Buffering", "no");
    } else if (exchange->asset && exchange->reply.len == 0) {
        const struct asset *asset = exchange->asset;
        size_t len = exchange->status == MHD_HTTP_OK ? asset->len : 0;
        void *constant = (void *)(uintptr_t)asset->at; /* it is only read */
        response = MHD_create_response_from_buffer(len, constant, MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(exchange->reply.len, exchange->reply.at,
                                                   MHD_RESPMEM_MUST_FREE);
        if (response)
            exchange->reply = (struct bytes){ 0 };
    }
    if (!response)
        return MHD_NO;
    add_headers(exchange, response);
    yes_or_no queued = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    exchange->state = EXCHANGE_ANSWERED;
    peer_busy(exchange->worker, exchange->peer);
    return queued;
}

void exchange_resume(struct exchange *exchange)
{
    assert(exchange->state == EXCHANGE_WAITING && exchange->waiting == 0);
    exchange->state = EXCHANGE_DECIDED;
    MHD_resume_connection(exchange->connection);
}

/* ---- what libmicrohttpd calls ---- */

/* The request's line has come. */
static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->worker = context;
    exchange->connection = connection;
    exchange->target = strdup(target);
    exchange->peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    return exchange;
}

/* Its head, then pieces of its body, then its end; and once more when it has been resumed. */
static yes_or_no on_request(void *context, struct MHD_Connection *connection, const char *url,
                            const char *verb, const char *version, const char *data, size_t *size,
                            void **its_exchange)
{
    struct exchange *exchange = *its_exchange;
    (void)context, (void)url;
    if (!exchange || !exchange->target || !exchange->peer)
        return MHD_NO;
    if (!exchange->begun) {
        exchange->begun = true;
        read_head(exchange, verb, version);
        return headers_endless(connection) ? answer(exchange) : MHD_YES;
    }
    if (*size > 0) {
        read_body(exchange, data, *size);
        *size = 0;
        return exchange->dropped > DROPPED_MAX ? MHD_NO : MHD_YES;
    }
    if (exchange->state == EXCHANGE_READING && (exchange->too_large || exchange->body.failed))
        refuse_large(exchange);
    if (exchange->state == EXCHANGE_READING) {
        peer_busy(exchange->worker, exchange->peer);
        exchange_dispatch(exchange);
    }
    if (exchange->state == EXCHANGE_WAITING)
        MHD_suspend_connection(exchange->connection);
    return exchange->state == EXCHANGE_DECIDED ? answer(exchange) : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **its_exchange,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *its_exchange;
    (void)context, (void)connection, (void)code;
    if (!exchange)
        return;
    assert(exchange->waiting == 0); /* libmicrohttpd ends nothing that is suspended */
    if (exchange->stream)
        stream_close(exchange->stream);
    if (exchange->peer && !exchange->peer->receiving)
        peer_receives(exchange->worker, exchange->peer);
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (exchange->calls[i].method)
            stockd_pack_free(&exchange->calls[i].params);
    bytes_free(&exchange->body);
    bytes_free(&exchange->skus);
    bytes_free(&exchange->reply);
    free(exchange->target);
    free(exchange);
    *its_exchange = NULL;
}

/* Targets are decoded by uri.c, which refuses what it cannot decode. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static void ignore_log(void *context, const char *format, va_list list)
{
    (void)context, (void)format, (void)list;
}

bool http_start(struct worker *worker)
{
    const struct options *options = &worker->gateway->options;
    int fd = fcntl(worker->gateway->listen_fd, F_DUPFD_CLOEXEC, 0);
    unsigned most = (unsigned)(options->max_connections / options->threads);
    if (fd < 0)
        return false;
    worker->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        worker, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT, most > 0 ? most : 1U,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, worker,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, worker, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped,
        NULL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!worker->daemon)
        close(fd);
    return worker->daemon != NULL;
}
