/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of etcd's v3 API that replication uses, to and from bytes. Written by hand: it is
 * eight messages with forty fields, decoded in place. protobuf-c would add a generator to the build
 * and would allocate memory for each field of each reply.
 *
 * Texts in requests are borrowed; texts in answers lie in the bytes that were decoded.
 */
#ifndef STOCKD_CLUSTER_ETCD_CODEC_H
#define STOCKD_CLUSTER_ETCD_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/protobuf.h"
#include "engine/base/text.h"

enum etcd_method { ETCD_RANGE, ETCD_TXN, ETCD_COMPACT, ETCD_STATUS };

/* ---- requests ---- */

/* Pairs with key <= their key < end, in ascending order; no end: the pair with that key. */
struct etcd_range {
    struct text key, end;
    uint32_t limit; /* pairs; 0: all */
    bool keys_only; /* values are left empty */
};

enum etcd_property { ETCD_VERSION = 0, ETCD_CREATED = 1, ETCD_MODIFIED = 2 };
enum etcd_relation { ETCD_EQUAL = 0, ETCD_GREATER = 1, ETCD_LESS = 2, ETCD_NOT_EQUAL = 3 };

/* That the key's version (how often it was put since it was created), or the revision that created
 * or last changed it, has that relation to the number. All three are 0 if there is no such key. */
struct etcd_compare {
    struct text key;
    enum etcd_property property;
    enum etcd_relation relation;
    int64_t number;
};

enum etcd_op_kind { ETCD_OP_RANGE, ETCD_OP_PUT, ETCD_OP_DELETE };

struct etcd_op {
    enum etcd_op_kind kind;
    struct etcd_range range; /* of a put: its key only; of a delete: key and end */
    struct text value;       /* of a put */
};

enum { ETCD_COMPARES_MAX = 8, ETCD_OPS_MAX = 16 };

/* All of it at one revision. No two operations of a branch may change the same key. */
struct etcd_txn {
    const struct etcd_compare *compares;
    const struct etcd_op *then;      /* if all comparisons hold */
    const struct etcd_op *otherwise; /* if not */
    uint32_t compare_count, then_count, otherwise_count;
};

void etcd_encode_range(struct proto_writer *writer, const struct etcd_range *range);
void etcd_encode_txn(struct proto_writer *writer, const struct etcd_txn *txn);
void etcd_encode_compact(struct proto_writer *writer, int64_t revision);

/* ---- answers ---- */

struct etcd_pair {
    struct text key, value;
    int64_t created, modified; /* revisions */
    int64_t version;
};

struct etcd_pairs {
    struct proto_reader rest;
};

struct etcd_found {
    struct etcd_pairs pairs;
    uint32_t pair_count;
    bool more;     /* the limit left some out */
    int64_t count; /* in the whole range */
};

struct etcd_result {
    enum etcd_op_kind kind;
    struct etcd_found found; /* of a range */
    int64_t deleted;         /* of a delete */
};

struct etcd_results {
    struct proto_reader rest;
};

struct etcd_member {
    int64_t size, size_in_use; /* bytes of the member's database */
    uint64_t leader;           /* member id; 0: it knows none */
    uint64_t term, index;      /* of Raft */
    struct text version;       /* of etcd */
    struct text alarm;         /* the first error that it tells, such as that of the quota */
    bool learner;
};

struct etcd_answer {
    uint64_t cluster_id, member_id, raft_term;
    int64_t revision;            /* of the store, when it answered */
    struct etcd_found found;     /* ETCD_RANGE */
    bool succeeded;              /* ETCD_TXN: the comparisons held */
    struct etcd_results results; /* ETCD_TXN: one for each operation of the branch taken */
    struct etcd_member member;   /* ETCD_STATUS */
};

/* The operations of a transaction's branches, which its answer must match. */
struct etcd_branches {
    uint8_t then_count, otherwise_count;
    uint8_t then[ETCD_OPS_MAX], otherwise[ETCD_OPS_MAX]; /* enum etcd_op_kind */
};

struct etcd_branches etcd_branches_of(const struct etcd_txn *txn);

/* Decodes an answer. branches: of a transaction. False: the bytes are not a good answer. After
 * true, walking what it holds with the two functions below meets nothing bad. */
bool etcd_decode(enum etcd_method method, const struct etcd_branches *branches, struct text bytes,
                 struct etcd_answer *answer);

/* The next pair, or result. False: there is none. */
bool etcd_next_pair(struct etcd_pairs *pairs, struct etcd_pair *pair);
bool etcd_next_result(struct etcd_results *results, struct etcd_result *result);

#endif
