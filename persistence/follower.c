/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/follower.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "engine/memory.h"
#include "persistence/segment.h"
#include "persistence/segment_reader.h"
#include "persistence/stop_mark.h"

enum { WINDOW_BYTES = 4 * BATCH_BYTES_MAX, AHEAD = 12 };

/* One walk. The window holds a run of the open segment; whole batches are judged in it. */
struct walk {
    const struct follow_options *options;
    struct follow_result *result;
    struct reason *reason;
    struct segment_list list;
    struct stop_mark stop; /* its number is 0 if there is none, or it does not matter */

    int fd;
    uint64_t sequence;
    struct segment_header header;
    uint64_t file_bytes;

    unsigned char *window;
    uint64_t window_offset; /* in the file; a multiple of the block */
    size_t window_length;

    uint64_t done; /* bytes of the segments before this one */
};

/* ---- the open segment ---- */

static void close_segment(struct walk *walk)
{
    const struct file_ops *files = walk->options->files;
    if (walk->fd < 0)
        return;
    files->close(files->context, walk->fd);
    walk->fd = -1;
    walk->done += walk->header.bytes;
}

static int open_segment(struct walk *walk, uint64_t sequence)
{
    const struct file_ops *files = walk->options->files;
    struct segment_name name = segment_name(sequence);
    assert(walk->fd < 0);
    walk->fd = segment_open(files, walk->options->directory, sequence, O_RDONLY);
    if (walk->fd < 0)
        return reason_system(walk->reason, walk->fd, "cannot open %s", name.text);
    walk->sequence = sequence;
    walk->window_offset = 0;
    walk->window_length = 0;
    int error = files->size(files->context, walk->fd, &walk->file_bytes);
    if (error)
        return reason_system(walk->reason, error, "cannot size %s", name.text);
    error = segment_read_header(files, walk->fd, sequence, &walk->header, walk->reason);
    if (error)
        return error;
    if (walk->result->directory_id == 0)
        walk->result->directory_id = walk->header.directory_id;
    if (walk->header.directory_id != walk->result->directory_id)
        return reason_set(walk->reason, -EILSEQ,
                          "%s: offset 0: the segment is from another data directory", name.text);
    if (walk->stop.number != 0 && walk->stop.directory_id != walk->header.directory_id)
        return reason_set(walk->reason, -EILSEQ,
                          "%s: offset 0: the mark of the clean stop is from another data directory",
                          STOP_MARK_NAME);
    return 0;
}

static void report_progress(const struct walk *walk)
{
    const struct follow_options *options = walk->options;
    if (!options->on_progress)
        return;
    uint64_t done = walk->done + walk->window_offset + walk->window_length;
    uint64_t last = options->until ? options->until : walk->result->last_sequence;
    uint64_t left = last > walk->sequence ? last - walk->sequence : 0;
    uint64_t total = walk->done + (left + 1) * walk->header.bytes;
    options->on_progress(options->context, done < total ? done : total, total);
}

/* Sees to it that the window holds what a batch at offset can take, or all up to the segment's end.
 * Returns how many bytes can be read at *at; 0 at the end. */
static ssize_t look_at(struct walk *walk, uint64_t offset, const unsigned char **at)
{
    assert(offset % BLOCK_BYTES == 0);
    assert(offset >= walk->window_offset);
    uint64_t end = segment_readable(walk->file_bytes, walk->header.bytes);
    uint64_t wanted = offset + BATCH_BYTES_MAX < end ? offset + BATCH_BYTES_MAX : end;
    uint64_t have = walk->window_offset + walk->window_length;
    *at = walk->window;
    if (wanted > have) {
        size_t kept = offset < have ? (size_t)(have - offset) : 0;
        memmove(walk->window, walk->window + walk->window_length - kept, kept);
        walk->window_offset = offset;
        walk->window_length = kept;
        size_t room = WINDOW_BYTES - kept;
        size_t left = (size_t)(end - offset - kept);
        ssize_t n = segment_read(walk->options->files, walk->fd, walk->window + kept,
                                 left < room ? left : room, offset + kept);
        if (n < 0)
            return reason_system(walk->reason, (int)n, "%s: offset %" PRIu64 ": cannot read",
                                 segment_name(walk->sequence).text, offset + kept);
        walk->window_length += (size_t)n;
        report_progress(walk);
        have = walk->window_offset + walk->window_length;
    }
    *at = walk->window + (offset - walk->window_offset);
    return offset < have ? (ssize_t)(have - offset) : 0;
}

/* ---- up to the end ---- */

