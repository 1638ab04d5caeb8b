/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/backup_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t checksum_of(const struct backup_mark *mark)
{
    return XXH3_64bits(mark, offsetof(struct backup_mark, checksum));
}

int backup_paths_of(struct backup_paths *paths, const char *backup)
{
    int error = path_join(&paths->journal, backup, "journal");
    if (!error)
        error = path_join(&paths->snapshot, backup, "snapshot");
    if (!error)
        error = path_join(&paths->tails[0], backup, "tail-a");
    if (!error)
        error = path_join(&paths->tails[1], backup, "tail-b");
    return error;
}

static int judge(const struct backup_mark *mark, const char *path, struct error *why)
{
    if (memcmp(mark->magic, BACKUP_MARK_MAGIC, sizeof mark->magic) != 0 ||
        mark->checksum != checksum_of(mark))
        return error_set(why, -EILSEQ, "%s is damaged, or is not the mark of a backup", path);
    if (mark->version != BACKUP_MARK_VERSION || mark->tail > 1)
        return error_set(why, -ENOTSUP, "%s: written by a later version", path);
    return 0;
}

int backup_mark_read(struct backup_mark *mark, bool *found, const struct file_ops *files,
                     const char *backup, struct error *why)
{
    struct path path;
    *mark = (struct backup_mark){ 0 };
    *found = false;
    int error = path_join(&path, backup, BACKUP_MARK_NAME);
    if (error)
        return error_system(why, error, "%s", backup);
    int fd = files->open(files->context, path.text, O_RDONLY);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return error_system(why, fd, "cannot open %s", path.text);
    ssize_t n = file_read_all(files, fd, mark, sizeof *mark, 0);
    files->close(files->context, fd);
    if (n < 0)
        return error_system(why, (int)n, "cannot read %s", path.text);
    *found = true;
    if ((size_t)n < sizeof *mark)
        return error_set(why, -EILSEQ, "%s is cut off", path.text);
    return judge(mark, path.text, why);
}

static int write_beside(const struct backup_mark *mark, const struct file_ops *files,
                        const char *path)
{
    int fd = files->open(files->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    int error = file_write_all(files, fd, mark, sizeof *mark, 0);
    if (!error)
        error = files->sync(files->context, fd);
    files->close(files->context, fd);
    return error;
}

int backup_mark_write(const struct backup_mark *mark, const struct file_ops *files,
                      const char *backup, struct error *why)
{
    struct path from, to;
    struct backup_mark made = *mark;
    memcpy(made.magic, BACKUP_MARK_MAGIC, sizeof made.magic);
    made.version = BACKUP_MARK_VERSION;
    made.checksum = checksum_of(&made);
    int error = path_join(&from, backup, BACKUP_MARK_UNFINISHED);
    if (!error)
        error = path_join(&to, backup, BACKUP_MARK_NAME);
    if (!error)
        error = write_beside(&made, files, from.text);
    if (!error)
        error = files->rename(files->context, from.text, to.text);
    if (!error)
        error = file_sync_directory_at(files, backup);
    return error ? error_system(why, error, "cannot write the mark of the backup in %s", backup)
                 : 0;
}

int backup_lock(const struct file_ops *files, const char *backup, struct error *why)
{
    struct path path;
    int error = path_join(&path, backup, "lock");
    int fd = error ? error : files->open(files->context, path.text, O_RDWR | O_CREAT);
    if (fd < 0)
        return error_system(why, fd, "cannot open %s/lock", backup);
    error = files->lock(files->context, fd, FILE_LOCK_EXCLUSIVE);
    if (!error)
        return fd;
    files->close(files->context, fd);
    if (error == -EWOULDBLOCK)
        return error_set(why, error, "another process works on the backup %s", backup);
    return error_system(why, error, "cannot lock %s", path.text);
}
