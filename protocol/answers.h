/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's box for questions that come back answered. Whoever answers puts them in and rings the
 * bell, an eventfd that the worker's ring reads; the worker takes them all out.
 *
 * A1  `first` is pushed with release by any thread and taken by exchange with acquire by the
 *     worker: a thread that takes a question out sees its answer. The bell comes after the push, so
 *     a worker that heard it finds the question.
 */
#ifndef STOCKD_PROTOCOL_ANSWERS_H
#define STOCKD_PROTOCOL_ANSWERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/history/history.h"

struct answer_box {
    _Atomic(struct history_query *) first; /* A1 */
    int bell;                              /* eventfd; const after init */
    uint64_t rung;                         /* what the worker's ring reads into */
};

/* 0 or -errno. */
int answer_box_init(struct answer_box *box);
/* Frees what was never taken out. No other thread may use the box any more. */
void answer_box_destroy(struct answer_box *box);

/* Any thread. The question is the worker's from now on. */
void answer_box_put(struct answer_box *box, struct history_query *query);

/* Any thread, also one without a ring: the worker looks around. */
void answer_box_ring(struct answer_box *box);

/* The worker: all that came since, linked by next_query, the newest first; NULL: none. */
struct history_query *answer_box_take(struct answer_box *box);

#endif
