/* SPDX-License-Identifier: Apache-2.0 */
/* A journal's segments, and the mark of its clean stop, in memory, to be damaged and read a hundred
 * thousand times. Read-only. */
#ifndef STOCKD_TESTS_SUPPORT_MEMORY_FILE_H
#define STOCKD_TESTS_SUPPORT_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "persistence/file.h"

enum { MEMORY_FILES_MAX = 16 };

struct memory_file {
    char name[32];
    unsigned char *bytes;
    size_t length;
};

struct memory_disk {
    struct file_ops ops;
    struct memory_file files[MEMORY_FILES_MAX]; /* in the order of their names: the mark is last */
    int count;
};

/* Reads the files of a directory, DIR/journal. */
void memory_disk_load(struct memory_disk *disk, const char *directory);
void memory_disk_free(struct memory_disk *disk);

#endif
