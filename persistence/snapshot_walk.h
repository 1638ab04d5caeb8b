/* SPDX-License-Identifier: Apache-2.0 */
/* Walks through a snapshot's records without a ledger to load them into. */
#ifndef STOCKD_PERSISTENCE_SNAPSHOT_WALK_H
#define STOCKD_PERSISTENCE_SNAPSHOT_WALK_H

#include "persistence/snapshot.h"

struct snapshot_walk {
    void *context;
    /* Whether to read a block, by its number in the file. NULL: read all. */
    bool (*is_wanted)(void *context, uint64_t block);
    /* Whole records of one kind, judged (S4), borrowed for the call. Non-zero ends the walk. */
    int (*on_block)(void *context, enum contents_kind kind, const unsigned char *bytes,
                    uint32_t length);
};

/* Blocks of all kinds, in the order of the file. 0, -EILSEQ: damaged; what on_block returned; or
 * another -errno, and why. */
int snapshot_walk(const struct snapshot *snapshot, const struct snapshot_walk *walk,
                  struct error *why);

#endif
