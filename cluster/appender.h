/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits a primary's batches in etcd (docs/CLUSTER.md, "Commit"): takes them in order from
 * whatever thread makes them, has up to some under way, and settles each.
 *
 *   AP1  A batch's bytes are borrowed from appender_hand until it is committed.
 *   AP2  A number is bound to its bytes: what was not answered is sent again as it is, until
 *        log/N or the term settles it (N5). One copy is under way at a time.
 *   AP3  Commits are in order: `committed` is the last one before which all are committed.
 *   AP4  Once one is refused, nothing more is sent; what is committed stays so.
 *   AP5  A batch that came before its predecessor is sent again once that is committed.
 */
#ifndef STOCKD_CLUSTER_APPENDER_H
#define STOCKD_CLUSTER_APPENDER_H

#include <stdatomic.h>

#include "cluster/commit_times.h"
#include "cluster/transactions.h"

enum {
    APPENDER_SLOTS = 8,     /* batches that are not committed yet, at most */
    APPENDER_PAUSE_MS = 20, /* before what etcd did not take is sent again */
};

enum append_state {
    APPEND_WAITS,
    APPEND_SENT,
    APPEND_WAS_EARLY, /* waits for its predecessor */
    APPEND_DONE,      /* but not yet all before it */
};

struct append_slot {
    /* Written by who hands it over, before `handed` says so. */
    struct text batch;
    uint64_t handed_us;
    /* The appender's. */
    enum append_state state;
    bool after_previous; /* sent once its predecessor was committed */
    uint64_t not_before_ms, sent_ms;
};

struct appender {
    const struct cluster *cluster;
    struct term_held held;
    uint32_t under_way_max, under_way;
    uint64_t call_ms; /* for which a copy is waited */
    bool refused;
    const char *why;            /* it is refused; static */
    uint64_t answered_ms;       /* when the last one that etcd answered was sent */
    uint64_t bytes;             /* committed */
    _Atomic uint64_t handed;    /* release: the slot is filled. Written by who hands over */
    _Atomic uint64_t committed; /* release: the slot is free. Written by the appender */
    struct append_slot slots[APPENDER_SLOTS]; /* batch N in slot N % APPENDER_SLOTS */
    struct commit_times *times;
};

/* In the term held, after batch `last`, which is committed. Before anybody hands one over. */
void appender_start(struct appender *appender, const struct cluster *cluster, struct term_held held,
                    uint64_t last, uint64_t now_ms);

/* Any thread, but one at a time; never blocks. The next number. */
void appender_hand(struct appender *appender, uint64_t number, struct text batch);

/* The rest is the thread's that owns the client of etcd. */

/* Submits what is due. */
void appender_send(struct appender *appender, uint64_t now_ms);

/* When appender_send has something to do again by itself; UINT64_MAX: never. */
uint64_t appender_due_ms(const struct appender *appender);

/* True: the reply was to one of its calls. */
bool appender_take(struct appender *appender, const struct etcd_reply *reply);

/* The term is known to be another's. why: static. */
void appender_refuse(struct appender *appender, const char *why);

#endif
