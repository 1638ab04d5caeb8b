/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_stock.c - commands that change or show the stock of one item. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>

/* METHOD [id, POSITIONAL..., {options}]; the one at `at` is a number. */
static int change_at(struct ctl *ctl, const struct args *args, const char *method, size_t at,
                     int64_t least)
{
    char id[STOCKD_ID_MAX + 1];
    int64_t number;
    stockd_pack pack;
    stockd_reply reply;
    int failed = args_int(args, "quantity", args->positional[at], least, CTL_QUANTITY_MAX, &number);

    if (failed == CTL_DONE)
        failed = ctl_take_id(args, id);
    if (failed != CTL_DONE)
        return failed;
    bool has_options = args_option_count(args) > 0;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, args->count + (has_options ? 2 : 1));
    stockd_pack_str(&pack, id);
    for (size_t i = 0; i < args->count; i++)
        if (i == at)
            stockd_pack_i64(&pack, number);
        else
            stockd_pack_str(&pack, args->positional[i]);
    if (has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_result(ctl, reply.result, id);
    return failed;
}

/* The number comes last. */
static int change(struct ctl *ctl, const struct args *args, const char *method, int64_t least)
{
    return change_at(ctl, args, method, args->count - 1, least);
}

static int run_receive(struct ctl *ctl, const struct args *args)
{
    return change(ctl, args, "receive", 1);
}

static int run_adjust(struct ctl *ctl, const struct args *args)
{
    return change(ctl, args, "adjust", -CTL_QUANTITY_MAX);
}

static int run_count(struct ctl *ctl, const struct args *args)
{
    return change(ctl, args, "count", 0);
}

static int run_return(struct ctl *ctl, const struct args *args)
{
    return change(ctl, args, "return", 1);
}

static int run_allot(struct ctl *ctl, const struct args *args)
{
    return change(ctl, args, "allot", -CTL_QUANTITY_MAX);
}

static int run_shift(struct ctl *ctl, const struct args *args)
{
    return change_at(ctl, args, "shift", 2, 1);
}

static void show_sold(const struct ctl *ctl, stockd_value result, const char *id)
{
    static const struct column columns[] = { { "sku", "<SKU" },
                                             { "on_hand", ">ON HAND" },
                                             { "available", ">AVAILABLE" } };
    static const char *const titles[] = { "<", "<", NULL };
    struct table *table = NULL;
    uint64_t lsn = 0;

    if (ctl->json) {
        show_json(result, id);
        return;
    }
    stockd_map_u64(result, "lsn", &lsn);
    table = table_untitled(titles);
    table_add(table, "id");
    table_add(table, id);
    table_add(table, "lsn");
    table_add_format(table, "%llu", (unsigned long long)lsn);
    table_print(table, stdout, "");
    show_list(result, "lines", columns, sizeof(columns) / sizeof(columns[0]));
}

/* [id, channel, location, lines, {options}] */
static int run_sold(struct ctl *ctl, const struct args *args)
{
    char id[STOCKD_ID_MAX + 1];
    stockd_pack pack;
    stockd_reply reply;
    bool has_options = args_option_count(args) > 0;
    int failed = ctl_take_id(args, id);

    if (failed != CTL_DONE)
        return failed;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, has_options ? 5 : 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_str(&pack, args->positional[1]);
    failed = pack_lines(args, 2, false, &pack);
    if (failed == CTL_DONE && has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "sold", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_sold(ctl, reply.result, id);
    return failed;
}

static void show_stock(stockd_value result)
{
    static const struct column columns[] = {
        { "location", "<LOCATION" }, { "kind", "<KIND" },         { "channel", "<CHANNEL" },
        { "on_hand", ">ON HAND" },   { "reserved", ">RESERVED" }, { "eta_ms", "?<ETA" },
        { "supply", "?<SUPPLY" },
    };
    static const char *const names[] = { "on_hand", "reserved", "available", "lsn", "time_ms" };
    static const char *const labels[] = { "on_hand", "reserved", "available", "lsn", "time" };
    const size_t shown = stockd_map_find(result, "time_ms", &(stockd_value){ 0 }) ? 5 : 3;
    static const char *const titles[] = { "<", ">", NULL };
    struct table *table = table_untitled(titles);
    stockd_value value;

    for (size_t i = 0; i < shown; i++) {
        char *text = show_text(
            names[i], stockd_map_find(result, names[i], &value) ? value : (stockd_value){ 0 });
        table_add(table, labels[i]);
        table_add(table, text);
        free(text);
    }
    table_print(table, stdout, "");
    if (stockd_map_find(result, "pools", &value) && stockd_value_count(value) > 0) {
        putchar('\n');
        show_records(value, columns, sizeof(columns) / sizeof(columns[0]), "", stdout);
    }
}

static int run_stock(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    const char *at = args_option(args, "at");
    int failed = CTL_DONE;
    bool waits = args_option(args, "min-lsn") != NULL;
    if (at != NULL && waits)
        return usage_error(args, "--at and --min-lsn cannot go together");
    stockd_pack_array(&pack, at != NULL || waits ? 2 : 1);
    stockd_pack_str(&pack, args->positional[0]);
    if (at != NULL)
        failed = pack_at(args, at, &pack);
    else if (waits)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "stock", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->json)
        show_json(reply.result, NULL);
    else
        show_stock(reply.result);
    return CTL_DONE;
}

