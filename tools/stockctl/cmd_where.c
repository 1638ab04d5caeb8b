/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_where.c - what an order could have, before it is placed: promise, locate. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>

/* METHOD [channel, lines, {options}] */
static int ask(struct ctl *ctl, const struct args *args, const char *method, bool with_location,
               stockd_reply *reply)
{
    bool has_options = args_option_count(args) > 0;
    stockd_pack pack;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, has_options ? 3 : 2);
    stockd_pack_str(&pack, args->positional[0]);
    int failed = pack_lines(args, 1, with_location, &pack);
    if (failed == CTL_DONE && has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, reply);
    stockd_pack_free(&pack);
    return failed;
}

/* ---- promise --------------------------------------------------------------------------------- */

static int run_promise(struct ctl *ctl, const struct args *args)
{
    static const struct column lines[] = {
        { "sku", "<SKU" }, { "location", "<LOCATION" }, { "qty", ">QTY" }, { "ready_ms", "<READY" }
    };
    stockd_value complete = { 0 };
    stockd_reply reply;
    int failed = ask(ctl, args, "promise", true, &reply);

    if (failed != CTL_DONE)
        return failed;
    if (ctl->json) {
        show_json(reply.result, NULL);
        return CTL_DONE;
    }
    stockd_map_find(reply.result, "complete", &complete);
    char *text = show_text("complete", complete);
    printf("complete  %s\n", text);
    free(text);
    show_list(reply.result, "lines", lines, sizeof(lines) / sizeof(lines[0]));
    show_missing(reply.result);
    return CTL_DONE;
}

/* ---- locate ---------------------------------------------------------------------------------- */

/* "TEE-RED-M:3 MUG:0", to be freed. */
static char *basket_text(stockd_value option)
{
    stockd_value lines;
    stockd_value line;
    char *text = text_format("%s", "");

    if (!stockd_map_find(option, "lines", &lines))
        return text;
    stockd_iter it = stockd_iterate(lines);
    while (stockd_next(&it, NULL, &line)) {
        stockd_value sku = { 0 };
        stockd_value available = { 0 };

        stockd_array_at(line, 0, &sku);
        stockd_array_at(line, 1, &available);
        char *name = show_text("sku", sku);
        char *units = show_text("available", available);
        char *longer = text_format("%s%s%s:%s", text, text[0] != '\0' ? " " : "", name, units);
        free(name);
        free(units);
        free(text);
        text = longer;
    }
    return text;
}

static void add_option(struct table *table, stockd_value option)
{
    static const char *const keys[] = { "location", "distance_km", "complete", "ready_ms" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        stockd_value value = { 0 };

        stockd_map_find(option, keys[i], &value);
        char *text = show_text(keys[i], value);
        table_add(table, text);
        free(text);
    }
    char *basket = basket_text(option);
    table_add(table, basket);
    free(basket);
}

static int run_locate(struct ctl *ctl, const struct args *args)
{
    static const char *const titles[] = { "<LOCATION", ">KM",        "<COMPLETE",
                                          "<READY",    "<AVAILABLE", NULL };
    stockd_value options;
    stockd_value option;
    stockd_reply reply;
    int failed = ask(ctl, args, "locate", false, &reply);

    if (failed != CTL_DONE)
        return failed;
    if (ctl->json) {
        show_json(reply.result, NULL);
        return CTL_DONE;
    }
    struct table *table = table_new(titles);
    if (stockd_map_find(reply.result, "options", &options)) {
        stockd_iter it = stockd_iterate(options);
        while (stockd_next(&it, NULL, &option))
            add_option(table, option);
    }
    table_print(table, stdout, "");
    return CTL_DONE;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct option promise_options[] = {
    ORDER_TERMS,
    { .name = NULL },
};

static const struct option locate_options[] = {
    { "mode", "ship|pickup", "places that ship (the default), or where customers collect", "mode",
      OPTION_TEXT },
    { "lat", "DEGREES", "where the buyer is: north is positive", "lat", OPTION_REAL },
    { "lon", "DEGREES", "east is positive", "lon", OPTION_REAL },
    { "within", "KM", "only places within that distance", "within_km", OPTION_REAL },
    { "by", "TIME", "only what is ready by then: 2026-12-01T14:00, or +2d", "by_ms", OPTION_TIME },
    { "limit", "N", "at most so many places (10)", "limit", OPTION_COUNT },
    { .name = NULL },
};

const struct command where_commands[] = {
    {
        .name = "promise",
        .summary = "Show what an order would get now, and when; it holds nothing",
        .usage = "CHANNEL SKU[:QTY[@LOCATION]]... [OPTION]...",
        .details = "What `reserve` would take at this moment, and what would be missing.",
        .example = "stockctl promise web TEE-RED-M:2 --lat 48.86 --lon 2.35",
        .options = promise_options,
        .least = 2,
        .most = SIZE_MAX,
        .lines = "lines: sku location qty ready_ms",
        .run = run_promise,
    },
    {
        .name = "locate",
        .summary = "List the places where a basket could be had, the best first",
        .usage = "CHANNEL SKU[:QTY]... [OPTION]...",
        .details = "Best are places that have all of it, then the earliest, then the nearest.",
        .example = "stockctl locate web TEE-RED-M MUG:2 --mode pickup --lat 48.86 --lon 2.35",
        .options = locate_options,
        .least = 2,
        .most = SIZE_MAX,
        .list = "options: location distance_km complete ready_ms lines",
        .run = run_locate,
    },
    { .name = NULL },
};
