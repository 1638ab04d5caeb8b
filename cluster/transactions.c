/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/transactions.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool cluster_init(struct cluster *cluster, struct etcd *etcd, const char *name)
{
    size_t length = strlen(name);
    if (length > CLUSTER_NAME_MAX || !text_is_code(text_of(name)))
        return false;
    cluster->etcd = etcd;
    snprintf(cluster->prefix, sizeof cluster->prefix, "/stockd/%s/", name);
    return true;
}

/* ---- keys ---- */

struct key {
    char bytes[CLUSTER_KEY_MAX];
};

static struct text key_of(const struct cluster *cluster, struct key *key, const char *folder,
                          const char *name)
{
    int length = snprintf(key->bytes, sizeof key->bytes, "%s%s%s", cluster->prefix, folder, name);
    assert(length > 0 && (size_t)length < sizeof key->bytes);
    return (struct text){ key->bytes, (uint32_t)length };
}

static struct text key_of_log(const struct cluster *cluster, struct key *key, uint64_t number)
{
    char name[17];
    snprintf(name, sizeof name, "%016" PRIx64, number);
    return key_of(cluster, key, "log/", name);
}

struct text cluster_name_of(const struct cluster *cluster, struct text key, const char *folder)
{
    struct key start;
    struct text before = key_of(cluster, &start, folder, "");
    if (key.len < before.len || memcmp(key.at, before.at, before.len) != 0)
        return (struct text){ 0 };
    return (struct text){ key.at + before.len, key.len - before.len };
}

bool cluster_number_of(const struct cluster *cluster, struct text key, uint64_t *number)
{
    struct text name = cluster_name_of(cluster, key, "log/");
    *number = 0;
    for (uint32_t i = 0; i < name.len; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = memchr(digits, name.at[i], 16);
        if (!digit)
            return false;
        *number = *number << 4 | (uint64_t)(digit - digits);
    }
    return name.len == 16;
}

/* ---- what transactions are made of ---- */

static struct etcd_compare equal(struct text key, enum etcd_property property, int64_t number)
{
    return (struct etcd_compare){
        .key = key, .property = property, .relation = ETCD_EQUAL, .number = number
    };
}

static struct etcd_op put(struct text key, struct text value)
{
    return (struct etcd_op){ .kind = ETCD_OP_PUT, .range.key = key, .value = value };
}

static struct etcd_op get(struct text key)
{
    return (struct etcd_op){ .kind = ETCD_OP_RANGE, .range.key = key };
}

static struct etcd_op delete_range(struct text key, struct text end)
{
    return (struct etcd_op){ .kind = ETCD_OP_DELETE, .range = { .key = key, .end = end } };
}

static struct etcd_op delete_key(struct text key)
{
    return delete_range(key, (struct text){ 0 });
}

enum { TERM_COMPARES = 2 };

/* N3 */
static void compare_term(struct etcd_compare *compares, struct text term, struct term_held held)
{
    compares[0] = equal(term, ETCD_MODIFIED, held.revision);
    compares[1] = equal(term, ETCD_VERSION, held.version);
}

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

/* The pair that the transaction's result number `at` has found. False: none. */
static bool result_pair(const struct etcd_reply *reply, unsigned at, struct etcd_pair *pair)
{
    struct etcd_results results = reply->answer.results;
    struct etcd_result result;
    for (unsigned i = 0; i <= at; i++) {
        if (!etcd_next_result(&results, &result))
            return false;
    }
    assert(result.kind == ETCD_OP_RANGE);
    return etcd_next_pair(&result.found.pairs, pair);
}

static bool is_answered(const struct etcd_reply *reply)
{
    return reply->outcome == ETCD_ANSWERED;
}

/* ---- found ---- */

