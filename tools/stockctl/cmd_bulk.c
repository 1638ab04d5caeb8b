/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bulk.c - commands that work with files, and the trial catalogue. */
#include "tools/stockctl/catalogue.h"
#include "tools/stockctl/ctl.h"
#include "tools/stockctl/supplies.h"

static int run_import_items(struct ctl *ctl, const struct args *args)
{
    return catalogue_import(ctl, args, &catalogue_items);
}

static int run_import_channels(struct ctl *ctl, const struct args *args)
{
    return catalogue_import(ctl, args, &catalogue_channels);
}

static int run_import_places(struct ctl *ctl, const struct args *args)
{
    return catalogue_import(ctl, args, &catalogue_places);
}

static int run_import_calendars(struct ctl *ctl, const struct args *args)
{
    return catalogue_import(ctl, args, &catalogue_calendars);
}

static int run_import_stocking(struct ctl *ctl, const struct args *args)
{
    return catalogue_import(ctl, args, &catalogue_stocking);
}

static int run_export_calendars(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return catalogue_export(ctl, &catalogue_calendars);
}

static int run_export_stocking(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return catalogue_export(ctl, &catalogue_stocking);
}

static int run_export_items(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return catalogue_export(ctl, &catalogue_items);
}

static int run_export_channels(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return catalogue_export(ctl, &catalogue_channels);
}

static int run_export_places(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return catalogue_export(ctl, &catalogue_places);
}

static const struct option import_options[] = {
    { "skip-bad", NULL, "skip bad rows instead of applying nothing", NULL, OPTION_FLAG },
    { "batch", "NAME", "set the stock again from a file imported before", NULL, OPTION_TEXT },
    { .name = NULL },
};

static const struct option import_moves_options[] = {
    { "skip-bad", NULL, "skip bad rows instead of booking nothing", NULL, OPTION_FLAG },
    { "batch", "NAME", "book a file again that was imported before", NULL, OPTION_TEXT },
    { .name = NULL },
};

static const struct option reconcile_options[] = {
    { "apply", NULL, "book the counts", NULL, OPTION_FLAG },
    { "as-of", "TIME", "when it was counted (when the file was written)", NULL, OPTION_TEXT },
    { "missing-zero", NULL, "what is not in the file is not there: set it to 0", NULL,
      OPTION_FLAG },
    { "skip-bad", NULL, "skip bad rows instead of stopping", NULL, OPTION_FLAG },
    { .name = NULL },
};

static const struct option import_catalogue_options[] = {
    { "skip-bad", NULL, "skip bad rows instead of applying nothing", NULL, OPTION_FLAG },
    { .name = NULL },
};

static const struct option import_supplies_options[] = {
    { "skip-bad", NULL, "skip supplies with a bad row instead of applying nothing", NULL,
      OPTION_FLAG },
    { .name = NULL },
};

static const struct option replay_options[] = {
    { "connections", "N", "spread the orders over N connections (1)", NULL, OPTION_COUNT },
    { "pipeline", "N", "orders in flight on each of them (1)", NULL, OPTION_COUNT },
    { "log", "FILE", "log outcomes; orders in the log are not sent again", NULL, OPTION_TEXT },
    { "patience", "DURATION", "how long to retry an unreachable engine (10s)", NULL,
      OPTION_MILLIS },
    { .name = NULL },
};

static const struct option demo_options[] = {
    { "trickle", NULL, "then keep placing orders until Ctrl-C, so that stock moves", NULL,
      OPTION_FLAG },
    { "rate", "N", "the trickle's orders per second (5)", NULL, OPTION_COUNT },
    { "orders", "N", "end the trickle after that many", NULL, OPTION_COUNT },
    { .name = NULL },
};

#define EMPTY_CELLS                                                                                \
    "An empty cell clears a text or a list, and keeps a number, a yes or no, or a rule."

#define MOVE_COLUMNS "Columns sku, location and qty in any order, "
#define MOVE_RULES                                                                                 \
    "Other columns are ignored. All rows are checked before any is booked. A row that the\n"       \
    "engine refuses is named, and the others are booked (exit 1).\n\n"                             \
    "The same file imported again books nothing twice, so an interrupted import can be\n"          \
    "repeated: as long as the engine remembers the ids, --remember-s (5 minutes) at\n"             \
    "least, and longer while it has room. `stockctl info ledger` shows how far back\n"             \
    "they reach (ids_oldest_s)."

