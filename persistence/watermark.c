/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/watermark.h"

#include <assert.h>

void watermark_raise(struct watermarks *watermarks, enum watermark which,
                     struct log_position position)
{
    struct log_position old = watermark_read(watermarks, which);
    assert(which < WATERMARKS);
    assert(old.lsn <= position.lsn && old.number <= position.number); /* W1 */
    (void)old;
    atomic_store_explicit(&watermarks->marks[which].lsn, position.lsn, memory_order_release);
    atomic_store_explicit(&watermarks->marks[which].number, position.number, memory_order_release);
}

uint64_t watermarks_least(const struct watermarks *watermarks)
{
    uint64_t least = UINT64_MAX;
    assert(watermarks->required >> WATERMARKS == 0);
    for (unsigned i = 0; i < WATERMARKS; i++) {
        uint64_t lsn = atomic_load_explicit(&watermarks->marks[i].lsn, memory_order_acquire);
        if (watermarks->required >> i & 1 && lsn < least)
            least = lsn;
    }
    return least;
}

void watermarks_acknowledge(const struct watermarks *watermarks, struct log *log)
{
    uint64_t least = watermarks_least(watermarks);
    uint64_t old = atomic_load_explicit(&log->acknowledged, memory_order_relaxed); /* W3 */
    assert(old <= least);                                                          /* W1, W2 */
    if (old < least)
        atomic_store_explicit(&log->acknowledged, least, memory_order_release);
}
