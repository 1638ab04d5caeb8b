/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/admission.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

static enum code refuse_here(struct call *call)
{
    struct primary primary = role_primary(call->service->role);
    if (primary.address[0])
        refuse(&call->refusal, CODE_NOT_PRIMARY, NULL,
               "this node takes no changes: ask %s, the primary of term %llu", primary.address,
               (unsigned long long)primary.term);
    else
        refuse(&call->refusal, CODE_NOT_PRIMARY, NULL,
               "this node takes no changes, and knows of no primary now; ask again, or another "
               "node");
    return CODE_NOT_PRIMARY;
}

/* CODE_OK if the log accepts records: this node is the primary, its journal has not failed, and it
 * has room for a request. */
static enum code ask_log(struct call *call)
{
    const struct service *service = call->service;
    if (call->refuses_changes)
        return refuse_here(call);
    if (atomic_load_explicit(&service->log->failed, memory_order_acquire)) {
        const struct storage_port *storage = service->storage;
        refuse_read_only(&call->refusal, storage->failure(storage->self));
        return CODE_READ_ONLY;
    }
    return ledger_has_room(call->ctx) ? CODE_OK : CODE_DEFERRED;
}

bool call_sees_channel_named(const struct call *call, struct text code)
{
    const struct scope *scope = call->params.scope;
    return !scope || !text_given(code) || scope_has_channel(scope, code);
}

bool call_sees_place_named(const struct call *call, struct text code)
{
    const struct scope *scope = call->params.scope;
    return !scope || !text_given(code) || scope_has_place(scope, code);
}

/* ---- rights ---- */

void refuse_stranger(struct refusal *refusal)
{
    refuse(refusal, CODE_UNAUTHORIZED, NULL,
           "this engine has tokens: say hello with a token first");
}

static enum code lacks(struct call *call, const struct method *method)
{
    const struct principal *principal = call->principal;
    if (principal_is_stranger(principal)) {
        refuse_stranger(&call->refusal);
        return CODE_UNAUTHORIZED;
    }
    const char *right = verb_name((enum verb)method->right);
    refuse(&call->refusal, CODE_FORBIDDEN, NULL, "%s needs the right \"%s\", which \"%s\" has not",
           method->name, right, principal->grant->name);
    call->refusal.right = right;
    return CODE_FORBIDDEN;
}

/* ---- what the id names ---- */

/* The first parameter, if it is a text: what is wrong with it, the method will say. */
static struct text first_text(const struct params *params)
{
    struct wire ahead = params->wire;
    if (params->left[0] == 0)
        return (struct text){ NULL, 0 };
    struct wire_value value = wire_next(&ahead);
    return value.kind == WIRE_TEXT ? value.text : (struct text){ NULL, 0 };
}

static enum code not_its_own(struct call *call, const char *what, const char *right)
{
    refuse(&call->refusal, CODE_FORBIDDEN, "id", "\"%s\" has no right to that %s",
           call->principal->grant->name, what);
    call->refusal.right = right;
    return CODE_FORBIDDEN;
}

/* A reservation belongs to its channel for ever, so nothing can change between this look and the
 * method: at worst the id is forgotten, and used again, within a microsecond of it. */
static enum code own_reservation(struct call *call, struct text id)
{
    const struct scope *scope = call->principal->scope;
    struct reservation_view view;
    if (scope_sees_channels(scope))
        return CODE_OK;
    enum code code = ledger_reservation(call->ctx, id, &view);
    if (code == CODE_DEFERRED)
        return code;
    if (code == CODE_OK && scope_has_channel(scope, view.channel))
        return CODE_OK;
    return not_its_own(call, "reservation", "channels");
}

/* Likewise, a supply never changes its ends. */
static enum code own_supply(struct call *call, struct text id, enum subject subject)
{
    const struct scope *scope = call->principal->scope;
    struct supply_view view;
    if (scope_sees_places(scope))
        return CODE_OK;
    enum code code = ledger_supply(call->ctx, id, &view);
    if (code == CODE_DEFERRED)
        return code;
    if (code == CODE_OK) {
        bool origin = text_given(view.from);
        bool at_origin = origin && scope_has_place(scope, view.from);
        bool at_destination = scope_has_place(scope, view.location);
        bool own = subject == SUBJECT_DESTINATION ? at_destination
                   : subject == SUBJECT_ORIGIN    ? (origin ? at_origin : at_destination)
                                                  : at_origin || at_destination;
        if (own)
            return CODE_OK;
    }
    return not_its_own(call, "supply", "locations");
}

