/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a fixed maximum size: address space is reserved at start, memory used only when
 * touched. */
#ifndef STOCKD_ENGINE_BASE_MEMORY_H
#define STOCKD_ENGINE_BASE_MEMORY_H

#include <stddef.h>

/* Zero-filled, page-aligned address space; NULL if there is none. */
void *memory_reserve(size_t bytes);
/* The same without huge pages: for a table whose first entries lie scattered over all of it, so
 * that each would wait for the kernel to zero a huge page. */
void *memory_reserve_scattered(size_t bytes);
void memory_release(void *at, size_t bytes);

/* How far a table's memory is ahead of its use. */
enum populated {
    POPULATED_SOME,   /* one step is done; there may be more to do now */
    POPULATED_ENOUGH, /* for now */
    POPULATED_ALL,    /* the table has all its memory: no need to call again */
};

/* Has the kernel provide zeroed memory for the range now instead of at the first touch. Existing
 * contents stay. Any thread, beside others that use the range. A hint. */
void memory_populate(void *at, size_t bytes);

/* Fetches a cache line that will be written. The empty asm counts as an effect: gcc treats a
 * function that only prefetches as one that does nothing, and drops its calls. */
static inline void memory_fetch(const volatile void *at)
{
    __builtin_prefetch((const void *)at, 1);
    __asm__ volatile("");
}

/* Gives the memory of whole pages back to the kernel; they then read as zeroes. */
void memory_empty(void *at, size_t bytes);

#endif
