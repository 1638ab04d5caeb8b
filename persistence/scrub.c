/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/scrub.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/journal_cursor.h"
#include "persistence/segment_vote.h"
#include "persistence/snapshot_origin.h"

/* One walk. A gap is a break in the chain: from its first finding to the next valid batch. */
struct scrubbing {
    const struct scrub_options *options;
    struct scrub *scrub;
    struct error *why;
    struct journal_cursor cursor;
    struct segment_list list;

    struct journal_position start;
    uint64_t lsn, number, checksum, time_ms;
    uint64_t end_sequence, end_offset; /* where the chain goes on */
    /* Passed so far, and up to that end; a missing segment counts with the most it can have. */
    uint64_t blocks, end_blocks;

    bool leads_on; /* the last valid batch says that the next segment is there (F18) */

    bool in_gap;
    size_t gap; /* its first finding */
    /* The last whole header (F16) of a damaged batch; its number may be 0. */
    struct batch_header torn;

    /* The open segment. */
    bool good;          /* its header is valid, and this journal's */
    size_t own_finding; /* if not good: the finding of its header */
    uint64_t batches_before;
};

const char *finding_words(enum finding_kind kind)
{
    static const char *const words[] = {
        [FINDING_DAMAGED] = "damaged",
        [FINDING_ABSENT] = "missing: there are only zeroes",
        [FINDING_MISSING] = "missing: the segment is not there",
        [FINDING_STRAY] = "a batch that does not continue the chain",
        [FINDING_RECORDS] = "valid, but its records are not",
        [FINDING_HEADER] = "the segment header is damaged, or another directory's",
        [FINDING_CUT] = "missing: the file was truncated, and the rest may have held batches",
        [FINDING_MARK] = "the clean-stop mark is damaged, or another journal's",
        [FINDING_SNAPSHOT] = "the snapshot that a start takes is of another history",
    };
    return words[kind];
}

void scrub_free(struct scrub *scrub)
{
    free(scrub->findings);
    scrub->findings = NULL;
    scrub->count = scrub->room = 0;
}

static int add_finding(struct scrubbing *s, enum finding_kind kind, uint64_t sequence,
                       uint64_t offset)
{
    struct scrub *scrub = s->scrub;
    if (scrub->count == scrub->room) {
        size_t room = scrub->room ? 2 * scrub->room : 16;
        struct finding *grown = realloc(scrub->findings, room * sizeof *grown);
        if (!grown)
            return error_system(s->why, -ENOMEM, "cannot scrub the journal");
        scrub->findings = grown;
        scrub->room = room;
    }
    scrub->findings[scrub->count++] = (struct finding){
        .kind = kind,
        .sequence = sequence,
        .last_sequence = sequence,
        .offset = offset,
        .first_lsn = s->lsn,
        .end_lsn = s->lsn,
    };
    return 0;
}

/* ---- gaps ---- */

static void note_cut(struct scrubbing *s)
{
    assert(s->end_offset % BLOCK_BYTES == 0);
    struct scrub_cut *cut = &s->scrub->cut;
    if (cut->needed)
        return;
    *cut = (struct scrub_cut){ .needed = true,
                               .sequence = s->end_sequence,
                               .offset = s->end_offset,
                               .lsn = s->lsn,
                               .number = s->number,
                               .time_ms = s->time_ms,
                               .leads_on = s->leads_on && s->end_offset > BLOCK_BYTES };
    s->scrub->kept_records = s->scrub->records;
}

static int open_gap(struct scrubbing *s, enum finding_kind kind, uint64_t sequence, uint64_t offset)
{
    if (!s->in_gap)
        s->gap = s->scrub->count;
    s->in_gap = true;
    note_cut(s);
    return add_finding(s, kind, sequence, offset);
}

static struct finding *last_finding(const struct scrubbing *s)
{
    assert(s->scrub->count > 0);
    return &s->scrub->findings[s->scrub->count - 1];
}

/* Whether to believe the header of a damaged batch: it must fit what is around it, because no more
 * can be lost than the blocks in between hold. */
