/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a reservation in its places: amend, move, reject, ready, restock. */
#include <stddef.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"

/* ---- ready, restock: [id, location, {op}] ---- */

static const struct option ready_options[] = {
    { .name = "collect_by_ms",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct set_aside, collect_by_ms),
      .given = offsetof(struct set_aside, has_collect_by),
      .min = 1,
      .max = INT64_MAX },
    { .name = "op", .kind = OPTION_ID, .value = offsetof(struct set_aside, op) },
};

enum code method_ready(struct call *call)
{
    struct params *params = &call->params;
    struct set_aside asked = { 0 };
    struct reservation_view view;
    call->id = asked.id = param_id(params, "id");
    call->location = asked.location = param_place(params, "location");
    params_options(params, ready_options, COUNT_OF(ready_options), &asked);
    if (!params_good(params))
        return call->refusal.code;
    return reply_stepped(call, ledger_ready(call->ctx, &asked, &view), &view);
}

static const struct option restock_options[] = {
    { .name = "op", .kind = OPTION_ID, .value = offsetof(struct step, op) },
};

enum code method_restock(struct call *call)
{
    struct params *params = &call->params;
    struct step step = { 0 };
    struct reservation_view view;
    call->id = step.id = param_id(params, "id");
    call->location = step.location = param_place(params, "location");
    params_options(params, restock_options, COUNT_OF(restock_options), &step);
    if (!params_good(params))
        return call->refusal.code;
    return reply_stepped(call, ledger_restock(call->ctx, &step, &view), &view);
}

/* ---- amend, move: [id, lines, {op}], answered like reserve ---- */

struct redraw_options {
    struct text op;
};

static const struct option redraw_options[] = {
    { .name = "op", .kind = OPTION_ID, .value = offsetof(struct redraw_options, op) },
};

/* A repeated step answers with its first LSN and state, and with the lines as they are now; in so
 * many pairs. */
static enum code reply_redrawn(struct call *call, enum code code, struct reservation_view *view,
                               uint32_t pairs)
{
    uint64_t lsn = view->lsn;
    const char *state = view->state;
    if (code == CODE_OK && !view->draws) {
        code = ledger_reservation(call->ctx, call->id, view);
        view->lsn = lsn;
        view->state = state;
    }
    if (code == CODE_OK)
        reply_uncancelled(call, view, pairs);
    return code;
}

