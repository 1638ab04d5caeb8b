/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/memory_file.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persistence/stop_mark.h"
#include "tests/support/scratch.h"

static int memory_open(void *context, const char *path, int flags)
{
    const struct memory_disk *disk = context;
    const char *slash = strrchr(path, '/');
    (void)flags;
    for (int i = 0; i < disk->count; i++) {
        if (strcmp(disk->files[i].name, slash ? slash + 1 : path) == 0)
            return i;
    }
    return -ENOENT;
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
        int result = each(argument, disk->files[i].name);
        if (result)
            return result;
    }
    return 0;
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
    *disk = (struct memory_disk){ .ops = { .open = memory_open,
                                           .close = memory_close,
                                           .read = memory_read,
                                           .size = memory_size,
                                           .list = memory_list } };
    disk->ops.context = disk;
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
