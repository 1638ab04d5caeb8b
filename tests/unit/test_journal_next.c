/* SPDX-License-Identifier: Apache-2.0 */
/* A batch that leads on (F18): the segment after it is there, or is missed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "persistence/repair.h"
#include "persistence/scrub.h"
#include "persistence/segment.h"
#include "tests/unit/journal_fixture.h"

/* Batches of a block that a rig's segment takes; the first one is the opening's. */
enum { FULL = 8 };

TestSuite(journal_next, .init = set_up, .fini = tear_down);

static bool is_there(uint64_t sequence)
{
    return access(in_journal(segment_name(sequence).text), F_OK) == 0;
}

/* Removes it and those after it. */
static unsigned remove_from(uint64_t sequence)
{
    unsigned removed = 0;
    while (unlink(in_journal(segment_name(sequence + removed).text)) == 0)
        removed++;
    return removed;
}

/* The last batch of a segment. */
static struct batch_header last_batch(uint64_t sequence)
{
    struct segment_header header;
    struct batch_header batch, last = { .number = 0 };
    size_t length;
    unsigned char *bytes = read_file(in_journal(segment_name(sequence).text), &length);
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    for (size_t at = BLOCK_BYTES; at < length; at += batch_span(batch.length)) {
        if (!batch_header_check(bytes + at, length - at, header.directory_id, &batch))
            break;
        last = batch;
    }
    free(bytes);
    return last;
}

static void scrub_it(struct scrub *scrub)
{
    struct error why;
    struct scrub_options options = { .files = &file_system, .directory = in_journal("") };
    cr_assert_eq(scrub_journal(&options, scrub, &why), 0, "%s", why.text);
}

Test(journal_next, the_newest_segments_are_missing)
{
    struct scrub scrub;
    live(3 * FULL + 2, false);
    cr_assert_geq(remove_from(4), 1);
    expect_refusal(-EILSEQ, "0000000004.seg is missing, but batch 24 (0000000003.seg)");
    scrub_it(&scrub);
    cr_assert_eq(scrub.count, 1);
    cr_assert_eq(scrub.findings[0].kind, FINDING_MISSING);
    cr_assert_eq(scrub.findings[0].sequence, 4);
    cr_assert(scrub.findings[0].promised);
    cr_assert_eq(scrub.cut.sequence, 4);
    scrub_free(&scrub);
}

/* Nothing shows that: they hold nothing that the last segment there leads on to. */
Test(journal_next, segments_after_one_that_is_not_full)
{
    live(FULL + 2, false);
    remove_from(3);
    open_rig();
    cr_assert_eq(rig.found, FULL + 2);
    rig_abandon(&rig);
}

Test(journal_next, a_spare_segment_of_a_stopped_journal_may_go)
{
    live(FULL - 1, true); /* the stop's batch takes the block that is kept for it */
    cr_assert(last_batch(1).flags & BATCH_LEADS_ON);
    cr_assert_eq(remove_from(2), 1);
    open_rig();
    cr_assert_eq(rig.found, FULL - 1);
    write_records(2);
    rig_abandon(&rig);
    open_rig();
    cr_assert_eq(rig.found, FULL + 1);
    rig_abandon(&rig);
}

/* A start that removed it, and were killed then, would leave a journal that none takes. */
Test(journal_next, what_is_torn_there_is_zeroed_and_the_segment_stays)
{
    size_t length;
    live(FULL - 1, false);
    unsigned char *bytes = read_file(in_journal("0000000002.seg"), &length);
    memset(bytes + BLOCK_BYTES, 'x', 100);
    write_file(in_journal("0000000002.seg"), bytes, length);
    free(bytes);
    open_rig();
    cr_assert_eq(rig.found, FULL - 1);
    cr_assert_eq(rig.opened.cut_bytes, BLOCK_BYTES);
    cr_assert(strstr(rig.last_line, "0000000002.seg offset 4096"), "%s", rig.last_line);
    rig_abandon(&rig);
    cr_assert_eq(last_batch(2).number, FULL + 1);
}

