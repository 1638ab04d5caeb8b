/* SPDX-License-Identifier: Apache-2.0 */
/* supplies.c - the list of supplies, page by page. */
#include "tools/stockctl/supplies.h"

#include <string.h>

#define PAGE 1000

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

/* The id of the last supply of a page. */
struct after {
    char id[STOCKD_ID_MAX];
    size_t len;
};

/* `supplies` takes [{location, state, late, after, limit}]. */
static int pack_page(const struct args *args, bool under_way, const struct after *after,
                     stockd_pack *pack)
{
    stockd_pack_array(pack, 1);
    stockd_pack_map(pack, args_option_count(args) + under_way + (after->len > 0) + 1);
    stockd_pack_str(pack, "limit");
    stockd_pack_u64(pack, PAGE);
    if (under_way) {
        stockd_pack_str(pack, "state");
        stockd_pack_str(pack, "in_transit");
    }
    if (after->len > 0) {
        stockd_pack_str(pack, "after");
        stockd_pack_str_n(pack, after->id, after->len);
    }
    return args_pack_pairs(args, pack);
}

/* *next: where the next page begins, or empty. False: the page is none. */
static bool give_page(stockd_value result, struct after *next, supply_fn *each, void *context)
{
    stockd_value list;
    stockd_value supply;
    stockd_value id;
    const char *bytes;

    if (!stockd_map_find(result, "supplies", &list) || !stockd_map_find(result, "next", &id))
        return false;
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &supply))
        each(context, supply);
    next->len = 0;
    if (!stockd_value_str(id, &bytes, &next->len))
        return true;
    if (next->len == 0 || next->len > STOCKD_ID_MAX || stockd_value_count(list) == 0)
        return false; /* or it would loop forever */
    memcpy(next->id, bytes, next->len);
    return true;
}

int supplies_each(struct ctl *ctl, const struct args *args, bool under_way, uint64_t *lsn,
                  supply_fn *each, void *context)
{
    struct after after = { .len = 0 };
    stockd_reply reply;
    stockd_pack pack;
    bool first = true;

    do {
        stockd_pack_init(&pack, NULL, 0);
        int failed = pack_page(args, under_way, &after, &pack);
        if (failed == CTL_DONE)
            failed = ctl_call(ctl, "supplies", &pack, STOCKD_RETRY_SAFE, &reply);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
        if (first)
            stockd_map_u64(reply.result, "lsn", lsn);
        first = false;
        if (!give_page(reply.result, &after, each, context))
            return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                             "the engine sent an invalid page of supplies");
    } while (after.len > 0);
    return CTL_DONE;
}
