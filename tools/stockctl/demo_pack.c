/* SPDX-License-Identifier: Apache-2.0 */
/* demo_pack.c - the catalogue of the trial shop as requests: when places are open, what and where
 * they are, and what each channel sells from where. */
#include "tools/stockctl/demo.h"

#include <assert.h>
#include <string.h>

static const char *const country_codes[DEMO_COUNTRIES] = { "de", "fr", "gb" };

/* ---- Calendars ---------------------------------------------------------------------------------
 */

/* Minutes of the day. */
#define AT(hour, minute) ((hour)*60 + (minute))

struct span {
    int first_weekday, last_weekday;
    int from, to;
};

#define SPANS_MAX 2

struct hours {
    const char *code;
    enum demo_country country;
    bool warehouse;
    struct span week[SPANS_MAX]; /* until first_weekday is 0 */
    int eve_from, eve_to;        /* on 24 and 31 December; 0: as always */
};

static const struct hours calendars[DEMO_CALENDARS] = {
    { .code = "stores-de",
      .country = DEMO_DE,
      .week = { { 1, 6, AT(10, 0), AT(20, 0) } },
      .eve_from = AT(10, 0),
      .eve_to = AT(14, 0) },
    { .code = "stores-fr",
      .country = DEMO_FR,
      .week = { { 1, 6, AT(10, 0), AT(19, 30) } },
      .eve_from = AT(10, 0),
      .eve_to = AT(17, 0) },
    { .code = "stores-gb",
      .country = DEMO_GB,
      .week = { { 1, 6, AT(9, 30), AT(18, 30) }, { 7, 7, AT(11, 0), AT(17, 0) } },
      .eve_from = AT(9, 30),
      .eve_to = AT(16, 0) },
    { .code = "warehouse-de",
      .country = DEMO_DE,
      .warehouse = true,
      .week = { { 1, 5, AT(6, 0), AT(22, 0) }, { 6, 6, AT(6, 0), AT(14, 0) } } },
    { .code = "warehouse-fr",
      .country = DEMO_FR,
      .warehouse = true,
      .week = { { 1, 5, AT(6, 0), AT(21, 0) } } },
};

static void pack_week(const struct hours *hours, stockd_pack *params)
{
    size_t days = 0;

    for (size_t i = 0; i < SPANS_MAX && hours->week[i].first_weekday > 0; i++)
        days += (size_t)(hours->week[i].last_weekday - hours->week[i].first_weekday + 1);
    stockd_pack_array(params, days);
    for (size_t i = 0; i < SPANS_MAX && hours->week[i].first_weekday > 0; i++) {
        for (int day = hours->week[i].first_weekday; day <= hours->week[i].last_weekday; day++) {
            stockd_pack_array(params, 3);
            stockd_pack_i64(params, day);
            stockd_pack_i64(params, hours->week[i].from);
            stockd_pack_i64(params, hours->week[i].to);
        }
    }
}

static void pack_day(int32_t day, stockd_pack *params)
{
    char date[DEMO_DATE_SIZE];

    demo_date(day, date);
    stockd_pack_str(params, date);
}

static void pack_closed(const struct hours *hours, int year, stockd_pack *params)
{
    int32_t day[2 * DEMO_HOLIDAYS_MAX];
    size_t count = demo_holidays(hours->country, year, day);

    count += demo_holidays(hours->country, year + 1, day + count);
    stockd_pack_array(params, count);
    for (size_t i = 0; i < count; i++)
        pack_day(day[i], params);
}

/* Half-days: the eves of Christmas and New Year, unless they are Sundays. */
static void pack_eves(const struct hours *hours, int year, stockd_pack *params)
{
    int32_t eve[4];
    size_t count = 0;

    for (int i = 0; i < 4 && hours->eve_to > 0; i++) {
        int32_t day = demo_day(year + i / 2, 12, i % 2 == 0 ? 24 : 31);
        if (demo_weekday(day) != 7)
            eve[count++] = day;
    }
    stockd_pack_array(params, count);
    for (size_t i = 0; i < count; i++) {
        stockd_pack_array(params, 3);
        pack_day(eve[i], params);
        stockd_pack_i64(params, hours->eve_from);
        stockd_pack_i64(params, hours->eve_to);
    }
}

const char *demo_pack_calendar(const struct demo *demo, const struct demo_task *task,
                               stockd_pack *params)
{
    static const char *const zones[DEMO_COUNTRIES] = { "Europe/Berlin", "Europe/Paris",
                                                       "Europe/London" };
    const struct hours *hours = &calendars[task->what];

    stockd_pack_array(params, 2);
    stockd_pack_str(params, hours->code);
    stockd_pack_map(params, 4);
    stockd_pack_str(params, "tz");
    stockd_pack_str(params, zones[hours->country]);
    stockd_pack_str(params, "week");
    pack_week(hours, params);
    stockd_pack_str(params, "closed");
    pack_closed(hours, demo->year, params);
    stockd_pack_str(params, "extra");
    pack_eves(hours, demo->year, params);
    return "calendar_set";
}

/* Each place has one. */
static const char *calendar_of(const struct demo_place *place)
{
    size_t i = 0;

    while (calendars[i].country != place->country || calendars[i].warehouse != place->warehouse) {
        i++;
        assert(i < DEMO_CALENDARS);
    }
    return calendars[i].code;
}

/* ---- Places ------------------------------------------------------------------------------------
 */

