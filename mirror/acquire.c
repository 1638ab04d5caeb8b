/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/acquire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What Redis holds on a new connection. */
struct mirror_found {
    struct fence fence;
    bool has_fence;
    bool wrong_mirror, wrong_stream; /* the key has another type */
    struct stream_id last_id;        /* of the stream; zero if there is none */
    bool wrong_events;
    struct told_events events;
};

static void ask(struct exchange *e)
{
    struct commands *c = &e->redis->commands;
    command(c, "WATCH", 2);
    argument_string(c, e->keys->fence);
    command(c, "GET", 2);
    argument_string(c, e->keys->fence);
    command(c, "TYPE", 2);
    argument_string(c, e->keys->mirror);
    command(c, "TYPE", 2);
    argument_string(c, e->keys->changes);
    command(c, "XINFO", 3);
    argument_string(c, "STREAM");
    argument_string(c, e->keys->changes);
    command(c, "TYPE", 2);
    argument_string(c, e->keys->events);
    command(c, "XINFO", 3);
    argument_string(c, "STREAM");
    argument_string(c, e->keys->events);
    command(c, "XREVRANGE", 6);
    argument_string(c, e->keys->events);
    argument_string(c, "+");
    argument_string(c, "-");
    argument_string(c, "COUNT");
    argument_string(c, "1");
}

static bool receive_type(struct exchange *e, const char *wanted, bool *wrong)
{
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_STATUS;
    if (good)
        *wrong = strcmp(reply->str, wanted) != 0 && strcmp(reply->str, "none") != 0;
    else
        redis_fail_reply(e->redis, "TYPE", reply);
    freeReplyObject(reply);
    return good;
}

/* XINFO STREAM returns pairs of name and value, or an error if there is no stream. */
static bool receive_stream(struct exchange *e, struct stream_id *id)
{
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    *id = (struct stream_id){ 0, 0 };
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        const redisReply *value = reply->element[i + 1];
        if (name->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING &&
            strcmp(name->str, "last-generated-id") == 0)
            stream_id_parse(id, value->str, value->len);
    }
    freeReplyObject(reply);
    return true;
}

/* An entry is its ID, and a list of names and values. */
static void read_entry(const redisReply *entry, struct told_events *events)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING ||
        !stream_id_parse(&events->entry_id, entry->element[0]->str, entry->element[0]->len))
        return;
    events->has_entry = true;
    const redisReply *fields = entry->element[1];
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, "lsn") == 0)
            events->lsn = strtoull(fields->element[i + 1]->str, NULL, 10);
}

/* The last entry; an error if the key has another type. */
static bool receive_last_event(struct exchange *e, struct told_events *events)
{
    redisReply *reply = redis_receive(e->redis);
    if (!reply)
        return false;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
        read_entry(reply->element[0], events);
    freeReplyObject(reply);
    return true;
}

static bool receive_found(struct exchange *e, struct mirror_found *found)
{
    return exchange_receive_fence(e, &found->fence, &found->has_fence) &&
           receive_type(e, "hash", &found->wrong_mirror) &&
           receive_type(e, "stream", &found->wrong_stream) && receive_stream(e, &found->last_id) &&
           receive_type(e, "stream", &found->wrong_events) &&
           receive_stream(e, &found->events.last_id) && receive_last_event(e, &found->events);
}

static void clear_way(struct acquirer *a, struct transaction *t, const char *key)
{
    report_error(a->report, "%s had another type and was replaced", key);
    command(&t->commands, "DEL", 2);
    argument_string(&t->commands, key);
    transaction_note(t, NO_ITEM);
    metric_add(&a->exchange->metrics->repaired, 1);
}

/* Logs the success, and which engine had the fence. */
static void report_acquired(struct acquirer *a, const struct mirror_found *found, bool doubtful)
{
    char from[64] = "";
    if (found->has_fence && found->fence.run != a->exchange->fence.run)
        snprintf(from, sizeof from, ", taken over from engine %016llx",
                 (unsigned long long)found->fence.run);
    report_recovery(a->report, "%s: %s", from,
                    doubtful ? "comparing all items" : "holds the last transaction, continuing");
}

static bool set_fence(struct acquirer *a, const struct mirror_found *found)
{
    struct exchange *e = a->exchange;
    struct transaction t = { 0 };
    if (found->wrong_mirror)
        clear_way(a, &t, e->keys->mirror);
    if (found->wrong_stream)
        clear_way(a, &t, e->keys->changes);
    if (found->wrong_events)
        clear_way(a, &t, e->keys->events);
    e->fence.connection++;
    bool done = exchange_run(e, &t, &e->follow->confirmed);
    transaction_free(&t);
    return done;
}

enum acquired acquire_fence(struct acquirer *a)
{
    struct exchange *e = a->exchange;
    struct mirror_found state = { 0 };
    ask(e);
    if (!redis_send(e->redis) || !receive_found(e, &state))
        return ACQUIRE_FAILED;
    const struct fence *found = state.has_fence ? &state.fence : NULL;
    enum fence_verdict verdict = fence_judge(found, &e->fence, e->sent);
    if (verdict == FENCE_NEWER && a->forced) {
        e->fence.start_ms = state.fence.start_ms + 1;
        verdict = FENCE_DOUBTFUL;
    }
    if (verdict == FENCE_NEWER) {
        redis_fail(e->redis, "engine %016llx, which started later, writes to this Redis",
                   (unsigned long long)state.fence.run);
        return ACQUIRE_FENCED;
    }
    if (verdict == FENCE_OURS)
        e->fence.batch = state.fence.batch; /* may be one more than a reply has confirmed */
    if (verdict == FENCE_DOUBTFUL) {
        follow_doubt(e->follow);
        metric_add(&e->metrics->resyncs, 1);
    }
    if (stream_id_less(a->publisher->last_id, state.last_id))
        a->publisher->last_id = state.last_id;
    tell_resume(a->teller, &state.events);
    if (!set_fence(a, &state))
        return ACQUIRE_FAILED;
    a->forced = false; /* whichever engine had the fence: forcing is for one connection only */
    report_acquired(a, &state, verdict == FENCE_DOUBTFUL);
    return ACQUIRED;
}
