/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/history_reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/history_base.h"
#include "persistence/recovery_base.h"

/* What the index knows of a segment: spans that may have the id, or do not. */
struct known {
    const struct id_part *part; /* NULL: nothing */
    uint32_t next, count;       /* spans */
    uint64_t end;               /* offset at which they end */
    bool complete;              /* nothing follows them */
    bool beyond;                /* the walk is reading what follows them */
    const struct id_span *span; /* being read, or NULL */
};

/* One walk for one query. */
struct reading {
    struct history_reader *reader;
    struct history_query *query;
    struct history history;
    struct error why;
    struct id_index *index; /* of a query by id; else NULL */
    uint64_t hash;          /* of that id */
    struct known known;     /* of the current segment */
    uint64_t upto;          /* records after it are not read */
    uint64_t lsn;           /* all up to here were */
    bool too_early;         /* nothing is kept of that moment */
    bool done;              /* nothing more to read */
    uint64_t time_ms;       /* of the last batch */
};

int history_reader_open(struct history_reader *reader, const struct file_ops *files,
                        const char *directory)
{
    *reader = (struct history_reader){ .files = files, .cursor.reader.fd = -1 };
    id_index_init(&reader->index, ID_INDEX_BYTES);
    int error = path_join(&reader->data, directory, ".");
    if (!error)
        error = path_join(&reader->directory, directory, "journal");
    if (!error)
        error = path_join(&reader->archive, directory, "archive");
    if (!error)
        error = journal_cursor_init(&reader->cursor, files, reader->directory.text);
    reader->cursor.archive = reader->archive.text;
    return error;
}

void history_reader_close(struct history_reader *reader)
{
    journal_cursor_destroy(&reader->cursor);
    id_index_destroy(&reader->index);
}

/* ---- records ---- */

static int keep_event(void *context, const struct history_event *event)
{
    struct history_query *query = context;
    return event->lsn > query->since_lsn ? history_keep(query, event) : 0;
}

static int count_event(void *context, const struct history_event *event)
{
    history_count_returned(context, event);
    return 0;
}

static history_emit *const emit_of[] = {
    [HISTORY_EVENTS] = keep_event,
    [HISTORY_STOCK] = NULL,
    [HISTORY_RETURNED] = count_event,
};

static int read_record(struct reading *reading, const struct record_head *record, uint64_t lsn,
                       uint64_t time_ms)
{
    struct history_query *query = reading->query;
    const struct segment_reader *segment = &reading->reader->cursor.reader;
    bool history = query->kind == HISTORY_EVENTS;
    assert(lsn > reading->lsn && lsn <= reading->upto);
    int error = history_take(&reading->history, record, lsn, time_ms, emit_of[query->kind], query);
    if (error)
        return error_set(&reading->why, error,
                         "%s: offset %" PRIu64 ": the record at lsn %" PRIu64 " cannot be read",
                         segment_name(segment->sequence).text, segment->offset, lsn);
    reading->lsn = lsn;
    if (history && query->event_count >= query->limit) {
        query->next = lsn; /* a record's events are never split across pages */
        reading->done = true;
    }
    return 0;
}

static int read_records(struct reading *reading, const struct batch_header *header,
                        const unsigned char *at)
{
    const struct segment_reader *segment = &reading->reader->cursor.reader;
    struct record_cursor records = records_of(at, header->length, header->first_lsn);
    const struct record_head *record;
    while (!reading->done && (record = record_next(&records))) {
        int error = 0;
        if (records.lsn > reading->upto)
            reading->done = true;
        else
            error = read_record(reading, record, records.lsn, header->time_ms);
        if (error)
            return error;
    }
    if (!reading->done)
        reading->lsn = batch_end_lsn(header); /* F17 */
    if (reading->done || records.left == 0)
        return 0;
    return error_set(&reading->why, -EILSEQ,
                     "%s: offset %" PRIu64 ": the batch is valid, but its records are not",
                     segment_name(segment->sequence).text, segment->offset);
}

/* ---- batches ---- */

