/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: when replies may go, when syncs are due, what a failure does. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "persistence/format.h"
#include "persistence/journal_state.h"
#include "tests/support/fault_file.h"
#include "tests/support/journal_rig.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct rig rig;
static struct file_request request;
static struct file_request other;

static void set_up(void)
{
    scratch_make(&scratch);
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = 16 * SEGMENT_BYTES_MIN,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .steady_ms = 5000,
                        .longest = 400 };
}

static void tear_down(void)
{
    if (rig.journal)
        rig_abandon(&rig);
    scratch_remove(&scratch);
}

TestSuite(journal_write, .init = set_up, .fini = tear_down);

static void open_rig(enum durability durability)
{
    rig.durability = durability;
    int error = rig_open(&rig);
    cr_assert_eq(error, 0, "%s", rig.why.text);
}

static int perform(void)
{
    return file_perform(&file_system, &request);
}

static struct journal_metrics metrics_now(void)
{
    struct journal_metrics metrics;
    journal_metrics(rig.journal, &metrics);
    return metrics;
}

/* ---- batches ---- */

Test(journal_write, nothing_to_write_is_nothing_to_do)
{
    open_rig(DURABILITY_ALWAYS);
    cr_assert_not(journal_next(rig.journal, false, &request));
}

Test(journal_write, a_batch_takes_all_there_is)
{
    open_rig(DURABILITY_ALWAYS);
    uint64_t lsn = 0;
    for (int i = 0; i < 10; i++)
        lsn = rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_eq(request.kind, FILE_WRITE);
    cr_assert_eq(request.offset, 2 * BLOCK_BYTES); /* after the promise of the opening */
    cr_assert_eq(request.length, batch_span((uint32_t)lsn));
    cr_assert_eq((uintptr_t)request.buffer % BLOCK_BYTES, 0);
    cr_assert_not(journal_next(rig.journal, true, &other), "nothing is left for another");
}

Test(journal_write, what_comes_meanwhile_makes_the_next_batch)
{
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    rig_drive(&rig); /* with the first sync */
    uint64_t first = rig_append(&rig);
    cr_assert(journal_next(rig.journal, true, &request));
    uint64_t second = rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    cr_assert(journal_done(rig.journal, &request, perform(), &request));
    cr_assert_eq(log_acknowledged(&rig.log), first);
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    cr_assert_eq(log_acknowledged(&rig.log), second);
}

/* Appends a record and takes the batch of it; its end. */
static uint64_t begin_batch(bool idle, struct file_request *batch)
{
    uint64_t lsn = rig_append(&rig);
    cr_assert(journal_next(rig.journal, idle, batch));
    cr_assert_eq(batch->kind, FILE_WRITE);
    return lsn;
}

static uint64_t acknowledged_after(const struct file_request *batch)
{
    int written = file_perform(&file_system, batch);
    cr_assert_not(journal_done(rig.journal, batch, written, &other));
    return log_acknowledged(&rig.log);
}

Test(journal_write, batches_go_out_beside_each_other_while_there_is_time)
{
    struct file_request batches[JOURNAL_BATCHES];
    open_rig(DURABILITY_ALWAYS);
    begin_batch(false, &batches[0]);
    begin_batch(false, &batches[1]);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, false, &other), "who is busy waits for one of them");
    cr_assert(journal_next(rig.journal, true, &batches[2]));
    cr_assert_eq(batches[1].offset, batches[0].offset + batches[0].length);
    cr_assert_eq(batches[2].offset, batches[1].offset + batches[1].length);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other), "there are no more");
}

