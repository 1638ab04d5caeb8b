/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a snapshot: judging its form, then loading its blocks with several threads. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "persistence/segment.h"
#include "persistence/snapshot.h"
#include "persistence/snapshot_checksum.h"

enum { THREADS_MAX = 16 };

/* ---- header, footer, index (S3) ---- */

static int damaged(struct error *why, const struct snapshot_name *name, uint64_t offset,
                   const char *what)
{
    return error_set(why, -EILSEQ, "%s: offset %" PRIu64 ": %s", name->text, offset, what);
}

/* Reads exactly that many bytes; fewer are damage. */
static int read_whole(const struct snapshot *s, const struct snapshot_name *name, void *to,
                      uint64_t length, uint64_t offset, struct error *why)
{
    ssize_t n = file_read_all(s->files, s->fd, to, length, offset);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset %" PRIu64 ": cannot read", name->text, offset);
    return (uint64_t)n == length ? 0 : damaged(why, name, offset, "the snapshot is truncated");
}

static int read_header(struct snapshot *s, const struct snapshot_name *name, uint64_t lsn,
                       struct error *why)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES];
    struct snapshot_header *header = &s->header;
    int error = read_whole(s, name, block, sizeof block, 0, why);
    if (error)
        return error;
    memcpy(header, block, sizeof *header);
    if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic) != 0 ||
        header->checksum != snapshot_block_sum(block, offsetof(struct snapshot_header, checksum)))
        return damaged(why, name, 0, "the snapshot header is damaged");
    if (header->version != SNAPSHOT_VERSION || header->block_bytes != BLOCK_BYTES)
        return error_set(why, -EPROTONOSUPPORT,
                         "%s: written in version %" PRIu32 " of the format; this program knows "
                         "version %d",
                         name->text, header->version, SNAPSHOT_VERSION);
    if (header->position.lsn != lsn)
        return damaged(why, name, 0, "this is another snapshot, renamed");
    return 0;
}

static int read_footer(struct snapshot *s, const struct snapshot_name *name, uint64_t file_bytes,
                       struct error *why)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES];
    struct snapshot_footer *footer = &s->footer;
    if (file_bytes < 2 * BLOCK_BYTES || file_bytes % BLOCK_BYTES != 0)
        return damaged(why, name, file_bytes, "the snapshot is truncated");
    uint64_t offset = file_bytes - BLOCK_BYTES;
    int error = read_whole(s, name, block, sizeof block, offset, why);
    if (error)
        return error;
    memcpy(footer, block, sizeof *footer);
    bool valid =
        memcmp(footer->magic, SNAPSHOT_FOOTER_MAGIC, sizeof footer->magic) == 0 &&
        footer->checksum == snapshot_block_sum(block, offsetof(struct snapshot_footer, checksum));
    if (!valid || footer->header != s->header.checksum || footer->file_bytes != file_bytes ||
        footer->index_offset > offset ||
        footer->block_count > (offset - footer->index_offset) / sizeof *s->blocks)
        return damaged(why, name, offset, "the snapshot footer is damaged or cut off");
    return 0;
}

static bool block_can_be(const struct snapshot *s, uint64_t i)
{
    const struct snapshot_block *b = &s->blocks[i];
    return b->kind >= CONTENTS_SETTINGS && b->length <= SNAPSHOT_BLOCK_MAX &&
           b->offset <= s->footer.index_offset && b->length <= s->footer.index_offset - b->offset &&
           (i == 0 || b->kind >= s->blocks[i - 1].kind); /* S5 */
}

static int read_index(struct snapshot *s, const struct snapshot_name *name, struct error *why)
{
    uint64_t offset = s->footer.index_offset;
    size_t length = s->footer.block_count * sizeof *s->blocks;
    s->blocks = malloc(length + 1);
    if (!s->blocks)
        return error_system(why, -ENOMEM, "%s", name->text);
    int error = read_whole(s, name, s->blocks, length, offset, why);
    if (error)
        return error;
    if (XXH3_64bits_withSeed(s->blocks, length, s->header.checksum) != s->footer.index_checksum)
        return damaged(why, name, offset, "the snapshot index is damaged");
    for (uint64_t i = 0; i < s->footer.block_count; i++)
        if (!block_can_be(s, i))
            return damaged(why, name, offset, "the snapshot index has values out of range");
    return 0;
}

