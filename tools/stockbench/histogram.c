/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/histogram.h"

#include <assert.h>
#include <stddef.h>

/*
 * Below 2 * PARTS a bucket is one value. Above, the value's leading PART_BITS + 1 bits choose: the
 * number of shifted-out bits is the row, the rest (which has its top bit set) the index in it.
 */
static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_PARTS)
        return (size_t)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_PART_BITS;

    return (size_t)((uint64_t)shift * HISTOGRAM_PARTS + (value >> shift));
}

/* The greatest value of a bucket. */
static uint64_t top_of(size_t bucket)
{
    if (bucket < 2 * HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_PARTS) - 1;
    uint64_t lead = bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;

    return ((lead + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
    if (value >= UINT64_C(1) << HISTOGRAM_VALUE_BITS)
        value = (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;
    size_t bucket = bucket_of(value);

    assert(bucket < HISTOGRAM_BUCKETS);
    histogram->buckets[bucket] += times;
    histogram->total += times;
    histogram->sum += value * times;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
    histogram->total += other->total;
    histogram->sum += other->sum;
    if (other->max > histogram->max)
        histogram->max = other->max;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    double want = share * (double)histogram->total;
    uint64_t seen = 0;

    assert(share >= 0);
    assert(share <= 1);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= want)
            return top_of(i) < histogram->max ? top_of(i) : histogram->max;
    }
    return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->total ? (double)histogram->sum / (double)histogram->total : 0;
}
