/* SPDX-License-Identifier: Apache-2.0 */
/* A standby: reads the log, and watches the primary's beat. */
#include <assert.h>
#include <string.h>

#include "cluster/node_parts.h"
#include "cluster/steady.h"

/* ---- the log ---- */

/* A mark for each such part of what is kept: then the oldest mark lies far enough back. */
enum { MARKS_FOR_WHAT_IS_KEPT = LOG_MARKS / 2 };

void node_mark(struct node *node, uint64_t number, uint64_t bytes)
{
    struct log_marks *marks = &node->marks;
    uint64_t step = node->limits.keep_bytes / MARKS_FOR_WHAT_IS_KEPT;
    marks->bytes += bytes;
    if (marks->count > 0 && marks->bytes - marks->marks[marks->count - 1].bytes < step)
        return;
    if (marks->count == LOG_MARKS) {
        marks->count--;
        memmove(marks->marks, marks->marks + 1, marks->count * sizeof *marks->marks);
    }
    marks->marks[marks->count].number = number;
    marks->marks[marks->count++].bytes = marks->bytes;
}

uint64_t node_marked(const struct node *node, uint64_t bytes)
{
    const struct log_marks *marks = &node->marks;
    for (uint32_t i = marks->count; i > 0; i--) {
        if (marks->bytes - marks->marks[i - 1].bytes >= bytes)
            return marks->marks[i - 1].number;
    }
    return 0;
}

/* Takes the batches of an answer. beyond: the first one is not the next. */
static enum log_read take_all(struct node *node, const struct etcd_found *found, bool *beyond)
{
    struct etcd_pairs pairs = found->pairs;
    struct etcd_pair pair;
    char why[NODE_WHY_MAX];
    uint64_t number, first = node->last;
    *beyond = false;
    while (etcd_next_pair(&pairs, &pair)) {
        if (!cluster_number_of(&node->cluster, pair.key, &number) || number != node->last + 1) {
            *beyond = node->last == first;
            break;
        }
        if (!node->journal.take(node->journal.context, pair.value, why, sizeof why)) {
            node_ends(node, NODE_MISPLACED, "batch %llu: %s", (unsigned long long)number, why);
            return LOG_ENDS;
        }
        node->last = number;
        node_mark(node, number, pair.value.len);
    }
    return node->last > first ? LOG_SOME : LOG_END;
}

/* The page's `follow`. What is not there was trimmed, or is not there yet; only the first can be
 * told without a second read: the log's last batch is never trimmed. */
enum log_read node_read_log(struct node *node, bool strictly)
{
    uint64_t sent_ms = node_now_ms();
    bool beyond;
    const struct etcd_reply *reply =
        node_reply(node, cluster_follow(&node->cluster, node->last + 1, node_call(node)));
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return LOG_UNREAD;
    enum log_read read = take_all(node, &reply->answer.found, &beyond);
    if (read == LOG_SOME && !reply->answer.found.more)
        node->saw_end_ms = sent_ms;
    if (read != LOG_END)
        return read;
    if (strictly || beyond) {
        if (!node_read_trimmed(node))
            return LOG_UNREAD;
        if (node->trimmed.number > node->last)
            return LOG_BEHIND;
        if (beyond) {
            node_ends(node, NODE_MISPLACED, "etcd's log lacks batch %llu: is it an older copy?",
                      (unsigned long long)node->last + 1);
            return LOG_ENDS;
        }
    }
    node->saw_end_ms = sent_ms;
    return LOG_END;
}

/* ---- the beat ---- */

static void take_beat(struct node *node, const struct etcd_pair *pair, uint64_t sent_ms)
{
    struct cluster_beat beat;
    if (!cluster_read_value(CLUSTER_BEAT, pair->value, &beat))
        return;
    if (node->watch.revision != 0 && pair->modified != node->watch.revision) {
        pthread_mutex_lock(&node->lock);
        node->status.clock_apart_ms = (int64_t)(beat.clock_ms - cluster_wall_ms());
        pthread_mutex_unlock(&node->lock);
    }
    if (pair->modified != node->watch.revision)
        node->watch.since_ms = sent_ms;
    node->watch.revision = pair->modified;
}

/* A beat that was not watched may have moved: what counts is a time without a gap. */
static void note_watch(struct node *node, uint64_t sent_ms)
{
    if (sent_ms - node->watch.read_ms > node->limits.suspect_ms / 3)
        node->watch.since_ms = sent_ms;
    node->watch.read_ms = sent_ms;
    if (node->watch.of_term == node->term_at.revision)
        return;
    node->watch.of_term = node->term_at.revision; /* a new primary, or the first look */
    node->watch.since_ms = sent_ms;
    atomic_store_explicit(&node->suspected, false, memory_order_relaxed);
    node_say(node, "the primary is %s at %s, term %llu", node->term.node, node->term.address,
             (unsigned long long)node->term.number);
}

bool node_watches(struct node *node)
{
    uint64_t sent_ms = node_now_ms();
    struct etcd_pair pair;
    const struct etcd_reply *reply =
        node_reply(node, cluster_watch(&node->cluster, node_call(node)));
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return false;
    struct etcd_pairs pairs = reply->answer.found.pairs;
    node->watch.handover.term = 0;
    while (etcd_next_pair(&pairs, &pair)) {
        struct text name = cluster_name_of(&node->cluster, pair.key, "");
        if (text_equal(name, text_of("beat")))
            take_beat(node, &pair, sent_ms);
        else if (text_equal(name, text_of("handover")) &&
                 !cluster_read_value(CLUSTER_HANDOVER, pair.value, &node->watch.handover))
            node->watch.handover.term = 0;
    }
    if (!node_read_term(node))
        return false;
    note_watch(node, sent_ms);
    return true;
}

/* ---- the role ---- */

bool node_is_handed_over(const struct node *node)
{
    const struct cluster_handover *handover = &node->watch.handover;
    return handover->term != 0 && handover->term == node->term.number &&
           !strcmp(handover->node, node->config.name) && node->last >= handover->number;
}

static bool should_stand(struct node *node)
{
    if (!node->config.may_stand) {
        atomic_store_explicit(&node->suspected, false, memory_order_relaxed);
        return false;
    }
    if (node->watch.of_term == 0)
        return false; /* nothing is known yet */
    return atomic_load_explicit(&node->suspected, memory_order_relaxed) ||
           node_is_handed_over(node) || node->term.id == node->config.id || /* of a former life */
           node->watch.read_ms - node->watch.since_ms >= node->limits.suspect_ms;
}

enum node_role node_follows(struct node *node)
{
    uint64_t watched_ms = 0;
    for (;;) {
        enum log_read read = node_read_log(node, false);
        if (read == LOG_ENDS)
            return NODE_ENDED;
        if (read == LOG_BEHIND)
            return node_ends(node, NODE_BEHIND, "batch %llu has been trimmed from etcd",
                             (unsigned long long)node->last + 1);
        if (node_now_ms() >= watched_ms + node->limits.watch_ms) {
            watched_ms = node_now_ms();
            node_watches(node);
        }
        if (!node_does_chores(node) || !node_does_request(node))
            return NODE_ENDED;
        node_publish(node);
        if (node_must_go(node))
            return NODE_FOLLOWS;
        if (should_stand(node))
            return NODE_STANDS;
        if (read != LOG_SOME)
            node_pause(node, node->limits.poll_ms);
    }
}
