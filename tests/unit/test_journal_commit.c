/* SPDX-License-Identifier: Apache-2.0 */
/* A primary's journal: what is acknowledged, and when a slot is free, follow the commit. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "persistence/format.h"
#include "persistence/journal_state.h"
#include "tests/support/journal_rig.h"
#include "tests/support/memory_log.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static struct rig rig;
static struct memory_log cluster;
static struct file_request other;

static void set_up(void)
{
    scratch_make(&scratch);
    memory_log_init(&cluster);
    rig = (struct rig){ .directory = scratch.path,
                        .segment_bytes = 64 * SEGMENT_BYTES_MIN,
                        .replication = &cluster.port,
                        .seed = 1,
                        .wall_ms = 1700000000000,
                        .longest = 400 };
}

static void tear_down(void)
{
    if (rig.journal)
        rig_abandon(&rig);
    memory_log_free(&cluster);
    scratch_remove(&scratch);
}

TestSuite(journal_commit, .init = set_up, .fini = tear_down);

static void open_rig(void)
{
    int error = rig_open(&rig);
    cr_assert_eq(error, 0, "%s", rig.why.text);
}

/* Opened, and its first batch is committed. */
static void lead(void)
{
    open_rig();
    cr_assert_eq(rig_lead(&rig, rig.found), 0, "%s", rig.why.text);
    memory_log_commit(&cluster, rig.journal, memory_log_last(&cluster));
}

/* Appends a record and takes the batch of it; its end. */
static uint64_t begin_batch(struct file_request *batch)
{
    uint64_t lsn = rig_append(&rig);
    cr_assert(journal_next(rig.journal, true, batch));
    cr_assert_eq(batch->kind, FILE_WRITE);
    return lsn;
}

static void write_batch(const struct file_request *batch)
{
    int written = file_perform(&file_system, batch);
    bool more = journal_done(rig.journal, batch, written, &other);
    while (more) { /* the next segment */
        cr_assert_geq(other.slot, JOURNAL_BATCHES);
        more = journal_done(rig.journal, &other, file_perform(&file_system, &other), &other);
    }
}

Test(journal_commit, only_a_journal_that_leads_makes_batches)
{
    open_rig();
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    cr_assert_eq(memory_log_last(&cluster), 0);
}

Test(journal_commit, the_first_batch_of_a_term_is_appended)
{
    open_rig();
    cr_assert_eq(rig_lead(&rig, 0), 0, "%s", rig.why.text);
    const struct batch_header *first = memory_log_header(&cluster, 1);
    cr_assert_not_null(first);
    cr_assert_eq(memory_log_at(&cluster, 1)->length, BATCH_HEADER_BYTES);
    cr_assert_eq(first->length, 0);
    cr_assert_eq(first->flags, BATCH_REPLICATED);
    cr_assert_eq(first->promised, 0);
    cr_assert_eq(journal_kept(rig.journal).number, 0, "it is on disk, but not committed");
    memory_log_commit(&cluster, rig.journal, 1);
    cr_assert_eq(journal_kept(rig.journal).number, 1);
}

Test(journal_commit, what_is_written_waits_for_the_commit)
{
    struct file_request batch;
    lead();
    uint64_t lsn = begin_batch(&batch);
    write_batch(&batch);
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    cr_assert_not(memory_log_commit(&cluster, rig.journal, 2));
    cr_assert_eq(log_acknowledged(&rig.log), lsn);
}

Test(journal_commit, what_is_committed_does_not_wait_for_the_disk)
{
    struct file_request batch;
    lead();
    uint64_t lsn = begin_batch(&batch);
    memory_log_commit(&cluster, rig.journal, 2);
    cr_assert_eq(log_acknowledged(&rig.log), lsn);
    cr_assert_eq(journal_kept(rig.journal).number, 1);
    write_batch(&batch);
    cr_assert_eq(journal_kept(rig.journal).number, 2);
}