Test(journal_write, batches_are_acknowledged_in_their_order)
{
    struct file_request batches[JOURNAL_BATCHES];
    uint64_t ends[JOURNAL_BATCHES];
    open_rig(DURABILITY_ALWAYS);
    for (int i = 0; i < JOURNAL_BATCHES; i++)
        ends[i] = begin_batch(true, &batches[i]);
    cr_assert_eq(acknowledged_after(&batches[1]), 0, "the first one is not on disk");
    cr_assert_eq(metrics_now().durable_lsn, 0);
    cr_assert_eq(acknowledged_after(&batches[0]), ends[1]);
    cr_assert_eq(acknowledged_after(&batches[2]), ends[2]);
    for (int i = 0; i < 20; i++) { /* their places are used again */
        uint64_t end = begin_batch(true, &batches[0]);
        cr_assert_eq(acknowledged_after(&batches[0]), end);
    }
    cr_assert_eq(rig_close(&rig), 0);
    open_rig(DURABILITY_ALWAYS);
    cr_assert_eq(rig.found, JOURNAL_BATCHES + 20);
    cr_assert_not(rig.wrong);
}

static uint64_t promise_of(const struct file_request *batch)
{
    struct batch_header header;
    memcpy(&header, batch->buffer, sizeof header);
    return header.number - header.promised;
}

Test(journal_write, a_batch_promises_only_what_was_on_disk)
{
    struct file_request batches[3];
    open_rig(DURABILITY_ALWAYS);
    begin_batch(true, &batches[0]);
    begin_batch(true, &batches[1]);
    cr_assert_eq(promise_of(&batches[0]), 1, "the one before it");
    cr_assert_eq(promise_of(&batches[1]), 2);
    acknowledged_after(&batches[1]);
    begin_batch(true, &batches[2]);
    cr_assert_eq(promise_of(&batches[2]), 3, "still the one before the first");
    acknowledged_after(&batches[0]);
    begin_batch(true, &batches[0]);
    cr_assert_eq(promise_of(&batches[0]), 2, "the second");
}

Test(journal_write, a_segment_is_left_when_its_batches_are_done)
{
    struct file_request last, next;
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    open_rig(DURABILITY_ALWAYS);
    while (metrics_now().segment_used + BLOCK_BYTES + BATCH_ROOM_MIN < RIG_SEGMENT_BYTES) {
        rig_append(&rig); /* a block each */
        rig_drive(&rig);
    }
    cr_assert(metrics_now().next_ready);
    begin_batch(true, &last);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    cr_assert(journal_done(rig.journal, &last, file_perform(&file_system, &last), &next));
    cr_assert_eq(next.offset, BLOCK_BYTES, "the first of its segment");
    cr_assert_eq(promise_of(&next), 1, "all that is in the one before");
    cr_assert(journal_done(rig.journal, &next, file_perform(&file_system, &next), &other));
    cr_assert_eq(other.kind, FILE_CLOSE);
    cr_assert_eq(other.fd, last.fd);
    acknowledged_after(&other);
    cr_assert_eq(rig_acknowledged(&rig), rig.appended);
}

Test(journal_write, a_gap_is_not_written_over)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    open_rig(DURABILITY_ALWAYS);
    uint32_t length = rig_record(&rig, 0, record);
    uint64_t gap = log_claim(&rig.log, length);
    rig.appended = 1;
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, false, &request));
    log_publish(&rig.log, gap, (const struct record_head *)(const void *)record);
    rig_drive(&rig);
    cr_assert_eq(rig_acknowledged(&rig), 2);
}

Test(journal_write, the_largest_record_fits_everywhere)
{
    rig.longest = RECORD_MAX;
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    open_rig(DURABILITY_ALWAYS);
    for (int i = 0; i < 60; i++) {
        rig_append(&rig);
        rig_drive(&rig);
    }
    cr_assert_eq(rig_acknowledged(&rig), 60);
    cr_assert_gt(metrics_now().segments, 5);
    cr_assert_eq(rig_close(&rig), 0);
    open_rig(DURABILITY_ALWAYS);
    cr_assert_eq(rig.found, 60);
    cr_assert_not(rig.wrong);
}

/* ---- durability ---- */

Test(journal_write, names_of_durability_are_its_own)
{
    enum durability durability;
    for (unsigned d = DURABILITY_ALWAYS; d <= DURABILITY_NONE; d++) {
        cr_assert(durability_parse(durability_name((enum durability)d), &durability));
        cr_assert_eq(durability, d);
    }
    cr_assert_not(durability_parse("sometimes", &durability));
}

