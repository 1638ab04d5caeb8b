/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/problem.h"
#include "tools/gateway/stream_state.h"
#include "tools/gateway/stream_text.h"
#include "tools/gateway/worker.h"

enum {
    TEXT_HIGH = 256 << 10,
    PAGE_ROWS = 500,
    SILENCE_MS = 15000, /* proxies close a connection that is silent for longer */
    RETRY_MS = 100,
    RETRY_MOST_MS = 2000,
    BEHIND_MS = 5000, /* another node has what this one told by then */
};

/* Sees that the client goes away, which libmicrohttpd does not while it is suspended. */
struct client_watch {
    struct watch watch;
    struct stream *stream;
    int fd;
};

static void pump(struct stream *stream);

static size_t waiting(const struct stream *stream)
{
    return stream->text.len - stream->taken;
}

/* Lets libmicrohttpd fetch what there is. */
static void offer(struct stream *stream)
{
    if (!stream->suspended || !stream->exchange)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->exchange->connection);
}

static void speak(struct stream *stream)
{
    stream->spoken_ms = stream->worker->now_ms;
    offer(stream);
}

/* ---- the client's side ---- */

ssize_t stream_read(void *context, uint64_t position, char *buffer, size_t max)
{
    struct stream *stream = context;
    size_t size = waiting(stream);
    (void)position;
    if (size == 0 && stream->state == STREAM_ENDED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (size == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->exchange->connection);
        return 0;
    }
    size = size < max ? size : max;
    memcpy(buffer, stream->text.at + stream->taken, size);
    stream->taken += size;
    if (waiting(stream) == 0)
        stream->text.len = stream->taken = 0;
    pump(stream);
    return (ssize_t)size;
}

static void end(struct stream *stream)
{
    stream->state = STREAM_ENDED;
    offer(stream);
}

static void client_gone(struct watch *watch, uint32_t events)
{
    struct stream *stream = ((struct client_watch *)watch)->stream;
    (void)events;
    stream->text.len = stream->taken = 0;
    end(stream);
}

static void watch_client(struct stream *stream)
{
    struct client_watch *w = calloc(1, sizeof *w);
    if (!w)
        return; /* then its going is noticed at the next beat */
    *w = (struct client_watch){ .watch.ready = client_gone,
                                .stream = stream,
                                .fd = stream->exchange->peer->fd };
    if (watch_add(&stream->worker->watcher, w->fd, EPOLLRDHUP | EPOLLONESHOT, &w->watch))
        stream->client_watch = w;
    else
        free(w);
}

/* The engine has agreed: the client gets its 200, and then the text. */
static void answer_client(struct stream *stream)
{
    stream->answered = true;
    bytes_add_string(&stream->text, "retry: 1000\n");
    stream_text_position(&stream->text, stream->since);
    watch_client(stream);
    exchange_resume(stream->exchange);
}

/* Refused before it began; afterwards a stream can only end. */
static void refuse(struct stream *stream, const struct answer *answer)
{
    if (stream->answered) {
        stream_text_comment(&stream->text, answer->message);
        end(stream);
        return;
    }
    struct exchange *exchange = stream->exchange;
    stream->state = STREAM_ENDED;
    exchange->stream = NULL;
    exchange_give(exchange, answer);
    exchange_resume(exchange);
    stream->exchange = NULL;
    stream_close(stream);
}

/* ---- the engine's side ---- */

static void hang_up(struct stream *stream)
{
    stockd_close(stream->client);
    stream->client = NULL;
}

static void flush(struct stream *stream)
{
    (void)stockd_try_flush(stream->client); /* a failure shows when it is read */
    watch_change(&stream->worker->watcher, stockd_fd(stream->client),
                 stockd_wants_write(stream->client) ? EPOLLIN | EPOLLOUT : EPOLLIN, &stream->watch);
}

/* The engine has gone, or never came. */
static void away(struct stream *stream, const char *why)
{
    hang_up(stream);
    if (!stream->answered) {
        refuse(stream, &(struct answer){ .code = PROBLEM_AWAY, .message = why });
        return;
    }
    stream->state = STREAM_AWAY;
    stream->backoff_ms = stream->backoff_ms ? 2 * stream->backoff_ms : RETRY_MS;
    if (stream->backoff_ms > RETRY_MOST_MS)
        stream->backoff_ms = RETRY_MOST_MS;
    stream->retry_ms = stream->worker->now_ms + stream->backoff_ms;
    if (!stream->said_away) {
        stream->said_away = true;
        stream_text_comment(&stream->text, "the engine is away");
        speak(stream);
    }
}

