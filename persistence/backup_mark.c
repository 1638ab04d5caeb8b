/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/backup_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/mark_file.h"

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

static struct mark_file file_in(const struct file_ops *files, const char *backup)
{
    return (struct mark_file){ files, backup, BACKUP_MARK_NAME, BACKUP_MARK_UNFINISHED };
}

static int judge(const struct backup_mark *mark, const char *backup, struct error *why)
{
    if (memcmp(mark->magic, BACKUP_MARK_MAGIC, sizeof mark->magic) != 0 ||
        mark->checksum != checksum_of(mark))
        return error_set(why, -EILSEQ, "%s/%s is damaged, or is not the mark of a backup", backup,
                         BACKUP_MARK_NAME);
    if (mark->version != BACKUP_MARK_VERSION || mark->tail > 1)
        return error_set(why, -ENOTSUP, "%s/%s: written by a later version", backup,
                         BACKUP_MARK_NAME);
    return 0;
}

int backup_mark_read(struct backup_mark *mark, bool *found, const struct file_ops *files,
                     const char *backup, struct error *why)
{
    const struct mark_file file = file_in(files, backup);
    *mark = (struct backup_mark){ 0 };
    *found = false;
    ssize_t n = mark_file_read(&file, mark, sizeof *mark, why);
    if (n < 0)
        return n == -ENOENT ? 0 : (int)n;
    *found = true;
    if ((size_t)n < sizeof *mark)
        return error_set(why, -EILSEQ, "%s/%s is cut off", backup, BACKUP_MARK_NAME);
    return judge(mark, backup, why);
}

int backup_mark_write(const struct backup_mark *mark, const struct file_ops *files,
                      const char *backup, struct error *why)
{
    const struct mark_file file = file_in(files, backup);
    struct backup_mark made = *mark;
    memcpy(made.magic, BACKUP_MARK_MAGIC, sizeof made.magic);
    made.version = BACKUP_MARK_VERSION;
    made.checksum = checksum_of(&made);
    int error = mark_file_write(&file, &made, sizeof made);
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
