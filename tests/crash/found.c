/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/found.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void give_up(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

void must(stockd_client *client, int status)
{
    if (status != STOCKD_OK)
        give_up(EXIT_WRONG, "the engine does not answer: %s", stockd_error_message(client));
}

static void ask_for(stockd_client *client, const char *method, const char *name)
{
    unsigned char buffer[64];
    stockd_pack pack;
    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, name);
    must(client, stockd_send(client, method, pack.data, pack.len, NULL));
}

/* False: there is none. */
static bool answer(stockd_client *client, stockd_reply *reply, const char *unknown)
{
    int status = stockd_receive(client, reply);
    if (status == STOCKD_REFUSED && strcmp(reply->code, unknown) == 0)
        return false;
    must(client, status);
    return true;
}

static bool map_has(stockd_value map, const char *key, const char *text)
{
    stockd_value value;
    char have[STOCKD_ID_MAX + 1];
    return stockd_map_find(map, key, &value) && stockd_value_copy_str(value, have, sizeof have) &&
           strcmp(have, text) == 0;
}

static void add_pool(stockd_value pool, struct life_stock *stock)
{
    int64_t on_hand = 0, reserved = 0;
    enum life_place place = map_has(pool, "location", "annex") ? LIFE_ANNEX : LIFE_MAIN;
    stockd_map_i64(pool, "on_hand", &on_hand);
    stockd_map_i64(pool, "reserved", &reserved);
    stock->reserved[place] += reserved;
    if (map_has(pool, "kind", "expected"))
        stock->expected += on_hand;
    else
        stock->on_hand[place] += on_hand;
}

static void find_stock(stockd_client *client, const struct life *life, struct found *found)
{
    char name[LIFE_NAME];
    stockd_reply reply;
    for (int i = 0; i < LIFE_ITEMS; i++) {
        struct life_stock *stock = &found->stock[i];
        stockd_value pools, pool;
        life_sku_name(life, i, name);
        ask_for(client, "stock", name);
        *stock = (struct life_stock){ .backlog = 0 };
        if (!answer(client, &reply, "unknown_sku"))
            continue;
        stockd_map_i64(reply.result, "backlog", &stock->backlog);
        if (!stockd_map_find(reply.result, "pools", &pools))
            give_up(EXIT_WRONG, "a reply has no pools");
        stockd_iter each = stockd_iterate(pools);
        while (stockd_next(&each, NULL, &pool))
            add_pool(pool, stock);
    }
}

/* Units that are left of its lines whose place is nil. A line is [sku, place, qty, ready_ms,
 * fulfilled, cancelled]. */
static int64_t waiting_units(stockd_value result)
{
    enum { PLACE = 1, QTY = 2, FULFILLED = 4, CANCELLED = 5, FIELDS };
    int64_t units = 0;
    stockd_value lines, line, field[FIELDS];
    if (!stockd_map_find(result, "lines", &lines))
        give_up(EXIT_WRONG, "a reply has no lines");
    stockd_iter each = stockd_iterate(lines);
    while (stockd_next(&each, NULL, &line)) {
        int64_t qty[FIELDS] = { 0 };
        stockd_iter fields = stockd_iterate(line);
        for (int i = 0; i < FIELDS && stockd_next(&fields, NULL, &field[i]); i++)
            stockd_value_i64(field[i], &qty[i]);
        if (stockd_value_kind(field[PLACE]) == STOCKD_KIND_NIL)
            units += qty[QTY] - qty[FULFILLED] - qty[CANCELLED];
    }
    return units;
}

static void find_orders(stockd_client *client, const struct life *life, struct found *found)
{
    enum { AT_ONCE = 256 };
    char name[LIFE_NAME];
    stockd_reply reply;
    for (uint32_t from = 0; from < found->orders; from += AT_ONCE) {
        uint32_t to = found->orders - from < AT_ONCE ? found->orders : from + AT_ONCE;
        for (uint32_t i = from; i < to; i++) {
            life_order_name(life, i, name);
            ask_for(client, "reservation", name);
        }
        for (uint32_t i = from; i < to; i++) {
            stockd_value state;
            found->states[i][0] = '\0';
            found->waits[i] = 0;
            if (!answer(client, &reply, "unknown_reservation"))
                continue;
            if (stockd_map_find(reply.result, "state", &state))
                stockd_value_copy_str(state, found->states[i], sizeof found->states[i]);
            found->waits[i] = waiting_units(reply.result);
        }
    }
}

static bool same_stock(const struct life_stock *a, const struct life_stock *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void show_stock(const struct life_stock *stock, char *to, size_t size)
{
    snprintf(to, size,
             "%" PRId64 " and %" PRId64 " on hand, %" PRId64 " and %" PRId64 " reserved, %" PRId64
             " expected, %" PRId64 " wait",
             stock->on_hand[0], stock->on_hand[1], stock->reserved[0], stock->reserved[1],
             stock->expected, stock->backlog);
}

/* Do the orders of what waits wait as they should? The others that may were rejected: they do so in
 * the order in which they are, but not all since they were made. */
static bool is_waiting(const struct life *life, const struct found *found, char *why, size_t size)
{
    int64_t *wanted = calloc(life->order_count + 1, sizeof *wanted);
    bool right = true;
    life_waits(life, wanted);
    for (uint32_t i = 0; right && i < life->order_count && i < found->orders; i++) {
        if (life->orders[i].line[0].sku == LIFE_LONE || wanted[i] == found->waits[i])
            continue;
        snprintf(why, size, "order %" PRIu32 " waits for %" PRId64 " units, not %" PRId64, i,
                 found->waits[i], wanted[i]);
        right = false;
    }
    free(wanted);
    return right;
}

bool is_state(const struct life *life, const struct found *found, char *why, size_t size)
{
    for (int i = 0; i < LIFE_ITEMS; i++)
        if (!same_stock(&found->stock[i], &life->stock[i])) {
            char has[128], wanted[128];
            show_stock(&found->stock[i], has, sizeof has);
            show_stock(&life->stock[i], wanted, sizeof wanted);
            snprintf(why, size, "item %d has %s; not %s", i, has, wanted);
            return false;
        }
    for (uint32_t i = 0; i < found->orders; i++) {
        bool there = i < life->order_count;
        const char *wanted = there ? order_state_name(life->orders[i].state) : "";
        if (strcmp(found->states[i], wanted) != 0) {
            snprintf(why, size, "order %" PRIu32 " is \"%s\", not \"%s\"", i, found->states[i],
                     wanted);
            return false;
        }
    }
    return is_waiting(life, found, why, size);
}

void find(stockd_client *client, const struct life *life, struct found *found)
{
    find_stock(client, life, found);
    find_orders(client, life, found);
}

bool is_unsettled(const struct found *found)
{
    const struct life_stock *waited = &found->stock[LIFE_WAITED], *lone = &found->stock[LIFE_LONE];
    return (waited->backlog > 0 && waited->on_hand[LIFE_MAIN] > waited->reserved[LIFE_MAIN]) ||
           (lone->backlog > 0 && lone->on_hand[LIFE_ANNEX] > lone->reserved[LIFE_ANNEX]);
}
