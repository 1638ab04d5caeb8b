/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/upstream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/problem.h"

enum {
    POOLS_MAX = 1024,
    CROWDED = 32,    /* in flight on each link of a lane: another one is opened */
    BACKOFF_MS = 50, /* after a failed dial, then doubled */
    BACKOFF_MOST_MS = 1000,
    REFUSED_MS = 500, /* for so long a refused token is refused without asking */
    IDLE_MS = 60000,  /* a pool without calls is closed */
    CONNECT_MS = 5000,
};

struct link {
    struct watch watch;
    struct link *next; /* of its lane */
    struct link *next_unflushed;
    struct upstream *upstream;
    struct pool *pool;
    enum lane lane;
    stockd_client *client;
    struct call *first, **last; /* in flight, in the order of sending */
    unsigned in_flight;
    bool listed;  /* in unflushed */
    bool writing; /* waits for room too */
};

struct lane_state {
    struct link *links;
    int count;
    bool dialing;
    struct dial dial;
    struct call *first, **last; /* waiting for the first link */
    int64_t next_dial_ms;
    int backoff_ms;
};

struct pool {
    struct pool *next;
    struct upstream *upstream;
    char token[TOKEN_MAX + 1];
    struct lane_state lanes[LANES];
    int64_t used_ms;
    unsigned calls; /* not done */
    int64_t refused_until_ms;
    char code[64], message[512]; /* why it was refused */
};

static void link_lost(struct link *link, const char *why);
static void send_call(struct upstream *upstream, struct pool *pool, struct call *call);

stockd_options upstream_options(const char *token)
{
    return (stockd_options){ .connect_timeout_ms = CONNECT_MS,
                             .client_name = "stock-gateway",
                             .token = token && token[0] ? token : NULL };
}

struct answer upstream_refusal(const struct dial *dial)
{
    struct answer answer = { .code = PROBLEM_AWAY, .message = "the gateway is stopping" };
    if (!dial->client)
        return answer;
    if (dial->status == STOCKD_REFUSED) {
        const stockd_reply *reply = stockd_last_reply(dial->client);
        answer.code = reply->code;
        answer.message = reply->message;
        answer.details = reply->details;
    } else {
        answer.message = stockd_error_message(dial->client);
    }
    return answer;
}

/* ---- calls ---- */

static void finish(struct call *call, const struct answer *answer)
{
    struct pool *pool = call->pool;
    assert(pool->calls > 0);
    pool->calls--;
    call->next = NULL;
    call->done(call, answer);
}

static void finish_away(struct call *call, const char *why)
{
    finish(call, &(struct answer){ .code = PROBLEM_AWAY, .message = why });
}

static struct call *take_all(struct call **first, struct call ***last)
{
    struct call *all = *first;
    *first = NULL;
    *last = first;
    return all;
}

/* ---- links ---- */

static void list_unflushed(struct link *link)
{
    if (link->listed)
        return;
    link->listed = true;
    link->next_unflushed = link->upstream->unflushed;
    link->upstream->unflushed = link;
}

static void unlist(struct link *link)
{
    struct link **at = &link->upstream->unflushed;
    if (!link->listed)
        return;
    while (*at != link)
        at = &(*at)->next_unflushed;
    *at = link->next_unflushed;
    link->listed = false;
}

/* Closes it and takes it out of its lane. Returns what was in flight. */
static struct call *link_close(struct link *link)
{
    struct lane_state *lane = &link->pool->lanes[link->lane];
    struct link **at = &lane->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    lane->count--;
    unlist(link);
    stockd_close(link->client);
    link->client = NULL;
    struct call *calls = take_all(&link->first, &link->last);
    watch_bury(link->upstream->watcher, &link->watch);
    return calls;
}

static void link_lost(struct link *link, const char *why)
{
    struct upstream *upstream = link->upstream;
    struct pool *pool = link->pool;
    char reason[256];
    snprintf(reason, sizeof reason,
             "the connection to the engine was lost, so it is not known "
             "whether this was done; %s",
             why);
    for (struct call *call = link_close(link), *next; call; call = next) {
        next = call->next;
        if (call->again && !call->resent) {
            call->resent = true;
            send_call(upstream, pool, call);
        } else {
            finish_away(call, reason);
        }
    }
}

static const char unknown_outcome[] = "a change with an id may be sent again with the same id";

static void link_receive(struct link *link)
{
    for (;;) {
        stockd_reply reply;
        int status = stockd_try_receive(link->client, &reply);
        if (status == STOCKD_E_AGAIN)
            return;
        if (status != STOCKD_OK && status != STOCKD_REFUSED) {
            link_lost(link, unknown_outcome);
            return;
        }
        struct call *call = link->first;
        assert(call && link->in_flight > 0); /* the client answers only what is in flight */
        link->first = call->next;
        if (!link->first)
            link->last = &link->first;
        link->in_flight--;
        link->pool->used_ms = *link->upstream->now_ms;
        finish(call, &(struct answer){ reply.code, reply.message, reply.result, reply.details });
    }
}

