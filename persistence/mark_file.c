/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/mark_file.h"

#include <errno.h>
#include <fcntl.h>

#include "persistence/segment.h"

ssize_t mark_file_read(const struct mark_file *file, void *bytes, size_t most, struct error *why)
{
    const struct file_ops *files = file->files;
    struct path path;
    int error = path_join(&path, file->directory, file->name);
    if (error)
        return error_system(why, error, "%s", file->directory);
    int fd = files->open(files->context, path.text, O_RDONLY);
    if (fd < 0)
        return fd == -ENOENT ? fd : error_system(why, fd, "cannot open %s", path.text);
    ssize_t n = file_read_all(files, fd, bytes, most, 0);
    files->close(files->context, fd);
    return n < 0 ? error_system(why, (int)n, "cannot read %s", path.text) : n;
}

static int write_unfinished(const struct file_ops *files, const char *path, const void *bytes,
                            size_t length)
{
    int fd = files->open(files->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    int error = file_write_all(files, fd, bytes, length, 0);
    if (!error)
        error = files->sync(files->context, fd);
    files->close(files->context, fd);
    return error;
}

int mark_file_write(const struct mark_file *file, const void *bytes, size_t length)
{
    const struct file_ops *files = file->files;
    struct path from, to;
    int error = path_join(&from, file->directory, file->unfinished);
    if (!error)
        error = path_join(&to, file->directory, file->name);
    if (!error)
        error = write_unfinished(files, from.text, bytes, length);
    if (!error)
        error = files->rename(files->context, from.text, to.text);
    if (!error)
        error = file_sync_directory_at(files, file->directory);
    return error;
}
