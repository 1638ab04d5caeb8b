/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of one directory in memory, to damage and read a hundred thousand times: a journal's
 * segments, and the mark of its clean stop.
 *
 * They support what a recovery does: writing, removing, syncing. Nothing can be created.
 */
#ifndef STOCKD_TESTS_SUPPORT_MEMORY_FILE_H
#define STOCKD_TESTS_SUPPORT_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "persistence/file.h"

/* No file grows beyond that many bytes: then no space is left. */
enum { MEMORY_FILES_MAX = 16, MEMORY_FILE_BYTES_MAX = 1 << 20 };

struct memory_file {
    char name[32];        /* empty: it was removed */
    unsigned char *bytes; /* owned, and exactly of its length */
    size_t length;
};

struct memory_disk {
    struct file_ops ops;
    struct memory_file files[MEMORY_FILES_MAX];
    int count;
};

/* An empty directory. The disk must not move in memory. */
void memory_disk_init(struct memory_disk *disk);
/* Adds a file of that length, which may exceed the greatest, filled with zeroes. */
struct memory_file *memory_disk_add(struct memory_disk *disk, const char *name, size_t length);

/* A copy of a directory, DIR/journal, in the order of the names: the mark is last. */
void memory_disk_load(struct memory_disk *disk, const char *directory);
void memory_disk_free(struct memory_disk *disk);

#endif
