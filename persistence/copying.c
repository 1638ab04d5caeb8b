/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/copying.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/base/memory.h"

enum { CHUNK_BYTES = 1 << 20 };

void copying_begin(struct copying *c, const struct file_ops *files,
                   const struct journal_position *from, struct error *why)
{
    static const struct replay_target nobody;
    *c = (struct copying){ .files = files, .fd = -1, .why = why };
    replay_begin(&c->replay, &nobody, from);
}

/* ---- segments ---- */

static int fail(const struct copying *c, int error)
{
    return error_system(c->why, error, "cannot write %s/%s", c->directory,
                        segment_name(c->header.sequence).text);
}

static int begin_segment(struct copying *c, const struct segment_header *header)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES] = { 0 };
    c->header = *header;
    c->end = BLOCK_BYTES;
    c->segments++;
    if (!c->directory)
        return 0;
    c->fd = segment_open(c->files, c->directory, header->sequence, O_RDWR | O_CREAT | O_TRUNC);
    if (c->fd < 0)
        return fail(c, c->fd);
    segment_header_make(block, header->sequence, header->bytes, header->directory_id,
                        header->created_ms);
    int error = file_write_all(c->files, c->fd, block, sizeof block, 0);
    return error ? fail(c, error) : 0;
}

int copying_batch(struct copying *c, const struct segment_header *header, uint64_t offset,
                  const void *batch)
{
    const struct batch_header *head = batch;
    uint32_t span = batch_span(head->length);
    int error =
        replay_batch(&c->replay, head, (const unsigned char *)batch + BATCH_HEADER_BYTES, c->why);
    if (!error && c->header.sequence != header->sequence)
        error = begin_segment(c, header);
    if (error)
        return error;
    if (c->fd >= 0)
        error = file_write_all(c->files, c->fd, batch, span, offset);
    if (error)
        return fail(c, error);
    c->end = offset + span;
    c->bytes += span;
    c->replay.at.sequence = header->sequence;
    c->replay.at.directory_id = header->directory_id;
    c->last.sequence = header->sequence;
    c->last.offset = c->end;
    return 0;
}

int copying_leave(struct copying *c)
{
    if (c->fd < 0)
        return 0;
    int error = 0;
    if (c->whole)
        error = file_write_zeroes(c->files, c->fd, c->end, c->header.bytes); /* F15 */
    if (!error)
        error = c->files->sync(c->files->context, c->fd);
    if (error)
        fail(c, error);
    copying_end(c);
    return error;
}

void copying_end(struct copying *c)
{
    if (c->fd >= 0)
        c->files->close(c->files->context, c->fd);
    c->fd = -1;
}

/* ---- files ---- */

static int copy_bytes(const struct file_ops *files, int from, int to, void *chunk, uint64_t *bytes)
{
    for (*bytes = 0;;) {
        ssize_t n = file_read_all(files, from, chunk, CHUNK_BYTES, *bytes);
        if (n <= 0)
            return (int)n;
        int error = file_write_all(files, to, chunk, (size_t)n, *bytes);
        if (error)
            return error;
        *bytes += (uint64_t)n;
    }
}

static int copy_to(const struct file_ops *files, int from, const char *path, uint64_t *bytes)
{
    void *chunk = memory_reserve(CHUNK_BYTES);
    if (!chunk)
        return -ENOMEM;
    int to = files->open(files->context, path, O_RDWR | O_CREAT | O_TRUNC);
    int error = to < 0 ? to : copy_bytes(files, from, to, chunk, bytes);
    if (!error)
        error = files->sync(files->context, to);
    if (to >= 0)
        files->close(files->context, to);
    memory_release(chunk, CHUNK_BYTES);
    return error;
}

int copy_file(const struct file_ops *files, const char *from, const char *to, const char *name,
              uint64_t *bytes, struct error *why)
{
    struct path source, unfinished, target;
    *bytes = 0;
    int error = path_join(&source, from, name);
    if (!error)
        error = path_join(&unfinished, to, SNAPSHOT_UNFINISHED);
    if (!error)
        error = path_join(&target, to, name);
    if (error)
        return error_system(why, error, "%s", name);
    int there = files->open(files->context, target.text, O_RDONLY);
    if (there >= 0) {
        files->close(files->context, there);
        return 0;
    }
    int fd = files->open(files->context, source.text, O_RDONLY);
    if (fd < 0)
        return error_system(why, fd, "cannot open %s", source.text);
    error = copy_to(files, fd, unfinished.text, bytes);
    files->close(files->context, fd);
    if (!error)
        error = files->rename(files->context, unfinished.text, target.text);
    return error ? error_system(why, error, "cannot copy %s to %s", source.text, to) : 0;
}
