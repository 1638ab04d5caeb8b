/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/commit_times.h"

#include <assert.h>

/* Four buckets for each doubling, from 64 us on: 64, 80, 96, 112, 128, 160... */
enum { FIRST_US = 64, STEPS = 4 };

uint64_t commit_times_bound(unsigned bucket)
{
    assert(bucket < COMMIT_BUCKETS);
    if (bucket == COMMIT_BUCKETS - 1)
        return UINT64_MAX;
    uint64_t doubled = (uint64_t)FIRST_US << bucket / STEPS;
    return doubled + doubled / STEPS * (bucket % STEPS);
}

static void add(_Atomic uint64_t *count, uint64_t more)
{
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, now + more, memory_order_relaxed);
}

void commit_times_note(struct commit_times *times, uint64_t us)
{
    unsigned bucket = 0;
    while (commit_times_bound(bucket) < us)
        bucket++;
    add(&times->all[bucket], 1);
    add(&times->recent[bucket], 1);
    add(&times->sum_us, us);
}

void commit_times_fade(struct commit_times *times)
{
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++) {
        uint64_t now = atomic_load_explicit(&times->recent[i], memory_order_relaxed);
        atomic_store_explicit(&times->recent[i], now / 2, memory_order_relaxed);
    }
}

uint64_t commit_times_percentile(const struct commit_times *times, unsigned percent)
{
    uint64_t counts[COMMIT_BUCKETS], total = 0, seen = 0;
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++) {
        counts[i] = atomic_load_explicit(&times->recent[i], memory_order_relaxed);
        total += counts[i];
    }
    for (unsigned i = 0; total > 0; i++) {
        seen += counts[i];
        if (seen * 100 >= total * percent)
            return commit_times_bound(i);
    }
    return 0;
}
