/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long commits took: a histogram of all, and one in which older ones count less and less. One
 * thread writes; any thread reads (relaxed, as all metrics).
 */
#ifndef STOCKD_CLUSTER_COMMIT_TIMES_H
#define STOCKD_CLUSTER_COMMIT_TIMES_H

#include <stdatomic.h>
#include <stdint.h>

enum { COMMIT_BUCKETS = 72 };

struct commit_times {
    _Atomic uint64_t all[COMMIT_BUCKETS];
    _Atomic uint64_t recent[COMMIT_BUCKETS];
    _Atomic uint64_t sum_us;
};

void commit_times_note(struct commit_times *times, uint64_t us);

/* What is recent counts half from now on. */
void commit_times_fade(struct commit_times *times);

/* Microseconds that so many per cent of the recent commits took at most, to within a quarter; 0:
 * there are none. */
uint64_t commit_times_percentile(const struct commit_times *times, unsigned percent);

/* The upper bound of that bucket in microseconds; of the last one UINT64_MAX. */
uint64_t commit_times_bound(unsigned bucket);

#endif
