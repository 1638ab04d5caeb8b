/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: says whether a start would succeed, and if not, everything that is wrong. If it would, it
 * also checks what a start does not need: older snapshots and the segments after them, which
 * history needs, and the next repair.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "persistence/journal.h"
#include "tools/stock-journal/findings.h"
#include "tools/stock-journal/job.h"

struct counts {
    uint64_t batches;
    unsigned spare_damaged; /* of what a start does not need */
};

static int count_batch(void *context, const struct batch_header *batch, uint64_t sequence,
                       uint64_t offset)
{
    struct counts *counts = context;
    (void)batch;
    (void)sequence;
    (void)offset;
    counts->batches++;
    return 0;
}

static const char *const tails[] = {
    [TAIL_CLEAN] = "clean",
    [TAIL_TORN] = "torn",
    [TAIL_UNPROMISED] = "unpromised",
};

static void print_tail(const struct replay_result *result)
{
    static const char *const words[] = {
        [TAIL_CLEAN] = "clean",
        [TAIL_TORN] = "torn: the next start will cut it off",
        [TAIL_UNPROMISED] = "never confirmed to be on disk: the next start will cut it off",
    };
    printf("tail      %s\n", words[result->tail]);
    if (result->tail != TAIL_CLEAN)
        printf("          %" PRIu64 " bytes, %" PRIu64 " whole batches\n", result->tail_bytes,
               result->tail_batches);
    if (result->file_bytes < result->segment_bytes)
        printf("          the last segment is truncated: it has %" PRIu64 " of %" PRIu64 " bytes\n",
               result->file_bytes, result->segment_bytes);
}

static void print_good_text(const struct job *job, const struct replay_result *result,
                            const struct counts *counts)
{
    if (job->base.found)
        printf("snapshot  of lsn %" PRIu64 ", after segment %" PRIu64 "\n", job->base.position.lsn,
               job->base.position.sequence);
    printf("segments  %" PRIu64 "\n", result->segments);
    printf("batches   %" PRIu64 "\n", counts->batches);
    printf("records   %" PRIu64 "\n", result->records);
    printf("lsn       %" PRIu64 "\n", result->lsn);
    if (result->last_sequence > 0)
        printf("ends in   %s: offset %" PRIu64 "\n", segment_name(result->end_sequence).text,
               result->end_offset);
    print_tail(result);
    if (counts->spare_damaged > 0)
        puts("damaged   but not needed by a start: a start will succeed, but older snapshots or\n"
             "          history may be unreadable");
}

static void print_good_json(const struct job *job, const struct replay_result *result,
                            const struct counts *counts)
{
    printf("{\"good\":%s,\"snapshot_lsn\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"batches\":%" PRIu64
           ",\"records\":%" PRIu64 ",\"lsn\":%" PRIu64 ",\"end_segment\":%" PRIu64
           ",\"end_offset\":%" PRIu64 ",\"tail\":\"%s\",\"tail_bytes\":%" PRIu64
           ",\"tail_batches\":%" PRIu64 ",\"cut_short\":%s,\"spare_damaged\":%u,\"damage\":[]}\n",
           counts->spare_damaged == 0 ? "true" : "false", job->base.position.lsn, result->segments,
           counts->batches, result->records, result->lsn, result->end_sequence, result->end_offset,
           tails[result->tail], result->tail_bytes, result->tail_batches,
           result->file_bytes < result->segment_bytes ? "true" : "false", counts->spare_damaged);
}

static int print_good(const struct job *job, const struct replay_result *result,
                      const struct counts *counts)
{
    (job->json ? print_good_json : print_good_text)(job, result, counts);
    return counts->spare_damaged == 0 ? EXIT_GOOD : EXIT_DAMAGED;
}

/* ---- what a start does not need ---- */

static int judge_snapshot(const char *folder, uint64_t lsn, struct error *why)
{
    struct snapshot snapshot;
    int error = snapshot_open(&snapshot, &file_system, folder, lsn, why);
    if (error)
        return error;
    error = snapshot_load(&snapshot, NULL, NULL, recovery_base_threads(&file_system), why);
    snapshot_close(&snapshot);
    return error;
}

/* Reports and counts what is damaged or unreadable. 0, or the -errno that ends verify. */
static int tell_spare(int error, struct counts *counts, const struct error *why)
{
    if (error == 0 || error == -ENOMEM || error == -ENOTSUP)
        return error;
    fprintf(stderr, "stock-journal: %s\n", why->text);
    counts->spare_damaged++;
    return 0;
}

