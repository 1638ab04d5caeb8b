/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/repair.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "engine/base/memory.h"
#include "persistence/preallocation.h"
#include "persistence/segment.h"
#include "persistence/stop_mark.h"

enum { CHUNK_BYTES = 1 << 20 };

struct repairing {
    const struct file_ops *files;
    const char *directory, *aside;
    const struct scrub *scrub;
    struct error *why;
    unsigned char *chunk; /* CHUNK_BYTES */
};

static int fail_on(const struct repairing *r, int error, const char *what, uint64_t sequence)
{
    return error_system(r->why, error, "cannot %s %s", what, segment_name(sequence).text);
}

/* ---- aside (R1) ---- */

static int copy_bytes(const struct repairing *r, int from, int to)
{
    uint64_t offset = 0;
    for (;;) {
        ssize_t n = file_read_all(r->files, from, r->chunk, CHUNK_BYTES, offset);
        if (n <= 0)
            return (int)n;
        int error = file_write_all(r->files, to, r->chunk, (size_t)n, offset);
        if (error)
            return error;
        offset += (uint64_t)n;
    }
}

static int copy_aside(const struct repairing *r, uint64_t sequence)
{
    const struct file_ops *files = r->files;
    int from = segment_open(files, r->directory, sequence, O_RDONLY);
    if (from == -ENOENT)
        return 0; /* the segment after a snapshot may be missing */
    if (from < 0)
        return fail_on(r, from, "open", sequence);
    int to = segment_open(files, r->aside, sequence, O_RDWR | O_CREAT | O_EXCL);
    if (to == -EEXIST) { /* already copied: the cut's segment may have a header finding, too */
        files->close(files->context, from);
        return 0;
    }
    int error = to < 0 ? to : copy_bytes(r, from, to);
    if (!error)
        error = files->sync(files->context, to);
    files->close(files->context, from);
    if (to >= 0)
        files->close(files->context, to);
    return error ? fail_on(r, error, "keep a copy of", sequence) : 0;
}

static int copy_mark(const struct repairing *r)
{
    struct path from;
    struct path to;
    const struct file_ops *files = r->files;
    int error = path_join(&from, r->directory, STOP_MARK_NAME);
    if (!error)
        error = path_join(&to, r->aside, STOP_MARK_NAME);
    if (error)
        return error_system(r->why, error, "%s", r->aside);
    int read = files->open(files->context, from.text, O_RDONLY);
    if (read == -ENOENT)
        return 0;
    int write = read < 0 ? read : files->open(files->context, to.text, O_RDWR | O_CREAT | O_EXCL);
    error = write < 0 ? write : copy_bytes(r, read, write);
    if (!error)
        error = files->sync(files->context, write);
    if (read >= 0)
        files->close(files->context, read);
    if (write >= 0)
        files->close(files->context, write);
    return error ? error_system(r->why, error, "cannot keep a copy of %s", from.text) : 0;
}

static bool is_after_cut(const struct repairing *r, uint64_t sequence)
{
    return r->scrub->cut.needed && sequence > r->scrub->cut.sequence;
}

static int copy_all(const struct repairing *r)
{
    const struct scrub *scrub = r->scrub;
    int error = scrub->cut.needed ? copy_aside(r, scrub->cut.sequence) : 0;
    for (size_t i = 0; i < scrub->count && !error; i++) {
        const struct finding *finding = &scrub->findings[i];
        if (finding->kind == FINDING_HEADER && !is_after_cut(r, finding->sequence))
            error = copy_aside(r, finding->sequence);
    }
    if (!error)
        error = copy_mark(r);
    if (!error) {
        error = file_sync_directory_at(r->files, r->aside);
        if (error)
            error_system(r->why, error, "cannot sync %s", r->aside);
    }
    return error;
}

/* ---- the journal itself (R2, R3) ---- */

static int move_aside(const struct repairing *r, uint64_t sequence)
{
    assert(is_after_cut(r, sequence));
    struct path from;
    struct path to;
    struct segment_name name = segment_name(sequence);
    int error = path_join(&from, r->directory, name.text);
    if (!error)
        error = path_join(&to, r->aside, name.text);
    if (!error)
        error = r->files->rename(r->files->context, from.text, to.text);
    return error ? fail_on(r, error, "move", sequence) : 0;
}

static int move_later(const struct repairing *r)
{
    struct segment_list list;
    int error = segment_list_read(&list, r->files, r->directory, r->why);
    for (size_t i = list.count; !error && i > 0 && is_after_cut(r, list.sequences[i - 1]); i--)
        error = move_aside(r, list.sequences[i - 1]);
    segment_list_free(&list);
    if (error)
        return error;
    error = file_sync_directory_at(r->files, r->aside);
    if (!error)
        error = file_sync_directory_at(r->files, r->directory);
    return error ? error_system(r->why, error, "cannot sync %s", r->directory) : 0;
}

