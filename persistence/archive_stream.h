/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a segment from the archive, from its beginning to its end. */
#ifndef STOCKD_PERSISTENCE_ARCHIVE_STREAM_H
#define STOCKD_PERSISTENCE_ARCHIVE_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "persistence/file.h"

struct archive_stream;

/* directory: DIR/archive. 0, or -errno; -ENOENT: the archive does not have that segment. */
int archive_stream_open(struct archive_stream **stream, const struct file_ops *files,
                        const char *directory, uint64_t sequence);
void archive_stream_close(struct archive_stream *stream); /* NULL is fine */

/* The next bytes of the segment; fewer only at its end. -EILSEQ: damaged; or another -errno. */
ssize_t archive_stream_read(struct archive_stream *stream, void *buffer, size_t length);

struct archive_name {
    char text[48];
};

/* The name of a segment in the archive, and the number in such a name; 0: it is not one. */
struct archive_name archive_name(uint64_t sequence);
uint64_t archive_sequence(const char *name);

#endif
