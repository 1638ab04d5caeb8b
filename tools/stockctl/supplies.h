/* SPDX-License-Identifier: Apache-2.0 */
/* supplies.h - the list of supplies, page by page, and what can be worked out of one. */
#ifndef STOCKCTL_SUPPLIES_H
#define STOCKCTL_SUPPLIES_H

#include "tools/stockctl/ctl.h"

/* One line of a supply. */
struct supply_line {
    const char *sku; /* valid during the callback, and not NUL-terminated */
    size_t sku_len;
    int64_t qty;
    int64_t shipped;
    int64_t accepted;
    int64_t rejected;
    int64_t lost;
    int64_t under_way;
};

/* A walk over the lines of a supply. */
struct supply_lines {
    stockd_iter lines;
    stockd_iter under_way;
};

void supply_lines_of(stockd_value supply, struct supply_lines *lines);
/* False at the end. */
bool supply_line_next(struct supply_lines *lines, struct supply_line *out);

typedef void supply_fn(void *context, stockd_value supply);

/* Each supply that the options of the command select, or all that are under way. The map is valid
 * during the callback. Returns an exit code; *lsn is that of the first page. */
int supplies_each(struct ctl *ctl, const struct args *args, bool under_way, uint64_t *lsn,
                  supply_fn *each, void *context);

/* export_supplies.c, import_supplies.c */
int run_export_supplies(struct ctl *ctl, const struct args *args);
int run_import_supplies(struct ctl *ctl, const struct args *args);

#endif