/* The pairs of the filter; a subscription calls the types `events`. */
static void pack_filter(stockd_pack *pack, const struct stream *stream, bool bell)
{
    stockd_value key, value;
    stockd_iter it = stockd_iterate((stockd_value){ stream->filter.data, stream->filter.len });
    while (stockd_next(&it, &key, &value)) {
        char name[16];
        (void)stockd_value_copy_str(key, name, sizeof name);
        stockd_pack_str(pack, bell && strcmp(name, "types") == 0 ? "events" : name);
        stockd_pack_value(pack, value);
    }
}

static size_t filter_pairs(const struct stream *stream)
{
    return stockd_value_count((stockd_value){ stream->filter.data, stream->filter.len });
}

/* Sends what was packed, and frees it. */
static void ask(struct stream *stream, enum stream_state state, const char *method,
                stockd_pack *params)
{
    stream->state = state;
    int status = stockd_pack_status(params);
    if (status == STOCKD_OK)
        status = stockd_send(stream->client, method, params->data, params->len, NULL);
    stockd_pack_free(params);
    if (status == STOCKD_OK)
        flush(stream);
    else
        away(stream, "the engine is away");
}

static void ask_page(struct stream *stream)
{
    stockd_pack params;
    stockd_pack_init(&params, NULL, 0);
    stockd_pack_array(&params, 2);
    stockd_pack_u64(&params, stream->since);
    stockd_pack_map(&params, filter_pairs(stream) + 1);
    stockd_pack_str(&params, "limit");
    stockd_pack_u64(&params, PAGE_ROWS);
    pack_filter(&params, stream, false);
    stream->dirty = false;
    ask(stream, STREAM_PAGING, stream->changes ? "changes" : "events", &params);
}

static void ask_bell(struct stream *stream)
{
    stockd_pack params;
    stockd_pack_init(&params, NULL, 0);
    stockd_pack_array(&params, 1);
    stockd_pack_map(&params, filter_pairs(stream));
    pack_filter(&params, stream, true);
    ask(stream, STREAM_OPENING, "subscribe", &params);
}

/* Asks for the next page, if there may be one and the client has room (S1). */
static void pump(struct stream *stream)
{
    if (stream->state != STREAM_RESTING || !stream->dirty || waiting(stream) >= TEXT_HIGH)
        return;
    if (stream->worker->now_ms < stream->next_page_ms)
        stream->worker->paced = true;
    else
        ask_page(stream);
}

void stream_pace(struct stream *stream)
{
    pump(stream);
}

static void on_subscribed(struct stream *stream, const stockd_reply *reply)
{
    stream->backoff_ms = 0;
    stream->said_away = false;
    if (!stream->has_since)
        (void)stockd_map_u64(reply->result, "lsn", &stream->since);
    stream->has_since = true;
    stream->state = STREAM_RESTING;
    stream->dirty = true;
    if (!stream->answered)
        answer_client(stream);
    pump(stream);
}

/* Another node of a cluster, which will soon have what the client has been told. */
static bool is_behind(struct stream *stream, bool resync, uint64_t lsn)
{
    int64_t now = stream->worker->now_ms;
    if (!resync || lsn >= stream->since || !stream->worker->upstream.several) {
        stream->behind_ms = 0;
        return false;
    }
    if (stream->behind_ms == 0)
        stream->behind_ms = now;
    return now - stream->behind_ms < BEHIND_MS;
}

static void on_page(struct stream *stream, const stockd_reply *reply)
{
    uint64_t next = stream->since, lsn = 0, last = UINT64_MAX;
    stockd_value flag;
    bool resync = false;
    if (stockd_map_find(reply->result, "resync", &flag))
        (void)stockd_value_bool(flag, &resync);
    (void)stockd_map_u64(reply->result, "next", &next);
    (void)stockd_map_u64(reply->result, "lsn", &lsn);
    if (is_behind(stream, resync, lsn)) {
        stream->state = STREAM_RESTING;
        stream->dirty = true;
        stream->next_page_ms = stream->worker->now_ms + PACE_MS;
        pump(stream);
        return;
    }
    size_t before = stream->text.len;
    if (resync)
        stream_text_resync(&stream->text, lsn);
    if (!stream_text_page(&stream->text, reply->result, stream->changes, &last)) {
        refuse(stream, &(struct answer){ .code = PROBLEM_AWAY, .message = "not a page" });
        return;
    }
    /* Availability is read anew from 0; of events, those that are kept were on the page. */
    stream->since = resync && stream->changes ? 0 : next;
    stream->dirty |= stream->since != lsn;
    if (stream->since == lsn)
        stream->next_page_ms = stream->worker->now_ms + PACE_MS;
    if (stream->text.len > before && stream->since > 0 && stream->since != last)
        stream_text_position(&stream->text, stream->since);
    stream->state = STREAM_RESTING;
    if (stream->text.len > before)
        speak(stream);
    pump(stream);
}

