/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/replay_files.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "persistence/replay.h"
#include "persistence/replay_tail.h"
#include "persistence/replay_unsure.h"
#include "persistence/snapshot_origin.h"

/* The walk along the chain. */
struct chain {
    struct replay_walk *walk;
    struct replay replay;
    struct journal_position at;   /* after its last batch */
    struct unsure_batches unsure; /* its last batches, which `replay` has not got yet */
    uint64_t first;               /* number of its first segment */
    bool accepted;                /* at least one batch of the open segment continues it */
};

/* ---- batches ---- */

static void note_end(struct chain *chain, uint64_t offset)
{
    const struct segment_reader *reader = &chain->walk->cursor.reader;
    struct replay_result *result = chain->walk->result;
    const struct journal_position *at = &chain->at;
    assert(offset % BLOCK_BYTES == 0 && offset <= reader->header.bytes); /* F4 */
    assert(at->lsn >= result->lsn && at->number >= result->number);
    result->lsn = at->lsn;
    result->number = at->number;
    result->checksum = at->checksum;
    result->time_ms = at->time_ms;
    result->records = chain->replay.records;
    result->end_sequence = reader->sequence;
    result->end_offset = offset;
    result->segment_bytes = reader->header.bytes;
    result->file_bytes = reader->file_bytes;
}

static int apply(struct chain *chain, const struct batch_header *header, uint64_t sequence,
                 uint64_t offset)
{
    struct error why;
    const unsigned char *records = (const unsigned char *)header + sizeof *header;
    int error = replay_batch(&chain->replay, header, records, &why);
    if (!error)
        return 0;
    return error_set(chain->walk->why, error, "%s: offset %" PRIu64 ": %s",
                     segment_name(sequence).text, offset, why.text);
}

/* Applies those that were held back, up to that number. */
static int apply_unsure(struct chain *chain, uint64_t number)
{
    const struct unsure_batch *batch = unsure_oldest(&chain->unsure);
    while (batch && unsure_header(batch)->number <= number) {
        int error = apply(chain, unsure_header(batch), batch->sequence, batch->offset);
        if (error)
            return error;
        unsure_drop_oldest(&chain->unsure);
        batch = unsure_oldest(&chain->unsure);
    }
    return 0;
}

/* It is applied once it is sure: at once, unless the journal is a node's and a cluster made it. */
static int take(struct chain *chain, const struct batch_header *header)
{
    const struct segment_reader *reader = &chain->walk->cursor.reader;
    struct replay_result *result = chain->walk->result;
    bool unsure = chain->walk->options->replication && (header->flags & BATCH_REPLICATED);
    if (unsure)
        result->committed = header->promised;
    int error = apply_unsure(chain, unsure ? header->promised : header->number);
    if (error || !unsure)
        return error ? error : apply(chain, header, reader->sequence, reader->offset);
    const struct unsure_batch where = { .before = *result,
                                        .sequence = reader->sequence,
                                        .offset = reader->offset };
    error = unsure_hold(&chain->unsure, header, &where);
    return error ? error_system(chain->walk->why, error, "cannot read the journal") : 0;
}

static int push(struct chain *chain, const struct batch_header *header)
{
    const struct replay_options *options = chain->walk->options;
    const struct segment_reader *reader = &chain->walk->cursor.reader;
    assert(chain->walk->cursor.directory_id == chain->walk->result->directory_id); /* F2 */
    if (options->on_batch) {
        int stop = options->on_batch(options->context, header, reader->sequence, reader->offset);
        if (stop)
            return stop;
    }
    int error = take(chain, header);
    if (error)
        return error;
    chain->at.lsn = batch_end_lsn(header);
    chain->at.number = header->number;
    chain->at.checksum = header->checksum;
    chain->at.time_ms = header->time_ms;
    note_end(chain, reader->offset + batch_span(header->length));
    chain->walk->result->flags = header->flags;
    chain->walk->result->leads_on = header->flags & BATCH_LEADS_ON;
    chain->accepted = true;
    return 0;
}

/* A valid batch that does not continue the chain is the end, unless no crash leaves one there
 * (F9). */
static enum journal_step judge_other(struct chain *chain)
{
    struct journal_cursor *cursor = &chain->walk->cursor;
    assert(cursor->reader.sequence >= chain->first);
    if (cursor->reader.offset == BLOCK_BYTES && cursor->reader.sequence != chain->first)
        return JOURNAL_SKIP;
    return journal_walk_refuse(cursor, -EILSEQ, "the batch does not continue the chain");
}

static enum journal_step take_block(void *context, const struct journal_block *block)
{
    struct chain *chain = context;
    struct journal_cursor *cursor = &chain->walk->cursor;
    const struct stop_mark *stop = &chain->walk->stop;
    const struct batch_header *header = block->header;
    replay_walk_progress(chain->walk);
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(cursor);
    if (block->verdict != BATCH_VALID)
        return JOURNAL_SKIP;
    if (!batch_continues(&chain->at, header))
        return judge_other(chain);
    if (header->number == stop->number && header->checksum != stop->batch_checksum) /* F14 */
        return journal_walk_refuse(cursor, -EILSEQ,
                                   "this is not the batch that the clean-stop mark names");
    return journal_walk_judge(cursor, push(chain, header));
}

/* ---- segments ---- */

static enum journal_step take_segment(void *context, int error)
{
    struct chain *chain = context;
    struct replay_walk *walk = chain->walk;
    error = replay_walk_segment(walk, error);
    chain->accepted = false;
    bool led = walk->result->leads_on; /* F18 */
    if (!error && (walk->cursor.reader.sequence == chain->first || led))
        note_end(chain, BLOCK_BYTES); /* the segment may have no batch */
    walk->result->leads_on = false;
    return journal_walk_judge(&walk->cursor, error);
}

