/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/check.h"

#include <stdio.h>
#include <string.h>

enum { CHECK_WINDOW = 1024 };

static bool failed(const stockd_client *client)
{
    fprintf(stderr, "stockbench: --check: %s\n", stockd_error_message(client));
    return false;
}

static bool take_reply(stockd_client *client, struct units *sum)
{
    stockd_reply reply;
    int64_t on_hand = 0;
    int64_t reserved = 0;
    int rc = stockd_receive(client, &reply);

    if (rc == STOCKD_REFUSED && strcmp(reply.code, "unknown_sku") == 0)
        return true;
    if (rc != STOCKD_OK || !stockd_map_i64(reply.result, "on_hand", &on_hand) ||
        !stockd_map_i64(reply.result, "reserved", &reserved))
        return failed(client);
    sum->on_hand += on_hand;
    sum->reserved += reserved;
    return true;
}

static bool ask(stockd_client *client, const struct check_items *items, size_t index)
{
    unsigned char params[STOCKD_SKU_MAX + 8];
    char sku[STOCKD_SKU_MAX + 1];
    stockd_pack pack;

    items->sku(items->context, index, sku);
    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, sku);
    return stockd_send(client, "stock", pack.data, pack.len, NULL) == STOCKD_OK || failed(client);
}

bool check_sum(stockd_client *client, const struct check_items *items, struct units *sum)
{
    *sum = (struct units){ 0 };
    for (size_t i = 0; i < items->count; i++) {
        if (!ask(client, items, i))
            return false;
        while (stockd_in_flight(client) >= CHECK_WINDOW) {
            if (!take_reply(client, sum))
                return false;
        }
    }
    while (stockd_in_flight(client) > 0) {
        if (!take_reply(client, sum))
            return false;
    }
    return true;
}

void check_compare(struct result *result, const struct units *before, const struct units *after)
{
    struct check_result *check = &result->check;
    const uint64_t *units = result->units;
    int64_t reserved = (int64_t)(units[ASK_RESERVE] + units[ASK_RESERVE_CONFIRMED]);

    check->on_hand_expected = (int64_t)units[ASK_RETURN] - (int64_t)units[ASK_FULFIL];
    check->on_hand_found = after->on_hand - before->on_hand;
    check->reserved_expected = reserved - (int64_t)(units[ASK_FULFIL] + units[ASK_CANCEL]);
    check->reserved_found = after->reserved - before->reserved;
    check->done = true;
    check->good = check->on_hand_expected == check->on_hand_found &&
                  check->reserved_expected == check->reserved_found;
}
