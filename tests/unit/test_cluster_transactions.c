/* SPDX-License-Identifier: Apache-2.0 */
/* The transactions of docs/CLUSTER.md against a real etcd: what each changes, and that it is
 * refused in exactly the cases that the page names. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cluster/transactions.h"
#include "tests/support/etcd_rig.h"

static struct etcd *etcd;
static struct cluster cluster;

static void begin(void)
{
    etcd_rig_start();
    etcd = etcd_rig_client();
    cr_assert(cluster_init(&cluster, etcd, "test"));
}

static void end(void)
{
    etcd_destroy(etcd);
    etcd_rig_end();
}

TestSuite(cluster_transactions, .init = begin, .fini = end);

/* The reply, which must be an answer. */
static const struct etcd_reply *reply_to(int submitted)
{
    const struct etcd_reply *reply = etcd_rig_reply(etcd, submitted);
    cr_assert_eq(reply->outcome, ETCD_ANSWERED, "%s", reply->why);
    return reply;
}

static bool read_key(const char *folder, const char *name, struct etcd_pair *pair)
{
    return cluster_pair(reply_to(cluster_get(&cluster, folder, name, etcd_rig_call())), pair);
}

static int64_t revision_of(const char *folder, const char *name)
{
    struct etcd_pair pair;
    return read_key(folder, name, &pair) ? pair.modified : 0;
}

static uint64_t keeps(const char *node)
{
    struct etcd_pair pair;
    struct cluster_kept kept;
    cr_assert(read_key("kept/", node, &pair));
    cr_assert(cluster_read_value(CLUSTER_KEPT, pair.value, &kept));
    return kept.number;
}

/* ---- steps ---- */

static enum found_verdict found(const char *node, uint64_t trimmed)
{
    struct cluster_founding founding = {
        .common = { .format = CLUSTER_FORMAT, .journal = 77, .segment_bytes = 1, .ids = 2 },
        .term = { .number = 1, .word = 5 },
        .trimmed = { .number = trimmed, .checksum = 99 },
        .batch = text_of("first"),
    };
    snprintf(founding.term.node, sizeof founding.term.node, "%s", node);
    return cluster_judge_found(reply_to(cluster_found(&cluster, &founding, etcd_rig_call())));
}

static struct term_held held_now(void)
{
    struct etcd_pair pair;
    cr_assert(read_key("", "term", &pair));
    return (struct term_held){ pair.modified, pair.version };
}

static enum swap_verdict swap_from(struct term_held before, int64_t trimmed, uint64_t word,
                                   struct term_held *held)
{
    struct cluster_term term = { .number = 2, .word = word };
    return cluster_judge_swap(
        reply_to(cluster_swap(&cluster, before, trimmed, &term, etcd_rig_call())), before, word,
        held);
}

static enum append_verdict append(struct term_held held, uint64_t number, const char *batch)
{
    return cluster_judge_append(
        reply_to(cluster_append(&cluster, held, number, text_of(batch), etcd_rig_call())), held,
        text_of(batch));
}

static enum register_verdict register_as(const char *node, int64_t before, bool is_new,
                                         int64_t *registered)
{
    const struct cluster_member member = { .id = 3, .address = "here:1", .version = "v" };
    return cluster_judge_register(
        reply_to(cluster_register(&cluster, node, &member, before, is_new, etcd_rig_call())),
        registered);
}

static enum kept_verdict say_kept(const char *node, int64_t registered, uint64_t number)
{
    const struct cluster_kept kept = { .number = number };
    return cluster_judge_kept(
        reply_to(cluster_keeps(&cluster, node, registered, &kept, etcd_rig_call())));
}

static enum beat_verdict beat(struct term_held held)
{
    const struct cluster_beat now = { .counter = 1 };
    return cluster_judge_beat(reply_to(cluster_beat(&cluster, held, &now, etcd_rig_call())));
}

static struct cluster_keeper keeper_of(const char *node)
{
    struct cluster_keeper keeper = { .revision = revision_of("kept/", node),
                                     .kept.number = keeps(node) };
    snprintf(keeper.node, sizeof keeper.node, "%s", node);
    return keeper;
}

static enum trim_verdict trim(struct term_held held, const struct cluster_keeper keepers[2],
                              uint64_t number)
{
    const struct cluster_trimmed trimmed = { .number = number, .checksum = 1 };
    return cluster_judge_trim(
        reply_to(cluster_trim(&cluster, held, keepers, &trimmed, etcd_rig_call())), held);
}

