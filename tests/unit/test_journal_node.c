/* SPDX-License-Identifier: Apache-2.0 */
/* A journal that follows: what it takes, what it refuses, how it opens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "persistence/archive.h"
#include "persistence/segment.h"
#include "tests/support/fault_file.h"
#include "tests/support/memory_log.h"
#include "tests/unit/journal_fixture.h"

static struct memory_log cluster;
static char primary_directory[PATH_MAX + 16];
static struct rig primary;

static uint64_t end_number(void)
{
    return journal_end(rig.journal).number;
}

/* A primary that has made the log. It is not in the way: another directory. */
static void make_log(unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        cr_assert_neq(rig_append(&primary), 0);
        rig_drive(&primary);
        memory_log_commit(&cluster, primary.journal, memory_log_last(&cluster));
    }
}

static void set_up_cluster(void)
{
    set_up();
    memory_log_init(&cluster);
    snprintf(primary_directory, sizeof primary_directory, "%s-primary", scratch.path);
    primary = rig;
    primary.directory = primary_directory;
    primary.replication = rig.replication = &cluster.port;
    cr_assert_eq(rig_open(&primary), 0, "%s", primary.why.text);
    cr_assert_eq(rig_lead(&primary, 0), 0, "%s", primary.why.text);
    memory_log_commit(&cluster, primary.journal, 1);
    rig.directory_id = journal_end(primary.journal).directory_id;
}

static void tear_down_cluster(void)
{
    if (rig.journal)
        rig_abandon(&rig);
    rig_abandon(&primary);
    remove_tree(primary_directory);
    memory_log_free(&cluster);
    tear_down();
}

TestSuite(journal_node, .init = set_up_cluster, .fini = tear_down_cluster);

static int take_bytes(const void *bytes, uint32_t length)
{
    return journal_take(rig.journal, bytes, length, &rig.why);
}

static int take(uint64_t number)
{
    const struct memory_batch *batch = memory_log_at(&cluster, number);
    return take_bytes(batch->bytes, batch->length);
}

static void take_up_to(uint64_t number)
{
    while (end_number() < number) {
        int error = take(end_number() + 1);
        cr_assert_eq(error, 0, "%s", rig.why.text);
    }
    cr_assert_eq(journal_flush(rig.journal, &rig.why), 0, "%s", rig.why.text);
    cr_assert_eq(journal_kept(rig.journal).number, number);
}

static const char *in_primary(const char *name)
{
    static char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "%s/journal/%s", primary_directory, name);
    return text;
}

static void expect_same_segment(uint64_t sequence)
{
    size_t length, other;
    unsigned char *mine = read_file(in_journal(segment_name(sequence).text), &length);
    unsigned char *theirs = read_file(in_primary(segment_name(sequence).text), &other);
    cr_assert_eq(length, other);
    cr_assert_eq(memcmp(mine, theirs, length), 0, "segment %d", (int)sequence);
    free(mine);
    free(theirs);
}

Test(journal_node, segments_are_those_of_the_primary)
{
    make_log(30);
    open_rig();
    take_up_to(31);
    struct journal_metrics metrics;
    journal_metrics(rig.journal, &metrics);
    cr_assert_geq(metrics.sequence, 4);
    for (uint64_t s = 1; s <= metrics.sequence; s++)
        expect_same_segment(s);
    rig_abandon(&rig);
    open_rig();
    cr_assert_eq(rig.found, 30);
}

Test(journal_node, what_is_taken_is_kept_once_it_is_written)
{
    make_log(2);
    open_rig();
    cr_assert_eq(take(1), 0);
    cr_assert_eq(take(2), 0);
    cr_assert_eq(journal_kept(rig.journal).number, 0);
    cr_assert_eq(take(3), 0); /* as many as may be unsynced */
    cr_assert_eq(journal_kept(rig.journal).number, 3);
}

/* They state no creation time. */
Test(journal_node, an_archived_segment_is_as_old_as_its_first_batch)
{
    const uint64_t day_ms = UINT64_C(24) * 3600 * 1000;
    const struct archive_rules rules = { .days = 3 };
    uint64_t removed;
    make_log(12);
    cr_assert_eq(archive_add(&file_system, primary_directory, 1, &rig.why), 0, "%s", rig.why.text);
    int error = archive_trim(&file_system, primary_directory, &rules, rig.wall_ms + 3 * day_ms,
                             &removed, &rig.why);
    cr_assert_eq(error, 0, "%s", rig.why.text);
    cr_assert_eq(removed, 0);
    error = archive_trim(&file_system, primary_directory, &rules, rig.wall_ms + 3 * day_ms + 1,
                         &removed, &rig.why);
    cr_assert_eq(error, 0, "%s", rig.why.text);
    cr_assert_eq(removed, 1);
}

