/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/compact.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/leaps.h"
#include "engine/ledger/ledger.h"
#include "persistence/replay_files.h"
#include "persistence/sealed.h"
#include "persistence/segment.h"
#include "persistence/snapshot_origin.h"

struct job {
    const struct compact_options *options;
    const struct file_ops *files;
    struct compact_result *result;
    struct error *why;
    struct path journal, snapshots; /* folders */
    int lock_fd;
    struct ledger *ledger;

    /* What to keep: this snapshot, those after it, and the segments after it. */
    uint64_t keep_lsn, keep_sequence;
    uint64_t newest_lsn;
};

/* ---- 1: beginning ---- */

static int remove_in(const struct job *job, const char *folder, const char *name)
{
    struct path path;
    int error = path_join(&path, folder, name);
    if (!error)
        error = job->files->unlink(job->files->context, path.text);
    return error == -ENOENT ? 0 : error;
}

static int make_folder(struct job *job)
{
    const struct file_ops *files = job->files;
    const char *directory = job->options->directory;
    int error = path_join(&job->journal, directory, "journal");
    if (!error)
        error = path_join(&job->snapshots, directory, "snapshot");
    if (!error)
        error = files->make_directory(files->context, job->snapshots.text);
    if (error == -EEXIST)
        error = 0; /* synced below: its creator may have been killed before the sync */
    if (!error)
        error = file_sync_directory_at(files, directory);
    return error ? error_system(job->why, error, "%s", job->snapshots.text) : 0;
}

static int lock(struct job *job)
{
    const struct file_ops *files = job->files;
    struct path path;
    int error = path_join(&path, job->snapshots.text, SNAPSHOT_LOCK);
    if (error)
        return error_system(job->why, error, "%s", job->snapshots.text);
    job->lock_fd = files->open(files->context, path.text, O_RDWR | O_CREAT);
    if (job->lock_fd < 0)
        return error_system(job->why, job->lock_fd, "cannot open %s", path.text);
    error = files->lock(files->context, job->lock_fd, FILE_LOCK_EXCLUSIVE);
    if (error == -EWOULDBLOCK)
        return error_set(job->why, error, "another compaction is at work on %s",
                         job->options->directory);
    if (!error)
        error = remove_in(job, job->snapshots.text, SNAPSHOT_UNFINISHED);
    return error ? error_system(job->why, error, "cannot lock %s", path.text) : 0;
}

/* ---- 2: is there anything to do ---- */

/* Finds the two newest whole snapshots (S3): their headers suffice to know what they cover. */
static int look_at_snapshots(struct job *job, struct snapshot_header *newest,
                             struct contents_totals *totals)
{
    struct snapshot_list list;
    struct error ignored;
    unsigned whole = 0;
    *newest = (struct snapshot_header){ .checksum = 0 };
    int error = snapshot_list_read(&list, job->files, job->snapshots.text, job->why);
    for (size_t i = list.count; !error && i > 0 && whole < 2; i--) {
        struct snapshot snapshot;
        if (snapshot_open(&snapshot, job->files, job->snapshots.text, list.lsns[i - 1], &ignored) !=
            0)
            continue;
        if (whole++ == 0) {
            *newest = snapshot.header;
            *totals = snapshot.footer.totals;
        } else {
            job->keep_lsn = snapshot.header.position.lsn;
            job->keep_sequence = snapshot.header.position.sequence;
        }
        snapshot_close(&snapshot);
    }
    if (!error && list.count > 0)
        job->newest_lsn = list.lsns[list.count - 1];
    snapshot_list_free(&list);
    return error;
}

static uint32_t at_least(uint32_t size, uint64_t wanted)
{
    return wanted > size ? (uint32_t)wanted : size;
}

static void fit_sizes(const struct compact_options *options, const struct contents_totals *totals)
{
    struct ledger_config *config = options->config;
    if (options->sized)
        return;
    config->items = at_least(config->items, totals->items_max);
    config->pools = at_least(config->pools, totals->pools_max);
    config->reservations = at_least(config->reservations, totals->reservations_max);
}

/* ---- 3: the ledger at the end of the sealed segment ---- */

static struct ledger *fresh_ledger(void *context)
{
    struct job *job = context;
    ledger_destroy(job->ledger);
    job->ledger = ledger_create(job->options->config);
    return job->ledger;
}

static void report(void *context, uint64_t done, uint64_t total)
{
    const struct compact_options *options = ((struct job *)context)->options;
    if (options->progress)
        options->progress(options->context, done, total);
}

