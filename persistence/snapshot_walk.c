/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/snapshot_walk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/base/memory.h"

static int walk_block(const struct snapshot *s, const struct snapshot_block *block,
                      unsigned char *buffer, const struct snapshot_walk *walk, struct error *why)
{
    struct snapshot_name name = snapshot_name(s->header.position.lsn);
    ssize_t n = file_read_all(s->files, s->fd, buffer, block->length, block->offset);
    if (n < 0)
        return error_system(why, (int)n, "%s: offset %" PRIu64 ": cannot read", name.text,
                            block->offset);
    if ((uint64_t)n < block->length ||
        XXH3_64bits_withSeed(buffer, block->length, s->header.checksum) != block->checksum)
        return error_set(why, -EILSEQ, "%s: offset %" PRIu64 ": the block is damaged", name.text,
                         block->offset);
    int stop =
        walk->on_block(walk->context, (enum contents_kind)block->kind, buffer, block->length);
    if (stop == -EILSEQ)
        error_set(why, stop, "%s: offset %" PRIu64 ": the block's records are damaged", name.text,
                  block->offset);
    return stop;
}

int snapshot_walk(const struct snapshot *s, const struct snapshot_walk *walk, struct error *why)
{
    uint32_t capacity = SNAPSHOT_BLOCK_USUAL;
    for (uint64_t i = 0; i < s->footer.block_count; i++)
        capacity = s->blocks[i].length > capacity ? s->blocks[i].length : capacity;
    assert(capacity <= SNAPSHOT_BLOCK_MAX); /* S3: the index was judged */
    unsigned char *buffer = memory_reserve(capacity);
    if (!buffer)
        return error_system(why, -ENOMEM, "cannot read the snapshot");
    int error = 0;
    for (uint64_t i = 0; i < s->footer.block_count && !error; i++)
        if (!walk->is_wanted || walk->is_wanted(walk->context, i))
            error = walk_block(s, &s->blocks[i], buffer, walk, why);
    memory_release(buffer, capacity);
    return error;
}
