/* SPDX-License-Identifier: Apache-2.0 */
/* catalogue.c - the records of the catalogue: which fields they have, and how to list them. */
#include "tools/stockctl/catalogue.h"

#define PAGE 1000
#define TEXT_MAX 128

const struct catalogue_kind catalogue_items = {
    .name = "items",
    .key = "sku",
    .list = "items",
    .set = "item_set",
    .paged = true,
    .field = { { "name", FIELD_TEXT, 0, TEXT_MAX },
               { "barcode", FIELD_TEXT, 0, TEXT_MAX },
               { "low_stock", FIELD_NUMBER, 0, CTL_QUANTITY_MAX },
               { "backorder_limit", FIELD_NUMBER, 0, CTL_QUANTITY_MAX },
               { "safety", FIELD_NUMBER, 0, CTL_QUANTITY_MAX },
               { "unit", FIELD_TEXT, 0, STOCKD_CODE_MAX },
               { "decimals", FIELD_NUMBER, 0, 6 } },
};

const struct catalogue_kind catalogue_channels = {
    .name = "channels",
    .key = "code",
    .list = "channels",
    .set = "channel_set",
    .checks = "locations",
    .field = { { "kind", FIELD_TEXT, 0, STOCKD_CODE_MAX },
               { "name", FIELD_TEXT, 0, TEXT_MAX },
               { "locations", FIELD_CODES, 0, 4096 },
               { "buffer", FIELD_NUMBER, 0, CTL_QUANTITY_MAX },
               { "hold_ttl_ms", FIELD_NUMBER, 1, UINT32_MAX },
               { "sourcing", FIELD_RULE, 0, 0 },
               { "ignore_safety", FIELD_BOOL, 0, 0 },
               { "promise", FIELD_PROMISE, 0, 0 },
               { "horizon_s", FIELD_NUMBER, 0, CTL_HORIZON_MAX_S } },
};

const struct catalogue_kind catalogue_places = {
    .name = "places",
    .key = "code",
    .list = "locations",
    .set = "location_set",
    .field = { { "kind", FIELD_TEXT, 0, STOCKD_CODE_MAX },
               { "name", FIELD_TEXT, 0, TEXT_MAX },
               { "priority", FIELD_NUMBER, INT32_MIN, INT32_MAX },
               { "lead_time_s", FIELD_NUMBER, 0, INT32_MAX },
               { "ships", FIELD_BOOL, 0, 0 },
               { "pickup", FIELD_BOOL, 0, 0 },
               { "lat", FIELD_REAL, -90, 90 },
               { "lon", FIELD_REAL, -180, 180 },
               { "groups", FIELD_CODES, 0, 16 },
               { "active", FIELD_BOOL, 0, 0 },
               { "calendar", FIELD_TEXT, 0, STOCKD_CODE_MAX },
               { "dispatch", FIELD_DISPATCH, 0, 0 },
               { "safety", FIELD_NUMBER, 0, CTL_QUANTITY_MAX } },
};

const struct catalogue_kind catalogue_calendars = {
    .name = "calendars",
    .key = "code",
    .list = "calendars",
    .set = "calendar_set",
    .field = { { "tz", FIELD_TEXT, 1, TEXT_MAX },
               { "week", FIELD_WEEK, 0, 0 },
               { "closed", FIELD_DATES, 0, 0 },
               { "extra", FIELD_EXTRA, 0, 0 } },
};

const struct catalogue_kind catalogue_stocking = {
    .name = "stocking",
    .key = "sku",
    .location = "location",
    .list = "stockings",
    .set = "stocking_set",
    .paged = true,
    .field = { { "stocked", FIELD_BOOL, 0, 0 },
               { "safety", FIELD_NUMBER, 0, CTL_QUANTITY_MAX },
               { "lead_time_s", FIELD_NUMBER, 0, INT32_MAX } },
};

