/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for one test's files, and changes to files behind the program's back. */
#ifndef STOCKD_TESTS_SUPPORT_SCRATCH_H
#define STOCKD_TESTS_SUPPORT_SCRATCH_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct scratch {
    char path[PATH_MAX];
};

/* Makes a new directory in $TMPDIR, or /tmp. Ends the program if it cannot. */
void scratch_make(struct scratch *scratch);
/* Removes the directory and everything in it. */
void scratch_remove(const struct scratch *scratch);

/* Removes a directory, if it exists, and everything in it. */
void remove_tree(const char *path);
/* Makes `to` a copy of the directory `from`, which holds files and directories. */
void copy_tree(const char *from, const char *to);
/* A hash of the names and bytes of all files in a directory: equal if nothing changed. */
uint64_t hash_tree(const char *path);

/* Whole small files. The caller frees the bytes read. */
unsigned char *read_file(const char *path, size_t *length);
void write_file(const char *path, const void *bytes, size_t length);

#endif
