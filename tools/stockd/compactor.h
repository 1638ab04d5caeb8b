/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts compactions: `stock-journal compact`, a process of its own, once enough segments are
 * sealed that no snapshot covers. One at a time, at the lowest priority; the engine itself waits
 * for nothing. A thread looks once a second, and tells how the last one went.
 */
#ifndef STOCKD_TOOLS_STOCKD_COMPACTOR_H
#define STOCKD_TOOLS_STOCKD_COMPACTOR_H

#include "persistence/journal.h"
#include "protocol/storage_port.h"
#include "tools/stockd/options.h"

struct compactor;

/* Nothing runs yet. Options and journal outlive it. 0, or -errno. */
int compactor_create(struct compactor **compactor, const struct options *options,
                     struct journal *journal, const struct recovery_base *base);
int compactor_start(struct compactor *compactor);
/* Ends a compaction that is under way: it may be ended anywhere. Frees; NULL: nothing. */
void compactor_stop(struct compactor *compactor);

/* For `info`. Any thread. Returns how many, at most STORAGE_METRICS_MAX. */
unsigned compactor_metrics(void *compactor, struct storage_metric *metrics);

#endif
