/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the segments of a journal, for whoever reads them: replay, scrub, history. The
 * cursor is the mechanism: it opens one segment after the other, looks at each block, and goes on
 * behind it. What is right, where to skip and where to end is the visitor's policy.
 *
 *   for each segment, ascending
 *     missing   a run of segments before it that are not there
 *     range     which part of it is to be read; it is opened only if there is one
 *     segment   it was opened, or could not be
 *     block     each batch, and each block that is no valid one
 *     leave     the part was read, or was skipped
 *
 * It only reads, and takes no lock.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_CURSOR_H
#define STOCKD_PERSISTENCE_JOURNAL_CURSOR_H

#include "persistence/segment_reader.h"

enum journal_step {
    JOURNAL_ON,
    JOURNAL_SKIP, /* what is left of this: of the segment, or of the part that is read */
    JOURNAL_END,  /* the walk; leave is not called */
};

struct journal_range {
    uint64_t from, until; /* offsets; from is a multiple of the block */
};

struct journal_block {
    enum batch_verdict verdict;        /* by itself (F3), with the cursor's directory id */
    const unsigned char *bytes;        /* borrowed for the call; aligned to 8 */
    size_t available;                  /* of them; may be less than a block at the file's end */
    const struct batch_header *header; /* of a valid batch, at bytes; else NULL */
    uint32_t span; /* where the next one lies: behind the batch, or a block on */
};

struct journal_cursor {
    struct segment_reader reader; /* where it stands */
    const char *directory;        /* of the segments; borrowed */
    const char *archive;          /* where to look for what is not there; NULL: nowhere */
    uint64_t directory_id;        /* of the batches; visitors may set it, in `segment` at last */
    int error;                    /* that ended the walk */
    struct error *why;
};

/* Each but `block` may be NULL. */
struct journal_visitor {
    void *context;
    /* NULL: it is an error. */
    enum journal_step (*missing)(void *context, uint64_t first, uint64_t last);
    /* The parts of a segment, ascending, until it says SKIP; n: how many it has given of this one.
     * *range comes in as the whole. NULL: the whole, once. */
    enum journal_step (*range)(void *context, uint64_t sequence, unsigned n,
                               struct journal_range *range);
    /* error: 0, or as of segment_reader_open; ON in spite of it reads what there is. It may put the
     * reader at a later block. NULL: an error ends the walk; the directory id is the segment's. */
    enum journal_step (*segment)(void *context, int error);
    enum journal_step (*block)(void *context, const struct journal_block *block);
    enum journal_step (*leave)(void *context);
};

/* 0 or -ENOMEM. One that is all zero but for reader.fd == -1 may be destroyed, too. */
int journal_cursor_init(struct journal_cursor *cursor, const struct file_ops *files,
                        const char *directory);
void journal_cursor_destroy(struct journal_cursor *cursor);

/* Those of the list from `first` on, which is where the first is expected. No segment stays open.
 * 0; -EILSEQ or another -errno and why; or what a visitor failed with. */
int journal_walk(struct journal_cursor *cursor, const struct segment_list *list, uint64_t first,
                 const struct journal_visitor *visitor, struct error *why);

/* For visitors: ends the walk with that error, not 0. */
static inline enum journal_step journal_walk_fail(struct journal_cursor *cursor, int error)
{
    cursor->error = error;
    return JOURNAL_END;
}

/* The same if there is one. */
static inline enum journal_step journal_walk_judge(struct journal_cursor *cursor, int error)
{
    return error ? journal_walk_fail(cursor, error) : JOURNAL_ON;
}

/* For visitors: what is wrong with the block that the cursor stands at. */
enum journal_step journal_walk_refuse(struct journal_cursor *cursor, int error, const char *what);

/* The same for a block with the verdict BATCH_UNKNOWN. */
enum journal_step journal_walk_refuse_unknown(struct journal_cursor *cursor);

#endif
