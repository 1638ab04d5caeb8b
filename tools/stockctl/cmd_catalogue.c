/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_catalogue.c - locations, channels and items. */
#include "tools/stockctl/ctl.h"

#include <string.h>

int run_set(struct ctl *ctl, const struct args *args, const char *method)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, args->count + 1);
    for (size_t i = 0; i < args->count; i++)
        stockd_pack_str(&pack, args->positional[i]);
    int failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_DONE)
        show_result(ctl, reply.result, NULL);
    return failed;
}

static int run_location_set(struct ctl *ctl, const struct args *args)
{
    return run_set(ctl, args, "location_set");
}

static int run_channel_set(struct ctl *ctl, const struct args *args)
{
    return run_set(ctl, args, "channel_set");
}

static int run_item_set(struct ctl *ctl, const struct args *args)
{
    return run_set(ctl, args, "item_set");
}

int run_list(struct ctl *ctl, const char *method, const struct column *columns, size_t count)
{
    stockd_reply reply;
    stockd_value records;
    int failed = ctl_call(ctl, method, NULL, STOCKD_RETRY_SAFE, &reply);

    if (failed != CTL_DONE)
        return failed;
    if (!ctl->json && reply_list(reply.result, &records))
        show_records(records, columns, count, "", stdout);
    else
        show_result(ctl, reply.result, NULL);
    return CTL_DONE;
}

static int run_location_list(struct ctl *ctl, const struct args *args)
{
    static const struct column columns[] = {
        { "code", "<CODE" },          { "kind", "<KIND" },          { "name", "<NAME" },
        { "priority", ">PRIORITY" },  { "lead_time_s", ">LEAD" },   { "ships", "<SHIPS" },
        { "pickup", "<PICKUP" },      { "groups", "<GROUPS" },      { "active", "<ACTIVE" },
        { "calendar", "?<CALENDAR" }, { "dispatch", "?<DISPATCH" }, { "safety", "?>SAFETY" },
    };
    (void)args;
    return run_list(ctl, "locations", columns, sizeof(columns) / sizeof(columns[0]));
}

static int run_channel_list(struct ctl *ctl, const struct args *args)
{
    static const struct column columns[] = {
        { "code", "<CODE" },
        { "kind", "<KIND" },
        { "name", "<NAME" },
        { "buffer", ">BUFFER" },
        { "hold_ttl_ms", ">HOLD" },
        { "sourcing", "<SOURCING" },
        { "ignore_safety", "?<IGNORES SAFETY" },
        { "promise", "<PROMISES" },
        { "horizon_s", ">HORIZON" },
        { "locations", "<SELLS FROM" },
    };
    (void)args;
    return run_list(ctl, "channels", columns, sizeof(columns) / sizeof(columns[0]));
}

/* The record of one code, out of all. */
struct wanted {
    const struct ctl *ctl;
    const char *code;
    bool found;
};

static void show_if_wanted(void *context, const char *code, size_t len, stockd_value record)
{
    struct wanted *wanted = context;

    if (strlen(wanted->code) != len || memcmp(wanted->code, code, len) != 0)
        return;
    wanted->found = true;
    show_result(wanted->ctl, record, NULL);
}

int run_one(struct ctl *ctl, const struct args *args, const char *method, const char *what)
{
    struct wanted wanted = { .ctl = ctl, .code = args->positional[0] };
    char code[40];
    int failed = listing_each(ctl, method, NULL, show_if_wanted, &wanted);

    if (failed != CTL_DONE || wanted.found)
        return failed;
    snprintf(code, sizeof(code), "unknown_%s", what);
    return ctl_error(ctl, CTL_REFUSED, code, "unknown %s '%s'", what, wanted.code);
}

static int run_location_show(struct ctl *ctl, const struct args *args)
{
    return run_one(ctl, args, "locations", "location");
}

static int run_channel_show(struct ctl *ctl, const struct args *args)
{
    return run_one(ctl, args, "channels", "channel");
}

static const struct option location_options[] = {
    { "kind", "KIND", "such as warehouse or store", "kind", OPTION_TEXT },
    { "name", "TEXT", "for people", "name", OPTION_TEXT },
    { "priority", "N", "the lowest comes first", "priority", OPTION_INT },
    { "lead-time", "DURATION", "from order to ready, such as 2h", "lead_time_s", OPTION_SECONDS },
    { "ships", "yes|no", "sends parcels", "ships", OPTION_BOOL },
    { "pickup", "yes|no", "customers collect here", "pickup", OPTION_BOOL },
    { "lat", "DEGREES", "latitude", "lat", OPTION_REAL },
    { "lon", "DEGREES", "longitude", "lon", OPTION_REAL },
    { "groups", "A,B", "groups that it belongs to", "groups", OPTION_LIST },
    { "active", "yes|no", "no: out of use", "active", OPTION_BOOL },
    { "calendar", "CODE", "when it is open, see `calendar set`", "calendar", OPTION_TEXT },
    { "dispatch", "TIMES", "when parcels leave, such as 'mon-fri 16:00'", "dispatch",
      OPTION_DISPATCH },
    { "safety", "N", "units of each item that stay there unsold", "safety", OPTION_COUNT },
    { .name = NULL },
};