Test(journal_write, always_acknowledges_when_it_is_on_disk)
{
    open_rig(DURABILITY_ALWAYS);
    uint64_t lsn = rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert(fcntl(request.fd, F_GETFL) & O_DSYNC);
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    cr_assert_eq(log_acknowledged(&rig.log), lsn);
    cr_assert_eq(metrics_now().durable_lsn, lsn);
    cr_assert_eq(journal_next_sync_ms(rig.journal), UINT64_MAX);
}

Test(journal_write, everysec_acknowledges_first_and_syncs_within_a_second)
{
    open_rig(DURABILITY_EVERYSEC);
    cr_assert_eq(journal_next_sync_ms(rig.journal), UINT64_MAX);
    uint64_t lsn = rig_append(&rig);
    rig_drive(&rig); /* the first sync is due at once: there was none for long */
    cr_assert_eq(metrics_now().durable_lsn, lsn);
    lsn = rig_append(&rig);
    rig_drive(&rig);
    cr_assert_eq(log_acknowledged(&rig.log), lsn);
    cr_assert_lt(metrics_now().durable_lsn, lsn);
    cr_assert_eq(journal_next_sync_ms(rig.journal), 6000);
    rig.steady_ms = 5999;
    cr_assert_not(journal_next(rig.journal, false, &request));
    rig.steady_ms = 6000;
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_eq(request.kind, FILE_SYNC);
    cr_assert_eq(journal_next_sync_ms(rig.journal), 7000); /* who else ends a write looks again */
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    cr_assert_eq(metrics_now().durable_lsn, lsn);
}

Test(journal_write, a_sync_does_not_hold_up_the_next_batch)
{
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert(journal_done(rig.journal, &request, perform(), &request));
    cr_assert_eq(request.kind, FILE_SYNC);
    uint64_t synced = log_acknowledged(&rig.log);
    struct file_request sync = request;
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_eq(request.kind, FILE_WRITE);
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    cr_assert_gt(log_acknowledged(&rig.log), synced);
    cr_assert_not(journal_done(rig.journal, &sync, file_perform(&file_system, &sync), &other));
    cr_assert_eq(metrics_now().durable_lsn, synced); /* not what came after it began */
}

Test(journal_write, none_makes_nobody_wait)
{
    open_rig(DURABILITY_NONE);
    cr_assert_eq(log_acknowledged(&rig.log), UINT64_MAX);
    uint64_t lsn = rig_append(&rig);
    rig_drive(&rig);
    cr_assert_eq(metrics_now().written_lsn, lsn);
    cr_assert_eq(metrics_now().syncs, 0);
    cr_assert_eq(journal_next_sync_ms(rig.journal), UINT64_MAX);
    cr_assert_eq(rig_close(&rig), 0);
}

/* ---- nobody waits for the file system inside ---- */

static struct file_ops watched; /* the system's, with a look at who calls */
static bool inside;             /* journal_next or journal_done */
static unsigned calls_inside;

static int watched_open(void *context, const char *path, int flags)
{
    calls_inside += inside;
    return file_system.open(context, path, flags);
}

static void watched_close(void *context, int fd)
{
    calls_inside += inside;
    file_system.close(context, fd);
}

static int watched_allocate(void *context, int fd, uint64_t length)
{
    calls_inside += inside;
    return file_system.allocate(context, fd, length);
}

static int watched_rename(void *context, const char *from, const char *to)
{
    calls_inside += inside;
    return file_system.rename(context, from, to);
}

static int watched_unlink(void *context, const char *path)
{
    calls_inside += inside;
    return file_system.unlink(context, path);
}

static int watched_sync(void *context, int fd)
{
    calls_inside += inside;
    return file_system.sync(context, fd);
}

