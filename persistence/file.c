/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/memory.h"

/* The result of a system call; -errno instead of -1. */
static int result_of(int outcome)
{
    return outcome < 0 ? -errno : outcome;
}

/* 0, or -errno if the opened file is not acceptable. */
static int judge_opened(int fd, int flags)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) && !(S_ISDIR(status.st_mode) && (flags & O_DIRECTORY)))
        return FILE_NOT_REGULAR;
    /* O_NONBLOCK was for pipes only; on a ring it would mean "fail rather than wait". */
    return result_of(fcntl(fd, F_SETFL, flags & (O_DIRECT | O_DSYNC)));
}

static int system_open(void *context, const char *path, int flags)
{
    (void)context;
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0)
        return errno == EISDIR || errno == ENXIO ? FILE_NOT_REGULAR : -errno;
    int error = judge_opened(fd, flags);
    if (error < 0)
        close(fd);
    return error < 0 ? error : fd;
}

static void system_close(void *context, int fd)
{
    (void)context;
    close(fd);
}

static ssize_t system_read(void *context, int fd, void *buffer, size_t length, uint64_t offset)
{
    (void)context;
    ssize_t n = pread(fd, buffer, length, (off_t)offset);
    return n < 0 ? -errno : n;
}

static ssize_t system_write(void *context, int fd, const void *buffer, size_t length,
                            uint64_t offset)
{
    (void)context;
    ssize_t n = pwrite(fd, buffer, length, (off_t)offset);
    return n < 0 ? -errno : n;
}

static int system_sync(void *context, int fd)
{
    (void)context;
    return result_of(fdatasync(fd));
}

static int system_sync_directory(void *context, int fd)
{
    (void)context;
    return result_of(fsync(fd));
}

static int system_allocate(void *context, int fd, uint64_t length)
{
    (void)context;
    return result_of(fallocate(fd, 0, 0, (off_t)length));
}

static int system_size(void *context, int fd, uint64_t *length)
{
    (void)context;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    *length = (uint64_t)status.st_size;
    return 0;
}

static int system_drop_cache(void *context, int fd)
{
    (void)context;
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int system_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return result_of(rename(from, to));
}

static int system_unlink(void *context, const char *path)
{
    (void)context;
    return result_of(unlink(path));
}

static int system_make_directory(void *context, const char *path)
{
    (void)context;
    return result_of(mkdir(path, 0700));
}

static int system_remove_directory(void *context, const char *path)
{
    (void)context;
    return result_of(rmdir(path));
}

static int system_list(void *context, const char *path,
                       int (*each)(void *argument, const char *name), void *argument)
{
    (void)context;
    DIR *directory = opendir(path);
    if (!directory)
        return -errno;
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        result = each(argument, entry->d_name);
        if (result != 0)
            break;
    }
    closedir(directory);
    return result;
}

static int system_lock(void *context, int fd, enum file_lock how)
{
    static const int operations[] = {
        [FILE_LOCK_SHARED] = LOCK_SH | LOCK_NB,
        [FILE_LOCK_SHARED_WAIT] = LOCK_SH,
        [FILE_LOCK_EXCLUSIVE] = LOCK_EX | LOCK_NB,
        [FILE_LOCK_WAIT] = LOCK_EX,
    };
    (void)context;
    return result_of(flock(fd, operations[how]));
}

const struct file_ops file_system = {
    .open = system_open,
    .close = system_close,
    .read = system_read,
    .write = system_write,
    .sync = system_sync,
    .sync_directory = system_sync_directory,
    .allocate = system_allocate,
    .size = system_size,
    .drop_cache = system_drop_cache,
    .rename = system_rename,
    .unlink = system_unlink,
    .make_directory = system_make_directory,
    .remove_directory = system_remove_directory,
    .list = system_list,
    .lock = system_lock,
};

int file_perform(const struct file_ops *files, const struct file_request *request)
{
    switch (request->kind) {
    case FILE_WRITE:
        return (int)files->write(files->context, request->fd, request->buffer, request->length,
                                 request->offset);
    case FILE_SYNC:
        return files->sync(files->context, request->fd);
    case FILE_SYNC_DIRECTORY:
        return files->sync_directory(files->context, request->fd);
    case FILE_OPEN:
        return files->open(files->context, request->path, request->flags);
    case FILE_ALLOCATE:
        return files->allocate(files->context, request->fd, request->offset);
    case FILE_CLOSE:
        files->close(files->context, request->fd);
        return 0;
    case FILE_RENAME:
        return files->rename(files->context, request->path, request->to);
    case FILE_REMOVE:
        return files->unlink(files->context, request->path);
    }
    return -EINVAL;
}

ssize_t file_read_all(const struct file_ops *files, int fd, void *buffer, size_t length,
                      uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t n =
            files->read(files->context, fd, (char *)buffer + done, length - done, offset + done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int file_write_all(const struct file_ops *files, int fd, const void *buffer, size_t length,
                   uint64_t offset)
{
    ssize_t n = files->write(files->context, fd, buffer, length, offset);
    if (n < 0)
        return (int)n;
    /* A short write almost always means a full disk. */
    return (size_t)n == length ? 0 : -ENOSPC;
}

int file_write_zeroes(const struct file_ops *files, int fd, uint64_t from, uint64_t to)
{
    enum { CHUNK = 1 << 20 };
    if (from >= to)
        return 0;
    void *zeroes = memory_reserve(CHUNK);
    int error = zeroes ? 0 : -ENOMEM;
    while (from < to && !error) {
        size_t length = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
        error = file_write_all(files, fd, zeroes, length, from);
        from += length;
    }
    memory_release(zeroes, CHUNK);
    return error;
}

int file_sync_directory_at(const struct file_ops *files, const char *path)
{
    int fd = files->open(files->context, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    int error = files->sync_directory(files->context, fd);
    files->close(files->context, fd);
    return error;
}
