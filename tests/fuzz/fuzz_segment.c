/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal's segments on their way into an engine, of any bytes behind right checksums: the input
 * is a script (rig/journal_script.h), the journal that it writes lies in memory.
 *
 *   G1  Nothing is read or written where it should not be.
 *   G2  What is refused says which file and which offset, or which segment is missing.
 *   G3  What is handed on lies in the file, in batches that their checksums cover, byte by byte.
 *   G4  What is accepted is recovered, and then read again: clean, the same records, the same LSN.
 *   G5  A reader of single segments comes to the same end. So does the scrub, if it finds nothing;
 *       it may find fault with what a start passes over, but never keeps more.
 *   G6  Where a start is refused, the scrub finds fault, or is refused too.
 *   G7  What is repaired is accepted, and ends where the scrub said that it would be cut. Behind a
 *       header that was made anew there may be more to repair: that takes a second time.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/recovery.h"
#include "persistence/repair.h"
#include "persistence/replay_files.h"
#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "persistence/segment_reader.h"
#include "persistence/stop_mark.h"
#include "tests/fuzz/rig/journal_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One walk, and what it was given. */
struct walk {
    struct script_journal *journal;
    struct replay_result result;
    struct error why;
    uint64_t lsn, records, hash;
    uint32_t at, length; /* in the batch: what of it is still to come begins there */
};

/* The batch under way, as it lies in its file: what the file lacks are zeroes. */
static _Alignas(8) unsigned char batch[BATCH_BYTES_MAX];

/* ---- G3 ---- */

static int see_batch(void *context, const struct batch_header *header, uint64_t sequence,
                     uint64_t offset)
{
    struct walk *walk = context;
    const struct memory_file *file = script_segment(walk->journal, sequence);
    assert(walk->at == walk->length);
    assert(file && offset % BLOCK_BYTES == 0 && offset >= BLOCK_BYTES && offset < file->length);
    size_t span = batch_span(header->length);
    size_t there = file->length - (size_t)offset < span ? file->length - (size_t)offset : span;
    memcpy(batch, file->bytes + offset, there);
    memset(batch + there, 0, span - there);
    assert(batch_check(batch, span, walk->result.directory_id) == BATCH_VALID);
    assert(memcmp(batch, header, sizeof *header) == 0);
    assert(header->first_lsn == walk->lsn);
    walk->at = sizeof *header;
    walk->length = (uint32_t)sizeof *header + header->length;
    return 0;
}

static int see_record(void *context, const struct record_head *record, uint64_t lsn,
                      uint64_t time_ms)
{
    struct walk *walk = context;
    assert(record->length <= walk->length - walk->at);
    assert(memcmp(record, batch + walk->at, record->length) == 0);
    walk->at += record->length;
    walk->lsn += record->length;
    walk->records++;
    walk->hash = (walk->hash ^ time_ms ^ record->type) * UINT64_C(0x9e3779b97f4a7c15) + lsn;
    assert(lsn == walk->lsn);
    return 0;
}

/* Whatever is said to come soon lies in the batch. */
static void see_ahead(void *context, const struct record_head *record, unsigned stage)
{
    const struct walk *walk = context;
    assert(stage < 2 && record->length <= walk->length);
}

static struct replay_options options_of(struct walk *walk)
{
    const struct journal_position *start = &walk->journal->start;
    return (struct replay_options){ .files = &walk->journal->disk.ops,
                                    .directory = "journal",
                                    .start = start->sequence ? start : NULL,
                                    .context = walk,
                                    .on_record = see_record,
                                    .on_prefetch = see_ahead,
                                    .on_batch = see_batch };
}

static void begin(struct walk *walk, struct script_journal *journal)
{
    *walk = (struct walk){ .journal = journal, .lsn = journal->start.lsn };
}

static int follow(struct walk *walk, struct script_journal *journal)
{
    begin(walk, journal);
    struct replay_options options = options_of(walk);
    return replay_files(&options, &walk->result, &walk->why);
}

/* ---- G2 ---- */

static void check_refusal(int error, const char *why)
{
    unsigned long long sequence, offset;
    assert(error == -EILSEQ || error == -ENOTSUP);
    if (strncmp(why, STOP_MARK_NAME ": ", strlen(STOP_MARK_NAME ": ")) == 0)
        return;
    bool placed = sscanf(why, "%10llu.seg: offset %llu: ", &sequence, &offset) == 2;
    bool missing = sscanf(why, "journal: segment %10llu.seg is missing", &sequence) == 1;
    assert(placed || missing);
    assert(missing || offset % BLOCK_BYTES == 0);
}

/* ---- G5, G6 ---- */

static uint64_t read_segments(const struct script_journal *journal, const struct walk *walk)
{
    struct segment_reader reader;
    struct error why;
    const unsigned char *at;
    size_t available;
    uint64_t lsn = journal->start.lsn, number = journal->start.number;
    int error = segment_reader_init(&reader, &journal->disk.ops);
    assert(!error);
    for (uint64_t s = journal->start.sequence + 1; s <= walk->result.end_sequence; s++) {
        struct batch_header header;
        error = segment_reader_open(&reader, "journal", s, &why);
        assert(!error);
        while (segment_reader_look(&reader, walk->result.directory_id, &at, &available, &why) ==
               BATCH_VALID) {
            memcpy(&header, at, sizeof header);
            if (header.number != number + 1 || header.first_lsn != lsn)
                break;
            number++;
            lsn += header.length;
            segment_reader_skip(&reader, batch_span(header.length));
        }
    }
    segment_reader_destroy(&reader);
    return lsn;
}

