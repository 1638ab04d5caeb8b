/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/recovery.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <syslog.h>

#include "persistence/segment.h"
#include "persistence/stop_mark.h"

struct recovery {
    const struct replay_options *options;
    void (*say)(void *context, int level, const char *line);
    struct replay_result *result;
    struct error *why;
};

/* ---- settling ---- */

/*
 * A write of a killed process may still be in flight, although its lock on the directory is gone.
 * It could overwrite what this process writes: so this waits for it (F13).
 * The kernel may have batches that the disk has not. They are synced before they are judged, and
 * judged as the disk returns them: if an earlier sync failed, the page cache still has the pages
 * that it could not write, and a second sync would succeed all the same.
 */
static int settle_segment(const struct recovery *recovery, uint64_t sequence)
{
    const struct file_ops *files = recovery->options->files;
    struct segment_name name = segment_name(sequence);
    int fd = segment_open(files, recovery->options->directory, sequence, O_RDONLY);
    if (fd < 0)
        return error_system(recovery->why, fd, "cannot open %s", name.text);
    int error = files->lock(files->context, fd, FILE_LOCK_WAIT);
    if (!error)
        error = files->sync(files->context, fd);
    if (!error)
        files->drop_cache(files->context, fd); /* where unsupported, the cache is trusted */
    files->close(files->context, fd);
    return error ? error_system(recovery->why, error, "cannot settle %s", name.text) : 0;
}

/* At most two segments are unsynced (J4): a third one is not begun before the first is synced. */
enum { UNSETTLED_SEGMENTS = 3 }; /* those two, and the spare after them */

static int sync_directory(const struct recovery *recovery)
{
    const struct replay_options *options = recovery->options;
    int error = file_sync_directory_at(options->files, options->directory);
    return error ? error_system(recovery->why, error, "cannot sync %s", options->directory) : 0;
}

static int settle(const struct recovery *recovery)
{
    struct segment_list list;
    const struct replay_options *options = recovery->options;
    int error = segment_list_read(&list, options->files, options->directory, recovery->why);
    if (error)
        return error;
    size_t first = list.count > UNSETTLED_SEGMENTS ? list.count - UNSETTLED_SEGMENTS : 0;
    for (size_t i = first; i < list.count && !error; i++)
        error = settle_segment(recovery, list.sequences[i]);
    segment_list_free(&list);
    return error ? error : sync_directory(recovery); /* F1, if the last run was killed before it */
}

/* ---- cutting off (F10) ---- */

static int remove_file(const struct recovery *recovery, const char *name)
{
    const struct file_ops *files = recovery->options->files;
    struct path path;
    int error = path_join(&path, recovery->options->directory, name);
    if (!error)
        error = files->unlink(files->context, path.text);
    return error ? error_system(recovery->why, error, "cannot remove %s", name) : 0;
}

static int remove_later_segments(const struct recovery *recovery)
{
    const struct replay_result *result = recovery->result;
    uint64_t kept = result->end_sequence + (result->later_dirty ? 0 : 1);
    assert(result->end_sequence <= kept); /* F10: the end is not cut off */
    if (result->last_sequence <= kept)
        return 0;
    for (uint64_t s = result->last_sequence; s > kept; s--) {
        int error = remove_file(recovery, segment_name(s).text);
        /* One by one: a crash must not leave a later one without an earlier one. */
        if (!error)
            error = sync_directory(recovery);
        if (error)
            return error;
    }
    assert(result->segments > result->last_sequence - kept);
    recovery->result->segments -= result->last_sequence - kept;
    recovery->result->last_sequence = kept;
    return 0;
}

static int zero_tail(const struct recovery *recovery)
{
    const struct replay_result *result = recovery->result;
    const struct file_ops *files = recovery->options->files;
    assert(result->tail_end >= result->end_offset &&
           result->end_offset % BLOCK_BYTES == 0); /* F10 */
    if (result->tail_end == result->end_offset && result->file_bytes >= result->segment_bytes)
        return 0;
    struct segment_name name = segment_name(result->end_sequence);
    int fd = segment_open(files, recovery->options->directory, result->end_sequence, O_RDWR);
    if (fd < 0)
        return error_system(recovery->why, fd, "cannot open %s for writing", name.text);
    int error = file_write_zeroes(files, fd, result->end_offset, result->tail_end);
    if (!error)
        error = file_write_zeroes(files, fd, result->file_bytes, result->segment_bytes);
    if (!error)
        error = files->sync(files->context, fd);
    files->close(files->context, fd);
    if (error)
        return error_system(recovery->why, error, "%s: cannot zero the torn tail", name.text);
    return 0;
}

/* What is cut off continues the chain. So if a crash comes on the way, nothing may be left of it
 * that speaks of what is gone: neither the mark that names its last batch (F14) nor a batch that
 * leads on to a removed segment (F18). */
static int cut_uncommitted(const struct recovery *recovery)
{
    const struct replay_options *options = recovery->options;
    int error = stop_mark_remove(options->files, options->directory, recovery->why);
    return error ? error : zero_tail(recovery);
}

static void say_what_is_cut(const struct recovery *recovery)
{
    const struct replay_result *result = recovery->result;
    struct segment_name name = segment_name(result->end_sequence);
    static const char *const what[] = {
        [TAIL_TORN] = "a torn write",
        [TAIL_UNPROMISED] = "batches never confirmed to be on disk",
        [TAIL_UNCOMMITTED] = "batches that the cluster never committed",
    };
    char line[256];
    if (!recovery->say)
        return;
    if (result->tail != TAIL_CLEAN) {
        snprintf(
            line, sizeof line,
            "journal: cut off %" PRIu64 " bytes after %s offset %" PRIu64 " (lsn %" PRIu64 "): %s",
            result->tail_bytes, name.text, result->end_offset, result->lsn, what[result->tail]);
        recovery->say(recovery->options->context, LOG_WARNING, line);
    }
    if (result->file_bytes < result->segment_bytes) {
        snprintf(line, sizeof line,
                 "journal: %s had been truncated to %" PRIu64 " of %" PRIu64 " bytes; filled up "
                 "with zeroes",
                 name.text, result->file_bytes, result->segment_bytes);
        recovery->say(recovery->options->context, LOG_WARNING, line);
    }
}

/* ---- the whole ---- */

int journal_recover(const struct replay_options *options,
                    void (*say)(void *context, int level, const char *line),
                    struct replay_result *result, struct error *why)
{
    struct recovery recovery = { options, say, result, why };
    int error = settle(&recovery);
    if (!error)
        error = replay_files(options, result, why);
    if (error || result->last_sequence == 0)
        return error;
    assert(result->end_sequence <= result->last_sequence);
    say_what_is_cut(&recovery);
    if (result->tail == TAIL_UNCOMMITTED)
        error = cut_uncommitted(&recovery);
    if (!error)
        error = remove_later_segments(&recovery);
    if (!error)
        error = zero_tail(&recovery);
    return error;
}
