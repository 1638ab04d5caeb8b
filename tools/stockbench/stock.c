/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/stock.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/stockbench/moving.h"
#include "tools/stockbench/network.h"
#include "tools/stockbench/result.h"
#include "tools/stockbench/traffic.h"

enum {
    QUERY_SKUS = 4096,    /* the protocol's limit for one query */
    IMPORT_WINDOW = 4096, /* changes in flight */
    FULL = 100000000,     /* more than any window can hold at once */
    LOW = FULL / 2,
    NAP_NS = 10000000, /* while there is no node that takes changes */
    PLACE_CODE = NETWORK_CODE,
};

struct stocking {
    const struct options *options;
    stockd_client *client;
    size_t stocked;
    bool lost; /* of several nodes this one does not take changes, or is gone */
    struct moving moving;
};

static bool failed(const stockd_client *client, const char *what)
{
    fprintf(stderr, "stockbench: %s: %s\n", what, stockd_error_message(client));
    return false;
}

/* Why a change was not done; that of several nodes another one has to be asked is no failure. */
static bool not_taken(struct stocking *stocking, int status, const stockd_reply *reply)
{
    stocking->lost = moving_possible(stocking->options->address) &&
                     (status == STOCKD_E_CLOSED || status == STOCKD_E_TIMEOUT ||
                      (status == STOCKD_REFUSED && stockd_follow(stocking->client, reply)));
    return stocking->lost ? false : failed(stocking->client, "stocking the items");
}

/* What is available of count items from first on. */
static bool find_available(const struct stocking *stocking, uint32_t first, size_t count,
                           int64_t *available)
{
    static char skus[QUERY_SKUS][SKU_BYTES + 1];
    static const char *list[QUERY_SKUS];

    for (size_t i = 0; i < count; i++) {
        traffic_sku(stocking->options, first + (uint32_t)i, skus[i]);
        list[i] = skus[i];
    }
    if (stockd_availability(stocking->client, "default", list, count, available, NULL) != STOCKD_OK)
        return failed(stocking->client, "availability");
    for (size_t i = 0; i < count; i++) {
        if (available[i] == STOCKD_UNKNOWN_SKU)
            available[i] = 0;
    }
    return true;
}

/* Receives replies until at most left are in flight. */
static bool await_replies(struct stocking *stocking, size_t left)
{
    stockd_reply reply;

    while (stockd_in_flight(stocking->client) > left) {
        int status = stockd_receive(stocking->client, &reply);

        if (status != STOCKD_OK)
            return not_taken(stocking, status, &reply);
    }
    return true;
}

/* receive, or adjust if delta is negative. */
static bool send_change(struct stocking *stocking, uint32_t item, const char *place, int64_t delta)
{
    unsigned char params[128];
    char id[STOCKD_ID_MAX + 1];
    char sku[SKU_BYTES];
    stockd_pack pack;

    stockd_make_id(id);
    traffic_sku(stocking->options, item, sku);
    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str_n(&pack, sku, sizeof sku);
    stockd_pack_str(&pack, place);
    stockd_pack_i64(&pack, delta);
    if (!await_replies(stocking, IMPORT_WINDOW - 1))
        return false;
    int status =
        stockd_send(stocking->client, delta > 0 ? "receive" : "adjust", pack.data, pack.len, NULL);
    return status == STOCKD_OK || not_taken(stocking, status, NULL);
}

/* "main", then "B002", "B003" and so on; or the places of a network. */
static const char *place_code(const struct options *options, size_t place, char code[PLACE_CODE])
{
    if (options->workload->network)
        network_place(place, code);
    else if (place == 0)
        snprintf(code, PLACE_CODE, "main");
    else
        snprintf(code, PLACE_CODE, "B%03u", (unsigned)(place + 1) % 1000);
    return code;
}

static bool make_places(const struct stocking *stocking)
{
    if (stocking->options->workload->network)
        return network_make(stocking->options, stocking->client);
    for (size_t place = 1; place < stocking->options->places; place++) {
        unsigned char params[32];
        char code[PLACE_CODE];
        stockd_pack pack;

        stockd_pack_init(&pack, params, sizeof params);
        stockd_pack_array(&pack, 1);
        stockd_pack_str(&pack, place_code(stocking->options, place, code));
        if (stockd_call(stocking->client, "location_set", pack.data, pack.len, STOCKD_RETRY_SAFE,
                        NULL) != STOCKD_OK)
            return failed(stocking->client, "location_set");
    }
    return true;
}

static bool stock_item(struct stocking *stocking, uint32_t item, int64_t available)
{
    const struct options *options = stocking->options;
    int64_t delta = options->workload->flash ? (int64_t)options->units - available : FULL;

    if (delta == 0 || (!options->workload->flash && available >= LOW))
        return true;
    stocking->stocked++;
    for (size_t place = 0; place < options->places; place++) {
        char code[PLACE_CODE];

        if (!send_change(stocking, item, place_code(options, place, code),
                         options->places == 1 ? delta : delta / (int64_t)options->places + 1))
            return false;
    }
    return true;
}

/* Once more looked at after a loss: what was done is stocked then. */
static bool stock_batch(struct stocking *stocking, size_t first, size_t count)
{
    int64_t available[QUERY_SKUS];

    /* A query is a blocking call: nothing else may be in flight. */
    if (!find_available(stocking, (uint32_t)first, count, available))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!stock_item(stocking, (uint32_t)(first + i), available[i]))
            return false;
    }
    return await_replies(stocking, 0);
}

static bool move_on(struct stocking *stocking)
{
    const struct timespec nap = { .tv_nsec = NAP_NS };
    enum moved moved;

    stocking->lost = false;
    moving_lost(&stocking->moving, result_now());
    while ((moved = moving_try(&stocking->moving, stocking->client, result_now())) == MOVED_NOT_YET)
        nanosleep(&nap, NULL);
    return moved == MOVED;
}

bool stock_items(const struct options *options, stockd_client *client, size_t *stocked)
{
    struct stocking stocking = { .options = options, .client = client };

    traffic_init();
    if (!make_places(&stocking))
        return false;
    for (size_t first = 0; first < options->items; first += QUERY_SKUS) {
        size_t left = options->items - first;
        size_t count = left < QUERY_SKUS ? left : QUERY_SKUS;

        while (!stock_batch(&stocking, first, count)) {
            if (!stocking.lost || !move_on(&stocking))
                return false;
        }
        moving_served(&stocking.moving);
    }
    *stocked = stocking.stocked;
    return true;
}
