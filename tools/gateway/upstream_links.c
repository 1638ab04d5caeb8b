/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the engine: what is sent on it, what comes, and its loss. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/problem.h"
#include "tools/gateway/upstream_state.h"

enum {
    MOVES_AT_ONCE = 3, /* from node to node, before a pause */
    MOVES_PAUSE_MS = 50,
    MOVES_MOST_MS = 500,
};

/* ---- calls ---- */

void upstream_finish(struct call *call, const struct answer *answer)
{
    struct pool *pool = call->pool;
    assert(pool->calls > 0);
    pool->calls--;
    call->next = NULL;
    call->done(call, answer);
}

/* The engine has not answered it. If it may have been done, that is what the asker has to know. */
void upstream_unanswered(struct call *call, const struct answer *answer)
{
    char text[768];
    if (!call->resent || call->lane != LANE_CHANGE) {
        upstream_finish(call, answer);
        return;
    }
    snprintf(text, sizeof text,
             "the connection to the engine was lost, so this may have been done: sending it again "
             "with the same id settles that; %.500s",
             answer->message);
    upstream_finish(call, &(struct answer){ .code = PROBLEM_AWAY, .message = text });
}

void upstream_away(struct call *call, const char *why)
{
    upstream_unanswered(call, &(struct answer){ .code = PROBLEM_AWAY, .message = why });
}

struct call *upstream_take_all(struct call **first, struct call ***last)
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

/* Takes it out of its lane; its client stays. Returns what was in flight. */
static struct call *link_remove(struct link *link)
{
    struct lane_state *lane = &link->pool->lanes[link->lane];
    struct link **at = &lane->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    lane->count--;
    unlist(link);
    struct call *calls = upstream_take_all(&link->first, &link->last);
    watch_bury(link->upstream->watcher, &link->watch);
    return calls;
}

struct call *upstream_link_close(struct link *link)
{
    stockd_close(link->client);
    link->client = NULL;
    return link_remove(link);
}

/* Nothing is in flight: its client goes on elsewhere, if it knows where and is needed. */
void upstream_link_leave(struct link *link)
{
    struct pool *pool = link->pool;
    struct lane_state *lane = &pool->lanes[link->lane];
    int64_t now = *link->upstream->now_ms;
    if (link->knows && !lane->dialing && !lane->moving) {
        unsigned rounds = lane->moves / MOVES_AT_ONCE;
        lane->moves++;
        lane->next_dial_ms =
            now + (rounds < 4 ? MOVES_PAUSE_MS * ((1 << rounds) - 1) : MOVES_MOST_MS);
        watch_remove(link->upstream->watcher, stockd_fd(link->client));
        lane->moving = link->client;
        (void)link_remove(link);
    } else {
        (void)upstream_link_close(link);
    }
    upstream_dial_if_awaited(pool, lane);
}

/* The connection is gone. Of several nodes its client knows which was the last. */
static struct call *link_drop(struct link *link)
{
    struct lane_state *lane = &link->pool->lanes[link->lane];
    if (!link->upstream->several || lane->moving || stockd_fd(link->client) >= 0)
        return upstream_link_close(link);
    lane->moves++;
    lane->moving = link->client;
    return link_remove(link);
}

void upstream_link_lost(struct link *link, const char *why)
{
    struct upstream *upstream = link->upstream;
    struct pool *pool = link->pool;
    char reason[256];
    bool several = upstream->several;
    snprintf(reason, sizeof reason,
             "the connection to the engine was lost, so it is not known "
             "whether this was done; %s",
             why);
    for (struct call *call = link_drop(link), *next; call; call = next) {
        next = call->next;
        if (call->again && (several || !call->resent)) {
            call->resent = true;
            upstream_route(upstream, pool, call);
        } else {
            upstream_finish(call, &(struct answer){ .code = PROBLEM_AWAY, .message = reason });
        }
    }
}

static const char unknown_outcome[] = "a change with an id may be sent again with the same id";

/* What a call is told whose time is over before a node takes it. */
static void note_away(struct pool *pool, const char *why)
{
    snprintf(pool->code, sizeof pool->code, "%s", PROBLEM_AWAY);
    snprintf(pool->message, sizeof pool->message, "%s", why);
}

/* After a search: a change was taken here, so this is the primary. */
static void note_served(struct link *link)
{
    struct lane_state *lane = &link->pool->lanes[link->lane];
    if (lane->moves > 0 && link->lane == LANE_CHANGE && !link->leaving)
        dialer_found(link->upstream->dialer, stockd_address(link->client));
    lane->moves = 0;
}

static void link_receive(struct link *link)
{
    for (;;) {
        stockd_reply reply;
        int status = stockd_try_receive(link->client, &reply);
        if (status == STOCKD_E_AGAIN)
            return;
        if (status != STOCKD_OK && status != STOCKD_REFUSED) {
            upstream_link_lost(link, unknown_outcome);
            return;
        }
        struct call *call = link->first;
        assert(call && link->in_flight > 0); /* the client answers only what is in flight */
        link->first = call->next;
        if (!link->first)
            link->last = &link->first;
        link->in_flight--;
        link->pool->used_ms = *link->upstream->now_ms;
        if (status == STOCKD_REFUSED && stockd_follow(link->client, &reply)) {
            link->leaving = link->knows = true;
            note_away(link->pool, stockd_error_message(link->client));
            upstream_route(link->upstream, link->pool, call);
        } else {
            note_served(link);
            upstream_finish(
                call, &(struct answer){ reply.code, reply.message, reply.result, reply.details });
        }
        if (link->leaving && link->in_flight == 0) {
            upstream_link_leave(link);
            return;
        }
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

void upstream_link_send(struct link *link, struct call *call)
{
    int status = stockd_send(link->client, call->method, call->params.data, call->params.len, NULL);
    if (status == STOCKD_OK) {
        call->next = NULL;
        *link->last = call;
        link->last = &call->next;
        link->in_flight++;
        list_unflushed(link);
    } else if (status == STOCKD_E_AGAIN || status == STOCKD_E_MEMORY) {
        upstream_unanswered(call,
                            &(struct answer){ .code = "overloaded",
                                              .message = "too much is waiting for the engine" });
    } else {
        upstream_away(call, stockd_error_message(link->client));
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
bool upstream_link_open(struct pool *pool, enum lane lane, stockd_client *client)
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
