/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transactions of docs/CLUSTER.md ("In etcd"), and its reads. Each is two functions: one
 * submits it, one judges its reply. Nothing here waits or remembers; who calls it decides what an
 * answer that never came means (the page says it for each).
 *
 * A verdict UNKNOWN or NOT_DONE says that nothing is known, or that nothing was done: send it
 * again. `revision` is always that of etcd's store.
 */
#ifndef STOCKD_CLUSTER_TRANSACTIONS_H
#define STOCKD_CLUSTER_TRANSACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/etcd.h"
#include "cluster/values.h"

enum {
    CLUSTER_NAME_MAX = 64,
    CLUSTER_KEY_MAX = 224,
    CLUSTER_FOLLOW = 4,              /* batches in one answer */
    CLUSTER_BATCH_MAX = 128 << 10,   /* bytes of one */
    CLUSTER_REPLY_MAX = 1 << 20,     /* what etcd_config.reply_max must be at least */
    CLUSTER_REQUEST_MAX = 160 << 10, /* and request_max */
};

struct cluster {
    struct etcd *etcd;
    char prefix[CLUSTER_NAME_MAX + 16]; /* "/stockd/CLUSTER/" */
};

/* What a call of etcd needs besides. */
struct cluster_call {
    uint64_t tag;
    uint64_t deadline_ms;
};

/* A term that a node has taken: what etcd compares (N3). */
struct term_held {
    int64_t revision; /* R */
    int64_t version;  /* V: how often the key was put */
};

/* name: of the cluster, at most CLUSTER_NAME_MAX bytes. False: it is no such name. */
bool cluster_init(struct cluster *cluster, struct etcd *etcd, const char *name);

/* All that submit return what etcd_txn and etcd_range return. */

/* ---- found: the cluster did not exist; now it does, with its first term and batch ---- */

struct cluster_founding {
    struct cluster_common common;
    struct cluster_term term;
    struct cluster_trimmed trimmed; /* the batch before the first one in the log */
    struct cluster_member member;   /* the founder: term.node */
    struct text batch;              /* trimmed.number + 1 */
};

enum found_verdict { FOUND_DONE, FOUND_EXISTS, FOUND_UNKNOWN };

int cluster_found(const struct cluster *cluster, const struct cluster_founding *founding,
                  struct cluster_call call);
enum found_verdict cluster_judge_found(const struct etcd_reply *reply);

/* ---- register: this node under this id; a new id forgets what the old one said it keeps ---- */

enum register_verdict { REGISTER_DONE, REGISTER_MOVED, REGISTER_UNKNOWN };

/* registered: the revision of node/NODE as read before; 0: none. */
int cluster_register(const struct cluster *cluster, const char *node,
                     const struct cluster_member *member, int64_t registered, bool is_new,
                     struct cluster_call call);
/* DONE: *registered is the node's registration from now on. */
enum register_verdict cluster_judge_register(const struct etcd_reply *reply, int64_t *registered);

/* ---- append: N3, N4, N5 ---- */

enum append_verdict {
    APPEND_COMMITTED, /* log/N has these bytes, by this transaction or by an earlier copy of it */
    APPEND_EARLY,     /* log/N-1 is not there yet */
    APPEND_REFUSED,   /* the term is another's, or log/N is another batch: never */
    APPEND_NOT_DONE,  /* etcd refused it as it was: no change */
    APPEND_UNKNOWN,
};

int cluster_append(const struct cluster *cluster, struct term_held held, uint64_t number,
                   struct text batch, struct cluster_call call);
enum append_verdict cluster_judge_append(const struct etcd_reply *reply, struct term_held held,
                                         struct text batch);

/* ---- beat ---- */

enum beat_verdict { BEAT_DONE, BEAT_REFUSED, BEAT_UNKNOWN };

int cluster_beat(const struct cluster *cluster, struct term_held held,
                 const struct cluster_beat *beat, struct cluster_call call);
