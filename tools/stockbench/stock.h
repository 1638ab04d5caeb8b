/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_STOCK_H
#define TOOLS_STOCKBENCH_STOCK_H

#include <stdbool.h>
#include <stddef.h>

#include <stockd/client.h>

#include "tools/stockbench/options.h"

/*
 * Makes sure that the workload's items are known and in stock on channel default: those that are
 * missing or low are received at location main, or at each of --places, which are made if they do
 * not exist. In a flash sale each item then has exactly --units available. Counts in *stocked how
 * many items that changed. False: it failed, and has reported why.
 */
bool stock_items(const struct options *options, stockd_client *client, size_t *stocked);

#endif
