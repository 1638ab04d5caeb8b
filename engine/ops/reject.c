/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reject: a place cannot give what was promised from it. In one transaction the stock there is
 * corrected, and the reservation draws the units from elsewhere, by its channel's rule; never again
 * from there. For what nobody has it waits (backlog.h), or it is cancelled.
 *
 * What it draws anew is taken before anything is given back, so the units of a place that is merely
 * busy are never free while the buyer's claim is gone.
 */
#include "engine/ledger/steps.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/backlog.h"
#include "engine/ops/order.h"
#include "engine/ops/parts.h"
#include "engine/ops/precedence.h"
#include "engine/ops/redrawing.h"
#include "engine/ops/reservation.h"
#include "engine/store/draws.h"

static uint64_t fingerprint(const struct redrawing *r)
{
    const struct rejection *asked = r->asked;
    uint64_t f = mix_text(mix_text(mix_number(0, RECORD_REJECT), r->of), asked->location);
    f = mix_number(mix_number(f, asked->reason), asked->cancels);
    for (uint32_t i = 0; i < asked->line_count; i++)
        f = mix_number(mix_text(f, asked->lines[i].sku), (uint64_t)asked->lines[i].qty);
    return f;
}

/* ---- what is rejected ---- */

static uint16_t place_of(const struct ctx *ctx, const struct draw *draw)
{
    return key_location(pool_read_key(pool_at(&ctx->ledger->items, draw->pool)));
}

/* All that is left there. */
static void reject_all(struct ctx *ctx, struct redrawing *r, uint16_t location)
{
    for (uint32_t i = 0; i < r->part_count; i++)
        if (place_of(ctx, r->parts[i].draw) != location)
            r->parts[i].qty = 0;
}

static enum code reject_lines(struct ctx *ctx, struct redrawing *r, uint16_t location)
{
    const struct rejection *asked = r->asked;
    uint32_t item;
    memset(ctx->draw_list.done, 0, ctx->draw_list.count * sizeof ctx->draw_list.done[0]);
    for (uint32_t i = 0; i < asked->line_count; i++) {
        const struct order_line *line = &asked->lines[i];
        enum code code = find_item(ctx, line->sku, &item);
        if (code)
            return code;
        int64_t missing = keep_drawn(ctx, r, item, location, line->qty);
        if (missing > 0)
            return too_little_there(ctx, r, line->sku, asked->location, line->qty,
                                    line->qty - missing);
    }
    /* What was kept is what is rejected. */
    for (uint32_t i = 0; i < r->part_count; i++)
        r->parts[i].qty = draw_left(r->parts[i].draw) - r->parts[i].qty;
    return CODE_OK;
}

/* What the order waits for from that place alone, it would wait for in vain. */
static void reject_awaited(struct ctx *ctx, struct redrawing *r)
{
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct draw *draw = r->parts[i].draw;
        uint16_t owner = key_owner(pool_read_key(pool_at(&ctx->ledger->items, draw->pool)));
        if (owner_kind(owner) == POOL_BACKLOG && backlog_place(owner) == r->excludes) /* @awaited */
            r->parts[i].qty = draw_left(draw);
    }
}

/* One line for each item. */
static enum code list_lines(struct ctx *ctx, struct redrawing *r)
{
    const struct items *items = &ctx->ledger->items;
    struct item_map *map = &ctx->draw_list.map;
    item_map_empty(map);
    for (uint32_t i = 0; i < r->part_count; i++) {
        uint32_t item = key_item(pool_read_key(pool_at(items, r->parts[i].draw->pool)));
        if (r->parts[i].qty == 0)
            continue;
        uint32_t *line = item_map_number(map, item, 0);
        if (*line != 0) {
            ctx->new_lines[*line - 1].qty += r->parts[i].qty;
            continue;
        }
        if (r->order.line_count == LINES_MAX)
            return fail(ctx, CODE_LIMIT, "at most %d items can be rejected at once", LINES_MAX);
        draw_anew(ctx, r, item_sku(item_at(items, item)), r->parts[i].qty,
                  (struct text){ NULL, 0 });
        *line = r->order.line_count;
    }
    return CODE_OK;
}

