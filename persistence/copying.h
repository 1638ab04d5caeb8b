/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of segments, made batch by batch, and of snapshots. A batch is judged before it is copied:
 * by itself (F3) by whoever reads it, and as the next one of the chain (F4, F11) here. So a copy is
 * as good as what it was made of.
 */
#ifndef STOCKD_PERSISTENCE_COPYING_H
#define STOCKD_PERSISTENCE_COPYING_H

#include "persistence/replay.h"
#include "persistence/segment.h"

/* Where the copies of segments go; a directory, NULL: nowhere, the batches are only judged. */
struct copying {
    const struct file_ops *files;
    const char *directory;
    bool whole;           /* copies have their segments' full size, as an engine needs them */
    struct replay replay; /* the chain so far */
    struct error *why;
    /* The copy under way. */
    int fd; /* -1: none */
    struct segment_header header;
    uint64_t end; /* of its last batch */
    /* What was done. */
    uint64_t bytes, segments;
    struct {
        uint64_t sequence, offset; /* where the last batch copied ends; 0: none */
    } last;
};

/* Copies go on from that position of the chain; NULL: from the very beginning. */
void copying_begin(struct copying *copying, const struct file_ops *files,
                   const struct journal_position *from, struct error *why);

/* A batch of that segment at that offset, valid by itself. 0; -EILSEQ: it does not continue the
 * chain; or another -errno; and why. */
int copying_batch(struct copying *copying, const struct segment_header *header, uint64_t offset,
                  const void *batch);

/* The segment has no more batches: completes its copy, and syncs it. 0, or -errno and why. */
int copying_leave(struct copying *copying);

/* Drops the copy under way, if any, as it is. */
void copying_end(struct copying *copying);

/* Copies the file, syncs it, and gives it its name then; does nothing if `to` has one of that name.
 * *bytes: how many, 0: it was there. -ENOENT: `from` has none. */
int copy_file(const struct file_ops *files, const char *from, const char *to, const char *name,
              uint64_t *bytes, struct error *why);

#endif