enum code method_amend(struct call *call)
{
    struct params *params = &call->params;
    struct amendment asked = { .lines = call->scratch->lines };
    struct redraw_options given = { 0 };
    struct reservation_view view = { 0 };
    call->id = asked.id = param_id(params, "id");
    asked.line_count = take_order_lines(call);
    params_options(params, redraw_options, COUNT_OF(redraw_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    asked.op = given.op;
    return reply_redrawn(call, ledger_amend(call->ctx, &asked, &view), &view, 4);
}

static uint32_t take_moves(struct call *call)
{
    struct params *params = &call->params;
    struct move_line *moves = call->scratch->moves;
    uint32_t count = param_list(params, "lines", call->service->limits.lines, "lines in an order");
    if (count == 0 && params_good(params))
        refuse(&call->refusal, CODE_BAD_REQUEST, "lines", "lines must not be empty");
    for (uint32_t i = 0; i < count && params_good(params); i++) {
        param_tuple(params, 4, 4, "[sku, from, to, qty]");
        moves[i].sku = param_sku(params, "sku");
        moves[i].from = param_place(params, "from");
        moves[i].to = param_place(params, "to");
        moves[i].qty = param_number(params, "qty", 1, QUANTITY_MAX);
        params_up(params);
    }
    if (count > 0)
        params_up(params);
    return count;
}

enum code method_move(struct call *call)
{
    struct params *params = &call->params;
    struct relocation asked = { .lines = call->scratch->moves };
    struct redraw_options given = { 0 };
    struct reservation_view view = { 0 };
    call->id = asked.id = param_id(params, "id");
    asked.line_count = take_moves(call);
    params_options(params, redraw_options, COUNT_OF(redraw_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    asked.op = given.op;
    return reply_redrawn(call, ledger_move(call->ctx, &asked, &view), &view, 4);
}

/* ---- reject: [id, location, lines?, {reason, on_fail, op}], answered like reserve ---- */

struct reject_options {
    struct text reason, on_fail, op;
};

static const struct option reject_options[] = {
    { .name = "reason",
      .kind = OPTION_WORDS,
      .value = offsetof(struct reject_options, reason),
      .max = CODE_MAX },
    { .name = "on_fail",
      .kind = OPTION_WORDS,
      .value = offsetof(struct reject_options, on_fail),
      .max = CODE_MAX },
    { .name = "op", .kind = OPTION_ID, .value = offsetof(struct reject_options, op) },
};

static enum code take_reason(struct call *call, struct text given, enum reject_reason *reason)
{
    *reason = REJECT_NOT_FOUND;
    if (!text_given(given) || text_equal(given, text_of("not_found")))
        return CODE_OK;
    *reason = text_equal(given, text_of("damaged")) ? REJECT_DAMAGED : REJECT_BUSY;
    if (*reason == REJECT_DAMAGED || text_equal(given, text_of("busy")))
        return CODE_OK;
    refuse(&call->refusal, CODE_BAD_REQUEST, "reason",
           "reason must be \"not_found\", \"damaged\" or \"busy\"");
    return CODE_BAD_REQUEST;
}

static enum code take_on_fail(struct call *call, struct text given, bool *cancels)
{
    *cancels = text_given(given) && text_equal(given, text_of("cancel"));
    if (*cancels || !text_given(given) || text_equal(given, text_of("unsourced")))
        return CODE_OK;
    refuse(&call->refusal, CODE_BAD_REQUEST, "on_fail",
           "on_fail must be \"unsourced\" or \"cancel\"");
    return CODE_BAD_REQUEST;
}

/* Does a reservation wait for units of that draw? */
static bool waits(const struct draw_view *draw)
{
    return !text_given(draw->location) && draw->qty > draw->fulfilled + draw->cancelled;
}

/* What the reservation waits for. */
static void pack_unsourced(struct out *out, const struct reservation_view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->draw_count; i++)
        count += waits(&view->draws[i]);
    PACK_KEY(out, "unsourced");
    pack_array(out, count);
    for (uint32_t i = 0; i < view->draw_count; i++) {
        const struct draw_view *draw = &view->draws[i];
        if (!waits(draw))
            continue;
        pack_array(out, 2);
        pack_text(out, draw->sku);
        pack_int(out, draw->qty - draw->fulfilled - draw->cancelled);
    }
}

enum code method_reject(struct call *call)
{
    struct params *params = &call->params;
    struct rejection asked = { .line_count = 0 };
    struct reject_options given = { 0 };
    struct reservation_view view = { 0 };
    call->id = asked.id = param_id(params, "id");
    call->location = asked.location = param_place(params, "location");
    enum wire_kind next = params_peek(params);
    if (next != WIRE_NONE && next != WIRE_MAP && !params_skip_nil(params)) {
        asked.line_count =
            take_pairs(call, "lines must not be empty; omit it for all that is left there");
        asked.lines = call->scratch->lines;
    }
    params_options(params, reject_options, COUNT_OF(reject_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    if (asked.line_count == 1)
        call->sku = asked.lines[0].sku;
    asked.op = given.op;
    enum code code = take_reason(call, given.reason, &asked.reason);
    if (!code)
        code = take_on_fail(call, given.on_fail, &asked.cancels);
    if (!code)
        code = reply_redrawn(call, ledger_reject(call->ctx, &asked, &view), &view, 5);
    if (!code)
        pack_unsourced(call->out, &view);
    return code;
}
