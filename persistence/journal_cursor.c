/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/journal_cursor.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

int journal_cursor_init(struct journal_cursor *cursor, const struct file_ops *files,
                        const char *directory)
{
    *cursor = (struct journal_cursor){ .directory = directory };
    return segment_reader_init(&cursor->reader, files);
}

void journal_cursor_destroy(struct journal_cursor *cursor)
{
    segment_reader_destroy(&cursor->reader);
}

enum journal_step journal_walk_refuse(struct journal_cursor *cursor, int error, const char *what)
{
    const struct segment_reader *reader = &cursor->reader;
    return journal_walk_fail(cursor,
                             error_set(cursor->why, error, "%s: offset %" PRIu64 ": %s",
                                       segment_name(reader->sequence).text, reader->offset, what));
}

enum journal_step journal_walk_refuse_unknown(struct journal_cursor *cursor)
{
    return journal_walk_refuse(cursor, -ENOTSUP, "a batch in a later version of the format");
}

/* ---- one part of a segment ---- */

static enum journal_step visit_block(struct journal_cursor *cursor,
                                     const struct journal_visitor *visitor)
{
    struct segment_reader *reader = &cursor->reader;
    struct journal_block block = { .span = BLOCK_BYTES };
    assert(reader->offset < reader->end);
    int verdict = segment_reader_look(reader, cursor->directory_id, &block.bytes, &block.available,
                                      cursor->why);
    if (verdict < 0)
        return journal_walk_fail(cursor, verdict);
    assert(verdict <= BATCH_UNKNOWN);
    block.verdict = (enum batch_verdict)verdict;
    if (verdict == BATCH_VALID) {
        block.header = (const struct batch_header *)(const void *)block.bytes;
        block.span = batch_span(block.header->length);
        assert(block.span <= block.available); /* F3 */
    }
    enum journal_step step = visitor->block(visitor->context, &block);
    if (step == JOURNAL_ON)
        segment_reader_skip(reader, block.span);
    return step;
}

/* Reads nothing after the part: it may be being written. */
static enum journal_step walk_range(struct journal_cursor *cursor,
                                    const struct journal_visitor *visitor,
                                    const struct journal_range *range)
{
    struct segment_reader *reader = &cursor->reader;
    uint64_t end = reader->end;
    enum journal_step step = JOURNAL_ON;
    assert(range->from % BLOCK_BYTES == 0);
    assert(!visitor->range || reader->offset <= range->from);
    if (reader->offset < range->from)
        segment_reader_skip(reader, range->from - reader->offset);
    if (range->until < end)
        reader->end = range->until;
    while (step == JOURNAL_ON && reader->offset < reader->end)
        step = visit_block(cursor, visitor);
    reader->end = end;
    if (step == JOURNAL_END || !visitor->leave)
        return step == JOURNAL_SKIP ? JOURNAL_ON : step;
    return visitor->leave(visitor->context);
}

/* ---- one segment ---- */

/* A compaction may move the segment to the archive until it is open. */
static int open_segment(struct journal_cursor *cursor, uint64_t sequence)
{
    struct segment_reader *reader = &cursor->reader;
    int error = segment_reader_open(reader, cursor->directory, sequence, cursor->why);
    if (error == -ENOENT && cursor->archive)
        error = segment_reader_open_archived(reader, cursor->archive, sequence, cursor->why);
    return error;
}

static enum journal_step visit_segment(struct journal_cursor *cursor,
                                       const struct journal_visitor *visitor, uint64_t sequence)
{
    int error = open_segment(cursor, sequence);
    assert(error || cursor->reader.header.sequence == sequence);
    if (visitor->segment)
        return visitor->segment(visitor->context, error);
    cursor->directory_id = cursor->reader.header.directory_id;
    return journal_walk_judge(cursor, error);
}

static enum journal_step walk_segment(struct journal_cursor *cursor,
                                      const struct journal_visitor *visitor, uint64_t sequence)
{
    enum journal_step step = JOURNAL_ON;
    for (unsigned n = 0; step == JOURNAL_ON; n++) {
        struct journal_range range = { BLOCK_BYTES, UINT64_MAX };
        if (visitor->range)
            step = visitor->range(visitor->context, sequence, n, &range);
        else if (n > 0)
            return JOURNAL_ON;
        if (step == JOURNAL_ON && cursor->reader.sequence != sequence)
            step = visit_segment(cursor, visitor, sequence);
        if (step == JOURNAL_ON)
            step = walk_range(cursor, visitor, &range);
    }
    return step == JOURNAL_SKIP ? JOURNAL_ON : step;
}

/* ---- all of them ---- */

static enum journal_step meet_gap(struct journal_cursor *cursor,
                                  const struct journal_visitor *visitor, uint64_t first,
                                  uint64_t last)
{
    assert(first <= last);
    if (visitor->missing)
        return visitor->missing(visitor->context, first, last);
    return journal_walk_fail(cursor, error_set(cursor->why, -EILSEQ, "%s: segment %s is missing",
                                               cursor->directory, segment_name(first).text));
}

int journal_walk(struct journal_cursor *cursor, const struct segment_list *list, uint64_t first,
                 const struct journal_visitor *visitor, struct error *why)
{
    enum journal_step step = JOURNAL_ON;
    uint64_t expected = first;
    assert(visitor->block);
    cursor->error = 0;
    cursor->why = why;
    cursor->reader.sequence = 0; /* opens the first segment even if the last walk ended in it */
    for (size_t i = 0; i < list->count && step == JOURNAL_ON; i++) {
        uint64_t sequence = list->sequences[i];
        if (sequence < first)
            continue;
        assert(sequence >= expected);
        if (sequence > expected)
            step = meet_gap(cursor, visitor, expected, sequence - 1);
        if (step == JOURNAL_ON)
            step = walk_segment(cursor, visitor, sequence);
        expected = sequence + 1;
    }
    segment_reader_close(&cursor->reader);
    return cursor->error;
}
