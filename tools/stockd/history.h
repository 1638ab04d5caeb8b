/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that answers questions about the past from the journal's files. */
#ifndef STOCKD_TOOLS_STOCKD_HISTORY_H
#define STOCKD_TOOLS_STOCKD_HISTORY_H

#include "persistence/journal.h"
#include "protocol/history_port.h"

struct history_thread;

/* Signals are to be blocked already: the thread inherits that. directory and journal outlive it. 0
 * or -errno. */
int history_start(struct history_thread **history, const char *directory,
                  const struct journal *journal);

/* Once no worker runs any more. What waits is given back unanswered. */
void history_stop(struct history_thread *history);

struct history_port history_port_of(struct history_thread *history);

#endif