static void show_availability(const struct args *args, stockd_value result)
{
    static const char *const titles[] = { "<SKU", ">AVAILABLE", NULL };
    struct table *table = table_new(titles);
    stockd_value stock = { 0 };
    stockd_value one;

    stockd_map_find(result, "stock", &stock);
    stockd_iter it = stockd_iterate(stock);
    for (size_t i = 1; i < args->count; i++) {
        int64_t units = 0;
        bool known = stockd_next(&it, NULL, &one) && stockd_value_i64(one, &units);
        table_add(table, args->positional[i]);
        if (known)
            table_add_format(table, "%lld", (long long)units);
        else
            table_add(table, "unknown");
    }
    table_print(table, stdout, "");
}

/* For rows: {stock: [[sku, available], ...]}. */
static json_t *with_skus(const struct args *args, stockd_value result)
{
    json_t *pairs = json_array();
    stockd_value stock = { 0 };
    stockd_value one;

    stockd_map_find(result, "stock", &stock);
    stockd_iter it = stockd_iterate(stock);
    for (size_t i = 1; i < args->count && stockd_next(&it, NULL, &one); i++)
        json_array_append_new(pairs,
                              json_pack("[s, o]", args->positional[i], json_from_value(one)));
    return json_pack("{s:o}", "stock", pairs);
}

static int run_availability(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    bool has_options = args_option_count(args) > 0;
    int failed = CTL_DONE;
    stockd_pack_array(&pack, has_options ? 3 : 2);
    stockd_pack_str(&pack, args->positional[0]);
    stockd_pack_array(&pack, args->count - 1);
    for (size_t i = 1; i < args->count; i++)
        stockd_pack_str(&pack, args->positional[i]);
    if (has_options)
        failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "availability", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->output == OUTPUT_CSV || ctl->output == OUTPUT_NDJSON)
        show_json_value(with_skus(args, reply.result));
    else if (ctl->json)
        show_json(reply.result, NULL);
    else
        show_availability(args, reply.result);
    return CTL_DONE;
}

#define OPTION_ID                                                                                  \
    {                                                                                              \
        "id", "ID", "makes repeating it harmless; generated if not given", NULL, OPTION_TEXT       \
    }
#define OPTION_REF                                                                                 \
    {                                                                                              \
        "ref", "TEXT", "a reference to store with it", "ref", OPTION_TEXT                          \
    }

#define OPTION_IF_ON_HAND                                                                          \
    {                                                                                              \
        "if-on-hand", "QTY", "only if that many are on hand there", "if_on_hand", OPTION_INT       \
    }

static const struct option receive_options[] = { OPTION_ID, OPTION_REF, { .name = NULL } };

static const struct option adjust_options[] = {
    OPTION_ID,
    OPTION_IF_ON_HAND,
    { "reason", "TEXT", "such as damaged or found", "reason", OPTION_TEXT },
    OPTION_REF,
    { .name = NULL },
};

static const struct option count_options[] = {
    OPTION_ID,
    { "as-of", "TIME", "when it was counted: 2025-03-01T14:05:00 (local) or ...Z", "as_of",
      OPTION_TIME },
    { "shelf", NULL, "counted without what is set aside for its buyers", "shelf", OPTION_FLAG },
    OPTION_IF_ON_HAND,
    OPTION_REF,
    { .name = NULL },
};

