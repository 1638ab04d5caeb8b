/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded random numbers for tests: the same seed gives the same numbers everywhere. */
#ifndef STOCKD_TESTS_SUPPORT_RANDOM_H
#define STOCKD_TESTS_SUPPORT_RANDOM_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea and Flood, 2014): any seed is as good as any other. */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* From 0 to below - 1. */
static inline int random_below(struct random *r, int below)
{
    assert(below > 0);
    return (int)(random_next(r) % (uint64_t)below);
}

/* From low to high, inclusive. */
static inline int random_between(struct random *r, int low, int high)
{
    return low + random_below(r, high - low + 1);
}

static inline bool random_chance(struct random *r, int percent)
{
    return random_below(r, 100) < percent;
}

#endif
