/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for one test's files, and what tests do to files behind the program's back. */
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
/* Removes the directory and all that is in it. */
void scratch_remove(const struct scratch *scratch);

/* Removes a directory and all that is in it, if it is there. */
void remove_tree(const char *path);
/* Makes `to` a copy of the directory `from`, which holds files and directories. */
void copy_tree(const char *from, const char *to);
/* A number for the names and bytes of all files in a directory: equal if nothing was changed. */
uint64_t hash_tree(const char *path);

/* Whole small files. The bytes read are the caller's to free. */
unsigned char *read_file(const char *path, size_t *length);
void write_file(const char *path, const void *bytes, size_t length);

#endif
