/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks in one process share: the thread's own time, and cheap random numbers. */
#ifndef STOCKD_BENCH_MEASURE_H
#define STOCKD_BENCH_MEASURE_H

#include <stdint.h>
#include <time.h>

/* Processor time of this thread: neighbours do not count. */
static inline uint64_t own_nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Xorshift64 (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003). The
 * state is not 0. */
static inline uint64_t random_step(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
