/* SPDX-License-Identifier: Apache-2.0 */
/* The scrub of journals that no engine leaves like that. More of it: tests/recovery. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "persistence/stop_mark.h"
#include "tests/support/scratch.h"

enum { DIRECTORY_ID = 4711, RECORD_BYTES = 64 };

static struct scratch scratch;
static _Alignas(8) unsigned char segment[SEGMENT_BYTES_MIN];
static struct batch_seal next; /* of the batch that continues the chain */
static struct scrub scrub;
static struct error why;

static void set_up(void)
{
    scratch_make(&scratch);
    next = (struct batch_seal){ .directory_id = DIRECTORY_ID, .number = 1, .time_ms = 1000 };
    scrub = (struct scrub){ 0 };
}

static void tear_down(void)
{
    scrub_free(&scrub);
    scratch_remove(&scratch);
}

TestSuite(scrub, .init = set_up, .fini = tear_down);

static void begin_segment(uint64_t sequence)
{
    memset(segment, 0, sizeof segment);
    segment_header_make(segment, sequence, sizeof segment, DIRECTORY_ID, 1000);
}

/* The next batch of the chain, one record, wherever that is. */
static void put_batch(size_t offset)
{
    struct record_head head = { .length = RECORD_BYTES };
    memcpy(segment + offset + BATCH_HEADER_BYTES, &head, sizeof head);
    next.previous = batch_make(segment + offset, RECORD_BYTES, &next);
    next.promised = next.number++;
    next.first_lsn += RECORD_BYTES;
}

static void end_segment(uint64_t sequence, size_t length)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch.path, segment_name(sequence).text);
    write_file(path, segment, length);
}

static void put_mark(uint64_t number, uint64_t checksum)
{
    struct stop_mark mark = { .directory_id = DIRECTORY_ID,
                              .sequence = 2,
                              .offset = 8192,
                              .lsn = number * RECORD_BYTES,
                              .number = number,
                              .batch_checksum = checksum };
    cr_assert_eq(stop_mark_write(&mark, &file_system, scratch.path, &why), 0);
}

static void look(const struct journal_position *start)
{
    struct scrub_options options = { .files = &file_system,
                                     .directory = scratch.path,
                                     .start = start };
    cr_assert_eq(scrub_journal(&options, &scrub, &why), 0, "%s", why.text);
}

static void expect_cut(uint64_t sequence, uint64_t offset, uint64_t number)
{
    cr_assert(scrub.cut.needed);
    cr_assert_eq(scrub.cut.sequence, sequence);
    cr_assert_eq(scrub.cut.offset, offset);
    cr_assert_eq(scrub.cut.number, number);
}

Test(scrub, a_batch_behind_a_hole_does_not_continue_the_chain) /* F4 */
{
    begin_segment(1);
    put_batch(4096);
    put_batch(12288);
    put_batch(16384);
    end_segment(1, sizeof segment);
    look(NULL);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_ABSENT);
    cr_assert_eq(scrub.findings[0].offset, 8192);
    cr_assert_eq(scrub.findings[0].first_lsn, scrub.findings[0].end_lsn, "nothing is lost");
    expect_cut(1, 8192, 1);
}

Test(scrub, no_segment_is_left_before_it_has_a_batch) /* F4 */
{
    begin_segment(1);
    end_segment(1, sizeof segment);
    begin_segment(2);
    put_batch(4096);
    end_segment(2, sizeof segment);
    look(NULL);
    cr_assert_gt(scrub.count, 0);
    expect_cut(1, 4096, 0);
}

Test(scrub, a_mark_of_another_batch_is_found) /* F14 */
{
    begin_segment(1);
    put_batch(4096);
    put_batch(8192);
    end_segment(1, sizeof segment);
    put_mark(2, next.previous + 1);
    look(NULL);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_MARK);
    cr_assert_not(scrub.cut.needed);
    cr_assert_eq(scrub.cut.number, 2);
}

Test(scrub, the_mark_of_the_last_batch_is_none_of_the_findings) /* F14 */
{
    begin_segment(1);
    put_batch(4096);
    put_batch(8192);
    end_segment(1, sizeof segment);
    put_mark(2, next.previous);
    look(NULL);
    cr_assert_eq(scrub.count, 0);
}

static const struct journal_position snapshot = {
    .directory_id = DIRECTORY_ID, .lsn = (uint64_t)3 * RECORD_BYTES, .number = 3, .sequence = 1
};

Test(scrub, a_damaged_mark_is_found_where_no_segment_follows_the_snapshot) /* F14 */
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch.path, STOP_MARK_NAME);
    write_file(path, "damaged", 7);
    look(&snapshot);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_MARK);
    cr_assert_not(scrub.cut.needed);
}

Test(scrub, what_a_mark_names_is_missed_where_no_segment_follows_the_snapshot) /* F14 */
{
    put_mark(5, 1);
    look(&snapshot);
    cr_assert_eq(scrub.count, 1);
    const struct finding *finding = &scrub.findings[0];
    cr_assert_eq(finding->kind, FINDING_MISSING);
    cr_assert_eq(finding->sequence, 2);
    cr_assert_eq(finding->first_number, 4);
    cr_assert_eq(finding->last_number, 5);
    cr_assert_eq(finding->end_lsn, 5 * RECORD_BYTES);
    cr_assert(finding->promised);
    expect_cut(2, 4096, 3);
}

Test(scrub, a_cut_before_the_first_batch_is_found) /* F15 */
{
    begin_segment(1);
    end_segment(1, BLOCK_BYTES + 1);
    look(NULL);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_CUT);
    expect_cut(1, 4096, 0);
}

Test(scrub, a_journal_of_a_later_version_is_called_one)
{
    struct scrub_options options = { .files = &file_system, .directory = scratch.path };
    struct segment_header *header = (struct segment_header *)(void *)segment;
    begin_segment(1);
    header->version = FORMAT_VERSION + 1;
    header->checksum = 0;
    header->checksum = XXH3_64bits(segment, BLOCK_BYTES);
    end_segment(1, sizeof segment);
    cr_assert_eq(scrub_journal(&options, &scrub, &why), -ENOTSUP);
    cr_assert(strstr(why.text, "written in version"), "%s", why.text);
}
