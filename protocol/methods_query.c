/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about stock: availability, stock, items. */
#include <stddef.h>

#include "engine/limits.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum code method_availability(struct call *call)
{
    struct params *params = &call->params;
    struct text *skus = call->scratch->skus;
    int64_t *available = call->scratch->available;
    uint64_t lsn;
    call->channel = param_code(params, "channel");
    uint32_t count = param_list(params, "skus", call->service->limits.skus, "SKUs in a query");
    for (uint32_t i = 0; i < count && params_good(params); i++)
        skus[i] = param_sku(params, "sku");
    if (count > 0)
        params_up(params);
    params_options(params, NULL, 0, NULL);
    if (!params_good(params))
        return call->refusal.code;
    enum code code = ledger_availability(call->seat, call->channel, skus, count, available, &lsn);
    if (code != CODE_OK)
        return code;
    struct out *out = call->out;
    reply_map(call, 2, lsn);
    PACK_KEY(out, "stock");
    pack_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        if (available[i] == NO_SUCH_SKU)
            pack_nil(out);
        else
            pack_int(out, available[i]);
    }
    return CODE_OK;
}

struct stock_options {
    int64_t at_lsn, at_ms;
    bool has_lsn, has_ms;
};

static const struct option stock_options[] = {
    { .name = "at_lsn",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, at_lsn),
      .given = offsetof(struct stock_options, has_lsn),
      .max = INT64_MAX },
    { .name = "at_ms",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, at_ms),
      .given = offsetof(struct stock_options, has_ms),
      .max = INT64_MAX },
};

static void pack_pool(struct out *out, const struct pool_view *pool)
{
    pack_map(out, 7);
    pack_key_text(out, "location", pool->location);
    pack_key_string(out, "kind", pool->kind);
    pack_key_text(out, "channel", pool->channel);
    pack_key_int(out, "on_hand", pool->on_hand);
    pack_key_int(out, "reserved", pool->reserved);
    pack_key_bool(out, "active", pool->active);
    pack_string(out, "eta_ms");
    pack_nil(out);
}

enum code method_stock(struct call *call)
{
    struct params *params = &call->params;
    struct stock_view view;
    struct stock_options given = { 0 };
    call->sku = param_sku(params, "sku");
    params_options(params, stock_options, COUNT_OF(stock_options), &given);
    if (params_good(params) && given.has_lsn && given.has_ms)
        refuse(&call->refusal, CODE_BAD_REQUEST, "at_ms", "at_lsn and at_ms exclude each other");
    if (!params_good(params))
        return call->refusal.code;
    if (given.has_lsn || given.has_ms)
        return method_stock_then(call, given.has_ms,
                                 (uint64_t)(given.has_ms ? given.at_ms : given.at_lsn));
    enum code code = ledger_stock(call->seat, call->sku, &view);
    if (code != CODE_OK)
        return code;
    struct out *out = call->out;
    reply_map(call, 5, view.lsn);
    pack_key_int(out, "on_hand", view.on_hand);
    pack_key_int(out, "reserved", view.reserved);
    pack_key_int(out, "available", view.available);
    pack_string(out, "pools");
    pack_array(out, view.pool_count);
    for (uint32_t i = 0; i < view.pool_count; i++)
        pack_pool(out, &view.pools[i]);
    return CODE_OK;
}

/* ---- items: [after_index, {limit}], for exports ---- */

enum { ITEMS_DEFAULT = 1000, ITEMS_MAX = 10000 };

struct items_options {
    int64_t limit;
};

static const struct option items_options[] = {
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct items_options, limit),
      .min = 1,
      .max = ITEMS_MAX },
};

static bool can_be_sold(const struct pool_view *pool)
{
    struct text kind = text_of(pool->kind);
    return text_equal(kind, text_of("shared")) || text_equal(kind, text_of("allotted"));
}

/* Packs [[location, on_hand, reserved, available]...]. An item's pools of one location stand
 * together, or are few: sums are kept for the locations met so far. */
static void pack_places(struct out *out, const struct stock_view *view, struct place_sum *sums)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->pool_count; i++) {
        const struct pool_view *pool = &view->pools[i];
        if (!can_be_sold(pool))
            continue;
        uint32_t at = count;
        while (at > 0 && !text_equal(sums[at - 1].location, pool->location))
            at--;
        if (at == 0) {
            at = ++count;
            sums[at - 1] = (struct place_sum){ .location = pool->location };
        }
        sums[at - 1].on_hand += pool->on_hand;
        sums[at - 1].reserved += pool->reserved;
    }
    pack_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_array(out, 4);
        pack_text(out, sums[i].location);
        pack_int(out, sums[i].on_hand);
        pack_int(out, sums[i].reserved);
        pack_int(out, sums[i].on_hand - sums[i].reserved);
    }
}

enum code method_items(struct call *call)
{
    struct params *params = &call->params;
    struct items_options given = { .limit = ITEMS_DEFAULT };
    uint32_t cursor = (uint32_t)param_number(params, "after_index", 0, UINT32_MAX);
    params_options(params, items_options, COUNT_OF(items_options), &given);
    if (!params_good(params))
        return call->refusal.code;

    /* How many there are is known only at the end, and has to be said at the beginning. */
    struct out items;
    struct stock_view view;
    struct text sku;
    uint32_t count = 0;
    uint64_t lsn = log_head(call->service->log);
    bool more = true;
    out_init(&items, call->out->pool);
    while (count < given.limit && (more = ledger_next_item(call->seat, &cursor, &sku, &view))) {
        pack_array(&items, 2);
        pack_text(&items, sku);
        pack_places(&items, &view, call->scratch->sums);
        count++;
    }
    reply_map(call, 3, lsn);
    pack_string(call->out, "items");
    pack_array(call->out, count);
    out_append_stream(call->out, &items);
    out_destroy(&items);
    pack_string(call->out, "next");
    if (more)
        pack_uint(call->out, cursor);
    else
        pack_nil(call->out);
    return CODE_OK;
}
