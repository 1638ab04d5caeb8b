/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batches at the end of a cluster's journal that no header states committed: replay holds them
 * back until a later one does, or until the cluster was asked. They are at most JOURNAL_BATCHES
 * (F19).
 */
#ifndef STOCKD_PERSISTENCE_REPLAY_UNSURE_H
#define STOCKD_PERSISTENCE_REPLAY_UNSURE_H

#include "persistence/replay_files.h"

struct unsure_batch {
    struct replay_result before; /* as it was when the chain ended before this batch */
    uint64_t sequence, offset;
    unsigned char *bytes; /* header and records; borrowed of the memory */
};

struct unsure_batches {
    unsigned char *memory; /* NULL: none was held yet */
    struct unsure_batch batches[JOURNAL_BATCHES];
    unsigned count;
    uint64_t first; /* number of the oldest */
};

/* All zero is empty. */
void unsure_free(struct unsure_batches *unsure);

/* Copies a batch that continues the ones held. 0 or -ENOMEM. */
int unsure_hold(struct unsure_batches *unsure, const struct batch_header *header,
                const struct unsure_batch *where);

/* NULL: none is held. */
const struct unsure_batch *unsure_oldest(const struct unsure_batches *unsure);
void unsure_drop_oldest(struct unsure_batches *unsure);

static inline const struct batch_header *unsure_header(const struct unsure_batch *batch)
{
    return (const struct batch_header *)(const void *)batch->bytes;
}

/* What the cluster is asked about. last: number of the chain's last batch. */
struct replication_tail unsure_tail(const struct unsure_batches *unsure, uint64_t last);

/* The chain ends before the oldest one held: all of them belong to the tail. */
void unsure_cut(const struct unsure_batches *unsure, struct replay_result *result);

#endif