static void drive_watched(void)
{
    inside = true;
    bool more = journal_next(rig.journal, false, &request);
    while (more) {
        inside = false;
        int result = file_perform(&watched, &request);
        inside = true;
        more = journal_done(rig.journal, &request, result, &request);
    }
    inside = false;
}

Test(journal_write, no_change_of_segment_calls_the_file_system_inside) /* J5 */
{
    watched = file_system;
    watched.open = watched_open;
    watched.close = watched_close;
    watched.allocate = watched_allocate;
    watched.rename = watched_rename;
    watched.unlink = watched_unlink;
    watched.sync = watched_sync;
    rig.files = &watched;
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    for (unsigned d = DURABILITY_ALWAYS; d <= DURABILITY_NONE; d++) {
        open_rig((enum durability)d);
        uint64_t sequence = metrics_now().segments;
        for (int i = 0; i < 60; i++) {
            rig_append(&rig);
            drive_watched();
        }
        cr_assert_gt(metrics_now().segments, sequence + 3);
        cr_assert_eq(calls_inside, 0, "%u calls with durability %u", calls_inside, d);
        cr_assert_eq(rig_close(&rig), 0);
    }
}

Test(journal_write, a_full_segment_is_synced_whatever_the_durability)
{
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    open_rig(DURABILITY_NONE);
    for (int i = 0; i < 15; i++) {
        rig_append(&rig);
        rig_drive(&rig);
    }
    cr_assert_geq(metrics_now().syncs, 1);
    cr_assert_lt(metrics_now().syncs, 15, "only then");
    cr_assert_gt(metrics_now().durable_lsn, 0);
}

Test(journal_write, a_close_writes_what_is_in_the_log)
{
    for (unsigned d = DURABILITY_ALWAYS; d <= DURABILITY_NONE; d++) {
        open_rig((enum durability)d);
        uint64_t before = rig.found;
        for (int i = 0; i < 200; i++)
            rig_append(&rig);
        cr_assert_eq(rig_close(&rig), 0);
        open_rig((enum durability)d);
        cr_assert_eq(rig.found, before + 200);
        rig_abandon(&rig);
    }
}

Test(journal_write, a_close_with_a_request_under_way_says_so)
{
    open_rig(DURABILITY_ALWAYS);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_eq(rig_close(&rig), -EBUSY);
    open_rig(DURABILITY_ALWAYS);
    cr_assert_eq(rig.found, 0);
}

/* ---- failures ---- */

static void expect_final(const char *words)
{
    struct file_request any;
    uint64_t acknowledged = log_acknowledged(&rig.log);
    cr_assert(atomic_load(&rig.log.failed));
    cr_assert(strstr(journal_failure(rig.journal), words), "%s", journal_failure(rig.journal));
    cr_assert(strstr(rig.last_line, words), "%s", rig.last_line);
    cr_assert_eq(rig.lines, 1);
    rig_append(&rig);
    rig.steady_ms += 10000;
    cr_assert_not(journal_next(rig.journal, false, &any));
    cr_assert_eq(log_acknowledged(&rig.log), acknowledged);
    cr_assert_eq(journal_next_sync_ms(rig.journal), UINT64_MAX);
    cr_assert_lt(rig_close(&rig), 0);
    cr_assert(strstr(rig.why.text, words), "%s", rig.why.text);
}

Test(journal_write, no_failure_has_no_reason)
{
    open_rig(DURABILITY_ALWAYS);
    cr_assert_str_empty(journal_failure(rig.journal));
}

Test(journal_write, a_failed_write_is_final)
{
    open_rig(DURABILITY_ALWAYS);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_not(journal_done(rig.journal, &request, -EIO, &other));
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    expect_final("cannot write the journal: Input/output error");
}

