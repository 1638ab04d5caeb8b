/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way: expect, transfer, ship, arrive, reschedule, withdraw, supply, supplies. */
#include <stddef.h>
#include <string.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

/* ---- replies ---- */

/* How a document is shown: `supply` and `supplies` tell also what it is, and if it was made with a
 * reservation, with which. */
enum { SHOWN_PAIRS = 6, WHOLE_PAIRS = 10 };

static void pack_eta(struct out *out, uint64_t eta_ms)
{
    PACK_KEY(out, "eta_ms");
    if (eta_ms == 0)
        pack_nil(out);
    else
        pack_uint(out, eta_ms);
}

static void pack_supply_lines(struct out *out, const struct supply_view *view)
{
    PACK_KEY(out, "lines");
    pack_array(out, view->line_count);
    for (uint32_t i = 0; i < view->line_count; i++) {
        const struct supply_line_view *line = &view->lines[i];
        pack_array(out, 6);
        pack_text(out, line->sku);
        pack_int(out, line->qty);
        pack_int(out, line->shipped);
        pack_int(out, line->accepted);
        pack_int(out, line->rejected);
        pack_int(out, line->lost);
    }
    PACK_KEY(out, "under_way");
    pack_array(out, view->line_count);
    for (uint32_t i = 0; i < view->line_count; i++)
        pack_int(out, view->lines[i].under_way);
}

/* All but the lsn. */
static void pack_document(struct out *out, const struct supply_view *view)
{
    PACK_KEY(out, "id");
    pack_bytes(out, view->id);
    pack_key_string(out, "state", view->state);
    pack_eta(out, view->eta_ms);
    pack_supply_lines(out, view);
}

/* What stays the same of it. */
static void pack_origin(struct out *out, const struct supply_view *view)
{
    pack_key_string(out, "kind", view->kind);
    pack_key_text(out, "from", view->from);
    pack_key_text(out, "location", view->location);
    PACK_KEY(out, "ref");
    if (view->ref.len > 0)
        pack_text(out, view->ref);
    else
        pack_nil(out);
    if (!text_given(view->reservation))
        return;
    PACK_KEY(out, "reservation");
    pack_bytes(out, view->reservation);
}

static uint32_t whole_pairs(const struct supply_view *view)
{
    return WHOLE_PAIRS + text_given(view->reservation);
}

static enum code changed(struct call *call, enum code code, const struct supply_view *view)
{
    if (code != CODE_OK)
        return code;
    call->lsn = view->lsn;
    reply_map(call, SHOWN_PAIRS, view->lsn);
    pack_document(call->out, view);
    return CODE_OK;
}

/* ---- lines ---- */

/* Takes [[sku, qty]...], or with rejected [[sku, accepted, rejected?]...], into the call's scratch
 * memory; returns how many. The engine says what is wrong with none. */
static uint32_t take_supply_lines(struct call *call, bool rejected)
{
    struct params *params = &call->params;
    struct supply_line *lines = call->scratch->supply_lines;
    const char *qty = rejected ? "accepted" : "qty";
    uint32_t count = param_list(params, "lines", call->service->limits.lines, "lines in a supply");
    for (uint32_t i = 0; i < count && params_good(params); i++) {
        uint32_t values = param_tuple(params, 2, rejected ? 3 : 2,
                                      rejected ? "[sku, accepted, rejected?]" : "[sku, qty]");
        lines[i] = (struct supply_line){ .sku = param_sku(params, "sku") };
        lines[i].qty = param_number(params, qty, rejected ? 0 : 1, QUANTITY_MAX);
        if (values == 3 && !params_skip_nil(params))
            lines[i].rejected = param_number(params, "rejected", 0, QUANTITY_MAX);
        params_up(params);
    }
    if (count > 0)
        params_up(params);
    if (count == 1)
        call->sku = lines[0].sku;
    return count;
}

/* ---- expect, transfer ---- */

struct supply_options {
    struct text ref;
    int64_t eta_ms;
    bool has_eta, ship;
};

#define GIVEN supply_options
#define ETA OPTION(OPTION_NUMBER, "eta_ms", eta_ms, has_eta, .min = 0, .max = INT64_MAX)
#define REF                                                                                        \
    {                                                                                              \
        .name = "ref", .kind = OPTION_WORDS, .max = NAME_MAX_BYTES                                 \
    }
_Static_assert(offsetof(struct GIVEN, ref) == 0, "where REF puts it");

static const struct option expect_options[] = { ETA, REF };
static const struct option transfer_options[] = {
    ETA,
    { .name = "ship", .kind = OPTION_FLAG, .value = offsetof(struct GIVEN, ship) },
    REF,
};
#undef REF
#undef ETA
#undef GIVEN

