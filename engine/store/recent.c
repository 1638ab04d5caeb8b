/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/recent.h"

#include <errno.h>

#include "engine/base/memory.h"

int recent_init(struct recent *recent)
{
    recent->ring = memory_reserve(RECENT_CHANGES * sizeof *recent->ring);
    return recent->ring ? 0 : -ENOMEM;
}

void recent_destroy(struct recent *recent)
{
    memory_release(recent->ring, RECENT_CHANGES * sizeof *recent->ring);
}

void recent_forget(struct recent *recent, uint64_t time_ms)
{
    uint64_t known = atomic_load_explicit(&recent->forgotten_ms, memory_order_relaxed);
    if (time_ms > known)
        atomic_store_explicit(&recent->forgotten_ms, time_ms, memory_order_release);
}

/* time: see struct recent_change. */
static void append(struct recent *recent, uint64_t time, uint32_t pool, int64_t delta)
{
    uint64_t count = atomic_load_explicit(&recent->count, memory_order_relaxed);
    struct recent_change *at = &recent->ring[count % RECENT_CHANGES];
    if (count >= RECENT_CHANGES) {
        uint64_t oldest = atomic_load_explicit(&at->time_ms, memory_order_relaxed) & ~RECENT_LATE;
        uint64_t known = atomic_load_explicit(&recent->forgotten_ms, memory_order_relaxed);
        if (oldest > known) /* release: a reader of the new entry sees this too */
            atomic_store_explicit(&recent->forgotten_ms, oldest, memory_order_release);
    }
    atomic_store_explicit(&at->time_ms, time, memory_order_release);
    atomic_store_explicit(&at->pool, pool, memory_order_release);
    atomic_store_explicit(&at->delta, (int32_t)delta, memory_order_release);
    atomic_store_explicit(&recent->count, count + 1, memory_order_release);
}

void recent_add(struct recent *recent, uint64_t time_ms, uint32_t pool, int64_t delta)
{
    recent->booked_ms = time_ms;
    append(recent, time_ms, pool, delta);
}

void recent_load_late(struct recent *recent, uint64_t happened_ms, uint32_t pool, int64_t delta)
{
    append(recent, happened_ms | RECENT_LATE, pool, delta);
}

void recent_add_late(struct recent *recent, uint64_t booked_ms, uint64_t happened_ms, uint32_t pool,
                     int64_t delta)
{
    if (happened_ms >= booked_ms) {
        recent_add(recent, booked_ms, pool, delta);
        return;
    }
    if (recent->booked_ms != booked_ms)
        recent_add(recent, booked_ms, pool, 0);
    recent_load_late(recent, happened_ms, pool, delta);
}

static bool among(uint32_t pool, const uint32_t *pools, uint32_t pool_count)
{
    for (uint32_t i = 0; i < pool_count; i++)
        if (pools[i] == pool)
            return true;
    return false;
}

bool recent_since(const struct recent *recent, uint64_t time_ms, const uint32_t *pools,
                  uint32_t pool_count, int64_t *sum)
{
    uint64_t count = atomic_load_explicit(&recent->count, memory_order_acquire);
    uint64_t oldest = count > RECENT_CHANGES ? count - RECENT_CHANGES : 0;
    for (uint64_t i = count; i > oldest; i--) {
        const struct recent_change *at = &recent->ring[(i - 1) % RECENT_CHANGES];
        uint64_t time = atomic_load_explicit(&at->time_ms, memory_order_acquire);
        bool late = time & RECENT_LATE;
        if ((time & ~RECENT_LATE) <= time_ms) {
            if (late) /* what was booked before it may have happened after it */
                continue;
            break;
        }
        if (among(atomic_load_explicit(&at->pool, memory_order_acquire), pools, pool_count))
            *sum += atomic_load_explicit(&at->delta, memory_order_acquire);
    }
    /* Last: if the ring has wrapped meanwhile, this has moved past the time. */
    return atomic_load_explicit(&recent->forgotten_ms, memory_order_acquire) <= time_ms;
}
