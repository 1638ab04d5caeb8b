/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/exchange.h"

#include <stdio.h>

#include "mirror/clock.h"

void exchange_init(struct exchange *e, uint64_t start_ms, uint64_t run)
{
    e->fence = (struct fence){ .start_ms = start_ms, .run = run };
    snprintf(e->engine, sizeof e->engine, "%016llx", (unsigned long long)run);
}

/* ---- requests ---- */

/*
 * behind_ms: how much older than time_ms the shown values may be; a millisecond or two while the
 * state is live. While it is syncing, items may show even older values.
 */
void exchange_heartbeat(const struct exchange *e, struct commands *c,
                        const struct position *position)
{
    uint64_t now = wall_ms();
    command(c, "HSET", 12);
    argument_string(c, e->keys->mirror);
    argument_string(c, "lsn");
    argument_lsn(c, position_lsn(position));
    argument_string(c, "time_ms");
    argument_lsn(c, now);
    argument_string(c, "engine");
    argument_string(c, e->engine);
    argument_string(c, "state");
    argument_string(c, position_is_live(position) ? "live" : "syncing");
    argument_string(c, "behind_ms");
    argument_lsn(c, now > position->as_of_ms ? now - position->as_of_ms : 0);
}

void exchange_append(struct exchange *e, const struct transaction *t,
                     const struct position *position)
{
    struct commands *c = &e->redis->commands;
    char fence[FENCE_MAX];
    struct fence next = e->fence;
    next.batch = ++e->sent;
    fence_format(&next, fence);
    command(c, "MULTI", 1);
    commands_append(c, &t->commands);
    exchange_heartbeat(e, c, position);
    command(c, "SET", 3);
    argument_string(c, e->keys->fence);
    argument_string(c, fence);
    command(c, "EXEC", 1);
    command(c, "WATCH", 2);
    argument_string(c, e->keys->fence);
    command(c, "GET", 2);
    argument_string(c, e->keys->fence);
}

bool exchange_send(struct exchange *e)
{
    e->sent_us = steady_us();
    metric_add(&e->metrics->commands, e->redis->commands.count);
    return redis_send(e->redis);
}

/* ---- replies ---- */

static bool receive_ok(struct exchange *e, const char *what)
{
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_STATUS;
    if (!good)
        redis_fail_reply(e->redis, what, reply);
    freeReplyObject(reply);
    return good;
}

bool exchange_receive_fence(struct exchange *e, struct fence *fence, bool *found)
{
    if (!receive_ok(e, "WATCH"))
        return false;
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    /* A key of another type is not a fence; SET will replace it. */
    bool good = reply->type != REDIS_REPLY_ERROR || reply_is_error(reply, "WRONGTYPE");
    *found = reply->type == REDIS_REPLY_STRING && fence_parse(fence, reply->str, reply->len);
    if (!good)
        redis_fail_reply(e->redis, "GET of the fence", reply);
    freeReplyObject(reply);
    return good;
}

/* Reads the replies to MULTI and to each command: an error means that EXEC will refuse. */
static bool receive_queued(struct exchange *e, uint32_t count, char *refusal, size_t size)
{
    refusal[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        redisReply *reply = redis_receive(e->redis);
        if (!reply)
            return false;
        if (reply->type == REDIS_REPLY_ERROR && !refusal[0])
            snprintf(refusal, size, "%s", reply->str);
        freeReplyObject(reply);
    }
    return true;
}

/* Checks the result of each command. An item whose key has another type is repaired in the next
 * round; any other error fails the connection. */
static bool check_results(struct exchange *e, const struct transaction *t,
                          const redisReply *results)
{
    if (results->elements != t->commands.count + 2)
        return redis_fail(e->redis, "EXEC: %zu replies instead of %u", results->elements,
                          t->commands.count + 2);
    for (uint32_t i = 0; i < results->elements; i++) {
        const redisReply *result = results->element[i];
        if (result->type != REDIS_REPLY_ERROR)
            continue;
        uint32_t item = i < t->commands.count ? t->items[i] : NO_ITEM;
        if (item == NO_ITEM || !reply_is_error(result, "WRONGTYPE"))
            return redis_fail_reply(e->redis, "EXEC", result);
        follow_suspect(e->follow, item);
    }
    return true;
}

static bool receive_exec(struct exchange *e, const struct transaction *t, const char *refusal)
{
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    bool good = false;
    if (reply->type == REDIS_REPLY_NIL)
        redis_fail(e->redis, "Redis was emptied, or another engine writes to it");
    else if (refusal[0])
        redis_fail(e->redis, "%s", refusal);
    else if (reply->type != REDIS_REPLY_ARRAY)
        redis_fail_reply(e->redis, "EXEC", reply);
    else
        good = check_results(e, t, reply);
    freeReplyObject(reply);
    return good;
}

bool exchange_receive(struct exchange *e, const struct transaction *t)
{
    char refusal[128];
    struct fence found;
    bool has_fence;
    uint32_t queued =
        1 + t->commands.count + 2; /* MULTI; the heartbeat and the fence are the two */
    if (!receive_queued(e, queued, refusal, sizeof refusal) || !receive_exec(e, t, refusal) ||
        !exchange_receive_fence(e, &found, &has_fence))
        return false;
    e->fence.batch = e->sent;
    if (!has_fence || found.run != e->fence.run || found.batch != e->sent)
        return redis_fail(e->redis, "Redis was emptied, or another engine writes to it");
    metric_set(&e->metrics->fence_connection, e->fence.connection);
    metric_set(&e->metrics->fence_batch, e->fence.batch);
    return true;
}

bool exchange_run(struct exchange *e, const struct transaction *t, const struct position *position)
{
    exchange_append(e, t, position);
    return exchange_send(e) && exchange_receive(e, t);
}
