/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster's log in memory: a replication port that keeps what is appended, and commits it when
 * the test says so. It checks on the way that numbers come in order, and that the bytes which it
 * was given stay as they are until they may change. One thread at a time.
 */
#ifndef STOCKD_TESTS_SUPPORT_MEMORY_LOG_H
#define STOCKD_TESTS_SUPPORT_MEMORY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/journal_node.h"

struct memory_batch {
    unsigned char *bytes; /* owned; a copy */
    uint32_t length;
    const void *original; /* NULL: it may have changed since */
};

struct memory_log {
    struct replication_port port;
    struct memory_batch *batches; /* owned; [0] is number first */
    uint64_t first;               /* 0: none was appended yet */
    uint64_t count;
    uint64_t committed; /* number of the last one */

    struct replication_tail asked; /* about what the last opening asked */
    unsigned openings;
};

/* The log must not move in memory. */
void memory_log_init(struct memory_log *log);
void memory_log_free(struct memory_log *log);

/* NULL: it is not there. */
const struct memory_batch *memory_log_at(const struct memory_log *log, uint64_t number);
const struct batch_header *memory_log_header(const struct memory_log *log, uint64_t number);
uint64_t memory_log_last(const struct memory_log *log); /* 0: none */

/* What was appended up to that number still has its bytes; then journal_committed. */
bool memory_log_commit(struct memory_log *log, struct journal *journal, uint64_t number);

/* Its primary is gone: what it appended up to that number has been committed, the rest never is. */
void memory_log_settle(struct memory_log *log, uint64_t number);

/* As the port's: keeps what is committed here. */
int memory_log_compare(struct memory_log *log, const struct replication_tail *tail, uint64_t *keep);

#endif
