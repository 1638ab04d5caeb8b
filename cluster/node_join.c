/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a node: `start`, `cut` and `copy` of tests/model/replicate.pml. Each step is tried
 * until etcd answers.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cluster/node_parts.h"

enum { SOON_MS = 5, AGAIN_MS = 100, COPY_AGAIN_MS = 1000 };

enum step { STEP_DONE, STEP_AGAIN, STEP_ENDS };

static enum step misplaced(struct node *node, const char *why)
{
    node_ends(node, NODE_MISPLACED, "%s", why);
    return STEP_ENDS;
}

/* ---- the cluster ---- */

static void fill_founding(struct node *node, const struct journal_founding *own, uint64_t word,
                          struct cluster_founding *founding)
{
    const struct node_config *config = &node->config;
    *founding = (struct cluster_founding){
        .common = own->common,
        .term = { .number = 1, .id = config->id, .word = word },
        .trimmed = own->before,
        .member.id = config->id,
        .batch = own->batch,
    };
    founding->common.format = CLUSTER_FORMAT;
    snprintf(founding->term.node, sizeof founding->term.node, "%s", config->name);
    snprintf(founding->term.address, sizeof founding->term.address, "%s", config->address);
    snprintf(founding->member.address, sizeof founding->member.address, "%s", config->address);
    snprintf(founding->member.version, sizeof founding->member.version, "%s", config->version);
}

/* Whoever comes first has founded it; an answer that did not come makes no difference: the same
 * founding happens once, and its term has this attempt's word. */
static enum step found(struct node *node)
{
    struct journal_founding own = { 0 };
    struct cluster_founding founding;
    char why[NODE_WHY_MAX];
    uint64_t word;
    if (!node->config.may_found)
        return misplaced(node, "etcd has no cluster of this name, and this journal was in one: "
                               "found it anew only with the journal that reaches furthest");
    if (!node->journal.found(node->journal.context, &own, why, sizeof why))
        return misplaced(node, why);
    if (getrandom(&word, sizeof word, 0) != sizeof word)
        return misplaced(node, "no random numbers");
    fill_founding(node, &own, word, &founding);
    for (;;) {
        const struct etcd_reply *reply =
            node_reply(node, cluster_found(&node->cluster, &founding, node_call(node)));
        if (!reply)
            return STEP_AGAIN;
        if (cluster_judge_found(reply) != FOUND_UNKNOWN)
            break;
        node_pause(node, AGAIN_MS);
    }
    while (!node_read_term(node)) {
        if (node_must_go(node))
            return STEP_AGAIN;
        node_pause(node, AGAIN_MS);
    }
    node->has_term = node->term.word == word;
    if (node->has_term)
        node_say(node, "founded the cluster");
    return STEP_DONE;
}

static enum step join_cluster(struct node *node)
{
    struct cluster_common common;
    char why[NODE_WHY_MAX];
    const struct etcd_reply *reply =
        node_reply(node, cluster_get(&node->cluster, "", "cluster", node_call(node)));
    struct etcd_pair pair;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return STEP_AGAIN;
    uint64_t etcd_cluster = reply->answer.cluster_id;
    if (!cluster_pair(reply, &pair)) {
        enum step step = found(node);
        return step == STEP_DONE ? STEP_AGAIN : step; /* and reads what was founded */
    }
    if (!cluster_read_value(CLUSTER_COMMON, pair.value, &common) || common.format > CLUSTER_FORMAT)
        return misplaced(node, "the cluster is of a later version: this program is too old");
    pthread_mutex_lock(&node->lock);
    node->status.etcd_cluster = etcd_cluster;
    pthread_mutex_unlock(&node->lock);
    if (!node->journal.join(node->journal.context, &common, etcd_cluster, why, sizeof why))
        return misplaced(node, why);
    return STEP_DONE;
}

/* ---- the registration ---- */

/* Somebody else runs under this name: at another address, as nobody else is at this one. */
static bool is_taken(struct node *node, const struct cluster_member *member)
{
    const struct own_journal *journal = &node->journal;
    return member->id != node->config.id && journal->answers &&
           strcmp(member->address, node->config.address) != 0 &&
           journal->answers(journal->context, member->address);
}