static enum code choose(struct ctx *ctx, struct redrawing *r)
{
    const struct rejection *asked = r->asked;
    const struct location *location;
    enum code code = find_location(ctx, "location", asked->location, &location);
    if (code)
        return code;
    uint16_t at = location_index(ctx->catalogue, location);
    struct part part = part_at(ctx, r->txn.reservation, at);
    if (part.left == 0)
        return part_refused(ctx, &r->txn, asked->location, &part, "rejected");
    if (asked->line_count == 0)
        reject_all(ctx, r, at);
    else
        code = reject_lines(ctx, r, at);
    r->excludes = at + 1u;
    reject_awaited(ctx, r);
    return code ? code : list_lines(ctx, r);
}

/* ---- what nobody has ---- */

/* It is cancelled: of each item, what is rejected beyond what is drawn anew. */
static void cancel_short(struct ctx *ctx, struct redrawing *r)
{
    const struct items *items = &ctx->ledger->items;
    struct order_plan *s = r->plan;
    for (uint32_t i = 0; i < r->order.line_count; i++)
        s->wanted[i] = r->order.lines[i].qty;
    for (uint32_t i = 0; i < s->draw_count; i++)
        s->wanted[s->draws[i].line] -= s->draws[i].qty;
    for (uint32_t i = 0; i < r->part_count; i++) {
        struct step_part *part = &r->parts[i];
        uint32_t item = key_item(pool_read_key(pool_at(items, part->draw->pool)));
        int64_t *lacking = &s->wanted[*item_map_number(&s->map, item, 0)];
        part->cancelled = *lacking < part->qty ? (uint32_t)*lacking : part->qty;
        *lacking -= part->cancelled;
    }
}

static enum code fell_short(struct ctx *ctx, struct redrawing *r)
{
    const struct rejection *asked = r->asked;
    if (r->part_count > REJECTED_MAX)
        return fail(ctx, CODE_LIMIT, "a step rejects what is drawn from at most %d pools",
                    REJECTED_MAX);
    if (!asked->cancels)
        return backlog_plan(ctx, r->plan, false);
    cancel_short(ctx, r);
    return CODE_OK;
}

/* ---- the stock there ---- */

/* What the parts before that one reject of the same pool, and take off there. */
static struct step_part before_of_pool(const struct redrawing *r, uint32_t index)
{
    struct step_part sum = { .qty = 0 };
    for (uint32_t i = 0; i < index; i++) {
        if (r->parts[i].draw->pool != r->parts[index].draw->pool)
            continue;
        sum.qty += r->parts[i].qty;
        sum.off += r->parts[i].off;
    }
    return sum;
}

/* What the place has of what a part rejects, with what the parts before it reject of the same pool:
 * all that is on hand in the pool; of a supply, what has come and is this reservation's. */
static enum code find_there(struct ctx *ctx, const struct redrawing *r, struct step_part *part,
                            int64_t wanted, int64_t *there)
{
    const struct items *items = &ctx->ledger->items;
    const struct incoming *in = incoming_find(items, part->draw->pool);
    part->expected = in != NULL;
    part->mark = in ? incoming_mark(in) : 0;
    *there = in ? wanted : word_on_hand(pool_read(pool_at(items, part->draw->pool)));
    if (!in)
        return CODE_OK;
    enum code code =
        precedence_check(ctx, part->draw->pool, r->txn.reservation, r->txn.entry, wanted, there);
    return code == CODE_INSUFFICIENT_STOCK ? CODE_OK : code;
}

static enum code post_damaged(struct ctx *ctx, uint64_t key, uint32_t qty)
{
    struct items *items = &ctx->ledger->items;
    struct pool *pool =
        pool_make(items, key_item(key), key_location(key), owner_of(POOL_DAMAGED, 0));
    if (!pool)
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    if (word_on_hand(pool_read(pool)) + qty > QUANTITY_MAX)
        return fail(ctx, CODE_LIMIT, "a pool holds at most %lld units", (long long)QUANTITY_MAX);
    post(ctx->postings, (struct posting){ .pool = pool_unit(items, pool),
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)qty,
                                          .needs = NEEDS_NONE });
    return CODE_OK;
}

