/* SPDX-License-Identifier: Apache-2.0 */
/* The common calls with C types: pack the parameters, call, read the keys of the result. */
#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/internal.h"

/* The parameters of a typed call, in memory that is reused from call to call. */
static stockd_pack *begin(stockd_client *client, size_t params)
{
    stockd_pack_reset(&client->scratch);
    stockd_pack_array(&client->scratch, params);
    return &client->scratch;
}

static int finish(stockd_client *client, const char *method, unsigned flags)
{
    const stockd_pack *pack = &client->scratch;
    int status = stockd_pack_status(pack);

    if (status != STOCKD_OK)
        return stk_fail(client, status, "%s: %s", method, stockd_status_text(status));
    return stockd_call(client, method, pack->data, pack->len, flags, NULL);
}

/* The engine's result lacks what the protocol requires; the connection itself is intact. */
static int broken_promise(stockd_client *client, const char *method)
{
    return stk_fail(client, STOCKD_E_PROTOCOL, "%s: the result lacks what the protocol requires",
                    method);
}

static int missing(stockd_client *client, const char *method, const char *name)
{
    return stk_fail(client, STOCKD_E_ARGUMENT, "%s: %s is missing", method, name);
}

static bool copy_key(stockd_value map, const char *key, char *out, size_t size)
{
    stockd_value value;

    return stockd_map_find(map, key, &value) && stockd_value_copy_str(value, out, size);
}

