/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: what is found, what is refused and how it is said, what is cut off. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/format.h"
#include "persistence/segment.h"
#include "persistence/stop_mark.h"
#include "tests/unit/journal_fixture.h"

static _Atomic bool write_ended;

TestSuite(journal_open, .init = set_up, .fini = tear_down);

/* ---- a directory's life ---- */

Test(journal_open, a_fresh_directory_is_made)
{
    char inner[PATH_MAX + 8];
    snprintf(inner, sizeof inner, "%s/new", scratch.path);
    rig.directory = inner;
    open_rig();
    cr_assert(rig.opened.fresh);
    cr_assert_eq(rig.opened.lsn, 0);
    cr_assert_eq(rig.opened.last_time_ms, 0);
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    rig_abandon(&rig);
}

Test(journal_open, records_come_back_after_a_kill_and_after_a_close)
{
    live(30, false);
    open_rig();
    cr_assert_not(rig.opened.fresh);
    cr_assert_eq(rig.found, 30);
    cr_assert_eq(rig.opened.records, 30);
    cr_assert_eq(log_head(&rig.log), rig.opened.lsn);
    cr_assert_eq(log_acknowledged(&rig.log), rig.opened.lsn);
    write_records(5);
    cr_assert_eq(rig_close(&rig), 0);
    open_rig();
    cr_assert_eq(rig.found, 35);
    cr_assert_eq(rig.opened.cut_bytes, 0);
    cr_assert_eq(rig.lines, 0);
    rig_abandon(&rig);
}

Test(journal_open, durability_may_change_between_lives)
{
    for (unsigned i = 0; i < 12; i++) {
        rig.durability = (enum durability)(i % 3);
        live(7, i % 2);
    }
    open_rig();
    cr_assert_eq(rig.found, 12 * 7);
    rig_abandon(&rig);
}

Test(journal_open, segment_size_may_change_between_lives)
{
    live(20, true);
    rig.segment_bytes = 2 * RIG_SEGMENT_BYTES;
    live(40, false);
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    live(40, true);
    open_rig();
    cr_assert_eq(rig.found, 100);
    rig_abandon(&rig);
}

Test(journal_open, time_never_goes_back)
{
    live(3, false);
    rig.wall_ms -= 3600 * 1000; /* somebody sets the clock back */
    open_rig();
    cr_assert_eq(rig.opened.last_time_ms, rig.wall_ms + 3600 * 1000);
    write_records(1);
    rig_abandon(&rig);
    open_rig();
    cr_assert_eq(rig.found, 4);
    cr_assert_eq(rig.opened.last_time_ms, rig.wall_ms + 3600 * 1000);
    rig_abandon(&rig);
}

Test(journal_open, the_spare_segment_is_used)
{
    struct journal_metrics metrics;
    open_rig();
    for (int i = 0; i < 100; i++) {
        write_records(1);
        journal_metrics(rig.journal, &metrics);
        if (metrics.next_ready)
            break;
    }
    cr_assert(metrics.next_ready);
    cr_assert_eq(metrics.segments, 2);
    rig_abandon(&rig);
    open_rig();
    journal_metrics(rig.journal, &metrics);
    cr_assert(metrics.next_ready);
    write_records(20);
    journal_metrics(rig.journal, &metrics);
    cr_assert_geq(metrics.segments, 3);
    rig_abandon(&rig);
}

Test(journal_open, a_half_made_segment_is_removed)
{
    live(3, false);
    write_file(in_journal("next.tmp"), "half", 4);
    open_rig();
    cr_assert_lt(access(in_journal("next.tmp"), F_OK), 0);
    rig_abandon(&rig);
}

/* ---- refusals ---- */

Test(journal_open, two_engines_cannot_share_a_directory)
{
    struct rig second = rig;
    char process[64];
    open_rig();
    cr_assert_eq(rig_open(&second), -EWOULDBLOCK);
    snprintf(process, sizeof process, "is in use by process %d", (int)getpid());
    cr_assert(strstr(second.why.text, process), "%s", second.why.text);
    write_records(3);
    cr_assert_eq(rig_close(&rig), 0);
    cr_assert_eq(rig_open(&second), 0);
    cr_assert_eq(second.found, 3);
    rig_abandon(&second);
}

/* A dead engine's write that the kernel still has: it holds the segment's lock for so long. */
static void *end_write_later(void *fd)
{
    struct timespec delay = { .tv_nsec = 50000000 };
    nanosleep(&delay, NULL);
    write_ended = true;
    close((int)(intptr_t)fd);
    return NULL;
}