static bool begins_a_batch(const struct scrubbing *s, const unsigned char *at, size_t available,
                           struct batch_header *header)
{
    if (available < sizeof *header)
        return false;
    memcpy(header, at, sizeof *header);
    assert(s->blocks >= s->end_blocks);
    uint64_t between = s->blocks - s->end_blocks;
    uint64_t number = s->in_gap ? last_finding(s)->first_number : s->number;
    uint64_t lsn = s->in_gap ? last_finding(s)->first_lsn : s->lsn;
    return memcmp(header->magic, BATCH_MAGIC, sizeof header->magic) == 0 &&
           header->length <= BATCH_BYTES_MAX && header->length % 8 == 0 &&
           header->number > number && header->number - s->number <= between + 1 &&
           header->first_lsn >= lsn &&
           (header->first_lsn - s->lsn) % LSN_LEAP <= between * BLOCK_BYTES && /* F17 */
           header->first_lsn % 8 == 0;
}

/* F4: the block is where the chain may go on. The writer never leaves a segment without a batch. */
static bool is_in_place(const struct scrubbing *s)
{
    uint64_t sequence = s->cursor.reader.sequence;
    uint64_t offset = s->cursor.reader.offset;
    bool at_end = sequence == s->end_sequence && offset == s->end_offset;
    bool at_next = sequence == s->end_sequence + 1 && offset == BLOCK_BYTES;
    return at_end || (at_next && s->end_offset > BLOCK_BYTES);
}

/* The chain does not go on with this block: where it should, there are only zeroes. */
static bool leaves_a_hole(const struct scrubbing *s, uint64_t number)
{
    return number > s->number + 1 || !is_in_place(s);
}

static int open_hole(struct scrubbing *s)
{
    int error = open_gap(s, FINDING_ABSENT, s->end_sequence, s->end_offset);
    if (!error)
        last_finding(s)->first_number = s->number + 1;
    return error;
}

/* The block may belong to the last finding: that is in the same file, and no header. */
static bool goes_on(const struct scrubbing *s)
{
    const struct finding *last = last_finding(s);
    return last->sequence == s->cursor.reader.sequence && last->kind != FINDING_HEADER;
}

/* F8: marks the findings that this header turns from a torn tail into damage. */
static void note_durable(struct scrubbing *s, const struct batch_header *header)
{
    bool before = false; /* a finding without a number belongs to the one before it */
    for (size_t i = 0; i < s->scrub->count; i++) {
        struct finding *finding = &s->scrub->findings[i];
        bool certain = finding->kind == FINDING_STRAY || finding->kind == FINDING_HEADER ||
                       finding->kind == FINDING_MARK;
        if (certain || (finding->first_number == 0 && before) ||
            (finding->first_number > 0 && finding->first_number <= batch_states_durable(header)))
            finding->promised = true;
        before = finding->promised;
    }
}

/* Takes bytes that are no valid batch. Those of one damaged batch make one finding. */
static int take_damage(struct scrubbing *s, enum finding_kind kind, const unsigned char *at,
                       size_t available)
{
    struct batch_header header;
    uint64_t offset = s->cursor.reader.offset;
    int error = 0;
    bool told = kind == FINDING_DAMAGED && begins_a_batch(s, at, available, &header);
    bool whole = told && batch_header_check(at, available, s->scrub->directory_id, &header);
    if (!s->in_gap && leaves_a_hole(s, told ? header.number : 0))
        error = open_hole(s);
    bool first = !s->in_gap;
    if (!error && (first || told || kind != FINDING_DAMAGED || !goes_on(s)))
        error = open_gap(s, kind, s->cursor.reader.sequence, offset);
    if (error)
        return error;
    struct finding *last = last_finding(s);
    if (first)
        last->first_number = s->number + 1;
    else if (told) {
        last->first_number = header.number;
        last->first_lsn = header.first_lsn;
    }
    last->bytes = offset + BLOCK_BYTES - last->offset;
    if (whole) { /* F16 */
        note_durable(s, &header);
        s->torn = header;
    }
    return 0;
}

/* The next valid batch determines what was lost before it. */
static void close_gap(struct scrubbing *s, const struct batch_header *next)
{
    assert(s->in_gap && s->gap < s->scrub->count);
    uint64_t end_lsn = next->first_lsn;
    uint64_t end_number = next->number;
    for (size_t i = s->scrub->count; i-- > s->gap;) {
        struct finding *finding = &s->scrub->findings[i];
        if (finding->kind == FINDING_HEADER || finding->kind == FINDING_MARK)
            continue;
        bool known = i == s->gap || finding->first_number > 0;
        if (i == s->gap) {
            finding->first_number = s->number + 1;
            finding->first_lsn = s->lsn;
        }
        if (!known || finding->first_number >= end_number || finding->first_lsn > end_lsn) {
            finding->first_number = finding->last_number = 0; /* no batch was lost here */
            finding->first_lsn = finding->end_lsn = end_lsn;
            continue;
        }
        finding->last_number = end_number - 1;
        finding->end_lsn = end_lsn;
        end_number = finding->first_number;
        end_lsn = finding->first_lsn;
    }
    s->in_gap = false;
}

