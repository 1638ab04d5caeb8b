/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/archive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "persistence/archive_stream.h"
#include "persistence/segment.h"

#define UNFINISHED "unfinished.tmp"

enum { LEVEL = 3, SYNC_EVERY = 8 << 20 };

/* ---- adding ---- */

struct packing {
    const struct file_ops *files;
    int from, to;
    uint64_t read, written, unsynced;
    ZSTD_CCtx *zstd;
    unsigned char *in, *out;
    size_t in_size, out_size;
};

static int put_out(struct packing *p, size_t length)
{
    int error = length ? file_write_all(p->files, p->to, p->out, length, p->written) : 0;
    p->written += length;
    p->unsynced += length;
    if (!error && p->unsynced >= SYNC_EVERY) {
        error = p->files->sync(p->files->context, p->to);
        p->unsynced = 0;
    }
    return error;
}

static int pack_chunk(struct packing *p, size_t length, ZSTD_EndDirective end)
{
    ZSTD_inBuffer in = { p->in, length, 0 };
    size_t left;
    do {
        ZSTD_outBuffer out = { p->out, p->out_size, 0 };
        left = ZSTD_compressStream2(p->zstd, &out, &in, end);
        if (ZSTD_isError(left))
            return -EIO;
        int error = put_out(p, out.pos);
        if (error)
            return error;
    } while (end == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return 0;
}

static int pack_all(struct packing *p)
{
    for (;;) {
        ssize_t n = file_read_all(p->files, p->from, p->in, p->in_size, p->read);
        if (n < 0)
            return (int)n;
        p->read += (uint64_t)n;
        bool last = (size_t)n < p->in_size;
        int error = pack_chunk(p, (size_t)n, last ? ZSTD_e_end : ZSTD_e_continue);
        if (error || last)
            return error;
    }
}

static int pack(struct packing *p)
{
    p->zstd = ZSTD_createCCtx();
    p->in_size = ZSTD_CStreamInSize();
    p->out_size = ZSTD_CStreamOutSize();
    p->in = malloc(p->in_size);
    p->out = malloc(p->out_size);
    int error = -ENOMEM;
    if (p->zstd && p->in && p->out) {
        ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
        error = pack_all(p);
    }
    ZSTD_freeCCtx(p->zstd);
    free(p->in);
    free(p->out);
    if (!error)
        error = p->files->sync(p->files->context, p->to);
    if (!error)
        p->files->drop_cache(p->files->context, p->to);
    return error;
}

static int pack_segment(const struct file_ops *files, const char *journal, uint64_t sequence,
                        const char *to)
{
    struct packing p = { .files = files };
    p.from = segment_open(files, journal, sequence, O_RDONLY);
    if (p.from < 0)
        return p.from;
    p.to = files->open(files->context, to, O_RDWR | O_CREAT | O_TRUNC);
    int error = p.to < 0 ? p.to : pack(&p);
    if (p.to >= 0)
        files->close(files->context, p.to);
    files->close(files->context, p.from);
    return error;
}

/* The journal and archive folders of a data directory; creates the archive if it is absent. */
static int find_folders(const struct file_ops *files, const char *directory, struct path *journal,
                        struct path *archive)
{
    int error = path_join(journal, directory, "journal");
    if (!error)
        error = path_join(archive, directory, "archive");
    if (error)
        return error;
    error = files->make_directory(files->context, archive->text);
    if (error == -EEXIST)
        return 0;
    return error ? error : file_sync_directory_at(files, directory);
}

/* ---- looking ---- */

/* When a segment was made: by its header; in a cluster (F20), by its first batch. 0: unknown. */
static uint64_t time_of(const struct segment_header *header, const unsigned char *blocks,
                        size_t bytes)
{
    struct batch_header batch;
    if (header->created_ms != 0)
        return header->created_ms;
    bool whole =
        batch_header_check(blocks + BLOCK_BYTES, bytes - BLOCK_BYTES, header->directory_id, &batch);
    return whole ? batch.time_ms : 0;
}

/* The size of an archived segment, its header, which is all zero if it cannot be read, and when it
 * was made. */
static int look_at(const struct file_ops *files, const char *path, uint64_t *bytes,
                   struct segment_header *header, uint64_t *made_ms)
{
    unsigned char blocks[2 * BLOCK_BYTES]; /* the header's, and the first one of a batch */
    bool good = false;
    *made_ms = 0;
    int fd = files->open(files->context, path, O_RDONLY);
    if (fd < 0)
        return fd;
    int error = files->size(files->context, fd, bytes);
    size_t size = ZSTD_DStreamInSize();
    unsigned char *start = malloc(size);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ssize_t n = start && zstd && !error ? file_read_all(files, fd, start, size, 0) : -ENOMEM;
    if (n > 0) {
        ZSTD_inBuffer in = { start, (size_t)n, 0 };
        ZSTD_outBuffer out = { blocks, BLOCK_BYTES, 0 };
        bool whole =
            !ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)) && out.pos == BLOCK_BYTES;
        good = whole && segment_header_check(blocks, header) == SEGMENT_VALID;
        out.size = sizeof blocks; /* a header is good, whatever follows it */
        if (good && ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)))
            out.pos = BLOCK_BYTES;
        *made_ms = good ? time_of(header, blocks, out.pos) : 0;
    }
    if (!good)
        *header = (struct segment_header){ .checksum = 0 };
    ZSTD_freeDCtx(zstd);
    free(start);
    files->close(files->context, fd);
    return error;
}

