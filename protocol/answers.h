/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's box of answered history queries. The history thread puts queries in and rings the
 * bell, an eventfd that the worker's ring reads; the worker takes them all out.
 *
 * A1  Any thread pushes `first` with release; the worker takes it by an exchange with acquire, so
 *     it sees the answer of each query that it takes out. The bell comes after the push, so a
 *     worker that heard it finds the query.
 */
#ifndef STOCKD_PROTOCOL_ANSWERS_H
#define STOCKD_PROTOCOL_ANSWERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/history/history.h"

struct answer_box {
    _Atomic(struct history_query *) first; /* A1 */
    int bell;                              /* eventfd; const after init */
    uint64_t rung;                         /* the worker's ring reads the eventfd into it */
};

/* 0 or -errno. */
int answer_box_init(struct answer_box *box);
/* Frees the queries that were never taken out. No other thread may still use the box. */
void answer_box_destroy(struct answer_box *box);

/* Any thread. Hands ownership of the query to the worker. */
void answer_box_put(struct answer_box *box, struct history_query *query);

/* Any thread, even one without a ring: makes the worker check for work. */
void answer_box_ring(struct answer_box *box);

/* The worker only: all queries since the last call, linked by next_query, newest first, or NULL. */
struct history_query *answer_box_take(struct answer_box *box);

#endif
