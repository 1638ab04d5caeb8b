/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load: one thread, many connections.
 *
 * Closed loop: each connection keeps a window of requests in flight; whenever replies arrive, as
 * many requests follow in one send. A latency is the time from just before a message's request is
 * written to just after its reply is read, its wait in both queues included.
 *
 * Open loop: requests go out by a schedule, in groups to one connection after another, as many at
 * once as have become due since the last look. A latency counts from the scheduled time. A request
 * due in the measured time that could not be sent counts as having waited until its end.
 */
#ifndef TOOLS_STOCKBENCH_LOAD_H
#define TOOLS_STOCKBENCH_LOAD_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/result.h"

/* The connections are open and idle, before and after. False: it was aborted, and has reported
 * why. */
bool load_run(const struct options *options, stockd_client *const *clients,
              struct progress *progress, struct result *result);

#endif
