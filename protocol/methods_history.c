/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History queries: history, stock in the past, and what was fulfilled and returned of a
 * reservation. A separate thread answers them from the journal's files. A method sends a query and
 * is called again once the answer is there; meanwhile only its connection waits.
 */
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "engine/store/catalogue.h"
#include "engine/store/pool.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum { HISTORY_LIMIT = 100 };

/* ---- asking ---- */

enum code call_ask(struct call *call, struct history_query *query)
{
    const struct history_port *history = call->service->history;
    query->upto = atomic_load_explicit(&call->service->log->tail, memory_order_acquire);
    query->asked_upto = query->upto;
    query->asker = call->awaited;
    *call->awaited = (struct awaited){ .query = query };
    if (history && history->ask(history->self, query, call->box))
        return CODE_DEFERRED;
    *call->awaited = (struct awaited){ 0 };
    history_query_free(query);
    refuse(&call->refusal, CODE_OVERLOADED, NULL,
           "too many history queries are waiting; try again later");
    return CODE_OVERLOADED;
}

struct history_query *call_new_query(struct call *call, enum history_kind kind)
{
    struct history_query *query = history_query_new(kind);
    if (!query)
        refuse(&call->refusal, CODE_OVERLOADED, NULL, "no memory for a history query");
    return query;
}

struct history_query *call_take_answer(struct call *call)
{
    struct history_query *query = call->awaited->query;
    if (!call->awaited->answered)
        return NULL;
    *call->awaited = (struct awaited){ 0 };
    return query;
}

void awaited_drop(struct awaited *awaited)
{
    if (awaited->answered) {
        history_query_free(awaited->query);
    } else if (awaited->query) {
        awaited->query->asker = NULL;
        atomic_store_explicit(&awaited->query->abandoned, true, memory_order_relaxed);
    }
    *awaited = (struct awaited){ 0 };
}

enum code call_refuse_answer(struct call *call, const struct history_query *q)
{
    const char *param = q->has_time ? "at_ms" : "at_lsn";
    struct refusal *refusal = &call->refusal;
    switch (q->outcome) {
    case HISTORY_ANSWERED:
        return CODE_OK;
    case HISTORY_NOT_YET:
        refuse(refusal, CODE_BAD_REQUEST, param, "at_lsn: the journal ends at lsn %" PRIu64,
               q->lsn);
        break;
    case HISTORY_NO_MORE:
        refuse(refusal, CODE_BAD_REQUEST, param, "%s: the history kept begins at lsn %" PRIu64,
               param, q->begins_lsn);
        break;
    case HISTORY_UNBORN:
        refuse(refusal, CODE_UNKNOWN_SKU, "sku", "sku \"%.*s\" did not exist then",
               (int)call->sku.len, call->sku.at);
        break;
    case HISTORY_FAILED:
        refuse(refusal, CODE_UNREADABLE, NULL, "the journal cannot be read: %s", q->why);
        break;
    case HISTORY_STOPPED:
        refuse(refusal, CODE_OVERLOADED, NULL, "the engine is stopping");
        break;
    }
    return refusal->code;
}

/* ---- names ---- */

static struct text channel_code(const struct catalogue *catalogue, uint16_t channel)
{
    if (channel >= catalogue->channel_count)
        return (struct text){ NULL, 0 };
    return code_text(&catalogue->channels[channel].code);
}

/* ---- history ---- */

struct history_options {
    struct text id;
    int64_t since_lsn, limit;
};

static const struct option history_options[] = {
    { .name = "id", .kind = OPTION_ID, .value = offsetof(struct history_options, id) },
    { .name = "since_lsn",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct history_options, since_lsn),
      .max = INT64_MAX },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct history_options, limit),
      .min = 1,
      .max = HISTORY_LIMIT_MAX },
};

static void pack_given(struct out *out, const char *key, bool given, int64_t number)
{
    pack_string(out, key);
    if (given)
        pack_int(out, number);
    else
        pack_nil(out);
}

static void pack_id(struct out *out, const char *key, struct text id)
{
    pack_string(out, key);
    if (id.len > 0)
        pack_bytes(out, id);
    else
        pack_nil(out);
}

static void pack_words(struct out *out, const char *key, const char *words)
{
    pack_string(out, key);
    if (words)
        pack_string(out, words);
    else
        pack_nil(out);
}

/* nil: the event sets nothing of the kind, or that number is not set. */
static void pack_stocking(struct out *out, const struct history_event *e)
{
    const struct stocking *s = &e->stocking;
    pack_string(out, "stocked");
    if (e->has_stocking)
        pack_bool(out, s->stocked);
    else
        pack_nil(out);
    pack_given(out, "safety", e->has_stocking && s->safety >= 0, s->safety);
    pack_given(out, "lead_time_s", e->has_stocking && s->lead_time_s >= 0, s->lead_time_s);
}

/* Whose allotment the pool is; NOT_ALLOTTED: nobody's. */
enum { NOT_ALLOTTED = UINT16_MAX };