static void link_ready(struct watch *watch, uint32_t events)
{
    struct link *link = (struct link *)watch;
    if (events & EPOLLOUT)
        list_unflushed(link);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        link_receive(link);
}

static void link_send(struct link *link, struct call *call)
{
    int status = stockd_send(link->client, call->method, call->params.data, call->params.len, NULL);
    if (status == STOCKD_OK) {
        call->next = NULL;
        *link->last = call;
        link->last = &call->next;
        link->in_flight++;
        list_unflushed(link);
    } else if (status == STOCKD_E_AGAIN || status == STOCKD_E_MEMORY) {
        finish(call, &(struct answer){ .code = "overloaded",
                                       .message = "too much is waiting for the engine" });
    } else {
        finish_away(call, stockd_error_message(link->client));
    }
}

static void link_flush(struct link *link)
{
    struct watcher *watcher = link->upstream->watcher;
    (void)stockd_try_flush(link->client); /* a failure shows when it is read */
    bool waits = stockd_wants_write(link->client);
    if (waits != link->writing)
        watch_change(watcher, stockd_fd(link->client), waits ? EPOLLIN | EPOLLOUT : EPOLLIN,
                     &link->watch);
    link->writing = waits;
}

void upstream_flush(struct upstream *upstream)
{
    while (upstream->unflushed) {
        struct link *link = upstream->unflushed;
        upstream->unflushed = link->next_unflushed;
        link->listed = false;
        link_flush(link);
    }
}

/* ---- dialing ---- */

static bool link_open(struct pool *pool, enum lane lane, stockd_client *client)
{
    struct upstream *upstream = pool->upstream;
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return false;
    *link = (struct link){ .watch.ready = link_ready,
                           .upstream = upstream,
                           .pool = pool,
                           .lane = lane,
                           .client = client,
                           .last = &link->first };
    link->last = &link->first;
    if (!watch_add(upstream->watcher, stockd_fd(client), EPOLLIN, &link->watch)) {
        free(link);
        return false;
    }
    link->next = pool->lanes[lane].links;
    pool->lanes[lane].links = link;
    pool->lanes[lane].count++;
    return true;
}

static void fail_waiting(struct lane_state *lane, const struct answer *answer)
{
    for (struct call *call = take_all(&lane->first, &lane->last), *next; call; call = next) {
        next = call->next;
        finish(call, answer);
    }
}

static void note_refusal(struct pool *pool, struct lane_state *lane, const struct answer *answer)
{
    int64_t now = *pool->upstream->now_ms;
    lane->backoff_ms = lane->backoff_ms ? 2 * lane->backoff_ms : BACKOFF_MS;
    if (lane->backoff_ms > BACKOFF_MOST_MS)
        lane->backoff_ms = BACKOFF_MOST_MS;
    lane->next_dial_ms = now + lane->backoff_ms;
    snprintf(pool->code, sizeof pool->code, "%s", answer->code);
    snprintf(pool->message, sizeof pool->message, "%s", answer->message);
    if (strcmp(answer->code, PROBLEM_AWAY) != 0)
        pool->refused_until_ms = now + REFUSED_MS;
}

static void on_dialed(struct errand *errand)
{
    struct dial *dial = (struct dial *)errand;
    struct pool *pool = dial->owner;
    struct upstream *upstream = pool->upstream;
    enum lane which = LANE_QUESTION;
    while (&pool->lanes[which].dial != dial)
        which++;
    struct lane_state *lane = &pool->lanes[which];
    lane->dialing = false;
    assert(upstream->dialing > 0);
    upstream->dialing--;
    if (dial->status == STOCKD_OK && link_open(pool, which, dial->client)) {
        lane->backoff_ms = 0;
        for (struct call *call = take_all(&lane->first, &lane->last), *next; call; call = next) {
            next = call->next;
            send_call(upstream, pool, call);
        }
        return;
    }
    struct answer answer = upstream_refusal(dial);
    note_refusal(pool, lane, &answer);
    fail_waiting(lane, &answer);
    stockd_close(dial->client);
}

static void dial_lane(struct pool *pool, enum lane which)
{
    struct lane_state *lane = &pool->lanes[which];
    lane->dialing = true;
    pool->upstream->dialing++;
    lane->dial = (struct dial){ .errand = { .inbox = pool->upstream->inbox, .done = on_dialed },
                                .options = upstream_options(pool->token),
                                .owner = pool };
    dialer_ask(pool->upstream->dialer, &lane->dial);
}

/* ---- pools ---- */

static bool is_dialing(const struct pool *pool)
{
    for (unsigned i = 0; i < LANES; i++)
        if (pool->lanes[i].dialing)
            return true;
    return false;
}

static void close_links(struct pool *pool, const char *why)
{
    for (unsigned i = 0; i < LANES; i++)
        while (pool->lanes[i].links)
            for (struct call *call = link_close(pool->lanes[i].links), *next; call; call = next) {
                next = call->next;
                finish_away(call, why);
            }
}

