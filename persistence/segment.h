/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a journal's directory: naming, listing and opening them. */
#ifndef STOCKD_PERSISTENCE_SEGMENT_H
#define STOCKD_PERSISTENCE_SEGMENT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"

#define SEGMENT_SEQUENCE_MAX UINT64_C(9999999999)

struct segment_name {
    char text[32];
};

struct path {
    char text[PATH_MAX];
};

struct segment_name segment_name(uint64_t sequence);

/* directory/name; 0, or -ENAMETOOLONG. */
int path_join(struct path *path, const char *directory, const char *name);

/* Opens the segment with that number. The fd, or -errno. */
int segment_open(const struct file_ops *files, const char *directory, uint64_t sequence, int flags);

/* Reads and judges the header of an open segment. 0, or -errno and why, which names the file:
 * -EILSEQ if it is damaged, -ENOTSUP if this program does not know its form. */
int segment_read_header(const struct file_ops *files, int fd, uint64_t sequence,
                        struct segment_header *header, struct error *why);

/* Offset up to which to read a segment of segment_bytes by its header if its file has file_bytes:
 * what is missing counts as zeroes, as far as the last batch may need them. */
uint64_t segment_readable(uint64_t file_bytes, uint64_t segment_bytes);

/* As file_read_all, but reads zeroes beyond the file's end. */
ssize_t segment_read(const struct file_ops *files, int fd, void *buffer, size_t length,
                     uint64_t offset);

/* Bytes that batches may still take in a segment with `used` bytes. One block is kept back, so that
 * the batch of a clean close (F12) always fits. */
static inline uint64_t segment_takes_batch(uint64_t segment_bytes, uint64_t used)
{
    return used + BLOCK_BYTES < segment_bytes ? segment_bytes - used - BLOCK_BYTES : 0;
}

struct segment_list {
    uint64_t *sequences; /* ascending; owned */
    size_t count;
    bool unfinished; /* a killed engine left an unfinished segment */
};

/* Lists the segments. 0, or -errno. */
int segment_list_read(struct segment_list *list, const struct file_ops *files,
                      const char *directory, struct error *why);
/* Drops those before `first` from the list. */
void segment_list_drop_before(struct segment_list *list, uint64_t first);
/* The same. 0; -EILSEQ if that one or a later one is missing (F2); but an empty list is fine. */
int segment_list_from(struct segment_list *list, uint64_t first, const char *directory,
                      struct error *why);
void segment_list_free(struct segment_list *list);

#define SEGMENT_UNFINISHED "next.tmp"

#endif