/* ---- valid batches ---- */

static bool records_are_sound(const unsigned char *at, uint32_t length)
{
    struct record_cursor records = records_of(at, length, 0);
    while (record_next(&records)) {
    }
    return records.left == 0;
}

static int deliver(struct scrubbing *s, const struct batch_header *header, const unsigned char *at)
{
    const struct scrub_options *options = s->options;
    struct record_cursor records = records_of(at, header->length, header->first_lsn);
    const struct record_head *record;
    assert(header->length % 8 == 0); /* F3 */
    while ((record = record_next(&records))) {
        bool beyond = s->scrub->cut.needed;
        int stop = 0;
        s->scrub->records++;
        if (options->on_record)
            stop =
                options->on_record(options->context, record, records.lsn, header->time_ms, beyond);
        if (stop)
            return stop;
    }
    return 0;
}

static bool follows(const struct scrubbing *s, const struct batch_header *header)
{
    return header->number == s->number + 1 && header->first_lsn == s->lsn &&
           header->previous == s->checksum && header->time_ms >= s->time_ms;
}

/* F14: the chain reaches the number that the mark names, but with another batch. That batch is
 * valid: so the mark is not this journal's. */
static int judge_mark(struct scrubbing *s, const struct batch_header *header)
{
    struct stop_mark *stop = &s->scrub->stop;
    if (header->number != stop->number || header->checksum == stop->batch_checksum)
        return 0;
    int error = add_finding(s, FINDING_MARK, 0, 0);
    if (error)
        return error;
    last_finding(s)->promised = true;
    stop->number = 0;
    return 0;
}

static int take_batch(struct scrubbing *s, const unsigned char *at, size_t available)
{
    struct batch_header header;
    int error = 0;
    memcpy(&header, at, sizeof header);
    if (!records_are_sound(at + sizeof header, header.length))
        return take_damage(s, FINDING_RECORDS, at, available);
    bool behind = header.number <= s->number || header.first_lsn < s->lsn;
    if (behind || (!s->in_gap && header.number == s->number + 1 && !follows(s, &header)))
        return take_damage(s, FINDING_STRAY, at, available);
    if (!s->in_gap && (!follows(s, &header) || !is_in_place(s)))
        error = open_hole(s);
    if (error)
        return error;
    if (s->in_gap)
        close_gap(s, &header);
    note_durable(s, &header);
    error = deliver(s, &header, at + sizeof header);
    assert(header.number > s->number && header.first_lsn >= s->lsn); /* F4 */
    assert(!s->in_gap);
    s->lsn = batch_end_lsn(&header);
    s->number = header.number;
    s->checksum = header.checksum;
    s->time_ms = header.time_ms;
    s->end_sequence = s->cursor.reader.sequence;
    s->end_offset = s->cursor.reader.offset + batch_span(header.length);
    s->end_blocks = s->blocks + batch_span(header.length) / BLOCK_BYTES;
    s->leads_on = header.flags & BATCH_LEADS_ON;
    s->scrub->batches++;
    s->scrub->record_bytes += header.length;
    return error ? error : judge_mark(s, &header);
}

/* ---- segments ---- */

static enum journal_step scrub_block(void *context, const struct journal_block *block)
{
    struct scrubbing *s = context;
    size_t bytes = block->available < BLOCK_BYTES ? block->available : BLOCK_BYTES;
    int error = 0;
    if (block->verdict == BATCH_UNKNOWN)
        return journal_walk_refuse_unknown(&s->cursor);
    if (block->verdict == BATCH_VALID)
        error = take_batch(s, block->bytes, block->available);
    else if (!bytes_are_zero(block->bytes, bytes))
        error = take_damage(s, FINDING_DAMAGED, block->bytes, block->available);
    s->blocks += block->span / BLOCK_BYTES;
    return journal_walk_judge(&s->cursor, error);
}

/* F18: where a batch leads on, the chain goes on in the next segment. */
static void lead_on(struct scrubbing *s)
{
    bool ends_here = s->end_sequence == s->cursor.reader.sequence && s->end_offset > BLOCK_BYTES;
    if (!s->leads_on || !ends_here)
        return;
    s->end_sequence++;
    s->end_offset = BLOCK_BYTES;
    s->end_blocks = s->blocks;
}