static int apply(void *context, const struct record_head *record, uint64_t lsn, uint64_t time_ms)
{
    struct job *job = context;
    ledger_apply_time(job->ledger, time_ms);
    return ledger_apply(job->ledger, record, lsn);
}

static void on_prefetch(void *context, const struct record_head *record, unsigned stage)
{
    ledger_apply_prefetch(((const struct job *)context)->ledger, record, stage);
}

static void on_leap(void *context, uint64_t from, uint64_t to)
{
    ledger_leap(((const struct job *)context)->ledger, from, to);
}

static int load_base(struct job *job, struct recovery_base *base)
{
    struct snapshot_target target = { job, fresh_ledger, report };
    struct recovery_base_options options = { .files = job->files,
                                             .directory = job->options->directory,
                                             .threads = job->options->threads,
                                             .target = &target,
                                             .context = job->options->context,
                                             .say = job->options->say };
    return recovery_base_load(&options, base, job->why);
}

static int replay(struct job *job, const struct recovery_base *base, const struct sealed *sealed,
                  struct replay_result *found)
{
    struct replay_options options = { .files = job->files,
                                      .directory = job->journal.text,
                                      .start = &base->position,
                                      .until = sealed->sequence,
                                      .until_number = sealed->number,
                                      .context = job,
                                      .on_record = apply,
                                      .on_prefetch = on_prefetch,
                                      .on_leap = on_leap,
                                      .on_progress = report };
    int error = replay_files(&options, found, job->why);
    const char *ledger_says = ctx_failure(ledger_ctx(job->ledger, 0))->message;
    if (error && *ledger_says) {
        struct error where = *job->why;
        error_set(job->why, error, "%.200s: %s", where.text, ledger_says);
    }
    return error == -EINVAL ? -EILSEQ : error;
}

static int check(struct job *job, uint64_t time_ms)
{
    char message[256] = "";
    ledger_recovered(job->ledger, time_ms);
    int error = ledger_check(job->ledger, message, sizeof message);
    return error ? error_set(job->why, error, "the replayed ledger is inconsistent: %s", message)
                 : 0;
}

/* ---- 4 ---- */

static int write_next(struct job *job, const struct sealed *sealed)
{
    struct recovery_base from;
    struct replay_result found;
    struct compact_result *result = job->result;
    int error = load_base(job, &from);
    if (error)
        return error;
    if (from.found && from.position.sequence >= sealed->sequence)
        return 0;
    error = replay(job, &from, sealed, &found);
    if (!error)
        error = check(job, found.time_ms);
    if (error)
        return error;
    assert(found.end_sequence == sealed->sequence);
    assert(found.number == sealed->number); /* S1 */
    if (from.found && found.lsn == from.position.lsn)
        return 0; /* no record since: it would get the name of the one that it was made from */
    /* Keeps the snapshot that was loaded, even if newer ones could not be. */
    job->keep_lsn = from.position.lsn;
    job->keep_sequence = from.position.sequence;
    struct journal_position position = { .directory_id = found.directory_id,
                                         .lsn = found.lsn,
                                         .number = found.number,
                                         .checksum = found.checksum,
                                         .time_ms = found.time_ms,
                                         .sequence = found.end_sequence };
    error = snapshot_write(job->files, job->snapshots.text, &position, job->options->now_ms,
                           job->ledger, &result->bytes, job->why);
    if (error)
        return error;
    result->written = true;
    result->lsn = job->newest_lsn = position.lsn;
    result->sequence = position.sequence;
    result->from_lsn = from.position.lsn;
    result->records = found.records;
    return 0;
}

/* ---- 5 and 6: removing ---- */

/* Removes all but the one to keep and the newest: older ones, and damaged ones in between. */
static int remove_snapshots(struct job *job)
{
    assert(job->lock_fd >= 0);
    assert(job->keep_lsn <= job->newest_lsn); /* S6 */
    struct snapshot_list list;
    int error = snapshot_list_read(&list, job->files, job->snapshots.text, job->why);
    uint64_t removed = 0;
    for (size_t i = 0; i < list.count && !error; i++) {
        uint64_t lsn = list.lsns[i];
        bool between = job->result->written && lsn > job->keep_lsn && lsn < job->newest_lsn;
        if (lsn >= job->keep_lsn && !between)
            continue;
        error = remove_in(job, job->snapshots.text, snapshot_name(lsn).text);
        if (error)
            error_system(job->why, error, "cannot remove %s", snapshot_name(lsn).text);
        removed++;
    }
    snapshot_list_free(&list);
    if (!error && removed > 0)
        error = file_sync_directory_at(job->files, job->snapshots.text);
    job->result->snapshots_removed = removed;
    return error;
}

