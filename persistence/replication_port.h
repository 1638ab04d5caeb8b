/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal of a cluster's node needs of the cluster. It lies beside the storage port: what
 * a primary writes to its disk it also hands to this port, and it acknowledges what the port's
 * owner reports as committed (journal_committed, persistence/journal_node.h).
 */
#ifndef STOCKD_PERSISTENCE_REPLICATION_PORT_H
#define STOCKD_PERSISTENCE_REPLICATION_PORT_H

#include <stdint.h>

#include "persistence/error.h"
#include "persistence/format.h"

/* How a node's journal ends, once it was read. */
struct replication_tail {
    uint64_t number; /* of the last whole batch; 0: there is none */
    uint64_t sure;   /* everything up to that batch was committed: a header says so */
    unsigned count;  /* of the batches after that one */
    uint64_t checksums[JOURNAL_BATCHES]; /* theirs: of batch sure + 1 and on */
};

struct replication_port {
    void *context; /* first argument of each function */
    /*
     * A batch was made: its header and records, without the padding, `length` bytes. In the order
     * of the numbers, each once. The bytes stay as they are until the batch is committed and on the
     * local disk; or until the journal is closed, which must come after the last look at them.
     *
     * Called by whichever worker is inside the journal's lock: it must not wait, and must not call
     * the journal. It hands the batch to another thread, with release; that thread acquires it
     * before it reads the bytes or calls journal_committed.
     */
    void (*append)(void *context, uint64_t number, const void *batch, uint32_t length);
    /*
     * At opening, in its thread, always: which of the batches that are not sure were committed (the
     * cut, docs/CLUSTER.md). By then the sure ones were applied, and no file was changed. *keep:
     * the number of the last one, from tail->sure to tail->number; what comes after it is cut off.
     * Non-zero, and why, refuses to open, for example because the journal ends before what this
     * node has said it keeps.
     */
    int (*compare)(void *context, const struct replication_tail *tail, uint64_t *keep,
                   struct error *why);
};

#endif
