/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repair: cuts a damaged journal off before its first damage. What is left is the state at an LSN,
 * which is always consistent; what comes after it is given up, and kept aside as it was.
 *
 * R1  Nothing is changed before a copy of it is on disk, in the directory `aside`.
 * R2  Segments after the cut are moved there, the last one first; then the rest of the cut's
 *     segment is zeroed. A crash on the way leaves a journal that can be repaired again. The
 *     clean-stop mark, which would demand what is given up, is removed last.
 *     A segment that is missing there, after a snapshot, is made, and is empty (S8).
 * R3  A header is rewritten only for a segment that holds valid batches of this journal, or that
 *     the cut leaves empty.
 */
#ifndef STOCKD_PERSISTENCE_REPAIR_H
#define STOCKD_PERSISTENCE_REPAIR_H

#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/scrub.h"

/* directory: of the segments; aside: exists, is empty, and its name is durable. The caller holds
 * the data directory's lock. 0, or -errno and why. */
int journal_repair(const struct file_ops *files, const char *directory, const char *aside,
                   const struct scrub *scrub, uint64_t now_ms, struct error *why);

#endif