static const struct option return_options[] = {
    OPTION_ID,
    { "reservation", "ID", "the order it belonged to", "reservation", OPTION_TEXT },
    { "condition", "TEXT", "such as good or damaged", "condition", OPTION_TEXT },
    { .name = NULL },
};

static const struct option stock_options[] = {
    { "at", "LSN|TIME", "as of then: 4711, or 2025-03-01T14:05:00 (local) or ...Z", NULL,
      OPTION_TEXT },
    OPTION_MIN_LSN,
    { .name = NULL },
};

static const struct option availability_options[] = {
    OPTION_MIN_LSN,
    { .name = NULL },
};

static const struct option sold_options[] = {
    OPTION_ID,
    { "at", "TIME", "when it happened: 2025-03-01T14:05:00 (local) or ...Z; now, if not given",
      "at_ms", OPTION_TIME },
    OPTION_REF,
    { .name = NULL },
};

static const struct option shift_options[] = {
    OPTION_ID,
    { "reason", "TEXT", "such as scratched", "reason", OPTION_TEXT },
    OPTION_REF,
    { .name = NULL },
};

static const struct option allot_options[] = { OPTION_ID, { .name = NULL } };

const struct command stock_commands[] = {
    {
        .name = "receive",
        .summary = "Receive units",
        .usage = "SKU LOCATION QTY [OPTION]...",
        .example = "stockctl receive TEE-RED-M main 10 --id PO-4711-1 --ref PO-4711",
        .options = receive_options,
        .least = 3,
        .most = 3,
        .run = run_receive,
    },
    {
        .name = "adjust",
        .summary = "Add units to what is on hand, or remove some",
        .usage = "SKU LOCATION DELTA [OPTION]...",
        .example = "stockctl adjust TEE-RED-M main -2 --reason damaged",
        .options = adjust_options,
        .least = 3,
        .most = 3,
        .run = run_adjust,
    },
    {
        .name = "count",
        .summary = "Set what is on hand to what was counted",
        .usage = "SKU LOCATION COUNTED [OPTION]...",
        .example = "stockctl count TEE-RED-M store-1 7",
        .options = count_options,
        .least = 3,
        .most = 3,
        .run = run_count,
    },
    {
        .name = "return",
        .summary = "Take units back from a customer",
        .usage = "SKU LOCATION QTY [OPTION]...",
        .example = "stockctl return TEE-RED-M store-1 1 --reservation ORDER-1",
        .options = return_options,
        .least = 3,
        .most = 3,
        .run = run_return,
    },
    {
        .name = "allot",
        .summary = "Allot units to one channel, or take them back (a negative QTY)",
        .usage = "SKU LOCATION CHANNEL QTY [OPTION]...",
        .example = "stockctl allot TEE-RED-M main marketplace 20",
        .options = allot_options,
        .least = 4,
        .most = 4,
        .run = run_allot,
    },
    {
        .name = "sold",
        .summary = "Take off what a till sold; it is never refused for stock",
        .usage = "CHANNEL LOCATION SKU[:QTY]... [OPTION]...",
        .example = "stockctl sold till store-1 TEE-RED-M:2 --ref R-1042",
        .options = sold_options,
        .least = 3,
        .most = SIZE_MAX,
        .lines = "lines: sku on_hand available",
        .run = run_sold,
    },
    {
        .name = "shift",
        .summary = "Move units between sellable, damaged, quality and display",
        .usage = "SKU LOCATION QTY FROM TO [OPTION]...",
        .example = "stockctl shift TEE-RED-M store-1 1 sellable display",
        .options = shift_options,
        .least = 5,
        .most = 5,
        .run = run_shift,
    },
    {
        .name = "stock",
        .summary = "Show an item's stock at each location",
        .usage = "SKU [--at LSN|TIME] [--min-lsn LSN]",
        .example = "stockctl stock TEE-RED-M",
        .options = stock_options,
        .least = 1,
        .most = 1,
        .lines = "pools: location kind channel on_hand reserved",
        .run = run_stock,
    },
    {
        .name = "availability",
        .summary = "Show what a channel could sell now",
        .usage = "CHANNEL SKU... [--min-lsn LSN]",
        .options = availability_options,
        .example = "stockctl availability web TEE-RED-M TEE-RED-L",
        .least = 2,
        .most = SIZE_MAX,
        .list = "stock: sku available",
        .run = run_availability,
    },
    { .name = NULL },
};
