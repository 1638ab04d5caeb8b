/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that looks after the ledger's tables: it has memory zeroed before an operation needs
 * it, measures the rate of new ids, warns before the id table is full, and lays out opening hours
 * day by day.
 */
#ifndef STOCKD_TOOLS_STOCKD_CARETAKER_H
#define STOCKD_TOOLS_STOCKD_CARETAKER_H

#include "engine/ledger/ledger.h"
#include "protocol/clock.h"

struct caretaker;

/* The caller has blocked signals: the thread inherits that. It has just laid out opening hours. The
 * ledger and the clock outlive the caretaker. 0 or -errno. */
int caretaker_start(struct caretaker **caretaker, struct ledger *ledger,
                    const struct engine_clock *clock);
/* NULL is allowed. */
void caretaker_stop(struct caretaker *caretaker);

/* Tells why opening hours are not laid out. */
void caretaker_warn_hours(const struct lay_out_failure *failure);

#endif
