/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock_list.c - every item at every location, page by page.
 *
 * The engine lists its items in the order of their creation. An item that changes meanwhile is as
 * of its own page.
 */
#include "tools/stockctl/stock_list.h"

#define PAGE 1000

/* [location, on_hand, reserved, available] */
static bool give_level(struct stock_level *level, stockd_value value, stock_level_fn *each,
                       void *context)
{
    stockd_value field[4];
    stockd_iter it = stockd_iterate(value);

    for (size_t i = 0; i < 4; i++)
        if (!stockd_next(&it, NULL, &field[i]))
            return false;
    if (!stockd_value_str(field[0], &level->location, &level->location_len) ||
        !stockd_value_i64(field[1], &level->on_hand) ||
        !stockd_value_i64(field[2], &level->reserved) ||
        !stockd_value_i64(field[3], &level->available))
        return false;
    each(context, level);
    return true;
}

/* [sku, [level, ...]] */
static bool give_item(stockd_value item, stock_level_fn *each, void *context)
{
    stockd_value name;
    stockd_value levels;
    stockd_value value;
    struct stock_level level;

    if (!stockd_array_at(item, 0, &name) || !stockd_value_str(name, &level.sku, &level.sku_len) ||
        !stockd_array_at(item, 1, &levels))
        return false;
    stockd_iter it = stockd_iterate(levels);
    while (stockd_next(&it, NULL, &value))
        if (!give_level(&level, value, each, context))
            return false;
    return true;
}

/* One page. *next is where the next one begins, or 0 at the end. */
static int give_page(struct ctl *ctl, const char *location, uint64_t *next, uint64_t *lsn,
                     stock_level_fn *each, void *context)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value items;
    stockd_value item;
    uint64_t from = *next;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_u64(&pack, from);
    stockd_pack_map(&pack, location != NULL ? 2 : 1);
    stockd_pack_str(&pack, "limit");
    stockd_pack_u64(&pack, PAGE);
    if (location != NULL) {
        stockd_pack_str(&pack, "location");
        stockd_pack_str(&pack, location);
    }
    int failed = ctl_call(ctl, "items", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    bool good = stockd_map_find(reply.result, "items", &items);
    stockd_iter it = stockd_iterate(items);
    while (good && stockd_next(&it, NULL, &item))
        good = give_item(item, each, context);
    stockd_map_u64(reply.result, "lsn", lsn);
    if (!stockd_map_u64(reply.result, "next", next))
        *next = 0;
    if (!good || (*next != 0 && *next <= from)) /* or it would loop forever */
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                         "the engine sent an invalid page of items");
    return CTL_DONE;
}

int stock_each(struct ctl *ctl, const char *location, uint64_t *lsn, stock_level_fn *each,
               void *context)
{
    uint64_t next = 0;
    int failed;

    do {
        failed = give_page(ctl, location, &next, lsn, each, context);
    } while (failed == CTL_DONE && next != 0);
    return failed;
}
