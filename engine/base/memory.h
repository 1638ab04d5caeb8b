/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a fixed greatest size: address space is taken at start, memory only as it is touched.
 */
#ifndef STOCKD_ENGINE_BASE_MEMORY_H
#define STOCKD_ENGINE_BASE_MEMORY_H

#include <stddef.h>

/* Zero-filled, page-aligned address space; NULL if there is none. */
void *memory_reserve(size_t bytes);
void memory_release(void *at, size_t bytes);

/* How far a table's memory is ahead of its use. */
enum populated {
    POPULATED_SOME,   /* a step was done; there may be more to do now */
    POPULATED_ENOUGH, /* for now */
    POPULATED_ALL,    /* the table has all its memory: never again */
};

/* Has the kernel give memory for what lies there, zeroed, now instead of at the first touch. What
 * is there already stays. Any thread, beside others that use it. A hint. */
void memory_populate(void *at, size_t bytes);

/* Fetches a cache line that will be written. The empty asm is its effect: gcc takes a function that
 * only prefetches for one that does nothing, and leaves out its calls. */
static inline void memory_fetch(const volatile void *at)
{
    __builtin_prefetch((const void *)at, 1);
    __asm__ volatile("");
}

/* Gives the memory of whole pages back; they read as zeroes again. */
void memory_empty(void *at, size_t bytes);

#endif
