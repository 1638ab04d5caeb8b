/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/segment_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "engine/base/memory.h"

enum { WINDOW_BYTES = 4 * BATCH_BYTES_MAX };

int segment_reader_init(struct segment_reader *reader, const struct file_ops *files)
{
    *reader = (struct segment_reader){ .files = files, .fd = -1 };
    reader->window = memory_reserve(WINDOW_BYTES);
    return reader->window ? 0 : -ENOMEM;
}

void segment_reader_destroy(struct segment_reader *reader)
{
    segment_reader_close(reader);
    if (reader->window)
        memory_release(reader->window, WINDOW_BYTES);
    reader->window = NULL;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->fd >= 0)
        reader->files->close(reader->files->context, reader->fd);
    archive_stream_close(reader->stream);
    reader->stream = NULL;
    reader->fd = -1;
}

static void begin(struct segment_reader *reader, uint64_t sequence)
{
    assert(sequence >= FIRST_SEQUENCE); /* F2 */
    assert(reader->window);
    segment_reader_close(reader);
    reader->sequence = sequence;
    reader->offset = BLOCK_BYTES;
    reader->window_offset = reader->window_length = 0;
    reader->end = 0;
}

int segment_reader_open_archived(struct segment_reader *reader, const char *archive,
                                 uint64_t sequence, struct error *why)
{
    struct segment_name name = segment_name(sequence);
    begin(reader, sequence);
    int error = archive_stream_open(&reader->stream, reader->files, archive, sequence);
    if (error)
        return error_system(why, error, "cannot open %s in the archive", name.text);
    ssize_t n = archive_stream_read(reader->stream, reader->window, BLOCK_BYTES);
    if (n < BLOCK_BYTES || segment_header_check(reader->window, &reader->header) != SEGMENT_VALID ||
        reader->header.sequence != sequence)
        return error_set(why, -EILSEQ, "%s in the archive is damaged", name.text);
    reader->window_length = BLOCK_BYTES;
    reader->end = reader->header.bytes;
    return 0;
}

int segment_reader_open(struct segment_reader *reader, const char *directory, uint64_t sequence,
                        struct error *why)
{
    struct segment_name name = segment_name(sequence);
    uint64_t bytes;
    begin(reader, sequence);
    reader->fd = segment_open(reader->files, directory, sequence, O_RDONLY);
    if (reader->fd < 0)
        return error_system(why, reader->fd, "cannot open %s", name.text);
    int error = reader->files->size(reader->files->context, reader->fd, &bytes);
    if (error)
        return error_system(why, error, "cannot get the size of %s", name.text);
    reader->file_bytes = bytes;
    reader->end = segment_readable(bytes, UINT64_MAX);
    error = segment_read_header(reader->files, reader->fd, sequence, &reader->header, why);
    assert(error || reader->header.bytes % BLOCK_BYTES == 0);
    if (!error)
        reader->end = segment_readable(bytes, reader->header.bytes);
    return error;
}

/* A stream only reads forward: it reads and drops what is skipped. It is at the window's end. */
static ssize_t read_bytes(struct segment_reader *reader, unsigned char *to, size_t length,
                          uint64_t offset, uint64_t end_of_window)
{
    if (!reader->stream)
        return segment_read(reader->files, reader->fd, to, length, offset);
    while (end_of_window < offset) {
        size_t skip = offset - end_of_window < length ? (size_t)(offset - end_of_window) : length;
        ssize_t n = archive_stream_read(reader->stream, to, skip);
        if (n <= 0)
            return n;
        end_of_window += (uint64_t)n;
    }
    return archive_stream_read(reader->stream, to, length);
}

static int fill_window(struct segment_reader *reader, uint64_t offset, struct error *why)
{
    uint64_t have = reader->window_offset + reader->window_length;
    size_t kept = offset < have && offset >= reader->window_offset ? (size_t)(have - offset) : 0;
    assert(kept <= WINDOW_BYTES);
    assert(offset + kept <= reader->end);
    size_t left = (size_t)(reader->end - offset - kept);
    memmove(reader->window, reader->window + reader->window_length - kept, kept);
    reader->window_offset = offset;
    reader->window_length = kept;
    size_t room = WINDOW_BYTES - kept;
    ssize_t n =
        read_bytes(reader, reader->window + kept, left < room ? left : room, offset + kept, have);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset %" PRIu64 ": cannot read",
                            segment_name(reader->sequence).text, offset + kept);
    reader->window_length += (size_t)n;
    assert(reader->window_length <= WINDOW_BYTES);
    return 0;
}

int segment_reader_look(struct segment_reader *reader, uint64_t directory_id,
                        const unsigned char **at, size_t *available, struct error *why)
{
    uint64_t offset = reader->offset;
    uint64_t have = reader->window_offset + reader->window_length;
    assert(reader->fd >= 0 || reader->stream);
    assert(offset % BLOCK_BYTES == 0);
    assert(offset >= reader->window_offset);
    uint64_t wanted =
        offset + BATCH_BYTES_MAX < reader->end ? offset + BATCH_BYTES_MAX : reader->end;
    *available = 0;
    *at = reader->window;
    if (offset >= reader->end)
        return BATCH_NONE;
    if (wanted > have) {
        int error = fill_window(reader, offset, why);
        if (error)
            return error;
        have = reader->window_offset + reader->window_length;
    }
    *at = reader->window + (offset - reader->window_offset);
    *available = offset < have ? (size_t)(have - offset) : 0;
    return (int)batch_check(*at, *available, directory_id);
}

int segment_reader_end_is_cut(struct segment_reader *reader, const char *directory,
                              uint64_t *sequence, uint64_t *offset, bool *cut, struct error *why)
{
    struct batch_header header;
    *cut = false;
    int error = segment_reader_open(reader, directory, *sequence, why);
    if (!error && segment_takes_batch(reader->header.bytes, *offset) < BATCH_ROOM_MIN) {
        error = segment_reader_open(reader, directory, *sequence + 1, why);
        if (error == -ENOENT)
            return 0; /* not created yet, or removed without a trace */
        ++*sequence;
        *offset = BLOCK_BYTES;
    }
    if (error || reader->file_bytes >= reader->header.bytes)
        return error;
    *cut = reader->file_bytes < *offset + sizeof header;
    if (*cut)
        return 0;
    ssize_t n = segment_read(reader->files, reader->fd, &header, sizeof header, *offset);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset %" PRIu64 ": cannot read",
                            segment_name(*sequence).text, *offset);
    *cut = memcmp(header.magic, BATCH_MAGIC, sizeof header.magic) == 0 &&
           header.length <= BATCH_BYTES_MAX - sizeof header &&
           *offset + sizeof header + header.length > reader->file_bytes;
    return 0;
}