static uint16_t owner_of_pool(const struct history_event *e)
{
    uint16_t owner = e->pool.owner;
    return e->has_pool && owner_kind(owner) == POOL_ALLOTTED ? owner_channel(owner) : NOT_ALLOTTED;
}

/* A till may sell of another channel's allotment. Each of the two channels is told, and not what is
 * the other's. */
static bool sees_doer(const struct call *call, const struct history_event *e)
{
    return !e->has_channel || call_sees_channel(call, e->channel);
}

static bool sees_allotment(const struct call *call, const struct history_event *e)
{
    uint16_t owner = owner_of_pool(e);
    return owner == NOT_ALLOTTED || call_sees_channel(call, owner);
}

/* An event at a location, or on a channel, is told to those who may see that. */
static bool sees_event(const struct call *call, const struct history_event *e)
{
    return (!e->has_pool || call_sees_place(call, e->pool.location)) &&
           (sees_doer(call, e) || (owner_of_pool(e) != NOT_ALLOTTED && sees_allotment(call, e)));
}

/* What the client may see of it. */
static struct history_event seen_of(const struct call *call, const struct history_event *e)
{
    struct history_event seen = *e;
    if (!sees_doer(call, e)) {
        seen.has_channel = false;
        seen.client = 0;
        seen.id = seen.op = seen.ref = seen.reason = (struct text){ NULL, 0 };
    }
    seen.has_stock = e->has_stock && sees_allotment(call, e);
    return seen;
}

static void pack_event(struct call *call, const struct catalogue *catalogue,
                       const struct history_event *whole)
{
    struct out *out = call->out;
    const struct text none = { NULL, 0 };
    const struct history_event seen = seen_of(call, whole), *e = &seen;
    uint16_t owner = sees_allotment(call, e) ? owner_of_pool(e) : NOT_ALLOTTED;
    pack_map(out, 22);
    pack_key_uint(out, "lsn", e->lsn);
    pack_key_uint(out, "time_ms", e->time_ms);
    pack_key_string(out, "type", e->type);
    pack_id(out, "id", e->id);
    pack_key_text(out, "sku", e->has_item ? ledger_sku(call->ctx, e->pool.item) : none);
    pack_key_text(out, "location", e->has_pool ? location_code(catalogue, e->pool.location) : none);
    pack_words(out, "kind", e->kind);
    pack_key_text(out, "channel", e->has_channel ? channel_code(catalogue, e->channel) : none);
    pack_key_text(out, "allotted_to", channel_code(catalogue, owner));
    pack_given(out, "qty", e->has_pool || e->qty != 0, e->qty);
    pack_given(out, "on_hand", e->has_stock, e->on_hand);
    pack_given(out, "reserved", e->has_stock, e->reserved);
    pack_words(out, "state", e->state);
    pack_given(out, "expires_ms", e->expires_ms != 0, (int64_t)e->expires_ms);
    pack_given(out, "eta_ms", e->eta_ms != 0, (int64_t)e->eta_ms);
    pack_id(out, "op", e->op);
    pack_key_text(out, "client", ledger_client_name(call->ctx, e->client));
    pack_id(out, "reason", e->reason);
    pack_id(out, "ref", e->ref);
    pack_stocking(out, e);
}

static uint32_t count_seen(const struct call *call, const struct history_query *q)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < q->event_count; i++)
        count += sees_event(call, &q->events[i]);
    return count;
}

static enum code reply_history(struct call *call, struct history_query *q)
{
    struct out *out = call->out;
    enum code code = call_refuse_answer(call, q);
    if (code == CODE_OK) {
        const struct catalogue *catalogue = ledger_catalogue(call->ctx);
        reply_map(call, 4, q->lsn);
        PACK_KEY(out, "events");
        pack_array(out, count_seen(call, q));
        for (uint32_t i = 0; i < q->event_count; i++)
            if (sees_event(call, &q->events[i]))
                pack_event(call, catalogue, &q->events[i]);
        pack_given(out, "next", q->next != 0, (int64_t)q->next);
        pack_key_uint(out, "begins_lsn", q->begins_lsn);
    }
    history_query_free(q);
    return code;
}

/* Takes [sku?, {id, since_lsn, limit}?]: either the sku or the id. */
static enum code take_history(struct call *call, struct history_options *given)
{
    struct params *params = &call->params;
    bool no_sku = params_skip_nil(params);
    if (!no_sku)
        call->sku = param_sku(params, "sku");
    params_options(params, history_options, COUNT_OF(history_options), given);
    if (params_good(params) && no_sku != text_given(given->id))
        refuse(&call->refusal, CODE_BAD_REQUEST, "sku",
               "give either a sku, or nil as the sku and the option id");
    return call->refusal.code;
}

