/* SPDX-License-Identifier: Apache-2.0 */
/* Movements of stock: receive, adjust, count, return, allot, shift. */
#include <stddef.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

struct movement_options {
    struct text ref, reason, reservation, condition;
    bool has_as_of, has_if_on_hand;
    int64_t as_of; /* wall clock, ms */
    bool shelf;
    int64_t if_on_hand;
};

#define WORDS(field)                                                                               \
    {                                                                                              \
        .name = #field, .kind = OPTION_WORDS, .value = offsetof(struct movement_options, field),   \
        .max = NAME_MAX_BYTES                                                                      \
    }

#define IF_ON_HAND                                                                                 \
    {                                                                                              \
        .name = "if_on_hand", .kind = OPTION_NUMBER,                                               \
        .value = offsetof(struct movement_options, if_on_hand),                                    \
        .given = offsetof(struct movement_options, has_if_on_hand), .min = INT64_MIN,              \
        .max = INT64_MAX                                                                           \
    }

static const struct option receive_options[] = { WORDS(ref) };
static const struct option adjust_options[] = { IF_ON_HAND, WORDS(reason), WORDS(ref) };
static const struct option shift_options[] = { WORDS(reason), WORDS(ref) };
static const struct option count_options[] = {
    { .name = "as_of",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct movement_options, as_of),
      .given = offsetof(struct movement_options, has_as_of),
      .min = 0,
      .max = INT64_MAX },
    IF_ON_HAND,
    WORDS(ref),
    { .name = "shelf", .kind = OPTION_FLAG, .value = offsetof(struct movement_options, shelf) },
};
static const struct option return_options[] = {
    { .name = "reservation",
      .kind = OPTION_ID,
      .value = offsetof(struct movement_options, reservation) },
    WORDS(condition),
};

/* Takes [id, sku, location, number, {options}]; min and max bound the number. */
static bool take_movement(struct call *call, struct movement *m, const char *number, int64_t min,
                          int64_t max, const struct option *options, unsigned option_count,
                          struct movement_options *given)
{
    struct params *params = &call->params;
    *m = (struct movement){ 0 };
    *given = (struct movement_options){ 0 };
    call->id = m->id = param_id(params, "id");
    call->sku = m->sku = param_sku(params, "sku");
    call->location = m->location = param_place(params, "location");
    m->qty = param_number(params, number, min, max);
    params_options(params, options, option_count, given);
    m->ref = given->ref;
    m->has_as_of = given->has_as_of;
    m->as_of_ms = (uint64_t)given->as_of;
    m->shelf = given->shelf;
    m->has_if_on_hand = given->has_if_on_hand;
    m->if_on_hand = given->if_on_hand;
    m->reason = given->reason;
    return params_good(params);
}

static enum code moved(struct call *call, enum code code, const struct movement_result *result)
{
    if (code != CODE_OK)
        return code;
    call->lsn = result->lsn;
    reply_map(call, 3, result->lsn);
    pack_key_int(call->out, "on_hand", result->on_hand);
    pack_key_int(call->out, "available", result->available);
    return CODE_OK;
}

enum code method_receive(struct call *call)
{
    struct movement m;
    struct movement_options given;
    struct movement_result result;
    if (!take_movement(call, &m, "qty", 1, QUANTITY_MAX, receive_options, COUNT_OF(receive_options),
                       &given))
        return call->refusal.code;
    return moved(call, ledger_receive(call->ctx, &m, &result), &result);
}

enum code method_adjust(struct call *call)
{
    struct movement m;
    struct movement_options given;
    struct movement_result result;
    if (take_movement(call, &m, "delta", -QUANTITY_MAX, QUANTITY_MAX, adjust_options,
                      COUNT_OF(adjust_options), &given) &&
        m.qty == 0)
        refuse(&call->refusal, CODE_BAD_REQUEST, "delta", "delta must not be 0");
    if (!params_good(&call->params))
        return call->refusal.code;
    return moved(call, ledger_adjust(call->ctx, &m, &result), &result);
}

enum code method_count(struct call *call)
{
    struct movement m;
    struct movement_options given;
    struct movement_result result;
    if (!take_movement(call, &m, "counted", 0, QUANTITY_MAX, count_options, COUNT_OF(count_options),
                       &given))
        return call->refusal.code;
    enum code code = ledger_count(call->ctx, &m, &result);
    if (code != CODE_OK)
        return code;
    call->lsn = result.lsn;
    reply_map(call, 4, result.lsn);
    pack_key_int(call->out, "delta", result.delta);
    pack_key_int(call->out, "on_hand", result.on_hand);
    pack_key_int(call->out, "available", result.available);
    return CODE_OK;
}

