/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/network.h"

#include "tools/stockbench/traffic.h"

enum { CALENDARS = 3, WORKDAYS = 6 };

struct calendar {
    const char *code;
    const char *tz;
    int from; /* minutes of each day from Monday to Saturday */
    int to;
};

static const struct calendar calendars[CALENDARS] = {
    { "bench-berlin", "Europe/Berlin", 600, 1200 },
    { "bench-paris", "Europe/Paris", 570, 1140 },
    { "bench-london", "Europe/London", 540, 1080 },
};

static bool call(stockd_client *client, const char *method, stockd_pack *params)
{
    int status = stockd_call(client, method, params->data, params->len, STOCKD_RETRY_SAFE, NULL);

    if (status != STOCKD_OK)
        fprintf(stderr, "stockbench: %s: %s\n", method, stockd_error_message(client));
    return status == STOCKD_OK;
}

static bool make_calendar(stockd_client *client, const struct calendar *calendar)
{
    unsigned char bytes[256];
    stockd_pack params;

    stockd_pack_init(&params, bytes, sizeof bytes);
    stockd_pack_array(&params, 2);
    stockd_pack_str(&params, calendar->code);
    stockd_pack_map(&params, 2);
    stockd_pack_str(&params, "tz");
    stockd_pack_str(&params, calendar->tz);
    stockd_pack_str(&params, "week");
    stockd_pack_array(&params, WORKDAYS);
    for (int day = 1; day <= WORKDAYS; day++) {
        stockd_pack_array(&params, 3);
        stockd_pack_i64(&params, day);
        stockd_pack_i64(&params, calendar->from);
        stockd_pack_i64(&params, calendar->to);
    }
    return call(client, "calendar_set", &params);
}

static void pack_dispatch(size_t place, stockd_pack *params)
{
    int count = place % 10 == 0 ? WORKDAYS : 0;

    stockd_pack_str(params, "dispatch");
    stockd_pack_array(params, (size_t)count);
    for (int day = 1; day <= count; day++) {
        stockd_pack_array(params, 2);
        stockd_pack_i64(params, day);
        stockd_pack_i64(params, 1020); /* 17:00 */
    }
}

static bool make_place(stockd_client *client, size_t place)
{
    uint64_t random = traffic_mix(place);
    struct point point = network_point(&random);
    unsigned char bytes[256];
    char code[NETWORK_CODE];
    stockd_pack params;

    network_place(place, code);
    stockd_pack_init(&params, bytes, sizeof bytes);
    stockd_pack_array(&params, 2);
    stockd_pack_str(&params, code);
    stockd_pack_map(&params, 7);
    stockd_pack_str(&params, "lat");
    stockd_pack_double(&params, point.lat);
    stockd_pack_str(&params, "lon");
    stockd_pack_double(&params, point.lon);
    stockd_pack_str(&params, "calendar");
    stockd_pack_str(&params, calendars[choice_random(&random) % CALENDARS].code);
    stockd_pack_str(&params, "lead_time_s");
    stockd_pack_i64(&params, 3600 * (1 + (int64_t)(choice_random(&random) % 8)));
    stockd_pack_str(&params, "safety");
    stockd_pack_i64(&params, 1);
    stockd_pack_str(&params, "groups");
    stockd_pack_array(&params, 1);
    stockd_pack_str(&params, "network");
    pack_dispatch(place, &params);
    return call(client, "location_set", &params);
}

static bool make_channel(const struct options *options, stockd_client *client)
{
    unsigned char bytes[96];
    stockd_pack params;

    stockd_pack_init(&params, bytes, sizeof bytes);
    stockd_pack_array(&params, 2);
    stockd_pack_str(&params, "network");
    stockd_pack_map(&params, 3);
    stockd_pack_str(&params, "promise");
    stockd_pack_str(&params, options->workload->incoming ? "incoming" : "on_hand");
    stockd_pack_str(&params, "locations");
    stockd_pack_array(&params, 1);
    stockd_pack_str(&params, "network");
    stockd_pack_str(&params, "sourcing");
    stockd_pack_str(&params, "nearest");
    return call(client, "channel_set", &params);
}

bool network_make(const struct options *options, stockd_client *client)
{
    for (size_t i = 0; i < CALENDARS; i++) {
        if (!make_calendar(client, &calendars[i]))
            return false;
    }
    for (size_t place = 0; place < options->places; place++) {
        if (!make_place(client, place))
            return false;
    }
    return make_channel(options, client);
}