/* True if the named file is this very segment: it was synced before it got its name, and the
 * compaction that put it there ended before it removed the segment. */
static bool is_there(const struct file_ops *files, const char *journal, uint64_t sequence,
                     const char *named)
{
    struct segment_header header, archived;
    struct error ignored;
    uint64_t bytes, made_ms;
    int fd = segment_open(files, journal, sequence, O_RDONLY);
    if (fd < 0)
        return false;
    bool same = segment_read_header(files, fd, sequence, &header, &ignored) == 0 &&
                look_at(files, named, &bytes, &archived, &made_ms) == 0 &&
                memcmp(&header, &archived, sizeof header) == 0;
    files->close(files->context, fd);
    return same;
}

/* Creates the named file, unless it exists. */
static int add_named(const struct file_ops *files, const char *journal, uint64_t sequence,
                     const char *unfinished, const char *named)
{
    if (is_there(files, journal, sequence, named))
        return 0;
    int error = pack_segment(files, journal, sequence, unfinished);
    return error ? error : files->rename(files->context, unfinished, named);
}

int archive_add(const struct file_ops *files, const char *directory, uint64_t sequence,
                struct error *why)
{
    assert(sequence >= FIRST_SEQUENCE);
    struct path journal, archive, unfinished, named;
    int error = find_folders(files, directory, &journal, &archive);
    if (!error)
        error = path_join(&unfinished, archive.text, UNFINISHED);
    if (!error)
        error = path_join(&named, archive.text, archive_name(sequence).text);
    if (!error)
        error = add_named(files, journal.text, sequence, unfinished.text, named.text);
    if (!error)
        error = file_sync_directory_at(files, archive.text);
    if (!error)
        return 0;
    return error_system(why, error, "cannot archive %s", segment_name(sequence).text);
}

/* ---- trimming ---- */

struct archived {
    uint64_t sequence, bytes;
    uint64_t made_ms; /* if unreadable, that of the next one; 0: unknown */
};

struct archived_list {
    struct archived *all; /* owned */
    size_t count;
};

static int add_name(void *argument, const char *name)
{
    struct archived_list *list = argument;
    uint64_t sequence = archive_sequence(name);
    if (sequence == 0)
        return 0;
    if ((list->count & (list->count + 1)) == 0) { /* grows at 0, 1, 3, 7, ... */
        struct archived *grown = realloc(list->all, (2 * list->count + 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->all = grown;
    }
    list->all[list->count++] = (struct archived){ .sequence = sequence };
    return 0;
}

static int compare_archived(const void *a, const void *b)
{
    const struct archived *left = a, *right = b;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static int archived_path(struct path *path, const char *archive, uint64_t sequence)
{
    return path_join(path, archive, archive_name(sequence).text);
}

static int read_list(const struct file_ops *files, const char *archive, struct archived_list *list)
{
    int error = files->list(files->context, archive, add_name, list);
    if (error == -ENOENT)
        return 0;
    if (!error && list->count > 0)
        qsort(list->all, list->count, sizeof *list->all, compare_archived);
    for (size_t i = 0; i < list->count && !error; i++) {
        struct path path;
        struct segment_header header;
        struct archived *at = &list->all[i];
        error = archived_path(&path, archive, at->sequence);
        if (!error)
            error = look_at(files, path.text, &at->bytes, &header, &at->made_ms);
    }
    for (size_t i = list->count; i-- > 1;)
        if (list->all[i - 1].made_ms == 0)
            list->all[i - 1].made_ms = list->all[i].made_ms;
    return error;
}

static int trim(const struct file_ops *files, const char *archive, const struct archived_list *list,
                const struct archive_rules *rules, uint64_t now_ms, uint64_t *removed)
{
    uint64_t bytes = 0, kept_ms = rules->days * 24 * 3600 * 1000;
    for (size_t i = 0; i < list->count; i++)
        bytes += list->all[i].bytes;
    for (size_t i = 0; i < list->count; i++) {
        const struct archived *at = &list->all[i];
        bool old = rules->days && at->made_ms && at->made_ms + kept_ms < now_ms;
        bool much = rules->max_bytes && bytes > rules->max_bytes;
        struct path path;
        if (!old && !much)
            break;
        int error = archived_path(&path, archive, at->sequence);
        if (!error)
            error = files->unlink(files->context, path.text);
        if (error)
            return error;
        assert(bytes >= at->bytes);
        bytes -= at->bytes;
        ++*removed;
    }
    return 0;
}

int archive_trim(const struct file_ops *files, const char *directory,
                 const struct archive_rules *rules, uint64_t now_ms, uint64_t *removed,
                 struct error *why)
{
    struct path archive;
    struct archived_list list = { 0 };
    *removed = 0;
    int error = path_join(&archive, directory, "archive");
    if (!error)
        error = read_list(files, archive.text, &list);
    if (!error)
        error = trim(files, archive.text, &list, rules, now_ms, removed);
    free(list.all);
    return error ? error_system(why, error, "cannot trim %s/archive", directory) : 0;
}
