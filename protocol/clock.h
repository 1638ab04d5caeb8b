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

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* Any thread may read it. */
struct engine_clock {
    _Atomic uint64_t base_ms; /* engine time at the start, or more: see clock_raise. Relaxed */
    uint64_t steady_ms;       /* CLOCK_MONOTONIC at the start; const */
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

static inline uint64_t clock_base_ms(const struct engine_clock *clock)
{
    return atomic_load_explicit(&clock->base_ms, memory_order_relaxed);
}

static inline uint64_t clock_engine_ms(const struct engine_clock *clock, uint64_t steady_ms)
{
    return clock_base_ms(clock) + (steady_ms - clock->steady_ms);
}

/*
 * Engine time is not below last_ms from now on: that of a ledger which has followed another one
 * goes on from the other's. By one thread, before it tells others that the ledger goes on; so who
 * learns of that reads no earlier time.
 */
static inline void clock_raise(struct engine_clock *clock, uint64_t last_ms)
{
    uint64_t now_ms = clock_engine_ms(clock, clock_ms(CLOCK_MONOTONIC));
    if (now_ms < last_ms)
        atomic_store_explicit(&clock->base_ms, clock_base_ms(clock) + (last_ms - now_ms),
                              memory_order_relaxed);
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