Test(journal_write, what_comes_after_a_batch_that_failed_is_not_acknowledged)
{
    struct file_request batches[JOURNAL_BATCHES];
    open_rig(DURABILITY_ALWAYS);
    uint64_t first = begin_batch(true, &batches[0]);
    begin_batch(true, &batches[1]);
    begin_batch(true, &batches[2]);
    cr_assert_eq(acknowledged_after(&batches[2]), 0);
    cr_assert_eq(acknowledged_after(&batches[0]), first);
    cr_assert_not(journal_done(rig.journal, &batches[1], -EIO, &other));
    cr_assert_eq(log_acknowledged(&rig.log), first);
    expect_final("cannot write the journal: Input/output error");
}

/* Who fails first sets `failing`, and log->failed only when it has found its words: another batch
 * may come back in between. */
static void must_not_acknowledge_while_another_fails(int cut)
{
    open_rig(DURABILITY_ALWAYS);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    atomic_store(&rig.journal->failing, true);
    journal_done(rig.journal, &request, cut ? (int)request.length - cut : -EIO, &other);
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    cr_assert_eq(metrics_now().durable_lsn, 0);
}

Test(journal_write, what_failed_while_another_failure_finds_its_words_is_not_acknowledged)
{
    must_not_acknowledge_while_another_fails(0);
}

Test(journal_write, what_was_short_while_another_failure_finds_its_words_is_not_acknowledged)
{
    must_not_acknowledge_while_another_fails(512);
}

Test(journal_write, a_short_write_is_final)
{
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_not(journal_done(rig.journal, &request, (int)request.length - 512, &other));
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    expect_final("cannot write the journal: No space left on device");
}

Test(journal_write, a_failed_sync_is_final_and_not_tried_again)
{
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert(journal_done(rig.journal, &request, perform(), &request));
    cr_assert_eq(request.kind, FILE_SYNC);
    cr_assert_not(journal_done(rig.journal, &request, -EIO, &other));
    expect_final("cannot sync the journal: Input/output error");
}

Test(journal_write, a_write_that_ends_after_the_failure_acknowledges_nothing)
{
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert(journal_done(rig.journal, &request, perform(), &request));
    struct file_request sync = request;
    uint64_t acknowledged = log_acknowledged(&rig.log);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_not(journal_done(rig.journal, &sync, -EIO, &other));
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    cr_assert_eq(log_acknowledged(&rig.log), acknowledged);
}

static int refuse_syncs(void *context, const struct file_request *asked)
{
    (void)context;
    return asked->kind == FILE_SYNC ? -EIO : 0;
}

Test(journal_write, a_request_can_be_made_to_fail_before_it_is_handed_out)
{
    static struct file_ops files;
    files = file_system;
    files.inject = refuse_syncs;
    rig.files = &files;
    open_rig(DURABILITY_EVERYSEC);
    rig_append(&rig);
    cr_assert(journal_next(rig.journal, false, &request));
    cr_assert_not(journal_done(rig.journal, &request, perform(), &other));
    expect_final("cannot sync the journal: Input/output error");
}

static int refuse_allocation(void *context, int fd, uint64_t length)
{
    (void)context;
    (void)fd;
    (void)length;
    return -ENOSPC;
}

Test(journal_write, a_full_disk_stops_the_journal_only_when_the_segment_is_full)
{
    static struct file_ops files;
    files = file_system;
    rig.files = &files;
    rig.segment_bytes = RIG_SEGMENT_BYTES;
    open_rig(DURABILITY_ALWAYS);
    files.allocate = refuse_allocation;
    uint64_t written = 0;
    while (!atomic_load(&rig.log.failed) && written < 100) {
        rig_append(&rig);
        rig_drive(&rig);
        written++;
    }
    cr_assert_gt(rig_acknowledged(&rig), 3);
    cr_assert_eq(rig_acknowledged(&rig), written - 1);
    cr_assert_eq(rig.lines, 2); /* once when it was seen, once when it came true */
    cr_assert(strstr(rig.last_line, "cannot create the next segment: No space left"), "%s",
              rig.last_line);
    rig_abandon(&rig);
    files.allocate = file_system.allocate;
    open_rig(DURABILITY_ALWAYS);
    cr_assert_eq(rig.found, written - 1);
}
