/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms of how long something took. One thread writes a histogram and any thread reads it:
 * relaxed, as all metrics. So a reader may see a bucket before the sum; each only rises.
 */
#ifndef STOCKD_PROTOCOL_LATENCY_H
#define STOCKD_PROTOCOL_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>

/* Upper bounds of the buckets in microseconds; one more bucket has no bound. */
#define LATENCY_BOUNDS_US                                                                          \
    {                                                                                              \
        50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, \
            2000000, 5000000,                                                                      \
    }

enum { LATENCY_BOUNDS = 16 };

struct latency {
    _Atomic uint64_t buckets[LATENCY_BOUNDS + 1];
    _Atomic uint64_t sum_ns;
};

/* The bound of that bucket in microseconds; bucket < LATENCY_BOUNDS. */
uint64_t latency_bound_us(unsigned bucket);

/* `count` things took that long each. Only the histogram's writer. */
void latency_note(struct latency *latency, uint64_t ns, uint64_t count);

#endif
