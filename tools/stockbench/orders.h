/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of orders: CSV with a header that names order_id, channel, sku and qty, and optionally
 * location and time, in any order and among any others. Consecutive rows with one order_id are one
 * order; one whose first quantity is negative is a return. time is milliseconds since the Unix
 * epoch, or YYYY-MM-DD HH:MM:SS (with T for the space and Z at the end if you like); an order's is
 * its first row's.
 */
#ifndef TOOLS_STOCKBENCH_ORDERS_H
#define TOOLS_STOCKBENCH_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order_line {
    char *sku;
    char *location; /* NULL: none given */
    uint32_t qty;   /* > 0 */
};

struct order {
    char *id;
    char *channel;
    uint64_t time_ms; /* since the first order; never less than the previous order's */
    size_t first;     /* of its lines */
    size_t lines;
    bool is_return;
};

struct orders {
    struct order *order;
    size_t count;
    struct order_line *line;
    size_t lines;
    char **skus; /* each SKU of the file once */
    size_t sku_count;
    bool has_times;
};

/* False: it failed, and has reported why, by row and column. */
bool orders_read(struct orders *orders, const char *path);
void orders_free(struct orders *orders);

#endif