/* A warehouse's parcels leave twice on each working day; a store's when they are packed. */
static void pack_dispatch(const struct demo_place *place, stockd_pack *params)
{
    stockd_pack_array(params, place->warehouse ? 10 : 0);
    for (int i = 0; place->warehouse && i < 10; i++) {
        stockd_pack_array(params, 2);
        stockd_pack_i64(params, 1 + i / 2);
        stockd_pack_i64(params, i % 2 == 0 ? AT(12, 0) : AT(18, 0));
    }
}

static void pack_what(const struct demo_place *place, stockd_pack *params)
{
    stockd_pack_str(params, "kind");
    stockd_pack_str(params, place->warehouse ? "warehouse" : "store");
    stockd_pack_str(params, "name");
    stockd_pack_str(params, place->name);
    stockd_pack_str(params, "groups");
    stockd_pack_array(params, 2);
    stockd_pack_str(params, place->warehouse ? "warehouses" : "stores");
    stockd_pack_str(params, country_codes[place->country]);
    stockd_pack_str(params, "priority");
    stockd_pack_i64(params, place->priority);
    stockd_pack_str(params, "ships");
    stockd_pack_bool(params, place->ships);
    stockd_pack_str(params, "pickup");
    stockd_pack_bool(params, place->pickup);
    stockd_pack_str(params, "safety");
    stockd_pack_i64(params, place->safety);
}

const char *demo_pack_place(const struct demo *demo, const struct demo_task *task,
                            stockd_pack *params)
{
    const struct demo_place *place = &demo->place[task->what];

    stockd_pack_array(params, 2);
    stockd_pack_str(params, place->code);
    stockd_pack_map(params, 12);
    pack_what(place, params);
    stockd_pack_str(params, "lead_time_s");
    stockd_pack_i64(params, place->lead_time_s);
    stockd_pack_str(params, "calendar");
    stockd_pack_str(params, calendar_of(place));
    stockd_pack_str(params, "dispatch");
    pack_dispatch(place, params);
    stockd_pack_str(params, "lat");
    stockd_pack_double(params, place->lat);
    stockd_pack_str(params, "lon");
    stockd_pack_double(params, place->lon);
    return "location_set";
}

/* ---- Channels and items ------------------------------------------------------------------------
 */

const char *demo_pack_channel(const struct demo *demo, const struct demo_task *task,
                              stockd_pack *params)
{
    const struct demo_channel *channel = &demo_channels[task->what];
    size_t locations = channel->locations[1] != NULL ? 2 : 1;

    bool incoming = channel->horizon_s > 0;

    (void)demo;
    stockd_pack_array(params, 2);
    stockd_pack_str(params, channel->code);
    stockd_pack_map(params, incoming ? 9 : 7);
    stockd_pack_str(params, "kind");
    stockd_pack_str(params, channel->kind);
    stockd_pack_str(params, "name");
    stockd_pack_str(params, channel->name);
    stockd_pack_str(params, "buffer");
    stockd_pack_i64(params, channel->buffer);
    stockd_pack_str(params, "hold_ttl_ms");
    stockd_pack_i64(params, channel->hold_ttl_ms);
    stockd_pack_str(params, "sourcing");
    stockd_pack_str(params, channel->sourcing);
    stockd_pack_str(params, "ignore_safety");
    stockd_pack_bool(params, channel->ignore_safety);
    if (incoming) {
        stockd_pack_str(params, "promise");
        stockd_pack_str(params, "incoming");
        stockd_pack_str(params, "horizon_s");
        stockd_pack_i64(params, channel->horizon_s);
    }
    stockd_pack_str(params, "locations");
    stockd_pack_array(params, locations);
    for (size_t i = 0; i < locations; i++)
        stockd_pack_str(params, channel->locations[i]);
    return "channel_set";
}

const char *demo_pack_item(const struct demo *demo, const struct demo_task *task,
                           stockd_pack *params)
{
    char sku[DEMO_SKU_SIZE];
    char name[DEMO_NAME_SIZE];
    char barcode[DEMO_BARCODE_SIZE];

    (void)demo;
    demo_sku(task->what, sku);
    demo_name(task->what, name);
    demo_barcode(task->what, barcode);
    stockd_pack_array(params, 2);
    stockd_pack_str(params, sku);
    stockd_pack_map(params, 3);
    stockd_pack_str(params, "name");
    stockd_pack_str(params, name);
    stockd_pack_str(params, "barcode");
    stockd_pack_str(params, barcode);
    stockd_pack_str(params, "low_stock");
    stockd_pack_i64(params, demo_rank(task->what) < 300 ? 20 : 5);
    return "item_set";
}

const char *demo_pack_stocking(const struct demo *demo, const struct demo_task *task,
                               stockd_pack *params)
{
    const struct demo_stocking *stocking = &demo->stocking[task->what];
    char sku[DEMO_SKU_SIZE];

    demo_sku(stocking->item, sku);
    stockd_pack_array(params, 3);
    stockd_pack_str(params, sku);
    stockd_pack_str(params, demo->place[stocking->place].code);
    stockd_pack_map(params, stocking->lead_time_s >= 0 ? 2 : 1);
    stockd_pack_str(params, "stocked");
    stockd_pack_bool(params, stocking->stocked);
    if (stocking->lead_time_s >= 0) {
        stockd_pack_str(params, "lead_time_s");
        stockd_pack_i64(params, stocking->lead_time_s);
    }
    return "stocking_set";
}
