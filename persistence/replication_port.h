/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal of a cluster's node needs of the cluster. It lies beside the storage port: what
 * a primary writes to its disk it also hands to this port, and it acknowledges what the port's
 * owner reports as committed (journal_committed, persistence/journal_node.h).
 */
#ifndef STOCKD_PERSISTENCE_REPLICATION_PORT_H
#define STOCKD_PERSISTENCE_REPLICATION_PORT_H

#include <stdint.h>

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
};

#endif