/* ---- refusals ---- */

static void expect_not_taken(const void *bytes, uint32_t length, int error, const char *words)
{
    uint64_t before = end_number();
    cr_assert_eq(take_bytes(bytes, length), error, "%s", rig.why.text);
    cr_assert(strstr(rig.why.text, words), "%s", rig.why.text);
    cr_assert_eq(end_number(), before);
    cr_assert_not(log_has_failed(&rig.log));
}

Test(journal_node, only_the_next_batch_is_taken)
{
    make_log(4);
    open_rig();
    take_up_to(2);
    for (uint64_t n = 1; n <= 5; n++) {
        const struct memory_batch *batch = memory_log_at(&cluster, n);
        if (n != 3)
            expect_not_taken(batch->bytes, batch->length, -EILSEQ, "does not continue the chain");
    }
    take_up_to(5);
}

Test(journal_node, damage_is_not_taken)
{
    make_log(1);
    open_rig();
    take_up_to(1);
    const struct memory_batch *batch = memory_log_at(&cluster, 2);
    unsigned char *bytes = malloc(batch->length + 8);
    memcpy(bytes, batch->bytes, batch->length);
    for (uint32_t i = 0; i < batch->length; i += 3) {
        bytes[i] ^= 16;
        expect_not_taken(bytes, batch->length, -EILSEQ, "damaged");
        bytes[i] ^= 16;
    }
    expect_not_taken(bytes, batch->length - 8, -EILSEQ, "damaged");
    memset(bytes + batch->length, 0, 8);
    expect_not_taken(bytes, batch->length + 8, -EILSEQ, "damaged");
    expect_not_taken(bytes, BATCH_HEADER_BYTES - 1, -EILSEQ, "no batch");
    expect_not_taken(bytes, BATCH_BYTES_MAX + 1, -EILSEQ, "no batch");
    free(bytes);
    take_up_to(2);
}

/* The seal of batch 2, without records. */
static struct batch_seal next_seal(void)
{
    const struct batch_header *header = memory_log_header(&cluster, 1);
    return (struct batch_seal){ .directory_id = rig.directory_id,
                                .number = 2,
                                .flags = BATCH_REPLICATED,
                                .promised = 1,
                                .previous = header->checksum,
                                .time_ms = header->time_ms };
}

static void expect_seal_refused(struct batch_seal seal, int error, const char *words)
{
    _Alignas(8) unsigned char batch[BLOCK_BYTES];
    batch_make(batch, 0, &seal);
    expect_not_taken(batch, BATCH_HEADER_BYTES, error, words);
}

Test(journal_node, what_the_primary_would_not_make_is_not_taken)
{
    _Alignas(8) unsigned char batch[BLOCK_BYTES];
    open_rig();
    take_up_to(1);
    struct batch_seal seal = next_seal();
    seal.flags = 0;
    expect_seal_refused(seal, -EILSEQ, "not of this cluster");
    seal.flags = BATCH_REPLICATED | 16;
    expect_seal_refused(seal, -ENOTSUP, "of a later version");
    seal = next_seal();
    seal.directory_id ^= 1;
    expect_seal_refused(seal, -EILSEQ, "not of this cluster");
    seal = next_seal();
    seal.time_ms--;
    expect_seal_refused(seal, -EILSEQ, "does not continue");
    seal = next_seal();
    seal.flags |= BATCH_LEADS_ON; /* but the segment has room */
    expect_seal_refused(seal, -EILSEQ, "does not lie");
    seal = next_seal();
    batch_make(batch, 0, &seal);
    cr_assert_eq(take_bytes(batch, BATCH_HEADER_BYTES), 0, "%s", rig.why.text);
}

Test(journal_node, another_clusters_journal)
{
    open_rig();
    take_up_to(1);
    rig_abandon(&rig);
    rig.directory_id++;
    expect_refusal(-EXDEV, "the cluster's is");
    rig.directory_id--;
}

