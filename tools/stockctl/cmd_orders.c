/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_orders.c - the list of orders: what a place has to do, or a channel has sold. */
#include "tools/stockctl/ctl.h"
#include "tools/stockctl/pages.h"

#include <stdlib.h>
#include <string.h>

/* Gathers rows for the table, or records for JSON. */
struct listing {
    struct table *table;
    json_t *json;         /* NULL: a table is wanted */
    const char *location; /* the part there only; NULL: each part */
};

static stockd_value field(stockd_value map, const char *key)
{
    stockd_value value = { 0 };

    stockd_map_find(map, key, &value);
    return value;
}

static void add_field(struct table *table, stockd_value map, const char *key)
{
    char *text = show_text(key, field(map, key));

    table_add(table, text);
    free(text);
}

static bool same_text(stockd_value a, stockd_value b)
{
    const char *at[2];
    size_t len[2];

    return stockd_value_str(a, &at[0], &len[0]) && stockd_value_str(b, &at[1], &len[1]) &&
           len[0] == len[1] && memcmp(at[0], at[1], len[0]) == 0;
}

/* Units that the place has yet to hand over: lines are [sku, location, qty, ready_ms, fulfilled,
 * cancelled]. */
static int64_t left_at(stockd_value order, stockd_value location)
{
    stockd_iter lines = stockd_iterate(field(order, "lines"));
    stockd_value line;
    stockd_value of[6];
    int64_t left = 0;

    while (stockd_next(&lines, NULL, &line)) {
        stockd_iter it = stockd_iterate(line);
        int64_t qty = 0;
        int64_t fulfilled = 0;
        int64_t cancelled = 0;
        for (size_t i = 0; i < 6; i++)
            if (!stockd_next(&it, NULL, &of[i]))
                return left;
        stockd_value_i64(of[2], &qty);
        stockd_value_i64(of[4], &fulfilled);
        stockd_value_i64(of[5], &cancelled);
        if (same_text(of[1], location))
            left += qty - fulfilled - cancelled;
    }
    return left;
}

static bool is_wanted(const struct listing *listing, stockd_value part)
{
    char code[64];

    return listing->location == NULL ||
           (stockd_value_copy_str(field(part, "location"), code, sizeof(code)) &&
            strcmp(code, listing->location) == 0);
}

/* A row for each part. */
static void add_order(void *context, stockd_value order)
{
    static const char *const of_part[] = { "location", "step", "ready_ms", "collect_by_ms" };
    struct listing *listing = context;
    stockd_value part;

    if (listing->json != NULL) {
        json_array_append_new(listing->json, json_from_value(order));
        return;
    }
    stockd_iter parts = stockd_iterate(field(order, "parts"));
    while (stockd_next(&parts, NULL, &part)) {
        if (!is_wanted(listing, part))
            continue;
        add_field(listing->table, order, "id");
        add_field(listing->table, order, "channel");
        add_field(listing->table, order, "state");
        for (size_t i = 0; i < sizeof(of_part) / sizeof(of_part[0]); i++)
            add_field(listing->table, part, of_part[i]);
        table_add_format(listing->table, "%lld",
                         (long long)left_at(order, field(part, "location")));
        add_field(listing->table, order, "ref");
    }
}

static int run_orders(struct ctl *ctl, const struct args *args)
{
    static const char *const titles[] = { "<ID",    "<CHANNEL",    "<STATE", "<LOCATION", "<STEP",
                                          "<READY", "<COLLECT BY", ">LEFT",  "<REF",      NULL };
    struct listing listing = { .table = table_new(titles),
                               .json = ctl->json ? json_array() : NULL,
                               .location = args_option(args, "location") };
    uint64_t lsn = 0;
    int failed = pages_each(ctl, args, "orders", NULL, &lsn, add_order, &listing);

    if (failed != CTL_DONE || ctl->json)
        table_free(listing.table);
    else
        table_print(listing.table, stdout, "");
    if (failed == CTL_DONE && ctl->json)
        show_json_value(json_pack("{s:I, s:O}", "lsn", (json_int_t)lsn, "orders", listing.json));
    json_decref(listing.json);
    return failed;
}

static const struct option orders_options[] = {
    { "location", "CODE", "only what draws from there, and the part there", "location",
      OPTION_TEXT },
    { "channel", "CODE", "only what that channel sold", "channel", OPTION_TEXT },
    { "state", "STATE", "only held, confirmed, fulfilled, cancelled or expired", "state",
      OPTION_TEXT },
    { "step", "STEP", "with a part that is open, ready, not_collected, ...", "step", OPTION_TEXT },
    { "late", NULL, "with a part that should be ready by now, and is not", "late", OPTION_FLAG },
    { .name = NULL },
};

const struct command orders_commands[] = {
    {
        .name = "orders",
        .summary = "List orders and what each place has to do",
        .usage = "[OPTION]...",
        .details =
            "A row for each part of an order: what it draws from one place. LEFT: units that\n"
            "the place has yet to hand over. Orders that have ended are listed as long as\n"
            "the engine remembers them.",
        .example = "stockctl orders --location store-1 --state confirmed --step open",
        .options = orders_options,
        .least = 0,
        .most = 0,
        .list = "orders: id channel state ref created_ms expires_ms",
        .run = run_orders,
    },
    { .name = NULL },
};
