/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of a snapshot's header and footer, for their writer and their reader. */
#ifndef STOCKD_PERSISTENCE_SNAPSHOT_CHECKSUM_H
#define STOCKD_PERSISTENCE_SNAPSHOT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "persistence/format.h"

/* The checksum of a whole block whose 64-bit field at that offset counts as zero. */
static inline uint64_t snapshot_block_sum(const void *block, size_t field)
{
    unsigned char copy[BLOCK_BYTES];
    memcpy(copy, block, sizeof copy);
    memset(copy + field, 0, sizeof(uint64_t));
    return XXH3_64bits(copy, sizeof copy);
}

#endif
