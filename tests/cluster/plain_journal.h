/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a node under test: batches in one file, one after another, as they were made. It
 * has no ledger, and no clients but a thread that makes batches as long as it may. What it writes
 * as the primary is late, as a disk can be: a process that is killed leaves a file that lacks the
 * last batches, though they may be committed.
 *
 *     file    id of the journal: 8 bytes; batches
 *     batch   struct plain_batch, and `length` bytes that are made of `word`
 *
 * It tells what happens in lines on the standard output: microseconds of CLOCK_MONOTONIC, the
 * node's name, and
 *     joined LAST                 follows, with all batches up to LAST
 *     serves TERM LAST            is primary, after LAST
 *     answered NUMBER CHECKSUM    a client has its reply
 *     hindered REASON             0: no more
 *     replied DONE WHY            to what it was asked
 *     ended REASON WHY
 */
#ifndef STOCKD_TESTS_CLUSTER_PLAIN_JOURNAL_H
#define STOCKD_TESTS_CLUSTER_PLAIN_JOURNAL_H

#include <pthread.h>

#include "cluster/node.h"
#include "tests/support/random.h"

enum { PLAIN_SLOTS = 3, PLAIN_BATCHES_MAX = 1 << 18, PLAIN_NAME_MAX = 512 };

struct plain_batch {
    uint64_t checksum; /* of the rest */
    uint64_t number, previous, term, committed, word;
    uint64_t length;
};

struct plain_slot {
    uint64_t due_us; /* when its local write is done */
    unsigned char bytes[CLUSTER_BATCH_MAX];
};

struct plain_journal {
    char name[NODE_NAME_MAX];
    char path[PLAIN_NAME_MAX];
    struct random random;
    uint32_t batch_max, late_us; /* bytes; how late a write may be */
    int fd;
    uint64_t id;
    pthread_mutex_t lock;
    /* Of batch N at N - 1. Those after `written` are in slots only. */
    uint64_t checksums[PLAIN_BATCHES_MAX], offsets[PLAIN_BATCHES_MAX + 1];
    uint64_t last, written, committed, sure;
    uint64_t term; /* in which it makes batches; 0: it makes none */
    bool holds, is_quiet, is_hindered, has_ended;
    bool has_begun; /* has made the term's first batch */
    enum node_end end;
    struct node *node;
    struct plain_slot slots[PLAIN_SLOTS];
};

/* Opens the file, or makes it. Forgets what was in memory only. */
void plain_open(struct plain_journal *journal);
void plain_close(struct plain_journal *journal);

/* The functions for a node. */
struct own_journal plain_functions(struct plain_journal *journal);

/* Makes and writes what is due. Called all the time, by one thread. */
void plain_turn(struct plain_journal *journal);

void plain_tell(struct plain_journal *journal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