Test(journal_commit, a_header_states_what_was_committed)
{
    struct file_request batches[JOURNAL_BATCHES];
    lead();
    for (int i = 0; i < JOURNAL_BATCHES; i++) {
        begin_batch(&batches[i]);
        write_batch(&batches[i]);
    }
    for (uint64_t n = 2; n < 2 + JOURNAL_BATCHES; n++) {
        cr_assert_eq(memory_log_header(&cluster, n)->promised, 1);
        cr_assert_eq(memory_log_header(&cluster, n)->flags, BATCH_REPLICATED);
    }
    memory_log_commit(&cluster, rig.journal, 3);
    begin_batch(&batches[0]);
    cr_assert_eq(memory_log_header(&cluster, 5)->promised, 3);
    write_batch(&batches[0]);
}

/* ---- slots ---- */

static void fill_slots(struct file_request *batches)
{
    for (int i = 0; i < JOURNAL_BATCHES; i++)
        begin_batch(&batches[i]);
}

Test(journal_commit, a_slot_that_is_written_waits_for_the_commit)
{
    struct file_request batches[JOURNAL_BATCHES];
    lead();
    fill_slots(batches);
    for (int i = 0; i < JOURNAL_BATCHES; i++)
        write_batch(&batches[i]);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    cr_assert(memory_log_commit(&cluster, rig.journal, 2), "a worker has to look");
    cr_assert(journal_next(rig.journal, true, &other));
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &batches[0]), "one slot was freed");
    cr_assert_eq(file_perform(&file_system, &other), (int)other.length);
    cr_assert_not(journal_done(rig.journal, &other, (int)other.length, &batches[0]));
}

Test(journal_commit, a_slot_that_is_committed_waits_for_the_disk)
{
    struct file_request batches[JOURNAL_BATCHES];
    lead();
    fill_slots(batches);
    memory_log_commit(&cluster, rig.journal, 1 + JOURNAL_BATCHES);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    int written = file_perform(&file_system, &batches[0]);
    cr_assert_not(journal_done(rig.journal, &batches[0], written, &other), "it is not idle");
    cr_assert(journal_next(rig.journal, true, &other), "the slot is free now");
    for (int i = 1; i < JOURNAL_BATCHES; i++)
        cr_assert_eq(file_perform(&file_system, &batches[i]), (int)batches[i].length);
}

/* A worker inside the journal is met by the commit: either sees the other. */
Test(journal_commit, who_is_turned_away_is_told)
{
    struct file_request batch;
    lead();
    begin_batch(&batch);
    cr_assert(combining_lock_enter(&rig.journal->requests));
    cr_assert_not(memory_log_commit(&cluster, rig.journal, 2), "the one inside looks again");
    cr_assert_not(combining_lock_leave(&rig.journal->requests), "it was told");
    cr_assert(combining_lock_leave(&rig.journal->requests));
    write_batch(&batch);
}

Test(journal_commit, a_commit_is_not_news_twice)
{
    struct file_request batch;
    lead();
    begin_batch(&batch);
    memory_log_commit(&cluster, rig.journal, 2);
    cr_assert_not(journal_committed(rig.journal, 2));
    cr_assert_not(journal_committed(rig.journal, 1));
    write_batch(&batch);
}

Test(journal_commit, a_batch_is_as_large_as_the_cluster_takes)
{
    lead();
    rig.longest = RECORD_MAX;
    for (uint64_t bytes = 0; bytes < 3 * BATCH_REPLICATED_MAX;)
        bytes = rig_append(&rig);
    for (uint64_t n = 2; log_has_claims(&rig.log); n++) {
        rig_drive(&rig);
        memory_log_commit(&cluster, rig.journal, memory_log_last(&cluster));
    }
    cr_assert_geq(memory_log_last(&cluster), 4);
    for (uint64_t n = 2; n <= memory_log_last(&cluster); n++) {
        cr_assert_leq(memory_log_at(&cluster, n)->length, BATCH_REPLICATED_MAX);
        if (n < memory_log_last(&cluster))
            cr_assert_gt(memory_log_at(&cluster, n)->length, BATCH_REPLICATED_MAX - RECORD_MAX);
    }
}

