/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/appender.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cluster/steady.h"

/* Tags of its calls: no other tag has this bit. */
#define APPEND_TAG (UINT64_C(1) << 63)

static struct append_slot *slot_of(struct appender *appender, uint64_t number)
{
    return &appender->slots[number % APPENDER_SLOTS];
}

/* Relaxed: only the appender's thread writes it, and that asks. */
static uint64_t committed_of(const struct appender *appender)
{
    return atomic_load_explicit(&appender->committed, memory_order_relaxed);
}

/* Acquire: the slots up to it are filled. */
static uint64_t handed_of(const struct appender *appender)
{
    return atomic_load_explicit(&appender->handed, memory_order_acquire);
}

void appender_start(struct appender *appender, const struct cluster *cluster, struct term_held held,
                    uint64_t last, uint64_t now_ms)
{
    appender->cluster = cluster;
    appender->held = held;
    appender->under_way = 0;
    appender->refused = false;
    appender->answered_ms = now_ms;
    memset(appender->slots, 0, sizeof appender->slots);
    atomic_store_explicit(&appender->committed, last, memory_order_relaxed);
    atomic_store_explicit(&appender->handed, last, memory_order_release);
}

void appender_hand(struct appender *appender, uint64_t number, struct text batch)
{
    struct append_slot *slot = slot_of(appender, number);
    /* Acquire: what the appender did with the slot's last batch is over. */
    uint64_t committed = atomic_load_explicit(&appender->committed, memory_order_acquire);
    assert(number == atomic_load_explicit(&appender->handed, memory_order_relaxed) + 1);
    assert(number - committed <= APPENDER_SLOTS);
    assert(batch.len > 0 && batch.len <= CLUSTER_BATCH_MAX);
    *slot = (struct append_slot){ .batch = batch, .handed_us = cluster_now_us() };
    atomic_store_explicit(&appender->handed, number, memory_order_release);
}

/* ---- sending ---- */

/* Its predecessor is committed, or will be before it without an answer of ours in between. */
static bool may_send(struct appender *appender, uint64_t number, uint64_t now_ms)
{
    const struct append_slot *slot = slot_of(appender, number);
    if (slot->state == APPEND_WAS_EARLY)
        return number == committed_of(appender) + 1; /* AP5 */
    return slot->state == APPEND_WAITS && slot->not_before_ms <= now_ms;
}

static bool send_one(struct appender *appender, uint64_t number, uint64_t now_ms)
{
    struct append_slot *slot = slot_of(appender, number);
    const struct cluster_call call = { APPEND_TAG | number, now_ms + appender->call_ms };
    int error = cluster_append(appender->cluster, appender->held, number, slot->batch, call);
    assert(error == 0 || error == -EAGAIN);
    if (error)
        return false;
    slot->state = APPEND_SENT;
    slot->sent_ms = now_ms;
    slot->after_previous = number == committed_of(appender) + 1;
    appender->under_way++;
    return true;
}

void appender_send(struct appender *appender, uint64_t now_ms)
{
    uint64_t handed = handed_of(appender);
    if (appender->refused)
        return; /* AP4 */
    for (uint64_t number = committed_of(appender) + 1; number <= handed; number++) {
        if (appender->under_way >= appender->under_way_max)
            return;
        if (may_send(appender, number, now_ms) && !send_one(appender, number, now_ms))
            return;
    }
}

uint64_t appender_due_ms(const struct appender *appender)
{
    uint64_t due = UINT64_MAX, handed = handed_of(appender);
    if (appender->refused || appender->under_way >= appender->under_way_max)
        return due;
    for (uint64_t number = committed_of(appender) + 1; number <= handed; number++) {
        const struct append_slot *slot = &appender->slots[number % APPENDER_SLOTS];
        if (slot->state == APPEND_WAITS && slot->not_before_ms < due)
            due = slot->not_before_ms;
    }
    return due;
}

/* ---- settling ---- */

void appender_refuse(struct appender *appender, const char *why)
{
    appender->refused = true;
    appender->why = why;
}

/* AP3 */
static void advance(struct appender *appender)
{
    uint64_t handed = handed_of(appender), number = committed_of(appender) + 1;
    for (; number <= handed && slot_of(appender, number)->state == APPEND_DONE; number++) {
        const struct append_slot *slot = slot_of(appender, number);
        commit_times_note(appender->times, cluster_now_us() - slot->handed_us);
        appender->bytes += slot->batch.len;
    }
    atomic_store_explicit(&appender->committed, number - 1, memory_order_release);
}

static void settle(struct appender *appender, struct append_slot *slot, enum append_verdict verdict)
{
    switch (verdict) {
    case APPEND_COMMITTED:
        slot->state = APPEND_DONE;
        advance(appender);
        break;
    case APPEND_EARLY:
        slot->state = APPEND_WAS_EARLY;
        if (slot->after_previous)
            appender_refuse(appender,
                            "etcd lacks a batch that it had committed: is it an older copy?");
        break;
    case APPEND_REFUSED:
        slot->state = APPEND_WAITS;
        appender_refuse(appender, "another node has taken the term");
        break;
    case APPEND_NOT_DONE:
    case APPEND_UNKNOWN:
        slot->state = APPEND_WAITS;
        slot->not_before_ms = cluster_now_us() / 1000 + APPENDER_PAUSE_MS;
        break;
    }
}

bool appender_take(struct appender *appender, const struct etcd_reply *reply)
{
    uint64_t number = reply->tag & ~APPEND_TAG;
    struct append_slot *slot = slot_of(appender, number);
    if (!(reply->tag & APPEND_TAG))
        return false;
    assert(slot->state == APPEND_SENT && number > committed_of(appender));
    appender->under_way--;
    enum append_verdict verdict = cluster_judge_append(reply, appender->held, slot->batch);
    if (verdict == APPEND_COMMITTED || verdict == APPEND_EARLY) {
        if (slot->sent_ms > appender->answered_ms)
            appender->answered_ms = slot->sent_ms;
    }
    settle(appender, slot, verdict);
    return true;
}
