/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: their names, and writing one. */
#include "persistence/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/memory.h"
#include "persistence/segment.h"
#include "persistence/snapshot_checksum.h"

/* At most that much waits in the kernel: one sync of all of it at the end would occupy the disk for
 * long. */
enum { SYNC_EVERY = 8 << 20 };

struct snapshot_name snapshot_name(uint64_t lsn)
{
    struct snapshot_name name;
    snprintf(name.text, sizeof name.text, "%020" PRIu64 ".snap", lsn);
    return name;
}

/* ---- the list ---- */

static int add_name(void *argument, const char *name)
{
    struct snapshot_list *list = argument;
    errno = 0;
    uint64_t lsn = strtoumax(name, NULL, 10);
    if (errno || strcmp(snapshot_name(lsn).text, name) != 0)
        return 0;
    if ((list->count & (list->count + 1)) == 0) { /* grows at 0, 1, 3, 7, ... */
        uint64_t *grown = realloc(list->lsns, (2 * list->count + 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->lsns = grown;
    }
    list->lsns[list->count++] = lsn;
    return 0;
}

static int compare_lsns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int snapshot_list_read(struct snapshot_list *list, const struct file_ops *files,
                       const char *directory, struct error *why)
{
    *list = (struct snapshot_list){ 0 };
    int error = files->list(files->context, directory, add_name, list);
    if (error == -ENOENT)
        return 0;
    if (error) {
        snapshot_list_free(list);
        return error_system(why, error, "cannot list %s", directory);
    }
    if (list->count > 0)
        qsort(list->lsns, list->count, sizeof *list->lsns, compare_lsns);
    return 0;
}

void snapshot_list_free(struct snapshot_list *list)
{
    free(list->lsns);
    *list = (struct snapshot_list){ 0 };
}

/* ---- writing ---- */

struct writer {
    const struct file_ops *files;
    int fd;
    uint64_t offset; /* where the next block goes */
    uint64_t unsynced;
    uint64_t seed; /* of the blocks' checksums */
    int error;

    unsigned char *buffer; /* of the block under construction */
    size_t capacity;
    struct snapshot_block open; /* that block; kind 0: none */

    struct snapshot_block *blocks; /* that are written */
    size_t count, room;
};

static uint64_t block_span(uint64_t length)
{
    return (length + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* Writes whole 4096-byte blocks, with zeroes after `length`. */
static int write_padded(struct writer *w, unsigned char *bytes, uint64_t length)
{
    assert(w->offset % BLOCK_BYTES == 0); /* S3 */
    uint64_t span = block_span(length);
    memset(bytes + length, 0, span - length);
    int error = file_write_all(w->files, w->fd, bytes, span, w->offset);
    w->offset += span;
    w->unsynced += span;
    if (!error && w->unsynced >= SYNC_EVERY) {
        error = w->files->sync(w->files->context, w->fd);
        w->unsynced = 0;
    }
    return error;
}

static int end_block(struct writer *w)
{
    struct snapshot_block *open = &w->open;
    if (open->kind == 0)
        return 0;
    assert(open->records > 0 && open->length <= w->capacity);            /* S5 */
    assert(w->count == 0 || w->blocks[w->count - 1].kind <= open->kind); /* S5 */
    if (w->count == w->room) {
        size_t room = 2 * w->room + 64;
        struct snapshot_block *grown = realloc(w->blocks, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        w->blocks = grown;
        w->room = room;
    }
    open->offset = w->offset;
    open->checksum = XXH3_64bits_withSeed(w->buffer, open->length, w->seed);
    w->blocks[w->count++] = *open;
    int error = write_padded(w, w->buffer, open->length);
    *open = (struct snapshot_block){ 0 };
    return error;
}

static bool make_room(struct writer *w, uint64_t length)
{
    uint64_t wanted = block_span(length > SNAPSHOT_BLOCK_USUAL ? length : SNAPSHOT_BLOCK_USUAL);
    if (wanted <= w->capacity)
        return true;
    if (length > SNAPSHOT_BLOCK_MAX)
        return false;
    assert(w->open.kind == 0); /* the buffer holds nothing */
    free(w->buffer);
    w->buffer = aligned_alloc(BLOCK_BYTES, wanted);
    w->capacity = w->buffer ? wanted : 0;
    return w->buffer != NULL;
}

/* For ledger_contents_write. */
static void *room(void *context, enum contents_kind kind, uint32_t length)
{
    struct writer *w = context;
    struct snapshot_block *open = &w->open;
    bool full = (uint64_t)open->length + length > SNAPSHOT_BLOCK_USUAL;
    if (open->kind != 0 && (open->kind != (uint32_t)kind || full))
        w->error = end_block(w);
    if (!w->error && open->kind == 0 && !make_room(w, length))
        w->error = -ENOMEM;
    if (w->error)
        return NULL;
    assert(open->kind == 0 || open->kind == (uint32_t)kind); /* S5 */
    assert(open->length + length <= w->capacity);
    void *at = w->buffer + open->length;
    open->kind = kind;
    open->length += length;
    open->records++;
    return at;
}

static int write_header(struct writer *w, const struct journal_position *position,
                        uint64_t created_ms)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES] = { 0 };
    struct snapshot_header header = { .version = SNAPSHOT_VERSION,
                                      .block_bytes = BLOCK_BYTES,
                                      .position = *position,
                                      .created_ms = created_ms };
    memcpy(header.magic, SNAPSHOT_MAGIC, sizeof header.magic);
    memcpy(block, &header, sizeof header);
    header.checksum = snapshot_block_sum(block, offsetof(struct snapshot_header, checksum));
    memcpy(block, &header, sizeof header);
    w->seed = header.checksum;
    return write_padded(w, block, sizeof block);
}

/* The index and the footer. */
static int write_end(struct writer *w, const struct contents_totals *totals)
{
    _Alignas(BLOCK_BYTES) unsigned char block[BLOCK_BYTES] = { 0 };
    size_t length = w->count * sizeof *w->blocks;
    struct snapshot_footer footer = {
        .header = w->seed, .index_offset = w->offset, .block_count = w->count, .totals = *totals
    };
    assert(w->open.kind == 0); /* S5 */
    if (length > SNAPSHOT_BLOCK_MAX || !make_room(w, length))
        return -ENOMEM;
    if (length > 0)
        memcpy(w->buffer, w->blocks, length);
    footer.index_checksum = XXH3_64bits_withSeed(w->buffer, length, w->seed);
    int error = write_padded(w, w->buffer, length);
    if (error)
        return error;
    footer.file_bytes = w->offset + BLOCK_BYTES;
    memcpy(footer.magic, SNAPSHOT_FOOTER_MAGIC, sizeof footer.magic);
    memcpy(block, &footer, sizeof footer);
    footer.checksum = snapshot_block_sum(block, offsetof(struct snapshot_footer, checksum));
    memcpy(block, &footer, sizeof footer);
    return write_padded(w, block, sizeof block);
}

static int write_all(struct writer *w, const struct journal_position *position, uint64_t created_ms,
                     const struct ledger *ledger)
{
    struct contents_totals totals;
    struct contents_sink sink = { w, room };
    int error = write_header(w, position, created_ms);
    if (!error)
        error = ledger_contents_write(ledger, &sink, &totals);
    if (error)
        return w->error ? w->error : error;
    error = end_block(w);
    if (!error)
        error = write_end(w, &totals);
    if (!error)
        error = w->files->sync(w->files->context, w->fd);
    if (!error)
        w->files->drop_cache(w->files->context, w->fd); /* not read again soon */
    return error;
}

/* Names what was written and synced (S2). */
static int give_name(const struct file_ops *files, const char *directory, const char *unfinished,
                     uint64_t lsn)
{
    struct path path;
    int error = path_join(&path, directory, snapshot_name(lsn).text);
    if (!error)
        error = files->rename(files->context, unfinished, path.text);
    if (!error)
        error = file_sync_directory_at(files, directory);
    return error;
}

int snapshot_write(const struct file_ops *files, const char *directory,
                   const struct journal_position *position, uint64_t created_ms,
                   const struct ledger *ledger, uint64_t *bytes, struct error *why)
{
    assert(position->sequence >= FIRST_SEQUENCE && position->number > 0); /* S1 */
    assert(position->directory_id != 0);                                  /* F2 */
    struct path path;
    struct writer w = { .files = files };
    int error = path_join(&path, directory, SNAPSHOT_UNFINISHED);
    if (error)
        return error_system(why, error, "%s", directory);
    w.fd = files->open(files->context, path.text, O_RDWR | O_CREAT | O_TRUNC);
    if (w.fd < 0)
        return error_system(why, w.fd, "cannot create %s", path.text);
    error = write_all(&w, position, created_ms, ledger);
    files->close(files->context, w.fd);
    free(w.buffer);
    free(w.blocks);
    if (!error)
        error = give_name(files, directory, path.text, position->lsn);
    *bytes = w.offset;
    if (!error)
        return 0;
    files->unlink(files->context, path.text);
    return error_system(why, error, "cannot write the snapshot %s",
                        snapshot_name(position->lsn).text);
}
