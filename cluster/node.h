/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of a cluster (docs/CLUSTER.md): a thread that owns the client of etcd, and goes through
 * these roles. tests/model/replicate.pml is their model.
 *
 *   joins     registers, cuts off what was never committed, copies what was trimmed
 *   follows   reads the log, and watches the primary's beat
 *   stands    has swapped the term, or tries to; reads the log to its end
 *   primary   commits its own batches; beats; trims
 *   ended     own_journal.ended has got the reason
 *
 * A node that has ended is destroyed, and a new one made: after NODE_REFUSED, NODE_HANDED_OVER and
 * NODE_BEHIND at once, from the journal as it is on the disk (N9).
 */
#ifndef STOCKD_CLUSTER_NODE_H
#define STOCKD_CLUSTER_NODE_H

#include "cluster/commit_times.h"
#include "cluster/etcd.h"
#include "cluster/own_journal.h"
#include "cluster/transactions.h"

struct node;

enum node_role { NODE_JOINS, NODE_FOLLOWS, NODE_STANDS, NODE_PRIMARY, NODE_ENDED };

/* Milliseconds, and sizes; 0: as the comment says. */
struct node_limits {
    uint32_t beat_ms;     /* 250: between two beats */
    uint32_t suspect_ms;  /* 1500: without a beat */
    uint32_t poll_ms;     /* 10: between two reads that found nothing */
    uint32_t watch_ms;    /* 50: between two reads of the beat */
    uint32_t call_ms;     /* 1200: for which an answer of etcd is awaited; more than an election */
    uint32_t stale_ms;    /* 2000: a primary that etcd has not answered takes no changes */
    uint32_t chores_ms;   /* 1000: says what it keeps, looks what others keep, trims */
    uint32_t stagger_ms;  /* 200: a candidate waits a random part of it */
    uint32_t handover_ms; /* 200: until a handover has failed */
    uint32_t under_way;   /* 1: appends; more are refused more often (N4), and sent again */
    uint64_t keep_bytes;  /* 64 MiB: of the log are not trimmed */
    uint64_t kept_bytes;  /* 8 MiB: said to be kept each */
    uint64_t quota_bytes; /* 2 GiB: etcd's own default */
};

struct node_config {
    struct etcd_config etcd; /* request_max and reply_max are set by the node */
    const char *cluster;     /* its name; NULL: "stockd" */
    const char *name;        /* of the node */
    const char *address;     /* for clients and peers */
    const char *version;     /* of the program */
    uint64_t id;             /* of the node: of its disk (N13) */
    bool may_found;          /* if there is no cluster in etcd */
    bool may_stand;          /* false: it follows only */
    struct node_limits limits;
    struct own_journal journal;
};

/* NULL on failure, with one line in why. Texts are copied. */
struct node *node_create(const struct node_config *config, char *why, size_t size);
/* Starts the thread. An errno, or 0. */
int node_start(struct node *node);
/* Has the thread end, and waits for it. Not from a function of own_journal. */
void node_stop(struct node *node);
/* A stopped one, or one that was never started. */
void node_destroy(struct node *node);

/* As the primary: a batch of the journal; the numbers ascend by one. Any thread, one at a time;
 * does not block. The bytes stay as they are until the batch is committed, or the node has
 * ended. */
void node_append(struct node *node, uint64_t number, struct text batch);

/* The primary's connection was reset, and nobody listens there any more. Any thread. */
void node_suspect(struct node *node);

enum node_request { NODE_HAND_OVER, NODE_LEAVE };

/* Has the primary hand over to that node, or that node forgotten. own_journal.replied tells what
 * became of it. False: another request is not through. Any thread. */
bool node_ask(struct node *node, enum node_request request, const char *name);

/* True: this primary may have been replaced, and what it knows may be old. Any thread, for each
 * answer. now_ms: of CLOCK_MONOTONIC. */
bool node_is_stale(const struct node *node, uint64_t now_ms);

/* ---- figures; any thread ---- */

struct node_peer {
    char name[NODE_NAME_MAX];
    struct cluster_member member;
    bool keeps; /* has said what it keeps */
    struct cluster_kept kept;
};

struct node_status {
    enum node_role role;
    enum node_hindrance hindrance;
    struct cluster_term term; /* as last read; number 0: not yet */
    uint64_t last;            /* batch that is read and applied, or committed */
    uint64_t behind_ms;       /* how long ago it had read the log's end; of a primary 0 */
    uint64_t trimmed;
    uint64_t etcd_bytes, etcd_quota, etcd_cluster;
    int64_t clock_apart_ms; /* the primary's less this node's, when it last beat */
    uint64_t commit_p50_us, commit_p99_us;
    uint32_t survives; /* losses of disks */
    uint32_t peer_count;
    struct node_peer peers[NODE_PEERS_MAX];
    char problem[ETCD_WHY_MAX]; /* with etcd; "": none */
};

void node_get_status(struct node *node, struct node_status *status);
const struct commit_times *node_commit_times(const struct node *node);
const char *node_role_name(enum node_role role);

#endif