/* N13, and N10: from here on what a former life says that it keeps is refused. */
static enum step register_node(struct node *node)
{
    const struct node_config *config = &node->config;
    struct cluster_member member = { 0 }, mine = { .id = config->id };
    struct term_held at;
    enum node_read read =
        node_read_value(node, "node/", config->name, CLUSTER_MEMBER, &member, &at);
    if (read == NODE_UNREAD)
        return STEP_AGAIN;
    bool is_new = read == NODE_ABSENT || member.id != config->id;
    if (read == NODE_READ && is_taken(node, &member)) {
        node_ends(node, NODE_MISPLACED, "the name %s is taken: by the node at %s, id %016llx",
                  config->name, member.address, (unsigned long long)member.id);
        return STEP_ENDS;
    }
    snprintf(mine.address, sizeof mine.address, "%s", config->address);
    snprintf(mine.version, sizeof mine.version, "%s", config->version);
    const struct etcd_reply *reply =
        node_reply(node, cluster_register(&node->cluster, config->name, &mine, at.revision, is_new,
                                          node_call(node)));
    if (!reply || cluster_judge_register(reply, &node->registered) != REGISTER_DONE)
        return STEP_AGAIN;
    return STEP_DONE;
}

/* What the node said that it keeps; 0: nothing. */
static enum step read_kept(struct node *node)
{
    struct cluster_kept kept = { 0 };
    uint64_t last = node->journal.last(node->journal.context).number;
    if (node_read_value(node, "kept/", node->config.name, CLUSTER_KEPT, &kept, NULL) == NODE_UNREAD)
        return STEP_AGAIN;
    node->kept = kept.number;
    if (kept.number <= last)
        return STEP_DONE;
    node_ends(node, NODE_MISPLACED,
              "this node said that it keeps batch %llu, and its journal ends with batch %llu: it "
              "has lost batches, or is an older copy",
              (unsigned long long)kept.number, (unsigned long long)last);
    return STEP_ENDS;
}

/* ---- the copy ---- */

static size_t list_peers(struct node *node, char addresses[][NODE_ADDRESS_MAX])
{
    const struct etcd_reply *reply =
        node_reply(node, cluster_list(&node->cluster, "node/", node_call(node)));
    struct etcd_pair pair;
    size_t count = 0;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return 0;
    struct etcd_pairs pairs = reply->answer.found.pairs;
    while (count < NODE_PEERS_MAX && etcd_next_pair(&pairs, &pair)) {
        struct cluster_member member;
        struct text name = cluster_name_of(&node->cluster, pair.key, "node/");
        if (text_equal(name, text_of(node->config.name)) ||
            !cluster_read_value(CLUSTER_MEMBER, pair.value, &member))
            continue;
        memcpy(addresses[count++], member.address, NODE_ADDRESS_MAX);
    }
    return count;
}

/* What was trimmed is there only in the journals of others. */
static enum step copy(struct node *node)
{
    char peers[NODE_PEERS_MAX][NODE_ADDRESS_MAX], why[NODE_WHY_MAX] = "it knows no other node";
    const char *addresses[NODE_PEERS_MAX];
    struct own_journal *journal = &node->journal;
    if (!journal->copy)
        return misplaced(node, "what this node lacks has been trimmed from etcd: start it from a "
                               "backup of another node");
    size_t count = list_peers(node, peers);
    for (size_t i = 0; i < count; i++)
        addresses[i] = peers[i];
    if (count > 0 &&
        journal->copy(journal->context, &node->trimmed, addresses, count, why, sizeof why))
        return STEP_DONE;
    node_say(node, "cannot copy the journal of another node: %s", why);
    node_pause(node, COPY_AGAIN_MS);
    return STEP_AGAIN;
}

/* ---- the cut ---- */

enum same { SAME, OTHER_THERE, NOT_THERE, SAME_UNREAD };

/* Is the journal's batch the one in etcd? */
static enum same compare(struct node *node, uint64_t number)
{
    struct own_journal *journal = &node->journal;
    const struct etcd_reply *reply =
        node_reply(node, cluster_get_batch(&node->cluster, number, node_call(node)));
    struct etcd_pair pair;
    struct batch_name name;
    char why[NODE_WHY_MAX];
    uint64_t checksum;
    if (!reply || reply->outcome != ETCD_ANSWERED)
        return SAME_UNREAD;
    if (!cluster_pair(reply, &pair))
        return NOT_THERE;
    if (!journal->name(journal->context, pair.value, &name, why, sizeof why) ||
        !journal->checksum(journal->context, number, &checksum))
        return OTHER_THERE;
    return name.number == number && name.checksum == checksum ? SAME : OTHER_THERE;
}