/* Those before the one that a start takes; job_find_base has reported newer, damaged ones. */
static int judge_snapshots(const struct job *job, struct counts *counts, struct error *why)
{
    struct path folder;
    struct snapshot_list list = { 0 };
    int error = path_join(&folder, job->directory, "snapshot");
    if (!error)
        error = snapshot_list_read(&list, &file_system, folder.text, why);
    for (size_t i = 0; !error && i < list.count && list.lsns[i] < job->base.position.lsn; i++) {
        error = tell_spare(judge_snapshot(folder.text, list.lsns[i], why), counts, why);
    }
    snapshot_list_free(&list);
    return error;
}

/* The segments kept from before that snapshot. */
static int judge_segments(const struct job *job, struct counts *counts, struct error *why)
{
    struct journal_position oldest;
    struct replay_result result;
    int error = recovery_base_oldest(&file_system, job->directory, &oldest, why);
    if (error || oldest.sequence >= job->base.position.sequence)
        return error;
    struct replay_options options = {
        .files = &file_system,
        .directory = job->segments.text,
        .start = &oldest,
        .until = job->base.position.sequence,
        .until_number = job->base.position.number,
    };
    return tell_spare(replay_files(&options, &result, why), counts, why);
}

static int judge_spare(const struct job *job, struct counts *counts, struct error *why)
{
    counts->spare_damaged = job->base.passed_over;
    if (!job->base.found)
        return 0;
    int error = judge_snapshots(job, counts, why);
    return error ? error : judge_segments(job, counts, why);
}

/* All segments are gone, but something shows that there were some: a start would refuse. */
static int judge_lost(const struct job *job, const struct replay_result *result, struct error *why)
{
    uint64_t length = 0;
    if (result->segments > 0)
        return 0;
    if (job->lock_fd >= 0)
        file_system.size(NULL, job->lock_fd, &length);
    return journal_refuse_lost(&file_system, job->directory, length > 0, why);
}

static void print_bad(const struct scrub *scrub)
{
    findings_print(stdout, scrub);
    printf("whole     up to lsn %" PRIu64 ", of %" PRIu64 "\n", scrub->cut.lsn, scrub->end_lsn);
    printf("readable  %" PRIu64 " batches, %" PRIu64 " records\n", scrub->batches, scrub->records);
}

static void print_bad_json(const struct scrub *scrub)
{
    printf("{\"good\":false,\"segments\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"records\":%" PRIu64
           ",\"lsn\":%" PRIu64 ",\"end_lsn\":%" PRIu64 ",\"damage\":",
           scrub->last_sequence, scrub->batches, scrub->records, scrub->cut.lsn, scrub->end_lsn);
    findings_print_json(stdout, scrub);
    puts("}");
}

static int list_damage(struct job *job)
{
    struct scrub scrub;
    struct error why = { "" };
    struct scrub_options options = {
        .files = &file_system,
        .directory = job->segments.text,
        .start = &job->base.position,
    };
    int error = scrub_journal(&options, &scrub, &why);
    if (!error && job->json)
        print_bad_json(&scrub);
    else if (!error)
        print_bad(&scrub);
    else
        fprintf(stderr, "stock-journal: %s\n", why.text);
    scrub_free(&scrub);
    return error && error != -EILSEQ ? EXIT_USAGE : EXIT_DAMAGED;
}

int verify_journal(struct job *job)
{
    struct replay_result result;
    struct error why = { "" };
    struct counts counts = { 0 };
    int status = job_open(job, FILE_LOCK_SHARED);
    if (status != EXIT_GOOD)
        return status;
    struct replay_options options = {
        .files = &file_system,
        .directory = job->segments.text,
        .start = &job->base.position,
        .context = &counts,
        .on_batch = count_batch,
    };
    int error = job_find_base(job, &why);
    bool startable = error == 0;
    if (!error)
        error = replay_files(&options, &result, &why);
    if (!error)
        error = judge_lost(job, &result, &why);
    if (!error)
        error = judge_spare(job, &counts, &why);
    if (error)
        fprintf(stderr, "stock-journal: %s\n", why.text);
    if (error == -EILSEQ && startable)
        status = list_damage(job);
    else if (error)
        status = error == -EILSEQ || error == -ENODATA ? EXIT_DAMAGED : EXIT_USAGE;
    else
        status = print_good(job, &result, &counts);
    job_close(job);
    return status;
}
