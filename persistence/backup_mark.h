/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup, and the mark that makes it one.
 *
 *   BACKUP/backup                   the mark: what the backup holds, up to where
 *   BACKUP/journal/0000000001.seg   sealed segments, as far as they hold batches
 *   BACKUP/tail-a/, BACKUP/tail-b/  the segments after them, up to the backup's end: the mark names
 *                                   one of the two, the next backup writes the other
 *   BACKUP/snapshot/...12345.snap   snapshots
 *   BACKUP/lock                     locked by who makes a backup or restores one
 *
 * B1  The mark is replaced as a whole, and only once all that it names is on disk. What it names is
 *     never overwritten: sealed segments and snapshots do not change, and a tail is written into
 *     the directory that the mark does not name. So a backup that is interrupted leaves the one
 *     before as it was.
 * B2  Segments up to mark.sealed come from journal/, later ones from the tail. What lies there
 *     beyond is of a backup that was interrupted, and is ignored.
 * B3  Segments need no list and no checksum of their own: batches form a chain (F4), each with its
 *     checksums, and the chain must reach the batch that the mark names.
 * B4  A backup goes on only from a journal that has the batch with which it ends: one that has not,
 *     or has another one of that number, is of another history, and is refused before anything is
 *     written. The engine cannot lose that batch: a backup syncs the segments that it was made of
 *     before its mark is written. Behind a gap the batch may be gone; then the journal must only
 *     not begin before it.
 */
#ifndef STOCKD_PERSISTENCE_BACKUP_MARK_H
#define STOCKD_PERSISTENCE_BACKUP_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/segment.h"
#include "persistence/snapshot.h"

#define BACKUP_MARK_NAME "backup"
#define BACKUP_MARK_UNFINISHED "backup.tmp"
#define BACKUP_MARK_MAGIC "SDBACKU1"

enum { BACKUP_MARK_VERSION = 1 };

/* The whole file. */
struct backup_mark {
    char magic[8];
    uint32_t version;
    uint32_t tail;                  /* 0: tail-a, 1: tail-b */
    struct journal_position sealed; /* after the last batch of the last sealed segment */
    struct journal_position end;    /* after the last batch */
    uint64_t made_ms;               /* wall clock */
    uint64_t checksum;              /* XXH3-64 of the bytes before */
};

_Static_assert(sizeof(struct backup_mark) == 128, "as in the file");

/* The directories of a backup. */
struct backup_paths {
    struct path journal, snapshot, tails[2];
};

/* 0 or -ENAMETOOLONG. */
int backup_paths_of(struct backup_paths *paths, const char *backup);

/* *found: there is a mark. 0; -EILSEQ: it is damaged; -ENOTSUP: a later version wrote it; or
 * another -errno; and why. */
int backup_mark_read(struct backup_mark *mark, bool *found, const struct file_ops *files,
                     const char *backup, struct error *why);

/* Fills in magic, version and checksum; returns once it is durable (B1). */
int backup_mark_write(const struct backup_mark *mark, const struct file_ops *files,
                      const char *backup, struct error *why);

/* Locks the backup. The fd, or -errno and why: -EWOULDBLOCK if another process works on it. */
int backup_lock(const struct file_ops *files, const char *backup, struct error *why);

#endif
