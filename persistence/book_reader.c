/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/book_reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/book_base.h"
#include "persistence/start.h"

/* One walk for one question. */
struct reading {
    struct book_reader *reader;
    struct book_question *question;
    struct book book;
    struct reason reason;
    struct id_index *index; /* of a question by id; else NULL */
    uint64_t hash;          /* of that id */
    uint64_t directory_id;
    uint64_t upto;    /* records after it are not looked at */
    uint64_t lsn;     /* all up to here was */
    bool too_early;   /* nothing is kept of that moment */
    bool done;        /* nothing more is to be looked at */
    uint64_t time_ms; /* of the last batch */
};

int book_reader_open(struct book_reader *reader, const struct file_ops *files,
                     const char *directory)
{
    *reader = (struct book_reader){ .files = files, .segment.fd = -1 };
    id_index_init(&reader->index, ID_INDEX_BYTES);
    int error = path_join(&reader->data, directory, ".");
    if (!error)
        error = path_join(&reader->directory, directory, "journal");
    if (!error)
        error = path_join(&reader->archive, directory, "archive");
    return error ? error : segment_reader_init(&reader->segment, files);
}

void book_reader_close(struct book_reader *reader)
{
    segment_reader_destroy(&reader->segment);
    id_index_destroy(&reader->index);
}

/* ---- records ---- */

static int keep_event(void *context, const struct book_event *event)
{
    struct book_question *question = context;
    return event->lsn > question->since_lsn ? book_keep(question, event) : 0;
}

static int count_event(void *context, const struct book_event *event)
{
    book_count_returned(context, event);
    return 0;
}

static book_emit *const emit_of[] = {
    [BOOK_HISTORY] = keep_event,
    [BOOK_STOCK] = NULL,
    [BOOK_RETURNED] = count_event,
};

static int read_record(struct reading *reading, const struct record_head *record, uint64_t lsn,
                       uint64_t time_ms)
{
    struct book_question *question = reading->question;
    bool history = question->kind == BOOK_HISTORY;
    int error = book_take(&reading->book, record, lsn, time_ms, emit_of[question->kind], question);
    if (error)
        return reason_set(&reading->reason, error,
                          "%s: offset %" PRIu64 ": the record at lsn %" PRIu64 " cannot be read",
                          segment_name(reading->reader->segment.sequence).text,
                          reading->reader->segment.offset, lsn);
    reading->lsn = lsn;
    if (history && question->event_count >= question->limit) {
        question->next = lsn; /* a record's events are never on two pages */
        reading->done = true;
    }
    return 0;
}

static int read_records(struct reading *reading, const struct batch_header *header,
                        const unsigned char *at)
{
    uint64_t lsn = header->first_lsn;
    for (uint32_t left = header->length; left > 0 && !reading->done;) {
        const struct record_head *record = (const struct record_head *)(const void *)at;
        if (!record_is_sound(record, left))
            return reason_set(&reading->reason, -EILSEQ,
                              "%s: offset %" PRIu64 ": the batch is valid, its records are not",
                              segment_name(reading->reader->segment.sequence).text,
                              reading->reader->segment.offset);
        lsn += record->length;
        if (lsn > reading->upto) {
            reading->done = true;
            return 0;
        }
        int error = read_record(reading, record, lsn, header->time_ms);
        if (error)
            return error;
        at += record->length;
        left -= record->length;
    }
    return 0;
}

/* ---- batches ---- */

static int check_chain(struct reading *reading, uint64_t first_lsn)
{
    const struct segment_reader *segment = &reading->reader->segment;
    if (first_lsn == reading->lsn)
        return 0;
    return reason_set(&reading->reason, -EILSEQ,
                      "%s: offset %" PRIu64 ": it begins at lsn %" PRIu64 ", not %" PRIu64,
                      segment_name(segment->sequence).text, segment->offset, first_lsn,
                      reading->lsn);
}

static void learn_batch(struct reading *reading, const struct batch_header *header,
                        const unsigned char *records)
{
    const struct segment_reader *segment = &reading->reader->segment;
    if (!reading->index)
        return;
    if (segment->offset == BLOCK_BYTES)
        id_index_complete(reading->index, segment->sequence - 1, reading->lsn);
    id_index_add_batch(reading->index, segment->sequence, segment->offset, header, records);
}