void stockd_make_id(char out[STOCKD_ID_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[16];

    /* Waits until the kernel's generator is ready; then 16 bytes always come at once. */
    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        ;
    for (size_t i = 0; i < sizeof random; i++) {
        out[2 * i] = digits[random[i] >> 4];
        out[2 * i + 1] = digits[random[i] & 0x0f];
    }
    out[2 * sizeof random] = '\0';
}

int stockd_ping(stockd_client *client)
{
    (void)begin(client, 0);
    return finish(client, "ping", STOCKD_RETRY_SAFE);
}

int stockd_hello(stockd_client *client, const char *client_name, const char *token,
                 stockd_server *out)
{
    stockd_server server = { 0 };

    if (!client_name)
        return missing(client, "hello", "client_name");
    stk_pack_hello(client, client_name, token);
    int rc = finish(client, "hello", STOCKD_RETRY_SAFE);
    stk_forget_hello(client);
    if (rc != STOCKD_OK)
        return rc;
    stockd_value result = client->reply.result;
    if (!copy_key(result, "server", server.server, sizeof server.server) ||
        !copy_key(result, "version", server.version, sizeof server.version) ||
        !stockd_map_u64(result, "protocol", &server.protocol) ||
        !stockd_map_u64(result, "lsn", &server.lsn))
        return broken_promise(client, "hello");
    if (out)
        *out = server;
    return STOCKD_OK;
}

static void pack_line(stockd_pack *pack, const stockd_line *line, bool with_location)
{
    bool location = with_location && line->location;

    stockd_pack_array(pack, location ? 3 : 2);
    stockd_pack_str(pack, line->sku);
    stockd_pack_i64(pack, line->qty);
    if (location)
        stockd_pack_str(pack, line->location);
}

static void pack_reserve_options(stockd_pack *pack, const stockd_reserve_options *options)
{
    stockd_pack_map(pack, (options->ttl_ms != 0) + (options->at != NULL) + options->confirm);
    if (options->ttl_ms != 0) {
        stockd_pack_str(pack, "ttl_ms");
        stockd_pack_i64(pack, options->ttl_ms);
    }
    if (options->at) {
        stockd_pack_str(pack, "at");
        stockd_pack_str(pack, options->at);
    }
    if (options->confirm) {
        stockd_pack_str(pack, "confirm");
        stockd_pack_bool(pack, true);
    }
}

static int read_reservation(stockd_client *client, stockd_reservation *out)
{
    stockd_value result = client->reply.result;
    stockd_reservation held = { 0 };
    stockd_value expires;

    if (!stockd_map_u64(result, "lsn", &held.lsn) ||
        !copy_key(result, "state", held.state, sizeof held.state) ||
        !stockd_map_find(result, "expires_ms", &expires) ||
        !stockd_map_find(result, "lines", &held.lines))
        return broken_promise(client, "reserve");
    if (stockd_value_kind(expires) != STOCKD_KIND_NIL &&
        !stockd_value_i64(expires, &held.expires_ms))
        return broken_promise(client, "reserve");
    if (out)
        *out = held;
    return STOCKD_OK;
}

int stockd_reserve(stockd_client *client, const char *id, const char *channel,
                   const stockd_line *lines, size_t count, const stockd_reserve_options *options,
                   stockd_reservation *out)
{
    if (!id || !channel || !lines)
        return missing(client, "reserve", !id ? "id" : !channel ? "channel" : "lines");
    stockd_pack *pack = begin(client, options ? 4 : 3);

    stockd_pack_str(pack, id);
    stockd_pack_str(pack, channel);
    stockd_pack_array(pack, count);
    for (size_t i = 0; i < count; i++)
        pack_line(pack, &lines[i], true);
    if (options)
        pack_reserve_options(pack, options);
    int rc = finish(client, "reserve", STOCKD_RETRY_SAFE);
    return rc == STOCKD_OK ? read_reservation(client, out) : rc;
}

static int read_step(stockd_client *client, const char *method, stockd_step *out)
{
    stockd_value result = client->reply.result;
    stockd_step step = { 0 };

    if (!stockd_map_u64(result, "lsn", &step.lsn) ||
        !copy_key(result, "state", step.state, sizeof step.state))
        return broken_promise(client, method);
    if (out)
        *out = step;
    return STOCKD_OK;
}

int stockd_confirm(stockd_client *client, const char *id, stockd_step *out)
{
    if (!id)
        return missing(client, "confirm", "id");
    stockd_pack_str(begin(client, 1), id);
    int rc = finish(client, "confirm", STOCKD_RETRY_SAFE);
    return rc == STOCKD_OK ? read_step(client, "confirm", out) : rc;
}

/*
 * `fulfil` and `cancel`. A step over all that is left may be sent twice; one over given lines only
 * if op names it, or the second would take as much again.
 */
static int partial_step(stockd_client *client, const char *method, const char *id,
                        const stockd_line *lines, size_t count, const char *op, stockd_step *out)
{
    if (!id)
        return missing(client, method, "id");
    stockd_pack *pack = begin(client, op ? 3 : lines ? 2 : 1);

    stockd_pack_str(pack, id);
    if (lines) {
        stockd_pack_array(pack, count);
        for (size_t i = 0; i < count; i++)
            pack_line(pack, &lines[i], false);
    } else if (op) {
        stockd_pack_nil(pack);
    }
    if (op) {
        stockd_pack_map(pack, 1);
        stockd_pack_str(pack, "op");
        stockd_pack_str(pack, op);
    }
    int rc = finish(client, method, !lines || op ? STOCKD_RETRY_SAFE : 0);
    return rc == STOCKD_OK ? read_step(client, method, out) : rc;
}

int stockd_fulfil(stockd_client *client, const char *id, const stockd_line *lines, size_t count,
                  const char *op, stockd_step *out)
{
    return partial_step(client, "fulfil", id, lines, count, op, out);
}

int stockd_cancel(stockd_client *client, const char *id, const stockd_line *lines, size_t count,
                  const char *op, stockd_step *out)
{
    return partial_step(client, "cancel", id, lines, count, op, out);
}

int stockd_receive_stock(stockd_client *client, const char *id, const char *sku,
                         const char *location, int64_t qty, const char *ref, stockd_level *out)
{
    stockd_level level = { 0 };

    if (!id || !sku || !location)
        return missing(client, "receive", !id ? "id" : !sku ? "sku" : "location");
    stockd_pack *pack = begin(client, ref ? 5 : 4);

    stockd_pack_str(pack, id);
    stockd_pack_str(pack, sku);
    stockd_pack_str(pack, location);
    stockd_pack_i64(pack, qty);
    if (ref) {
        stockd_pack_map(pack, 1);
        stockd_pack_str(pack, "ref");
        stockd_pack_str(pack, ref);
    }
    int rc = finish(client, "receive", STOCKD_RETRY_SAFE);
    if (rc != STOCKD_OK)
        return rc;
    stockd_value result = client->reply.result;
    if (!stockd_map_u64(result, "lsn", &level.lsn) ||
        !stockd_map_i64(result, "on_hand", &level.on_hand) ||
        !stockd_map_i64(result, "available", &level.available))
        return broken_promise(client, "receive");
    if (out)
        *out = level;
    return STOCKD_OK;
}

/* Fills available from the result's stock: one entry per SKU requested, each a number or nil. */
static bool read_stock(stockd_value stock, size_t count, int64_t *available)
{
    stockd_iter it = stockd_iterate(stock);
    stockd_value element;

    if (stockd_value_kind(stock) != STOCKD_KIND_ARRAY || it.left != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!stockd_next(&it, NULL, &element))
            return false;
        if (stockd_value_kind(element) == STOCKD_KIND_NIL)
            available[i] = STOCKD_UNKNOWN_SKU;
        else if (!stockd_value_i64(element, &available[i]))
            return false;
    }
    return true;
}

