/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming the one who writes: judging the fence, and setting it to one's own. */
#include <stdio.h>
#include <string.h>

#include "mirror/inside.h"

/* What was found on a new connection. */
struct finding {
    struct fence fence;
    bool has_fence;
    bool wrong_mirror, wrong_stream; /* keys of another type are in the way */
    struct stream_id last_id;        /* zero: there is no stream */
};

static void ask(struct mirror *m)
{
    struct commands *c = &m->redis.commands;
    command(c, "WATCH", 2);
    argument_string(c, m->fence_key);
    command(c, "GET", 2);
    argument_string(c, m->fence_key);
    command(c, "TYPE", 2);
    argument_string(c, m->mirror_key);
    command(c, "TYPE", 2);
    argument_string(c, m->stream_key);
    command(c, "XINFO", 3);
    argument_string(c, "STREAM");
    argument_string(c, m->stream_key);
}

static bool receive_ok(struct mirror *m, const char *what)
{
    redisReply *reply = redis_receive(&m->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_STATUS;
    if (!good)
        redis_fail_reply(&m->redis, what, reply);
    freeReplyObject(reply);
    return good;
}

bool receive_fence(struct mirror *m, struct fence *fence, bool *found)
{
    if (!receive_ok(m, "WATCH"))
        return false;
    redisReply *reply = redis_receive(&m->redis);
    if (!reply)
        return false;
    /* A key of another type is no fence of anybody's; SET will replace it. */
    bool good = reply->type != REDIS_REPLY_ERROR || reply_is_error(reply, "WRONGTYPE");
    *found = reply->type == REDIS_REPLY_STRING && fence_parse(fence, reply->str, reply->len);
    if (!good)
        redis_fail_reply(&m->redis, "GET of the fence", reply);
    freeReplyObject(reply);
    return good;
}

static bool receive_type(struct mirror *m, const char *wanted, bool *wrong)
{
    redisReply *reply = redis_receive(&m->redis);
    if (!reply)
        return false;
    bool good = reply->type == REDIS_REPLY_STATUS;
    if (good)
        *wrong = strcmp(reply->str, wanted) != 0 && strcmp(reply->str, "none") != 0;
    else
        redis_fail_reply(&m->redis, "TYPE", reply);
    freeReplyObject(reply);
    return good;
}

/* XINFO STREAM is pairs of names and values; an error where there is no stream. */
static bool receive_stream(struct mirror *m, struct stream_id *id)
{
    redisReply *reply = redis_receive(&m->redis);
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

static bool receive_finding(struct mirror *m, struct finding *finding)
{
    return receive_fence(m, &finding->fence, &finding->has_fence) &&
           receive_type(m, "hash", &finding->wrong_mirror) &&
           receive_type(m, "stream", &finding->wrong_stream) &&
           receive_stream(m, &finding->last_id);
}

static void clear_way(struct mirror *m, const char *key)
{
    report_error(&m->report, "a key of another type was in the way of %s, and was replaced", key);
    command(&m->next.commands, "DEL", 2);
    argument_string(&m->next.commands, key);
    transaction_note(&m->next, NO_ITEM);
    metric_add(&m->metrics.repaired, 1);
}

/* Whom it was taken from, if anybody; for people. */
static void say_taken(struct mirror *m, const struct finding *finding, bool doubtful)
{
    char from[64] = "";
    if (finding->has_fence && finding->fence.run != m->fence.run)
        snprintf(from, sizeof from, ", taken over from engine %016llx",
                 (unsigned long long)finding->fence.run);
    report_recovery(&m->report, "%s: %s", from,
                    doubtful ? "comparing all items" : "holds what it was told last, going on");
}

static bool set_fence(struct mirror *m, const struct finding *finding)
{
    transaction_clear(&m->next);
    if (finding->wrong_mirror)
        clear_way(m, m->mirror_key);
    if (finding->wrong_stream)
        clear_way(m, m->stream_key);
    m->fence.connection++;
    if (!exchange_beat(m, &m->next, &m->confirmed))
        return false;
    transaction_clear(&m->next);
    return true;
}

enum taken take_fence(struct mirror *m)
{
    struct finding finding = { 0 };
    ask(m);
    if (!redis_send(&m->redis) || !receive_finding(m, &finding))
        return TAKE_FAILED;
    const struct fence *found = finding.has_fence ? &finding.fence : NULL;
    enum fence_verdict verdict = fence_judge(found, &m->fence, m->sent);
    if (verdict == FENCE_NEWER && m->asked) {
        m->fence.start_ms = finding.fence.start_ms + 1;
        verdict = FENCE_DOUBTFUL;
    }
    if (verdict == FENCE_NEWER) {
        redis_fail(&m->redis, "engine %016llx, which started later, writes this Redis",
                   (unsigned long long)finding.fence.run);
        return TAKE_FENCED;
    }
    if (verdict == FENCE_OURS)
        m->fence.batch = finding.fence.batch; /* it may have been applied without our knowing */
    if (verdict == FENCE_DOUBTFUL) {
        follow_doubt(&m->follow);
        m->confirmed = m->follow.at;
        metric_add(&m->metrics.resyncs, 1);
    }
    if (stream_id_less(m->last_id, finding.last_id))
        m->last_id = finding.last_id;
    if (!set_fence(m, &finding))
        return TAKE_FAILED;
    m->asked = false; /* done, whosever the fence was: it must not outlive this connection */
    say_taken(m, &finding, verdict == FENCE_DOUBTFUL);
    return TAKEN;
}
