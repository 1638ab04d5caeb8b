/* SPDX-License-Identifier: Apache-2.0 */
/* Small files that are written whole: a mark gets its name only after it is synced, so it is whole,
 * or is damaged. What the bytes mean, their owner judges. */
#ifndef STOCKD_PERSISTENCE_MARK_FILE_H
#define STOCKD_PERSISTENCE_MARK_FILE_H

#include <stddef.h>

#include "persistence/error.h"
#include "persistence/file.h"

struct mark_file {
    const struct file_ops *files;
    const char *directory;
    const char *name;
    const char *unfinished; /* its name until it is synced */
};

/* Bytes read, at most `most`; -ENOENT: there is none; or another -errno and why. */
ssize_t mark_file_read(const struct mark_file *file, void *bytes, size_t most, struct error *why);

/* Replaces it, if it is there; returns once it is durable. 0 or -errno. */
int mark_file_write(const struct mark_file *file, const void *bytes, size_t length);

#endif
