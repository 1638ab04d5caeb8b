/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/base/memory.h"

#include <stdint.h>
#include <sys/mman.h>

/* A smaller table should cost only the few pages that it touches. */
enum { HUGE_FROM = 8 << 20 };

void *memory_reserve(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    /* A look-up in a table of hundreds of megabytes misses the TLB more often than the cache. */
    if (bytes >= HUGE_FROM)
        madvise(at, bytes, MADV_HUGEPAGE); /* fails harmlessly if the kernel has none */
    return at;
}

void *memory_reserve_scattered(size_t bytes)
{
    void *at = memory_reserve(bytes);
    if (at && bytes >= HUGE_FROM)
        madvise(at, bytes, MADV_NOHUGEPAGE);
    return at;
}

void memory_populate(void *at, size_t bytes)
{
    const uintptr_t page = 4096;
    uintptr_t from = (uintptr_t)at & ~(page - 1);
    uintptr_t to = ((uintptr_t)at + bytes + page - 1) & ~(page - 1);
    madvise((void *)from, to - from, MADV_POPULATE_WRITE); /* Linux 5.14 */
}

void memory_empty(void *at, size_t bytes)
{
    madvise(at, bytes, MADV_DONTNEED);
}

void memory_release(void *at, size_t bytes)
{
    if (at)
        munmap(at, bytes);
}