static int read_batch(struct reading *reading, const unsigned char *at)
{
    const struct book_question *question = reading->question;
    struct batch_header header;
    memcpy(&header, at, sizeof header);
    int error = check_chain(reading, header.first_lsn);
    if (error)
        return error;
    bool later = question->has_time && header.time_ms > question->at;
    if (later || header.first_lsn > reading->upto ||
        atomic_load_explicit(&question->abandoned, memory_order_relaxed)) {
        reading->done = true;
        return 0;
    }
    reading->time_ms = header.time_ms;
    learn_batch(reading, &header, at + sizeof header);
    return read_records(reading, &header, at + sizeof header);
}

/* Up to that offset, or until nothing valid comes: then the chain goes on in the next segment, or
 * the journal is damaged. */
static int read_batches(struct reading *reading, uint64_t until)
{
    struct segment_reader *segment = &reading->reader->segment;
    while (!reading->done && segment->offset < until) {
        const unsigned char *at;
        size_t available;
        int verdict =
            segment_reader_look(segment, reading->directory_id, &at, &available, &reading->reason);
        if (verdict < 0)
            return verdict;
        if (verdict != BATCH_VALID)
            return 0;
        struct batch_header header;
        memcpy(&header, at, sizeof header);
        int error = read_batch(reading, at);
        if (error)
            return error;
        segment_reader_skip(segment, batch_span(header.length));
    }
    return 0;
}

/* ---- segments ---- */

/* It may be moved to the archive at any time before it is open. */
static int open_segment(struct reading *reading, uint64_t sequence)
{
    struct book_reader *reader = reading->reader;
    int error =
        segment_reader_open(&reader->segment, reader->directory.text, sequence, &reading->reason);
    if (error == -ENOENT)
        error = segment_reader_open_archived(&reader->segment, reader->archive.text, sequence,
                                             &reading->reason);
    if (!error)
        reading->directory_id = reader->segment.header.directory_id;
    return error;
}

/* Opens it, if it is not open yet, and reads from one offset to the other, but nothing behind that.
 */
static int read_part(struct reading *reading, uint64_t sequence, bool *open, uint64_t from,
                     uint64_t until)
{
    struct segment_reader *segment = &reading->reader->segment;
    int error = *open ? 0 : open_segment(reading, sequence);
    if (error)
        return error;
    *open = true;
    assert(segment->offset <= from);
    segment_reader_skip(segment, from - segment->offset);
    uint64_t end = segment->end;
    segment->end = until < end ? until : end;
    error = read_batches(reading, until);
    segment->end = end;
    return error;
}

static int read_span(struct reading *reading, uint64_t sequence, bool *open,
                     const struct id_span *span)
{
    int error = read_part(reading, sequence, open, span->offset, span->end);
    if (error || reading->done || reading->lsn == span->end_lsn)
        return error;
    return reason_set(&reading->reason, -EILSEQ,
                      "%s: offset %" PRIu64 ": what was read here before cannot be read any more",
                      segment_name(sequence).text, reading->reader->segment.offset);
}

/* Of a segment that something is known of: the spans that may have the id, and what follows. */
static int read_known_segment(struct reading *reading, uint64_t sequence,
                              const struct id_part *part)
{
    uint64_t end = part->spans[part->span_count - 1].end;
    bool complete = part->complete;
    bool open = false;
    int error = 0;
    id_index_complete(reading->index, sequence - 1, reading->lsn);
    for (uint32_t i = 0; i < part->span_count && !error && !reading->done; i++) {
        const struct id_span *span = &part->spans[i];
        if (id_span_may_have(reading->index, part, i, reading->hash))
            error = read_span(reading, sequence, &open, span);
        else
            reading->lsn = span->end_lsn;
        reading->done |= reading->lsn >= reading->upto;
    }
    if (error || reading->done || complete)
        return error;
    return read_part(reading, sequence, &open, end, UINT64_MAX);
}

static int read_segment(struct reading *reading, uint64_t sequence)
{
    const struct id_part *part = NULL;
    bool open = false;
    if (reading->index)
        part = id_index_find(reading->index, id_key_segment(sequence));
    if (part && part->span_count > 0 && part->spans[0].first_lsn == reading->lsn)
        return read_known_segment(reading, sequence, part);
    return read_part(reading, sequence, &open, BLOCK_BYTES, UINT64_MAX);
}

