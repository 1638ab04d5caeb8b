/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storm of connections: each of --connections places connects, asks one ping, reads the reply,
 * closes and connects anew. A latency is from just before connect to just after the reply. It
 * closes with a reset, as what it wants is connections made, not ports waiting out their time.
 */
#ifndef TOOLS_STOCKBENCH_STORM_H
#define TOOLS_STOCKBENCH_STORM_H

#include <stdbool.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"
#include "tools/stockbench/progress.h"
#include "tools/stockbench/result.h"

/* Connects to where the client is connected to. False: it broke off, and why has been told. */
bool storm_run(const struct options *options, const stockd_client *client,
               struct progress *progress, struct result *result);

#endif
