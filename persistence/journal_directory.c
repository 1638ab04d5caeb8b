/* SPDX-License-Identifier: Apache-2.0 */
/* Creates, locks and judges the data directory before anything in it is read. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "persistence/journal_state.h"
#include "persistence/stop_mark.h"

/* ---- creating and locking ---- */

/* Syncs its name even if it exists: its creator may have been killed before the sync. */
static int make_directory(struct journal *journal, const char *path, struct error *why)
{
    const struct file_ops *files = journal->files;
    struct path parent;
    int error = files->make_directory(files->context, path);
    bool was_there = error == -EEXIST;
    if (error && !was_there)
        return error_system(why, error, "cannot create the directory %s", path);
    error = path_join(&parent, path, "..");
    if (!error)
        error = file_sync_directory_at(files, parent.text);
    if (was_there && (error == -EACCES || error == -ENOTDIR))
        return 0; /* the parent is not ours: its owner syncs it; or path is no directory, which a
                   * later step reports */
    return error ? error_system(why, error, "cannot sync the parent directory of %s", path) : 0;
}

static int refuse_second_engine(const struct journal *journal, const char *directory,
                                struct error *why)
{
    char pid[16] = "";
    file_read_all(journal->files, journal->lock_fd, pid, sizeof pid - 1, 0);
    pid[strcspn(pid, "\n")] = '\0';
    return error_set(why, -EWOULDBLOCK, "data directory %s is in use%s%s", directory,
                     *pid ? " by process " : "", pid);
}

/* A failed write does not matter. */
void journal_write_process_number(const struct journal *journal)
{
    const struct file_ops *files = journal->files;
    char pid[16];
    assert(journal->lock_fd >= 0);
    int length = snprintf(pid, sizeof pid, "%-10d\n", (int)getpid());
    assert(length > 0 && (size_t)length < sizeof pid);
    pid[strcspn(pid, " ")] = '\n';
    files->write(files->context, journal->lock_fd, pid, (size_t)length, 0);
    if (!journal->lived)
        files->sync(files->context, journal->lock_fd);
}

static int lock_directory(struct journal *journal, const char *directory, struct error *why)
{
    const struct file_ops *files = journal->files;
    struct path path;
    int error = path_join(&path, directory, "lock");
    if (error)
        return error_system(why, error, "%s", directory);
    journal->lock_fd = files->open(files->context, path.text, O_RDWR | O_CREAT);
    if (journal->lock_fd < 0)
        return error_system(why, journal->lock_fd, "cannot open %s", path.text);
    error = files->lock(files->context, journal->lock_fd, FILE_LOCK_EXCLUSIVE);
    if (error == -EWOULDBLOCK)
        return refuse_second_engine(journal, directory, why);
    uint64_t length = 0;
    if (!error)
        error = files->size(files->context, journal->lock_fd, &length);
    if (error)
        return error_system(why, error, "cannot lock %s", path.text);
    journal->lived = length > 0;
    if (journal->lived)
        journal_write_process_number(journal);
    return 0;
}

/* ---- judging whether it is new ---- */

static int ends_in(void *context, const char *name)
{
    const char *suffix = *(const char **)context;
    size_t length = strlen(name);
    size_t wanted = strlen(suffix);
    return length >= wanted && strcmp(name + length - wanted, suffix) == 0;
}

/* True if that folder of the data directory holds a file with that suffix. */
static bool holds(const struct file_ops *files, const char *directory, const char *folder,
                  const char *suffix)
{
    struct path path;
    return path_join(&path, directory, folder) == 0 &&
           files->list(files->context, path.text, ends_in, &suffix) == 1;
}

/* What shows that there was a journal; NULL: nothing. */
static const char *trace_of_journal(const struct file_ops *files, const char *directory, bool lived)
{
    if (lived)
        return "its lock is";
    if (holds(files, directory, "journal", STOP_MARK_NAME))
        return "its clean-stop mark is";
    if (holds(files, directory, "snapshot", ".snap"))
        return "its snapshots are";
    if (holds(files, directory, "archive", ".seg.zst"))
        return "its archived segments are";
    return NULL;
}

int journal_refuse_lost(const struct file_ops *files, const char *directory, bool lived,
                        struct error *why)
{
    const char *trace = trace_of_journal(files, directory, lived);
    if (!trace)
        return 0;
    return error_set(why, -ENODATA,
                     "%s: an engine had its data here (%s still there), but %s/journal has no "
                     "segments: restore them, or begin a new journal with --init",
                     directory, trace, directory);
}

static int judge_directory(const struct journal *journal, const struct journal_options *options,
                           struct error *why)
{
    struct segment_list list;
    const char *directory = options->directory;
    int error = segment_list_read(&list, journal->files, journal->directory.text, why);
    size_t segments = list.count;
    segment_list_free(&list);
    if (error)
        return error;
    if (options->init && segments > 0)
        return error_set(why, -EEXIST,
                         "%s already has a journal: --init is only for a directory without one; "
                         "start without --init",
                         directory);
    if (options->init)
        return stop_mark_remove(journal->files, journal->directory.text, why);
    return segments > 0 ? 0 : journal_refuse_lost(journal->files, directory, journal->lived, why);
}

int journal_open_directory(struct journal *journal, const struct journal_options *options,
                           struct error *why)
{
    const char *directory = options->directory;
    const struct file_ops *files = journal->files;
    assert(journal->lock_fd < 0 && journal->directory_fd < 0);
    int error = path_join(&journal->directory, directory, "journal");
    if (error)
        return error_system(why, error, "%s", directory);
    error = make_directory(journal, directory, why);
    if (!error)
        error = lock_directory(journal, directory, why);
    if (!error && options->locked)
        options->locked(options->context);
    if (!error)
        error = make_directory(journal, journal->directory.text, why);
    if (error)
        return error;
    journal->directory_fd =
        files->open(files->context, journal->directory.text, O_RDONLY | O_DIRECTORY);
    if (journal->directory_fd < 0)
        return error_system(why, journal->directory_fd, "cannot open %s", journal->directory.text);
    return judge_directory(journal, options, why);
}