/* Tells of the records to come: one window before the next, at most. */
struct ahead {
    const unsigned char *at;
    uint32_t left;
};

static void look_ahead(const struct walk *walk, struct ahead *ahead, unsigned stage)
{
    const struct follow_options *options = walk->options;
    const struct record_head *record = (const struct record_head *)(const void *)ahead->at;
    if (!options->on_ahead || ahead->left == 0 || !record_is_sound(record, ahead->left))
        return;
    options->on_ahead(options->context, record, stage);
    ahead->at += record->length;
    ahead->left -= record->length;
}

static int deliver(struct walk *walk, const unsigned char *batch, const struct batch_header *header,
                   uint64_t offset)
{
    const struct follow_options *options = walk->options;
    if (options->on_batch) {
        int stop = options->on_batch(options->context, header, walk->sequence, offset);
        if (stop)
            return stop;
    }
    const unsigned char *at = batch + sizeof *header;
    uint64_t lsn = header->first_lsn;
    struct ahead far = { at, header->length }, near = far;
    for (unsigned i = 0; i < 2 * AHEAD; i++)
        look_ahead(walk, &far, 0);
    for (unsigned i = 0; i < AHEAD; i++)
        look_ahead(walk, &near, 1);
    for (uint32_t left = header->length; left > 0;) {
        const struct record_head *record = (const struct record_head *)(const void *)at;
        if (!record_is_sound(record, left))
            return reason_set(walk->reason, -EILSEQ,
                              "%s: offset %" PRIu64 ": the batch is valid, its records are not",
                              segment_name(walk->sequence).text, offset);
        uint32_t length = record->length;
        lsn += length;
        look_ahead(walk, &far, 0);
        look_ahead(walk, &near, 1);
        if (options->on_record) {
            int stop = options->on_record(options->context, record, lsn, header->time_ms);
            if (stop)
                return reason_set(walk->reason, stop,
                                  "%s: offset %" PRIu64 ": the record at lsn %" PRIu64
                                  " (type %u) was not taken",
                                  segment_name(walk->sequence).text, offset, lsn, record->type);
        }
        at += length;
        left -= length;
        walk->result->records++;
    }
    return 0;
}

static bool continues_chain(const struct follow_result *result, const struct batch_header *header)
{
    return header->number == result->number + 1 && header->first_lsn == result->lsn &&
           header->previous == result->checksum && header->time_ms >= result->time_ms;
}

static int accept(struct walk *walk, const unsigned char *batch, const struct batch_header *header,
                  uint64_t offset)
{
    struct follow_result *result = walk->result;
    int stop = deliver(walk, batch, header, offset);
    if (stop)
        return stop;
    result->lsn += header->length;
    result->number = header->number;
    result->checksum = header->checksum;
    result->time_ms = header->time_ms;
    result->end_sequence = walk->sequence;
    result->end_offset = offset + batch_span(header->length);
    result->segment_bytes = walk->header.bytes;
    result->file_bytes = walk->file_bytes;
    return 0;
}

static int refuse_batch(struct walk *walk, int error, uint64_t offset, const char *what)
{
    return reason_set(walk->reason, error, "%s: offset %" PRIu64 ": %s",
                      segment_name(walk->sequence).text, offset, what);
}

/* Follows the chain through the open segment. *accepted: at least one batch of it continued it. */
static int follow_segment(struct walk *walk, bool *accepted)
{
    const struct journal_position *start = walk->options->start;
    uint64_t first = start ? start->sequence + 1 : FIRST_SEQUENCE; /* what is before it is sealed */
    uint64_t offset = BLOCK_BYTES;
    *accepted = false;
    for (;;) {
        const unsigned char *at;
        ssize_t available = look_at(walk, offset, &at);
        if (available < 0)
            return (int)available;
        enum batch_verdict verdict = batch_check(at, (size_t)available, walk->result->directory_id);
        if (verdict == BATCH_UNKNOWN)
            return refuse_batch(walk, -ENOTSUP, offset, "a batch of a later version of the format");
        if (verdict != BATCH_VALID)
            return 0;
        struct batch_header header;
        memcpy(&header, at, sizeof header);
        if (!continues_chain(walk->result, &header)) {
            if (offset > BLOCK_BYTES || walk->sequence == first) /* F9 */
                return refuse_batch(walk, -EILSEQ, offset,
                                    "the batch does not follow the one before it");
            return 0;
        }
        if (header.number == walk->stop.number && header.checksum != walk->stop.batch_checksum)
            return refuse_batch(walk, -EILSEQ, offset,
                                "this is not the batch that the clean stop ended with"); /* F14 */
        int stop = accept(walk, at, &header, offset);
        if (stop)
            return stop;
        *accepted = true;
        offset += batch_span(header.length);
    }
}