/* A segment whose header is damaged, or another journal's, may still have batches of this one. */
static enum journal_step scrub_segment(void *context, int error)
{
    struct scrubbing *s = context;
    const struct segment_reader *reader = &s->cursor.reader;
    if (error && error != -EILSEQ)
        return journal_walk_fail(&s->cursor, error);
    s->good = !error && reader->header.directory_id == s->scrub->directory_id;
    s->own_finding = s->scrub->count;
    s->batches_before = s->scrub->batches;
    error = s->good ? 0 : add_finding(s, FINDING_HEADER, reader->sequence, 0);
    return journal_walk_judge(&s->cursor, error);
}

static enum journal_step leave_segment(void *context)
{
    struct scrubbing *s = context;
    const struct segment_reader *reader = &s->cursor.reader;
    if (s->good) { /* what the file lacks counts as zeroes (F15) */
        assert(reader->end <= reader->header.bytes);
        s->blocks += (reader->header.bytes - reader->end) / BLOCK_BYTES;
        lead_on(s);
        return JOURNAL_ON;
    }
    struct finding *header = &s->scrub->findings[s->own_finding];
    assert(header->kind == FINDING_HEADER);
    header->bytes = BLOCK_BYTES;
    header->promised = true;
    header->whole = s->scrub->batches > s->batches_before;
    if (!header->whole) /* neither it nor what follows is needed */
        note_cut(s);
    lead_on(s);
    return JOURNAL_ON;
}

/* A run of missing segments. */
static int take_missing(struct scrubbing *s, uint64_t first, uint64_t last)
{
    assert(first <= last);
    int error = open_gap(s, FINDING_MISSING, first, 0);
    if (error)
        return error;
    last_finding(s)->last_sequence = last;
    s->blocks += (last - first + 1) * (SEGMENT_BYTES_MAX / BLOCK_BYTES);
    return 0;
}

static enum journal_step scrub_missing(void *context, uint64_t first, uint64_t last)
{
    struct scrubbing *s = context;
    return journal_walk_judge(&s->cursor, take_missing(s, first, last));
}

static int scrub_segments(struct scrubbing *s)
{
    const struct journal_visitor visitor = { .context = s,
                                             .missing = scrub_missing,
                                             .segment = scrub_segment,
                                             .block = scrub_block,
                                             .leave = leave_segment };
    uint64_t first = s->start.sequence + 1;
    s->end_sequence = first;
    s->end_offset = BLOCK_BYTES;
    s->cursor.directory_id = s->scrub->directory_id;
    return journal_walk(&s->cursor, &s->list, first, &visitor, s->why);
}

/* ---- the end ---- */

/* F14: the clean-stop mark states what is durable, as a batch after it would. */
static int scrub_stop(struct scrubbing *s)
{
    const struct stop_mark *stop = &s->scrub->stop;
    struct batch_header after = { .first_lsn = stop->lsn,
                                  .number = stop->number + 1,
                                  .promised = stop->number };
    int error = 0;
    if (stop->number <= s->number)
        return 0;
    if (s->list.count == 0)
        error = take_missing(s, s->end_sequence,
                             stop->sequence > s->end_sequence ? stop->sequence : s->end_sequence);
    else if (!s->in_gap)
        error = open_hole(s);
    if (error)
        return error;
    close_gap(s, &after);
    note_durable(s, &after);
    s->lsn = stop->lsn;
    s->number = stop->number;
    return 0;
}

/* F15 */
static int scrub_cut(struct scrubbing *s)
{
    bool cut = false;
    uint64_t sequence = s->end_sequence;
    uint64_t offset = s->end_offset;
    uint64_t stop = s->scrub->stop.number;
    bool stopped = stop != 0 && stop == s->number;
    if (stopped || s->scrub->cut.needed || s->list.count == 0)
        return 0;
    int error = segment_reader_end_is_cut(&s->cursor.reader, s->options->directory, &sequence,
                                          &offset, &cut, s->why);
    if (error || !cut)
        return error == -EILSEQ ? 0 : error; /* a damaged header is a finding already */
    error = open_gap(s, FINDING_CUT, sequence, offset);
    if (error)
        return error;
    last_finding(s)->promised = true;
    last_finding(s)->first_number = s->number + 1;
    return 0;
}