/* A record that fills the segment at once: its batch comes before the next segment is made. */
Test(journal_next, a_batch_without_records_leads_on_if_the_next_segment_was_late)
{
    rig.segment_bytes = SEGMENT_BYTES_MIN;
    rig.longest = 40000;
    live(60, false);
    unsigned used = 0, empty = 0;
    while (is_there(used + 2) && last_batch(used + 2).number > 0) {
        struct batch_header last = last_batch(++used);
        cr_assert(last.flags & BATCH_LEADS_ON, "segment %u", used);
        empty += last.length == 0;
    }
    cr_assert_geq(used, 5);
    cr_assert_geq(empty, 1);
    remove_from(used);
    expect_refusal(-EILSEQ, "is missing, but batch");
}

static void repair_after_damage(size_t offset)
{
    char aside[PATH_MAX + 16], directory[PATH_MAX + 16];
    struct scrub scrub;
    struct error why;
    size_t length;
    unsigned char *bytes = read_file(in_journal("0000000001.seg"), &length);
    bytes[offset] ^= 1;
    write_file(in_journal("0000000001.seg"), bytes, length);
    free(bytes);
    cr_assert_eq(rig_open(&rig), -EILSEQ);
    snprintf(aside, sizeof aside, "%s/aside", scratch.path);
    snprintf(directory, sizeof directory, "%s/journal", scratch.path);
    cr_assert_eq(file_system.make_directory(NULL, aside), 0);
    scrub_it(&scrub);
    int error = journal_repair(&file_system, directory, aside, &scrub, 2000, &why);
    cr_assert_eq(error, 0, "%s", why.text);
    scrub_free(&scrub);
}

/* The stop's batch comes after the one that leads on. Repair moves all after it aside. */
Test(journal_next, repair_makes_the_segment_that_a_kept_batch_leads_to)
{
    live(FULL - 1, true);
    open_rig();
    write_records(3);
    rig_abandon(&rig);
    repair_after_damage((FULL + 1) * BLOCK_BYTES + 100);
    cr_assert(is_there(2));
    open_rig();
    cr_assert_eq(rig.found, FULL - 1);
    rig_abandon(&rig);
}

Test(journal_next, repair_of_what_is_missing_goes_on_there)
{
    char aside[PATH_MAX + 16], directory[PATH_MAX + 16];
    struct scrub scrub;
    struct error why;
    live(FULL + 2, false);
    remove_from(2);
    snprintf(aside, sizeof aside, "%s/aside", scratch.path);
    snprintf(directory, sizeof directory, "%s/journal", scratch.path);
    cr_assert_eq(file_system.make_directory(NULL, aside), 0);
    scrub_it(&scrub);
    cr_assert_eq(journal_repair(&file_system, directory, aside, &scrub, 2000, &why), 0);
    scrub_free(&scrub);
    open_rig();
    cr_assert_eq(rig.found, FULL - 1);
    rig_abandon(&rig);
}

/* Nothing leads on from there. */
Test(journal_next, the_segment_that_a_batch_leads_to_is_empty)
{
    struct scrub scrub;
    size_t length;
    live(2 * FULL + 2, false);
    unsigned char *bytes = read_file(in_journal("0000000002.seg"), &length);
    memset(bytes + BLOCK_BYTES, 0, length - BLOCK_BYTES);
    write_file(in_journal("0000000002.seg"), bytes, length);
    free(bytes);
    expect_refusal(-EILSEQ, "0000000002.seg: offset 4096: batch 9 is missing");
    scrub_it(&scrub);
    cr_assert_eq(scrub.cut.sequence, 2);
    cr_assert_eq(scrub.cut.offset, BLOCK_BYTES);
    cr_assert_eq(scrub.cut.number, FULL);
    scrub_free(&scrub);
}
