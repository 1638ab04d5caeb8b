/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/recovery_base.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <syslog.h>

#include "persistence/segment.h"

unsigned recovery_base_threads(const struct file_ops *files)
{
    cpu_set_t set;
    if (files != &file_system || sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

int recovery_base_hold(const struct file_ops *files, const char *directory, struct error *why)
{
    struct path folder, path;
    int error = path_join(&folder, directory, "snapshot");
    if (!error)
        error = path_join(&path, folder.text, SNAPSHOT_READERS);
    if (!error)
        error = files->make_directory(files->context, folder.text);
    if (error && error != -EEXIST)
        return error_system(why, error, "cannot create the directory %s/snapshot", directory);
    int fd = files->open(files->context, path.text, O_RDWR | O_CREAT);
    if (fd < 0)
        return error_system(why, fd, "cannot open %s", path.text);
    /* A compaction holds it only briefly, but may remove segments that the caller looks for. */
    error = files->lock(files->context, fd, FILE_LOCK_SHARED_WAIT);
    if (!error)
        return fd;
    files->close(files->context, fd);
    return error_system(why, error, "cannot lock %s", path.text);
}

/* *id: of the directory, from the newest segment with a readable header; 0: there is none. */
static int read_directory_id(const struct recovery_base_options *options, uint64_t *id,
                             struct error *why)
{
    const struct file_ops *files = options->files;
    struct path path;
    struct segment_list list;
    struct segment_header header;
    struct error ignored;
    *id = 0;
    int error = path_join(&path, options->directory, "journal");
    if (error)
        return error_system(why, error, "%s", options->directory);
    error = segment_list_read(&list, files, path.text, why);
    for (size_t i = list.count; !error && *id == 0 && i > 0; i--) {
        int fd = segment_open(files, path.text, list.sequences[i - 1], O_RDONLY);
        if (fd < 0)
            continue; /* replay reports it */
        if (segment_read_header(files, fd, list.sequences[i - 1], &header, &ignored) == 0)
            *id = header.directory_id;
        files->close(files->context, fd);
    }
    segment_list_free(&list);
    return error;
}

static void say_passed_over(const struct recovery_base_options *options, const struct error *why)
{
    char line[sizeof why->text + 96];
    if (!options->say)
        return;
    snprintf(line, sizeof line, "snapshot: damaged, trying the one before: %s", why->text);
    options->say(options->context, LOG_WARNING, line);
}

/* Loads one snapshot. 0; -EILSEQ: damaged, try the one before; another -errno ends the loading. */
static int try_snapshot(const struct recovery_base_options *options, const char *folder,
                        uint64_t lsn, uint64_t directory_id, struct recovery_base *base,
                        struct error *why)
{
    const struct snapshot_target *target = options->target;
    struct snapshot snapshot;
    int error = snapshot_open(&snapshot, options->files, folder, lsn, why);
    if (error)
        return error;
    const struct journal_position *position = &snapshot.header.position;
    assert(position->lsn == lsn); /* S3 */
    if (directory_id != 0 && position->directory_id != directory_id)
        error = error_set(why, -EXDEV, "%s/%s: the snapshot is from another data directory", folder,
                          snapshot_name(lsn).text);
    struct ledger *ledger = NULL;
    if (!error && target && target->fresh) {
        ledger = target->fresh(target->context);
        if (!ledger)
            error = error_system(why, -ENOMEM, "no memory for the ledger");
    }
    unsigned threads = options->threads ? options->threads : recovery_base_threads(options->files);
    if (!error)
        error = snapshot_load(&snapshot, ledger, target, threads, why);
    if (!error)
        *base = (struct recovery_base){ .found = true,
                                        .position = *position,
                                        .created_ms = snapshot.header.created_ms,
                                        .bytes = snapshot.footer.file_bytes,
                                        .totals = snapshot.footer.totals,
                                        .passed_over = base->passed_over };
    snapshot_close(&snapshot);
    return error;
}

static int try_all(const struct recovery_base_options *options, const struct snapshot_list *list,
                   const char *folder, uint64_t directory_id, struct recovery_base *base,
                   struct error *why)
{
    for (size_t i = list->count; i > 0; i--) {
        int error = try_snapshot(options, folder, list->lsns[i - 1], directory_id, base, why);
        if (error == -EXDEV)
            return -EILSEQ;
        if (error != -EILSEQ)
            return error;
        base->passed_over++;
        say_passed_over(options, why);
    }
    const struct snapshot_target *target = options->target;
    if (target && target->fresh && !target->fresh(target->context))
        return error_system(why, -ENOMEM, "no memory for the ledger");
    return 0;
}

int recovery_base_load(const struct recovery_base_options *options, struct recovery_base *base,
                       struct error *why)
{
    struct path folder;
    struct snapshot_list list;
    uint64_t directory_id = 0;
    *base = (struct recovery_base){ 0 };
    int error = path_join(&folder, options->directory, "snapshot");
    if (error)
        return error_system(why, error, "%s", options->directory);
    error = snapshot_list_read(&list, options->files, folder.text, why);
    if (!error && list.count > 0)
        error = read_directory_id(options, &directory_id, why);
    if (!error)
        error = try_all(options, &list, folder.text, directory_id, base, why);
    snapshot_list_free(&list);
    return error;
}

static int find_oldest(const struct file_ops *files, const char *folder, uint64_t first,
                       struct journal_position *position, struct error *why)
{
    struct snapshot_list list;
    struct error ignored;
    int error = snapshot_list_read(&list, files, folder, why);
    for (size_t i = 0; i < list.count && !error; i++) {
        struct snapshot snapshot;
        if (snapshot_open(&snapshot, files, folder, list.lsns[i], &ignored) != 0)
            continue;
        *position = snapshot.header.position;
        snapshot_close(&snapshot);
        if (position->sequence + 1 >= first)
            break;
        *position = (struct journal_position){ 0 };
    }
    snapshot_list_free(&list);
    return error;
}

int recovery_base_oldest(const struct file_ops *files, const char *directory,
                         struct journal_position *position, struct error *why)
{
    struct path journal, folder;
    struct segment_list list;
    *position = (struct journal_position){ 0 };
    int error = path_join(&journal, directory, "journal");
    if (!error)
        error = path_join(&folder, directory, "snapshot");
    if (error)
        return error_system(why, error, "%s", directory);
    error = segment_list_read(&list, files, journal.text, why);
    uint64_t first = !error && list.count > 0 ? list.sequences[0] : UINT64_MAX;
    segment_list_free(&list);
    if (error || first == FIRST_SEQUENCE)
        return error;
    return find_oldest(files, folder.text, first == UINT64_MAX ? 0 : first, position, why);
}