/* If no valid batch closes the last gap, a whole header in it shows how far it reaches at least. */
static void close_last_gap(struct scrubbing *s)
{
    struct batch_header after = { .first_lsn = batch_end_lsn(&s->torn),
                                  .number = s->torn.number + 1 };
    if (!s->in_gap || s->torn.number <= s->number)
        return;
    close_gap(s, &after);
    s->lsn = after.first_lsn;
}

static int take_origin(struct scrubbing *s, enum finding_kind kind, uint64_t sequence)
{
    int error = kind == FINDING_MISSING ? take_missing(s, sequence, sequence)
                                        : add_finding(s, kind, sequence, 0);
    if (error)
        return error;
    last_finding(s)->promised = true;
    last_finding(s)->first_number = kind == FINDING_MISSING ? s->number + 1 : 0;
    return 0;
}

/* S8, and a mark before the snapshot: as replay judges them. */
static int scrub_origin(struct scrubbing *s)
{
    const struct journal_position *start = &s->start;
    const struct scrub_options *options = s->options;
    const struct stop_mark *stop = &s->scrub->stop;
    enum snapshot_origin origin;
    if (start->sequence == 0)
        return 0;
    int error = snapshot_judge_origin(options->files, options->directory, start, &origin, s->why);
    bool missing = origin == ORIGIN_MISSING;
    if (error && origin == ORIGIN_NOT_DENIED)
        return error;
    if (missing && !s->scrub->cut.needed)
        return take_origin(s, FINDING_MISSING, start->sequence + 1);
    bool early = stop->number != 0 && stop->number < start->number && s->scrub->batches == 0;
    if (origin == ORIGIN_OTHER || (early && !missing))
        return take_origin(s, FINDING_SNAPSHOT, start->sequence);
    return 0;
}

/* F18 */
static int scrub_next(struct scrubbing *s)
{
    const struct segment_list *list = &s->list;
    uint64_t stop = s->scrub->stop.number;
    bool stopped = stop != 0 && stop == s->number;
    if (!s->leads_on || stopped || s->scrub->cut.needed ||
        list->sequences[list->count - 1] >= s->end_sequence)
        return 0;
    return take_origin(s, FINDING_MISSING, s->end_sequence);
}

static int scrub_end(struct scrubbing *s)
{
    int error = scrub_stop(s);
    if (!error)
        error = scrub_next(s);
    if (!error)
        error = scrub_cut(s);
    if (!error)
        close_last_gap(s);
    return error ? error : scrub_origin(s);
}

static int read_stop(struct scrubbing *s)
{
    struct scrub *scrub = s->scrub;
    int error = stop_mark_read(&scrub->stop, s->options->files, s->options->directory, s->why);
    bool foreign = !error && scrub->stop.number != 0 && scrub->directory_id != 0 &&
                   scrub->stop.directory_id != scrub->directory_id;
    if (error != -EILSEQ && !foreign)
        return error;
    scrub->stop.number = 0;
    error = add_finding(s, FINDING_MARK, 0, 0);
    if (!error)
        last_finding(s)->promised = true;
    return error;
}

/* ---- the whole ---- */

int scrub_journal(const struct scrub_options *options, struct scrub *scrub, struct error *why)
{
    struct scrubbing s = { .options = options, .scrub = scrub, .why = why };
    *scrub = (struct scrub){ 0 };
    if (options->start)
        s.start = *options->start;
    s.lsn = s.start.lsn;
    s.number = s.start.number;
    s.checksum = s.start.checksum;
    s.time_ms = s.start.time_ms;
    scrub->directory_id = s.start.directory_id;
    int error = segment_list_read(&s.list, options->files, options->directory, why);
    if (!error)
        segment_list_drop_before(&s.list, s.start.sequence + 1);
    if (!error) {
        if (s.list.count > 0)
            scrub->last_sequence = s.list.sequences[s.list.count - 1];
        error = journal_cursor_init(&s.cursor, options->files, options->directory);
        if (!error && scrub->directory_id == 0 && s.list.count > 0)
            error = segments_vote(&s.cursor, &s.list, &scrub->directory_id, why);
        if (!error)
            error = read_stop(&s);
        if (!error)
            error = scrub_segments(&s);
        if (!error)
            error = scrub_end(&s);
        journal_cursor_destroy(&s.cursor);
    }
    segment_list_free(&s.list);
    scrub->open = s.in_gap;
    scrub->end_lsn = s.lsn;
    scrub->end_time_ms = s.time_ms;
    if (!scrub->cut.needed) {
        note_cut(&s);
        scrub->cut.needed = false;
    }
    return error;
}