/* Takes the lines and options of a new supply. False: a parameter is bad. */
static bool take_supply(struct call *call, struct supply_order *order, const struct option *options,
                        unsigned option_count)
{
    struct supply_options given = { .ship = true };
    order->line_count = take_supply_lines(call, false);
    order->lines = call->scratch->supply_lines;
    params_options(&call->params, options, option_count, &given);
    order->ref = given.ref;
    order->has_eta = given.has_eta;
    order->eta_ms = (uint64_t)given.eta_ms;
    order->hold = !given.ship;
    return params_good(&call->params);
}

enum code method_expect(struct call *call)
{
    struct supply_order order = { .line_count = 0 };
    struct supply_view view;
    call->id = order.id = param_id(&call->params, "id");
    call->location = order.location = param_place(&call->params, "location");
    if (!take_supply(call, &order, expect_options, COUNT_OF(expect_options)))
        return call->refusal.code;
    return changed(call, ledger_expect(call->ctx, &order, &view), &view);
}

enum code method_transfer(struct call *call)
{
    struct supply_order order = { .line_count = 0 };
    struct supply_view view;
    call->id = order.id = param_id(&call->params, "id");
    order.from = param_place(&call->params, "from");
    order.location = param_place(&call->params, "to");
    if (!take_supply(call, &order, transfer_options, COUNT_OF(transfer_options)))
        return call->refusal.code;
    enum code code = ledger_transfer(call->ctx, &order, &view);
    if (code == CODE_UNKNOWN_LOCATION)
        call->location = catalogue_location(ledger_catalogue(call->ctx), order.from)
                             ? order.location
                             : order.from;
    return changed(call, code, &view);
}

/* ---- ship, arrive, withdraw: [id, lines?, {options}], where nil and absent mean the same ---- */

struct supply_step_options {
    struct text op;
    int64_t eta_ms;
    bool has_eta, close;
};

#define OP                                                                                         \
    {                                                                                              \
        .name = "op", .kind = OPTION_ID                                                            \
    }
_Static_assert(offsetof(struct supply_step_options, op) == 0, "where OP puts it");

#define GIVEN supply_step_options
static const struct option ship_options[] = {
    OPTION(OPTION_NUMBER, "eta_ms", eta_ms, has_eta, .min = 0, .max = INT64_MAX),
    OP,
};
#undef GIVEN
static const struct option arrive_options[] = {
    { .name = "close", .kind = OPTION_FLAG, .value = offsetof(struct supply_step_options, close) },
    OP,
};
static const struct option plain_options[] = { OP };
#undef OP

static void take_supply_options(struct call *call, const struct option *options,
                                unsigned option_count, struct supply_step *step)
{
    struct supply_step_options given = { .close = false };
    params_options(&call->params, options, option_count, &given);
    step->op = given.op;
    step->close = given.close;
    if (!given.has_eta)
        return;
    step->has_eta = true;
    step->eta_ms = (uint64_t)given.eta_ms;
}

/* False: a parameter is bad. */
static bool take_supply_step(struct call *call, bool rejected, const struct option *options,
                             unsigned option_count, struct supply_step *step)
{
    struct params *params = &call->params;
    *step = (struct supply_step){ .all = true };
    call->id = step->id = param_id(params, "id");
    enum wire_kind next = params_peek(params);
    if (next != WIRE_NONE && next != WIRE_MAP && !params_skip_nil(params)) {
        step->all = false;
        step->line_count = take_supply_lines(call, rejected);
        step->lines = call->scratch->supply_lines;
    }
    take_supply_options(call, options, option_count, step);
    return params_good(params);
}

enum code method_ship(struct call *call)
{
    struct supply_step step;
    struct supply_view view;
    if (!take_supply_step(call, false, ship_options, COUNT_OF(ship_options), &step))
        return call->refusal.code;
    return changed(call, ledger_ship(call->ctx, &step, &view), &view);
}

enum code method_arrive(struct call *call)
{
    struct supply_step step;
    struct supply_view view;
    if (!take_supply_step(call, true, arrive_options, COUNT_OF(arrive_options), &step))
        return call->refusal.code;
    return changed(call, ledger_arrive(call->ctx, &step, &view), &view);
}

enum code method_withdraw(struct call *call)
{
    struct supply_step step;
    struct supply_view view;
    if (!take_supply_step(call, false, plain_options, COUNT_OF(plain_options), &step))
        return call->refusal.code;
    return changed(call, ledger_withdraw(call->ctx, &step, &view), &view);
}

enum code method_reschedule(struct call *call)
{
    struct supply_step step = { .all = true, .has_eta = true };
    struct supply_view view;
    call->id = step.id = param_id(&call->params, "id");
    step.eta_ms = (uint64_t)param_number(&call->params, "eta_ms", 0, INT64_MAX);
    take_supply_options(call, plain_options, COUNT_OF(plain_options), &step);
    if (!params_good(&call->params))
        return call->refusal.code;
    return changed(call, ledger_reschedule(call->ctx, &step, &view), &view);
}

/* ---- supply ---- */