/* What is put aside is out of the way, and nobody looks at it: one descriptor stands for all. */
enum { ASIDE = MEMORY_FILES_MAX + 1 };

static bool is_aside(const char *path)
{
    return strncmp(path, "aside/", 6) == 0;
}

static int open_or_aside(void *context, const char *path, int flags)
{
    const struct memory_disk *disk = context;
    return is_aside(path) ? ASIDE : disk->ops.open(context, path, flags);
}

static ssize_t write_or_aside(void *context, int fd, const void *buffer, size_t length,
                              uint64_t offset)
{
    const struct memory_disk *disk = context;
    return fd == ASIDE ? (ssize_t)length : disk->ops.write(context, fd, buffer, length, offset);
}

static int move_aside(void *context, const char *from, const char *to)
{
    const struct memory_disk *disk = context;
    if (!is_aside(to)) /* the segment that repair makes gets its name */
        return disk->ops.rename(context, from, to);
    return disk->ops.unlink(context, from);
}

static int scrub_it(struct script_journal *journal, struct scrub *scrub, struct error *why)
{
    const struct journal_position *start = &journal->start;
    struct scrub_options options = { .files = &journal->disk.ops,
                                     .directory = "journal",
                                     .start = start->sequence ? start : NULL };
    return scrub_journal(&options, scrub, why);
}

static bool makes_headers(const struct scrub *scrub)
{
    for (size_t i = 0; i < scrub->count; i++) {
        if (scrub->findings[i].kind == FINDING_HEADER)
            return true;
    }
    return false;
}

static bool repair_once(struct script_journal *journal, const struct scrub *scrub)
{
    struct error why = { "" };
    struct file_ops files = journal->disk.ops;
    files.open = open_or_aside;
    files.write = write_or_aside;
    files.rename = move_aside;
    int error = journal_repair(&files, "journal", "aside", scrub, 1, &why);
    assert(error == 0 || (error == -ENOSPC && why.text[0] != '\0'));
    return error == 0; /* else a header claims gigabytes */
}

static void repair(struct script_journal *journal, const struct scrub *scrub)
{
    struct walk walk;
    struct error why = { "" };
    struct scrub again;
    if (!repair_once(journal, scrub))
        return;
    int error = follow(&walk, journal);
    if (!error) {
        assert(walk.lsn == scrub->cut.lsn && walk.result.number == scrub->cut.number);
        return;
    }
    assert(makes_headers(scrub));
    error = scrub_it(journal, &again, &why);
    assert(!error && again.count > 0);
    if (repair_once(journal, &again)) {
        error = follow(&walk, journal);
        assert(!error && walk.lsn == again.cut.lsn);
    }
    scrub_free(&again);
}

static void check_scrub(struct script_journal *journal, const struct walk *walk, int refused)
{
    struct scrub scrub;
    struct error why = { "" };
    int error = scrub_it(journal, &scrub, &why);
    assert(error == 0 || why.text[0] != '\0');
    if (refused == 0) {
        assert(error == 0);
        assert(scrub.count > 0 || scrub.cut.number == walk->result.number);
        assert(scrub.cut.number <= walk->result.number);
    } else {
        assert(error != 0 || scrub.count > 0);
        if (!error && scrub.cut.number > 0)
            repair(journal, &scrub);
    }
    scrub_free(&scrub);
}

/* ---- G4 ---- */

static void check_same(const struct walk *again, const struct walk *walk)
{
    assert(again->lsn == walk->lsn && again->result.lsn == walk->result.lsn);
    assert(again->hash == walk->hash && again->records == walk->records);
    assert(again->result.number == walk->result.number);
    assert(again->result.checksum == walk->result.checksum);
    assert(again->result.end_sequence == walk->result.end_sequence);
    assert(again->result.end_offset == walk->result.end_offset);
}

static void recover(struct script_journal *journal, const struct walk *walk)
{
    struct walk again;
    if (walk->result.segment_bytes > MEMORY_FILE_BYTES_MAX)
        return;
    begin(&again, journal);
    struct replay_options options = options_of(&again);
    int error = journal_recover(&options, NULL, &again.result, &again.why);
    assert(!error);
    check_same(&again, walk);
    error = follow(&again, journal);
    assert(!error);
    check_same(&again, walk);
    assert(again.result.tail == TAIL_CLEAN && !again.result.later_dirty);
    assert(again.result.file_bytes >= again.result.segment_bytes);
}

/* A compaction has removed what the start covers: a script makes no position that it could show
 * (S8). */
static void remove_covered(struct script_journal *journal)
{
    const struct file_ops *files = &journal->disk.ops;
    for (uint64_t s = 1; s <= journal->start.sequence && s <= MEMORY_FILES_MAX; s++)
        files->unlink(files->context, segment_name(s).text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script_journal journal;
    struct walk walk;
    script_journal_make(&journal, data, size);
    remove_covered(&journal);
    int error = follow(&walk, &journal);
    if (error)
        check_refusal(error, walk.why.text);
    else
        assert(walk.lsn == walk.result.lsn && walk.records == walk.result.records);
    check_scrub(&journal, &walk, error);
    if (!error && walk.result.end_offset > 0) {
        assert(read_segments(&journal, &walk) == walk.lsn);
        recover(&journal, &walk);
    }
    script_journal_close(&journal);
    return 0;
}
