/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/latency.h"

#include <assert.h>

#include "protocol/metrics.h"

static const uint64_t bounds_us[] = LATENCY_BOUNDS_US;

_Static_assert(sizeof bounds_us / sizeof *bounds_us == LATENCY_BOUNDS, "a bound for each bucket");

uint64_t latency_bound_us(unsigned bucket)
{
    assert(bucket < LATENCY_BOUNDS);
    return bounds_us[bucket];
}

void latency_note(struct latency *latency, uint64_t ns, uint64_t count)
{
    unsigned bucket = 0;
    while (bucket < LATENCY_BOUNDS && ns > bounds_us[bucket] * 1000) /* @bound */
        bucket++;
    metric_add(&latency->buckets[bucket], count);
    metric_add(&latency->sum_ns, ns * count);
}