static enum code own_subject(struct call *call, enum subject subject)
{
    struct text id = first_text(&call->params);
    if (!text_given(id) || id.len < 1 || id.len > ID_MAX)
        return CODE_OK; /* the method refuses it for what it is */
    switch (subject) {
    case SUBJECT_NOTHING:
        return CODE_OK;
    case SUBJECT_RESERVATION:
        return own_reservation(call, id);
    case SUBJECT_ORIGIN:
    case SUBJECT_DESTINATION:
    case SUBJECT_EITHER_END:
        return own_supply(call, id, subject);
    }
    assert(false);
    return CODE_FORBIDDEN;
}

/* ---- the rate ---- */

/* A request is counted once, however often it is tried. */
static enum code count_request(struct call *call)
{
    struct principal *principal = call->principal;
    const struct access *access = call->service->access;
    uint32_t rate = principal->grant ? access_rate(access, principal->grant) : 0;
    if (rate == 0 || principal->paid)
        return CODE_OK;
    uint32_t retry_ms = token_use_take(principal->use, rate, access_burst(access, principal->grant),
                                       call->engine_ms);
    if (retry_ms == 0) {
        principal->paid = true;
        return CODE_OK;
    }
    metric_add(&call->metrics->over_rate, 1);
    refuse(&call->refusal, CODE_OVERLOADED, NULL, "\"%s\" may make %u requests a second",
           principal->grant->name, rate);
    call->refusal.retry_ms = retry_ms;
    return CODE_OVERLOADED;
}

/* A peer that is known by its user or certificate may do without hello; and a standby could not
 * write down the name of one that said hello. */
static enum code name_it(struct call *call)
{
    struct principal *principal = call->principal;
    char at[NAME_MAX_BYTES];
    struct text said = principal_name(principal), name = { at, said.len };
    uint16_t client;
    if (said.len > 0)
        memcpy(at, said.at, said.len);
    else
        name = text_of(principal->grant->name);
    enum code code = ledger_client(call->ctx, name, &client);
    if (code == CODE_OK)
        principal_identify(principal, name, client);
    return code;
}

static enum code await_lsn(struct call *call)
{
    call->refusal = (struct refusal){ .code = CODE_DEFERRED };
    call->params.min_lsn = params_min_lsn(&call->params);
    return CODE_DEFERRED;
}

/* Of a client that does not see everything, has a rate, or has no name yet. */
static enum code admit_bound(struct call *call, const struct method *method)
{
    struct principal *principal = call->principal;
    enum code code = count_request(call);
    if (code == CODE_OK && principal->scope) {
        scope_look(principal->scope, ledger_catalogue(call->ctx));
        call->params.scope = principal->scope;
        code = own_subject(call, method->subject);
        /* What is not there yet may be its own. */
        if (code == CODE_FORBIDDEN && params_min_lsn(&call->params) > log_head(call->service->log))
            code = await_lsn(call);
    }
    if (code == CODE_OK && method->needs & NEED_LOG)
        code = ask_log(call);
    if (code == CODE_OK && principal->nameless && method->needs & NEED_LOG)
        code = name_it(call);
    return code;
}

enum code admit(struct call *call, const struct method *method)
{
    const struct principal *principal = call->principal;
    enum code code = CODE_OK;
    assert((method->needs & ~(unsigned)NEED_ALL) == 0);
    if (principal->lacks & method->right)
        return lacks(call, method);
    if (method->needs & NEED_LSN)
        call->params.log = call->service->log;
    if (principal->bound)
        code = admit_bound(call, method);
    else if (method->needs & NEED_LOG)
        code = ask_log(call);
    if (code == CODE_OK)
        ctx_set_client(call->ctx, principal->client);
    return code;
}
