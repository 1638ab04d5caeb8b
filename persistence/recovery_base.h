/* SPDX-License-Identifier: Apache-2.0 */
/* Where recovery begins: the newest snapshot that can be loaded, then the journal after it. */
#ifndef STOCKD_PERSISTENCE_RECOVERY_BASE_H
#define STOCKD_PERSISTENCE_RECOVERY_BASE_H

#include "persistence/snapshot.h"

struct recovery_base_options {
    const struct file_ops *files;
    const char *directory; /* the data directory */
    unsigned threads;      /* to load with; 0: one per processor */
    const struct snapshot_target *target;
    void *context; /* of say */
    void (*say)(void *context, int level,
                const char *line); /* which snapshots were skipped; may be NULL */
};

struct recovery_base {
    bool found;                       /* false: recovery begins at the very beginning */
    struct journal_position position; /* zero if not found */
    uint64_t created_ms;              /* of the snapshot */
    uint64_t bytes;                   /* of its file */
    struct contents_totals totals;
    unsigned passed_over; /* newer ones that are damaged */
};

/*
 * Loads the newest snapshot that can be loaded into the target's ledger; if there is none, the
 * target's ledger is fresh. Skips damaged ones, with a line for each (S6). 0; -EILSEQ: a snapshot
 * is from another data directory; -ENOSPC: a table is too small; or another -errno.
 */
int recovery_base_load(const struct recovery_base_options *options, struct recovery_base *base,
                       struct error *why);

/* Threads to load with: one per processor; 1 if files is not file_system. */
unsigned recovery_base_threads(const struct file_ops *files);

/*
 * Keeps segments from being removed (S6): locks DIR/snapshot/readers, shared. Creates the directory
 * if it is absent. The fd, which the caller closes once it no longer reads segments; or -errno.
 */
int recovery_base_hold(const struct file_ops *files, const char *directory, struct error *why);

/* For readers of segments, the first of which may be gone: the position of the oldest whole
 * snapshot (S3) after which no segment is missing; zero if the segments start at the very
 * beginning, or there is no such snapshot. 0, or -errno. */
int recovery_base_oldest(const struct file_ops *files, const char *directory,
                         struct journal_position *position, struct error *why);

#endif
