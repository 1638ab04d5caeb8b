/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a reservation in its places: amend, move, ready, restock. */
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
    call->location = asked.location = param_code(params, "location");
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
    call->location = step.location = param_code(params, "location");
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

/* A repeated step answers with its first LSN and state, and with the lines as they are now. */
static enum code reply_redrawn(struct call *call, enum code code, struct reservation_view *view)
{
    uint64_t lsn = view->lsn;
    const char *state = view->state;
    if (code == CODE_OK && !view->draws) {
        code = ledger_reservation(call->ctx, call->id, view);
        view->lsn = lsn;
        view->state = state;
    }
    if (code == CODE_OK)
        reply_granted(call, view, 4);
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
    return reply_redrawn(call, ledger_amend(call->ctx, &asked, &view), &view);
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
        moves[i].from = param_code(params, "from");
        moves[i].to = param_code(params, "to");
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
    return reply_redrawn(call, ledger_move(call->ctx, &asked, &view), &view);
}
