/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction: makes the next snapshot from the newest one and the sealed segments after it, which
 * proves on the way that the journal recovers. It runs beside an engine or without one: it locks
 * nothing that an engine locks, and reads nothing that is still written to (S7).
 *
 *   1  lock DIR/snapshot/lock; remove an unfinished snapshot
 *   2  find the last sealed segment; if the newest snapshot covers it, go on at 5
 *   3  load the newest snapshot that can be loaded, replay the segments up to the sealed one, check
 *      every invariant
 *   4  write the next snapshot (S2)
 *   5  archive, if so configured, the segments that the loaded snapshot covers; lock
 *      DIR/snapshot/readers, exclusively; if there are readers, leave the rest to the next time
 *   6  remove the snapshots before the loaded one, then the segments that it covers, the oldest
 *      first
 *
 * Wherever it is killed, the next start finds a snapshot and all segments after it, or all
 * segments.
 */
#ifndef STOCKD_PERSISTENCE_COMPACT_H
#define STOCKD_PERSISTENCE_COMPACT_H

#include "persistence/archive.h"
#include "persistence/recovery_base.h"

struct compact_options {
    const struct file_ops *files;
    const char *directory;        /* the data directory */
    unsigned threads;             /* to load a snapshot with; 0: one per processor */
    struct ledger_config *config; /* of the ledger that it builds; .log is a spare one */
    bool sized; /* the sizes in config are an engine's; else they grow to those in the snapshot */
    bool archive;
    struct archive_rules rules;
    uint64_t now_ms; /* wall clock */
    void *context;   /* of the callbacks, each of which may be NULL */
    void (*say)(void *context, int level, const char *line);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes, of each step */
};

struct compact_result {
    bool written;           /* false: there was nothing new */
    uint64_t lsn, sequence; /* of the newest snapshot; 0: none */
    uint64_t from_lsn;      /* of the one that it was made from */
    uint64_t bytes;         /* of the new one */
    uint64_t records;       /* replayed */
    uint64_t snapshots_removed, segments_removed, segments_archived, archive_removed;
    bool readers; /* segments were being read: nothing was removed */
};

/* 0; -EWOULDBLOCK: another compaction runs; -EILSEQ: the journal is damaged; or another -errno. */
int compact(const struct compact_options *options, struct compact_result *result,
            struct error *why);

#endif
