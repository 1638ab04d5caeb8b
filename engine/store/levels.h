/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levels: of each item on each channel, how much there was to sell when that was last recorded;
 * two bits each (enum level in engine/log/record.h). Each channel has a plane, whose memory is used
 * as it is touched.
 *
 * One thread at a time uses them; who may is for the caller to say.
 */
#ifndef STOCKD_ENGINE_STORE_LEVELS_H
#define STOCKD_ENGINE_STORE_LEVELS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

enum { LEVELS_PER_BYTE = 4, LEVEL_BITS = 2 };

struct levels {
    unsigned char *bytes; /* CHANNELS_MAX planes */
    size_t plane;         /* bytes; a multiple of 8 */
};

/* 0 or -ENOMEM. */
int levels_init(struct levels *levels, uint32_t max_items);
void levels_destroy(struct levels *levels);

static inline unsigned char *levels_plane(const struct levels *levels, uint16_t channel)
{
    assert(channel < CHANNELS_MAX);
    return levels->bytes + channel * levels->plane;
}

/* Of each two bits of a word of a plane, the lower one: they are the highest level, LEVEL_OUT. */
static inline uint64_t levels_outs_of(uint64_t word)
{
    return word >> 1 & word & UINT64_C(0x5555555555555555);
}

static inline unsigned level_of(const struct levels *levels, uint32_t item, uint16_t channel)
{
    assert(item / LEVELS_PER_BYTE < levels->plane);
    unsigned byte = levels_plane(levels, channel)[item / LEVELS_PER_BYTE];
    return byte >> item % LEVELS_PER_BYTE * LEVEL_BITS & 3;
}

static inline void level_set(const struct levels *levels, uint32_t item, uint16_t channel,
                             unsigned level)
{
    assert(item / LEVELS_PER_BYTE < levels->plane);
    unsigned char *byte = &levels_plane(levels, channel)[item / LEVELS_PER_BYTE];
    unsigned shift = item % LEVELS_PER_BYTE * LEVEL_BITS;
    *byte = (unsigned char)((*byte & ~(3U << shift)) | level << shift);
}

#endif