/* Where fewer are there than are rejected, the others are off the books already, or have not come:
 * nothing is taken off of what is promised to those before it. */
static enum code post_rejected(struct ctx *ctx, struct redrawing *r)
{
    const struct rejection *asked = r->asked;
    const struct items *items = &ctx->ledger->items;
    enum code code = CODE_OK;
    for (uint32_t i = 0; !code && i < r->part_count; i++) {
        struct step_part *part = &r->parts[i];
        const struct pool *pool = pool_at(items, part->draw->pool);
        bool corrects = asked->reason != REJECT_BUSY;
        struct step_part before = before_of_pool(r, i);
        int64_t there = 0;
        if (corrects)
            code = find_there(ctx, r, part, (int64_t)before.qty + part->qty, &there);
        there -= before.off;
        part->off = there < 0 ? 0 : there < part->qty ? (uint32_t)there : part->qty;
        /* Undecided until the units are set aside no longer: see set_aside_at. */
        r->txn.may_undo |= part->expected || draw_step(r->txn.reservation, part->draw) != PART_OPEN;
        post(ctx->postings, (struct posting){ .pool = part->draw->pool,
                                              .counted = NOT_COUNTED,
                                              .on_hand = -(int32_t)part->off,
                                              .reserved = -(int32_t)part->qty,
                                              .needs = NEEDS_NONE,
                                              .floor = (int32_t)mark_expected(part->mark) });
        if (!code && asked->reason == REJECT_DAMAGED && part->off > 0)
            code = post_damaged(ctx, pool_read_key(pool), part->off);
    }
    return code;
}

/* X1 of store/incoming.h, as for a fulfil. */
static enum code check_marks(struct ctx *ctx, const struct redrawing *r)
{
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct step_part *part = &r->parts[i];
        if (part->expected &&
            incoming_mark(incoming_at(&ctx->ledger->items, part->draw->pool)) != part->mark)
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* ---- the record ---- */

static uint32_t build(struct ctx *ctx, const struct redrawing *r)
{
    const struct rejection *asked = r->asked;
    struct reject_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_REJECT, r->to),
                   .time_ms = ctx->wall_ms,
                   .content = r->txn.content,
                   .location = (uint16_t)(r->excludes - 1),
                   .channel = r->txn.reservation->channel,
                   .first = (uint16_t)r->first,
                   .less_count = (uint16_t)r->part_count,
                   .draw_count = (uint16_t)r->plan->draw_count,
                   .reason = (uint8_t)asked->reason },
        .id = r->of,
        .op = r->txn.id,
    };
    struct record_builder b = reject_begin(ctx->record, &f);
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct step_part *part = &r->parts[i];
        const struct draw *draw = ctx->draw_list.draws[part->index]; /* it has moved since */
        uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, draw->pool));
        struct rejected_record less = { .draw = part->index,
                                        .item = key_item(key),
                                        .qty = part->qty,
                                        .off = part->off,
                                        .cancelled = part->cancelled };
        record_add(&b, &less, sizeof less);
    }
    record_add_drawn(&b, r->plan);
    return record_end(&b);
}

enum code ledger_reject(struct ctx *ctx, const struct rejection *asked, struct reservation_view *v)
{
    static const struct redraw_kind kind = { .record = RECORD_REJECT,
                                             .verb = "rejected",
                                             .confirmed = true,
                                             .choose = choose,
                                             .fell_short = fell_short,
                                             .post = post_rejected,
                                             .taken = check_marks,
                                             .build = build,
                                             .fingerprint = fingerprint };
    struct redrawing r = {
        .txn = { .id = asked->op }, .kind = &kind, .of = asked->id, .asked = asked, .result = v
    };
    enum code code = check_step_ids(ctx, asked->id, asked->op);
    if (!code && asked->line_count > 0)
        code = check_lines(ctx, asked->lines, asked->line_count);
    return code ? code : redraw_run(ctx, &r);
}
