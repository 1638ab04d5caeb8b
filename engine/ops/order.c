/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/order.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/reservation.h"
#include "engine/sourcing/ready.h"

/* ---- checks ---- */

enum code check_lines(struct ctx *ctx, const struct order_line *lines, uint32_t count)
{
    if (count == 0)
        return fail_param(ctx, CODE_BAD_REQUEST, "lines", "lines must have at least one line");
    if (count > LINES_MAX)
        return fail_param(ctx, CODE_TOO_LARGE, "lines", "lines: an order has at most %d, not %u",
                          LINES_MAX, count);
    for (uint32_t i = 0; i < count; i++) {
        int64_t qty = lines[i].qty;
        if (qty < 1 || qty > QUANTITY_MAX)
            return fail_param(ctx, CODE_BAD_REQUEST, "qty",
                              "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                              (long long)QUANTITY_MAX, (long long)qty);
    }
    return CODE_OK;
}

/* Only what is collected somewhere can be sent there. */
static enum code check_supply(struct ctx *ctx, const struct order *order)
{
    if (!text_equal(order->supply, text_of("any")))
        return fail_param(ctx, CODE_BAD_REQUEST, "supply", "supply must be \"any\", or absent");
    if (!text_equal(order->terms.mode, text_of("pickup")) || !text_given(order->at))
        return fail_param(ctx, CODE_BAD_REQUEST, "supply",
                          "supply \"any\" needs mode \"pickup\", and `at`");
    return CODE_OK;
}

enum code check_order(struct ctx *ctx, const struct order *order)
{
    if (order->has_ttl && (order->ttl_ms < 1 || order->ttl_ms > TTL_MAX_MS))
        return fail_param(ctx, CODE_BAD_REQUEST, "ttl_ms",
                          "ttl_ms must be a whole number from 1 to %u", TTL_MAX_MS);
    enum code code = check_lines(ctx, order->lines, order->line_count);
    if (!code)
        code = check_text(ctx, "ref", order->ref);
    if (!code && text_given(order->supply))
        code = check_supply(ctx, order);
    return code || !terms_given(&order->terms) ? code : check_terms(ctx, &order->terms);
}

/* ---- what it names ---- */

static enum code elsewhere(struct ctx *ctx, uint32_t line)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "location",
                      "lines[%u] location: with supply \"any\" all is collected at `at`", line);
}

/* Finds the items and locations of all lines. What may be sent is bound to no place. */
static enum code resolve_lines(struct ctx *ctx, const struct order *order,
                               const struct location *at, struct order_plan *s)
{
    enum code code = CODE_OK;
    uint32_t item;
    for (uint32_t i = 0; !code && i < order->line_count; i++) {
        const struct order_line *line = &order->lines[i];
        const struct location *bound = at;
        if (text_given(line->location))
            code = find_location(ctx, "location", line->location, &bound);
        if (!code && text_given(order->supply) && bound != at)
            code = elsewhere(ctx, i);
        if (!code)
            code = find_item(ctx, line->sku, &item);
        if (!code)
            sourcing_set_line(s, i, item, text_given(order->supply) ? NULL : bound);
    }
    return code;
}

enum code resolve_order(struct ctx *ctx, const struct order *order, struct order_plan *s)
{
    const struct location *at = NULL;
    catalogue_pin(ctx);
    s->order = order;
    enum code code = find_channel(ctx, order->channel, &s->channel);
    if (!code && text_given(order->at))
        code = find_location(ctx, "at", order->at, &at);
    if (!code)
        code = resolve_lines(ctx, order, at, s);
    s->demand = demand_usual(ctx);
    if (text_given(order->at))
        s->demand.mode = MODE_PICKUP;
    if (!code && terms_given(&order->terms))
        code = demand_of_terms(ctx, order, s->channel, &s->arrays, &s->demand);
    s->partial = order->partial || order->backorder;
    s->may_be_empty = order->backorder;
    if (!code && text_given(order->supply))
        demand_send_to(ctx, s->channel, at, &s->arrays, &s->demand);
    return code;
}