Test(journal_open, a_write_that_is_still_under_way_is_waited_for) /* F13 */
{
    pthread_t thread;
    live(3, false);
    int fd = open(in_journal("0000000001.seg"), O_RDWR | O_CLOEXEC);
    cr_assert_eq(file_system.lock(NULL, fd, FILE_LOCK_EXCLUSIVE), 0);
    pthread_create(&thread, NULL, end_write_later, (void *)(intptr_t)fd);
    open_rig();
    cr_assert(write_ended);
    cr_assert_eq(rig.found, 3);
    pthread_join(thread, NULL);
    rig_abandon(&rig);
}

Test(journal_open, a_directory_that_cannot_be_made_is_named)
{
    char inner[PATH_MAX + 32];
    snprintf(inner, sizeof inner, "%s/no/such", scratch.path);
    rig.directory = inner;
    cr_assert_eq(rig_open(&rig), -ENOENT);
    cr_assert(strstr(rig.why.text, inner), "%s", rig.why.text);
    snprintf(inner, sizeof inner, "%s/file", scratch.path);
    write_file(inner, "x", 1);
    cr_assert_eq(rig_open(&rig), -ENOTDIR);
    cr_assert(strstr(rig.why.text, inner), "%s", rig.why.text);
}

Test(journal_open, segment_sizes_out_of_range_are_refused)
{
    rig.segment_bytes = SEGMENT_BYTES_MIN - BLOCK_BYTES;
    cr_assert_eq(rig_open(&rig), -EINVAL);
    rig.segment_bytes = SEGMENT_BYTES_MIN + 1;
    cr_assert_eq(rig_open(&rig), -EINVAL);
    rig.segment_bytes = SEGMENT_BYTES_MAX + BLOCK_BYTES;
    cr_assert_eq(rig_open(&rig), -EINVAL);
}

Test(journal_open, a_missing_segment_is_named) /* F2 */
{
    live(60, false);
    cr_assert_eq(rename(in_journal("0000000002.seg"), in_journal("elsewhere")), 0);
    expect_refusal(-EILSEQ, "segment 0000000002.seg is missing");
}

Test(journal_open, a_missing_first_segment_is_named) /* F2 */
{
    live(60, false);
    cr_assert_eq(unlink(in_journal("0000000001.seg")), 0);
    expect_refusal(-EILSEQ, "segment 0000000001.seg is missing");
}

Test(journal_open, a_renamed_segment_is_refused) /* F2 */
{
    live(60, false);
    cr_assert_eq(rename(in_journal("0000000001.seg"), in_journal("x")), 0);
    cr_assert_eq(rename(in_journal("0000000002.seg"), in_journal("0000000001.seg")), 0);
    cr_assert_eq(rename(in_journal("x"), in_journal("0000000002.seg")), 0);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 0: this is segment 2");
}

Test(journal_open, a_segment_of_another_directory_is_refused) /* F2 */
{
    char other[PATH_MAX + 64];
    size_t length;
    struct rig foreign = rig;
    live(60, false);
    snprintf(other, sizeof other, "%s/other", scratch.path);
    foreign.directory = other;
    cr_assert_eq(rig_open(&foreign), 0);
    for (int i = 0; i < 60; i++) {
        rig_append(&foreign);
        rig_drive(&foreign);
    }
    rig_abandon(&foreign);
    snprintf(other, sizeof other, "%s/other/journal/0000000002.seg", scratch.path);
    unsigned char *bytes = read_file(other, &length);
    write_file(in_journal("0000000002.seg"), bytes, length);
    free(bytes);
    expect_refusal(-EILSEQ, "0000000002.seg: offset 0: the segment is from another data directory");
}

static void change_segment(const char *name, void (*change)(unsigned char *bytes, size_t length))
{
    size_t length;
    unsigned char *bytes = read_file(in_journal(name), &length);
    change(bytes, length);
    write_file(in_journal(name), bytes, length);
    free(bytes);
}

static void swap_batches(unsigned char *bytes, size_t length)
{
    unsigned char block[BLOCK_BYTES];
    unsigned char *second = bytes + 2 * BLOCK_BYTES;
    cr_assert_gt(length, 4 * BLOCK_BYTES);
    memcpy(block, second, BLOCK_BYTES);
    memcpy(second, second + BLOCK_BYTES, BLOCK_BYTES);
    memcpy(second + BLOCK_BYTES, block, BLOCK_BYTES);
}

Test(journal_open, batches_out_of_order_are_refused) /* F9 */
{
    live(5, false);
    change_segment("0000000001.seg", swap_batches);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 8192: the batch does not continue");
}

static uint64_t directory_id(const unsigned char *bytes)
{
    struct segment_header header;
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    return header.directory_id;
}

