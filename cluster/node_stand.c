/* SPDX-License-Identifier: Apache-2.0 */
/* A takeover: swaps the term, and reads the log to its end (N7, N8). */
#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

#include "cluster/node_parts.h"
#include "cluster/steady.h"

enum { AGAIN_MS = 20 };

/* Candidates do not stand all at once, and who has read the log to its end goes first. */
static void stagger(struct node *node)
{
    uint32_t random = 0;
    if (node_is_handed_over(node))
        return;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 0;
    uint32_t half = node->limits.stagger_ms / 2 + 1;
    bool is_late = node_now_ms() - node->saw_end_ms > node->limits.suspect_ms / 3;
    node_pause(node, random % half + (is_late ? half : 0));
}

/* What it suspected is still so, and it has what was trimmed. */
static bool may_swap(struct node *node)
{
    int64_t revision = node->term_at.revision, beat = node->watch.revision;
    stagger(node);
    if (!node_watches(node) || !node_read_trimmed(node))
        return false;
    if (node->term_at.revision != revision)
        return false; /* another one was quicker */
    if (node->watch.revision != beat && !node_is_handed_over(node) &&
        !atomic_load_explicit(&node->suspected, memory_order_relaxed))
        return false;                          /* it beats */
    return node->trimmed.number <= node->last; /* N8 */
}

static bool new_term(struct node *node, struct cluster_term *term)
{
    *term = (struct cluster_term){ .number = node->term.number + 1, .id = node->config.id };
    snprintf(term->node, sizeof term->node, "%s", node->config.name);
    snprintf(term->address, sizeof term->address, "%s", node->config.address);
    return getrandom(&term->word, sizeof term->word, 0) == sizeof term->word;
}

/* Until it is known. A copy that etcd applies late changes nothing: the term has moved by then, by
 * another copy or by another node. */
static bool swap(struct node *node)
{
    struct term_held before = node->term_at, held;
    struct cluster_term term;
    if (!new_term(node, &term))
        return false;
    for (;;) {
        const struct etcd_reply *reply = node_reply(
            node, cluster_swap(&node->cluster, before, node->trimmed_at, &term, node_call(node)));
        if (!reply)
            return false;
        switch (cluster_judge_swap(reply, before, term.word, &held)) {
        case SWAP_WON:
            node->term = term;
            node->term_at = held;
            return true;
        case SWAP_UNKNOWN:
            node_pause(node, AGAIN_MS);
            break;
        default:
            return false;
        }
    }
}

/* One beat, for which it waits. */
static enum beat_verdict beat_once(struct node *node)
{
    const struct cluster_beat beat = { ++node->beat.counter, cluster_wall_ms() };
    uint64_t sent_ms = node_now_ms();
    const struct etcd_reply *reply =
        node_reply(node, cluster_beat(&node->cluster, node->term_at, &beat, node_call(node)));
    enum beat_verdict verdict = reply ? cluster_judge_beat(reply) : BEAT_UNKNOWN;
    if (verdict == BEAT_DONE)
        node->beat.sent_ms = sent_ms;
    return verdict;
}

/* N7: reads until there is nothing more, and then sees that the term is still its own. Beats on the
 * way, so that nobody suspects it. */
static enum node_role to_end(struct node *node)
{
    uint64_t beaten_ms = 0;
    for (;;) {
        enum log_read read = node_read_log(node, true);
        if (read == LOG_ENDS)
            return NODE_ENDED;
        if (read == LOG_BEHIND)
            return node_ends(node, NODE_BEHIND, "batch %llu has been trimmed from etcd",
                             (unsigned long long)node->last + 1);
        if (node_must_go(node))
            return NODE_STANDS;
        if (read == LOG_END || node_now_ms() >= beaten_ms + node->limits.beat_ms) {
            enum beat_verdict verdict = beat_once(node);
            beaten_ms = node_now_ms();
            if (verdict == BEAT_REFUSED)
                return NODE_FOLLOWS;
            if (verdict == BEAT_DONE && read == LOG_END)
                return NODE_PRIMARY;
        }
        node_publish(node);
        if (read == LOG_UNREAD)
            node_pause(node, AGAIN_MS);
    }
}

enum node_role node_stands(struct node *node)
{
    if (!node->has_term) {
        if (!may_swap(node) || !swap(node))
            return node_must_go(node) ? NODE_STANDS : NODE_FOLLOWS;
        node->has_term = true;
        node_say(node, "has taken term %llu", (unsigned long long)node->term.number);
    }
    enum node_role next = to_end(node);
    if (next == NODE_FOLLOWS) {
        node->has_term = false;
        node_say(node, "term %llu is another node's by now", (unsigned long long)node->term.number);
    }
    return next;
}
