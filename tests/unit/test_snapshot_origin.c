/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a snapshot belongs to the segments beside it (S8): to a start, to verify and repair. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "persistence/repair.h"
#include "persistence/replay_files.h"
#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "persistence/snapshot_origin.h"
#include "persistence/stop_mark.h"
#include "tests/support/scratch.h"

/* Segments 3 to 5 of a journal, two batches each; the snapshot is after segment 4. */
enum { DIRECTORY_ID = 4711, RECORD_BYTES = 64, FIRST = 3, LAST = 5, OWN = 4, NEXT = 5 };

static struct scratch scratch;
static _Alignas(8) unsigned char segment[SEGMENT_BYTES_MIN];
static struct batch_seal seal; /* of the next batch */
static struct journal_position snapshot;
static struct error why;

static void put_batch(size_t offset)
{
    struct record_head head = { .length = RECORD_BYTES };
    memcpy(segment + offset + BATCH_HEADER_BYTES, &head, sizeof head);
    seal.previous = batch_make(segment + offset, RECORD_BYTES, &seal);
    seal.promised = seal.number++;
    seal.first_lsn += RECORD_BYTES;
}

static const char *path_of(uint64_t sequence)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch.path, segment_name(sequence).text);
    return path;
}

static void put_segment(uint64_t sequence, unsigned batches)
{
    memset(segment, 0, sizeof segment);
    segment_header_make(segment, sequence, sizeof segment, DIRECTORY_ID, 1000);
    for (size_t i = 0; i < batches; i++)
        put_batch((1 + i) * BLOCK_BYTES);
    write_file(path_of(sequence), segment, sizeof segment);
}

static void remove_segment(uint64_t sequence)
{
    cr_assert_eq(unlink(path_of(sequence)), 0);
}

static void set_up(void)
{
    scratch_make(&scratch);
    seal = (struct batch_seal){ .directory_id = DIRECTORY_ID, .number = 11, .time_ms = 1000 };
    for (uint64_t s = FIRST; s <= LAST; s++) {
        put_segment(s, 2);
        if (s == OWN)
            snapshot = (struct journal_position){ .directory_id = DIRECTORY_ID,
                                                  .lsn = seal.first_lsn,
                                                  .number = seal.number - 1,
                                                  .checksum = seal.previous,
                                                  .time_ms = 1000,
                                                  .sequence = OWN };
    }
}

static void tear_down(void)
{
    scratch_remove(&scratch);
}

TestSuite(snapshot_origin, .init = set_up, .fini = tear_down);

static int start(void)
{
    struct replay_result result;
    struct replay_options options = { .files = &file_system,
                                      .directory = scratch.path,
                                      .start = &snapshot };
    return replay_files(&options, &result, &why);
}

static void scrub_it(struct scrub *scrub)
{
    struct scrub_options options = { .files = &file_system,
                                     .directory = scratch.path,
                                     .start = &snapshot };
    cr_assert_eq(scrub_journal(&options, scrub, &why), 0, "%s", why.text);
}

/* A start, the scrub and a compaction are of one mind. */
static void expect(enum snapshot_origin expected, const char *words)
{
    enum snapshot_origin origin;
    struct scrub scrub;
    int error = snapshot_judge_origin(&file_system, scratch.path, &snapshot, &origin, &why);
    cr_assert_eq(origin, expected, "%d: %s", origin, why.text);
    cr_assert_eq(error, expected == ORIGIN_NOT_DENIED ? 0 : -EILSEQ);
    cr_assert_eq(start(), error, "%s", why.text);
    cr_assert(error == 0 || strstr(why.text, words), "%s", why.text);
    scrub_it(&scrub);
    cr_assert_eq(scrub.count, error ? 1 : 0);
    if (error)
        cr_assert_eq(scrub.findings[0].kind,
                     expected == ORIGIN_OTHER ? FINDING_SNAPSHOT : FINDING_MISSING);
    cr_assert_eq(scrub.cut.needed, expected == ORIGIN_MISSING);
    scrub_free(&scrub);
}

/* Another history: the same directory id and numbers, other batches. */
static void other_history(void)
{
    snapshot.checksum ^= 1;
}