/* A return may name only a reservation of the client's channels: the ledger knows the channel of a
 * recent one, the evidence that of any. Until there is evidence, an old one is neither. */
static enum code own_sale(struct call *call, struct text id, const struct return_evidence *evidence)
{
    const struct scope *scope = call->params.scope;
    struct reservation_view view;
    if (scope_sees_channels(scope))
        return CODE_OK;
    bool own;
    if (evidence) {
        own = evidence->channel > 0 && scope_sees_channel(scope, evidence->channel - 1);
    } else {
        enum code code = ledger_reservation(call->ctx, id, &view);
        if (code == CODE_DEFERRED)
            return code;
        own = code != CODE_OK || scope_has_channel(scope, view.channel);
    }
    if (own)
        return CODE_OK;
    refuse(&call->refusal, CODE_FORBIDDEN, "reservation", "\"%s\" has no right to that reservation",
           scope->grant->name);
    call->refusal.right = "channels";
    return CODE_FORBIDDEN;
}

/* A return that names a reservation is tried without evidence first: a known id needs none, nor
 * does a return that is refused anyway. An answer is kept until the return is decided or the answer
 * is stale. */
static enum code return_to_reservation(struct call *call, struct movement *m,
                                       struct movement_result *result)
{
    enum code code = call_take_evidence(call, &m->evidence);
    if (code == CODE_OK)
        code = own_sale(call, m->ref, m->evidence);
    if (code != CODE_OK)
        return code;
    code = ledger_return(call->ctx, m, result);
    if (code == CODE_UNKNOWN_RESERVATION)
        call->id = m->ref;
    if (code != CODE_DEFERRED || !ledger_needs_evidence(call->ctx))
        return code;
    awaited_drop(call->awaited);
    return call_ask_returned(call, m->ref, m->sku);
}

enum code method_return(struct call *call)
{
    struct movement m;
    struct movement_options given;
    struct movement_result result;
    if (!take_movement(call, &m, "qty", 1, QUANTITY_MAX, return_options, COUNT_OF(return_options),
                       &given))
        return call->refusal.code;
    m.ref = given.reservation;
    m.reason = given.condition;
    m.damaged = text_given(given.condition) && text_equal(given.condition, text_of("damaged"));
    enum code code = text_given(m.ref) ? return_to_reservation(call, &m, &result)
                                       : ledger_return(call->ctx, &m, &result);
    return moved(call, code, &result);
}

/* [id, sku, location, qty, from, to, {options}] */
enum code method_shift(struct call *call)
{
    struct params *params = &call->params;
    struct movement m = { 0 };
    struct movement_options given = { 0 };
    struct movement_result result;
    call->id = m.id = param_id(params, "id");
    call->sku = m.sku = param_sku(params, "sku");
    call->location = m.location = param_place(params, "location");
    m.qty = param_number(params, "qty", 1, QUANTITY_MAX);
    struct text from = param_words(params, "from", CODE_MAX);
    struct text to = param_words(params, "to", CODE_MAX);
    params_options(params, shift_options, COUNT_OF(shift_options), &given);
    m.ref = given.ref;
    m.reason = given.reason;
    if (!params_good(params))
        return call->refusal.code;
    return moved(call, ledger_shift(call->ctx, &m, from, to, &result), &result);
}

enum code method_allot(struct call *call)
{
    struct params *params = &call->params;
    struct allotment a = { 0 };
    struct allot_result result;
    call->id = a.id = param_id(params, "id");
    call->sku = a.sku = param_sku(params, "sku");
    call->location = a.location = param_place(params, "location");
    call->channel = a.channel = param_channel(params, "channel");
    a.qty = param_number(params, "qty", -QUANTITY_MAX, QUANTITY_MAX);
    params_options(params, NULL, 0, NULL);
    if (params_good(params) && a.qty == 0)
        refuse(&call->refusal, CODE_BAD_REQUEST, "qty", "qty must not be 0");
    if (!params_good(params))
        return call->refusal.code;
    enum code code = ledger_allot(call->ctx, &a, &result);
    if (code != CODE_OK)
        return code;
    call->lsn = result.lsn;
    reply_map(call, 3, result.lsn);
    pack_key_int(call->out, "allotted", result.allotted);
    pack_key_int(call->out, "available", result.available);
    return CODE_OK;
}
