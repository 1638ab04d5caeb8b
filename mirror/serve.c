/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds: one transaction is on its way to Redis while the next batch is read from the engine.
 *
 * The questions of the next batch's looks go out behind the transaction, so that their answers come
 * with its answer: a round is one round trip.
 */
#include <stdio.h>

#include "mirror/clock.h"
#include "mirror/inside.h"

enum {
    PACE_US = 1000,      /* between two looks at the marks, when there is work */
    IDLE_PACE_US = 4000, /* when there was none for a while */
    IDLE_AFTER_US = 100000,
    WAIT_US = 200,       /* between two looks at what the log has acknowledged */
    LONG_WAIT_US = 5000, /* when it stands still */
    STANDS_STILL_US = 50000,
    QUICK_US = 4000, /* a round trip that says that Redis could take more at once */
    SLOW_US = 10000, /* or that it should be less */
    BURST_US = 100000,
    BUSY_LOOK_US = 100000,
    BUSY_BYTES = 32 << 20, /* of log a second: some 560,000 changes */
};

/* ---- answers ---- */

/* The answers to MULTI and to each command: an error means that EXEC will refuse. */
static bool receive_queued(struct mirror *m, uint32_t count, char *refusal, size_t size)
{
    refusal[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        redisReply *reply = redis_receive(&m->redis);
        if (!reply)
            return false;
        if (reply->type == REDIS_REPLY_ERROR && !refusal[0])
            snprintf(refusal, size, "%s", reply->str);
        freeReplyObject(reply);
    }
    return true;
}

/* What became of the commands. A key of another type in an item's way is mended in the next round;
 * whatever else goes wrong is looked at anew from the beginning. */
static bool check_results(struct mirror *m, const struct transaction *t, const redisReply *results)
{
    if (results->elements != t->commands.count + 2)
        return redis_fail(&m->redis, "EXEC: %zu answers instead of %u", results->elements,
                          t->commands.count + 2);
    for (uint32_t i = 0; i < results->elements; i++) {
        const redisReply *result = results->element[i];
        if (result->type != REDIS_REPLY_ERROR)
            continue;
        uint32_t item = i < t->commands.count ? t->items[i] : NO_ITEM;
        if (item == NO_ITEM || !reply_is_error(result, "WRONGTYPE"))
            return redis_fail_reply(&m->redis, "EXEC", result);
        follow_suspect(&m->follow, item);
    }
    return true;
}

static bool receive_exec(struct mirror *m, const struct transaction *t, const char *refusal)
{
    redisReply *reply = redis_receive(&m->redis);
    if (!reply)
        return false;
    bool good = false;
    if (reply->type == REDIS_REPLY_NIL)
        redis_fail(&m->redis, "Redis was emptied, or another engine writes it");
    else if (refusal[0])
        redis_fail(&m->redis, "%s", refusal);
    else if (reply->type != REDIS_REPLY_ARRAY)
        redis_fail_reply(&m->redis, "EXEC", reply);
    else
        good = check_results(m, t, reply);
    freeReplyObject(reply);
    return good;
}

static bool receive_transaction(struct mirror *m, const struct transaction *t)
{
    char refusal[128];
    struct fence found;
    bool has_fence;
    uint32_t queued = 1 + t->commands.count + 2; /* MULTI; the beat and the fence are the two */
    if (!receive_queued(m, queued, refusal, sizeof refusal) || !receive_exec(m, t, refusal) ||
        !receive_fence(m, &found, &has_fence))
        return false;
    m->fence.batch = m->sent;
    if (!has_fence || found.run != m->fence.run || found.batch != m->sent)
        return redis_fail(&m->redis, "Redis was emptied, or another engine writes it");
    metric_set(&m->metrics.fence_connection, m->fence.connection);
    metric_set(&m->metrics.fence_batch, m->fence.batch);
    return true;
}

/* Redis has applied all up to there. */
static void confirm(struct mirror *m, const struct position *position)
{
    m->confirmed = *position;
    bool live = !position->pass.mandatory && !position->backlog.active;
    metric_set(&m->metrics.state, live ? MIRROR_LIVE : MIRROR_SYNCING);
    metric_set(&m->metrics.lsn, position_lsn(position));
    metric_set(&m->metrics.as_of_ms, position->as_of_ms);
}

static bool send_commands(struct mirror *m)
{
    m->beat_us = steady_us();
    metric_add(&m->metrics.commands, m->redis.commands.count);
    return redis_send(&m->redis);
}

bool exchange_beat(struct mirror *m, const struct transaction *t, const struct position *position)
{
    show_transaction(m, t, position);
    return send_commands(m) && receive_transaction(m, t);
}

/* ---- rounds ---- */

/* So many items at once that a round trip takes a few milliseconds: Redis does nothing else while
 * it applies a transaction. */