enum code method_history(struct call *call)
{
    struct history_options given = { .limit = HISTORY_LIMIT };
    enum code code = take_history(call, &given);
    if (code != CODE_OK)
        return code;
    struct history_query *query = call_take_answer(call);
    if (query)
        return reply_history(call, query);
    if (call->awaited->query)
        return CODE_DEFERRED;
    struct history_filter filter = { .subject = HISTORY_ID };
    if (text_given(call->sku)) {
        filter.subject = HISTORY_ITEM;
        code = ledger_find_item(call->ctx, call->sku, &filter.item);
        if (code != CODE_OK)
            return code;
    } else {
        filter.id_len = (uint8_t)given.id.len;
        memcpy(filter.id, given.id.at, given.id.len);
    }
    query = call_new_query(call, HISTORY_EVENTS);
    if (!query)
        return call->refusal.code;
    query->filter = filter;
    query->since_lsn = (uint64_t)given.since_lsn;
    query->limit = (uint32_t)given.limit;
    return call_ask(call, query);
}

/* ---- evidence for returns ---- */

enum code call_ask_returned(struct call *call, struct text reservation, struct text sku)
{
    struct history_filter filter = { .subject = HISTORY_ID, .id_len = (uint8_t)reservation.len };
    enum code code = ledger_find_item(call->ctx, sku, &filter.item);
    if (code != CODE_OK)
        return code;
    struct history_query *query = call_new_query(call, HISTORY_RETURNED);
    if (!query)
        return call->refusal.code;
    assert(reservation.len <= ID_MAX);
    memcpy(filter.id, reservation.at, reservation.len);
    query->filter = filter;
    return call_ask(call, query);
}

enum code call_take_evidence(struct call *call, const struct return_evidence **evidence)
{
    const struct history_query *query = call->awaited->query;
    *evidence = NULL;
    if (!query)
        return CODE_OK;
    if (!call->awaited->answered)
        return CODE_DEFERRED;
    enum code code = call_refuse_answer(call, query);
    if (code != CODE_OK)
        return code;
    *evidence = &query->evidence;
    if (query->evidence.upto >= query->asked_upto)
        return CODE_OK;
    refuse(&call->refusal, CODE_OVERLOADED, NULL,
           "the journal is written only up to lsn %" PRIu64 ", and is needed up to lsn %" PRIu64
           "; try again",
           query->evidence.upto, query->asked_upto);
    return CODE_OVERLOADED;
}

/* ---- stock in the past ---- */

static void pack_pool_then(struct call *call, const struct catalogue *catalogue,
                           const struct history_shown *pool)
{
    struct out *out = call->out;
    uint16_t owner = pool->key.owner;
    bool allotted = owner_kind(owner) == POOL_ALLOTTED;
    pack_map(out, 7);
    pack_key_text(out, "location", location_code(catalogue, pool->key.location));
    pack_words(out, "kind", pool->kind);
    pack_key_text(out, "channel",
                  allotted ? channel_code(catalogue, owner_channel(owner))
                           : (struct text){ NULL, 0 });
    pack_key_int(out, "on_hand", pool->on_hand);
    pack_key_int(out, "reserved", pool->reserved);
    pack_given(out, "eta_ms", pool->eta_ms != 0, (int64_t)pool->eta_ms);
    pack_id(out, "supply", pool->supply);
}

/* As of stock now: see sees_pool of methods_query.c. */
static bool sees_pool_then(const struct call *call, const struct pool_key *key)
{
    return call_sees_place(call, key->location) &&
           (owner_kind(key->owner) != POOL_ALLOTTED ||
            call_sees_channel(call, owner_channel(key->owner)));
}

static enum code reply_stock_then(struct call *call, struct history_query *q)
{
    struct out *out = call->out;
    int64_t on_hand = 0;
    int64_t reserved = 0;
    uint32_t seen = 0;
    enum code code = call_refuse_answer(call, q);
    for (uint32_t i = 0; i < q->pool_count; i++) {
        if (!sees_pool_then(call, &q->pools[i].key))
            continue;
        seen++;
        if (!owner_counts(q->pools[i].key.owner))
            continue;
        on_hand += q->pools[i].on_hand;
        reserved += q->pools[i].reserved;
    }
    if (code == CODE_OK) {
        const struct catalogue *catalogue = ledger_catalogue(call->ctx);
        reply_map(call, 6, q->lsn);
        pack_key_uint(out, "time_ms", q->time_ms);
        pack_key_int(out, "on_hand", on_hand);
        pack_key_int(out, "reserved", reserved);
        pack_key_int(out, "available", on_hand - reserved);
        PACK_KEY(out, "pools");
        pack_array(out, seen);
        for (uint32_t i = 0; i < q->pool_count; i++)
            if (sees_pool_then(call, &q->pools[i].key))
                pack_pool_then(call, catalogue, &q->pools[i]);
    }
    history_query_free(q);
    return code;
}

enum code method_stock_then(struct call *call, bool by_time, uint64_t at)
{
    struct history_filter filter = { .subject = HISTORY_ITEM };
    struct history_query *query = call_take_answer(call);
    if (query)
        return reply_stock_then(call, query);
    if (call->awaited->query)
        return CODE_DEFERRED;
    enum code code = ledger_find_item(call->ctx, call->sku, &filter.item);
    if (code != CODE_OK)
        return code;
    query = call_new_query(call, HISTORY_STOCK);
    if (!query)
        return call->refusal.code;
    query->filter = filter;
    query->has_time = by_time;
    query->has_lsn = !by_time;
    query->at = at;
    return call_ask(call, query);
}
