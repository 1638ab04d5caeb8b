/* SPDX-License-Identifier: Apache-2.0 */
#include "access/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

static int read_all(int fd, struct whole_file *file, size_t most)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size < 0 || (size_t)status.st_size > most)
        return -EFBIG;
    size_t size = (size_t)status.st_size;
    file->bytes = malloc(size + 1);
    if (!file->bytes)
        return -ENOMEM;
    while (file->length < size) {
        ssize_t got = read(fd, file->bytes + file->length, size - file->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        file->length += (size_t)got;
    }
    file->bytes[file->length] = '\0';
    return 0;
}

int whole_file_read(struct whole_file *file, const char *path, size_t most)
{
    *file = (struct whole_file){ NULL, 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer is no wait */
    if (fd < 0)
        return -errno;
    int error = read_all(fd, file, most);
    close(fd);
    if (error)
        whole_file_free(file);
    return error;
}

void whole_file_free(struct whole_file *file)
{
    free(file->bytes);
    *file = (struct whole_file){ NULL, 0 };
}

/* ---- replacing ---- */

/* The file may have been replaced while this waited for the lock of the old one: then that lock
 * says nothing, and the new file is tried. */
int whole_file_lock(const char *path, int make)
{
    for (;;) {
        struct stat held = { 0 }, named = { 0 };
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (make ? O_CREAT : 0), 0600);
        if (fd < 0)
            return -errno;
        int failed = flock(fd, LOCK_EX) < 0 || fstat(fd, &held) < 0 ? errno : 0;
        if (!failed && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
            held.st_dev == named.st_dev)
            return fd;
        close(fd);
        if (failed && failed != EINTR)
            return -failed;
    }
}

static int sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 1;
    if (length >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, slash ? path : ".", length);
    directory[length] = '\0';
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

static int fill(int fd, int lock, const char *bytes, size_t length)
{
    struct stat status;
    if (fstat(lock, &status) < 0 || fchmod(fd, status.st_mode & 07777) < 0)
        return -errno;
    if ((status.st_uid != geteuid() || status.st_gid != getegid()) &&
        fchown(fd, status.st_uid, status.st_gid) < 0)
        return -errno;
    int error = write_all(fd, bytes, length);
    return !error && fsync(fd) < 0 ? -errno : error;
}

int whole_file_replace(const char *path, int lock, const char *bytes, size_t length)
{
    char real[PATH_MAX], temporary[PATH_MAX + 16];
    if (!realpath(path, real)) /* a symbolic link stays one */
        return -errno;
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", real);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = fill(fd, lock, bytes, length);
    if (close(fd) < 0 && !error)
        error = -errno;
    if (!error && rename(temporary, real) < 0)
        error = -errno;
    if (error) {
        unlink(temporary);
        return error;
    }
    return sync_directory(real);
}
