/* SPDX-License-Identifier: Apache-2.0 */
/* What recovery begins with: the newest snapshot that can be loaded, and the journal after it. */
#ifndef STOCKD_PERSISTENCE_RECOVERY_BASE_H
#define STOCKD_PERSISTENCE_RECOVERY_BASE_H

#include "persistence/snapshot.h"

struct recovery_base_options {
    const struct file_ops *files;
    const char *directory; /* the data directory */
    unsigned threads;      /* that load; 0: as many as there are processors */
    const struct snapshot_target *target;
    void *context;                                /* of the next */
    void (*say)(void *context, const char *line); /* what was passed over; may be NULL */
};

struct recovery_base {
    bool found;                       /* else: at the very beginning */
    struct journal_position position; /* zero if there is none */
    uint64_t created_ms;              /* of the snapshot */
    uint64_t bytes;                   /* of its file */
    struct contents_totals totals;
    unsigned passed_over; /* newer ones that are damaged */
};

/*
 * Loads the newest snapshot that can be loaded into the target's ledger; if there is none, the
 * target's ledger is a fresh one. Damaged ones are passed over, with a line that says so (S6).
 * 0; -EILSEQ: a snapshot is from another data directory; -ENOSPC: a table is too small; or another
 * -errno.
 */
int recovery_base_load(const struct recovery_base_options *options, struct recovery_base *base,
                       struct error *why);

/* Threads to load with: 1 for files that are not the system's, else one for each processor. */
unsigned recovery_base_threads(const struct file_ops *files);

/*
 * Keeps segments from being removed (S6): locks DIR/snapshot/readers, shared. The directory is made
 * if it is not there. The fd, to be closed when the segments are not read any more; or -errno.
 */
int recovery_base_hold(const struct file_ops *files, const char *directory, struct error *why);

/* For readers of segments alone, the first of which may be gone: the position of the oldest whole
 * snapshot (S3) after which no segment is missing; zero if the segments begin at the beginning, or
 * there is none. 0, or -errno. */
int recovery_base_oldest(const struct file_ops *files, const char *directory,
                         struct journal_position *position, struct error *why);

#endif