/* ---- every order ---- */

enum { EVENTS = 2 * JOURNAL_BATCHES };

static struct file_request writes[JOURNAL_BATCHES];
static uint64_t ends[JOURNAL_BATCHES];
static unsigned orders;

/* Batches base + 1 and on are under way. Event i < 3: batch i is written; else the next commit. */
static void run_order(const unsigned *events, unsigned count, uint64_t base)
{
    unsigned commits = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t before = log_acknowledged(&rig.log);
        if (events[i] < JOURNAL_BATCHES) {
            write_batch(&writes[events[i]]);
            cr_assert_eq(log_acknowledged(&rig.log), before, "a write acknowledges nothing");
        } else {
            memory_log_commit(&cluster, rig.journal, base + ++commits);
            cr_assert_eq(log_acknowledged(&rig.log), ends[commits - 1]);
        }
    }
    orders++;
}

static void try_orders(unsigned *events, unsigned count, unsigned written, unsigned commits)
{
    if (count == EVENTS) {
        uint64_t base = memory_log_last(&cluster);
        for (int i = 0; i < JOURNAL_BATCHES; i++)
            ends[i] = begin_batch(&writes[i]);
        run_order(events, count, base);
        return;
    }
    for (unsigned i = 0; i < JOURNAL_BATCHES; i++) {
        if (written >> i & 1)
            continue;
        events[count] = i;
        try_orders(events, count + 1, written | 1U << i, commits);
    }
    if (commits < JOURNAL_BATCHES) {
        events[count] = JOURNAL_BATCHES;
        try_orders(events, count + 1, written, commits + 1);
    }
}

Test(journal_commit, nothing_is_acknowledged_before_its_commit)
{
    unsigned events[EVENTS];
    lead();
    try_orders(events, 0, 0, 0);
    cr_assert_eq(orders, 120); /* 6! / 3! */
    cr_assert_eq(rig_acknowledged(&rig), 120 * JOURNAL_BATCHES);
}

/* ---- ends ---- */

Test(journal_commit, a_failed_write_ends_it)
{
    struct file_request batch;
    lead();
    begin_batch(&batch);
    cr_assert_not(journal_done(rig.journal, &batch, -EIO, &other));
    cr_assert(log_has_failed(&rig.log));
    cr_assert_not(memory_log_commit(&cluster, rig.journal, 2));
    cr_assert_eq(log_acknowledged(&rig.log), 0);
    rig_append(&rig);
    cr_assert_not(journal_next(rig.journal, true, &other));
    cr_assert_eq(rig_close(&rig), -EIO);
}

Test(journal_commit, a_close_does_not_wait_for_what_is_never_committed)
{
    struct file_request batches[JOURNAL_BATCHES];
    lead();
    fill_slots(batches);
    for (int i = 0; i < JOURNAL_BATCHES; i++)
        write_batch(&batches[i]);
    rig_append(&rig); /* in no batch: nobody knows of it */
    cr_assert_eq(rig_close(&rig), 0, "%s", rig.why.text);
    cr_assert_eq(memory_log_last(&cluster), 1 + JOURNAL_BATCHES, "a close makes no batch");
    open_rig();
    cr_assert_eq(cluster.asked.number, 1 + JOURNAL_BATCHES);
    cr_assert_eq(cluster.asked.sure, 1);
    cr_assert_eq(rig.opened.batches, 1, "what the cluster does not have is cut off");
}

Test(journal_commit, a_cluster_syncs)
{
    rig.durability = DURABILITY_EVERYSEC;
    cr_assert_eq(rig_open(&rig), -EINVAL);
    cr_assert(strstr(rig.why.text, "a cluster syncs"), "%s", rig.why.text);
}
