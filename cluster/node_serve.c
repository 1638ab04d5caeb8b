/* SPDX-License-Identifier: Apache-2.0 */
/* The primary: appends, beats, and ends once etcd refuses it (N3, N9). */
#include <assert.h>
#include <stdio.h>

#include "cluster/node_parts.h"
#include "cluster/steady.h"

enum { BEAT_AGAIN_MS = 20 };

/* ---- at each turn ---- */

/* N2: in order, once each. */
static void report(struct node *node)
{
    struct appender *appender = &node->appender;
    uint64_t committed = atomic_load_explicit(&appender->committed, memory_order_relaxed);
    if (committed == node->reported)
        return;
    node->reported = node->last = committed;
    node_mark(node, committed, appender->bytes);
    appender->bytes = 0;
    node->journal.committed(node->journal.context, committed);
}

static void beat(struct node *node, uint64_t now_ms)
{
    const struct cluster_beat beat = { node->beat.counter + 1, cluster_wall_ms() };
    if (node->beat.tag || now_ms < node->beat.next_ms)
        return;
    const struct cluster_call call = { ++node->tags, now_ms + node->limits.call_ms };
    if (cluster_beat(&node->cluster, node->term_at, &beat, call) != 0)
        return;
    node->beat.counter++;
    node->beat.tag = call.tag;
    node->beat.sent_ms = now_ms;
    node->beat.next_ms = now_ms + node->limits.beat_ms;
}

/* Relaxed: a time, which only rises. */
static uint64_t answered(const struct node *node)
{
    return atomic_load_explicit(&node->answered_ms, memory_order_relaxed);
}

static void note_answer(struct node *node, uint64_t sent_ms)
{
    if (sent_ms > answered(node))
        atomic_store_explicit(&node->answered_ms, sent_ms, memory_order_relaxed);
}

static void judge_hindrance(struct node *node, uint64_t now_ms)
{
    static const char *const names[] = { "takes changes again",
                                         "is read-only: etcd does not answer",
                                         "is read-only: etcd's quota is nearly used up" };
    enum node_hindrance hindrance = node->is_full ? NODE_FULL : NODE_UNHINDERED;
    if (now_ms > answered(node) + node->limits.stale_ms)
        hindrance = NODE_CUT_OFF;
    if (hindrance == node->hindrance)
        return;
    node->hindrance = hindrance;
    node_say(node, "the primary %s", names[hindrance]);
    node->journal.hinder(node->journal.context, hindrance);
}

void node_primary_turn(struct node *node, uint64_t now_ms)
{
    report(node);
    if (node->appender.refused)
        return;
    appender_send(&node->appender, now_ms);
    beat(node, now_ms);
    judge_hindrance(node, now_ms);
}

void node_primary_takes(struct node *node, const struct etcd_reply *reply)
{
    if (appender_take(&node->appender, reply)) {
        note_answer(node, node->appender.answered_ms);
        return;
    }
    if (reply->tag != node->beat.tag)
        return; /* nobody waits for it any more */
    node->beat.tag = 0;
    switch (cluster_judge_beat(reply)) {
    case BEAT_DONE:
        note_answer(node, node->beat.sent_ms);
        break;
    case BEAT_REFUSED:
        appender_refuse(&node->appender, "another node has taken the term");
        break;
    case BEAT_UNKNOWN:
        node->beat.next_ms = node_now_ms() + BEAT_AGAIN_MS;
        break;
    }
}

uint64_t node_primary_due_ms(const struct node *node)
{
    uint64_t due = appender_due_ms(&node->appender);
    uint64_t stale = answered(node) + node->limits.stale_ms + 1;
    if (!node->beat.tag && node->beat.next_ms < due)
        due = node->beat.next_ms;
    return node->hindrance != NODE_CUT_OFF && stale < due ? stale : due;
}

/* ---- the role ---- */

static bool serve(struct node *node, char *why, size_t size)
{
    appender_start(&node->appender, &node->cluster, node->term_at, node->last, node_now_ms());
    node->reported = node->last;
    node->beat.tag = 0;
    node->beat.next_ms = 0;
    atomic_store_explicit(&node->answered_ms, node->beat.sent_ms, memory_order_relaxed);
    node_say(node, "is the primary of term %llu, after batch %llu",
             (unsigned long long)node->term.number, (unsigned long long)node->last);
    node_publish(node);
    return node->journal.serve(node->journal.context, &node->term, why, size);
}

enum node_role node_is_primary(struct node *node)
{
    char why[NODE_WHY_MAX];
    if (!serve(node, why, sizeof why))
        return node_ends(node, NODE_MISPLACED, "%s", why);
    while (!node_must_go(node)) {
        if (!node_does_chores(node) || !node_does_request(node))
            return NODE_ENDED;
        node_publish(node);
        node_pause(node, node->limits.watch_ms);
    }
    report(node); /* what came with the refusal */
    if (!node->appender.refused)
        return NODE_PRIMARY;
    return node_ends(node, node->hands_over ? NODE_HANDED_OVER : NODE_REFUSED, "%s",
                     node->appender.why);
}

/* ---- handover ---- */

/* Until all that was held back for is committed. */
static bool drain(struct node *node, uint64_t until_ms, uint64_t *last)
{
    while (!node_must_go(node) && node_now_ms() < until_ms) {
        if (node->journal.held(node->journal.context, last) && node->reported == *last)
            return true;
        node_pause(node, 1);
    }
    return false;
}

/* It beats often: that is how it learns that the other one has taken the term. */
static void await_successor(struct node *node, uint64_t until_ms)
{
    while (!node_must_go(node) && node_now_ms() < until_ms) {
        node->beat.next_ms = 0;
        node_pause(node, BEAT_AGAIN_MS / 2);
    }
}

static enum beat_verdict write_handover(struct node *node, const struct cluster_handover *handover)
{
    const struct etcd_reply *reply = node_reply(
        node, cluster_hand_over(&node->cluster, node->term_at, handover, node_call(node)));
    return reply ? cluster_judge_beat(reply) : BEAT_REFUSED;
}

/* Also what was not answered may have been written, and is taken back. */
static void take_back(struct node *node)
{
    while (!node_must_go(node)) {
        enum beat_verdict verdict = write_handover(node, NULL);
        if (verdict == BEAT_REFUSED)
            appender_refuse(&node->appender, "another node has taken the term");
        if (verdict == BEAT_DONE)
            break;
        node_pause(node, BEAT_AGAIN_MS);
    }
}

void node_hands_over(struct node *node, const char *to)
{
    struct own_journal *journal = &node->journal;
    struct cluster_handover handover = { .term = node->term.number };
    uint64_t until_ms = node_now_ms() + 5 * (uint64_t)node->limits.handover_ms;
    snprintf(handover.node, sizeof handover.node, "%s", to);
    node_say(node, "hands over to %s", to);
    node->hands_over = true;
    journal->hold(journal->context, true);
    bool drained = drain(node, until_ms, &handover.number);
    if (drained && write_handover(node, &handover) != BEAT_REFUSED)
        await_successor(node, node_now_ms() + node->limits.handover_ms);
    if (drained)
        take_back(node);
    if (node_must_go(node))
        return; /* the successor has the term */
    node->hands_over = false;
    journal->hold(journal->context, false);
}
