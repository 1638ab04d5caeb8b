/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOCKD_MIRROR_CLOCK_H
#define STOCKD_MIRROR_CLOCK_H

#include <stdint.h>

/* CLOCK_REALTIME: what readers of Redis compare with their own clocks. */
uint64_t wall_ms(void);

/* CLOCK_MONOTONIC: what the mirror's thread measures and waits by. */
uint64_t steady_us(void);

/* The wall clock as an engine's context has it. Like the workers' (protocol/clock.h): engine time,
 * unless they are more than a second apart. */
static inline uint64_t clock_as_one(uint64_t engine_ms, uint64_t wall_ms)
{
    uint64_t apart = wall_ms > engine_ms ? wall_ms - engine_ms : engine_ms - wall_ms;
    return apart <= 1000 ? engine_ms : wall_ms;
}

static inline uint64_t steady_ms(void)
{
    return steady_us() / 1000;
}

#endif
