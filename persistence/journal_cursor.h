/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a journal's segments that replay, scrub and history share. The cursor is the
 * mechanism: it opens one segment after the other and looks at each block in turn. What is valid,
 * where to skip and where to end is the visitor's policy.
 *
 *   for each segment, ascending
 *     missing   a run of segments before it is missing
 *     range     which part of it to read; it is opened only if there is one
 *     segment   it was opened, or could not be
 *     block     each batch, and each block that is no valid batch
 *     leave     the part was read, or was skipped
 *
 * It only reads, and takes no lock.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_CURSOR_H
#define STOCKD_PERSISTENCE_JOURNAL_CURSOR_H

#include "persistence/segment_reader.h"

enum journal_step {
    JOURNAL_ON,
    JOURNAL_SKIP, /* the rest of the segment, or of the part being read */
    JOURNAL_END,  /* ends the walk; leave is not called */
};

struct journal_range {
    uint64_t from, until; /* offsets; from is a multiple of BLOCK_BYTES */
};

struct journal_block {
    enum batch_verdict verdict;        /* by itself (F3), with the cursor's directory id */
    const unsigned char *bytes;        /* borrowed for the call; aligned to 8 */
    size_t available;                  /* bytes; may be less than a block at the file's end */
    const struct batch_header *header; /* of a valid batch, at bytes; else NULL */
    uint32_t span;                     /* distance to the next one: the batch's span, or a block */
};

struct journal_cursor {
    struct segment_reader reader; /* where it stands */
    const char *directory;        /* of the segments; borrowed */
    const char *archive;          /* where to look for segments not in directory; NULL: nowhere */
    uint64_t directory_id;        /* of the batches; visitors may set it, up to `segment` */
    int error;                    /* what ended the walk */
    struct error *why;
};

/* Each but `block` may be NULL. */
struct journal_visitor {
    void *context;
    /* NULL: a missing segment is an error. */
    enum journal_step (*missing)(void *context, uint64_t first, uint64_t last);
    /* The parts of a segment, ascending, until it returns SKIP; n counts the parts so far. *range
     * comes in as the whole segment. NULL: the whole, once. */
    enum journal_step (*range)(void *context, uint64_t sequence, unsigned n,
                               struct journal_range *range);
    /* error: 0, or as segment_reader_open returned it; ON despite an error reads what can be read.
     * It may move the reader to a later block. NULL: an error ends the walk; the directory id is
     * the segment's. */
    enum journal_step (*segment)(void *context, int error);
    enum journal_step (*block)(void *context, const struct journal_block *block);
    enum journal_step (*leave)(void *context);
};

/* 0 or -ENOMEM. A cursor that is all zero except reader.fd == -1 may be destroyed, too. */
int journal_cursor_init(struct journal_cursor *cursor, const struct file_ops *files,
                        const char *directory);
void journal_cursor_destroy(struct journal_cursor *cursor);

/* Walks the segments of the list from `first` on, which is the first one expected. No segment stays
 * open. 0; -EILSEQ or another -errno and why; or what a visitor failed with. */
int journal_walk(struct journal_cursor *cursor, const struct segment_list *list, uint64_t first,
                 const struct journal_visitor *visitor, struct error *why);

/* For visitors: ends the walk with that error, which is not 0. */
static inline enum journal_step journal_walk_fail(struct journal_cursor *cursor, int error)
{
    cursor->error = error;
    return JOURNAL_END;
}

/* The same if error is not 0. */
static inline enum journal_step journal_walk_judge(struct journal_cursor *cursor, int error)
{
    return error ? journal_walk_fail(cursor, error) : JOURNAL_ON;
}

/* For visitors: ends the walk with that error, and why names the block at the cursor. */
enum journal_step journal_walk_refuse(struct journal_cursor *cursor, int error, const char *what);

/* The same for a block with the verdict BATCH_UNKNOWN. */
enum journal_step journal_walk_refuse_unknown(struct journal_cursor *cursor);

#endif
