/* SPDX-License-Identifier: Apache-2.0 */
/* stock_list.h - every item at every location. */
#ifndef STOCKCTL_STOCK_LIST_H
#define STOCKCTL_STOCK_LIST_H

#include "tools/stockctl/ctl.h"

/* An item at a location. The texts are valid during the callback, and not NUL-terminated. */
struct stock_level {
    const char *sku;
    size_t sku_len;
    const char *location;
    size_t location_len;
    int64_t on_hand;
    int64_t reserved;
    int64_t available;
};

typedef void stock_level_fn(void *context, const struct stock_level *level);

/* At that location, or NULL: everywhere. Those of the item created first come first. Returns an
 * exit code; *lsn is the last page's. */
int stock_each(struct ctl *ctl, const char *location, uint64_t *lsn, stock_level_fn *each,
               void *context);

#endif
