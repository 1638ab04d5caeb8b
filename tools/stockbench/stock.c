/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/stock.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tools/stockbench/traffic.h"

enum {
    QUERY_SKUS = 4096,    /* the protocol's limit for one query */
    IMPORT_WINDOW = 4096, /* receives in flight */
    FULL = 100000000,     /* more than any window can hold at once */
    LOW = FULL / 2,
};

static bool failed(const stockd_client *client, const char *what)
{
    fprintf(stderr, "stockbench: %s: %s\n", what, stockd_error_message(client));
    return false;
}

/* Which of count items from first on are missing or low. */
static bool find_low(stockd_client *client, uint32_t first, size_t count, bool *low)
{
    static char skus[QUERY_SKUS][SKU_BYTES + 1];
    static const char *list[QUERY_SKUS];
    static int64_t available[QUERY_SKUS];

    for (size_t i = 0; i < count; i++) {
        traffic_sku(first + (uint32_t)i, skus[i]);
        list[i] = skus[i];
    }
    if (stockd_availability(client, "default", list, count, available, NULL) != STOCKD_OK)
        return failed(client, "availability");
    for (size_t i = 0; i < count; i++)
        low[i] = available[i] < LOW; /* STOCKD_UNKNOWN_SKU too */
    return true;
}

static bool send_receive(stockd_client *client, uint32_t item)
{
    unsigned char params[128];
    char id[STOCKD_ID_MAX + 1];
    char sku[SKU_BYTES];
    stockd_pack pack;

    stockd_make_id(id);
    traffic_sku(item, sku);
    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 4);
    stockd_pack_str(&pack, id);
    stockd_pack_str_n(&pack, sku, sizeof sku);
    stockd_pack_str(&pack, "main");
    stockd_pack_i64(&pack, FULL);
    if (stockd_send(client, "receive", pack.data, pack.len, NULL) != STOCKD_OK)
        return failed(client, "receive");
    return true;
}

/* Receives replies until at most left are in flight. */
static bool await_replies(stockd_client *client, size_t left)
{
    while (stockd_in_flight(client) > left) {
        if (stockd_receive(client, NULL) != STOCKD_OK)
            return failed(client, "receive");
    }
    return true;
}

bool stock_items(stockd_client *client, size_t items, size_t *received)
{
    bool low[QUERY_SKUS];

    *received = 0;
    for (size_t first = 0; first < items; first += QUERY_SKUS) {
        size_t count = items - first < QUERY_SKUS ? items - first : QUERY_SKUS;

        /* A query is a call of its own: nothing else may be in flight. */
        if (!await_replies(client, 0) || !find_low(client, (uint32_t)first, count, low))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!low[i])
                continue;
            if (!await_replies(client, IMPORT_WINDOW - 1) ||
                !send_receive(client, (uint32_t)(first + i)))
                return false;
            ++*received;
        }
    }
    return await_replies(client, 0);
}