enum beat_verdict cluster_judge_beat(const struct etcd_reply *reply);

/* ---- swap: N8 is the caller's: trimmed is one that it has ---- */

enum swap_verdict {
    SWAP_WON,   /* also by an earlier copy of the attempt */
    SWAP_LOST,  /* the term is another's */
    SWAP_MOVED, /* the term is not, but `trimmed` has moved */
    SWAP_UNKNOWN,
};

/* before: the term as it was read; trimmed: the revision of `trimmed` as it was read. */
int cluster_swap(const struct cluster *cluster, struct term_held before, int64_t trimmed,
                 const struct cluster_term *term, struct cluster_call call);
/* WON: *held is the term. word: of the attempt. */
enum swap_verdict cluster_judge_swap(const struct etcd_reply *reply, struct term_held before,
                                     uint64_t word, struct term_held *held);

/* ---- kept: N11 is the caller's ---- */

enum kept_verdict { KEPT_DONE, KEPT_REFUSED, KEPT_UNKNOWN };

/* REFUSED: somebody registered in this node's name since. */
int cluster_keeps(const struct cluster *cluster, const char *node, int64_t registered,
                  const struct cluster_kept *kept, struct cluster_call call);
enum kept_verdict cluster_judge_kept(const struct etcd_reply *reply);

/* ---- trim: N12 ---- */

/* What a node said that it keeps, as it was read. */
struct cluster_keeper {
    char node[NODE_NAME_MAX];
    int64_t revision;
    struct cluster_kept kept;
};

enum trim_verdict { TRIM_DONE, TRIM_REFUSED, TRIM_MOVED, TRIM_UNKNOWN };

/* keepers: two, each of which keeps trimmed->number. */
int cluster_trim(const struct cluster *cluster, struct term_held held,
                 const struct cluster_keeper keepers[2], const struct cluster_trimmed *trimmed,
                 struct cluster_call call);
/* REFUSED: the term is another's. MOVED: a keeper has said something else since. */
enum trim_verdict cluster_judge_trim(const struct etcd_reply *reply, struct term_held held);

/* ---- handover: held by the term, as a beat is, and judged as one ---- */

/* NULL: deletes it. */
int cluster_hand_over(const struct cluster *cluster, struct term_held held,
                      const struct cluster_handover *handover, struct cluster_call call);

/* ---- leave ---- */

enum leave_verdict { LEAVE_DONE, LEAVE_MOVED, LEAVE_UNKNOWN };

int cluster_leave(const struct cluster *cluster, const char *node, int64_t registered,
                  struct cluster_call call);
enum leave_verdict cluster_judge_leave(const struct etcd_reply *reply);

/* ---- reads ---- */

/* One key: "term", or "kept/" and a node's name. */
int cluster_get(const struct cluster *cluster, const char *folder, const char *name,
                struct cluster_call call);
/* log/N alone. */
int cluster_get_batch(const struct cluster *cluster, uint64_t number, struct cluster_call call);
/* All keys of a folder: "kept/" or "node/". */
int cluster_list(const struct cluster *cluster, const char *folder, struct cluster_call call);
/* `beat` and `handover`, and what lies between, but not kept/. */
int cluster_watch(const struct cluster *cluster, struct cluster_call call);
/* The first batches of log/N..., CLUSTER_FOLLOW at most. */
int cluster_follow(const struct cluster *cluster, uint64_t number, struct cluster_call call);

/* The only pair of a range's answer. False: there is none. */
bool cluster_pair(const struct etcd_reply *reply, struct etcd_pair *pair);
/* What a key's name is, behind the prefix and a folder ("" for none). Absent: it is elsewhere. */
struct text cluster_name_of(const struct cluster *cluster, struct text key, const char *folder);
/* False: the key is no log/N. */
bool cluster_number_of(const struct cluster *cluster, struct text key, uint64_t *number);

#endif
