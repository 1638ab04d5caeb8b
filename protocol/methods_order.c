/* SPDX-License-Identifier: Apache-2.0 */
/* A reservation's life: reserve, extend, confirm, fulfil, cancel, reservation. */
#include <stddef.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/order.h"
#include "protocol/pack.h"

static const char lines_are[] = "lines in an order";

static unsigned char *put_state(unsigned char *at, const char *state)
{
    return put_text(PUT_KEY(at, "state"), text_of(state));
}

static unsigned char *put_expires(unsigned char *at, uint64_t expires_ms)
{
    at = PUT_KEY(at, "expires_ms");
    return expires_ms == 0 ? put_nil(at) : put_uint(at, expires_ms);
}

static void pack_expires(struct out *out, uint64_t expires_ms)
{
    struct run run;
    run_end(&run, out, put_expires(run_begin(&run, out), expires_ms));
}

/* ---- reserve ---- */

#define IN_ORDER(member) offsetof(struct order_taken, order.member)

/* The first ORDER_ONLY are of what holds stock alone. */
enum { ORDER_ONLY = 5 };

static const struct option order_options[] = {
    { .name = "ttl_ms",
      .kind = OPTION_NUMBER,
      .value = IN_ORDER(ttl_ms),
      .given = IN_ORDER(has_ttl),
      .min = 1,
      .max = TTL_MAX_MS },
    { .name = "confirm", .kind = OPTION_FLAG, .value = IN_ORDER(confirm) },
    { .name = "partial", .kind = OPTION_FLAG, .value = IN_ORDER(partial) },
    { .name = "backorder", .kind = OPTION_FLAG, .value = IN_ORDER(backorder) },
    { .name = "ref", .kind = OPTION_WORDS, .value = IN_ORDER(ref), .max = NAME_MAX_BYTES },
    { .name = "at", .kind = OPTION_PLACE, .value = IN_ORDER(at) },
    { .name = "supply", .kind = OPTION_WORDS, .value = IN_ORDER(supply), .max = CODE_MAX },
    { .name = "mode", .kind = OPTION_WORDS, .value = IN_ORDER(terms.mode), .max = CODE_MAX },
    { .name = "lat",
      .kind = OPTION_REAL,
      .value = IN_ORDER(terms.lat),
      .given = IN_ORDER(terms.has_lat),
      .min = -90,
      .max = 90 },
    { .name = "lon",
      .kind = OPTION_REAL,
      .value = IN_ORDER(terms.lon),
      .given = IN_ORDER(terms.has_lon),
      .min = -180,
      .max = 180 },
    { .name = "by_ms",
      .kind = OPTION_NUMBER,
      .value = IN_ORDER(terms.by_ms),
      .given = IN_ORDER(terms.has_by),
      .max = INT64_MAX },
    { .name = "exclude",
      .kind = OPTION_PLACES,
      .value = offsetof(struct order_taken, exclude),
      .max = LOCATIONS_MAX },
};

uint32_t take_order_lines(struct call *call)
{
    struct params *params = &call->params;
    struct order_line *lines = call->scratch->lines;
    uint32_t count = param_list(params, "lines", call->service->limits.lines, lines_are);
    if (count == 0 && params_good(params))
        refuse(&call->refusal, CODE_BAD_REQUEST, "lines", "lines must not be empty");
    for (uint32_t i = 0; i < count && params_good(params); i++) {
        struct order_line *line = &lines[i];
        uint32_t values = param_tuple(params, 2, 3, "[sku, qty, location?]");
        line->sku = param_sku(params, "sku");
        line->qty = param_number(params, "qty", 1, QUANTITY_MAX);
        line->location = (struct text){ NULL, 0 };
        if (values == 3 && !params_skip_nil(params))
            line->location = param_place(params, "location");
        params_up(params);
    }
    if (count > 0)
        params_up(params);
    return count;
}

static void pack_draw(struct out *out, const struct draw_view *draw)
{
    _Static_assert(5 + SKU_MAX + CODE_MAX + 2 * PUT_NUMBER_MAX <= RUN_MAX, "it fits");
    struct run run;
    unsigned char *at = put_array(run_begin(&run, out), 4);
    at = put_text(at, draw->sku);
    at = text_given(draw->location) ? put_text(at, draw->location) : put_nil(at);
    at = put_uint(at, (uint64_t)draw->qty);
    run_end(&run, out, put_ready(at, draw->ready_ms));
}