/* How many batches a read of log/N... brings, and the first one's number. */
static unsigned follow(uint64_t number, uint64_t *first)
{
    const struct etcd_reply *reply = reply_to(cluster_follow(&cluster, number, etcd_rig_call()));
    struct etcd_pair pair;
    *first = 0;
    if (cluster_pair(reply, &pair))
        cr_assert(cluster_number_of(&cluster, pair.key, first));
    return reply->answer.found.pair_count;
}

/* ---- tests ---- */

Test(cluster_transactions, a_cluster_is_founded_once)
{
    uint64_t first;
    cr_assert_eq(found("n1", 6), FOUND_DONE);
    cr_assert_eq(found("n2", 0), FOUND_EXISTS);
    cr_assert_eq(follow(1, &first), 1);
    cr_assert_eq(first, 7);
    cr_assert_eq(keeps("n1"), 6);
    cr_assert_neq(revision_of("node/", "n1"), 0);
    cr_assert_eq(revision_of("node/", "n2"), 0);
}

Test(cluster_transactions, an_append_is_refused_by_number_and_by_term)
{
    struct term_held old, new, wrong;
    uint64_t first;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    old = held_now();
    cr_assert_eq(append(old, 3, "third"), APPEND_EARLY);
    cr_assert_eq(append(old, 2, "second"), APPEND_COMMITTED);
    cr_assert_eq(append(old, 2, "second"), APPEND_COMMITTED, "its own bytes are there");
    cr_assert_eq(append(old, 2, "other!"), APPEND_REFUSED, "as long");
    cr_assert_eq(append(old, 1, "another"), APPEND_REFUSED);
    wrong = old;
    wrong.version++;
    cr_assert_eq(append(wrong, 3, "third"), APPEND_REFUSED);

    cr_assert_eq(swap_from(old, revision_of("", "trimmed"), 8, &new), SWAP_WON);
    cr_assert_eq(append(old, 3, "third"), APPEND_REFUSED);
    cr_assert_eq(append(old, 2, "second"), APPEND_COMMITTED, "what it committed stays so");
    cr_assert_eq(append(new, 3, "another third"), APPEND_COMMITTED);
    cr_assert_eq(append(old, 3, "third"), APPEND_REFUSED);
    cr_assert_eq(follow(1, &first), 3);
}

Test(cluster_transactions, a_swap_compares_the_term_and_what_is_trimmed)
{
    struct term_held first, second, again;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    first = held_now();
    int64_t trimmed = revision_of("", "trimmed");
    cr_assert_eq(swap_from(first, trimmed - 1, 8, &second), SWAP_MOVED);
    cr_assert_eq(swap_from(first, trimmed, 8, &second), SWAP_WON);
    cr_assert_eq(second.version, first.version + 1);
    cr_assert_eq(held_now().revision, second.revision);

    cr_assert_eq(swap_from(first, trimmed, 8, &again), SWAP_WON, "an answer that was lost");
    cr_assert_eq(again.revision, second.revision);
    cr_assert_eq(again.version, second.version);
    cr_assert_eq(swap_from(first, trimmed, 9, &again), SWAP_LOST);

    cr_assert_eq(beat(first), BEAT_REFUSED);
    cr_assert_eq(beat(second), BEAT_DONE);
    second.version++;
    cr_assert_eq(beat(second), BEAT_REFUSED);
}

Test(cluster_transactions, a_registration_ends_the_one_before)
{
    int64_t first, second, third;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    cr_assert_eq(register_as("n2", 1, true, &first), REGISTER_MOVED);
    cr_assert_eq(register_as("n2", 0, true, &first), REGISTER_DONE);
    cr_assert_eq(register_as("n2", 0, true, &second), REGISTER_MOVED);
    cr_assert_eq(first, revision_of("node/", "n2"));
    cr_assert_eq(say_kept("n2", first, 4), KEPT_DONE);
    cr_assert_eq(register_as("n2", first, false, &second), REGISTER_DONE);
    cr_assert_eq(keeps("n2"), 4, "the same id: it still has that");
    cr_assert_eq(say_kept("n2", first, 5), KEPT_REFUSED);
    cr_assert_eq(register_as("n2", second, true, &third), REGISTER_DONE);
    cr_assert_eq(revision_of("kept/", "n2"), 0, "N13");
    cr_assert_eq(say_kept("n2", third, 1), KEPT_DONE);

    cr_assert_eq(
        cluster_judge_leave(reply_to(cluster_leave(&cluster, "n2", second, etcd_rig_call()))),
        LEAVE_MOVED);
    cr_assert_eq(
        cluster_judge_leave(reply_to(cluster_leave(&cluster, "n2", third, etcd_rig_call()))),
        LEAVE_DONE);
    cr_assert_eq(revision_of("kept/", "n2") + revision_of("node/", "n2"), 0);
    cr_assert_eq(say_kept("n2", third, 2), KEPT_REFUSED);
}

