/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal of some segments, as kill -9 or a clean close leaves it. Then each byte of it is
 * flipped, one at a time, and each file is cut off at each byte, and each time it is followed.
 * Either what comes back is a prefix of what was written, and just the prefix that must come back;
 * or it is refused, and the message names the segment and the offset of what was damaged.
 *
 * The limit, tested as such: damage to the very last batch is a torn tail (F8). After a clean close
 * there is none: the mark of it says where the journal ends (F14), so nothing can be lost silently,
 * and damage to the mark itself is named.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/replay_files.h"
#include "tests/support/journal_rig.h"
#include "tests/support/memory_file.h"
#include "tests/support/scratch.h"

enum { BATCHES_MAX = 64, RECORDS = 150, SEGMENT = RIG_SEGMENT_BYTES };

/* Every fifth byte of what was written by itself, and fewer of the zeroes behind it, so that it
 * takes half a minute and not five; each byte with the argument 1. The sanitizers take long. */
#if defined __SANITIZE_THREAD__
enum { STRIDE = 997 };
#elif defined __SANITIZE_ADDRESS__
enum { STRIDE = 41 };
#else
enum { STRIDE = 5 };
#endif
enum { ZERO_STRIDES = 61 };

static size_t stride = STRIDE;

/* Where each batch lies, and how many records there are up to its end. */
struct place {
    int file; /* in the memory disk: sequence - 1 */
    uint64_t offset;
    uint64_t end;
    uint64_t records;
};

struct bench {
    struct rig rig;
    struct memory_disk disk;
    struct place places[BATCHES_MAX];
    int batches;
    bool clean; /* the last file is the mark of the clean stop */

    uint64_t lsn; /* of the walk under way */
    unsigned failures;
    uint64_t cases, refused;
};

static void complain(struct bench *bench, const char *what, int file, uint64_t offset,
                     const char *message)
{
    printf("FAIL %s: %s offset %" PRIu64 ": %s\n", what, bench->disk.files[file].name, offset,
           message);
    bench->failures++;
}

/* ---- following ---- */

static int note_batch(void *context, const struct batch_header *batch, uint64_t sequence,
                      uint64_t offset)
{
    struct bench *bench = context;
    struct place *place = &bench->places[bench->batches++];
    place->file = (int)sequence - 1;
    place->offset = offset;
    place->end = offset + batch_span(batch->length);
    place->records = 0;
    return bench->batches < BATCHES_MAX ? 0 : -1;
}

static int check_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct bench *bench = context;
    _Alignas(8) unsigned char expected[RECORD_MAX];
    uint32_t length = rig_record(&bench->rig, bench->rig.found, expected);
    (void)time_ms;
    bench->lsn += length;
    bench->rig.found++;
    if (record->length != length || lsn != bench->lsn || memcmp(record, expected, length) != 0)
        bench->rig.wrong = true;
    return 0;
}

static int count_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct bench *bench = context;
    bench->places[bench->batches - 1].records++;
    return check_record(context, record, lsn, time_ms);
}

static int follow(struct bench *bench, bool scrub, struct replay_result *result, struct error *why)
{
    struct replay_options options = {
        .files = &bench->disk.ops,
        .directory = "journal",
        .context = bench,
        .on_record = scrub ? count_record : check_record,
        .on_batch = scrub ? note_batch : NULL,
    };
    bench->lsn = 0;
    bench->rig.found = 0;
    bench->rig.wrong = false;
    return replay_files(&options, result, why);
}

/* ---- what must come of it ---- */

/* refuse: naming that place; else: exactly that many records come back. */
struct expectation {
    bool refuse;
    int file;
    uint64_t offset;
    uint64_t records;
};

static uint64_t records_before(const struct bench *bench, int batch)
{
    return batch > 0 ? bench->places[batch - 1].records : 0;
}

static uint64_t all_records(const struct bench *bench)
{
    return records_before(bench, bench->batches);
}

/* The first batch that damage from that byte on, in that file, touches; batches: none. */
static int first_touched(const struct bench *bench, int file, uint64_t from)
{
    int i = 0;
    while (i < bench->batches && (bench->places[i].file < file ||
                                  (bench->places[i].file == file && bench->places[i].end <= from)))
        i++;
    return i;
}

