/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/base/memory.c for fuzz targets, linked in its place. Each input makes a ledger and takes
 * it down: with a mapping for each table, the kernel would have most of the time. Here mappings are
 * kept for the next input, and what it touched of them is zeroed.
 *
 * It sees more, too: what is behind a table's last byte, and a table that was given back, is
 * poisoned. One thread at a time.
 */
#include "engine/base/memory.h"

#include <assert.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    BLOCKS_MAX = 256,
    PAGES_MAX = 1 << 14,
    POISONED_MAX = 1 << 20, /* more is not poisoned while nobody has it: it takes too long */
};

struct block {
    unsigned char *at;
    size_t mapped; /* with a page behind it that nobody may touch */
    bool used;
};

static struct block blocks[BLOCKS_MAX];
static size_t count;

static size_t mapped_for(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE + PAGE;
}

/* Only pages that were touched are zeroed: the tables are far larger than what an input needs. */
static void zero(unsigned char *at, size_t bytes)
{
    static unsigned char resident[PAGES_MAX];
    size_t pages = (bytes + PAGE - 1) / PAGE;
    if (pages > PAGES_MAX || mincore(at, pages * PAGE, resident) != 0)
        abort();
    for (size_t i = 0; i < pages; i++) {
        if (resident[i] & 1)
            memset(at + i * PAGE, 0, i + 1 < pages ? PAGE : bytes - i * PAGE);
    }
}

/* What of a free block may be poisoned begins there. */
static size_t unsure_from(const struct block *block)
{
    return block->mapped <= POISONED_MAX ? 0 : block->mapped - 2 * PAGE;
}

static struct block *find_free(size_t mapped)
{
    for (size_t i = 0; i < count; i++) {
        if (!blocks[i].used && blocks[i].mapped == mapped)
            return &blocks[i];
    }
    return NULL;
}

static struct block *map_another(size_t mapped)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    assert(count < BLOCKS_MAX);
    madvise(at, mapped, MADV_NOHUGEPAGE); /* a touch must not make two megabytes resident */
    blocks[count] = (struct block){ .at = at, .mapped = mapped };
    return &blocks[count++];
}

void *memory_reserve(size_t bytes)
{
    size_t mapped = mapped_for(bytes);
    struct block *block = find_free(mapped);
    if (!block)
        block = map_another(mapped);
    if (!block)
        return NULL;
    block->used = true;
    size_t unsure = unsure_from(block);
    ASAN_UNPOISON_MEMORY_REGION(block->at + unsure, bytes - unsure);
    ASAN_POISON_MEMORY_REGION(block->at + bytes, mapped - bytes);
    return block->at;
}

void *memory_reserve_scattered(size_t bytes)
{
    return memory_reserve(bytes);
}

void memory_populate(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}

void memory_empty(void *at, size_t bytes)
{
    zero(at, bytes);
}

void memory_release(void *at, size_t bytes)
{
    size_t i = 0;
    if (!at)
        return;
    while (i < count && blocks[i].at != at)
        i++;
    assert(i < count && blocks[i].used && blocks[i].mapped == mapped_for(bytes));
    zero(at, bytes);
    size_t unsure = unsure_from(&blocks[i]);
    ASAN_POISON_MEMORY_REGION(blocks[i].at + unsure, blocks[i].mapped - unsure);
    blocks[i].used = false;
}
