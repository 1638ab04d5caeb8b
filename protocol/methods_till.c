/* SPDX-License-Identifier: Apache-2.0 */
/* What tills say: sold. */
#include <stddef.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"

struct sold_options {
    struct text ref;
    int64_t at_ms;
    bool has_at;
};

#define GIVEN sold_options
static const struct option sold_options[] = {
    OPTION(OPTION_NUMBER, "at_ms", at_ms, has_at, .min = 0, .max = INT64_MAX),
    { .name = "ref", .kind = OPTION_WORDS, .max = NAME_MAX_BYTES },
};
_Static_assert(offsetof(struct GIVEN, ref) == 0, "where the row of ref puts it");
#undef GIVEN

static enum code reply_sold(struct call *call, const struct sold_view *view)
{
    struct out *out = call->out;
    call->lsn = view->lsn;
    reply_map(call, 2, view->lsn);
    PACK_KEY(out, "lines");
    pack_array(out, view->line_count);
    for (uint32_t i = 0; i < view->line_count; i++) {
        pack_array(out, 3);
        pack_text(out, view->lines[i].sku);
        pack_int(out, view->lines[i].on_hand);
        pack_int(out, view->lines[i].available);
    }
    return CODE_OK;
}

/* [id, channel, location, [[sku, qty]...], {options}] */
enum code method_sold(struct call *call)
{
    struct params *params = &call->params;
    struct sold_options given = { .has_at = false };
    struct sale sale = { .line_count = 0 };
    struct sold_view view;
    call->id = sale.id = param_id(params, "id");
    call->channel = sale.channel = param_channel(params, "channel");
    call->location = sale.location = param_place(params, "location");
    sale.line_count = take_pairs(call, "lines must have at least one line");
    sale.lines = call->scratch->lines;
    params_options(params, sold_options, COUNT_OF(sold_options), &given);
    sale.ref = given.ref;
    sale.has_at = given.has_at;
    sale.at_ms = (uint64_t)given.at_ms;
    if (!params_good(params))
        return call->refusal.code;
    if (sale.line_count == 1)
        call->sku = sale.lines[0].sku;
    enum code code = ledger_sold(call->ctx, &sale, &view);
    return code == CODE_OK ? reply_sold(call, &view) : code;
}