/* Overwrites the batch at the third block with one whose record claims a bad length. */
static void add_bad_record(unsigned char *bytes, size_t length)
{
    struct batch_header old;
    unsigned char *batch = bytes + 2 * BLOCK_BYTES;
    struct record_head head = { .length = 4, .type = 1 };
    cr_assert_gt(length, 3 * BLOCK_BYTES);
    memcpy(&old, batch, sizeof old);
    memcpy(batch + sizeof old, &head, sizeof head);
    struct batch_seal seal = { directory_id(bytes), old.first_lsn, old.flags,  old.number,
                               old.promised,        old.previous,  old.time_ms };
    batch_make(batch, 8, &seal);
}

Test(journal_open, bad_records_in_a_valid_batch_are_corruption) /* F11 */
{
    live(1, false);
    change_segment("0000000001.seg", add_bad_record);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 8192: the batch is valid, but its records are");
}

/* How the seal of a batch of another history differs; all the rest of it fits. */
static struct batch_seal difference;

static void change_history(unsigned char *bytes, size_t length)
{
    struct batch_header old;
    unsigned char *batch = bytes + 2 * BLOCK_BYTES;
    cr_assert_gt(length, 3 * BLOCK_BYTES);
    memcpy(&old, batch, sizeof old);
    struct batch_seal seal = {
        .directory_id = directory_id(bytes),
        .first_lsn = old.first_lsn + difference.first_lsn,
        .flags = old.flags,
        .number = old.number + difference.number,
        .promised = old.promised,
        .previous = old.previous + difference.previous,
        .time_ms = old.time_ms - difference.time_ms,
    };
    batch_make(batch, old.length, &seal);
}

Test(journal_open, a_batch_of_another_history_is_refused) /* F4, F9 */
{
    static const struct batch_seal differences[] = {
        { .first_lsn = 8 }, { .number = 1 }, { .previous = 1 }, { .time_ms = 1000000 }
    };
    live(1, false);
    size_t length;
    unsigned char *sound = read_file(in_journal("0000000001.seg"), &length);
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        difference = differences[i];
        write_file(in_journal("0000000001.seg"), sound, length);
        change_segment("0000000001.seg", change_history);
        expect_refusal(-EILSEQ, "0000000001.seg: offset 8192: the batch does not continue");
    }
    free(sound);
}

static int refuse_third(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    (void)record;
    (void)lsn;
    (void)time_ms;
    return ++*(int *)context == 3 ? -ENOSPC : 0;
}

Test(journal_open, what_cannot_be_applied_is_refused)
{
    int count = 0;
    struct journal *journal;
    struct journal_opened opened;
    struct error why;
    live(9, false);
    struct log log;
    cr_assert_eq(log_init(&log, 1 << 20, 1, 0), 0);
    struct journal_options options = {
        .directory = scratch.path, .log = &log, .context = &count, .apply = refuse_third
    };
    cr_assert_eq(journal_open(&journal, &options, &opened, &why), -ENOSPC);
    cr_assert_eq(count, 3);
    cr_assert(strstr(why.text, "0000000001.seg: offset 16384: the record at lsn"), "%s", why.text);
    log_destroy(&log);
}

/* ---- tails ---- */

static void tear_last_block(unsigned char *bytes, size_t length)
{
    for (size_t at = length - BLOCK_BYTES; at >= BLOCK_BYTES; at -= BLOCK_BYTES) {
        if (bytes_are_zero(bytes + at, BLOCK_BYTES))
            continue;
        memset(bytes + at + 70, 0, 8);
        return;
    }
}

Test(journal_open, a_torn_tail_is_cut_off_and_told) /* F8, F10 */
{
    rig.segment_bytes = BATCH_ROOM_MIN + 12 * BLOCK_BYTES; /* for all of them */
    live(6, false);
    change_segment("0000000001.seg", tear_last_block);
    open_rig();
    cr_assert_eq(rig.found, 5);
    cr_assert_eq(rig.opened.cut_bytes, BLOCK_BYTES);
    cr_assert_eq(rig.lines, 1);
    cr_assert(strstr(rig.last_line, "cut off 4096 bytes after 0000000001.seg offset 28672"), "%s",
              rig.last_line);
    rig_abandon(&rig);
    open_rig();
    cr_assert_eq(rig.found, 5);
    cr_assert_eq(rig.lines, 0);
    rig_abandon(&rig);
}

/* Damages the `count` last batches behind their headers. */
static void damage_last(unsigned char *bytes, size_t length, int count)
{
    for (size_t at = length - BLOCK_BYTES; at >= BLOCK_BYTES && count > 0; at -= BLOCK_BYTES) {
        if (memcmp(bytes + at, BATCH_MAGIC, strlen(BATCH_MAGIC)) != 0)
            continue;
        bytes[at + BATCH_HEADER_BYTES + 1] ^= 0x10;
        count--;
    }
}

static void damage_last_one(unsigned char *bytes, size_t length)
{
    damage_last(bytes, length, 1);
}

static void damage_last_two(unsigned char *bytes, size_t length)
{
    damage_last(bytes, length, 2);
}

