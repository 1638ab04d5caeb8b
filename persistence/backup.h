/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a backup of a data directory, beside a running engine or without one (backup_mark.h says
 * what a backup is). It holds all that was written before it began: everything acknowledged, unless
 * the durability is `none`.
 *
 * A directory that holds a backup already gets what is new: the segments that were sealed since,
 * the snapshots that it lacks, and the tail. If compactions have removed segments since the last
 * backup, the new part begins at a snapshot, and times in between cannot be restored.
 */
#ifndef STOCKD_PERSISTENCE_BACKUP_H
#define STOCKD_PERSISTENCE_BACKUP_H

#include "persistence/backup_mark.h"

struct backup_options {
    const struct file_ops *files;
    const char *directory; /* the data directory */
    const char *backup;    /* created if it is missing; else empty, or holds a backup */
    uint64_t directory_id; /* that the directory must have; 0: any */
    uint64_t now_ms;       /* wall clock */
};

struct backup_made {
    struct backup_mark mark;
    bool first;        /* there was none before */
    bool gap;          /* segments were missing since the last one */
    uint64_t bytes;    /* copied */
    uint64_t segments; /* that were copied, in whole or in part */
    uint64_t snapshots;
    uint64_t damaged; /* snapshots that were left out */
};

/* 0; -EILSEQ: the journal, or the backup, is damaged; -EXDEV: the backup is of another directory or
 * another history; or another -errno; and why. */
int backup_make(const struct backup_options *options, struct backup_made *made, struct error *why);

#endif
