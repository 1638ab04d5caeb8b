/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_supply.c - what is on its way in the trial shop: deliveries that its warehouses expect, and
 * transfers between its main places.
 */
#include "tools/stockctl/demo.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define HOURS_MS (INT64_C(3600) * 1000)
#define SOON_MS 3000 /* more than two clocks differ by */

#define SOLD_OUT DEMO_ITEMS /* in place of a rank: see demo_on_order */

struct line {
    size_t rank; /* of the item */
    int qty;
};

#define SUPPLY_LINES_MAX 3

struct supply {
    const char *id;
    int from; /* a main place; -1: from outside */
    int to;
    int64_t due_ms; /* from now; 0: not known: held, so it is a transfer */
    const char *ref;
    struct line line[SUPPLY_LINES_MAX]; /* until qty is 0 */
};

static const struct supply supplies[DEMO_SUPPLIES] = {
    { "demo-po-late", -1, 0, SOON_MS, "PO-4711", { { 4, 60 }, { 9, 40 } } },
    { "demo-po-2", -1, 0, 48 * HOURS_MS, "PO-4712", { { SOLD_OUT, 80 }, { 0, 200 } } },
    { "demo-held", 0, 2, 0, "pallet 12", { { 1, 8 }, { 5, 6 } } },
    { "demo-truck-1", 0, 1, 20 * HOURS_MS, "TRUCK-1", { { 0, 12 }, { 1, 10 }, { 2, 8 } } },
    { "demo-truck-2", 0, 3, 22 * HOURS_MS, "TRUCK-1", { { 0, 8 }, { 3, 6 } } },
    { "demo-truck-3", 0, 7, 30 * HOURS_MS, "TRUCK-2", { { 2, 10 }, { 6, 6 } } },
    { "demo-truck-4", 0, 9, 26 * HOURS_MS, "TRUCK-3", { { 0, 40 }, { 1, 40 }, { 7, 20 } } },
    { "demo-truck-5", 0, 8, 5 * HOURS_MS, "TRUCK-4", { { 0, 6 } } },
};

size_t demo_on_order(const struct demo *demo)
{
    for (size_t item = 0; item < DEMO_ITEMS; item++) {
        size_t place = 0;
        while (place < DEMO_PLACES && demo->stock[item][place] == 0)
            place++;
        if (place == DEMO_PLACES)
            return item;
    }
    assert(false); /* some have never been in stock */
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t item_of(const struct demo *demo, size_t rank)
{
    size_t item = 0;

    if (rank == SOLD_OUT)
        return demo_on_order(demo);
    while (demo_rank(item) != rank)
        item++;
    return item;
}

static void pack_lines(const struct demo *demo, const struct supply *supply, stockd_pack *params)
{
    size_t count = 0;

    while (count < SUPPLY_LINES_MAX && supply->line[count].qty > 0)
        count++;
    stockd_pack_array(params, count);
    for (size_t i = 0; i < count; i++) {
        char sku[DEMO_SKU_SIZE];

        demo_sku(item_of(demo, supply->line[i].rank), sku);
        stockd_pack_array(params, 2);
        stockd_pack_str(params, sku);
        stockd_pack_i64(params, supply->line[i].qty);
    }
}

static void pack_options(const struct supply *supply, stockd_pack *params)
{
    stockd_pack_map(params, 2);
    stockd_pack_str(params, "ref");
    stockd_pack_str(params, supply->ref);
    if (supply->due_ms == 0) {
        stockd_pack_str(params, "ship");
        stockd_pack_bool(params, false);
    } else {
        stockd_pack_str(params, "eta_ms");
        stockd_pack_i64(params, now_ms() + supply->due_ms);
    }
}

const char *demo_pack_supply(const struct demo *demo, const struct demo_task *task,
                             stockd_pack *params)
{
    const struct supply *supply = &supplies[task->what];

    stockd_pack_array(params, supply->from < 0 ? 4 : 5);
    stockd_pack_str(params, supply->id);
    if (supply->from >= 0)
        stockd_pack_str(params, demo->place[supply->from].code);
    stockd_pack_str(params, demo->place[supply->to].code);
    pack_lines(demo, supply, params);
    pack_options(supply, params);
    return supply->from < 0 ? "expect" : "transfer";
}
