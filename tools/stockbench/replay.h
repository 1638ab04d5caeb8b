/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a file of orders. Each order is a reserve; when it is granted, a confirm; then a fulfil.
 * A return is one `return` for each of its lines. Orders go to the connections round robin;
 * --window limits how many are in flight on each.
 *
 * With --speed each order begins at its time in the file, divided by the speed, and its latency
 * counts from there. Without, each begins as soon as there is room, and its latency counts from
 * then. A latency is that of a whole order: to the last of its replies, or to its refusal.
 */
#ifndef TOOLS_STOCKBENCH_REPLAY_H
#define TOOLS_STOCKBENCH_REPLAY_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"
#include "tools/stockbench/orders.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/result.h"

/* False: it was aborted, and has reported why. */
bool replay_run(const struct options *options, const struct orders *orders,
                stockd_client *const *clients, struct progress *progress, struct result *result);

#endif
