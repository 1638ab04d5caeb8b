/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that does what workers have no time for: it logs when a table is nearly full, and
 * takes the signals that mean nothing to the engine, so that they do not end it.
 */
#ifndef STOCKD_TOOLS_STOCKD_WATCH_H
#define STOCKD_TOOLS_STOCKD_WATCH_H

#include "engine/ledger/ledger.h"

struct watch;

/* Blocks the signals that the thread takes, in this thread and those that it starts. Call it before
 * anything else: until the thread runs they must not end the process either. */
void watch_block_signals(void);

/* The ledger outlives it. 0 or -errno. */
int watch_start(struct watch **watch, const struct ledger *ledger);
/* NULL is allowed. */
void watch_stop(struct watch *watch);

#endif