static int follow_chain(struct walk *walk)
{
    bool accepted = true;
    for (size_t i = 0; i < walk->list.count && accepted; i++) {
        if (walk->options->until != 0 && walk->list.sequences[i] > walk->options->until)
            break;
        close_segment(walk);
        int error = open_segment(walk, walk->list.sequences[i]);
        if (error)
            return error;
        if (i == 0) {
            walk->result->end_sequence = walk->sequence;
            walk->result->end_offset = BLOCK_BYTES;
            walk->result->segment_bytes = walk->header.bytes;
            walk->result->file_bytes = walk->file_bytes;
        }
        error = follow_segment(walk, &accepted);
        if (error)
            return error;
    }
    return 0;
}

/* ---- beyond the end ---- */

/* What is not zero where the chain should have gone on: there the damage is, if it is damage. */
struct suspect {
    uint64_t sequence;
    uint64_t offset;
    bool damaged; /* else there are only zeroes */
};

static int refuse_tail(struct walk *walk, const struct suspect *suspect, uint64_t offset,
                       const struct batch_header *witness)
{
    struct segment_name name = segment_name(suspect->sequence);
    struct segment_name other = segment_name(walk->sequence);
    return reason_set(walk->reason, -EILSEQ,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " is %s, but was promised to be on "
                      "disk by batch %" PRIu64 " (%s: offset %" PRIu64 ")",
                      name.text, suspect->offset, walk->result->number + 1,
                      suspect->damaged ? "damaged" : "missing", witness->number, other.text,
                      offset);
}

/* Judges one block beyond the end: *span is how far to go on. */
static int judge_beyond(struct walk *walk, struct suspect *suspect, uint64_t offset, uint32_t *span)
{
    struct follow_result *result = walk->result;
    const unsigned char *at;
    ssize_t available = look_at(walk, offset, &at);
    if (available < 0)
        return (int)available;
    size_t block = available < BLOCK_BYTES ? (size_t)available : BLOCK_BYTES;
    *span = BLOCK_BYTES;
    if (bytes_are_zero(at, block))
        return 0;

    bool at_end = walk->sequence == result->end_sequence && offset == result->end_offset;
    bool at_next = walk->sequence == result->end_sequence + 1 && offset == BLOCK_BYTES;
    enum batch_verdict verdict = batch_check(at, (size_t)available, result->directory_id);
    if (verdict == BATCH_INVALID && !suspect->damaged && (at_end || at_next))
        *suspect = (struct suspect){ walk->sequence, offset, true };
    if (verdict == BATCH_UNKNOWN)
        return refuse_batch(walk, -ENOTSUP, offset, "a batch of a later version of the format");
    struct batch_header header;
    if (batch_header_check(at, (size_t)available, result->directory_id, &header) &&
        header.promised > result->number) /* F8, F16: whether it is valid or torn */
        return refuse_tail(walk, suspect, offset, &header);
    if (verdict == BATCH_VALID) {
        result->tail_batches++;
        *span = batch_span(header.length);
    }
    result->tail_bytes += *span;
    if (walk->sequence == result->end_sequence)
        result->tail_end = offset + *span;
    else
        result->later_dirty = true;
    return 0;
}

static int judge_segment_beyond(struct walk *walk, struct suspect *suspect, uint64_t offset)
{
    uint64_t end = segment_readable(walk->file_bytes, walk->header.bytes);
    while (offset < end) {
        uint32_t span;
        int error = judge_beyond(walk, suspect, offset, &span);
        if (error)
            return error;
        offset += span;
    }
    return 0;
}

/* F14: the chain must reach the batch that the mark of a clean stop names. */
static int judge_stop(struct walk *walk, const struct suspect *suspect)
{
    const struct stop_mark *stop = &walk->stop;
    struct follow_result *result = walk->result;
    result->stopped = stop->number != 0 && stop->number == result->number;
    if (result->number >= stop->number)
        return 0;
    return reason_set(walk->reason, -EILSEQ,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " is %s, but the clean stop came "
                      "after batch %" PRIu64 " (lsn %" PRIu64 ", up to %s: offset %" PRIu64 ")",
                      segment_name(suspect->sequence).text, suspect->offset, result->number + 1,
                      suspect->damaged ? "damaged" : "missing", stop->number, stop->lsn,
                      segment_name(stop->sequence).text, stop->offset);
}

