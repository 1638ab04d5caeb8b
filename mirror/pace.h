/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pace of the mirror: how often it reads the engine, and the budget of --redis-rate while the
 * engine is busy. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_PACE_H
#define STOCKD_MIRROR_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log/log.h"
#include "mirror/wake.h"

struct pace {
    struct wake *wake;
    const struct log *log;
    uint64_t rate; /* changed items a second while the engine is busy; 0: no limit */

    uint64_t read_us;            /* steady time of the last read of the engine */
    uint64_t work_us;            /* steady time of the last work */
    uint64_t paid_us;            /* steady time up to which the budget is spent; 0: not counted */
    uint64_t busy_us, busy_head; /* the last measurement of the log's growth */
    bool busy;                   /* its outcome */
};

/* Note that the engine is read, or that there is work, now. */
void pace_note_read(struct pace *p);
void pace_note_work(struct pace *p);

/* Waits until it is time to read the engine again. */
void pace_await_read(struct pace *p);

/* Charges the budget with that many items. */
void pace_spend(struct pace *p, uint32_t items);
bool pace_has_budget(const struct pace *p, uint64_t now_us);
/* Waits until there is budget, or the mirror stops. */
void pace_await_budget(struct pace *p);

#endif
