/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STOCKBENCH_STOCK_H
#define TOOLS_STOCKBENCH_STOCK_H

#include <stdbool.h>
#include <stddef.h>

#include <stockd/client.h>

/*
 * Sees to it that items 0 to items - 1 are known and in stock on channel default: those that are
 * missing or low are received at location main. Counts them in *received; false: why has been told.
 */
bool stock_items(stockd_client *client, size_t items, size_t *received);

#endif