const struct command bulk_commands[] = {
    {
        .name = "import stock",
        .summary = "Set opening stock from a CSV file",
        .usage = "FILE.csv|- [OPTION]...",
        .details = "The first line names the columns: sku,location,on_hand in any order; others\n"
                   "are ignored. All rows are checked before any is applied; bad rows are\n"
                   "reported by line and column. Importing the same file again changes nothing,\n"
                   "so an interrupted import can be repeated.",
        .example = "stockctl import stock opening.csv",
        .options = import_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_stock,
    },
    {
        .name = "import receive",
        .summary = "Receive what the rows of a CSV file say",
        .usage = "FILE.csv|- [OPTION]...",
        .details = MOVE_COLUMNS "and optionally ref.\n" MOVE_RULES,
        .example = "stockctl import receive delivery.csv",
        .options = import_moves_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_receive,
    },
    {
        .name = "import count",
        .summary = "Set what is on hand to what was counted, from a CSV file",
        .usage = "FILE.csv|- [OPTION]...",
        .details = MOVE_COLUMNS
        "and optionally as_of and\nref. With as_of, when it was counted, what has moved since is "
        "added.\n`stockctl reconcile` shows the differences first.\n" MOVE_RULES,
        .example = "stockctl import count count.csv",
        .options = import_moves_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_count,
    },
    {
        .name = "import adjust",
        .summary = "Add or remove units, from a CSV file",
        .usage = "FILE.csv|- [OPTION]...",
        .details = MOVE_COLUMNS "and optionally reason\nand ref. A negative qty removes "
                                "units.\n" MOVE_RULES,
        .example = "stockctl import adjust corrections.csv",
        .options = import_moves_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_adjust,
    },
    {
        .name = "import sold",
        .summary = "Take off what tills sold, from a CSV file",
        .usage = "FILE.csv|- [OPTION]...",
        .details =
            "Columns sku, location, channel and qty in any order, and optionally at_ms, when\n"
            "it was sold, and ref. A sale is never refused for stock.\n" MOVE_RULES,
        .example = "stockctl import sold till-7.csv",
        .options = import_moves_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_sold,
    },
    {
        .name = "reconcile",
        .summary = "Compare the count of a whole location with what is booked",
        .usage = "LOCATION FILE.csv|- [OPTION]...",
        .details =
            "Columns sku and counted; others are ignored. Shows which items differ, and which\n"
            "have units there but are not in the file. --apply books the counts.\n\n"
            "All is as of the time of the count: what was sold or received since is neither a\n"
            "difference nor undone. Without --as-of that is when the file was written. The same\n"
            "file applied again books nothing twice, as with `import count`; with another time\n"
            "its rows are refused as a conflict.",
        .example = "stockctl reconcile store-1 count.csv --as-of 2025-03-01T07:30",
        .options = reconcile_options,
        .least = 2,
        .most = 2,
        .apart = true,
        .run = run_reconcile,
    },
    {
        .name = "export stock",
        .summary = "Print all stock as CSV, by SKU and location",
        .usage = "",
        .details = "Columns: sku,location,on_hand,reserved,available.",
        .example = "stockctl export stock > stock.csv",
        .list = "stock: sku location on_hand reserved available",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_stock,
    },
    {
        .name = "import calendars",
        .summary = "Create or change calendars from a CSV file",
        .usage = "FILE.csv|- [--skip-bad]",
        .details =
            "Column code, and any of tz, week, closed, extra, written as for `calendar set`;\n"
            "others are ignored. An empty cell clears closed or extra, and keeps tz and a\n"
            "week: the word never empties that.",
        .example = "stockctl import calendars calendars.csv",
        .options = import_catalogue_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_calendars,
    },
    {
        .name = "import places",
        .summary = "Create or change locations from a CSV file",
        .usage = "FILE.csv|- [--skip-bad]",
        .details =
            "Column code, and any of kind, name, priority, lead_time_s, ships, pickup, lat,\n"
            "lon, groups, active, calendar, dispatch, safety; others are ignored. Calendars must\n"
            "exist: import them first.\n" EMPTY_CELLS,
        .example = "stockctl import places places.csv",
        .options = import_catalogue_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_places,
    },
    {
        .name = "import channels",
        .summary = "Create or change channels from a CSV file",
        .usage = "FILE.csv|- [--skip-bad]",
        .details = "Column code, and any of kind, name, locations, buffer, hold_ttl_ms, sourcing,\n"
                   "ignore_safety, promise, horizon_s; others are ignored. The locations and\n"
                   "groups that a channel names must exist: import places first.\n" EMPTY_CELLS,
        .example = "stockctl import channels channels.csv",
        .options = import_catalogue_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_channels,
    },
    {
        .name = "import items",
        .summary = "Create or change items from a CSV file",
        .usage = "FILE.csv|- [--skip-bad]",
        .details =
            "Column sku, and any of name, barcode, low_stock, backorder_limit, safety, unit,\n"
            "decimals; others are ignored. The engine keeps low_stock and backorder_limit but\n"
            "does not use them yet.\n" EMPTY_CELLS,
        .example = "stockctl import items items.csv",
        .options = import_catalogue_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_items,
    },
    {
        .name = "import stocking",
        .summary = "Set from a CSV file how items are sold from where",
        .usage = "FILE.csv|- [--skip-bad]",
        .details =
            "Columns sku and location, and any of stocked, safety, lead_time_s; others are\n"
            "ignored. Items and locations must exist: import them first. An empty cell keeps\n"
            "what is set.",
        .example = "stockctl import stocking stocking.csv",
        .options = import_catalogue_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_stocking,
    },
    {
        .name = "import supplies",
        .summary = "Announce what is on its way from a CSV file",
        .usage = "FILE.csv|- [--skip-bad]",
        .details =
            "Columns id, location, sku and qty, and any of eta_ms, ref, from; others are\n"
            "ignored. Rows of one id are one supply: it comes from outside, or with `from` is a\n"
            "transfer. ETAs are milliseconds since the epoch or like 2026-12-01T14:00. Importing\n"
            "the same file again changes nothing.",
        .example = "stockctl import supplies purchase-orders.csv",
        .options = import_supplies_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_import_supplies,
    },
    {
        .name = "export calendars",
        .summary = "Print all calendars as CSV, the oldest first",
        .usage = "",
        .details = "What `import calendars` reads.",
        .example = "stockctl export calendars > calendars.csv",
        .list = "calendars: code",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_calendars,
    },
    {
        .name = "export places",
        .summary = "Print all locations as CSV, the oldest first",
        .usage = "",
        .details = "What `import places` reads: a column for each option of `location set`.",
        .example = "stockctl export places > places.csv",
        .list = "places: code",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_places,
    },
    {
        .name = "export channels",
        .summary = "Print all channels as CSV, the oldest first",
        .usage = "",
        .details = "What `import channels` reads: a column for each option of `channel set`.",
        .example = "stockctl export channels > channels.csv",
        .list = "channels: code",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_channels,
    },
    {
        .name = "export items",
        .summary = "Print the details of all items as CSV, by SKU",
        .usage = "",
        .details =
            "What `import items` reads. To move a catalogue and its stock to another engine,\n"
            "export and import calendars, places, channels, items, stocking, stock and supplies,\n"
            "in this order. (Not in them: reservations, allotments, damaged units.)",
        .example = "stockctl export items > items.csv",
        .list = "items: sku",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_items,
    },
    {
        .name = "export stocking",
        .summary = "Print how items are sold from where as CSV, by SKU",
        .usage = "",
        .details = "What `import stocking` reads.",
        .example = "stockctl export stocking > stocking.csv",
        .list = "stocking: sku location",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_stocking,
    },
    {
        .name = "export supplies",
        .summary = "Print what is under way as CSV",
        .usage = "",
        .details =
            "For an engine that does not have these supplies yet, what `import supplies` reads:\n"
            "a row for each line with units that have not come. Those of a transfer have left\n"
            "where they come from, so the file has no column `from`. The ETA of a late supply is\n"
            "left out. Held transfers are not under way.",
        .example = "stockctl export supplies > supplies.csv",
        .list = "supplies: id location sku qty eta_ms ref",
        .formats = "csv json ndjson",
        .writes_csv = true,
        .apart = true,
        .run = run_export_supplies,
    },
    {
        .name = "replay",
        .summary = "Run a file of orders through the engine",
        .usage = "FILE.csv|- [OPTION]...",
        .details =
            "The first line names the columns: order_id,channel,sku,qty[,location].\n"
            "Consecutive rows with one order_id are one order: reserved whole or not at all,\n"
            "then confirmed and fulfilled. Negative quantities are a return, to the row's\n"
            "location or the first one of the channel. A refused order is counted.\n\n"
            "An interrupted replay can be repeated: what was done is not done twice.\n"
            "Refused orders are sent again, unless --log FILE remembers them.",
        .example = "stockctl replay orders.csv --log orders.log",
        .options = replay_options,
        .least = 1,
        .most = 1,
        .apart = true,
        .run = run_replay,
    },
    {
        .name = "demo",
        .summary = "Fill the engine with a trial catalogue and orders",
        .usage = "[OPTION]...",
        .details = "Two warehouses and 300 stores in three countries, with their opening hours,\n"
                   "stock and orders. Always the same ones: a second run adds nothing (in a new\n"
                   "year it sets that year's holidays). A trickle continues with\n"
                   "further orders: held, then shipped, cancelled or left to expire.",
        .example = "stockctl demo --trickle",
        .options = demo_options,
        .apart = true,
        .run = run_demo,
    },
    { .name = NULL },
};
