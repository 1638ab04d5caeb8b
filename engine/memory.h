/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a fixed greatest size: address space is taken at start, memory only as it is touched.
 */
#ifndef STOCKD_ENGINE_MEMORY_H
#define STOCKD_ENGINE_MEMORY_H

#include <stddef.h>

/* Zero-filled, page-aligned address space; NULL if there is none. */
void *memory_reserve(size_t bytes);
void memory_release(void *at, size_t bytes);
/* Gives the memory of whole pages back; they read as zeroes again. */
void memory_empty(void *at, size_t bytes);

#endif
