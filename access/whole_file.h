/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is read, and replaced, as a whole. */
#ifndef STOCKD_ACCESS_WHOLE_FILE_H
#define STOCKD_ACCESS_WHOLE_FILE_H

#include <stddef.h>

struct whole_file {
    char *bytes; /* owned; a NUL behind them */
    size_t length;
};

/* 0, or -errno: -EFBIG if it has more than `most` bytes, -EINVAL if it is not a file. */
int whole_file_read(struct whole_file *file, const char *path, size_t most);
void whole_file_free(struct whole_file *file);

/* Locks the file for edits, and makes an empty one if `make`. Returns a descriptor, to be closed
 * when the edit is done, or -errno. */
int whole_file_lock(const char *path, int make);

/* Puts the bytes in the place of the file, with its owner and mode: after a crash there is the old
 * or the new one. 0, or -errno. */
int whole_file_replace(const char *path, int lock, const char *bytes, size_t length);

#endif
