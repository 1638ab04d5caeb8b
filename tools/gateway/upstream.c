/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/upstream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gateway/problem.h"
#include "tools/gateway/upstream_state.h"

enum {
    POOLS_MAX = 1024,
    CROWDED = 32,    /* in flight on each link of a lane: another one is opened */
    BACKOFF_MS = 50, /* after a failed dial, then doubled */
    BACKOFF_MOST_MS = 1000,
    REFUSED_MS = 500, /* for so long a refused token is refused without asking */
    IDLE_MS = 60000,  /* a pool without calls is closed */
    CONNECT_MS = 5000,
};

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
/* ---- dialing ---- */

static void fail_waiting(struct lane_state *lane, const struct answer *answer)
{
    for (struct call *call = upstream_take_all(&lane->first, &lane->last), *next; call;
         call = next) {
        next = call->next;
        upstream_unanswered(call, answer);
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
    if (dial->status == STOCKD_OK && upstream_link_open(pool, which, dial->client)) {
        lane->backoff_ms = 0;
        for (struct call *call = upstream_take_all(&lane->first, &lane->last), *next; call;
             call = next) {
            next = call->next;
            upstream_route(upstream, pool, call);
        }
        return;
    }
    struct answer answer = upstream_refusal(dial);
    note_refusal(pool, lane, &answer);
    bool search = upstream->several && strcmp(answer.code, PROBLEM_AWAY) == 0;
    if (!search)
        fail_waiting(lane, &answer);
    if (search && dial->again && dial->client)
        lane->moving = dial->client; /* it remembers the term */
    else
        stockd_close(dial->client);
}

static void dial_lane(struct pool *pool, enum lane which)
{
    struct lane_state *lane = &pool->lanes[which];
    lane->dialing = true;
    pool->upstream->dialing++;
    lane->dial = (struct dial){ .errand = { .inbox = pool->upstream->inbox, .done = on_dialed },
                                .options = upstream_options(pool->token),
                                .client = lane->moving,
                                .again = lane->moving != NULL,
                                .owner = pool };
    lane->moving = NULL;
    dialer_ask(pool->upstream->dialer, &lane->dial);
}

/* Calls may wait for the first connection of a lane that has none. */
void upstream_dial_if_awaited(struct pool *pool, struct lane_state *lane)
{
    if (lane->first && !lane->dialing && !lane->links &&
        *pool->upstream->now_ms >= lane->next_dial_ms)
        dial_lane(pool, (enum lane)(lane - pool->lanes));
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
            for (struct call *call = upstream_link_close(pool->lanes[i].links), *next; call;
                 call = next) {
                next = call->next;
                upstream_away(call, why);
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
        for (unsigned i = 0; i < LANES; i++)
            stockd_close(pool->lanes[i].moving);
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

/* NULL: there is none that takes calls. */
static struct link *calmest(const struct lane_state *lane)
{
    struct link *best = NULL;
    for (struct link *link = lane->links; link; link = link->next)
        if (!link->leaving && (!best || link->in_flight < best->in_flight))
            best = link;
    return best;
}

void upstream_route(struct upstream *upstream, struct pool *pool, struct call *call)
{
    struct lane_state *lane = &pool->lanes[call->lane];
    int64_t now = *upstream->now_ms;
    unsigned crowded = call->lane == LANE_SLOW ? 1 : CROWDED;
    struct link *link = calmest(lane);
    pool->used_ms = now;
    if (link ? link->in_flight >= crowded && lane->count < upstream->settings.connections
             : !lane->links)
        if (!lane->dialing && now >= lane->next_dial_ms)
            dial_lane(pool, call->lane);
    if (link) {
        upstream_link_send(link, call);
    } else if (lane->dialing || lane->links || lane->moving || upstream->several) {
        call->next = NULL;
        *lane->last = call;
        lane->last = &call->next;
    } else {
        upstream_unanswered(call, &(struct answer){ .code = pool->code, .message = pool->message });
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
        upstream_finish(call, &(struct answer){ .code = pool->code, .message = pool->message });
    else
        upstream_route(upstream, pool, call);
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
        upstream_link_lost(link, "the engine did not answer in time");
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
        const char *why = "the engine cannot be reached in time";
        if (call->pool->upstream->several && call->pool->message[0] != '\0')
            why = call->pool->message;
        upstream_away(call, why);
    }
}

/* U5: connections to other nodes take no more calls. */
static void sweep_elsewhere(struct upstream *upstream, struct lane_state *lane)
{
    for (struct link *link = lane->links, *next; link; link = next) {
        next = link->next;
        if (dialer_is_primary(upstream->dialer, stockd_address(link->client)))
            continue;
        link->leaving = true;
        if (link->in_flight == 0)
            upstream_link_leave(link);
    }
}

void upstream_sweep(struct upstream *upstream)
{
    int64_t now = *upstream->now_ms;
    unsigned changes = dialer_changes(upstream->dialer);
    bool elsewhere = changes != upstream->changes;
    upstream->changes = changes;
    for (struct pool *pool = upstream->pools; pool; pool = pool->next)
        for (unsigned i = 0; i < LANES; i++) {
            struct lane_state *lane = &pool->lanes[i];
            sweep_links(lane, now);
            sweep_waiting(lane, now);
            if (elsewhere)
                sweep_elsewhere(upstream, lane);
            upstream_dial_if_awaited(pool, lane);
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
