/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/pace.h"

#include "mirror/clock.h"

enum {
    READ_US = 1000,      /* between two reads while there is work */
    IDLE_READ_US = 4000, /* after a while without work */
    IDLE_AFTER_US = 100000,
    BURST_US = 100000,
    MEASURE_US = 100000,
    BUSY_BYTES = 32 << 20, /* growth of the log per second: some 560,000 changes */
};

void pace_note_read(struct pace *p)
{
    p->read_us = steady_us();
}

void pace_note_work(struct pace *p)
{
    p->work_us = steady_us();
}

void pace_await_read(struct pace *p)
{
    uint64_t now = steady_us();
    uint64_t until = p->read_us + (now - p->work_us > IDLE_AFTER_US ? IDLE_READ_US : READ_US);
    if (until > now)
        wake_pause(p->wake, until);
}

/* True if the log grows as fast as under full load; measures every MEASURE_US. */
static bool engine_busy(struct pace *p, uint64_t now)
{
    uint64_t passed = now - p->busy_us;
    if (passed >= MEASURE_US) {
        uint64_t head = log_head(p->log);
        p->busy = (head - p->busy_head) * 1000000 / passed > BUSY_BYTES;
        p->busy_us = now;
        p->busy_head = head;
    }
    return p->busy;
}

/*
 * At most BURST_US of unused budget accumulate. The budget applies only while the engine is busy:
 * if the engine, its clients and Redis share too few processors, showing stock a little later costs
 * less than selling it more slowly.
 */
void pace_spend(struct pace *p, uint32_t items)
{
    uint64_t now = steady_us();
    if (p->rate == 0 || !engine_busy(p, now))
        p->paid_us = 0;
    else if (p->paid_us + BURST_US < now)
        p->paid_us = now - BURST_US;
    if (p->paid_us)
        p->paid_us += items * UINT64_C(1000000) / p->rate;
}

bool pace_has_budget(const struct pace *p, uint64_t now_us)
{
    return p->paid_us <= now_us;
}

void pace_await_budget(struct pace *p)
{
    while (!pace_has_budget(p, steady_us()) && !wake_stopping(p->wake))
        wake_pause(p->wake, p->paid_us);
}