/* The writer never leaves a segment without a batch (F4): such a segment ends the chain. */
static enum journal_step leave_segment(void *context)
{
    const struct chain *chain = context;
    assert(!chain->accepted ||
           chain->walk->result->end_sequence == chain->walk->cursor.reader.sequence); /* F8 */
    return chain->accepted ? JOURNAL_ON : JOURNAL_END;
}

/* The segments of the list up to options->until. */
static struct segment_list until_last(const struct replay_walk *walk)
{
    struct segment_list list = walk->list;
    while (walk->options->until && list.count > 0 &&
           list.sequences[list.count - 1] > walk->options->until)
        list.count--;
    return list;
}

static int walk_chain(struct chain *chain)
{
    struct replay_walk *walk = chain->walk;
    const struct replay_options *options = walk->options;
    const struct replay_target target = { options->context, options->on_record,
                                          options->on_prefetch, options->on_leap };
    const struct journal_visitor visitor = {
        .context = chain, .segment = take_segment, .block = take_block, .leave = leave_segment
    };
    const struct segment_list list = until_last(walk);
    replay_begin(&chain->replay, &target, options->start);
    chain->at = chain->replay.at;
    return journal_walk(&walk->cursor, &list, chain->first, &visitor, walk->why);
}

/* ---- the whole ---- */

/* Lists the segments to replay, and sets the result to the start. */
static int begin(struct replay_walk *walk)
{
    const struct replay_options *options = walk->options;
    struct replay_result *result = walk->result;
    static const struct journal_position beginning;
    const struct journal_position *start = options->start ? options->start : &beginning;
    *result = (struct replay_result){ .tail = TAIL_CLEAN,
                                      .directory_id = start->directory_id,
                                      .last_sequence = start->sequence,
                                      .end_sequence = start->sequence,
                                      .lsn = start->lsn,
                                      .number = start->number,
                                      .checksum = start->checksum,
                                      .time_ms = start->time_ms };
    int error = segment_list_read(&walk->list, options->files, options->directory, walk->why);
    if (error)
        return error;
    if (!options->until)
        error = stop_mark_read(&walk->stop, options->files, options->directory, walk->why);
    if (error)
        return error;
    result->segments = walk->list.count;
    error = segment_list_from(&walk->list, start->sequence + 1, options->directory, walk->why);
    if (!error && walk->list.count > 0)
        result->last_sequence = walk->list.sequences[walk->list.count - 1];
    return error;
}

/* A walk up to a sealed segment must reach its last batch. */
static int check_until(struct replay_walk *walk)
{
    const struct replay_result *result = walk->result;
    const struct replay_options *options = walk->options;
    assert(options->until != 0);
    if (result->number == options->until_number)
        return 0;
    return error_set(walk->why, -EILSEQ,
                     "%s: offset %" PRIu64 ": batch %" PRIu64
                     " is damaged or missing, but a later batch says it was on disk",
                     segment_name(result->end_sequence).text, result->end_offset,
                     result->number + 1);
}

/* S8: a batch that continues the snapshot shows that it belongs here. If there is none, something
 * else must not deny it. */
static int check_start(const struct replay_walk *walk)
{
    const struct replay_options *options = walk->options;
    const struct journal_position *start = options->start;
    enum snapshot_origin origin;
    if (!start || start->sequence == 0 || walk->result->number > start->number)
        return 0;
    return snapshot_judge_origin(options->files, options->directory, start, &origin, walk->why);
}

static int judge_end(struct replay_walk *walk)
{
    int error = check_start(walk);
    return error ? error : replay_judge_tail(walk);
}

/* What the tail's headers say is sure, and what the cluster says; the rest is a tail, too. */
static int settle_unsure(struct chain *chain)
{
    struct replay_walk *walk = chain->walk;
    const struct replication_port *cluster = walk->options->replication;
    struct replay_result *result = walk->result;
    if (!cluster)
        return 0;
    int error = apply_unsure(chain, result->committed);
    if (error)
        return error;
    const struct replication_tail tail = unsure_tail(&chain->unsure, result->number);
    uint64_t keep = tail.sure;
    error = cluster->compare(cluster->context, &tail, &keep, walk->why);
    if (error)
        return error;
    assert(keep >= tail.sure && keep <= tail.number);
    error = apply_unsure(chain, keep);
    result->records = chain->replay.records;
    if (!error && chain->unsure.count > 0)
        unsure_cut(&chain->unsure, result);
    return error;
}

static int walk_segments(struct chain *chain)
{
    struct replay_walk *walk = chain->walk;
    int error = 0;
    if (walk->list.count > 0)
        error = walk_chain(chain);
    if (error)
        return error;
    if (walk->options->until)
        return walk->list.count > 0 ? check_until(walk) : 0;
    error = judge_end(walk);
    return error ? error : settle_unsure(chain);
}

static int walk_all(struct replay_walk *walk)
{
    const struct replay_options *options = walk->options;
    struct chain chain = { .walk = walk, .first = walk->result->end_sequence + 1 };
    assert(!options->replication || !options->until);
    int error = walk->list.count == 0
                    ? 0
                    : journal_cursor_init(&walk->cursor, options->files, options->directory);
    if (error)
        return error_system(walk->why, error, "cannot read the journal");
    error = walk_segments(&chain);
    if (walk->list.count > 0)
        journal_cursor_destroy(&walk->cursor);
    unsure_free(&chain.unsure);
    return error;
}

int replay_files(const struct replay_options *options, struct replay_result *result,
                 struct error *why)
{
    struct replay_walk walk = { .options = options, .result = result, .why = why };
    int error = begin(&walk);
    if (!error)
        error = walk_all(&walk);
    segment_list_free(&walk.list);
    return error;
}
