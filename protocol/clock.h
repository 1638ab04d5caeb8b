/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's two clocks.
 *
 * Deadlines are in engine time: milliseconds that start at the wall clock (or at the journal's last
 * time, if that is later) and from then on follow the monotonic clock. Engine time never goes back
 * and never jumps, whatever happens to the wall clock.
 *
 * Replies carry wall time. While the wall clock is within a second of engine time, they carry
 * engine time itself, so that times do not jitter.
 */
#ifndef STOCKD_PROTOCOL_CLOCK_H
#define STOCKD_PROTOCOL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Const after clock_start; any thread may read it. */
struct engine_clock {
    uint64_t base_ms;   /* engine time at the start */
    uint64_t steady_ms; /* CLOCK_MONOTONIC at the start */
};

struct moment {
    uint64_t steady_ns; /* CLOCK_MONOTONIC */
    uint64_t steady_ms; /* the same */
    uint64_t engine_ms;
    uint64_t wall_ms;
};

static inline uint64_t clock_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Engine time starts no earlier than last_ms. */
static inline struct engine_clock clock_start(uint64_t last_ms)
{
    uint64_t wall_ms = clock_ms(CLOCK_REALTIME);
    return (struct engine_clock){
        .base_ms = wall_ms > last_ms ? wall_ms : last_ms,
        .steady_ms = clock_ms(CLOCK_MONOTONIC),
    };
}

static inline uint64_t clock_engine_ms(const struct engine_clock *clock, uint64_t steady_ms)
{
    return clock->base_ms + (steady_ms - clock->steady_ms);
}

static inline struct moment clock_now(const struct engine_clock *clock)
{
    struct moment now = { .steady_ns = clock_ns(CLOCK_MONOTONIC) };
    now.steady_ms = now.steady_ns / 1000000;
    now.engine_ms = clock_engine_ms(clock, now.steady_ms);
    now.wall_ms = clock_ms(CLOCK_REALTIME);
    uint64_t apart =
        now.wall_ms > now.engine_ms ? now.wall_ms - now.engine_ms : now.engine_ms - now.wall_ms;
    if (apart <= 1000)
        now.wall_ms = now.engine_ms;
    return now;
}

#endif
