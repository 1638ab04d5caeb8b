/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks of a node. */
#ifndef STOCKD_CLUSTER_STEADY_H
#define STOCKD_CLUSTER_STEADY_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC: what a node measures and waits by. */
static inline uint64_t cluster_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* CLOCK_REALTIME: what it tells others. */
static inline uint64_t cluster_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
