/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storm of connections: each of --connections slots connects, sends one ping, reads the reply,
 * closes and connects anew. A latency is from just before connect to just after the reply. It
 * closes with a reset, so that no ports linger in TIME_WAIT.
 */
#ifndef TOOLS_STOCKBENCH_STORM_H
#define TOOLS_STOCKBENCH_STORM_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/result.h"

/* Connects to the client's server. False: it was aborted, and has reported why. */
bool storm_run(const struct options *options, const stockd_client *client,
               struct progress *progress, struct result *result);

#endif