/* Up to the segment's full size, even if the file is shorter. */
static int zero_from(const struct repairing *r, int fd, uint64_t sequence, uint64_t offset)
{
    uint64_t end;
    struct segment_header header;
    struct error ignored;
    int error = r->files->size(r->files->context, fd, &end);
    if (error)
        return error;
    if (segment_read_header(r->files, fd, sequence, &header, &ignored) == 0)
        end = header.bytes;
    return file_write_zeroes(r->files, fd, offset, end);
}

static int make_header(const struct repairing *r, int fd, uint64_t sequence, uint64_t now_ms)
{
    uint64_t there;
    int error = r->files->size(r->files->context, fd, &there);
    if (error)
        return error;
    uint64_t bytes = (there + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    if (bytes < SEGMENT_BYTES_MIN)
        bytes = SEGMENT_BYTES_MIN;
    error = file_write_zeroes(r->files, fd, there, bytes); /* F15 */
    if (error)
        return error;
    assert(r->scrub->directory_id != 0); /* F2 */
    memset(r->chunk, 0, BLOCK_BYTES);
    segment_header_make(r->chunk, sequence, bytes, r->scrub->directory_id, now_ms);
    return file_write_all(r->files, fd, r->chunk, BLOCK_BYTES, 0);
}

/* The segment after a snapshot (S8), or one that a batch leads on to (F18): no start does without.
 * As small as can be: the disk may be full. */
static int make_segment(const struct repairing *r, uint64_t sequence, uint64_t now_ms)
{
    const struct file_ops *files = r->files;
    int directory_fd = files->open(files->context, r->directory, O_RDONLY | O_DIRECTORY);
    if (directory_fd < 0)
        return error_system(r->why, directory_fd, "cannot open %s", r->directory);
    struct preallocation made = { .files = files,
                                  .directory = r->directory,
                                  .directory_fd = directory_fd,
                                  .directory_id = r->scrub->directory_id,
                                  .write_flags = O_RDWR };
    int error = preallocation_init(&made);
    if (error) {
        error_system(r->why, error, "cannot repair the journal");
    } else {
        preallocation_begin(&made, sequence, SEGMENT_BYTES_MIN, now_ms);
        error = preallocation_finish(&made);
        if (error)
            *r->why = made.why;
    }
    preallocation_destroy(&made);
    files->close(files->context, directory_fd);
    return error;
}

/* Zeroes the segment from offset on, or rewrites its header if offset is 0. */
static int mend(const struct repairing *r, uint64_t sequence, uint64_t offset, uint64_t now_ms)
{
    assert(offset % BLOCK_BYTES == 0);
    int fd = segment_open(r->files, r->directory, sequence, O_RDWR);
    if (fd == -ENOENT)
        return make_segment(r, sequence, now_ms);
    if (fd < 0)
        return fail_on(r, fd, "open", sequence);
    int error =
        offset > 0 ? zero_from(r, fd, sequence, offset) : make_header(r, fd, sequence, now_ms);
    if (!error)
        error = r->files->sync(r->files->context, fd);
    r->files->close(r->files->context, fd);
    return error ? fail_on(r, error, "write", sequence) : 0;
}

static int mend_all(const struct repairing *r, uint64_t now_ms)
{
    const struct scrub *scrub = r->scrub;
    int error = 0;
    if (scrub->cut.needed)
        error = mend(r, scrub->cut.sequence, scrub->cut.offset, now_ms);
    if (!error && scrub->cut.needed && scrub->cut.leads_on)
        error = make_segment(r, scrub->cut.sequence + 1, now_ms);
    for (size_t i = 0; i < scrub->count && !error; i++) {
        const struct finding *finding = &scrub->findings[i];
        if (finding->kind == FINDING_HEADER && !is_after_cut(r, finding->sequence))
            error = mend(r, finding->sequence, 0, now_ms);
    }
    return error ? error : stop_mark_remove(r->files, r->directory, r->why);
}

int journal_repair(const struct file_ops *files, const char *directory, const char *aside,
                   const struct scrub *scrub, uint64_t now_ms, struct error *why)
{
    struct repairing r = { files, directory, aside, scrub, why, NULL };
    assert(scrub->cut.number > 0);
    r.chunk = memory_reserve(CHUNK_BYTES);
    if (!r.chunk)
        return error_system(why, -ENOMEM, "cannot repair the journal");
    int error = copy_all(&r);
    if (!error)
        error = move_later(&r);
    if (!error)
        error = mend_all(&r, now_ms);
    memory_release(r.chunk, CHUNK_BYTES);
    return error;
}
