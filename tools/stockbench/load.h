/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load: one thread, many connections.
 *
 * Closed loop: each connection keeps a window of requests in flight; whenever replies have come, as
 * many requests follow in one send. A latency is a message's way from just before its request is
 * written to just after its reply is read, its wait in both queues included.
 *
 * Open loop: requests go out by a schedule, in groups to one connection after another, as many at
 * once as have become due since the last look. A latency counts from the scheduled time. What was
 * due in the measured time and could not be sent counts as having waited until its end.
 */
#ifndef TOOLS_STOCKBENCH_LOAD_H
#define TOOLS_STOCKBENCH_LOAD_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/result.h"

/* The connections are open and idle, and so they are afterwards. False: it broke off, and why has
 * been told. */
bool load_run(const struct options *options, stockd_client *const *clients,
              struct progress *progress, struct result *result);

#endif
