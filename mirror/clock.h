/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_MIRROR_CLOCK_H
#define STOCKD_MIRROR_CLOCK_H

#include <stdint.h>

/* CLOCK_REALTIME: what readers of Redis compare with their own clocks. */
uint64_t wall_ms(void);

/* CLOCK_MONOTONIC: what the mirror's thread measures and waits by. */
uint64_t steady_us(void);

static inline uint64_t steady_ms(void)
{
    return steady_us() / 1000;
}

#endif