static bool is_mark(const struct bench *bench, int file)
{
    return bench->clean && file == bench->disk.count - 1;
}

static bool is_in_batch(const struct bench *bench, int file, uint64_t at)
{
    int batch = first_touched(bench, file, at);
    return batch < bench->batches && bench->places[batch].file == file &&
           bench->places[batch].offset <= at;
}

static struct expectation expect_at(const struct bench *bench, int batch, bool is_last)
{
    const struct place *place = &bench->places[batch];
    if (is_last && !bench->clean)
        return (struct expectation){ .records = records_before(bench, batch) };
    return (struct expectation){ true, place->file, place->offset, 0 };
}

static struct expectation expect_flip(const struct bench *bench, int file, uint64_t at)
{
    if (at < BLOCK_BYTES)
        return (struct expectation){ true, file, 0, 0 };
    int batch = first_touched(bench, file, at);
    if (!is_in_batch(bench, file, at))
        return (struct expectation){ .records = all_records(bench) };
    return expect_at(bench, batch, batch == bench->batches - 1);
}

/* What a batch writes that is not zero ends before that offset. */
static uint64_t end_of_bytes(const struct bench *bench, int batch)
{
    const struct place *place = &bench->places[batch];
    const unsigned char *bytes = bench->disk.files[place->file].bytes;
    uint64_t end = place->end;
    while (end > place->offset && bytes[end - 1] == 0)
        end--;
    return end;
}

/* The file ends at that byte. What is gone was zero, or the mark or a later file tell of it, or
 * else the next batch would have begun in what is gone (F15). */
static struct expectation expect_cut(const struct bench *bench, int file, uint64_t at)
{
    const struct place *last = &bench->places[bench->batches - 1];
    if (at < BLOCK_BYTES)
        return (struct expectation){ true, file, 0, 0 };
    int batch = first_touched(bench, file, at);
    if (batch < bench->batches && at >= end_of_bytes(bench, batch))
        batch++; /* of that one only zeroes are gone */
    bool touches = batch < bench->batches && bench->places[batch].file == file;
    if (!touches && (bench->clean || file != last->file))
        return (struct expectation){ .records = all_records(bench) };
    if (!touches)
        return (struct expectation){ .refuse = at < last->end + sizeof(struct batch_header),
                                     .file = file,
                                     .offset = last->end,
                                     .records = all_records(bench) };
    if (batch > 0 && at == BLOCK_BYTES && !(last->file == file && !bench->clean))
        return (struct expectation){ true, file - 1, bench->places[batch - 1].end, 0 };
    return (struct expectation){ true, file, bench->places[batch].offset, 0 };
}

static void judge(struct bench *bench, const char *what, int file, uint64_t at,
                  struct expectation expected)
{
    struct replay_result result;
    struct error why = { 0 };
    int error = follow(bench, false, &result, &why);
    bench->cases++;
    bench->refused += error != 0;
    if (bench->rig.wrong) {
        complain(bench, what, file, at, "a record that was never written");
    } else if (error && !expected.refuse) {
        complain(bench, what, file, at, why.text);
    } else if (!error && expected.refuse) {
        complain(bench, what, file, at, "was not refused");
    } else if (error) {
        char place[80];
        snprintf(place, sizeof place, "%s: offset %" PRIu64 ": ",
                 bench->disk.files[expected.file].name, expected.offset);
        if (error != -EILSEQ || strncmp(why.text, place, strlen(place)) != 0)
            complain(bench, what, file, at, why.text);
    } else if (result.records != expected.records || bench->rig.found != expected.records) {
        complain(bench, what, file, at, "not the records that must come back");
    }
}

/* From that byte to the next one that is tried. */
static size_t step(const struct bench *bench, int file, uint64_t at)
{
    bool zero = at >= BLOCK_BYTES && !is_in_batch(bench, file, at) && !is_mark(bench, file);
    return zero && stride > 1 ? stride * ZERO_STRIDES : stride;
}

