/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/sync_loop.h"

#include <stdlib.h>

#include "mirror/clock.h"

enum {
    WAIT_US = 200,       /* between two reads of the acknowledged LSN */
    LONG_WAIT_US = 5000, /* once it has stood still for STANDS_STILL_US */
    STANDS_STILL_US = 50000,
    QUICK_US = 4000, /* a shorter round trip: larger batches */
    SLOW_US = 10000, /* a longer one: smaller batches */
    RATES_US = 1000000,
};

bool sync_loop_init(struct sync_loop *s)
{
    s->batches[0] = calloc(1, sizeof *s->batches[0]);
    s->batches[1] = calloc(1, sizeof *s->batches[1]);
    return s->batches[0] && s->batches[1];
}

void sync_loop_destroy(struct sync_loop *s)
{
    transaction_free(&s->next);
    free(s->batches[0]);
    free(s->batches[1]);
}

void sync_loop_tick(struct sync_loop *s)
{
    uint64_t now = steady_us();
    uint64_t passed = now - s->rates_us;
    if (passed < RATES_US)
        return;
    uint64_t commands = atomic_load_explicit(&s->metrics->commands, memory_order_relaxed);
    metric_set(&s->metrics->commands_per_s, (commands - s->rates_commands) * 1000000 / passed);
    metric_set(&s->metrics->dirty, follow_dirty(s->follow));
    s->rates_us = now;
    s->rates_commands = commands;
}

void sync_loop_rewind(struct sync_loop *s)
{
    bool suspicious = s->batches[0]->suspicious || s->batches[1]->suspicious;
    follow_rewind(s->follow);
    batch_clear(s->batches[0]);
    batch_clear(s->batches[1]);
    if (suspicious)
        follow_doubt(s->follow);
}

/* Redis has applied everything up to that position. */
static void confirm(struct sync_loop *s, const struct position *position)
{
    s->follow->confirmed = *position;
    tell_confirm(s->teller);
    metric_set(&s->metrics->state, position_is_live(position) ? MIRROR_LIVE : MIRROR_SYNCING);
    metric_set(&s->metrics->lsn, position_lsn(position));
    metric_set(&s->metrics->as_of_ms, position->as_of_ms);
}

/* ---- rounds ---- */

/* Sizes batches so that a round trip takes a few milliseconds: Redis serves no other client while
 * it applies a transaction. */
static void adapt(struct sync_loop *s, const struct batch *batch, uint64_t took_us)
{
    uint32_t limit = s->follow->limit;
    if (took_us > SLOW_US && batch->count >= limit / 2)
        limit -= limit / 4;
    else if (took_us < QUICK_US && (batch->full || batch->checks >= limit / 2))
        limit += limit / 4;
    s->follow->limit = limit < BATCH_LEAST ? BATCH_LEAST : limit > BATCH_MOST ? BATCH_MOST : limit;
    metric_set(&s->metrics->batch_items, s->follow->limit);
    metric_set(&s->metrics->round_trip_us, took_us);
}

static void read_next(struct sync_loop *s, struct batch *batch)
{
    pace_note_read(&s->pace);
    follow_read(s->follow, batch, wall_ms());
    batch->read = true;
}

static bool round_trip(struct sync_loop *s, struct batch *now, struct batch *next)
{
    struct follow *f = s->follow;
    uint64_t start = steady_us();
    for (uint32_t i = now->checks; i < now->count; i++)
        publish_item(s->publisher, &s->next, now, &now->changes[i], PUBLISH_NOTIFY);
    tell_append(s->teller, &s->next);
    now->position = f->at;
    follow_choose_checks(f, next, start - s->audit_us >= HEARTBEAT_MS * 1000);
    if (next->checks || next->scans)
        s->audit_us = start;
    exchange_append(s->exchange, &s->next, &now->position);
    reconcile_ask(s->reconciler, next);
    if (!exchange_send(s->exchange))
        return false;
    pace_spend(&s->pace, now->count - now->checks);
    if ((now->full && pace_has_budget(&s->pace, start)) || next->checks)
        read_next(s, next); /* while Redis works */
    if (!exchange_receive(s->exchange, &s->next))
        return false;
    transaction_clear(&s->next);
    if (!reconcile_receive(s->reconciler, next, &s->next))
        return false;
    metric_add(&s->metrics->batches, 1);
    metric_add(&s->metrics->items_sent, now->count - now->checks);
    confirm(s, &now->position);
    adapt(s, now, steady_us() - start);
    return true;
}

/* Waits until a crash cannot take back what the batch shows; sends heartbeats meanwhile. */
static bool wait_acknowledged(struct sync_loop *s, const struct batch *batch)
{
    static const struct transaction nothing;
    uint64_t start = steady_us();
    while (log_acknowledged(s->follow->log) < batch->shown_until) {
        uint64_t now = steady_us();
        if (wake_stopping(s->wake) && now >= s->wake->stop_by_ms * 1000)
            return false;
        if (now - s->exchange->sent_us >= HEARTBEAT_MS * 1000) {
            sync_loop_tick(s);
            if (!exchange_run(s->exchange, &nothing, &s->follow->confirmed))
                return false;
        }
        wake_pause(s->wake, now + (now - start > STANDS_STILL_US ? LONG_WAIT_US : WAIT_US));
    }
    return true;
}

static bool worth_sending(const struct sync_loop *s, const struct batch *batch)
{
    return batch->count > batch->checks || s->next.commands.count > 0 ||
           s->follow->at.pass.mandatory || s->follow->suspect_count > 0 || tell_pending(s->teller);
}

void sync_loop_run(struct sync_loop *s)
{
    struct batch *now = s->batches[0];
    struct batch *next = s->batches[1];
    batch_clear(now);
    transaction_clear(&s->next);
    while (s->exchange->redis->context) {
        sync_loop_tick(s);
        if (!now->read) {
            if (!s->follow->at.pass.mandatory)
                pace_await_read(&s->pace);
            pace_await_budget(&s->pace);
            read_next(s, now);
        }
        bool work = worth_sending(s, now);
        bool stopping = wake_stopping(s->wake);
        if (stopping && (!work || steady_ms() >= s->wake->stop_by_ms))
            break;
        if (work)
            pace_note_work(&s->pace);
        if (!work && steady_us() - s->exchange->sent_us < HEARTBEAT_MS * 1000) {
            batch_clear(now);
            continue;
        }
        batch_clear(next);
        if (!wait_acknowledged(s, now) || !round_trip(s, now, next))
            break;
        struct batch *done = now;
        now = next;
        next = done;
    }
}
