/* SPDX-License-Identifier: Apache-2.0 */
/* What a node does once a second: says what it keeps, looks what others keep, trims. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/node_parts.h"

enum {
    TRIM_MAX = 1024,    /* batches in one transaction, which holds up all others */
    COMPACT_MS = 60000, /* beats leave old revisions, too */
    FADE_MS = 10000,    /* the commits of so long ago count half */
    FULL_PERCENT = 80,  /* of etcd's quota */
};

/* ---- keeping ---- */

/* False, as the node has to end. */
static bool is_replaced(struct node *node)
{
    node_ends(
        node, NODE_REPLACED,
        "another process has registered as %s, from a copy of this directory, or the node was "
        "told to leave",
        node->config.name);
    return false;
}

/* N11. False: the node has to end. */
static bool says_kept(struct node *node)
{
    struct cluster_kept kept;
    kept.number = node->journal.keeps(node->journal.context, node->last, &kept.lsn);
    assert(kept.number <= node->last);
    node->kept_at_bytes = node->marks.bytes;
    if (kept.number <= node->kept)
        return true;
    const struct etcd_reply *reply =
        node_reply(node, cluster_keeps(&node->cluster, node->config.name, node->registered, &kept,
                                       node_call(node)));
    switch (reply ? cluster_judge_kept(reply) : KEPT_UNKNOWN) {
    case KEPT_DONE:
        node->kept = kept.number;
        return true;
    case KEPT_REFUSED:
        return is_replaced(node);
    default:
        return true;
    }
}

static struct node_peer *peer_of(struct node *node, struct text name)
{
    for (uint32_t i = 0; i < node->peer_count; i++) {
        if (text_equal(text_of(node->peers[i].name), name))
            return &node->peers[i];
    }
    if (node->peer_count == NODE_PEERS_MAX || name.len >= NODE_NAME_MAX)
        return NULL;
    struct node_peer *peer = &node->peers[node->peer_count++];
    *peer = (struct node_peer){ 0 };
    memcpy(peer->name, name.at, name.len);
    return peer;
}

/* Who the nodes are. False: the node has to end. */
static bool looks_at_members(struct node *node)
{
    const struct etcd_reply *reply =
        node_reply(node, cluster_list(&node->cluster, "node/", node_call(node)));
    struct etcd_pair pair;
    int64_t registered = 0;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return true;
    struct etcd_pairs pairs = reply->answer.found.pairs;
    node->peer_count = 0;
    while (etcd_next_pair(&pairs, &pair)) {
        struct text name = cluster_name_of(&node->cluster, pair.key, "node/");
        struct node_peer *peer = peer_of(node, name);
        if (peer && !cluster_read_value(CLUSTER_MEMBER, pair.value, &peer->member))
            peer->member = (struct cluster_member){ 0 };
        if (text_equal(name, text_of(node->config.name)))
            registered = pair.modified;
    }
    return registered == node->registered || is_replaced(node);
}

/* How many disks may be lost: etcd's own members are not asked for, so its endpoints count. */
static uint32_t survives(const struct node *node, const struct cluster_keeper *keepers,
                         size_t count)
{
    uint32_t full = 0;
    for (size_t i = 0; i < count; i++)
        full += keepers[i].kept.number >= node->trimmed.number;
    uint32_t of_etcd = (node->members - 1) / 2, of_nodes = full > 0 ? full - 1 : 0;
    return of_nodes < of_etcd ? of_nodes : of_etcd;
}

static size_t look_at_keepers(struct node *node, struct cluster_keeper keepers[NODE_PEERS_MAX])
{
    const struct etcd_reply *reply =
        node_reply(node, cluster_list(&node->cluster, "kept/", node_call(node)));
    struct etcd_pair pair;
    size_t count = 0;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return 0;
    struct etcd_pairs pairs = reply->answer.found.pairs;
    while (count < NODE_PEERS_MAX && etcd_next_pair(&pairs, &pair)) {
        struct cluster_keeper *keeper = &keepers[count];
        struct text name = cluster_name_of(&node->cluster, pair.key, "kept/");
        if (name.len >= NODE_NAME_MAX ||
            !cluster_read_value(CLUSTER_KEPT, pair.value, &keeper->kept))
            continue;
        memcpy(keeper->node, name.at, name.len);
        keeper->node[name.len] = '\0';
        keeper->revision = pair.modified;
        count++;
        struct node_peer *peer = peer_of(node, name);
        if (peer) {
            peer->keeps = true;
            peer->kept = keeper->kept;
        }
    }
    pthread_mutex_lock(&node->lock);
    node->status.peer_count = node->peer_count;
    memcpy(node->status.peers, node->peers, sizeof node->peers);
    node->status.survives = survives(node, keepers, count);
    pthread_mutex_unlock(&node->lock);
    return count;
}

/* ---- trimming ---- */

static void compact(struct node *node, int64_t revision)
{
    const struct cluster_call call = node_call(node);
    node_reply(node, etcd_compact(node->etcd, revision, call.tag, call.deadline_ms));
    node->compact_ms = node_now_ms();
}

