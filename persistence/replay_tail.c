/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/replay_tail.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

/* Where the chain should have gone on: if there is damage, it is here. */
struct suspect {
    uint64_t sequence;
    uint64_t offset;
    bool damaged; /* not all zeroes */
};

struct tail {
    struct replay_walk *walk;
    struct suspect suspect;
    bool is_short; /* a segment is shorter than its header says */
};

static int refuse_tail(struct replay_walk *walk, const struct suspect *suspect,
                       const struct batch_header *witness)
{
    struct segment_name name = segment_name(suspect->sequence);
    struct segment_name other = segment_name(walk->cursor.reader.sequence);
    return error_set(walk->why, -EILSEQ,
                     "%s: offset %" PRIu64 ": batch %" PRIu64 " is %s, but batch %" PRIu64
                     " (%s: offset %" PRIu64 ") says it was on disk",
                     name.text, suspect->offset, walk->result->number + 1,
                     suspect->damaged ? "damaged" : "missing", witness->number, other.text,
                     walk->cursor.reader.offset);
}

/* Only damage where the chain should have gone on can have ended it. */
static bool is_where_the_chain_goes_on(const struct tail *tail)
{
    const struct replay_result *result = tail->walk->result;
    const struct segment_reader *reader = &tail->walk->cursor.reader;
    bool at_end = reader->sequence == result->end_sequence && reader->offset == result->end_offset;
    bool at_next = reader->sequence == result->end_sequence + 1 && reader->offset == BLOCK_BYTES;
    return at_end || at_next;
}

static void count_tail(struct tail *tail, const struct journal_block *block)
{
    struct replay_result *result = tail->walk->result;
    const struct segment_reader *reader = &tail->walk->cursor.reader;
    assert(block->span % BLOCK_BYTES == 0);
    assert(reader->sequence > result->end_sequence ||
           reader->offset >= result->end_offset); /* F8 */
    if (block->verdict == BATCH_VALID)
        result->tail_batches++;
    result->tail_bytes += block->span;
    if (reader->sequence == result->end_sequence)
        result->tail_end = reader->offset + block->span;
    else
        result->later_dirty = true;
}

static enum journal_step judge_block(void *context, const struct journal_block *block)
{
    struct tail *tail = context;
    struct replay_walk *walk = tail->walk;
    const struct segment_reader *reader = &walk->cursor.reader;
    struct replay_result *result = walk->result;
    struct batch_header header;
    size_t bytes = block->available < BLOCK_BYTES ? block->available : BLOCK_BYTES;
    replay_walk_progress(walk);
    if (bytes_are_zero(block->bytes, bytes))
        return JOURNAL_ON;
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(&walk->cursor);
    if (block->verdict == BATCH_INVALID && !tail->suspect.damaged &&
        is_where_the_chain_goes_on(tail))
        tail->suspect = (struct suspect){ reader->sequence, reader->offset, true };
    bool whole = batch_header_check(block->bytes, block->available, result->directory_id, &header);
    if (whole &&
        batch_states_durable(&header) > result->number) /* F8, F16: whether valid or torn */
        return journal_walk_fail(&walk->cursor, refuse_tail(walk, &tail->suspect, &header));
    if (whole && (header.flags & BATCH_REPLICATED) && header.promised > result->committed)
        result->committed = header.promised;
    count_tail(tail, block);
    return JOURNAL_ON;
}

static enum journal_step judge_segment(void *context, int error)
{
    struct tail *tail = context;
    struct replay_walk *walk = tail->walk;
    struct segment_reader *reader = &walk->cursor.reader;
    const struct replay_result *result = walk->result;
    error = replay_walk_segment(walk, error);
    assert(error || reader->sequence >= result->end_sequence);
    if (!error && reader->sequence == result->end_sequence)
        segment_reader_skip(reader, result->end_offset - reader->offset);
    return journal_walk_judge(&walk->cursor, error);
}

static enum journal_step leave_segment(void *context)
{
    struct tail *tail = context;
    struct replay_result *result = tail->walk->result;
    const struct segment_reader *reader = &tail->walk->cursor.reader;
    if (reader->file_bytes < reader->header.bytes)
        tail->is_short = true;
    if (reader->sequence == result->end_sequence + 1)
        result->next_bytes = reader->header.bytes;
    if (reader->sequence > result->end_sequence && reader->file_bytes != reader->header.bytes)
        result->later_dirty = true; /* no batch may be written there */
    return JOURNAL_ON;
}

