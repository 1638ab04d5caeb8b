/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/backlog.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/find.h"
#include "engine/ops/order.h"
#include "engine/ops/reservation.h"
#include "engine/ops/send.h"
#include "engine/ops/sweep.h"
#include "engine/sourcing/backlog_claims.h"
#include "engine/store/backlog.h"
#include "engine/txn/txn.h"

static bool is_backlog(uint64_t key)
{
    return owner_kind(key_owner(key)) == POOL_BACKLOG;
}

/* ---- planning ---- */

/* Units of the item that the context may still promise before they are there. CODE_DEFERRED: that
 * may be more in a moment. */
static enum code room_of(struct ctx *ctx, uint32_t item, int64_t wanted, int64_t *room)
{
    const struct items *items = &ctx->ledger->items;
    const struct item_details *d =
        atomic_load_explicit(&items->details[item], memory_order_acquire);
    struct backlog backlog = { .units = 0 };
    if (item_has(item_at(items, item), ITEM_BACKLOG))
        backlog = backlog_look(items, item);
    *room = (d && d->has_backorder_limit ? d->backorder_limit : 0) - backlog.units;
    if (*room < 0)
        *room = 0;
    return *room < wanted && backlog.undecided > 0 ? CODE_DEFERRED : CODE_OK;
}

/* Draws so many units of the line's item on its backlog, or on that of the line's place. room: for
 * how many more the item has room. */
static enum code draw_on_backlog(struct ctx *ctx, struct order_plan *s, uint32_t line, int64_t qty,
                                 int64_t room)
{
    struct items *items = &ctx->ledger->items;
    const struct location *bound = s->bound[line];
    uint16_t place = bound ? location_index(ctx->catalogue, bound) + 1 : s->demand.sent_to;
    struct pool *pool = pool_make(items, s->items[line], NO_LOCATION, owner_backlog(place));
    if (!pool)
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    uint32_t unit = pool_unit(items, pool);
    uint64_t word = pool_read(pool);
    if (incoming_at(items, unit) == items->incoming) /* another context is making it */
        return CODE_DEFERRED;
    for (uint32_t i = s->draw_count; s->repeated[line] && i-- > 0 && is_backlog(s->draws[i].key);)
        if (s->draws[i].pool == unit) {
            s->draws[i].qty += qty;
            return CODE_OK;
        }
    if (s->draw_count == DRAWS_MAX)
        return fail(ctx, CODE_LIMIT, "an order may draw from at most %d pools", DRAWS_MAX);
    s->draws[s->draw_count++] = (struct planned_draw){ .pool = unit,
                                                       .line = line,
                                                       .qty = qty,
                                                       .key = pool_read_key(pool),
                                                       .ready_ms = READY_NEVER,
                                                       .most = room + word_reserved(word) };
    return CODE_OK;
}

/* May the line wait for units? Not for a place that the order itself rules out: those that are
 * there, reserve would refuse, too. */
static bool may_wait(const struct ctx *ctx, const struct order_plan *s, uint32_t line)
{
    const struct demand *demand = &s->demand;
    const struct location *bound = s->bound[line];
    if (demand->sent_to)
        return ctx->catalogue->pickup[demand->sent_to - 1];
    return !bound || !demand->serves_bound ||
           demand->serves_bound[location_index(ctx->catalogue, bound)];
}