static int by_kept(const void *one, const void *other)
{
    uint64_t a = ((const struct cluster_keeper *)one)->kept.number;
    uint64_t b = ((const struct cluster_keeper *)other)->kept.number;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* Names the batch that is to be the last one trimmed. */
static bool name_trimmed(struct node *node, uint64_t number, struct cluster_trimmed *trimmed)
{
    char why[NODE_WHY_MAX];
    struct batch_name name;
    struct etcd_pair pair;
    const struct etcd_reply *reply =
        node_reply(node, cluster_get_batch(&node->cluster, number, node_call(node)));
    if (!reply || reply->outcome != ETCD_ANSWERED || !cluster_pair(reply, &pair) ||
        !node->journal.name(node->journal.context, pair.value, &name, why, sizeof why))
        return false;
    *trimmed = (struct cluster_trimmed){ number, name.checksum };
    return true;
}

static bool trim_to(struct node *node, const struct cluster_keeper *keepers, uint64_t number)
{
    struct cluster_trimmed trimmed;
    if (!name_trimmed(node, number, &trimmed))
        return false;
    const struct etcd_reply *reply = node_reply(
        node, cluster_trim(&node->cluster, node->term_at, keepers, &trimmed, node_call(node)));
    if (!reply)
        return false;
    enum trim_verdict verdict = cluster_judge_trim(reply, node->term_at);
    if (verdict == TRIM_REFUSED)
        appender_refuse(&node->appender, "another node has taken the term");
    if (verdict != TRIM_DONE)
        return false;
    node->trimmed = trimmed;
    node->trimmed_at = reply->answer.revision;
    compact(node, node->trimmed_at);
    return true;
}

/* N12: what the second best keeps; but not the last bytes, and never the last batch. */
void node_trims(struct node *node, struct cluster_keeper *keepers, size_t count)
{
    if (count < 2 || !node_read_trimmed(node))
        return;
    qsort(keepers, count, sizeof *keepers, by_kept);
    uint64_t to = keepers[1].kept.number, marked = node_marked(node, node->limits.keep_bytes);
    if (marked < to)
        to = marked;
    if (to >= node->reported)
        to = node->reported - 1;
    while (to > node->trimmed.number) {
        uint64_t next = node->trimmed.number + TRIM_MAX;
        if (!trim_to(node, keepers, next < to ? next : to))
            return;
    }
}

/* ---- etcd ---- */

static void look_at_etcd(struct node *node)
{
    const struct cluster_call call = node_call(node);
    const struct etcd_reply *reply =
        node_reply(node, etcd_status(node->etcd, call.tag, call.deadline_ms));
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return;
    uint64_t size = (uint64_t)reply->answer.member.size;
    int64_t revision = reply->answer.revision;
    node->is_full = size / FULL_PERCENT >= node->limits.quota_bytes / 100;
    pthread_mutex_lock(&node->lock);
    node->status.etcd_bytes = size;
    pthread_mutex_unlock(&node->lock);
    if (node->role == NODE_PRIMARY && node_now_ms() > node->compact_ms + COMPACT_MS && revision > 0)
        compact(node, revision);
}

/* ---- one after another ---- */

static bool looks_at_keepers(struct node *node)
{
    struct cluster_keeper keepers[NODE_PEERS_MAX];
    size_t count = look_at_keepers(node, keepers);
    if (node->role == NODE_PRIMARY)
        node_trims(node, keepers, count);
    return true;
}

static bool looks_at_etcd(struct node *node)
{
    uint64_t now = node_now_ms();
    look_at_etcd(node);
    if (now > node->fade_ms + FADE_MS) {
        commit_times_fade(&node->times);
        node->fade_ms = now;
    }
    return true;
}

/* One at a time, so that a standby that has to follow does not pause for all of them. */
bool node_does_chores(struct node *node)
{
    static bool (*const chores[])(struct node *) = { says_kept, looks_at_members, looks_at_keepers,
                                                     looks_at_etcd };
    enum { COUNT = sizeof chores / sizeof *chores };
    uint64_t now = node_now_ms();
    if (node->marks.bytes - node->kept_at_bytes >= node->limits.kept_bytes && !says_kept(node))
        return false;
    if (now < node->chores_ms + node->limits.chores_ms / COUNT)
        return true;
    node->chores_ms = now;
    return chores[node->chore++ % COUNT](node);
}

/* ---- requests ---- */

/* False: the node has to end. */
static bool let_leave(struct node *node, const char *name, const char **why)
{
    struct cluster_member member;
    struct term_held at;
    enum node_read read = node_read_value(node, "node/", name, CLUSTER_MEMBER, &member, &at);
    *why = read == NODE_ABSENT ? "there is no node of this name" : "etcd does not answer";
    if (read != NODE_READ)
        return true;
    const struct etcd_reply *reply =
        node_reply(node, cluster_leave(&node->cluster, name, at.revision, node_call(node)));
    if (!reply || cluster_judge_leave(reply) != LEAVE_DONE)
        return true;
    *why = NULL;
    if (strcmp(name, node->config.name) != 0)
        return true;
    node_ends(node, NODE_REPLACED, "the node has left the cluster");
    return false;
}

static const char *hand_over(struct node *node, const char *name)
{
    if (node->role != NODE_PRIMARY)
        return "this node is not the primary";
    if (!strcmp(name, node->config.name))
        return "this node is the primary";
    if (!node->journal.hold || !node->journal.held)
        return "this node cannot hand over";
    node_hands_over(node, name);
    return node->hands_over ? NULL : "the other node has not taken the term";
}

bool node_does_request(struct node *node)
{
    char name[NODE_NAME_MAX];
    const char *why;
    bool goes_on = true;
    if (!atomic_load_explicit(&node->asked, memory_order_acquire))
        return true;
    pthread_mutex_lock(&node->lock);
    enum node_request request = node->ask.request;
    memcpy(name, node->ask.name, sizeof name);
    pthread_mutex_unlock(&node->lock);
    node->does_request = true;
    if (request == NODE_HAND_OVER)
        why = hand_over(node, name);
    else if (node->role == NODE_PRIMARY && !strcmp(name, node->config.name))
        why = "this node is the primary: hand over first";
    else
        goes_on = let_leave(node, name, &why);
    node->does_request = false;
    atomic_store_explicit(&node->asked, false, memory_order_release);
    node->journal.replied(node->journal.context, why == NULL, why ? why : "");
    return goes_on;
}