static int read_segments(struct reading *reading, const struct segment_list *list, uint64_t first)
{
    int error = 0;
    for (size_t i = 0; i < list->count && !error && !reading->done; i++) {
        if (list->sequences[i] >= first && reading->lsn < reading->upto)
            error = read_segment(reading, list->sequences[i]);
    }
    segment_reader_close(&reading->reader->segment);
    if (error || reading->done || reading->lsn >= reading->upto)
        return error;
    return reason_set(&reading->reason, -EILSEQ,
                      "the journal's files end at lsn %" PRIu64 ", before lsn %" PRIu64,
                      reading->lsn, reading->upto);
}

/* From the best beginning to the end. */
static int read_from(struct reading *reading, const struct book_kept *kept)
{
    const struct book_reader *reader = reading->reader;
    struct book_question *question = reading->question;
    struct journal_position position;
    bool stock = question->kind == BOOK_STOCK;
    struct book_moment moment = { .by_time = question->has_time,
                                  .at = stock ? question->at : question->since_lsn };
    question->begins_lsn = kept->begins_lsn;
    int error = book_begin(&reading->book, kept, &moment, reader->files, reader->data.text,
                           reading->index, &position, &reading->reason);
    if (error)
        return error;
    reading->lsn = position.lsn;
    reading->time_ms = position.time_ms;
    if (question->kind == BOOK_RETURNED)
        book_begin_returned(question, &reading->book.seen);
    reading->too_early =
        stock && (question->has_time ? position.time_ms : position.lsn) > question->at;
    return reading->too_early ? 0 : read_segments(reading, &kept->segments, position.sequence + 1);
}

/* While it reads, no compaction removes what it reads (S6). */
static int read_all(struct reading *reading)
{
    const struct book_reader *reader = reading->reader;
    struct book_kept kept;
    int hold = start_hold_segments(reader->files, reader->data.text, &reading->reason);
    if (hold < 0)
        return hold;
    int error = book_kept_read(&kept, reader->files, reader->data.text, &reading->reason);
    if (!error)
        error = read_from(reading, &kept);
    book_kept_free(&kept);
    reader->files->close(reader->files->context, hold);
    return error;
}

/* ---- answers ---- */

static int keep_pools(struct book_question *question, const struct book *book)
{
    size_t cursor = 0;
    const struct book_pool *pool;
    if (book->pool_count == 0)
        return 0;
    question->pools = malloc(book->pool_count * sizeof *question->pools);
    if (!question->pools)
        return -ENOMEM;
    while ((pool = book_next_pool(book, &cursor)))
        question->pools[question->pool_count++] = *pool;
    return 0;
}

static void conclude(struct reading *reading, int error)
{
    struct book_question *question = reading->question;
    if (!error && question->kind == BOOK_STOCK)
        error = keep_pools(question, &reading->book);
    question->time_ms = reading->time_ms;
    question->lsn = question->next ? question->next : reading->upto;
    question->evidence.upto = reading->upto;
    question->evidence.begins_lsn = question->begins_lsn;
    if (question->has_time)
        question->lsn = reading->lsn;
    if (atomic_load_explicit(&question->abandoned, memory_order_relaxed))
        question->outcome = BOOK_STOPPED;
    else if (error)
        question->outcome = BOOK_FAILED;
    else if (reading->too_early || (question->has_time && reading->time_ms == 0))
        question->outcome = BOOK_NO_MORE;
    else if (question->kind == BOOK_STOCK && !reading->book.born)
        question->outcome = BOOK_UNBORN;
    else
        question->outcome = BOOK_ANSWERED;
    if (error == -ENOMEM)
        snprintf(question->why, sizeof question->why, "no memory");
    else if (error)
        snprintf(question->why, sizeof question->why, "%.255s", reading->reason.text);
    book_settle_texts(question);
}

void book_reader_answer(struct book_reader *reader, struct book_question *question)
{
    struct reading reading = { .reader = reader, .question = question, .upto = question->upto };
    if (question->has_lsn && question->at > question->upto) {
        question->lsn = question->upto;
        question->outcome = BOOK_NOT_YET;
        return;
    }
    if (question->has_lsn)
        reading.upto = question->at;
    if (question->filter.subject == BOOK_ID) {
        reading.index = &reader->index;
        reading.hash = id_index_hash((struct text){ question->filter.id, question->filter.id_len });
        id_index_begin(&reader->index);
    }
    book_open(&reading.book, &question->filter);
    conclude(&reading, read_all(&reading));
    book_close(&reading.book);
}
