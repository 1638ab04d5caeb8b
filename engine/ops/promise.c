/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: plans an order as far as it can be filled now, and takes nothing. */
#include "engine/ledger/ledger.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/order.h"

/* The plan's draws, as a reserve would show them. */
static void view_plan(struct ctx *ctx, const struct order_plan *s, struct reservation_view *view)
{
    const struct items *items = &ctx->ledger->items;
    view->draw_count = s->draw_count;
    view->draws = ctx->draw_views;
    ctx->work += (uint64_t)DRAW_WORK * s->draw_count;
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct planned_draw *draw = &s->draws[i];
        bool sent = demand_sends(&s->demand, draw->key);
        uint16_t at = sent ? (uint16_t)(s->demand.sent_to - 1) : key_location(draw->key);
        const struct location *where = &ctx->catalogue->locations[at];
        ctx->draw_views[i] =
            (struct draw_view){ .sku = item_sku(item_at(items, key_item(draw->key))),
                                .location = code_text(&where->code),
                                .qty = draw->qty,
                                .ready_ms = draw->ready_ms };
    }
}

enum code ledger_promise(struct ctx *ctx, const struct order *order, struct reservation_view *view)
{
    struct order_plan *s = ctx->order_plan;
    struct order partly = *order;
    bool resolved = false, timed;
    partly.partial = true;
    enum code code = check_order(ctx, &partly);
    if (code)
        return code;
    *view = (struct reservation_view){ .lsn = log_head(ctx->ledger->log) }; /* @promise-lsn */
    code = plan_order(ctx, &partly, s, &resolved, &timed);
    assert(code != CODE_INSUFFICIENT_STOCK || s->draw_count == 0);
    if (code && code != CODE_INSUFFICIENT_STOCK) /* where nothing is there, all is missing */
        return code;
    view_plan(ctx, s, view);
    list_missing(&partly, s, view);
    COUNT(ctx, queries);
    return CODE_OK;
}
