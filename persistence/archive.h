/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive: segments that snapshots cover, compressed with zstd.
 *
 *   DIR/archive/0000000001.seg.zst  one zstd frame, with its checksum; the segment as it was
 *   DIR/archive/unfinished.tmp      an unfinished one; never read
 *
 * A segment is removed from DIR/journal only once it is in the archive, synced and named, and the
 * name is synced. After a crash in between it is in both, identical.
 */
#ifndef STOCKD_PERSISTENCE_ARCHIVE_H
#define STOCKD_PERSISTENCE_ARCHIVE_H

#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"

struct archive_rules {
    uint64_t max_bytes; /* of the whole archive; 0: no limit */
    uint64_t days;      /* to keep a segment after its creation; 0: for ever */
};

/* Puts a segment of DIR/journal into DIR/archive, which it creates if absent. 0, or -errno. */
int archive_add(const struct file_ops *files, const char *directory, uint64_t sequence,
                struct error *why);

/* Removes the oldest segments until the rules hold. *removed: how many. 0, or -errno. */
int archive_trim(const struct file_ops *files, const char *directory,
                 const struct archive_rules *rules, uint64_t now_ms, uint64_t *removed,
                 struct error *why);

#endif