/* in_all: of that line's item, all lines together want so many. */
static enum code refuse_line(struct ctx *ctx, struct order_plan *s, uint32_t index,
                             struct shortfall fell, bool in_all, const char *why)
{
    struct failure *failure = &ctx->failure;
    fail(ctx, CODE_INSUFFICIENT_STOCK, "\"%.*s\": %lld wanted, %lld available%s", (int)fell.sku.len,
         fell.sku.at, (long long)fell.wanted, (long long)fell.available, why);
    failure->shorts[0] = fell;
    s->short_lines[0] = (uint16_t)index;
    s->short_in_all = in_all;
    failure->short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

static enum code waits_in_vain(struct ctx *ctx, struct order_plan *s, uint32_t index)
{
    const struct order_line *line = &s->order->lines[index];
    struct shortfall fell = { line->sku, line->qty, line->qty - s->wanted[index] };
    return refuse_line(ctx, s, index, fell, false, ", and its place does not serve such an order");
}

static enum code beyond_limit(struct ctx *ctx, struct order_plan *s, uint32_t index, int64_t wanted,
                              int64_t there)
{
    struct shortfall fell = { s->order->lines[index].sku, wanted, there };
    return refuse_line(ctx, s, index, fell, true, " within its backorder limit");
}

/* Finds what the plan leaves each line short of, into `wanted`, and sums it by item, at the first
 * line that has it. */
static enum code gather_short(struct ctx *ctx, struct order_plan *s, bool limited, int64_t *lacking)
{
    const struct order *order = s->order;
    memset(lacking, 0, order->line_count * sizeof lacking[0]);
    for (uint32_t i = 0; i < order->line_count; i++)
        s->wanted[i] = order->lines[i].qty;
    for (uint32_t i = 0; i < s->draw_count; i++)
        s->wanted[s->draws[i].line] -= s->draws[i].qty;
    for (uint32_t i = 0; i < order->line_count; i++) {
        if (limited && s->wanted[i] > 0 && !may_wait(ctx, s, i)) { /* @may-wait */
            if (!order->partial)
                return waits_in_vain(ctx, s, i);
            s->wanted[i] = 0;
        }
        lacking[s->first[i]] += s->wanted[i];
    }
    return CODE_OK;
}

/* What all lines want of the item of that first line. */
static int64_t wanted_in_all(const struct order_plan *s, uint32_t first)
{
    int64_t sum = 0;
    for (uint32_t i = first; i < s->order->line_count; i++)
        if (s->first[i] == first)
            sum += s->order->lines[i].qty;
    return sum;
}

/* Of each item that is short, leaves in `lacking` what its backlog has room for. */
static enum code leave_room(struct ctx *ctx, struct order_plan *s, int64_t *lacking)
{
    const struct order *order = s->order;
    enum code code = CODE_OK;
    for (uint32_t i = 0; !code && i < order->line_count; i++) {
        int64_t room;
        if (lacking[i] == 0)
            continue;
        code = room_of(ctx, s->items[i], lacking[i], &room);
        if (code || room >= lacking[i])
            continue;
        int64_t all = wanted_in_all(s, i);
        if (!order->partial)
            return beyond_limit(ctx, s, i, all, all - lacking[i] + room);
        lacking[i] = room;
    }
    return code;
}

enum code backlog_plan(struct ctx *ctx, struct order_plan *s, bool limited)
{
    const struct order *order = s->order;
    int64_t lacking[LINES_MAX];
    enum code code = gather_short(ctx, s, limited, lacking);
    if (!code && limited)
        code = leave_room(ctx, s, lacking);
    /* Of several lines of one item, the last ones get what there is room for. */
    for (uint32_t i = order->line_count; !code && i-- > 0;) {
        int64_t *left = &lacking[s->first[i]];
        int64_t qty = *left < s->wanted[i] ? *left : s->wanted[i];
        if (qty == 0)
            continue;
        int64_t room = QUANTITY_MAX;
        if (limited)
            code = room_of(ctx, s->items[i], qty, &room);
        if (!code)
            code = draw_on_backlog(ctx, s, i, qty, room);
        *left -= qty;
    }
    if (!code && s->draw_count == 0) /* a partial order that gets nothing */
        return beyond_limit(ctx, s, 0, wanted_in_all(s, 0), 0);
    return code;
}

bool backlog_within_limit(struct ctx *ctx, const struct order_plan *s)
{
    for (uint32_t i = s->draw_count; i-- > 0 && is_backlog(s->draws[i].key);) {
        uint32_t item = key_item(s->draws[i].key);
        if (s->draws[i].most >= QUANTITY_MAX) /* it may be any number */
            continue;
        const struct item_details *d =
            atomic_load_explicit(&ctx->ledger->items.details[item], memory_order_acquire);
        int64_t limit = d && d->has_backorder_limit ? d->backorder_limit : 0;
        if (backlog_look(&ctx->ledger->items, item).units > limit) /* @backorder-limit */
            return false;
    }
    return true;
}

/* ---- who waits ---- */

/* Has an earlier draw the same pool? Then the reservation is listed there already. */
static bool draws_before(struct ctx *ctx, struct id_entry *entry, const struct draw *draw)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *before;
    while ((before = draw_walk_next(&walk)) != draw)
        if (before->pool == draw->pool)
            return true;
    return false;
}

static bool list(struct ctx *ctx, struct id_entry *entry, uint32_t first, bool noted)
{
    struct items *items = &ctx->ledger->items;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    const struct draw *draw;
    bool listed = true;
    for (uint32_t i = 0; (draw = draw_walk_next(&walk)) != NULL; i++) {
        if (i < first || !is_backlog(pool_read_key(pool_at(items, draw->pool))))
            continue;
        if (!draws_before(ctx, entry, draw))
            listed &= backlog_list(items, &ctx->ledger->ids, &ctx->cursor, draw->pool, entry);
        backlog_added(items, key_item(pool_read_key(pool_at(items, draw->pool))));
        if (noted)
            sweep_note(ctx, draw->pool);
    }
    return listed;
}

void backlog_add(struct ctx *ctx, struct id_entry *entry, uint32_t first)
{
    bool listed = list(ctx, entry, first, true);
    assert(listed); /* in slots that were set aside */
    (void)listed;
}

bool backlog_add_from(struct ctx *ctx, struct id_entry *entry, uint32_t first)
{
    return list(ctx, entry, first, false);
}

bool backlog_admits(struct ctx *ctx, uint32_t unit, const struct order_plan *own)
{
    const struct items *items = &ctx->ledger->items;
    uint32_t item = key_item(pool_read_key(pool_at(items, unit)));
    struct backlog backlog = backlog_look(items, item);
    for (uint32_t i = own ? own->draw_count : 0; i-- > 0 && is_backlog(own->draws[i].key);)
        if (key_item(own->draws[i].key) == item) {
            backlog.units -= own->draws[i].qty;
            backlog.undecided--;
        }
    uint32_t gives = own ? txn_own_gives(ctx, item) + send_own_gives(ctx, item) : 0;
    uint32_t under_way = own ? txn_own_brackets(ctx, item) : 0;
    bool vain = backlog.units == 0 || backlog_waits_in_vain(ctx, item, &backlog, gives, under_way);
    if (backlog.undecided == 0 && vain)
        return true;
    sweep_note(ctx, unit);
    return false;
}