int cluster_found(const struct cluster *cluster, const struct cluster_founding *founding,
                  struct cluster_call call)
{
    struct key keys[6];
    char values[5][CLUSTER_VALUE_MAX];
    const char *node = founding->term.node;
    const struct cluster_kept kept = { .number = founding->trimmed.number };
    struct text common = key_of(cluster, &keys[0], "", "cluster");
    const struct etcd_compare compares[] = { equal(common, ETCD_CREATED, 0) };
    const struct etcd_op then[] = {
        put(common, cluster_value(CLUSTER_COMMON, &founding->common, values[0])),
        put(key_of(cluster, &keys[1], "", "term"),
            cluster_value(CLUSTER_TERM, &founding->term, values[1])),
        put(key_of(cluster, &keys[2], "", "trimmed"),
            cluster_value(CLUSTER_TRIMMED, &founding->trimmed, values[2])),
        put(key_of(cluster, &keys[3], "node/", node),
            cluster_value(CLUSTER_MEMBER, &founding->member, values[3])),
        put(key_of(cluster, &keys[4], "kept/", node),
            cluster_value(CLUSTER_KEPT, &kept, values[4])),
        put(key_of_log(cluster, &keys[5], founding->trimmed.number + 1), founding->batch),
    };
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum found_verdict cluster_judge_found(const struct etcd_reply *reply)
{
    if (!is_answered(reply))
        return FOUND_UNKNOWN;
    return reply->answer.succeeded ? FOUND_DONE : FOUND_EXISTS;
}

/* ---- register ---- */

int cluster_register(const struct cluster *cluster, const char *node,
                     const struct cluster_member *member, int64_t registered, bool is_new,
                     struct cluster_call call)
{
    struct key key, kept;
    char value[CLUSTER_VALUE_MAX];
    struct text name = key_of(cluster, &key, "node/", node);
    const struct etcd_compare compares[] = { equal(name, ETCD_MODIFIED, registered) };
    const struct etcd_op then[] = { put(name, cluster_value(CLUSTER_MEMBER, member, value)),
                                    delete_key(key_of(cluster, &kept, "kept/", node)) };
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = is_new ? 2 : 1 };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum register_verdict cluster_judge_register(const struct etcd_reply *reply, int64_t *registered)
{
    if (!is_answered(reply))
        return REGISTER_UNKNOWN;
    if (!reply->answer.succeeded)
        return REGISTER_MOVED;
    *registered = reply->answer.revision;
    return REGISTER_DONE;
}

/* ---- append ---- */

int cluster_append(const struct cluster *cluster, struct term_held held, uint64_t number,
                   struct text batch, struct cluster_call call)
{
    struct key keys[3];
    struct etcd_compare compares[TERM_COMPARES + 2];
    struct text term = key_of(cluster, &keys[0], "", "term");
    struct text at = key_of_log(cluster, &keys[1], number);
    struct text before = key_of_log(cluster, &keys[2], number - 1);
    const struct etcd_op then[] = { put(at, batch) };
    const struct etcd_op otherwise[] = { get(at), get(term) };
    assert(number > 0);
    compare_term(compares, term, held);
    compares[2] = equal(at, ETCD_CREATED, 0);
    compares[3] = equal(before, ETCD_CREATED, 0); /* N4 */
    compares[3].relation = ETCD_GREATER;
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then),
                                  .otherwise = otherwise,
                                  .otherwise_count = COUNT(otherwise) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

/* Of a transaction that compares the term and gets it if it fails. */
static bool is_of_term(const struct etcd_reply *reply, unsigned at, struct term_held held)
{
    struct etcd_pair term;
    return result_pair(reply, at, &term) && term.modified == held.revision &&
           term.version == held.version;
}

enum append_verdict cluster_judge_append(const struct etcd_reply *reply, struct term_held held,
                                         struct text batch)
{
    struct etcd_pair there;
    if (reply->outcome == ETCD_REFUSED)
        return APPEND_NOT_DONE;
    if (!is_answered(reply))
        return APPEND_UNKNOWN;
    if (reply->answer.succeeded)
        return APPEND_COMMITTED;
    if (result_pair(reply, 0, &there))
        return text_equal(there.value, batch) ? APPEND_COMMITTED : APPEND_REFUSED;
    return is_of_term(reply, 1, held) ? APPEND_EARLY : APPEND_REFUSED;
}

/* ---- beat ---- */

/* One operation, if the term is held; else gets the term. */
static int in_term(const struct cluster *cluster, struct term_held held, struct etcd_op then,
                   struct cluster_call call)
{
    struct key key;
    struct etcd_compare compares[TERM_COMPARES];
    struct text term = key_of(cluster, &key, "", "term");
    const struct etcd_op otherwise[] = { get(term) };
    compare_term(compares, term, held);
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = &then,
                                  .then_count = 1,
                                  .otherwise = otherwise,
                                  .otherwise_count = COUNT(otherwise) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

int cluster_beat(const struct cluster *cluster, struct term_held held,
                 const struct cluster_beat *beat, struct cluster_call call)
{
    struct key key;
    char value[CLUSTER_VALUE_MAX];
    return in_term(cluster, held,
                   put(key_of(cluster, &key, "", "beat"), cluster_value(CLUSTER_BEAT, beat, value)),
                   call);
}

enum beat_verdict cluster_judge_beat(const struct etcd_reply *reply)
{
    if (!is_answered(reply))
        return BEAT_UNKNOWN;
    return reply->answer.succeeded ? BEAT_DONE : BEAT_REFUSED;
}

int cluster_hand_over(const struct cluster *cluster, struct term_held held,
                      const struct cluster_handover *handover, struct cluster_call call)
{
    struct key key;
    char value[CLUSTER_VALUE_MAX];
    struct text at = key_of(cluster, &key, "", "handover");
    if (!handover)
        return in_term(cluster, held, delete_key(at), call);
    return in_term(cluster, held, put(at, cluster_value(CLUSTER_HANDOVER, handover, value)), call);
}

/* ---- swap ---- */

int cluster_swap(const struct cluster *cluster, struct term_held before, int64_t trimmed,
                 const struct cluster_term *term, struct cluster_call call)
{
    struct key keys[2];
    char value[CLUSTER_VALUE_MAX];
    struct text at = key_of(cluster, &keys[0], "", "term");
    struct text last = key_of(cluster, &keys[1], "", "trimmed");
    struct etcd_compare compares[TERM_COMPARES + 1];
    const struct etcd_op then[] = { put(at, cluster_value(CLUSTER_TERM, term, value)) };
    const struct etcd_op otherwise[] = { get(at), get(last) };
    compare_term(compares, at, before);
    compares[2] = equal(last, ETCD_MODIFIED, trimmed);
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then),
                                  .otherwise = otherwise,
                                  .otherwise_count = COUNT(otherwise) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum swap_verdict cluster_judge_swap(const struct etcd_reply *reply, struct term_held before,
                                     uint64_t word, struct term_held *held)
{
    struct etcd_pair pair;
    struct cluster_term term;
    if (!is_answered(reply))
        return SWAP_UNKNOWN;
    if (reply->answer.succeeded) {
        *held = (struct term_held){ reply->answer.revision, before.version + 1 };
        return SWAP_WON;
    }
    if (is_of_term(reply, 0, before))
        return SWAP_MOVED;
    if (!result_pair(reply, 0, &pair) || !cluster_read_value(CLUSTER_TERM, pair.value, &term) ||
        term.word != word)
        return SWAP_LOST;
    *held = (struct term_held){ pair.modified, pair.version };
    return SWAP_WON;
}

/* ---- kept ---- */

int cluster_keeps(const struct cluster *cluster, const char *node, int64_t registered,
                  const struct cluster_kept *kept, struct cluster_call call)
{
    struct key keys[2];
    char value[CLUSTER_VALUE_MAX];
    const struct etcd_compare compares[] = {
        equal(key_of(cluster, &keys[0], "node/", node), ETCD_MODIFIED, registered),
    };
    const struct etcd_op then[] = {
        put(key_of(cluster, &keys[1], "kept/", node), cluster_value(CLUSTER_KEPT, kept, value)),
    };
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum kept_verdict cluster_judge_kept(const struct etcd_reply *reply)
{
    if (!is_answered(reply))
        return KEPT_UNKNOWN;
    return reply->answer.succeeded ? KEPT_DONE : KEPT_REFUSED;
}

/* ---- trim ---- */

int cluster_trim(const struct cluster *cluster, struct term_held held,
                 const struct cluster_keeper keepers[2], const struct cluster_trimmed *trimmed,
                 struct cluster_call call)
{
    struct key keys[6];
    char value[CLUSTER_VALUE_MAX];
    struct text term = key_of(cluster, &keys[0], "", "term");
    struct text kept[2] = { key_of(cluster, &keys[1], "kept/", keepers[0].node),
                            key_of(cluster, &keys[2], "kept/", keepers[1].node) };
    struct etcd_compare compares[TERM_COMPARES + 2];
    const struct etcd_op then[] = {
        delete_range(key_of_log(cluster, &keys[3], 0),
                     key_of_log(cluster, &keys[4], trimmed->number + 1)),
        put(key_of(cluster, &keys[5], "", "trimmed"),
            cluster_value(CLUSTER_TRIMMED, trimmed, value)),
    };
    const struct etcd_op otherwise[] = { get(term), get(kept[0]), get(kept[1]) };
    assert(!text_equal(kept[0], kept[1]));
    assert(keepers[0].kept.number >= trimmed->number && keepers[1].kept.number >= trimmed->number);
    compare_term(compares, term, held);
    compares[2] = equal(kept[0], ETCD_MODIFIED, keepers[0].revision); /* N12 */
    compares[3] = equal(kept[1], ETCD_MODIFIED, keepers[1].revision);
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then),
                                  .otherwise = otherwise,
                                  .otherwise_count = COUNT(otherwise) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum trim_verdict cluster_judge_trim(const struct etcd_reply *reply, struct term_held held)
{
    if (!is_answered(reply))
        return TRIM_UNKNOWN;
    if (reply->answer.succeeded)
        return TRIM_DONE;
    return is_of_term(reply, 0, held) ? TRIM_MOVED : TRIM_REFUSED;
}

/* ---- leave ---- */

int cluster_leave(const struct cluster *cluster, const char *node, int64_t registered,
                  struct cluster_call call)
{
    struct key keys[2];
    struct text name = key_of(cluster, &keys[0], "node/", node);
    const struct etcd_compare compares[] = { equal(name, ETCD_MODIFIED, registered) };
    const struct etcd_op then[] = { delete_key(name),
                                    delete_key(key_of(cluster, &keys[1], "kept/", node)) };
    const struct etcd_txn txn = { .compares = compares,
                                  .compare_count = COUNT(compares),
                                  .then = then,
                                  .then_count = COUNT(then) };
    return etcd_txn(cluster->etcd, &txn, call.tag, call.deadline_ms);
}

enum leave_verdict cluster_judge_leave(const struct etcd_reply *reply)
{
    if (!is_answered(reply))
        return LEAVE_UNKNOWN;
    return reply->answer.succeeded ? LEAVE_DONE : LEAVE_MOVED;
}

/* ---- reads ---- */

int cluster_get(const struct cluster *cluster, const char *folder, const char *name,
                struct cluster_call call)
{
    struct key key;
    const struct etcd_range range = { .key = key_of(cluster, &key, folder, name) };
    return etcd_range(cluster->etcd, &range, call.tag, call.deadline_ms);
}

int cluster_get_batch(const struct cluster *cluster, uint64_t number, struct cluster_call call)
{
    struct key key;
    const struct etcd_range range = { .key = key_of_log(cluster, &key, number) };
    return etcd_range(cluster->etcd, &range, call.tag, call.deadline_ms);
}

/* The end of a folder's keys: its name, with the byte after '/' in place of that. */
static struct text end_of(const struct cluster *cluster, struct key *key, const char *folder)
{
    struct text end = key_of(cluster, key, folder, "");
    assert(key->bytes[end.len - 1] == '/');
    key->bytes[end.len - 1] = '/' + 1;
    return end;
}

int cluster_list(const struct cluster *cluster, const char *folder, struct cluster_call call)
{
    struct key keys[2];
    const struct etcd_range range = { .key = key_of(cluster, &keys[0], folder, ""),
                                      .end = end_of(cluster, &keys[1], folder) };
    return etcd_range(cluster->etcd, &range, call.tag, call.deadline_ms);
}

int cluster_watch(const struct cluster *cluster, struct cluster_call call)
{
    struct key keys[2];
    const struct etcd_range range = { .key = key_of(cluster, &keys[0], "", "beat"),
                                      .end = key_of(cluster, &keys[1], "kept/", "") };
    return etcd_range(cluster->etcd, &range, call.tag, call.deadline_ms);
}

int cluster_follow(const struct cluster *cluster, uint64_t number, struct cluster_call call)
{
    struct key keys[2];
    const struct etcd_range range = { .key = key_of_log(cluster, &keys[0], number),
                                      .end = end_of(cluster, &keys[1], "log/"),
                                      .limit = CLUSTER_FOLLOW };
    return etcd_range(cluster->etcd, &range, call.tag, call.deadline_ms);
}

bool cluster_pair(const struct etcd_reply *reply, struct etcd_pair *pair)
{
    struct etcd_pairs pairs = reply->answer.found.pairs;
    assert(reply->method == ETCD_RANGE && is_answered(reply));
    return etcd_next_pair(&pairs, pair);
}
