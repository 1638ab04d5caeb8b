/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a snapshot belongs to the journal beside it. Directory id and checksums cannot say so: a
 * copy of the directory that went on by itself makes snapshots with the same id.
 *
 * S8  A compaction makes a snapshot only once a batch follows its last one, in the next segment
 *     (S1). That segment's name was durable before (F1), and no start removes it, because a start
 *     from that snapshot ends there at the earliest. So the segment after a snapshot is there, or
 *     changes made since then are gone. Its first batch continues the snapshot's last one, unless a
 *     power cut took it: then the snapshot's own segment, if it is there, holds that last batch,
 *     which was durable before the snapshot (S7). Anything else is another history's snapshot.
 */
#ifndef STOCKD_PERSISTENCE_SNAPSHOT_ORIGIN_H
#define STOCKD_PERSISTENCE_SNAPSHOT_ORIGIN_H

#include "persistence/snapshot.h"

enum snapshot_origin {
    ORIGIN_NOT_DENIED, /* it belongs here, or nothing is there that could show it */
    ORIGIN_MISSING,    /* the segment after it is missing, but there are earlier ones */
    ORIGIN_OTHER,      /* its own segment does not hold the batch that it ends with */
};

/* directory: of the segments; position: of the snapshot. 0 if it is not denied; -EILSEQ and why; or
 * another -errno, and *origin says nothing. */
int snapshot_judge_origin(const struct file_ops *files, const char *directory,
                          const struct journal_position *position, enum snapshot_origin *origin,
                          struct error *why);

#endif
