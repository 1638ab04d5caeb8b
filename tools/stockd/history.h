/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that answers history queries from the journal's files, and makes reports. */
#ifndef STOCKD_TOOLS_STOCKD_HISTORY_H
#define STOCKD_TOOLS_STOCKD_HISTORY_H

#include "persistence/journal.h"
#include "protocol/clock.h"
#include "protocol/history_port.h"

struct history_thread;

/* What it works on; all outlives it. */
struct history_parts {
    const char *directory;
    const struct journal *journal;
    struct ctx *ctx; /* a reader's, for this thread alone */
    const struct engine_clock *clock;
};

/* The caller has blocked signals: the thread inherits that. 0 or -errno. */
int history_start(struct history_thread **history, const struct history_parts *parts);

/* Once no worker runs any more. Returns waiting queries unanswered. */
void history_stop(struct history_thread *history);

struct history_port history_port_of(struct history_thread *history);

#endif
