/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/stop_mark.h"
#include "tests/support/scratch.h"

/* The descriptor of the directory; those of files are their places. */
enum { DIRECTORY = MEMORY_FILES_MAX };

static int find(const struct memory_disk *disk, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (int i = 0; i < disk->count; i++) {
        if (name[0] != '\0' && strcmp(disk->files[i].name, name) == 0)
            return i;
    }
    return -ENOENT;
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* In the place of one that was removed, or behind the last. */
static int create(struct memory_disk *disk, const char *name)
{
    int i = 0;
    while (i < disk->count && disk->files[i].name[0] != '\0')
        i++;
    if (i == MEMORY_FILES_MAX)
        return -ENOSPC;
    disk->count += i == disk->count;
    disk->files[i] = (struct memory_file){ .name = "" };
    snprintf(disk->files[i].name, sizeof disk->files[i].name, "%s", name);
    return i;
}

static int memory_open(void *context, const char *path, int flags)
{
    if (flags & O_DIRECTORY)
        return DIRECTORY;
    struct memory_disk *disk = context;
    int i = find(disk, path);
    if (i == -ENOENT && (flags & O_CREAT))
        return create(disk, name_in(path));
    if (i >= 0 && (flags & O_TRUNC))
        disk->files[i].length = 0;
    return i;
}

static int memory_rename(void *context, const char *from, const char *to)
{
    struct memory_disk *disk = context;
    int i = find(disk, from);
    assert(find(disk, to) == -ENOENT); /* nothing is replaced */
    if (i < 0)
        return i;
    snprintf(disk->files[i].name, sizeof disk->files[i].name, "%s", name_in(to));
    return 0;
}

static int memory_allocate(void *context, int fd, uint64_t length)
{
    (void)context;
    (void)fd;
    (void)length;
    return -EOPNOTSUPP;
}

static void memory_close(void *context, int fd)
{
    (void)context;
    (void)fd;
}

static ssize_t memory_read(void *context, int fd, void *buffer, size_t length, uint64_t offset)
{
    const struct memory_file *file = &((const struct memory_disk *)context)->files[fd];
    if (offset >= file->length)
        return 0;
    size_t left = file->length - (size_t)offset;
    size_t n = length < left ? length : left;
    memcpy(buffer, file->bytes + offset, n);
    return (ssize_t)n;
}

static ssize_t memory_write(void *context, int fd, const void *buffer, size_t length,
                            uint64_t offset)
{
    struct memory_file *file = &((struct memory_disk *)context)->files[fd];
    if (length > MEMORY_FILE_BYTES_MAX || offset > MEMORY_FILE_BYTES_MAX - length)
        return -ENOSPC;
    size_t end = (size_t)offset + length;
    if (end > file->length) {
        unsigned char *grown = realloc(file->bytes, end);
        assert(grown);
        memset(grown + file->length, 0, end - file->length);
        file->bytes = grown;
        file->length = end;
    }
    memcpy(file->bytes + offset, buffer, length);
    return (ssize_t)length;
}

static int memory_unlink(void *context, const char *path)
{
    struct memory_disk *disk = context;
    int i = find(disk, path);
    if (i < 0)
        return i;
    free(disk->files[i].bytes);
    disk->files[i] = (struct memory_file){ .name = "" };
    return 0;
}

static int memory_nothing(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static int memory_lock(void *context, int fd, enum file_lock how)
{
    (void)how;
    return memory_nothing(context, fd);
}

static int memory_size(void *context, int fd, uint64_t *length)
{
    *length = ((const struct memory_disk *)context)->files[fd].length;
    return 0;
}

static int memory_list(void *context, const char *path,
                       int (*each)(void *argument, const char *name), void *argument)
{
    const struct memory_disk *disk = context;
    (void)path;
    for (int i = 0; i < disk->count; i++) {
        int result = disk->files[i].name[0] ? each(argument, disk->files[i].name) : 0;
        if (result)
            return result;
    }
    return 0;
}

void memory_disk_init(struct memory_disk *disk)
{
    *disk = (struct memory_disk){ .ops = { .open = memory_open,
                                           .close = memory_close,
                                           .read = memory_read,
                                           .write = memory_write,
                                           .sync = memory_nothing,
                                           .sync_directory = memory_nothing,
                                           .size = memory_size,
                                           .drop_cache = memory_nothing,
                                           .allocate = memory_allocate,
                                           .rename = memory_rename,
                                           .unlink = memory_unlink,
                                           .list = memory_list,
                                           .lock = memory_lock } };
    disk->ops.context = disk;
}

struct memory_file *memory_disk_add(struct memory_disk *disk, const char *name, size_t length)
{
    assert(disk->count < MEMORY_FILES_MAX);
    struct memory_file *file = &disk->files[disk->count++];
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = calloc(length ? length : 1, 1);
    assert(file->bytes);
    file->length = length;
    return file;
}

static int add_file(void *context, const char *name)
{
    struct memory_disk *disk = context;
    if (!strstr(name, ".seg") && strcmp(name, STOP_MARK_NAME) != 0)
        return 0;
    assert(disk->count < MEMORY_FILES_MAX);
    struct memory_file *file = &disk->files[disk->count++];
    snprintf(file->name, sizeof file->name, "%s", name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct memory_file *left = a;
    const struct memory_file *right = b;
    return strcmp(left->name, right->name);
}

void memory_disk_load(struct memory_disk *disk, const char *directory)
{
    memory_disk_init(disk);
    int error = file_system.list(NULL, directory, add_file, disk);
    assert(error == 0);
    qsort(disk->files, (size_t)disk->count, sizeof disk->files[0], by_name);
    for (int i = 0; i < disk->count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", directory, disk->files[i].name);
        disk->files[i].bytes = read_file(path, &disk->files[i].length);
    }
}

void memory_disk_free(struct memory_disk *disk)
{
    for (int i = 0; i < disk->count; i++)
        free(disk->files[i].bytes);
}