bool take_order(struct call *call, bool holds, struct order_taken *taken)
{
    unsigned first_option = holds ? 0 : ORDER_ONLY;
    struct params *params = &call->params;
    struct order *order = &taken->order;
    taken->exclude.at = call->scratch->codes;
    call->channel = order->channel = param_channel(params, "channel");
    order->lines = call->scratch->lines;
    order->line_count = take_order_lines(call);
    params_options(params, order_options + first_option, COUNT_OF(order_options) - first_option,
                   taken);
    order->terms.exclude = taken->exclude.at;
    order->terms.exclude_count = taken->exclude.count;
    call->location = order->at;
    if (params_good(params) && order->line_count == 1) {
        call->sku = order->lines[0].sku;
        if (text_given(order->lines[0].location))
            call->location = order->lines[0].location;
    }
    return params_good(params);
}

void pack_granted(struct out *out, const struct reservation_view *view)
{
    PACK_KEY(out, "lines");
    pack_array(out, view->draw_count);
    for (uint32_t i = 0; i < view->draw_count; i++)
        pack_draw(out, &view->draws[i]);
}

void pack_missing(struct out *out, const struct reservation_view *view)
{
    PACK_KEY(out, "missing");
    pack_array(out, view->missing_count);
    for (uint32_t i = 0; i < view->missing_count; i++) {
        pack_array(out, 2);
        pack_text(out, view->missing[i].sku);
        pack_int(out, view->missing[i].qty);
    }
}

void pack_sends(struct out *out, struct text id, const struct reservation_view *view)
{
    PACK_KEY(out, "sends");
    pack_array(out, view->sends);
    for (uint32_t i = 1; i <= view->sends; i++) {
        char name[ID_MAX];
        uint32_t length = ledger_send_id(id, i, name);
        pack_bytes(out, (struct text){ name, length });
    }
}

/* Of each draw, what was not cancelled. */
static void pack_uncancelled(struct out *out, const struct reservation_view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->draw_count; i++)
        count += view->draws[i].qty > view->draws[i].cancelled;
    PACK_KEY(out, "lines");
    pack_array(out, count);
    for (uint32_t i = 0; i < view->draw_count; i++) {
        struct draw_view draw = view->draws[i];
        draw.qty -= draw.cancelled;
        if (draw.qty > 0)
            pack_draw(out, &draw);
    }
}

static void reply_head(struct call *call, const struct reservation_view *view, uint32_t pairs)
{
    call->lsn = view->lsn;
    reply_map(call, pairs, view->lsn);
    struct run run;
    unsigned char *at = put_state(run_begin(&run, call->out), view->state);
    run_end(&run, call->out, put_expires(at, view->expires_ms));
}

void reply_granted(struct call *call, const struct reservation_view *view, uint32_t pairs)
{
    reply_head(call, view, pairs);
    pack_granted(call->out, view);
}

void reply_uncancelled(struct call *call, const struct reservation_view *view, uint32_t pairs)
{
    reply_head(call, view, pairs);
    pack_uncancelled(call->out, view);
}

enum code method_reserve(struct call *call)
{
    struct order_taken taken = { .exclude = { .count = 0 } };
    struct order *order = &taken.order;
    struct reservation_view view;
    call->id = order->id = param_id(&call->params, "id");
    if (!take_order(call, true, &taken))
        return call->refusal.code;
    enum code code = ledger_reserve(call->ctx, order, &view);
    if (code != CODE_OK)
        return code;
    bool may_send = text_given(order->supply);
    reply_granted(call, &view, 4u + order->partial + may_send);
    if (order->partial)
        pack_missing(call->out, &view);
    if (may_send)
        pack_sends(call->out, order->id, &view);
    return CODE_OK;
}

/* ---- extend, confirm ---- */

enum code method_extend(struct call *call)
{
    struct params *params = &call->params;
    struct reservation_view view;
    call->id = param_id(params, "id");
    uint64_t ttl_ms = (uint64_t)param_number(params, "ttl_ms", 1, TTL_MAX_MS);
    params_options(params, NULL, 0, NULL);
    if (!params_good(params))
        return call->refusal.code;
    enum code code = ledger_extend(call->ctx, call->id, ttl_ms, &view);
    if (code != CODE_OK)
        return code;
    call->lsn = view.lsn;
    reply_map(call, 2, view.lsn);
    pack_expires(call->out, view.expires_ms);
    return CODE_OK;
}

enum code reply_stepped(struct call *call, enum code code, const struct reservation_view *view)
{
    if (code != CODE_OK)
        return code;
    call->lsn = view->lsn;
    reply_map(call, 2, view->lsn);
    struct run run;
    run_end(&run, call->out, put_state(run_begin(&run, call->out), view->state));
    return CODE_OK;
}

struct confirm_options {
    struct text ref;
};

static const struct option confirm_options[] = {
    { .name = "ref",
      .kind = OPTION_WORDS,
      .value = offsetof(struct confirm_options, ref),
      .max = NAME_MAX_BYTES },
};