static int check_chain(struct reading *reading, uint64_t first_lsn)
{
    const struct segment_reader *segment = &reading->reader->cursor.reader;
    if (first_lsn == reading->lsn)
        return 0;
    return error_set(&reading->why, -EILSEQ,
                     "%s: offset %" PRIu64 ": the batch begins at lsn %" PRIu64 ", not %" PRIu64,
                     segment_name(segment->sequence).text, segment->offset, first_lsn,
                     reading->lsn);
}

static void learn_batch(struct reading *reading, const struct batch_header *header,
                        const unsigned char *records)
{
    const struct segment_reader *segment = &reading->reader->cursor.reader;
    if (!reading->index)
        return;
    if (segment->offset == BLOCK_BYTES)
        id_index_complete(reading->index, segment->sequence - 1, reading->lsn);
    id_index_add_batch(reading->index, segment->sequence, segment->offset, header, records);
}

static int read_batch(struct reading *reading, const struct batch_header *header,
                      const unsigned char *records)
{
    const struct history_query *query = reading->query;
    int error = check_chain(reading, header->first_lsn);
    if (error)
        return error;
    bool later = query->has_time && header->time_ms > query->at;
    if (later || header->first_lsn > reading->upto ||
        atomic_load_explicit(&query->abandoned, memory_order_relaxed)) {
        reading->done = true;
        return 0;
    }
    reading->time_ms = header->time_ms;
    learn_batch(reading, header, records);
    return read_records(reading, header, records);
}

/* Up to the first block that is no valid batch: then the chain goes on in the next segment, or the
 * journal is damaged. */
static enum journal_step read_block(void *context, const struct journal_block *block)
{
    struct reading *reading = context;
    if (block->verdict != BATCH_VALID)
        return JOURNAL_SKIP;
    int error = read_batch(reading, block->header, block->bytes + sizeof *block->header);
    if (error)
        return journal_walk_fail(&reading->reader->cursor, error);
    return reading->done ? JOURNAL_END : JOURNAL_ON;
}

/* ---- segments ---- */

static void find_known(struct reading *reading, uint64_t sequence)
{
    struct known *known = &reading->known;
    assert(sequence >= FIRST_SEQUENCE);
    const struct id_part *part = NULL;
    if (reading->index)
        part = id_index_find(reading->index, id_key_segment(sequence));
    *known = (struct known){ 0 };
    if (!part || part->span_count == 0 || part->spans[0].first_lsn != reading->lsn)
        return;
    *known = (struct known){ .part = part,
                             .count = part->span_count,
                             .end = part->spans[part->span_count - 1].end,
                             .complete = part->complete };
    id_index_complete(reading->index, sequence - 1, reading->lsn);
}

/* The next part to read of an indexed segment: the spans that may have the id, and what follows
 * them. */
static enum journal_step next_known(struct reading *reading, struct journal_range *range)
{
    struct known *known = &reading->known;
    known->span = NULL;
    while (known->next < known->count) {
        uint32_t i = known->next++;
        const struct id_span *span = &known->part->spans[i];
        assert(span->offset >= BLOCK_BYTES && span->offset < span->end); /* D1 */
        if (id_span_may_have(reading->index, known->part, i, reading->hash)) {
            known->span = span;
            *range = (struct journal_range){ span->offset, span->end };
            return JOURNAL_ON;
        }
        reading->lsn = span->end_lsn;
        if (reading->lsn >= reading->upto)
            return JOURNAL_END;
    }
    if (known->complete || known->beyond)
        return JOURNAL_SKIP;
    known->beyond = true;
    range->from = known->end;
    return JOURNAL_ON;
}

static enum journal_step next_range(void *context, uint64_t sequence, unsigned n,
                                    struct journal_range *range)
{
    struct reading *reading = context;
    if (reading->lsn >= reading->upto)
        return JOURNAL_END;
    if (n == 0)
        find_known(reading, sequence);
    if (reading->known.part)
        return next_known(reading, range);
    return n == 0 ? JOURNAL_ON : JOURNAL_SKIP;
}

static enum journal_step leave_range(void *context)
{
    struct reading *reading = context;
    struct journal_cursor *cursor = &reading->reader->cursor;
    const struct id_span *span = reading->known.span;
    if (!span || reading->lsn == span->end_lsn)
        return JOURNAL_ON;
    return journal_walk_refuse(cursor, -EILSEQ, "what was read here before can no longer be read");
}