/* ---- opening ---- */

static void overwrite(uint64_t sequence, uint64_t offset, size_t length)
{
    size_t whole;
    const char *path = in_journal(segment_name(sequence).text);
    unsigned char *bytes = read_file(path, &whole);
    memset(bytes + offset, 0x5a, length);
    write_file(path, bytes, whole);
    free(bytes);
}

/* Batches of a block lie at 1, 2, 3, ... of the first segment. */
static void damage(uint64_t number)
{
    overwrite(1, number * BLOCK_BYTES, 512);
}

Test(journal_node, an_opening_and_a_clean_stop_make_no_batch)
{
    make_log(3);
    open_rig();
    take_up_to(4);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(rig_close(&rig), 0, "%s", rig.why.text);
        open_rig();
        cr_assert(rig.opened.stopped);
        cr_assert_eq(end_number(), 4);
        cr_assert_eq(journal_end(rig.journal).checksum, memory_log_header(&cluster, 4)->checksum);
    }
    expect_same_segment(1);
}

Test(journal_node, a_node_that_has_nothing_yet_may_stop)
{
    open_rig();
    cr_assert_eq(rig_close(&rig), 0, "%s", rig.why.text);
    open_rig();
    take_up_to(1);
}

/* Torn or not: nothing says that it was on this disk. */
Test(journal_node, the_last_batches_are_read_again)
{
    make_log(5);
    open_rig();
    take_up_to(6);
    rig_abandon(&rig);
    damage(4);
    open_rig();
    cr_assert_eq(end_number(), 3);
    cr_assert_eq(cluster.asked.number, 3);
    cr_assert_eq(cluster.asked.sure, 3, "the headers of batches 5 and 6 say so");
    take_up_to(6);
    expect_same_segment(1);
}

Test(journal_node, what_was_on_disk_is_missed)
{
    make_log(6);
    open_rig();
    take_up_to(7);
    rig_abandon(&rig);
    damage(4);
    expect_refusal(-EILSEQ, "batch 4 is damaged, but batch 7");
}

/* Beyond what it keeps, a node has what is compared. */
Test(journal_node, the_cluster_is_asked_about_what_is_not_sure)
{
    make_log(2);
    open_rig();
    take_up_to(3);
    rig_abandon(&rig);
    open_rig();
    cr_assert_eq(cluster.asked.number, 3);
    cr_assert_eq(cluster.asked.sure, 2);
    cr_assert_eq(cluster.asked.count, 1);
    cr_assert_eq(cluster.asked.checksums[0], memory_log_header(&cluster, 3)->checksum);
    cr_assert_eq(end_number(), 3);
    cr_assert_eq(rig.found, 2);
}

static int refuse(void *context, const struct replication_tail *tail, uint64_t *keep,
                  struct error *why)
{
    (void)context;
    (void)keep;
    return error_set(why, -ESTALE, "ends with batch %d", (int)tail->number);
}

Test(journal_node, the_cluster_may_refuse)
{
    struct replication_port port = cluster.port;
    port.compare = refuse;
    make_log(5);
    open_rig();
    take_up_to(6);
    rig_abandon(&rig);
    damage(5);
    rig.replication = &port;
    expect_refusal(-ESTALE, "ends with batch 4");
    rig.replication = &cluster.port;
    open_rig();
    take_up_to(6);
}

/* Writes a batch of one record. */
static void write_in_vain(void)
{
    struct file_request request;
    rig_append(&rig);
    bool more = journal_next(rig.journal, true, &request);
    while (more)
        more = journal_done(rig.journal, &request, file_perform(&file_system, &request), &request);
}

/* It leads from the end of that batch on, and nobody hears of it. */
static void lead_unheard(uint64_t end)
{
    struct memory_log unheard;
    memory_log_init(&unheard);
    rig.replication = &unheard.port;
    open_rig();
    take_up_to(end);
    cr_assert_eq(rig_lead(&rig, end - 1), 0, "%s", rig.why.text);
    for (unsigned i = 1; i < JOURNAL_BATCHES; i++)
        write_in_vain();
    rig_abandon(&rig);
    memory_log_free(&unheard);
    rig.replication = &cluster.port;
}