/* All up to `trimmed` is committed, if the journal's batch there is the one that etcd names. */
static bool has_trimmed(struct node *node, uint64_t last)
{
    uint64_t checksum;
    if (node->trimmed.number == 0)
        return true;
    return last >= node->trimmed.number &&
           node->journal.checksum(node->journal.context, node->trimmed.number, &checksum) &&
           checksum == node->trimmed.checksum;
}

/* What the journal states was committed must be in etcd, or trimmed. */
static enum step check_sure(struct node *node, uint64_t sure)
{
    if (sure == 0)
        return STEP_DONE;
    enum same same = compare(node, sure);
    if (same == SAME_UNREAD || !node_read_trimmed(node))
        return STEP_AGAIN;
    if (same == SAME || (same == NOT_THERE && sure <= node->trimmed.number))
        return STEP_DONE;
    node_ends(node, NODE_MISPLACED,
              "batch %llu was committed, and etcd has %s: etcd was restored from an older copy, or "
              "this journal is another cluster's",
              (unsigned long long)sure, same == NOT_THERE ? "lost it" : "another one");
    return STEP_ENDS;
}

/* From the first batch on that is not there or is another, all is cut off. */
static enum step cut_from(struct node *node, uint64_t sure)
{
    struct own_journal *journal = &node->journal;
    char why[NODE_WHY_MAX];
    uint64_t last = journal->last(journal->context).number;
    while (sure < last) {
        enum same same = compare(node, sure + 1);
        if (same == SAME_UNREAD || !node_read_trimmed(node))
            return STEP_AGAIN;
        if (same == SAME)
            sure++;
        else if (same == NOT_THERE && sure < node->trimmed.number && has_trimmed(node, last))
            sure = node->trimmed.number;
        else
            break;
    }
    if (sure < last) {
        node_say(node, "cuts off %llu batches after %llu, which were never committed",
                 (unsigned long long)(last - sure), (unsigned long long)sure);
        if (!journal->cut(journal->context, sure, why, sizeof why))
            return misplaced(node, why);
    }
    node->last = sure;
    return STEP_DONE;
}

/* N10 */
static enum step cut(struct node *node)
{
    struct own_journal *journal = &node->journal;
    uint64_t sure = journal->sure(journal->context);
    if (!node_read_trimmed(node))
        return STEP_AGAIN;
    if (node->kept > sure)
        sure = node->kept;
    enum step step = check_sure(node, sure);
    return step == STEP_DONE ? cut_from(node, sure) : step;
}

static enum step complete(struct node *node)
{
    if (!node_read_trimmed(node))
        return STEP_AGAIN;
    if (node->last >= node->trimmed.number)
        return STEP_DONE;
    enum step step = copy(node);
    if (step != STEP_DONE)
        return step;
    if (!has_trimmed(node, node->journal.last(node->journal.context).number))
        return misplaced(node, "the copied journal is not this cluster's");
    step = cut_from(node, node->trimmed.number);
    return step == STEP_DONE ? STEP_AGAIN : step; /* and looks again what is trimmed by now */
}

static enum step begin(struct node *node)
{
    char why[NODE_WHY_MAX];
    if (!node->journal.begin(node->journal.context, why, sizeof why))
        return misplaced(node, why);
    node_mark(node, node->last, 0);
    return STEP_DONE;
}

enum node_role node_joins(struct node *node)
{
    static enum step (*const steps[])(struct node *) = { join_cluster, register_node, read_kept,
                                                         cut,          complete,      begin };
    for (unsigned i = 0; i < sizeof steps / sizeof *steps;) {
        enum step step = steps[i](node);
        if (step == STEP_ENDS)
            return NODE_ENDED;
        if (node_must_go(node))
            return NODE_JOINS;
        if (step == STEP_DONE)
            i++;
        else
            node_pause(node, *etcd_problem(node->etcd) ? AGAIN_MS : SOON_MS);
        node_publish(node);
    }
    node_say(node, "joined, with all batches up to %llu", (unsigned long long)node->last);
    return node->has_term ? NODE_STANDS : NODE_FOLLOWS;
}