Test(cluster_transactions, a_trim_compares_the_term_and_what_two_nodes_keep)
{
    struct term_held held, new;
    struct cluster_keeper keepers[2];
    struct etcd_pair pair;
    struct cluster_trimmed trimmed;
    int64_t one, two;
    uint64_t first;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    held = held_now();
    cr_assert_eq(append(held, 2, "second"), APPEND_COMMITTED);
    cr_assert_eq(append(held, 3, "third"), APPEND_COMMITTED);
    one = revision_of("node/", "n1");
    cr_assert_eq(register_as("n2", 0, true, &two), REGISTER_DONE);
    cr_assert_eq(say_kept("n1", one, 3), KEPT_DONE);
    cr_assert_eq(say_kept("n2", two, 2), KEPT_DONE);
    keepers[0] = keeper_of("n1");
    keepers[1] = keeper_of("n2");
    cr_assert_eq(say_kept("n2", two, 3), KEPT_DONE);
    cr_assert_eq(trim(held, keepers, 2), TRIM_MOVED, "N12");
    keepers[1] = keeper_of("n2");
    int64_t before = revision_of("", "trimmed");
    cr_assert_eq(trim(held, keepers, 2), TRIM_DONE);
    cr_assert_eq(follow(1, &first), 1);
    cr_assert_eq(first, 3);
    cr_assert(read_key("", "trimmed", &pair));
    cr_assert(cluster_read_value(CLUSTER_TRIMMED, pair.value, &trimmed));
    cr_assert_eq(trimmed.number, 2);
    cr_assert_eq(append(held, 2, "second"), APPEND_EARLY, "N4: it is not put back");
    cr_assert_eq(swap_from(held, before, 8, &new), SWAP_MOVED, "N8");
    cr_assert_eq(swap_from(held, pair.modified, 8, &new), SWAP_WON);
    cr_assert_eq(trim(held, keepers, 2), TRIM_REFUSED, "N3");
}

Test(cluster_transactions, a_handover_is_written_in_its_term)
{
    const struct cluster_handover handover = { .node = "n2", .number = 1, .term = 1 };
    struct term_held old, new;
    struct etcd_pair pair;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    old = held_now();
    cr_assert_eq(beat(old), BEAT_DONE);
    cr_assert_eq(
        cluster_judge_beat(reply_to(cluster_hand_over(&cluster, old, &handover, etcd_rig_call()))),
        BEAT_DONE);
    cr_assert_eq(reply_to(cluster_watch(&cluster, etcd_rig_call()))->answer.found.pair_count, 3);
    cr_assert_eq(swap_from(old, revision_of("", "trimmed"), 8, &new), SWAP_WON);
    cr_assert_eq(
        cluster_judge_beat(reply_to(cluster_hand_over(&cluster, old, NULL, etcd_rig_call()))),
        BEAT_REFUSED);
    cr_assert(read_key("", "handover", &pair));
    cr_assert_eq(
        cluster_judge_beat(reply_to(cluster_hand_over(&cluster, new, NULL, etcd_rig_call()))),
        BEAT_DONE);
    cr_assert(!read_key("", "handover", &pair));
}

Test(cluster_transactions, clusters_do_not_meet)
{
    struct cluster other;
    struct etcd_pair pair;
    cr_assert_eq(found("n1", 0), FOUND_DONE);
    cr_assert(cluster_init(&other, etcd, "test2"));
    cr_assert(!cluster_pair(reply_to(cluster_get(&other, "", "cluster", etcd_rig_call())), &pair));
    cr_assert_eq(reply_to(cluster_list(&other, "node/", etcd_rig_call()))->answer.found.pair_count,
                 0);
    cr_assert(!cluster_init(&other, etcd, "a/b"));
    cr_assert(!cluster_init(&other, etcd, ""));
}