/* In one segment, and in two. */
Test(journal_node, what_was_never_committed_is_cut_off)
{
    make_log(10);
    for (uint64_t end = 4; end <= 9; end++) {
        lead_unheard(end);
        open_rig();
        cr_assert_eq(cluster.asked.number, end + JOURNAL_BATCHES);
        cr_assert_eq(cluster.asked.sure, end);
        cr_assert_eq(end_number(), end);
        cr_assert_eq(rig.found, end - 1);
        cr_assert(strstr(rig.last_line, "never committed"), "%s", rig.last_line);
        take_up_to(11);
        expect_same_segment(1);
        expect_same_segment(2);
        rig_abandon(&rig);
        remove_tree(scratch.path);
    }
}

/* Batch 8 leads on to the second segment, and both go. */
Test(journal_node, a_power_cut_within_the_cut)
{
    char before[PATH_MAX + 16];
    struct scratch attic;
    bool struck = true;
    snprintf(before, sizeof before, "%s-before", scratch.path);
    scratch_make(&attic);
    make_log(10);
    lead_unheard(7);
    copy_tree(scratch.path, before);
    for (uint64_t at = 1; struck; at++) {
        struct fault_disk *disk = fault_disk_make(attic.path, at);
        remove_tree(scratch.path);
        copy_tree(before, scratch.path);
        rig.files = fault_disk_ops(disk);
        fault_disk_plan(disk, (struct fault_plan){ .at = at, .kind = FAULT_POWER_CUT });
        int error = rig_open(&rig);
        struck = fault_disk_struck(disk);
        cr_assert(struck || error == 0, "%s", rig.why.text);
        if (error == 0)
            rig_abandon(&rig);
        if (struck)
            fault_disk_power_cut(disk);
        rig.files = NULL;
        open_rig();
        cr_assert_eq(end_number(), 7);
        take_up_to(11);
        rig_abandon(&rig);
        fault_disk_free(disk);
    }
    remove_tree(before);
    scratch_remove(&attic);
}

/* ---- from an engine that ran alone ---- */

Test(journal_node, an_empty_segment_of_an_engine_alone_is_made_anew)
{
    struct segment_header header;
    size_t length;
    struct memory_log founded;
    memory_log_init(&founded);
    rig.replication = NULL;
    rig.directory_id = 0;
    live(5, true); /* its next segment is there */
    unsigned char *bytes = read_file(in_journal(segment_name(2).text), &length);
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    cr_assert_neq(header.created_ms, 0);
    free(bytes);
    rig.replication = &founded.port;
    open_rig();
    cr_assert_eq(rig_lead(&rig, 5), 0, "%s", rig.why.text);
    cr_assert_eq(founded.first, 8, "after the batches of opening and closing");
    for (unsigned i = 0; i < 8; i++) {
        memory_log_commit(&founded, rig.journal, memory_log_last(&founded));
        rig_append(&rig);
        rig_drive(&rig);
    }
    bytes = read_file(in_journal(segment_name(2).text), &length);
    cr_assert_eq(segment_header_check(bytes, &header), SEGMENT_VALID);
    cr_assert_eq(header.created_ms, 0);
    free(bytes);
    memory_log_free(&founded);
}

Test(journal_node, a_run_that_was_early_is_leapt_over)
{
    struct memory_log founded;
    memory_log_init(&founded);
    rig.replication = NULL;
    rig.directory_id = 0;
    rig.durability = DURABILITY_EVERYSEC;
    live(3, false);
    uint64_t end = rig.opened.lsn;
    rig.durability = DURABILITY_ALWAYS;
    rig.replication = &founded.port;
    open_rig();
    uint64_t lsn = journal_end(rig.journal).lsn;
    cr_assert_gt(lsn, end);
    cr_assert_eq(rig_lead(&rig, 3), 0, "%s", rig.why.text);
    cr_assert_eq(rig.opened.lsn, lsn + LSN_LEAP);
    cr_assert_eq(log_head(&rig.log), lsn + LSN_LEAP);
    cr_assert(memory_log_header(&founded, founded.first)->flags & BATCH_LEAP);
    memory_log_commit(&founded, rig.journal, founded.first);
    uint64_t record = rig_append(&rig);
    rig_drive(&rig);
    memory_log_commit(&founded, rig.journal, founded.first + 1);
    cr_assert_eq(log_acknowledged(&rig.log), record);
    memory_log_free(&founded);
}
