/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the units add up. Over all items of the workload, from before a run to after it:
 *
 *   on hand  changes by what was returned less what was fulfilled
 *   reserved changes by what was reserved less what was fulfilled and cancelled
 *
 * where the right sides are as the replies reported. Nothing else may change these items meanwhile.
 */
#ifndef TOOLS_STOCKBENCH_CHECK_H
#define TOOLS_STOCKBENCH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "tools/stockbench/result.h"

struct units {
    int64_t on_hand;
    int64_t reserved;
};

/* The items to sum over: from index to NUL-terminated SKU. */
struct check_items {
    size_t count;
    void (*sku)(const void *context, size_t index, char sku[STOCKD_SKU_MAX + 1]);
    const void *context;
};

/* Asks for each item's stock; an unknown item has none. False: it failed, and has reported why. */
bool check_sum(stockd_client *client, const struct check_items *items, struct units *sum);

/* Fills result->check from the units in result->units and the sums. */
void check_compare(struct result *result, const struct units *before, const struct units *after);

#endif