enum code method_supply(struct call *call)
{
    struct supply_view view;
    call->id = param_id(&call->params, "id");
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    enum code code = ledger_supply(call->ctx, call->id, &view);
    if (code != CODE_OK)
        return code;
    call->lsn = view.lsn; /* the reply shows only what is durable */
    reply_map(call, whole_pairs(&view), view.lsn);
    pack_document(call->out, &view);
    pack_origin(call->out, &view);
    return CODE_OK;
}

/* ---- supplies: [{location, state, late, after, limit}] ---- */

enum {
    SUPPLIES_DEFAULT = 100,
    SUPPLIES_MAX = 1000,
    SUPPLIES_LINES = 4096,  /* a page ends after that many, however few supplies it has */
    SUPPLIES_STRIDE = 1024, /* entries walked over at a time */
};

struct supplies_given {
    struct supply_filter filter;
    int64_t limit;
};

#define GIVEN supplies_given
static const struct option supplies_options[] = {
    { .name = "location", .kind = OPTION_PLACE, .value = offsetof(struct GIVEN, filter.location) },
    { .name = "state",
      .kind = OPTION_WORDS,
      .value = offsetof(struct GIVEN, filter.state),
      .max = CODE_MAX },
    OPTION(OPTION_FLAG, "late", filter.late, filter.has_late, .min = 0),
    { .name = "after", .kind = OPTION_ID, .value = offsetof(struct GIVEN, filter.after) },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct GIVEN, limit),
      .min = 1,
      .max = SUPPLIES_MAX },
};
#undef GIVEN

static void add_supply(struct slicing *s, const struct supply_view *view)
{
    struct supplies_page *page = &s->supplies;
    pack_map(&s->rows, whole_pairs(view));
    pack_key_uint(&s->rows, "lsn", view->lsn);
    pack_document(&s->rows, view);
    pack_origin(&s->rows, view);
    s->count++;
    page->lines += view->line_count;
    page->changed_lsn = view->lsn > page->changed_lsn ? view->lsn : page->changed_lsn;
    page->last_len = view->id.len;
    memcpy(page->last, view->id.at, view->id.len);
}

static bool page_is_full(const struct slicing *s, const struct supplies_given *given)
{
    return s->count >= given->limit || s->supplies.lines > SUPPLIES_LINES;
}

/* From a location of the client's, or to one. */
static bool sees_supply(const struct call *call, const struct supply_view *view)
{
    return call_sees_place_named(call, view->location) ||
           (text_given(view->from) && call_sees_place_named(call, view->from));
}

/* Walks on until the page is full or the walk ends. CODE_DEFERRED: there is more to do. */
static enum code walk_supplies(struct call *call, struct slicing *s,
                               const struct supplies_given *given)
{
    struct supply_view view;
    uint32_t budget = SUPPLIES_STRIDE;
    while (!page_is_full(s, given)) {
        switch (
            ledger_supplies_next(call->ctx, &given->filter, &s->supplies.walk, &budget, &view)) {
        case SUPPLY_FOUND:
            if (sees_supply(call, &view))
                add_supply(s, &view);
            break;
        case SUPPLY_END:
            return CODE_OK;
        case SUPPLY_NOT_YET:
            if (budget > 0) /* the next one is being changed */
                return CODE_DEFERRED;
            budget = SUPPLIES_STRIDE;
            break;
        }
        if (!page_is_full(s, given) && !call_goes_on(call))
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* Behind which supply a list goes on tells that this one exists: so it must be the client's. */
static enum code judge_after(struct call *call, const struct supply_filter *filter)
{
    struct supply_view view;
    if (!text_given(filter->after) || scope_sees_places(call->params.scope))
        return CODE_OK;
    enum code code = ledger_supply(call->ctx, filter->after, &view);
    if (code == CODE_DEFERRED || (code == CODE_OK && sees_supply(call, &view)))
        return code;
    return ledger_supplies_forgotten(call->ctx, filter);
}

enum code method_supplies(struct call *call)
{
    struct supplies_given given = { .limit = SUPPLIES_DEFAULT };
    struct supply_walk walk;
    uint64_t lsn = 0;
    params_options(&call->params, supplies_options, COUNT_OF(supplies_options), &given);
    call->location = given.filter.location;
    if (!params_good(&call->params))
        return call->refusal.code;
    bool begun = *call->slicing != NULL;
    enum code code = begun ? CODE_OK : ledger_supplies_begin(call->ctx, &given.filter, &walk, &lsn);
    if (code == CODE_OK && !begun)
        code = judge_after(call, &given.filter);
    if (code != CODE_OK)
        return code;
    struct slicing *s = resume_or_begin(call, lsn);
    if (!s)
        return CODE_OVERLOADED;
    if (!begun)
        s->supplies.walk = walk;
    code = walk_supplies(call, s, &given);
    if (code != CODE_OK)
        return code;
    struct text last = { s->supplies.last, s->supplies.last_len };
    reply_page(call, "supplies", s, s->supplies.changed_lsn,
               page_is_full(s, &given) ? last : (struct text){ NULL, 0 });
    return end_slicing(call, CODE_OK);
}