static int walk_beyond(struct tail *tail)
{
    struct replay_walk *walk = tail->walk;
    struct replay_result *result = walk->result;
    const struct journal_visitor visitor = {
        .context = tail, .segment = judge_segment, .block = judge_block, .leave = leave_segment
    };
    assert(result->end_offset >= BLOCK_BYTES); /* F8 */
    assert(result->tail == TAIL_CLEAN && result->tail_bytes == 0);
    result->tail_end = result->end_offset;
    int error = journal_walk(&walk->cursor, &walk->list, result->end_sequence, &visitor, walk->why);
    assert(error || result->tail_end >= result->end_offset);
    if (!error && result->tail_bytes > 0)
        result->tail = result->tail_batches > 0 ? TAIL_UNPROMISED : TAIL_TORN;
    return error;
}

/* While there is a mark no batch comes after it (F14), so no snapshot does (S8). A mark before a
 * chain that is there loses nothing. */
static int judge_early_stop(const struct replay_walk *walk)
{
    const struct stop_mark *stop = &walk->stop;
    const struct journal_position *start = walk->options->start;
    if (stop->number == 0 || !start || start->number <= stop->number ||
        walk->result->number > start->number)
        return 0;
    return error_set(walk->why, -EILSEQ,
                     "%s: offset 0: the journal ends with batch %" PRIu64
                     ", before the snapshot of lsn "
                     "%" PRIu64 " (batch %" PRIu64 "): the snapshot is of another history",
                     STOP_MARK_NAME, stop->number, start->lsn, start->number);
}

/* F14: the chain must reach the batch that the clean-stop mark names. */
static int judge_stop(struct replay_walk *walk, const struct suspect *suspect)
{
    const struct stop_mark *stop = &walk->stop;
    struct replay_result *result = walk->result;
    result->stopped = stop->number != 0 && stop->number == result->number;
    if (result->number >= stop->number)
        return judge_early_stop(walk);
    return error_set(walk->why, -EILSEQ,
                     "%s: offset %" PRIu64 ": batch %" PRIu64 " is %s, but the clean-stop mark "
                     "names batch %" PRIu64 " (lsn %" PRIu64 ", up to %s: offset %" PRIu64 ")",
                     segment_name(suspect->sequence).text, suspect->offset, result->number + 1,
                     suspect->damaged ? "damaged" : "missing", stop->number, stop->lsn,
                     segment_name(stop->sequence).text, stop->offset);
}

/* F15: no crash shortens a file; the missing part may have held an acknowledged batch. */
static int judge_cut(struct replay_walk *walk)
{
    struct segment_reader *reader = &walk->cursor.reader;
    uint64_t sequence = walk->result->end_sequence;
    uint64_t offset = walk->result->end_offset;
    bool cut = false;
    assert(!walk->result->stopped); /* F14 */
    int error = segment_reader_end_is_cut(reader, walk->options->directory, &sequence, &offset,
                                          &cut, walk->why);
    if (!error && cut)
        error = error_set(walk->why, -EILSEQ,
                          "%s: offset %" PRIu64 ": the segment is truncated here: it has %" PRIu64
                          " of %" PRIu64 " bytes, and the rest may have held batches",
                          segment_name(sequence).text, offset, reader->file_bytes,
                          reader->header.bytes);
    segment_reader_close(reader);
    return error;
}

/* F18: the next segment was there. */
static int judge_next(const struct replay_walk *walk)
{
    const struct replay_result *result = walk->result;
    if (!result->leads_on || result->stopped)
        return 0;
    return error_set(walk->why, -EILSEQ,
                     "%s: segment %s is missing, but batch %" PRIu64 " (%s) says it was there",
                     walk->options->directory, segment_name(result->end_sequence + 1).text,
                     result->number, segment_name(result->end_sequence).text);
}

int replay_judge_tail(struct replay_walk *walk)
{
    const struct replay_result *result = walk->result;
    struct tail tail = { .walk = walk,
                         .suspect = { result->end_sequence, result->end_offset, false } };
    assert(!walk->options->until); /* nothing is judged beyond a sealed segment */
    int error = 0;
    if (walk->list.count > 0)
        error = walk_beyond(&tail);
    else
        tail.suspect = (struct suspect){ result->end_sequence + 1, 0, false };
    if (!error)
        error = judge_stop(walk, &tail.suspect);
    if (!error)
        error = judge_next(walk);
    return error || result->stopped || !tail.is_short ? error : judge_cut(walk);
}
