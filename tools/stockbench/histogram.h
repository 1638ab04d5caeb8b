/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies in log-linear buckets: each power of two is cut into 128 equal parts, so a value is
 * known to better than 1 % (reported as its bucket's greatest value, so never too small), from
 * 1 ns to 18 minutes, in 34 KB.
 */
#ifndef TOOLS_STOCKBENCH_HISTOGRAM_H
#define TOOLS_STOCKBENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_PART_BITS = 7,
    HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
    HISTOGRAM_VALUE_BITS = 40, /* greater values count as the greatest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS,
};

struct histogram {
    uint64_t total;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts times values of value nanoseconds. */
void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);

/* Adds the counts of other. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* The value that a share (0 to 1) of all values does not exceed; 0 if there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

double histogram_mean(const struct histogram *histogram);

#endif
