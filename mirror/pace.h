/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the mirror goes: how often it looks for changes, and the rate's budget while the engine
 * is busy. Owned by the mirror's thread.
 */
#ifndef STOCKD_MIRROR_PACE_H
#define STOCKD_MIRROR_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/log.h"
#include "mirror/wake.h"

struct pace {
    struct wake *wake;
    const struct log *log;
    uint64_t rate; /* changed items a second while the engine is busy; 0: no limit */

    uint64_t read_us; /* steady time of the last reading of marks, */
    uint64_t work_us; /* and at which there was last something to do */
    uint64_t paid_us; /* steady time up to which the budget is used; 0: it is not counted */
    uint64_t busy_us, busy_head; /* when the log's growth was measured, and its head then */
    bool busy;                   /* it was great */
};

/* Marks are read now; there is something to do now. */
void pace_note_read(struct pace *p);
void pace_note_work(struct pace *p);

/* Waits until the marks are to be read again. */
void pace_await_read(struct pace *p);

/* That many items are sent. */
void pace_spend(struct pace *p, uint32_t items);
bool pace_has_budget(const struct pace *p, uint64_t now_us);
/* Waits for the budget, or until it is to stop. */
void pace_await_budget(struct pace *p);

#endif