int snapshot_open(struct snapshot *snapshot, const struct file_ops *files, const char *directory,
                  uint64_t lsn, struct error *why)
{
    struct snapshot_name name = snapshot_name(lsn);
    struct path path;
    uint64_t file_bytes;
    *snapshot = (struct snapshot){ .files = files, .fd = -1 };
    int error = path_join(&path, directory, name.text);
    if (error)
        return error_system(why, error, "%s", directory);
    snapshot->fd = files->open(files->context, path.text, O_RDONLY);
    if (snapshot->fd < 0)
        return error_system(why, snapshot->fd, "cannot open %s", path.text);
    error = files->size(files->context, snapshot->fd, &file_bytes);
    if (error)
        error_system(why, error, "cannot get the size of %s", name.text);
    else
        error = read_header(snapshot, &name, lsn, why);
    if (!error)
        error = read_footer(snapshot, &name, file_bytes, why);
    if (!error)
        error = read_index(snapshot, &name, why);
    if (error)
        snapshot_close(snapshot);
    return error;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot->fd >= 0)
        snapshot->files->close(snapshot->files->context, snapshot->fd);
    free(snapshot->blocks);
    snapshot->fd = -1;
    snapshot->blocks = NULL;
}

/* ---- blocks ---- */

/* Shared by the loading threads. What is not atomic is constant while they run. */
struct snapshot_loading {
    const struct snapshot *snapshot;
    struct snapshot_name name;
    const struct snapshot_target *target;
    struct contents_load *load; /* NULL: only judge */
    uint64_t end;               /* of the current run of blocks */
    _Atomic uint64_t next;      /* block to load next; any thread, relaxed: it is only a ticket */
    _Atomic uint64_t done;      /* bytes; any thread, relaxed: only for progress */
    _Atomic bool failed;        /* stops the others soon; relaxed */
};

struct loader {
    struct snapshot_loading *loading;
    pthread_t thread;
    bool reports; /* progress; the calling thread */
    unsigned char *buffer;
    size_t capacity;
    int error;
    struct error why;
};

static bool hold(struct loader *l, size_t length)
{
    assert(length <= SNAPSHOT_BLOCK_MAX); /* S3: the index was judged */
    if (length <= l->capacity)
        return true;
    memory_release(l->buffer, l->capacity);
    l->capacity = length > SNAPSHOT_BLOCK_USUAL ? length : SNAPSHOT_BLOCK_USUAL;
    l->buffer = memory_reserve(l->capacity);
    if (!l->buffer)
        l->capacity = 0;
    return l->buffer != NULL;
}

static int load_block(struct loader *l, const struct snapshot_block *block)
{
    const struct snapshot_loading *loading = l->loading;
    const struct snapshot *s = loading->snapshot;
    struct contents_complaint complaint = { "" };
    if (!hold(l, block->length))
        return error_system(&l->why, -ENOMEM, "%s", loading->name.text);
    int error = read_whole(s, &loading->name, l->buffer, block->length, block->offset, &l->why);
    if (error)
        return error;
    if (XXH3_64bits_withSeed(l->buffer, block->length, s->header.checksum) != block->checksum)
        return damaged(&l->why, &loading->name, block->offset, "the block is damaged"); /* S4 */
    if (!loading->load)
        return 0;
    error = ledger_contents_load(loading->load, (enum contents_kind)block->kind, l->buffer,
                                 block->length, &complaint);
    if (error)
        error_set(&l->why, error, "%s: offset %" PRIu64 ": %s", loading->name.text, block->offset,
                  complaint.text);
    return error == -EINVAL ? -EILSEQ : error;
}

