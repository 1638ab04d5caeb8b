/* SPDX-License-Identifier: Apache-2.0 */
/* supplies.c - the list of supplies, and their lines. */
#include "tools/stockctl/supplies.h"

#include "tools/stockctl/pages.h"

void supply_lines_of(stockd_value supply, struct supply_lines *lines)
{
    stockd_value list = { 0 };
    stockd_value under_way = { 0 };

    stockd_map_find(supply, "lines", &list);
    stockd_map_find(supply, "under_way", &under_way);
    *lines = (struct supply_lines){ stockd_iterate(list), stockd_iterate(under_way) };
}

bool supply_line_next(struct supply_lines *lines, struct supply_line *out)
{
    stockd_value line;
    stockd_value under_way;
    stockd_value field[6];

    if (!stockd_next(&lines->lines, NULL, &line) ||
        !stockd_next(&lines->under_way, NULL, &under_way))
        return false;
    stockd_iter it = stockd_iterate(line);
    for (size_t i = 0; i < 6; i++)
        if (!stockd_next(&it, NULL, &field[i]))
            return false;
    return stockd_value_str(field[0], &out->sku, &out->sku_len) &&
           stockd_value_i64(field[1], &out->qty) && stockd_value_i64(field[2], &out->shipped) &&
           stockd_value_i64(field[3], &out->accepted) &&
           stockd_value_i64(field[4], &out->rejected) && stockd_value_i64(field[5], &out->lost) &&
           stockd_value_i64(under_way, &out->under_way);
}

int supplies_each(struct ctl *ctl, const struct args *args, bool under_way, uint64_t *lsn,
                  supply_fn *each, void *context)
{
    return pages_each(ctl, args, "supplies", under_way ? "in_transit" : NULL, lsn, each, context);
}
