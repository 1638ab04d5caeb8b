/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memory.h"

#include <sys/mman.h>

void *memory_reserve(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void memory_release(void *at, size_t bytes)
{
    if (at)
        munmap(at, bytes);
}