bool field_hours(enum field_form form, enum hours_form *hours)
{
    switch (form) {
    case FIELD_WEEK:
        *hours = HOURS_WEEK;
        return true;
    case FIELD_DISPATCH:
        *hours = HOURS_DISPATCH;
        return true;
    case FIELD_EXTRA:
        *hours = HOURS_EXTRA;
        return true;
    case FIELD_DATES:
        *hours = HOURS_DATES;
        return true;
    default:
        return false;
    }
}

/* [sku, {details}] */
static bool give_item(stockd_value item, listing_fn *each, void *context)
{
    stockd_value name;
    stockd_value details;
    const char *sku;
    size_t len;

    if (!stockd_array_at(item, 0, &name) || !stockd_value_str(name, &sku, &len) ||
        !stockd_array_at(item, 1, &details) || stockd_value_kind(details) != STOCKD_KIND_MAP)
        return false;
    each(context, sku, len, details);
    return true;
}

/* A stocking is a map. */
static bool give_stocking(stockd_value stocking, listing_fn *each, void *context)
{
    const char *sku;
    size_t len;

    if (!stockd_map_str(stocking, "sku", &sku, &len))
        return false;
    each(context, sku, len, stocking);
    return true;
}

/* `items` takes [after, {limit, details}]. */
static void pack_items_page(uint64_t from, stockd_pack *pack)
{
    stockd_pack_array(pack, 2);
    stockd_pack_u64(pack, from);
    stockd_pack_map(pack, 2);
    stockd_pack_str(pack, "limit");
    stockd_pack_u64(pack, PAGE);
    stockd_pack_str(pack, "details");
    stockd_pack_bool(pack, true);
}

static void pack_text_option(stockd_pack *pack, const char *key, const char *text)
{
    if (text == NULL)
        return;
    stockd_pack_str(pack, key);
    stockd_pack_str(pack, text);
}

/* `stockings` takes [{after, limit, sku, location}]. */
static void pack_stockings_page(const struct stocking_filter *filter, uint64_t from,
                                stockd_pack *pack)
{
    static const struct stocking_filter all = { NULL, NULL };

    if (filter == NULL)
        filter = &all;
    stockd_pack_array(pack, 1);
    stockd_pack_map(pack, 2u + (filter->sku != NULL) + (filter->location != NULL));
    stockd_pack_str(pack, "after");
    stockd_pack_u64(pack, from);
    stockd_pack_str(pack, "limit");
    stockd_pack_u64(pack, PAGE);
    pack_text_option(pack, "sku", filter->sku);
    pack_text_option(pack, "location", filter->location);
}

/* One page of items with details, or of stockings. *next is where the next page begins, or 0 at the
 * end. */
static int give_page(struct ctl *ctl, const struct catalogue_kind *kind,
                     const struct stocking_filter *filter, uint64_t *next, uint64_t *lsn,
                     listing_fn *each, void *context)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value items;
    stockd_value item;
    uint64_t from = *next;

    stockd_pack_init(&pack, NULL, 0);
    if (kind->location != NULL)
        pack_stockings_page(filter, from, &pack);
    else
        pack_items_page(from, &pack);
    int failed = ctl_call(ctl, kind->list, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    bool good = stockd_map_find(reply.result, kind->list, &items);
    stockd_iter it = stockd_iterate(items);
    while (good && stockd_next(&it, NULL, &item))
        good = (kind->location != NULL ? give_stocking : give_item)(item, each, context);
    if (lsn != NULL)
        stockd_map_u64(reply.result, "lsn", lsn);
    if (!stockd_map_u64(reply.result, "next", next))
        *next = 0;
    if (!good || (*next != 0 && *next <= from)) /* or it would loop forever */
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                         "the engine sent an invalid page of %s", kind->list);
    return CTL_DONE;
}

int catalogue_each(struct ctl *ctl, const struct catalogue_kind *kind,
                   const struct stocking_filter *filter, uint64_t *lsn, listing_fn *each,
                   void *context)
{
    uint64_t next = 0;
    int failed;

    if (!kind->paged)
        return listing_each(ctl, kind->list, lsn, each, context);
    do {
        failed = give_page(ctl, kind, filter, &next, lsn, each, context);
    } while (failed == CTL_DONE && next != 0);
    return failed;
}
