/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/archive_stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "persistence/segment.h"

enum { INPUT_BYTES = 128 << 10 };

struct archive_stream {
    const struct file_ops *files;
    int fd;
    uint64_t offset; /* of the next read from the file */
    bool whole;      /* the frame has ended */
    ZSTD_DStream *decoder;
    ZSTD_inBuffer input; /* into bytes */
    unsigned char bytes[INPUT_BYTES];
};

struct archive_name archive_name(uint64_t sequence)
{
    struct archive_name name;
    snprintf(name.text, sizeof name.text, "%s.zst", segment_name(sequence).text);
    return name;
}

uint64_t archive_sequence(const char *name)
{
    uint64_t sequence = strtoull(name, NULL, 10);
    if (sequence > SEGMENT_SEQUENCE_MAX || strcmp(archive_name(sequence).text, name) != 0)
        return 0;
    return sequence;
}

int archive_stream_open(struct archive_stream **stream, const struct file_ops *files,
                        const char *directory, uint64_t sequence)
{
    struct path path;
    int error = path_join(&path, directory, archive_name(sequence).text);
    int fd = error ? error : files->open(files->context, path.text, O_RDONLY);
    if (fd < 0)
        return fd;
    struct archive_stream *made = calloc(1, sizeof *made);
    if (made) {
        made->files = files;
        made->fd = fd;
        made->decoder = ZSTD_createDStream();
        made->input.src = made->bytes;
        if (made->decoder && !ZSTD_isError(ZSTD_initDStream(made->decoder))) {
            *stream = made;
            return 0;
        }
        ZSTD_freeDStream(made->decoder);
        free(made);
    }
    files->close(files->context, fd);
    return -ENOMEM;
}

void archive_stream_close(struct archive_stream *stream)
{
    if (!stream)
        return;
    stream->files->close(stream->files->context, stream->fd);
    ZSTD_freeDStream(stream->decoder);
    free(stream);
}

/* 0, or -errno; -EILSEQ at the end of the file: the frame is not whole. */
static int more_input(struct archive_stream *stream)
{
    assert(stream->input.pos == stream->input.size);
    ssize_t n =
        file_read_all(stream->files, stream->fd, stream->bytes, INPUT_BYTES, stream->offset);
    if (n <= 0)
        return n < 0 ? (int)n : -EILSEQ;
    stream->offset += (uint64_t)n;
    stream->input.size = (size_t)n;
    stream->input.pos = 0;
    return 0;
}

ssize_t archive_stream_read(struct archive_stream *stream, void *buffer, size_t length)
{
    ZSTD_outBuffer output = { .dst = buffer, .size = length };
    while (output.pos < output.size && !stream->whole) {
        int error = 0;
        if (stream->input.pos == stream->input.size)
            error = more_input(stream);
        if (error)
            return error;
        size_t left = ZSTD_decompressStream(stream->decoder, &output, &stream->input);
        if (ZSTD_isError(left))
            return -EILSEQ;
        stream->whole = left == 0;
    }
    return (ssize_t)output.pos;
}