static void *run_loader(void *argument)
{
    struct loader *l = argument;
    struct snapshot_loading *loading = l->loading;
    const struct snapshot_target *target = loading->target;
    while (!l->error && !atomic_load_explicit(&loading->failed, memory_order_relaxed)) {
        uint64_t i = atomic_fetch_add_explicit(&loading->next, 1, memory_order_relaxed);
        if (i >= loading->end)
            break;
        const struct snapshot_block *block = &loading->snapshot->blocks[i];
        assert(i < loading->snapshot->footer.block_count);
        l->error = load_block(l, block);
        uint64_t done =
            atomic_fetch_add_explicit(&loading->done, block->length, memory_order_relaxed);
        if (l->reports && target && target->progress)
            target->progress(target->context, done + block->length,
                             loading->snapshot->footer.file_bytes);
    }
    if (l->error)
        atomic_store_explicit(&loading->failed, true, memory_order_relaxed);
    return NULL;
}

/* Loads a run of blocks of one kind. Starting and joining the threads orders one run's writes
 * before the next one's reads. */
static int load_run(struct snapshot_loading *loading, uint64_t first, uint64_t end,
                    unsigned threads, struct error *why)
{
    assert(first < end && end <= loading->snapshot->footer.block_count);
    assert(threads >= 1 && threads <= THREADS_MAX);
    struct loader *loaders = calloc(threads, sizeof *loaders);
    if (!loaders)
        return error_system(why, -ENOMEM, "%s", loading->name.text);
    atomic_store_explicit(&loading->next, first, memory_order_relaxed);
    loading->end = end;
    unsigned started = 1;
    for (unsigned i = 0; i < threads; i++)
        loaders[i] = (struct loader){ .loading = loading, .reports = i == 0 };
    while (started < threads &&
           pthread_create(&loaders[started].thread, NULL, run_loader, &loaders[started]) == 0)
        started++;
    run_loader(&loaders[0]);
    int error = 0;
    for (unsigned i = 0; i < started; i++) {
        if (i > 0)
            pthread_join(loaders[i].thread, NULL);
        if (loaders[i].error && !error) {
            error = loaders[i].error;
            *why = loaders[i].why;
        }
        memory_release(loaders[i].buffer, loaders[i].capacity);
    }
    free(loaders);
    return error;
}

static bool in_parallel(uint32_t kind)
{
    return kind == CONTENTS_ITEMS || kind == CONTENTS_ENTRIES;
}

static int load_runs(struct snapshot_loading *loading, unsigned threads, struct error *why)
{
    const struct snapshot *s = loading->snapshot;
    uint64_t count = s->footer.block_count;
    int error = 0;
    for (uint64_t first = 0, end; !error && first < count; first = end) {
        uint32_t kind = s->blocks[first].kind;
        bool judging = !loading->load; /* the order does not matter */
        for (end = first + 1; end < count && (judging || s->blocks[end].kind == kind);)
            end++;
        assert(judging || end == count || s->blocks[end].kind > kind); /* S5 */
        uint64_t useful = end - first;
        if (!judging && !in_parallel(kind))
            useful = 1;
        error = load_run(loading, first, end, useful < threads ? (unsigned)useful : threads, why);
    }
    return error;
}

int snapshot_load(const struct snapshot *snapshot, struct ledger *ledger,
                  const struct snapshot_target *target, unsigned threads, struct error *why)
{
    struct contents_load load;
    struct contents_complaint complaint = { "" };
    struct snapshot_loading loading = { .snapshot = snapshot,
                                        .name = snapshot_name(snapshot->header.position.lsn),
                                        .target = target,
                                        .load = ledger ? &load : NULL };
    int error = 0;
    assert(threads >= 1);
    if (ledger)
        error = ledger_contents_begin(&load, ledger, &snapshot->footer.totals, &complaint);
    if (!error) {
        error = load_runs(&loading, threads < THREADS_MAX ? threads : THREADS_MAX, why);
        if (error)
            return error;
    }
    if (!error && ledger)
        error = ledger_contents_end(&load, &complaint);
    if (error)
        error_set(why, error, "%s: %s", loading.name.text, complaint.text);
    return error == -EINVAL ? -EILSEQ : error;
}