static void put_mark(uint64_t number)
{
    struct stop_mark mark = { .directory_id = DIRECTORY_ID,
                              .sequence = OWN,
                              .offset = 2 * BLOCK_BYTES,
                              .lsn = RECORD_BYTES,
                              .number = number,
                              .batch_checksum = 1 };
    cr_assert_eq(stop_mark_write(&mark, &file_system, scratch.path, &why), 0);
}

Test(snapshot_origin, a_batch_that_continues_it_shows_that_it_belongs)
{
    expect(ORIGIN_NOT_DENIED, "");
    remove_segment(OWN);
    expect(ORIGIN_NOT_DENIED, "");
    remove_segment(FIRST);
    expect(ORIGIN_NOT_DENIED, "");
}

Test(snapshot_origin, a_power_cut_may_have_taken_that_batch)
{
    put_segment(NEXT, 0);
    expect(ORIGIN_NOT_DENIED, "");
}

Test(snapshot_origin, without_earlier_segments_nothing_denies_it)
{
    put_segment(NEXT, 0);
    remove_segment(OWN);
    remove_segment(FIRST);
    expect(ORIGIN_NOT_DENIED, "");
}

/* A new journal is begun after a snapshot (--init). */
Test(snapshot_origin, without_any_segment_nothing_denies_it)
{
    for (uint64_t s = FIRST; s <= LAST; s++)
        remove_segment(s);
    expect(ORIGIN_NOT_DENIED, "");
}

Test(snapshot_origin, the_segment_after_it_is_missing)
{
    remove_segment(NEXT);
    expect(ORIGIN_MISSING, "0000000005.seg is missing");
}

Test(snapshot_origin, the_journal_ends_before_it)
{
    remove_segment(NEXT);
    remove_segment(OWN);
    expect(ORIGIN_MISSING, "the last one there is 0000000003.seg");
}

/* Of a copy that was further, and the spare segment here has the number of its next one. */
Test(snapshot_origin, its_own_segment_holds_another_batch)
{
    put_segment(NEXT, 0);
    other_history();
    expect(ORIGIN_OTHER, "of another history");
}

Test(snapshot_origin, its_own_segment_ends_before_it)
{
    put_segment(NEXT, 0);
    snapshot.number += 3;
    snapshot.lsn += 3 * RECORD_BYTES;
    expect(ORIGIN_OTHER, "does not hold batch 17");
}

Test(snapshot_origin, what_is_missing_after_it_does_not_hide_that_it_is_another_ones)
{
    remove_segment(NEXT);
    other_history();
    expect(ORIGIN_OTHER, "of another history");
}

/* Repair must not give up a journal for such a snapshot. */
Test(snapshot_origin, the_journal_goes_on_otherwise)
{
    struct scrub scrub;
    other_history();
    cr_assert_eq(start(), -EILSEQ);
    cr_assert(strstr(why.text, "does not continue the chain"), "%s", why.text);
    scrub_it(&scrub);
    cr_assert_eq(scrub.findings[scrub.count - 1].kind, FINDING_SNAPSHOT);
    scrub_free(&scrub);
}

Test(snapshot_origin, the_last_stop_was_before_it)
{
    struct scrub scrub;
    put_segment(NEXT, 0);
    remove_segment(OWN);
    remove_segment(FIRST);
    put_mark(snapshot.number - 1);
    cr_assert_eq(start(), -EILSEQ);
    cr_assert(strstr(why.text, "before the snapshot"), "%s", why.text);
    scrub_it(&scrub);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_SNAPSHOT);
    scrub_free(&scrub);
}

Test(snapshot_origin, repair_makes_the_missing_segment)
{
    char aside[PATH_MAX + 16];
    struct scrub scrub;
    remove_segment(NEXT);
    snprintf(aside, sizeof aside, "%s/aside", scratch.path);
    cr_assert_eq(file_system.make_directory(NULL, aside), 0);
    scrub_it(&scrub);
    int error = journal_repair(&file_system, scratch.path, aside, &scrub, 2000, &why);
    cr_assert_eq(error, 0, "%s", why.text);
    scrub_free(&scrub);
    expect(ORIGIN_NOT_DENIED, "");
}
