/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that does what workers have no time for: it logs when a table is nearly full, and
 * takes the signals that do not stop the engine: SIGHUP reloads files, the others mean nothing.
 */
#ifndef STOCKD_TOOLS_STOCKD_WATCH_H
#define STOCKD_TOOLS_STOCKD_WATCH_H

#include <stdbool.h>

#include "engine/ledger/ledger.h"

struct watch;

/* Blocks the signals that the thread takes, in this thread and those that it starts. Call it before
 * anything else: until the thread runs they must not end the process either. */
void watch_block_signals(void);

/* What else its thread does: look is called every half second, and at once when SIGHUP has come
 * (asked). The context outlives the watch. */
struct watch_task {
    void (*look)(void *context, bool asked);
    void *context;
};

enum { WATCH_TASKS_MAX = 4 };

/* Without tasks SIGHUP is ignored. The ledger outlives it. 0 or -errno. */
int watch_start(struct watch **watch, const struct ledger *ledger, const struct watch_task *tasks,
                unsigned task_count);
/* NULL is allowed. */
void watch_stop(struct watch *watch);

#endif