static void on_reply(struct stream *stream, const stockd_reply *reply)
{
    if (reply->code && (strcmp(reply->code, "overloaded") != 0 || !stream->answered)) {
        refuse(stream,
               &(struct answer){ reply->code, reply->message, reply->result, reply->details });
    } else if (reply->code) {
        stream->state = STREAM_RESTING; /* the next beat asks again */
        stream->dirty = true;
    } else if (stream->state == STREAM_OPENING) {
        on_subscribed(stream, reply);
    } else {
        assert(stream->state == STREAM_PAGING);
        on_page(stream, reply);
    }
}

static void engine_ready(struct watch *watch, uint32_t events)
{
    struct stream *stream = (struct stream *)watch;
    (void)events;
    while (stream->client && !stream->watch.buried) {
        stockd_reply reply;
        int status = stockd_try_receive(stream->client, &reply);
        if (status == STOCKD_OK || status == STOCKD_REFUSED) {
            if (stream->state == STREAM_ENDED)
                continue;
            on_reply(stream, &reply);
        } else if (status == STOCKD_E_AGAIN) {
            flush(stream);
            break;
        } else if (stream->state == STREAM_ENDED) {
            hang_up(stream);
        } else {
            away(stream, "the connection to the engine was lost");
        }
    }
    if (!stream->watch.buried)
        pump(stream);
}

/* A notification's content does not matter: the next page has it. */
static void on_bell(void *context, const char *method, stockd_value params)
{
    struct stream *stream = context;
    (void)method;
    (void)params;
    stream->dirty = true;
}

static void forget(struct stream *stream)
{
    hang_up(stream);
    stream_discard(stream);
    watch_bury(&stream->worker->watcher, &stream->watch);
}

static void on_dialed(struct errand *errand)
{
    struct dial *dial = (struct dial *)errand;
    struct stream *stream = dial->owner;
    stream->worker->dials--;
    stream->dialing = false;
    stream->client = dial->client;
    if (!stream->exchange) {
        forget(stream);
        return;
    }
    if (stream->state == STREAM_ENDED) {
        hang_up(stream);
        return;
    }
    struct answer answer = upstream_refusal(dial);
    bool refused = dial->status == STOCKD_REFUSED && strcmp(answer.code, "overloaded") != 0;
    if (refused || (dial->status != STOCKD_OK && !stream->answered)) {
        stream->state = STREAM_AWAY;
        refuse(stream, &answer);
    } else if (dial->status != STOCKD_OK ||
               !watch_add(&stream->worker->watcher, stockd_fd(dial->client), EPOLLIN,
                          &stream->watch)) {
        away(stream, "the engine is away");
    } else {
        ask_bell(stream);
    }
}

static void dial(struct stream *stream)
{
    stream->state = STREAM_DIALING;
    stream->dialing = true;
    stream->dial = (struct dial){ .errand = { .inbox = &stream->worker->inbox, .done = on_dialed },
                                  .options = upstream_options(stream->token),
                                  .owner = stream };
    stream->dial.options.notify = on_bell;
    stream->dial.options.notify_context = stream;
    stream->worker->dials++;
    dialer_ask(stream->worker->gateway->dialer, &stream->dial);
}

/* ---- its life ---- */

void stream_start(struct stream *stream)
{
    struct worker *worker = stream->worker;
    stream->watch.ready = engine_ready;
    stream->next = worker->streams;
    stream->back = &worker->streams;
    if (stream->next)
        stream->next->back = &stream->next;
    worker->streams = stream;
    worker->stream_count++;
    dial(stream);
}

void stream_discard(struct stream *stream)
{
    stockd_pack_free(&stream->filter);
    bytes_free(&stream->text);
}

void stream_close(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->client_watch) {
        watch_remove(&worker->watcher, stream->client_watch->fd);
        watch_bury(&worker->watcher, &stream->client_watch->watch);
    }
    *stream->back = stream->next;
    if (stream->next)
        stream->next->back = stream->back;
    worker->stream_count--;
    stream->exchange = NULL;
    stream->state = STREAM_ENDED;
    if (stream->dialing) /* on_dialed frees it */
        return;
    forget(stream);
}

void stream_end(struct stream *stream)
{
    if (stream->state != STREAM_ENDED)
        refuse(stream,
               &(struct answer){ .code = PROBLEM_AWAY, .message = "the gateway is stopping" });
}

void stream_tick(struct stream *stream)
{
    int64_t now = stream->worker->now_ms;
    if (stream->state == STREAM_AWAY && now >= stream->retry_ms)
        dial(stream);
    if (stream->answered && stream->state != STREAM_ENDED &&
        now - stream->spoken_ms >= SILENCE_MS) {
        stream_text_position(&stream->text, stream->since);
        speak(stream);
    }
    if (stream->text.failed)
        end(stream);
    else
        pump(stream);
}
