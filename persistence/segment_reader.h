/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one segment batch by batch, judging each by itself (F3). It does not follow the chain: a
 * caller that needs to compares numbers, positions and checksums.
 *
 * A batch that is being written during the read is not valid yet; a reader beside a running engine
 * reads only what was written before it began.
 */
#ifndef STOCKD_PERSISTENCE_SEGMENT_READER_H
#define STOCKD_PERSISTENCE_SEGMENT_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/archive_stream.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/segment.h"

struct segment_reader {
    const struct file_ops *files;
    int fd;                        /* -1: none is open, or it is read from the archive */
    struct archive_stream *stream; /* NULL: it is not read from the archive */
    uint64_t sequence;
    struct segment_header header;
    uint64_t file_bytes; /* actual size of the file */
    uint64_t end;        /* bytes that can be read: what a truncated file lacks counts as zeroes */
    uint64_t offset;     /* of the current block */

    unsigned char *window; /* owned; kept from one segment to the next */
    uint64_t window_offset;
    size_t window_length;
};

/* No segment is open yet. 0 or -ENOMEM. */
int segment_reader_init(struct segment_reader *reader, const struct file_ops *files);
void segment_reader_destroy(struct segment_reader *reader);

/* Closes the previous segment, opens this one, and stands at its first batch. 0, or -errno and why;
 * -ENOENT if there is no such segment. */
int segment_reader_open(struct segment_reader *reader, const char *directory, uint64_t sequence,
                        struct error *why);
/* The same from the archive, DIR/archive. */
int segment_reader_open_archived(struct segment_reader *reader, const char *archive,
                                 uint64_t sequence, struct error *why);
void segment_reader_close(struct segment_reader *reader);

/* Judges the block at reader->offset. *at: its bytes, borrowed until the next call, aligned to 8;
 * *available of them can be read, 0 at the end. An enum batch_verdict, or -errno and why. */
int segment_reader_look(struct segment_reader *reader, uint64_t directory_id,
                        const unsigned char **at, size_t *available, struct error *why);

/*
 * F15: *cut is true if the file was truncated where a batch may have been; *sequence and *offset
 * come in as the journal's end, and say where the chain would have gone on. Opens segments, as
 * segment_reader_open. 0, or -errno and why.
 */
int segment_reader_end_is_cut(struct segment_reader *reader, const char *directory,
                              uint64_t *sequence, uint64_t *offset, bool *cut, struct error *why);

/* Moves on to a later block. */
static inline void segment_reader_skip(struct segment_reader *reader, uint64_t bytes)
{
    reader->offset += bytes;
}

#endif
