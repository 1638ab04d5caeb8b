/* SPDX-License-Identifier: Apache-2.0 */
/* Amend: a reservation's lines are to be others; and move: some of its units are to come from
 * another place. */
#include "engine/ledger/steps.h"

#include <assert.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/find.h"
#include "engine/ops/order.h"
#include "engine/ops/redrawing.h"
#include "engine/store/draws.h"

/* ---- amend ---- */

static uint64_t amend_fingerprint(const struct redrawing *r)
{
    const struct amendment *asked = r->asked;
    uint64_t f = mix_text(mix_number(0, RECORD_AMEND), r->of);
    for (uint32_t i = 0; i < asked->line_count; i++) {
        const struct order_line *line = &asked->lines[i];
        f = mix_text(mix_number(mix_text(f, line->sku), (uint64_t)line->qty), line->location);
    }
    return f;
}

/* Those with a location, or those without. */
static enum code keep_lines(struct ctx *ctx, struct redrawing *r, bool bound)
{
    const struct amendment *asked = r->asked;
    const struct location *location;
    enum code code = CODE_OK;
    uint32_t item;
    for (uint32_t i = 0; !code && i < asked->line_count; i++) {
        const struct order_line *line = &asked->lines[i];
        if (text_given(line->location) != bound)
            continue;
        code = find_item(ctx, line->sku, &item);
        if (!code && bound)
            code = find_location(ctx, "location", line->location, &location);
        if (code)
            break;
        int at = bound ? location_index(ctx->catalogue, location) : -1;
        int64_t more = keep_drawn(ctx, r, item, at, line->qty);
        if (more > 0)
            draw_anew(ctx, r, line->sku, more, line->location);
    }
    return code;
}

/* What was handed over elsewhere, and counts for no line yet, need not be drawn for a line with a
 * location either. */
static void count_fulfilled_elsewhere(struct ctx *ctx, struct redrawing *r)
{
    struct order_line *lines = ctx->new_lines;
    uint32_t kept = 0, item;
    for (uint32_t i = 0; i < r->order.line_count; i++) {
        struct order_line line = lines[i];
        if (text_given(line.location) && find_item(ctx, line.sku, &item) == CODE_OK) /* it was */
            line.qty = keep_fulfilled(ctx, r, item, line.qty);
        if (line.qty > 0)
            lines[kept++] = line;
    }
    r->order.line_count = kept;
}

static enum code choose_for_amend(struct ctx *ctx, struct redrawing *r)
{
    enum code code = keep_lines(ctx, r, true);
    if (!code)
        code = keep_lines(ctx, r, false);
    if (!code)
        count_fulfilled_elsewhere(ctx, r);
    return code;
}

enum code ledger_amend(struct ctx *ctx, const struct amendment *asked, struct reservation_view *v)
{
    static const struct redraw_kind kind = { .record = RECORD_AMEND,
                                             .verb = "amended",
                                             .choose = choose_for_amend,
                                             .fingerprint = amend_fingerprint };
    struct redrawing r = {
        .txn = { .id = asked->op }, .kind = &kind, .of = asked->id, .asked = asked, .result = v
    };
    enum code code = check_step_ids(ctx, asked->id, asked->op);
    if (!code)
        code = check_lines(ctx, asked->lines, asked->line_count);
    return code ? code : redraw_run(ctx, &r);
}

/* ---- move ---- */

static uint64_t move_fingerprint(const struct redrawing *r)
{
    const struct relocation *asked = r->asked;
    uint64_t f = mix_text(mix_number(0, RECORD_MOVE), r->of);
    for (uint32_t i = 0; i < asked->line_count; i++) {
        const struct move_line *line = &asked->lines[i];
        f = mix_text(mix_number(mix_text(f, line->sku), (uint64_t)line->qty), line->from);
        f = mix_text(f, line->to);
    }
    return f;
}

static enum code check_move(struct ctx *ctx, const struct relocation *asked)
{
    if (asked->line_count == 0 || asked->line_count > LINES_MAX)
        return fail_param(ctx, asked->line_count ? CODE_TOO_LARGE : CODE_BAD_REQUEST, "lines",
                          "lines must be 1 to %d, not %u", LINES_MAX, asked->line_count);
    for (uint32_t i = 0; i < asked->line_count; i++) {
        const struct move_line *line = &asked->lines[i];
        if (line->qty < 1 || line->qty > QUANTITY_MAX)
            return fail_param(ctx, CODE_BAD_REQUEST, "qty",
                              "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                              (long long)QUANTITY_MAX, (long long)line->qty);
        if (text_equal(line->from, line->to))
            return fail_param(ctx, CODE_BAD_REQUEST, "to",
                              "lines[%u]: to must be another location than from", i);
    }
    return CODE_OK;
}

/* Each line gives back units at the one place, and draws as many at the other. */
static enum code choose_for_move(struct ctx *ctx, struct redrawing *r)
{
    const struct relocation *asked = r->asked;
    const struct location *from, *to;
    enum code code = CODE_OK;
    uint32_t item;
    for (uint32_t i = 0; i < ctx->draw_list.count; i++)
        ctx->draw_list.done[i] = 0;
    for (uint32_t i = 0; !code && i < asked->line_count; i++) {
        const struct move_line *line = &asked->lines[i];
        code = find_item(ctx, line->sku, &item);
        if (!code)
            code = find_location(ctx, "from", line->from, &from);
        if (!code)
            code = find_location(ctx, "to", line->to, &to);
        if (code)
            break;
        int64_t missing = keep_drawn(ctx, r, item, location_index(ctx->catalogue, from), line->qty);
        if (missing > 0)
            return too_little_there(ctx, r, line->sku, line->from, line->qty, line->qty - missing);
        draw_anew(ctx, r, line->sku, line->qty, line->to);
    }
    /* What was kept is what moves. */
    for (uint32_t i = 0; i < r->part_count; i++)
        r->parts[i].qty = draw_left(r->parts[i].draw) - r->parts[i].qty;
    return code;
}

enum code ledger_move(struct ctx *ctx, const struct relocation *asked, struct reservation_view *v)
{
    static const struct redraw_kind kind = { .record = RECORD_MOVE,
                                             .verb = "moved",
                                             .choose = choose_for_move,
                                             .fingerprint = move_fingerprint };
    struct redrawing r = {
        .txn = { .id = asked->op }, .kind = &kind, .of = asked->id, .asked = asked, .result = v
    };
    enum code code = check_step_ids(ctx, asked->id, asked->op);
    if (!code)
        code = check_move(ctx, asked);
    return code ? code : redraw_run(ctx, &r);
}