int stockd_availability(stockd_client *client, const char *channel, const char *const *skus,
                        size_t count, int64_t *available, uint64_t *lsn)
{
    stockd_value stock;
    uint64_t at;

    if (!channel || !skus || !available)
        return missing(client, "availability", !channel ? "channel" : "skus or their output");
    stockd_pack *pack = begin(client, 2);

    stockd_pack_str(pack, channel);
    stockd_pack_array(pack, count);
    for (size_t i = 0; i < count; i++)
        stockd_pack_str(pack, skus[i]);
    int rc = finish(client, "availability", STOCKD_RETRY_SAFE);
    if (rc != STOCKD_OK)
        return rc;
    if (!stockd_map_u64(client->reply.result, "lsn", &at) ||
        !stockd_map_find(client->reply.result, "stock", &stock) ||
        !read_stock(stock, count, available))
        return broken_promise(client, "availability");
    if (lsn)
        *lsn = at;
    return STOCKD_OK;
}

bool stockd_read_changed(stockd_value params, stockd_changed *out)
{
    stockd_iter it = stockd_iterate(params);
    stockd_value part[4];
    stockd_changed change;

    if (stockd_value_kind(params) != STOCKD_KIND_ARRAY || it.left < 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        if (!stockd_next(&it, NULL, &part[i]))
            return false;
    if (!stockd_value_str(part[0], &change.channel, &change.channel_len) ||
        !stockd_value_str(part[1], &change.sku, &change.sku_len) ||
        !stockd_value_i64(part[2], &change.available) || !stockd_value_u64(part[3], &change.lsn) ||
        change.channel_len > STOCKD_CODE_MAX || change.sku_len > STOCKD_SKU_MAX)
        return false;
    *out = change;
    return true;
}

int stockd_subscribe(stockd_client *client, const char *channel, const uint64_t *since_lsn,
                     uint64_t *lsn)
{
    stockd_pack *pack = begin(client, 1);
    uint64_t number;

    stockd_pack_map(pack, (channel != NULL) + (since_lsn != NULL));
    if (channel) {
        stockd_pack_str(pack, "channel");
        stockd_pack_str(pack, channel);
    }
    if (since_lsn) {
        stockd_pack_str(pack, "since_lsn");
        stockd_pack_u64(pack, *since_lsn);
    }
    int rc = finish(client, "subscribe", STOCKD_RETRY_SAFE);
    if (rc != STOCKD_OK)
        return rc;
    if (!stockd_map_u64(client->reply.result, "lsn", &number))
        return broken_promise(client, "subscribe");
    if (lsn)
        *lsn = number;
    return STOCKD_OK;
}
