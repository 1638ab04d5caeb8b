/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that has the ledger's memory zeroed before an operation comes to it. */
#ifndef STOCKD_TOOLS_STOCKD_POPULATING_H
#define STOCKD_TOOLS_STOCKD_POPULATING_H

#include "engine/ledger.h"

struct populating;

/* Signals are to be blocked already: the thread inherits that. 0 or -errno. */
int populating_start(struct populating **populating, struct ledger *ledger);
/* NULL is allowed. */
void populating_stop(struct populating *populating);

#endif
