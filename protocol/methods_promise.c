/* SPDX-License-Identifier: Apache-2.0 */
/* What an order could have now, and where a basket is: promise, locate. */
#include <math.h>
#include <stddef.h>

#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"

enum code method_promise(struct call *call)
{
    struct order_taken taken = { .exclude = { .count = 0 } };
    struct reservation_view view;
    if (!take_order(call, false, &taken))
        return call->refusal.code;
    enum code code = ledger_promise(call->ctx, &taken.order, &view);
    if (code != CODE_OK)
        return code;
    reply_map(call, 4, view.lsn);
    pack_key_bool(call->out, "complete", view.missing_count == 0);
    pack_granted(call->out, &view);
    pack_missing(call->out, &view);
    return CODE_OK;
}

/* ---- locate ---- */

enum {
    OPTIONS_DEFAULT = 10,
    WITHIN_MOST_KM = 40100, /* the circumference of the Earth */
};

static const struct option basket_options[] = {
    { .name = "mode",
      .kind = OPTION_WORDS,
      .value = offsetof(struct basket, terms.mode),
      .max = CODE_MAX },
    { .name = "lat",
      .kind = OPTION_REAL,
      .value = offsetof(struct basket, terms.lat),
      .given = offsetof(struct basket, terms.has_lat),
      .min = -90,
      .max = 90 },
    { .name = "lon",
      .kind = OPTION_REAL,
      .value = offsetof(struct basket, terms.lon),
      .given = offsetof(struct basket, terms.has_lon),
      .min = -180,
      .max = 180 },
    { .name = "within_km",
      .kind = OPTION_REAL,
      .value = offsetof(struct basket, within_km),
      .given = offsetof(struct basket, has_within),
      .max = WITHIN_MOST_KM },
    { .name = "by_ms",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct basket, terms.by_ms),
      .given = offsetof(struct basket, terms.has_by),
      .max = INT64_MAX },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct basket, limit),
      .min = 1,
      .max = OPTIONS_MAX },
};

static void pack_option(struct out *out, const struct located *located,
                        const struct place_option *option)
{
    pack_map(out, 5);
    pack_key_text(out, "location", option->location);
    PACK_KEY(out, "distance_km");
    if (isnan(option->distance_km))
        pack_nil(out);
    else
        pack_double(out, option->distance_km);
    pack_key_bool(out, "complete", option->complete);
    PACK_KEY(out, "ready_ms");
    pack_ready(out, option->ready_ms);
    PACK_KEY(out, "lines");
    pack_array(out, located->sku_count);
    for (uint32_t i = 0; i < located->sku_count; i++) {
        pack_array(out, 2);
        pack_text(out, located->skus[i]);
        pack_uint(out, located_units(located, option, i));
    }
}

/* Asks for as many options as there can be: some may be of locations that it may not see. */
static enum code locate_all(struct call *call, struct basket *basket, struct located *located)
{
    int64_t most = OPTION_LINES_MAX / basket->line_count;
    basket->limit = most < OPTIONS_MAX ? most : OPTIONS_MAX;
    return ledger_locate(call->ctx, basket, located);
}

static void pack_options(struct call *call, const struct located *located, int64_t limit)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < located->option_count; i++)
        seen += call_sees_place(call, located->options[i].place);
    uint32_t left = seen < limit ? seen : (uint32_t)limit;
    pack_array(call->out, left);
    for (uint32_t i = 0; left > 0; i++) {
        if (!call_sees_place(call, located->options[i].place))
            continue;
        pack_option(call->out, located, &located->options[i]);
        left--;
    }
}

enum code method_locate(struct call *call)
{
    struct params *params = &call->params;
    struct basket basket = { .limit = OPTIONS_DEFAULT };
    struct located located;
    call->channel = basket.channel = param_channel(params, "channel");
    basket.line_count = take_pairs(call, "lines must not be empty");
    basket.lines = call->scratch->lines;
    params_options(params, basket_options, COUNT_OF(basket_options), &basket);
    if (basket.line_count == 1)
        call->sku = basket.lines[0].sku;
    if (!params_good(params))
        return call->refusal.code;
    int64_t limit = basket.limit;
    enum code code = scope_sees_places(params->scope) ? ledger_locate(call->ctx, &basket, &located)
                                                      : locate_all(call, &basket, &located);
    if (code != CODE_OK)
        return code;
    reply_map(call, 2, located.lsn);
    PACK_KEY(call->out, "options");
    pack_options(call, &located, limit);
    return CODE_OK;
}