enum code method_confirm(struct call *call)
{
    struct params *params = &call->params;
    struct confirm_options given = { 0 };
    struct reservation_view view;
    call->id = param_id(params, "id");
    params_options(params, confirm_options, COUNT_OF(confirm_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    return reply_stepped(call, ledger_confirm(call->ctx, call->id, given.ref, &view), &view);
}

/* ---- fulfil, cancel: [id, lines?, {location, op}], where nil and absent mean the same ---- */

static const struct option step_options[] = {
    { .name = "op", .kind = OPTION_ID, .value = offsetof(struct step, op) },
    { .name = "location", .kind = OPTION_PLACE, .value = offsetof(struct step, location) },
};

uint32_t take_pairs(struct call *call, const char *when_empty)
{
    struct params *params = &call->params;
    struct order_line *lines = call->scratch->lines;
    uint32_t count = param_list(params, "lines", call->service->limits.lines, lines_are);
    if (count == 0 && params_good(params))
        refuse(&call->refusal, CODE_BAD_REQUEST, "lines", "%s", when_empty);
    for (uint32_t i = 0; i < count && params_good(params); i++) {
        param_tuple(params, 2, 2, "[sku, qty]");
        lines[i].sku = param_sku(params, "sku");
        lines[i].qty = param_number(params, "qty", 1, QUANTITY_MAX);
        lines[i].location = (struct text){ NULL, 0 };
        params_up(params);
    }
    if (count > 0)
        params_up(params);
    return count;
}

static bool take_step(struct call *call, struct step *step)
{
    struct params *params = &call->params;
    *step = (struct step){ 0 };
    call->id = step->id = param_id(params, "id");
    enum wire_kind next = params_peek(params);
    if (next != WIRE_NONE && next != WIRE_MAP && !params_skip_nil(params)) {
        step->line_count =
            take_pairs(call, "lines must not be empty; omit it for all that is left");
        step->lines = call->scratch->lines;
    }
    params_options(params, step_options, COUNT_OF(step_options), step);
    call->location = step->location;
    if (step->line_count == 1)
        call->sku = step->lines[0].sku;
    return params_good(params);
}

enum code method_fulfil(struct call *call)
{
    struct step step;
    struct reservation_view view;
    if (!take_step(call, &step))
        return call->refusal.code;
    return reply_stepped(call, ledger_fulfil(call->ctx, &step, &view), &view);
}

enum code method_cancel(struct call *call)
{
    struct step step;
    struct reservation_view view;
    if (!take_step(call, &step))
        return call->refusal.code;
    return reply_stepped(call, ledger_cancel(call->ctx, &step, &view), &view);
}

/* ---- reservation ---- */

static void pack_parts(struct out *out, const struct reservation_view *view)
{
    PACK_KEY(out, "parts");
    pack_array(out, view->part_count);
    for (uint32_t i = 0; i < view->part_count; i++) {
        const struct part_view *part = &view->parts[i];
        pack_map(out, 4);
        pack_key_text(out, "location", part->location);
        PACK_KEY(out, "step");
        pack_string(out, part->step);
        PACK_KEY(out, "ready_ms");
        pack_ready(out, part->ready_ms);
        PACK_KEY(out, "collect_by_ms");
        if (part->collect_by_ms)
            pack_uint(out, part->collect_by_ms);
        else
            pack_nil(out);
    }
}

void pack_reservation(struct out *out, struct text id, const struct reservation_view *view)
{
    PACK_KEY(out, "state");
    pack_string(out, view->state);
    pack_key_text(out, "channel", view->channel);
    pack_expires(out, view->expires_ms);
    PACK_KEY(out, "lines");
    pack_array(out, view->draw_count);
    for (uint32_t i = 0; i < view->draw_count; i++) {
        const struct draw_view *draw = &view->draws[i];
        pack_array(out, 6);
        pack_text(out, draw->sku);
        if (text_given(draw->location))
            pack_text(out, draw->location);
        else
            pack_nil(out);
        pack_int(out, draw->qty);
        pack_ready(out, draw->ready_ms);
        pack_int(out, draw->fulfilled);
        pack_int(out, draw->cancelled);
    }
    pack_parts(out, view);
    PACK_KEY(out, "ref");
    if (text_given(view->ref))
        pack_text(out, view->ref);
    else
        pack_nil(out);
    PACK_KEY(out, "created_ms");
    pack_uint(out, view->created_ms);
    if (view->sends > 0)
        pack_sends(out, id, view);
}

enum code method_reservation(struct call *call)
{
    struct params *params = &call->params;
    struct reservation_view view;
    call->id = param_id(params, "id");
    params_options(params, NULL, 0, NULL);
    if (!params_good(params))
        return call->refusal.code;
    enum code code = ledger_reservation(call->ctx, call->id, &view);
    if (code != CODE_OK)
        return code;
    call->lsn = view.lsn; /* the reply shows only what is durable */
    reply_map(call, 1 + reservation_pairs(&view), view.lsn);
    pack_reservation(call->out, call->id, &view);
    return CODE_OK;
}