static int read_segments(struct reading *reading, const struct segment_list *list, uint64_t first)
{
    const struct journal_visitor visitor = {
        .context = reading, .range = next_range, .block = read_block, .leave = leave_range
    };
    int error = journal_walk(&reading->reader->cursor, list, first, &visitor, &reading->why);
    if (error || reading->done || reading->lsn >= reading->upto)
        return error;
    return error_set(&reading->why, -EILSEQ,
                     "the journal's files end at lsn %" PRIu64 ", before lsn %" PRIu64,
                     reading->lsn, reading->upto);
}

/* From the best snapshot, or the very beginning, to the end. */
static int read_from(struct reading *reading, const struct history_kept *kept)
{
    const struct history_reader *reader = reading->reader;
    struct history_query *query = reading->query;
    struct journal_position position;
    bool stock = query->kind == HISTORY_STOCK;
    struct history_moment moment = { .by_time = query->has_time,
                                     .at = stock ? query->at : query->since_lsn };
    query->begins_lsn = kept->begins_lsn;
    int error = history_begin(&reading->history, kept, &moment, reader->files, reader->data.text,
                              reading->index, &position, &reading->why);
    if (error)
        return error;
    reading->lsn = position.lsn;
    reading->time_ms = position.time_ms;
    if (query->kind == HISTORY_RETURNED)
        history_begin_returned(query, &reading->history.seen);
    reading->too_early = stock && (query->has_time ? position.time_ms : position.lsn) > query->at;
    return reading->too_early ? 0 : read_segments(reading, &kept->segments, position.sequence + 1);
}

/* No compaction removes segments meanwhile (S6). */
static int read_all(struct reading *reading)
{
    const struct history_reader *reader = reading->reader;
    struct history_kept kept;
    int hold = recovery_base_hold(reader->files, reader->data.text, &reading->why);
    if (hold < 0)
        return hold;
    int error = history_kept_read(&kept, reader->files, reader->data.text, &reading->why);
    if (!error)
        error = read_from(reading, &kept);
    history_kept_free(&kept);
    reader->files->close(reader->files->context, hold);
    return error;
}

/* ---- answers ---- */

static void conclude(struct reading *reading, int error)
{
    struct history_query *query = reading->query;
    if (!error && query->kind == HISTORY_STOCK)
        error = history_keep_stock(query, &reading->history);
    query->time_ms = reading->time_ms;
    query->lsn = query->next ? query->next : reading->upto;
    query->evidence.upto = reading->upto;
    query->evidence.begins_lsn = query->begins_lsn;
    if (query->has_time)
        query->lsn = reading->lsn;
    if (atomic_load_explicit(&query->abandoned, memory_order_relaxed))
        query->outcome = HISTORY_STOPPED;
    else if (error)
        query->outcome = HISTORY_FAILED;
    else if (reading->too_early || (query->has_time && reading->time_ms == 0))
        query->outcome = HISTORY_NO_MORE;
    else if (query->kind == HISTORY_STOCK && !reading->history.born)
        query->outcome = HISTORY_UNBORN;
    else
        query->outcome = HISTORY_ANSWERED;
    if (error == -ENOMEM)
        snprintf(query->why, sizeof query->why, "no memory");
    else if (error)
        snprintf(query->why, sizeof query->why, "%.255s", reading->why.text);
    history_settle_texts(query);
}

void history_reader_answer(struct history_reader *reader, struct history_query *query)
{
    struct reading reading = { .reader = reader, .query = query, .upto = query->upto };
    if (query->has_lsn && query->at > query->upto) {
        query->lsn = query->upto;
        query->outcome = HISTORY_NOT_YET;
        return;
    }
    if (query->has_lsn)
        reading.upto = query->at;
    if (query->filter.subject == HISTORY_ID) {
        reading.index = &reader->index;
        reading.hash = id_index_hash((struct text){ query->filter.id, query->filter.id_len });
        id_index_begin(&reader->index);
    }
    history_open(&reading.history, &query->filter);
    conclude(&reading, read_all(&reading));
    history_close(&reading.history);
}