/* F15: no crash makes a file shorter; a batch that was acknowledged may have gone with the rest. */
static int judge_cut(struct walk *walk)
{
    struct segment_reader reader;
    uint64_t sequence = walk->result->end_sequence;
    uint64_t offset = walk->result->end_offset;
    bool cut = false;
    int error = segment_reader_init(&reader, walk->options->files);
    if (error)
        return reason_system(walk->reason, error, "cannot read the journal");
    error = segment_reader_end_is_cut(&reader, walk->options->directory, &sequence, &offset, &cut,
                                      walk->reason);
    if (!error && cut)
        error =
            reason_set(walk->reason, -EILSEQ,
                       "%s: offset %" PRIu64 ": the segment was cut off here: it has %" PRIu64
                       " of %" PRIu64 " bytes, and batches may have been in the rest",
                       segment_name(sequence).text, offset, reader.file_bytes, reader.header.bytes);
    segment_reader_destroy(&reader);
    return error;
}

static int judge_tail(struct walk *walk)
{
    struct follow_result *result = walk->result;
    struct suspect suspect = { result->end_sequence, result->end_offset, false };
    bool is_short = false;
    result->tail_end = result->end_offset;
    uint64_t offset = result->end_offset;
    for (uint64_t s = result->end_sequence; s <= result->last_sequence; s++) {
        close_segment(walk);
        int error = open_segment(walk, s);
        if (!error)
            error = judge_segment_beyond(walk, &suspect, offset);
        if (error)
            return error;
        is_short = is_short || walk->file_bytes < walk->header.bytes;
        if (s == result->end_sequence + 1)
            result->next_bytes = walk->header.bytes;
        if (s > result->end_sequence && walk->file_bytes != walk->header.bytes)
            result->later_dirty = true; /* no batch must be put there */
        offset = BLOCK_BYTES;
    }
    if (result->tail_bytes > 0)
        result->tail = result->tail_batches > 0 ? TAIL_UNPROMISED : TAIL_TORN;
    int error = judge_stop(walk, &suspect);
    return error || result->stopped || !is_short ? error : judge_cut(walk);
}

/* ---- the whole ---- */

/* The segments to be followed, and a result that says that nothing was yet. */
static int begin(struct walk *walk)
{
    const struct follow_options *options = walk->options;
    struct follow_result *result = walk->result;
    static const struct journal_position beginning;
    const struct journal_position *start = options->start ? options->start : &beginning;
    *result = (struct follow_result){ .tail = TAIL_CLEAN,
                                      .directory_id = start->directory_id,
                                      .last_sequence = start->sequence,
                                      .end_sequence = start->sequence,
                                      .lsn = start->lsn,
                                      .number = start->number,
                                      .checksum = start->checksum,
                                      .time_ms = start->time_ms };
    int error = segment_list_read(&walk->list, options->files, options->directory, walk->reason);
    if (error)
        return error;
    if (!options->until)
        error = stop_mark_read(&walk->stop, options->files, options->directory, walk->reason);
    if (error)
        return error;
    result->segments = walk->list.count;
    error = segment_list_from(&walk->list, start->sequence + 1, options->directory, walk->reason);
    if (!error && walk->list.count > 0)
        result->last_sequence = walk->list.sequences[walk->list.count - 1];
    return error;
}

/* A walk that is to end with a sealed segment must come to its end. */
static int check_until(struct walk *walk)
{
    const struct follow_result *result = walk->result;
    const struct follow_options *options = walk->options;
    if (result->number == options->until_number)
        return 0;
    return reason_set(walk->reason, -EILSEQ,
                      "%s: offset %" PRIu64 ": batch %" PRIu64
                      " is damaged or missing, but was promised to be on disk",
                      segment_name(result->end_sequence).text, result->end_offset,
                      result->number + 1);
}

int journal_follow(const struct follow_options *options, struct follow_result *result,
                   struct reason *reason)
{
    struct walk walk = { .options = options, .result = result, .reason = reason, .fd = -1 };
    int error = begin(&walk);
    if (error || walk.list.count == 0) {
        struct suspect none = { result->end_sequence + 1, 0, false };
        segment_list_free(&walk.list);
        return error ? error : judge_stop(&walk, &none);
    }
    walk.window = memory_reserve(WINDOW_BYTES);
    if (walk.window)
        error = follow_chain(&walk);
    else
        error = reason_system(reason, -ENOMEM, "cannot read the journal");
    if (!error)
        error = options->until ? check_until(&walk) : judge_tail(&walk);
    close_segment(&walk);
    memory_release(walk.window, WINDOW_BYTES);
    segment_list_free(&walk.list);
    return error;
}
