/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stockings: whether an item is sold from a place, how many units stay there unsold (safety stock),
 * and how long it takes until an order is ready (lead time).
 *
 * One word for each pool, beside the pools: each pool of an item at a place has the same word, so
 * that a walk over the pools meets it. 0: nothing is set for that item and place. The word of the
 * item's own unit has only a safety: that of the item at every place.
 *
 * Written by the holder of catalogue_busy, and by the maker of a pool; release, and acquired by
 * readers: a change is bracketed as a give (item.h), so that no order is refused because of a sum
 * that is half of before and half of after, and the words stay within their brackets.
 */
#ifndef STOCKD_ENGINE_STORE_STOCKING_H
#define STOCKD_ENGINE_STORE_STOCKING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"

/* set 1 | not stocked 1 | has safety 1 | safety 28 | has lead time 1 | lead time in seconds 32 */
#define STOCKING_SET (UINT64_C(1) << 63)
#define STOCKING_NOT_STOCKED (UINT64_C(1) << 62)
#define STOCKING_HAS_SAFETY (UINT64_C(1) << 61)
#define STOCKING_HAS_LEAD_TIME (UINT64_C(1) << 32)

enum { STOCKING_SAFETY_SHIFT = 33 };

/* What is set; negative: not set. */
struct stocking {
    bool stocked;
    int64_t safety, lead_time_s;
};

static inline uint64_t stocking_word(struct stocking s)
{
    uint64_t word = STOCKING_SET;
    if (!s.stocked)
        word |= STOCKING_NOT_STOCKED;
    if (s.safety >= 0)
        word |= STOCKING_HAS_SAFETY | (uint64_t)s.safety << STOCKING_SAFETY_SHIFT;
    if (s.lead_time_s >= 0)
        word |= STOCKING_HAS_LEAD_TIME | (uint64_t)s.lead_time_s;
    return word;
}

static inline bool stocking_stocked(uint64_t word)
{
    return !(word & STOCKING_NOT_STOCKED);
}

static inline int64_t stocking_safety(uint64_t word, int64_t otherwise)
{
    return word & STOCKING_HAS_SAFETY ? (int64_t)(word >> STOCKING_SAFETY_SHIFT) & QUANTITY_MAX
                                      : otherwise;
}

static inline uint32_t stocking_lead_time_s(uint64_t word, uint32_t otherwise)
{
    return word & STOCKING_HAS_LEAD_TIME ? (uint32_t)word : otherwise;
}

/* The word's parts; of 0, as if nothing were set. */
static inline struct stocking stocking_of(uint64_t word)
{
    bool lead = word & STOCKING_HAS_LEAD_TIME;
    return (struct stocking){ .stocked = stocking_stocked(word),
                              .safety = stocking_safety(word, -1),
                              .lead_time_s = lead ? (int64_t)(uint32_t)word : -1 };
}

#endif