static void damage_all(unsigned char *bytes, size_t length)
{
    damage_last(bytes, length, INT_MAX);
}

Test(journal_open, a_torn_batch_still_says_what_was_durable_before_it) /* F16 */
{
    live(6, false); /* batch 1 is empty; the batches of records follow at 8192 */
    change_segment("0000000001.seg", damage_last_two);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 24576: batch 6 is damaged, but batch 7 "
                            "(0000000001.seg: offset 28672) says it was on disk");
}

Test(journal_open, a_torn_batch_is_believed_over_the_end_of_a_segment) /* F16 */
{
    live(9, false);
    change_segment("0000000001.seg", damage_last_one);
    change_segment("0000000002.seg", damage_all);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 32768: batch 8 is damaged, but batch 9 "
                            "(0000000002.seg: offset 4096) says it was on disk");
}

static void damage_the_one_before_the_last(unsigned char *bytes, size_t length)
{
    damage_last(bytes, length, 2);
    for (size_t at = length - BLOCK_BYTES; at >= BLOCK_BYTES; at -= BLOCK_BYTES) {
        if (memcmp(bytes + at, BATCH_MAGIC, strlen(BATCH_MAGIC)) != 0)
            continue;
        bytes[at + BATCH_HEADER_BYTES + 1] ^= 0x10; /* as it was */
        return;
    }
}

/* Also where the mark of the stop has gone: by a start that got no further, say. */
Test(journal_open, a_clean_close_promises_all_that_was_written) /* F12 */
{
    live(6, true);
    cr_assert_eq(unlink(in_journal(STOP_MARK_NAME)), 0);
    change_segment("0000000001.seg", damage_the_one_before_the_last);
    expect_refusal(-EILSEQ, "0000000001.seg: offset 28672: batch 7 is damaged, but batch 8 "
                            "(0000000001.seg: offset 32768) says it was on disk");
}

static void damage_last_two_headers(unsigned char *bytes, size_t length)
{
    damage_last(bytes, length, 2);
    for (size_t at = length - BLOCK_BYTES, count = 2; count > 0; at -= BLOCK_BYTES) {
        if (memcmp(bytes + at, BATCH_MAGIC, strlen(BATCH_MAGIC)) != 0)
            continue;
        bytes[at + 40] ^= 1; /* what it promises */
        count--;
    }
}

Test(journal_open, a_header_that_is_not_whole_promises_nothing) /* F16, and the limit of F8 */
{
    live(6, false);
    change_segment("0000000001.seg", damage_last_two_headers);
    open_rig();
    cr_assert_eq(rig.found, 4);
    rig_abandon(&rig);
}

/* The form of version 1: another header of batches, under the same segment header. */
static void make_version_one(unsigned char *bytes, size_t length)
{
    struct segment_header header;
    cr_assert_gt(length, BLOCK_BYTES);
    memcpy(&header, bytes, sizeof header);
    header.version = 1;
    header.checksum = 0;
    memcpy(bytes, &header, sizeof header);
    header.checksum = XXH3_64bits(bytes, BLOCK_BYTES);
    memcpy(bytes, &header, sizeof header);
}

Test(journal_open, an_older_version_is_refused_and_named)
{
    live(3, false);
    change_segment("0000000001.seg", make_version_one);
    expect_refusal(-ENOTSUP, "version 1");
}

static void add_garbage(unsigned char *bytes, size_t length)
{
    memset(bytes + length - 5000, 0x5a, 5000);
}

Test(journal_open, garbage_in_place_never_used_is_zeroed)
{
    size_t length;
    live(3, false);
    change_segment("0000000001.seg", add_garbage);
    open_rig();
    cr_assert_eq(rig.found, 3);
    rig_abandon(&rig);
    unsigned char *bytes = read_file(in_journal("0000000001.seg"), &length);
    cr_assert(bytes_are_zero(bytes + length - 8192, 8192));
    free(bytes);
}

Test(journal_open, a_segment_cut_short_is_filled_up_and_told)
{
    struct stat status;
    live(3, false);
    cr_assert_eq(truncate(in_journal("0000000001.seg"), 5 * BLOCK_BYTES + 100), 0);
    open_rig();
    cr_assert_eq(rig.found, 3);
    char said[64];
    snprintf(said, sizeof said, "truncated to 20580 of %llu bytes",
             (unsigned long long)rig.segment_bytes);
    cr_assert(strstr(rig.last_line, said), "%s", rig.last_line);
    write_records(20);
    rig_abandon(&rig);
    cr_assert_eq(stat(in_journal("0000000001.seg"), &status), 0);
    cr_assert_eq(status.st_size, RIG_SEGMENT_BYTES);
    open_rig();
    cr_assert_eq(rig.found, 23);
    rig_abandon(&rig);
}
