/* SPDX-License-Identifier: Apache-2.0 */
/* Opening after a clean stop, after a file was cut off, and where a journal was lost. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/format.h"
#include "persistence/segment.h"
#include "tests/unit/journal_fixture.h"

TestSuite(journal_stop, .init = set_up, .fini = tear_down);

static void change_segment(const char *name, void (*change)(unsigned char *bytes, size_t length))
{
    size_t length;
    unsigned char *bytes = read_file(in_journal(name), &length);
    change(bytes, length);
    write_file(in_journal(name), bytes, length);
    free(bytes);
}

/* ---- after a clean stop ---- */

static void damage_last_block(unsigned char *bytes, size_t length)
{
    for (size_t at = length - BLOCK_BYTES; at >= BLOCK_BYTES; at -= BLOCK_BYTES) {
        if (bytes_are_zero(bytes + at, BLOCK_BYTES))
            continue;
        bytes[at + BLOCK_BYTES - 1] ^= 1;
        return;
    }
}

Test(journal_stop, after_a_clean_close_damage_to_the_last_batch_is_refused) /* F14 */
{
    live(6, true);
    change_segment("0000000001.seg", damage_last_block);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 32768: batch 8 is damaged, but the clean-stop "
                            "mark names batch 8");
}

Test(journal_stop, after_a_clean_close_a_shorter_segment_is_refused) /* F14 */
{
    live(6, true);
    for (int blocks = 8; blocks > 0; blocks--) {
        char words[80];
        cr_assert_eq(truncate(in_journal("0000000001.seg"), blocks * BLOCK_BYTES), 0);
        snprintf(words, sizeof words, "0000000001.seg: offset %d: batch %d is missing",
                 blocks * BLOCK_BYTES, blocks);
        expect_refusal(-EILSEQ, words);
    }
}

/* The last ones, down to and with the first of so many. */
static void remove_segments_from(uint64_t first)
{
    for (uint64_t sequence = 20; sequence >= first; sequence--)
        unlink(in_journal(segment_name(sequence).text));
}

Test(journal_stop, after_a_clean_close_missing_segments_are_refused) /* F14 */
{
    live(60, true);
    for (uint64_t first = 4; first > 1; first--) {
        remove_segments_from(first);
        expect_refusal(-EILSEQ, "is missing, but the clean-stop mark names batch");
    }
}

Test(journal_stop, after_a_clean_close_what_lies_beyond_the_end_may_be_cut_off_the_file)
{
    live(3, true);
    int end = 6 * BLOCK_BYTES; /* header, opening, three, closing */
    for (int more = BLOCK_BYTES; more > -(BLOCK_BYTES - 100); more -= 1000) {
        cr_assert_eq(truncate(in_journal("0000000001.seg"), end + more), 0);
        open_rig();
        cr_assert_eq(rig.found, 3);
        cr_assert(rig.opened.stopped);
        rig_abandon(&rig);
        remove_tree(scratch.path);
        live(3, true);
    }
}

Test(journal_stop, the_mark_of_a_clean_stop_is_gone_once_it_is_open) /* F14 */
{
    live(3, true);
    cr_assert_eq(access(in_journal("stopped"), F_OK), 0);
    open_rig();
    cr_assert(rig.opened.stopped);
    cr_assert_neq(access(in_journal("stopped"), F_OK), 0);
    write_records(1);
    rig_abandon(&rig);
    open_rig();
    cr_assert_not(rig.opened.stopped);
    cr_assert_eq(rig.found, 4);
    rig_abandon(&rig);
}

static void flip_a_byte(unsigned char *bytes, size_t length)
{
    bytes[length / 2] ^= 1;
}

Test(journal_stop, a_damaged_mark_is_refused) /* F14 */
{
    live(3, true);
    change_segment("stopped", flip_a_byte);
    expect_refusal(-EILSEQ, "stopped: offset 0: the clean-stop mark is damaged");
}

Test(journal_stop, a_mark_of_another_journal_is_refused) /* F14 */
{
    size_t length;
    live(3, true);
    unsigned char *mark = read_file(in_journal("stopped"), &length);
    remove_tree(scratch.path);
    live(9, true);
    write_file(in_journal("stopped"), mark, length);
    free(mark);
    expect_refusal(-EILSEQ, "stopped: offset 0: the clean-stop mark is from another");
}

/* ---- no journal where there was one ---- */

static void lose_the_segments(void)
{
    remove_segments_from(1);
}

static void make_folder(const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch.path, name);
    cr_assert_eq(mkdir(path, 0700), 0);
}

Test(journal_stop, a_lost_journal_is_not_begun_anew)
{
    live(3, false);
    lose_the_segments();
    expect_refusal(-ENODATA, "an engine had its data here (its lock is still there), but ");
    cr_assert_eq(unlink(in_journal("../lock")), 0);
    live(3, true);
    lose_the_segments();
    cr_assert_eq(unlink(in_journal("../lock")), 0);
    expect_refusal(-ENODATA, "its clean-stop mark is still there");
}

Test(journal_stop, snapshots_and_archives_are_signs_of_a_journal)
{
    char path[PATH_MAX + 64];
    const char *const signs[] = { "snapshot/00000000000000000008.snap",
                                  "archive/0000000001.seg.zst" };
    for (int i = 0; i < 2; i++) {
        make_folder(i ? "archive" : "snapshot");
        snprintf(path, sizeof path, "%s/%s", scratch.path, signs[i]);
        write_file(path, "x", 1);
        cr_assert_eq(rig_open(&rig), -ENODATA, "%s", rig.why.text);
        cr_assert_eq(unlink(path), 0);
    }
}

Test(journal_stop, a_start_that_never_came_to_a_journal_is_no_life)
{
    make_folder("journal");
    write_file(in_journal("../lock"), "", 0);
    write_file(in_journal("next.tmp"), "half", 4);
    open_rig();
    cr_assert(rig.opened.fresh);
    rig_abandon(&rig);
}

Test(journal_stop, init_begins_a_journal_where_one_was_lost)
{
    live(3, true);
    rig.init = true;
    expect_refusal(-EEXIST, "already has a journal");
    lose_the_segments();
    open_rig();
    cr_assert(rig.opened.fresh);
    write_records(2);
    rig_abandon(&rig);
    rig.init = false;
    open_rig();
    cr_assert_eq(rig.found, 2);
    rig_abandon(&rig);
}

/* ---- a file that was cut off ---- */

Test(journal_stop, a_segment_cut_where_a_batch_may_have_been_is_refused) /* F15 */
{
    live(6, false);
    for (int bytes = 8 * BLOCK_BYTES + BATCH_HEADER_BYTES - 1; bytes > BLOCK_BYTES; bytes -= 700) {
        int blocks = bytes / BLOCK_BYTES;
        char words[80];
        /* Of a batch that lacks only zeroes nothing is gone, but the next one may be. */
        cr_assert_eq(truncate(in_journal("0000000001.seg"), bytes), 0);
        int error = rig_open(&rig);
        cr_assert_eq(error, -EILSEQ, "%d bytes: %s", bytes, rig.why.text);
        cr_assert(strstr(rig.why.text, "the segment is truncated here"), "%s", rig.why.text);
        snprintf(words, sizeof words, "0000000001.seg: offset %d:", blocks * BLOCK_BYTES);
        char next[80];
        snprintf(next, sizeof next, "0000000001.seg: offset %d:", (blocks + 1) * BLOCK_BYTES);
        cr_assert(strstr(rig.why.text, words) || strstr(rig.why.text, next), "%s", rig.why.text);
    }
}