/* Each segment that the kept snapshots do not need, the oldest first. */
static int for_each_unneeded(struct job *job, int (*take)(struct job *, uint64_t sequence))
{
    struct segment_list list;
    int error = segment_list_read(&list, job->files, job->journal.text, job->why);
    for (size_t i = 0; i < list.count && !error; i++) {
        if (list.sequences[i] > job->keep_sequence)
            break;
        error = take(job, list.sequences[i]);
    }
    segment_list_free(&list);
    return error;
}

static int archive_segment(struct job *job, uint64_t sequence)
{
    assert(sequence <= job->keep_sequence); /* S6 */
    return archive_add(job->files, job->options->directory, sequence, job->why);
}

static int remove_segment(struct job *job, uint64_t sequence)
{
    assert(sequence <= job->keep_sequence); /* S6 */
    int error = remove_in(job, job->journal.text, segment_name(sequence).text);
    if (error)
        return error_system(job->why, error, "cannot remove %s", segment_name(sequence).text);
    job->result->segments_removed++;
    if (job->options->archive)
        job->result->segments_archived++;
    return 0;
}

static int remove_segments(struct job *job)
{
    int error = for_each_unneeded(job, remove_segment);
    if (!error && job->result->segments_removed > 0)
        error = file_sync_directory_at(job->files, job->journal.text);
    return error;
}

static int remove_all(struct job *job)
{
    const struct compact_options *options = job->options;
    int error = remove_snapshots(job);
    if (!error)
        error = remove_segments(job);
    if (!error && options->archive)
        error = archive_trim(job->files, options->directory, &options->rules, options->now_ms,
                             &job->result->archive_removed, job->why);
    return error;
}

static int remove_unread(struct job *job)
{
    const struct file_ops *files = job->files;
    struct path path;
    if (job->keep_sequence == 0)
        return 0; /* only one snapshot: all segments are kept beside it */
    /* Before the lock that readers of segments wait for: compressing is slow. */
    int error = job->options->archive ? for_each_unneeded(job, archive_segment) : 0;
    if (error)
        return error;
    error = path_join(&path, job->snapshots.text, SNAPSHOT_READERS);
    if (error)
        return error_system(job->why, error, "%s", job->snapshots.text);
    int fd = files->open(files->context, path.text, O_RDWR | O_CREAT);
    if (fd < 0)
        return error_system(job->why, fd, "cannot open %s", path.text);
    error = files->lock(files->context, fd, FILE_LOCK_EXCLUSIVE);
    if (error == -EWOULDBLOCK) {
        job->result->readers = true;
        error = 0;
    } else if (error) {
        error_system(job->why, error, "cannot lock %s", path.text);
    } else {
        error = remove_all(job);
    }
    files->close(files->context, fd);
    return error;
}

/* ---- the whole ---- */

/* Nothing is removed for a snapshot that does not belong to this journal (S8). */
static int judge_newest(const struct job *job, const struct journal_position *newest)
{
    enum snapshot_origin origin;
    if (newest->sequence == 0)
        return 0;
    return snapshot_judge_origin(job->files, job->journal.text, newest, &origin, job->why);
}

static int run(struct job *job)
{
    struct snapshot_header newest;
    struct contents_totals totals = { 0 };
    struct sealed sealed;
    int error = make_folder(job);
    if (!error)
        error = lock(job);
    if (!error)
        error = look_at_snapshots(job, &newest, &totals);
    if (!error)
        error = judge_newest(job, &newest.position);
    if (!error)
        error = sealed_find(&sealed, job->files, job->journal.text, job->why);
    if (error)
        return error;
    job->result->lsn = newest.position.lsn;
    job->result->sequence = newest.position.sequence;
    fit_sizes(job->options, &totals);
    if (sealed.sequence > newest.position.sequence)
        error = write_next(job, &sealed);
    return error ? error : remove_unread(job);
}

int compact(const struct compact_options *options, struct compact_result *result, struct error *why)
{
    struct job job = {
        .options = options, .files = options->files, .result = result, .why = why, .lock_fd = -1
    };
    *result = (struct compact_result){ .written = false };
    *why = (struct error){ "" };
    int error = run(&job);
    if (job.lock_fd >= 0)
        job.files->close(job.files->context, job.lock_fd);
    ledger_destroy(job.ledger);
    if (error && !why->text[0])
        error_system(why, error, "cannot compact %s", options->directory);
    return error;
}