static const struct option channel_options[] = {
    { "kind", "KIND", "such as web, app, marketplace or pos", "kind", OPTION_TEXT },
    { "name", "TEXT", "for people", "name", OPTION_TEXT },
    { "locations", "A,B", "the locations it sells from (all)", "locations", OPTION_LIST },
    { "buffer", "N", "units of each item that it neither shows nor sells", "buffer", OPTION_COUNT },
    { "hold-ttl", "DURATION", "how long a reservation is held", "hold_ttl_ms", OPTION_MILLIS },
    { "sourcing", "RULE", "priority, nearest, fewest or balance", "sourcing", OPTION_TEXT },
    { "ignore-safety", "yes|no", "yes: sells the safety stock too", "ignore_safety", OPTION_BOOL },
    { "promise", "WHAT", "on_hand; or incoming: sells supply that is on its way too", "promise",
      OPTION_TEXT },
    { "horizon", "DURATION", "such supply only if it is due within this time, such as 14d",
      "horizon_s", OPTION_SECONDS },
    { .name = NULL },
};

static const struct option item_options[] = {
    { "name", "TEXT", "for people", "name", OPTION_TEXT },
    { "barcode", "TEXT", "as scanned", "barcode", OPTION_TEXT },
    { "low-stock", "N", NULL, "low_stock", OPTION_COUNT },
    { "backorder-limit", "N", NULL, "backorder_limit", OPTION_COUNT },
    { "safety", "N", "units that stay unsold at each place", "safety", OPTION_COUNT },
    { "unit", "TEXT", "what quantities count, such as kg", "unit", OPTION_TEXT },
    { "decimals", "N", "of a quantity: 3 if 1500 is 1.5 kg", "decimals", OPTION_COUNT },
    { .name = NULL },
};

const struct command catalogue_commands[] = {
    {
        .name = "location set",
        .summary = "Create a location, or change it",
        .usage = "CODE [OPTION]...",
        .example = "stockctl location set store-1 --kind store --name 'Main Street' --priority 2 "
                   "--pickup yes",
        .options = location_options,
        .least = 1,
        .most = 1,
        .run = run_location_set,
    },
    {
        .name = "location list",
        .summary = "List the locations",
        .usage = "",
        .example = "stockctl location list",
        .list = "locations: code kind name priority lead_time_s",
        .run = run_location_list,
    },
    {
        .name = "location show",
        .summary = "Show the settings of a location",
        .usage = "CODE",
        .example = "stockctl location show store-1",
        .least = 1,
        .most = 1,
        .run = run_location_show,
    },
    {
        .name = "channel set",
        .summary = "Create a sales channel, or change it",
        .usage = "CODE [OPTION]...",
        .example = "stockctl channel set web --locations main,store-1 --buffer 2 --hold-ttl 15m",
        .options = channel_options,
        .least = 1,
        .most = 1,
        .run = run_channel_set,
    },
    {
        .name = "channel list",
        .summary = "List the channels",
        .usage = "",
        .example = "stockctl channel list",
        .list = "channels: code kind name buffer hold_ttl_ms sourcing",
        .run = run_channel_list,
    },
    {
        .name = "channel show",
        .summary = "Show the settings of a channel",
        .usage = "CODE",
        .example = "stockctl channel show web",
        .least = 1,
        .most = 1,
        .run = run_channel_show,
    },
    {
        .name = "item set",
        .summary = "Create an item, or change it",
        .usage = "SKU [OPTION]...",
        .example = "stockctl item set TEE-RED-M --name 'T-shirt, red, M' --barcode 4006381333931",
        .options = item_options,
        .least = 1,
        .most = 1,
        .run = run_item_set,
    },
    {
        .name = "item list",
        .summary = "List the items and their names",
        .usage = "[TEXT]",
        .details = "With TEXT, those with it in their SKU, name or barcode.",
        .example = "stockctl item list shirt",
        .most = 1,
        .list = "items: sku name barcode",
        .apart = true,
        .run = run_item_list,
    },
    {
        .name = "item",
        .summary = "Show an item's name and barcode",
        .usage = "SKU",
        .details =
            "See `stock SKU` for its stock. An item whose SKU is 'set' or 'list' is shown by\n"
            "`stockctl item -- set`.",
        .example = "stockctl item TEE-RED-M",
        .least = 1,
        .most = 1,
        .run = run_item_show,
    },
    {
        .name = "lookup",
        .summary = "Find the item with a barcode",
        .usage = "CODE",
        .details = "If no item has the barcode, the one whose SKU is CODE.",
        .example = "stockctl lookup 4006381333931",
        .least = 1,
        .most = 1,
        .run = run_lookup,
    },
    { .name = NULL },
};