static void adapt(struct mirror *m, const struct batch *batch, uint64_t took_us)
{
    uint32_t limit = m->follow.limit;
    if (took_us > SLOW_US && batch->count >= limit / 2)
        limit -= limit / 4;
    else if (took_us < QUICK_US && (batch->full || batch->looks >= limit / 2))
        limit += limit / 4;
    m->follow.limit = limit < BATCH_LEAST ? BATCH_LEAST : limit > BATCH_MOST ? BATCH_MOST : limit;
    metric_set(&m->metrics.batch_items, m->follow.limit);
    metric_set(&m->metrics.round_trip_us, took_us);
}

static void read_next(struct mirror *m, struct batch *batch)
{
    m->read_us = steady_us();
    follow_read(&m->follow, batch, wall_ms());
    batch->read = true;
}

/* Is the log growing as it does when the engine has its hands full? Looked at now and then. */
static bool engine_busy(struct mirror *m, uint64_t now)
{
    uint64_t passed = now - m->busy_us;
    if (passed >= BUSY_LOOK_US) {
        uint64_t head = log_head(m->config.log);
        m->busy = (head - m->busy_head) * 1000000 / passed > BUSY_BYTES;
        m->busy_us = now;
        m->busy_head = head;
    }
    return m->busy;
}

/*
 * The rate's budget, with BURST_US saved at most. It counts only while the engine is busy: where
 * it, its clients and Redis share too few processors, what is shown a little later costs less than
 * what is sold more slowly.
 */
static void spend(struct mirror *m, uint32_t items)
{
    uint64_t now = steady_us();
    if (m->config.rate == 0 || !engine_busy(m, now))
        m->paid_us = 0;
    else if (m->paid_us + BURST_US < now)
        m->paid_us = now - BURST_US;
    if (m->paid_us)
        m->paid_us += items * UINT64_C(1000000) / m->config.rate;
}

static void await_budget(struct mirror *m)
{
    while (m->paid_us > steady_us() && !wake_stopping(&m->wake))
        wake_pause(&m->wake, m->paid_us);
}

static bool round_trip(struct mirror *m, struct batch *now, struct batch *next)
{
    struct follow *f = &m->follow;
    uint64_t start = steady_us();
    for (uint32_t i = now->looks; i < now->count; i++)
        show_item(m, now, &now->changes[i], SHOW_NOTIFY);
    now->position = f->at;
    follow_look(f, next, start - m->audit_us >= BEAT_MS * 1000);
    if (next->looks || next->scans)
        m->audit_us = start;
    show_transaction(m, &m->next, &now->position);
    ask_looks(m, next);
    if (!send_commands(m))
        return false;
    spend(m, now->count - now->looks);
    if ((now->full && m->paid_us <= start) || next->looks)
        read_next(m, next); /* while Redis works */
    if (!receive_transaction(m, &m->next))
        return false;
    transaction_clear(&m->next);
    if (!take_looks(m, next))
        return false;
    metric_add(&m->metrics.batches, 1);
    metric_add(&m->metrics.items_sent, now->count - now->looks);
    confirm(m, &now->position);
    adapt(m, now, steady_us() - start);
    return true;
}

/* What was read must not be shown before a crash can no longer take it back. */
static bool wait_acknowledged(struct mirror *m, const struct batch *batch)
{
    uint64_t start = steady_us();
    while (log_acknowledged(m->config.log) < batch->shown_until) {
        uint64_t now = steady_us();
        if (wake_stopping(&m->wake) && now >= m->wake.stop_by_ms * 1000)
            return false;
        if (now - m->beat_us >= BEAT_MS * 1000) {
            mirror_tick(m);
            if (!exchange_beat(m, &m->nothing, &m->confirmed))
                return false;
        }
        wake_pause(&m->wake, now + (now - start > STANDS_STILL_US ? LONG_WAIT_US : WAIT_US));
    }
    return true;
}

static bool worth_sending(const struct mirror *m, const struct batch *batch)
{
    return batch->count > batch->looks || m->next.commands.count > 0 ||
           m->follow.at.pass.mandatory || m->follow.suspect_count > 0;
}

static void pace(struct mirror *m)
{
    uint64_t now = steady_us();
    uint64_t idle = now - m->work_us > IDLE_AFTER_US ? IDLE_PACE_US : PACE_US;
    uint64_t until = m->read_us + idle;
    if (until > now && !m->follow.at.pass.mandatory)
        wake_pause(&m->wake, until);
}

void serve(struct mirror *m)
{
    struct batch *now = m->batches[0];
    struct batch *next = m->batches[1];
    batch_clear(now);
    transaction_clear(&m->next);
    while (m->redis.context) {
        mirror_tick(m);
        if (!now->read) {
            pace(m);
            await_budget(m);
            read_next(m, now);
        }
        bool work = worth_sending(m, now);
        bool stopping = wake_stopping(&m->wake);
        if (stopping && (!work || steady_ms() >= m->wake.stop_by_ms))
            break;
        if (work)
            m->work_us = steady_us();
        if (!work && steady_us() - m->beat_us < BEAT_MS * 1000) {
            batch_clear(now);
            continue;
        }
        batch_clear(next);
        if (!wait_acknowledged(m, now) || !round_trip(m, now, next))
            break;
        struct batch *done = now;
        now = next;
        next = done;
    }
}