/* Frees the pools that nothing uses and that have been idle since. */
static void drop_idle(struct upstream *upstream, int64_t since_ms)
{
    for (struct pool **at = &upstream->pools; *at;) {
        struct pool *pool = *at;
        if (pool->calls > 0 || is_dialing(pool) || pool->used_ms > since_ms) {
            at = &pool->next;
            continue;
        }
        *at = pool->next;
        close_links(pool, "");
        upstream->pool_count--;
        free(pool);
    }
}

static struct pool *pool_of(struct upstream *upstream, const char *token)
{
    for (struct pool **at = &upstream->pools; *at; at = &(*at)->next) {
        struct pool *pool = *at;
        if (strcmp(pool->token, token) != 0)
            continue;
        *at = pool->next; /* to the front: most requests have the same few tokens */
        pool->next = upstream->pools;
        return upstream->pools = pool;
    }
    if (upstream->pool_count >= POOLS_MAX)
        drop_idle(upstream, *upstream->now_ms - REFUSED_MS);
    struct pool *pool = upstream->pool_count < POOLS_MAX ? calloc(1, sizeof *pool) : NULL;
    if (!pool)
        return NULL;
    pool->upstream = upstream;
    snprintf(pool->token, sizeof pool->token, "%s", token);
    for (unsigned i = 0; i < LANES; i++)
        pool->lanes[i].last = &pool->lanes[i].first;
    upstream->pool_count++;
    pool->next = upstream->pools;
    return upstream->pools = pool;
}

/* ---- sending ---- */

static struct link *calmest(const struct lane_state *lane)
{
    struct link *best = lane->links;
    for (struct link *link = best; link; link = link->next)
        if (link->in_flight < best->in_flight)
            best = link;
    return best;
}

static void send_call(struct upstream *upstream, struct pool *pool, struct call *call)
{
    struct lane_state *lane = &pool->lanes[call->lane];
    int64_t now = *upstream->now_ms;
    unsigned crowded = call->lane == LANE_SLOW ? 1 : CROWDED;
    struct link *link = calmest(lane);
    pool->used_ms = now;
    if ((!link || link->in_flight >= crowded) && !lane->dialing &&
        lane->count < upstream->settings.connections && now >= lane->next_dial_ms)
        dial_lane(pool, call->lane);
    if (link) {
        link_send(link, call);
    } else if (lane->dialing) {
        call->next = NULL;
        *lane->last = call;
        lane->last = &call->next;
    } else {
        finish(call, &(struct answer){ .code = pool->code, .message = pool->message });
    }
}

void upstream_send(struct upstream *upstream, const char *token, struct call *call)
{
    struct pool *pool = pool_of(upstream, token ? token : "");
    int64_t now = *upstream->now_ms;
    int slow = call->lane == LANE_SLOW ? SLOW_TIMES : 1;
    assert(call->lane < LANES && !call->resent);
    if (!pool) {
        call->done(call, &(struct answer){ .code = "overloaded",
                                           .message = "too many different tokens are in use" });
        return;
    }
    call->pool = pool;
    call->deadline_ms = now + (int64_t)upstream->settings.call_ms * slow;
    pool->calls++;
    if (now < pool->refused_until_ms)
        finish(call, &(struct answer){ .code = pool->code, .message = pool->message });
    else
        send_call(upstream, pool, call);
}

/* ---- ends ---- */

/* The first in flight is the oldest. When it is overdue the connection is stuck: it is closed, and
 * what is behind goes elsewhere. */
static void sweep_links(struct lane_state *lane, int64_t now)
{
    for (struct link *link = lane->links, *next; link; link = next) {
        next = link->next;
        struct call *call = link->first;
        if (!call || call->deadline_ms > now)
            continue;
        call->again = false;
        link_lost(link, "the engine did not answer in time");
        next = lane->links; /* the list may have changed */
    }
}

static void sweep_waiting(struct lane_state *lane, int64_t now)
{
    while (lane->first && lane->first->deadline_ms <= now) {
        struct call *call = lane->first;
        lane->first = call->next;
        if (!lane->first)
            lane->last = &lane->first;
        finish_away(call, "the engine cannot be reached in time");
    }
}

void upstream_sweep(struct upstream *upstream)
{
    int64_t now = *upstream->now_ms;
    for (struct pool *pool = upstream->pools; pool; pool = pool->next)
        for (unsigned i = 0; i < LANES; i++) {
            sweep_links(&pool->lanes[i], now);
            sweep_waiting(&pool->lanes[i], now);
        }
    drop_idle(upstream, now - IDLE_MS);
}

void upstream_end(struct upstream *upstream)
{
    static const char why[] = "the gateway is stopping";
    for (struct pool *pool = upstream->pools; pool; pool = pool->next) {
        close_links(pool, why);
        for (unsigned i = 0; i < LANES; i++)
            fail_waiting(&pool->lanes[i], &(struct answer){ .code = PROBLEM_AWAY, .message = why });
    }
}

void upstream_free(struct upstream *upstream)
{
    assert(upstream->dialing == 0);
    upstream_end(upstream);
    drop_idle(upstream, INT64_MAX);
    assert(!upstream->pools);
}
