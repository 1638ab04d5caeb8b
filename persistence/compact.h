/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction: from the newest snapshot and the sealed segments after it to the next snapshot, which
 * proves on the way that the journal recovers. It works beside an engine, and without one: it locks
 * nothing that an engine locks, and reads nothing that anybody still writes to (S7).
 *
 *   1  lock DIR/snapshot/lock; remove what another one left unfinished
 *   2  find the last sealed segment; if the newest snapshot covers it, go on at 5
 *   3  load the newest snapshot that can be loaded, follow the segments up to the sealed one, check
 *      every invariant
 *   4  write the next snapshot (S2)
 *   5  lock DIR/snapshot/readers, exclusively; if somebody reads, leave the rest to the next time
 *   6  remove the snapshots before the one that was loaded, then the segments that it covers, the
 *      oldest first: into the archive, if there is to be one
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
    unsigned threads;             /* that load a snapshot; 0: as many as there are processors */
    struct ledger_config *config; /* of the ledger that is made; .log is a spare one */
    bool sized; /* config is what an engine has: else its sizes grow to those in the snapshot */
    bool archive;
    struct archive_rules rules;
    uint64_t now_ms; /* wall clock */
    void *context;   /* of what follows; each may be NULL */
    void (*say)(void *context, const char *line);
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes, of each step */
};

struct compact_result {
    bool written;           /* else there was nothing new */
    uint64_t lsn, sequence; /* of the newest snapshot; 0: there is none */
    uint64_t from_lsn;      /* of the one that it was made from */
    uint64_t bytes;         /* of the new one */
    uint64_t records;       /* that were followed */
    uint64_t snapshots_removed, segments_removed, segments_archived, archive_removed;
    bool readers; /* somebody reads segments: nothing was removed */
};

/* 0; -EWOULDBLOCK: another one is at work; -EILSEQ: the journal is damaged; or another -errno. */
int compact(const struct compact_options *options, struct compact_result *result,
            struct error *why);

#endif