/* ---- when it is ready ---- */

/* Of a draw that is sent: its ETA, too. */
static uint64_t time_sent(const struct ctx *ctx, const struct demand *demand,
                          struct planned_draw *draw)
{
    draw->eta_ms = sent_eta_ms(ctx, draw->key, draw->pool);
    if (draw->eta_ms == READY_NEVER)
        return READY_NEVER;
    return sent_ready_ms(ctx, key_item(draw->key), (uint16_t)(demand->sent_to - 1), draw->eta_ms);
}

/* Sets when each draw is ready, by the current lead times. CODE_DEFERRED: one has become too late
 * since it was planned. */
static enum code time_draws(struct ctx *ctx, struct order_plan *s, bool *timed)
{
    *timed = s->demand.mode == MODE_PICKUP; /* so that it is known when units are drawn anew */
    for (uint32_t i = 0; i < s->draw_count; i++) {
        struct planned_draw *draw = &s->draws[i];
        bool sent = demand_sends(&s->demand, draw->key);
        draw->ready_ms =
            sent ? time_sent(ctx, &s->demand, draw)
                 : ready_ms_of(ctx, draw->key, draw->pool, s->demand.mode, draw->eta_ms);
        *timed |= draw->ready_ms != ctx->wall_ms;
        bool late = draw->ready_ms > s->demand.by_ms && s->demand.by_ms != BY_WHENEVER;
        if (late || (sent && draw->eta_ms == READY_NEVER))
            return CODE_DEFERRED; /* a setting came in between */
    }
    return CODE_OK;
}

enum code plan_order(struct ctx *ctx, const struct order *order, struct order_plan *s,
                     bool *resolved, bool *timed)
{
    enum code code = *resolved ? CODE_OK : resolve_order(ctx, order, s);
    *resolved = true;
    if (!code)
        code = sourcing_plan(ctx, s);
    return code ? code : time_draws(ctx, s, timed);
}

/* ---- what it could not get ---- */

/* Per sku, as the plan keeps no record of which line a repeated order's draws were for. */
void list_missing(const struct order *order, struct order_plan *s, struct reservation_view *view)
{
    memset(s->wanted, 0, order->line_count * sizeof s->wanted[0]);
    for (uint32_t i = 0; i < order->line_count; i++)
        s->wanted[s->first[i]] += order->lines[i].qty;
    for (uint32_t i = 0; i < s->draw_count; i++)
        s->wanted[s->first[s->draws[i].line]] -= s->draws[i].qty;
    view->missing_count = 0;
    view->missing = s->missing;
    for (uint32_t i = 0; i < order->line_count; i++)
        if (s->wanted[i] > 0)
            s->missing[view->missing_count++] =
                (struct missing){ order->lines[i].sku, s->wanted[i] };
}

/* The items were there when the order was granted, and remain; unless another order has the same
 * fingerprint. */
bool recall_plan(struct ctx *ctx, const struct order *order, struct id_entry *entry,
                 struct order_plan *s)
{
    const struct items *items = &ctx->ledger->items;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    uint32_t item;
    bool known = true;
    for (uint32_t i = 0; known && i < order->line_count; i++) {
        known = find_item(ctx, order->lines[i].sku, &item) == CODE_OK;
        if (known)
            sourcing_set_line(s, i, item, NULL);
    }
    s->draw_count = 0;
    while (known && (draw = draw_walk_next(&walk)) != NULL) {
        if (draw_granted(entry, draw) == 0)
            continue; /* it was drawn later */
        item = key_item(pool_read_key(pool_at(items, draw->pool)));
        uint32_t line = *item_map_number(&s->map, item, LINES_MAX);
        known = line < LINES_MAX;
        if (known)
            s->draws[s->draw_count++] =
                (struct planned_draw){ .line = line, .qty = draw_granted(entry, draw) };
    }
    return known;
}
