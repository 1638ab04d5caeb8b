/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_places.c - when places are open, and what is sold from where: calendar, stocking. */
#include "tools/stockctl/catalogue.h"

#include <stdlib.h>
#include <string.h>

/* ---- calendar -------------------------------------------------------------------------------- */

static int run_calendar_set(struct ctl *ctl, const struct args *args)
{
    return run_set(ctl, args, "calendar_set");
}

static int run_calendar_list(struct ctl *ctl, const struct args *args)
{
    static const struct column columns[] = {
        { "code", "<CODE" },     { "tz", "<TIME ZONE" }, { "week", "<WEEK" },
        { "closed", "<CLOSED" }, { "extra", "<EXTRA" },
    };
    (void)args;
    return run_list(ctl, "calendars", columns, sizeof(columns) / sizeof(columns[0]));
}

static int run_calendar_show(struct ctl *ctl, const struct args *args)
{
    return run_one(ctl, args, "calendars", "calendar");
}

/* ---- stocking -------------------------------------------------------------------------------- */

static int run_stocking_set(struct ctl *ctl, const struct args *args)
{
    return run_set(ctl, args, "stocking_set");
}

/* One stocking, kept for the table or for JSON. */
struct kept {
    char *sku;
    char *cell[4]; /* location, stocked, safety, lead time */
    json_t *json;
};

struct stockings {
    bool json;
    struct kept *kept;
    size_t count;
    size_t capacity;
};

static const char *const cell_keys[] = { "location", "stocked", "safety", "lead_time_s" };

static int by_sku_and_place(const void *a, const void *b)
{
    const struct kept *x = a;
    const struct kept *y = b;
    int order = strcmp(x->sku, y->sku);

    return order != 0 ? order : strcmp(x->cell[0], y->cell[0]);
}

static void keep(void *context, const char *sku, size_t len, stockd_value record)
{
    struct stockings *all = context;
    struct kept kept = { 0 };

    kept.sku = text_clean(sku, len);
    for (size_t i = 0; i < 4; i++) {
        stockd_value value = { 0 };
        stockd_map_find(record, cell_keys[i], &value);
        kept.cell[i] = show_text(cell_keys[i], value);
    }
    if (all->json)
        kept.json = json_from_value(record);
    if (all->count == all->capacity) {
        all->capacity = all->capacity > 0 ? all->capacity * 2 : 256;
        all->kept = must_grow(all->kept, all->capacity, sizeof(*all->kept));
    }
    all->kept[all->count++] = kept;
}

static void print_stockings(const struct stockings *all)
{
    static const char *const titles[] = {
        "<SKU", "<LOCATION", "<STOCKED", ">SAFETY", ">LEAD", NULL
    };
    struct table *table = table_new(titles);

    for (size_t i = 0; i < all->count; i++) {
        table_add(table, all->kept[i].sku);
        for (size_t c = 0; c < 4; c++)
            table_add(table, all->kept[i].cell[c]);
    }
    table_print(table, stdout, "");
}

static void print_stockings_json(const struct stockings *all, uint64_t lsn)
{
    json_t *list = json_array();

    for (size_t i = 0; i < all->count; i++)
        json_array_append(list, all->kept[i].json);
    show_json_value(json_pack("{s:I, s:o}", "lsn", (json_int_t)lsn, "stockings", list));
}

static int run_stocking_list(struct ctl *ctl, const struct args *args)
{
    struct stockings all = { .json = ctl->json };
    const struct stocking_filter filter = {
        .sku = args->count > 0 ? args->positional[0] : NULL,
        .location = args_option(args, "location"),
    };
    uint64_t lsn = 0;
    int failed = catalogue_each(ctl, &catalogue_stocking, &filter, &lsn, keep, &all);

    if (all.count > 0)
        qsort(all.kept, all.count, sizeof(*all.kept), by_sku_and_place);
    if (failed == CTL_DONE && ctl->json)
        print_stockings_json(&all, lsn);
    else if (failed == CTL_DONE)
        print_stockings(&all);
    for (size_t i = 0; i < all.count; i++) {
        free(all.kept[i].sku);
        for (size_t c = 0; c < 4; c++)
            free(all.kept[i].cell[c]);
        json_decref(all.kept[i].json);
    }
    free(all.kept);
    return failed;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct option calendar_options[] = {
    { "tz", "ZONE", "an IANA name such as Europe/Paris (UTC)", "tz", OPTION_TEXT },
    { "week", "HOURS", "'mon-fri 09:00-18:30,sat 10:00-14:00', or never", "week", OPTION_WEEK },
    { "closed", "DATES", "2026-12-25,2026-12-26", "closed", OPTION_DATES },
    { "extra", "HOURS", "'2026-12-24 09:00-12:00': instead of that day's week", "extra",
      OPTION_EXTRA },
    { .name = NULL },
};

static const struct option stocking_options[] = {
    { "stocked", "yes|no", "no: the item is not sold from there", "stocked", OPTION_BOOL },
    { "safety", "N", "units that stay there unsold", "safety", OPTION_COUNT },
    { "lead-time", "DURATION", "from order to ready, instead of the location's", "lead_time_s",
      OPTION_SECONDS },
    { .name = NULL },
};

static const struct option stocking_list_options[] = {
    { "location", "CODE", "only what is set there", NULL, OPTION_TEXT },
    { .name = NULL },
};

const struct command place_commands[] = {
    {
        .name = "calendar set",
        .summary = "Create a calendar of opening hours, or change it",
        .usage = "CODE [OPTION]...",
        .details = "Times are local to the time zone; a day may have several spans, such as\n"
                   "'mon 09:00-12:00,mon 13:00-18:00'. A calendar without a week is open on\n"
                   "every day that is not closed. Locations name their calendar:\n"
                   "`location set CODE --calendar CODE`.",
        .example = "stockctl calendar set shops-fr --tz Europe/Paris --week "
                   "'mon-sat 09:30-19:00' --closed 2026-12-25",
        .options = calendar_options,
        .least = 1,
        .most = 1,
        .run = run_calendar_set,
    },
    {
        .name = "calendar list",
        .summary = "List the calendars",
        .usage = "",
        .example = "stockctl calendar list",
        .list = "calendars: code tz week closed extra",
        .run = run_calendar_list,
    },
    {
        .name = "calendar show",
        .summary = "Show a calendar",
        .usage = "CODE",
        .example = "stockctl calendar show shops-fr",
        .least = 1,
        .most = 1,
        .run = run_calendar_show,
    },
    {
        .name = "stocking set",
        .summary = "Set how an item is sold from a location",
        .usage = "SKU LOCATION [OPTION]...",
        .details = "What is not set for the item at that location is as set for the item, else as\n"
                   "for the location.",
        .example = "stockctl stocking set TEE-RED-M store-1 --safety 2 --lead-time 4h",
        .options = stocking_options,
        .least = 2,
        .most = 2,
        .run = run_stocking_set,
    },
    {
        .name = "stocking list",
        .summary = "List what is set for items at locations",
        .usage = "[SKU] [--location CODE]",
        .example = "stockctl stocking list TEE-RED-M",
        .options = stocking_list_options,
        .most = 1,
        .list = "stockings: sku location stocked safety lead_time_s",
        .run = run_stocking_list,
    },
    { .name = NULL },
};