/* only_batches: the rest of the file was flipped before. */
static void flip_every_byte(struct bench *bench, unsigned char mask, bool only_batches)
{
    for (int f = 0; f < bench->disk.count; f++) {
        struct memory_file *file = &bench->disk.files[f];
        for (size_t at = 0; at < file->length && bench->failures < 20; at += step(bench, f, at)) {
            if (only_batches && !is_in_batch(bench, f, at) && !is_mark(bench, f))
                continue;
            file->bytes[at] ^= mask;
            judge(bench, "flip", f, at, expect_flip(bench, f, at));
            file->bytes[at] ^= mask;
        }
    }
}

static void cut_at_every_byte(struct bench *bench)
{
    /* How a journal ended makes a difference only from its last segment on. */
    int first = bench->clean ? bench->places[bench->batches - 1].file : 0;
    for (int f = first; f < bench->disk.count; f++) {
        struct memory_file *file = &bench->disk.files[f];
        size_t whole = file->length;
        for (size_t at = 0; at < whole && bench->failures < 20; at += step(bench, f, at)) {
            file->length = at;
            judge(bench, "cut", f, at, expect_cut(bench, f, at));
        }
        file->length = whole;
    }
}

/* What a torn write leaves in the last batch: zeroes from some byte on. */
static void tear_last_batch(struct bench *bench)
{
    const struct place *last = &bench->places[bench->batches - 1];
    struct memory_file *file = &bench->disk.files[last->file];
    unsigned char whole[1 << 16];
    size_t span = (size_t)(last->end - last->offset);
    unsigned char *batch = file->bytes + last->offset;
    memcpy(whole, batch, span);
    for (size_t at = span; at-- > 0 && bench->failures < 20;) {
        bool changes = batch[at] != 0;
        batch[at] = 0;
        if (changes)
            judge(bench, "tear", last->file, last->offset + at,
                  expect_at(bench, bench->batches - 1, true));
    }
    memcpy(batch, whole, span);
}

/* ---- the journal to damage ---- */

static void write_journal(struct bench *bench, const char *directory, bool clean)
{
    bench->rig = (struct rig){ .directory = directory,
                               .durability = DURABILITY_ALWAYS,
                               .segment_bytes = SEGMENT,
                               .seed = 20240229,
                               .longest = 600 };
    struct rig *rig = &bench->rig;
    if (rig_open(rig) != 0) {
        printf("cannot open: %s\n", rig->why.text);
        exit(1);
    }
    for (int i = 0; i < RECORDS; i++) {
        rig_append(rig);
        if (i % 19 == 0 || i % 13 == 0)
            rig_drive(rig);
    }
    rig_drive(rig);
    if (clean)
        rig_close(rig);
    else
        rig_abandon(rig);
}

static unsigned damage(bool clean)
{
    static struct bench bench;
    struct scratch scratch;
    struct replay_result result;
    struct error why = { 0 };
    char directory[PATH_MAX + 16];
    memset(&bench, 0, sizeof bench);
    scratch_make(&scratch);
    bench.clean = clean;
    write_journal(&bench, scratch.path, clean);
    snprintf(directory, sizeof directory, "%s/journal", scratch.path);
    memory_disk_load(&bench.disk, directory);
    scratch_remove(&scratch);

    int error = follow(&bench, true, &result, &why);
    for (int i = 1; i < bench.batches; i++)
        bench.places[i].records += bench.places[i - 1].records;
    if (error || all_records(&bench) != RECORDS || result.tail != TAIL_CLEAN || bench.rig.wrong) {
        printf("FAIL whole: %s\n", why.text);
        return 1;
    }
    printf("%s: %d batches in %d segments\n", clean ? "clean close" : "killed", bench.batches,
           bench.disk.count);
    flip_every_byte(&bench, clean ? 0x01 : 0xff, clean);
    cut_at_every_byte(&bench);
    tear_last_batch(&bench);
    printf("  %" PRIu64 " cases, %" PRIu64 " refused, %u failures\n", bench.cases, bench.refused,
           bench.failures);
    memory_disk_free(&bench.disk);
    return bench.failures;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        stride = strtoul(argv[1], NULL, 10);
    if (stride == 0)
        return 2;
    unsigned failures = damage(false);
    failures += damage(true);
    return failures ? 1 : 0;
}
