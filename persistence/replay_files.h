/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay of a journal's files: walks the segments in order, pushes each batch of the chain to
 * persistence/replay.h, and judges what lies beyond the end, all by the rules of
 * persistence/format.h. Recovery, verify and dump share it. It refuses a missing segment before it
 * hands on the first record.
 *
 * It only reads, and takes no lock: its caller ensures that nothing writes meanwhile.
 */
#ifndef STOCKD_PERSISTENCE_REPLAY_FILES_H
#define STOCKD_PERSISTENCE_REPLAY_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/replication_port.h"
#include "persistence/snapshot.h"

struct replay_options {
    const struct file_ops *files;
    const char *directory;                /* of the segments: DIR/journal */
    const struct journal_position *start; /* where to begin; NULL: at the very beginning */
    uint64_t until;                       /* number of the sealed segment to end with; 0: none */
    uint64_t until_number;                /* of the last batch in it */
    /* Its `compare` decides where the chain ends; only without `until`. NULL: all of it counts. */
    const struct replication_port *replication;
    void *context; /* first argument of the callbacks, each of which may be NULL */

    /* As in struct replay_target. */
    int (*on_record)(void *context, const struct record_head *record, uint64_t lsn,
                     uint64_t time_ms);
    void (*on_prefetch)(void *context, const struct record_head *record, unsigned stage);
    void (*on_leap)(void *context, uint64_t from, uint64_t to);
    /* A valid batch, before its records. Non-zero ends the walk. */
    int (*on_batch)(void *context, const struct batch_header *batch, uint64_t sequence,
                    uint64_t offset);
    /* Now and then: bytes of segment files read so far, of about `total`. */
    void (*on_progress)(void *context, uint64_t done, uint64_t total);
};

enum replay_tail {
    TAIL_CLEAN,       /* zeroes */
    TAIL_TORN,        /* bytes, none of them a valid batch */
    TAIL_UNPROMISED,  /* at least one valid batch that no header states durable */
    TAIL_UNCOMMITTED, /* batches that continue the chain, but the cluster has not committed them */
};

struct replay_result {
    uint64_t directory_id;
    uint64_t last_sequence; /* of the segments present, or that of the start; 0: none */
    uint64_t segments;      /* present, including those before the start */
    uint64_t lsn;           /* position at which the journal ends */
    uint64_t number;        /* of the last batch; 0: none */
    uint64_t checksum;      /* of the last batch */
    uint64_t time_ms;       /* of the last batch */
    uint32_t flags;         /* of the last batch, if one was replayed (F17) */
    uint64_t committed;     /* the last batch that a whole header states committed (F19); 0: none */
    uint64_t records;

    /* The end (F8): where the next batch goes, unless that segment is full; then it goes to the
     * next one. If no segment follows the start, it is the start's, with offset 0. */
    uint64_t end_sequence;
    uint64_t end_offset;
    uint64_t segment_bytes; /* full size of that segment, by its header */
    uint64_t file_bytes;    /* actual size; less if the file was truncated */

    bool leads_on; /* a batch says that a segment follows that one (F18), but none is there */

    uint64_t next_bytes; /* size of the segment after it; 0: none */

    /* What lies beyond the end. */
    enum replay_tail tail;
    uint64_t tail_end;     /* in the end's segment: only zeroes from here on */
    uint64_t tail_batches; /* valid ones */
    uint64_t tail_bytes;   /* in all blocks that are not zero */
    bool later_dirty;      /* a segment after the end's holds some of it, or is truncated */
    bool stopped;          /* there is a clean-stop mark, and the chain ends where it says */
};

/*
 * With `until`, the chain must reach the last batch of that segment, and what lies beyond is not
 * judged.
 * 0; -EILSEQ for corruption, a missing or a foreign segment; -ENOTSUP for what a later version of
 * the format wrote (in either case why names segment and offset); another -errno if reading
 * failed; what a callback returned, if not 0.
 */
int replay_files(const struct replay_options *options, struct replay_result *result,
                 struct error *why);

#endif
