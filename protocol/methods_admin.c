/* SPDX-License-Identifier: Apache-2.0 */
/* ping, hello, info. */
#include <stddef.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/figures/figures.h"
#include "engine/ledger/id_gauge.h"
#include "engine/ledger/shortages.h"
#include "engine/reports/report.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum code method_ping(struct call *call)
{
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    reply_text(call, "pong");
    return CODE_OK;
}

/* ---- hello ---- */

struct hello_options {
    struct text token;
};

static const struct option hello_options[] = {
    { .name = "token",
      .kind = OPTION_WORDS,
      .value = offsetof(struct hello_options, token),
      .max = 4096 },
};

static enum code refuse_token(struct call *call, const char *why)
{
    refuse(&call->refusal, CODE_UNAUTHORIZED, "token", "%s", why);
    return CODE_UNAUTHORIZED;
}

/* The rights of the token, if one is given; else those by which the peer is known already. */
static enum code be_known(struct call *call, struct text token)
{
    const struct access *access = call->service->access;
    struct principal *principal = call->principal;
    if (!text_given(token) && principal_is_stranger(principal))
        return refuse_token(call, "token is missing: this engine has tokens");
    if (!text_given(token))
        return CODE_OK;
    struct known known = access_by_token(access, token.at, token.len, call->engine_ms);
    if (!known.grant) /* in the same words, whichever it is */
        return refuse_token(call, "the token is unknown, was revoked, or has expired");
    switch (principal_grant(principal, access, known)) {
    case GRANTED:
        return CODE_OK;
    case GRANT_CROWDED:
        metric_add(&call->metrics->crowded, 1);
        refuse(&call->refusal, CODE_OVERLOADED, "token", "\"%s\" may have %u connections at once",
               known.grant->name, access_connections(access, known.grant));
        return CODE_OVERLOADED;
    case GRANT_NO_MEMORY:
        break;
    }
    refuse(&call->refusal, CODE_OVERLOADED, NULL, "no memory for another client");
    return CODE_OVERLOADED;
}

/* The journal's name of a client: that of its token, and behind a slash what it calls itself, as
 * far as there is room. A token that has used up its names gets none behind it, because they would
 * use up the journal's. */
static struct text name_with_token(struct principal *principal, struct text name, char *full)
{
    struct text token = text_of(principal->grant->name);
    uint32_t room = NAME_MAX_BYTES - token.len - 1;
    uint32_t length = name.len < room ? name.len : room;
    while (length > 0 && !text_is_utf8((struct text){ name.at, length }))
        length--; /* not within a character */
    if (length == 0 || !token_use_name(principal->use, name.at, length))
        return token;
    memcpy(full, token.at, token.len);
    full[token.len] = '/';
    memcpy(full + token.len + 1, name.at, length);
    return (struct text){ full, token.len + 1 + length };
}

enum code method_hello(struct call *call)
{
    struct params *params = &call->params;
    struct hello_options given = { 0 };
    uint16_t client = 0;
    struct text name = param_words(params, "client_name", NAME_MAX_BYTES);
    params_options(params, hello_options, COUNT_OF(hello_options), &given);
    /* A client that gives a token believes that others are kept out. */
    if (params_good(params) && text_given(given.token) && !call->service->access)
        refuse(&call->refusal, CODE_UNAUTHORIZED, "token",
               "this engine has no tokens and does not check its callers: leave the token out");
    if (!params_good(params))
        return call->refusal.code;
    char full[2 * NAME_MAX_BYTES];
    if (call->service->access) {
        enum code code = be_known(call, given.token);
        if (code != CODE_OK)
            return code;
        name = name_with_token(call->principal, name, full);
    }
    /* A new name takes a record: if nothing can be written, the journal does not name the
     * caller. */
    bool writable = !atomic_load_explicit(&call->service->log->failed, memory_order_acquire);
    if (writable && !call->refuses_changes) {
        enum code code = ledger_client(call->ctx, name, &client);
        if (code != CODE_OK)
            return code;
    }
    if (call->refuses_changes)
        principal_identify_later(call->principal, name);
    else
        principal_identify(call->principal, name, client);
    metric_add(&call->metrics->hellos, 1);
    reply_map(call, 4, log_head(call->service->log));
    pack_key_string(call->out, "server", "stockd");
    pack_key_string(call->out, "version", call->service->version);
    pack_key_uint(call->out, "protocol", PROTOCOL_VERSION);
    return CODE_OK;
}

/* ---- info ---- */

enum {
#define X(name) WORKER_METRIC_##name,
    WORKER_METRICS(X)
#undef X
        WORKER_METRIC_COUNT
};

enum {
#define X(name) FEED_METRIC_##name,
    FEED_METRICS(X)
#undef X
        FEED_METRIC_COUNT
};

enum {
#define X(name) ACCESS_METRIC_##name,
    ACCESS_METRICS(X)
#undef X
        ACCESS_METRIC_COUNT
};

enum {
#define X(name) LEDGER_COUNTER_##name,
    LEDGER_COUNTERS(X)
#undef X
        LEDGER_COUNTER_COUNT
};

struct worker_sums {
#define X(name) uint64_t name;
    WORKER_METRICS(X)
    FEED_METRICS(X)
    ACCESS_METRICS(X)
#undef X
};

static struct worker_sums sum_workers(const struct service *service)
{
    struct worker_sums sums = { 0 };
    for (unsigned i = 0; i < service->workers; i++) {
        const struct worker_metrics *metrics = &service->metrics[i];
#define X(name) sums.name += atomic_load_explicit(&metrics->name, memory_order_relaxed);
        WORKER_METRICS(X)
        FEED_METRICS(X)
        ACCESS_METRICS(X)
#undef X
    }
    return sums;
}

/* Answers of all workers, for all methods; *refusals: those that were errors. */
static uint64_t sum_answers(const struct service *service, uint64_t *refusals)
{
    uint64_t good = 0;
    *refusals = 0;
    for (unsigned i = 0; i < service->workers; i++)
        for (unsigned method = 0; method < METHOD_COUNT; method++)
            for (enum code code = 0; code < CODE_COUNT; code++)
                *(code == CODE_OK ? &good : refusals) += atomic_load_explicit(
                    &service->metrics[i].answers[method][code], memory_order_relaxed);
    return good + *refusals;
}

static void pack_server(struct call *call)
{
    const struct service *service = call->service;
    struct out *out = call->out;
    struct worker_sums sums = sum_workers(service);
    uint64_t refusals, requests = sum_answers(service, &refusals);
    pack_map(out, 8 + WORKER_METRIC_COUNT);
    pack_key_string(out, "version", service->version);
    pack_key_string(out, "role", role_name(service_role(service)));
    pack_key_uint(out, "protocol", PROTOCOL_VERSION);
    pack_key_uint(out, "workers", service->workers);
    pack_key_uint(out, "started_ms", service->started_ms);
    pack_key_uint(out, "uptime_ms", call->engine_ms - service->started_ms);
    pack_key_uint(out, "requests", requests);
    pack_key_uint(out, "refusals", refusals);
#define X(name) pack_key_uint(out, #name, sums.name);
    WORKER_METRICS(X)
#undef X
}

/* The id table: how full it is, how far back it reaches, and how long it lasts at the present rate
 * of ids. */
static void pack_ids(struct call *call, const struct ledger_metrics *metrics)
{
    struct out *out = call->out;
    struct id_outlook outlook = ledger_id_outlook(call->service->ledger, call->engine_ms);
    pack_key_uint(out, "ids_taken", metrics->ids_taken);
    pack_key_uint(out, "ids_remembered", metrics->ids_remembered);
    pack_key_uint(out, "remember_s", metrics->remember_ms / 1000);
    pack_key_uint(out, "ids_per_s", outlook.per_s);
    pack_key_uint(out, "ids_oldest_s", outlook.oldest_ms / 1000);
    pack_string(out, "ids_last_s");
    if (outlook.last_ms == UINT64_MAX)
        pack_nil(out);
    else
        pack_uint(out, outlook.last_ms / 1000);
}

static void pack_ledger(struct call *call)
{
    struct out *out = call->out;
    struct ledger_metrics metrics;
    ledger_metrics(call->service->ledger, &metrics);
    pack_map(out, 12 + LEDGER_COUNTER_COUNT);
#define X(name) pack_key_uint(out, #name, metrics.name);
    LEDGER_COUNTERS(X)
#undef X
    pack_key_uint(out, "items", metrics.items);
    pack_key_uint(out, "pools", metrics.pools);
    pack_key_uint(out, "live", metrics.live);
    pack_key_uint(out, "items_max", metrics.items_max);
    pack_key_uint(out, "pools_max", metrics.pools_max);
    pack_key_uint(out, "reservations_max", metrics.reservations_max);
    pack_ids(call, &metrics);
}

static void pack_metric(struct out *out, const struct storage_metric *metric)
{
    switch (metric->kind) {
    case METRIC_NUMBER:
        pack_key_uint(out, metric->name, metric->number);
        break;
    case METRIC_FLAG:
        pack_key_bool(out, metric->name, metric->number != 0);
        break;
    case METRIC_WORD:
        pack_key_string(out, metric->name, metric->word);
        break;
    }
}

static void pack_journal(struct call *call)
{
    const struct service *service = call->service;
    const struct storage_port *storage = service->storage;
    struct out *out = call->out;
    struct storage_metric metrics[STORAGE_METRICS_MAX];
    unsigned count = storage->metrics(storage->self, metrics);
    bool failed = atomic_load_explicit(&service->log->failed, memory_order_acquire);
    pack_map(out, 4 + count);
    pack_key_uint(out, "log_tail", atomic_load_explicit(&service->log->tail, memory_order_relaxed));
    pack_key_uint(out, "log_capacity", service->log->capacity);
    pack_key_bool(out, "failed", failed);
    pack_key_string(out, "failure", failed ? storage->failure(storage->self) : NULL);
    for (unsigned i = 0; i < count; i++)
        pack_metric(out, &metrics[i]);
}

static void pack_snapshot(struct call *call)
{
    const struct storage_port *storage = call->service->storage;
    struct storage_metric metrics[STORAGE_METRICS_MAX];
    unsigned count = 0;
    if (storage->snapshot_metrics)
        count = storage->snapshot_metrics(storage->snapshots_self, metrics);
    pack_map(call->out, count);
    for (unsigned i = 0; i < count; i++)
        pack_metric(call->out, &metrics[i]);
}

static void pack_limits(struct call *call)
{
    const struct service_limits *limits = &call->service->limits;
    struct out *out = call->out;
    pack_map(out, 11);
    pack_key_uint(out, "message_bytes", limits->message.bytes);
    pack_key_uint(out, "hello_bytes", limits->hello.bytes);
    pack_key_uint(out, "message_elements", limits->message.elements);
    pack_key_uint(out, "message_depth", limits->message.depth);
    pack_key_uint(out, "order_lines", limits->lines);
    pack_key_uint(out, "query_skus", limits->skus);
    pack_key_uint(out, "connections", limits->connections);
    pack_key_uint(out, "input_bytes", limits->input_bytes);
    pack_key_uint(out, "client_bytes", limits->client_bytes);
    pack_key_uint(out, "message_ms", limits->message_ms);
    pack_key_uint(out, "reader_ms", limits->reader_ms);
}

static void pack_check(struct call *call)
{
    const struct checks *checks = call->service->checks;
    struct out *out = call->out;
    pack_map(out, 6);
    pack_key_bool(out, "running", atomic_load_explicit(&checks->running, memory_order_relaxed));
    pack_key_uint(out, "done", atomic_load_explicit(&checks->done, memory_order_relaxed));
    pack_key_uint(out, "ended_ms", atomic_load_explicit(&checks->ended_ms, memory_order_relaxed));
    pack_key_uint(out, "took_ms", atomic_load_explicit(&checks->took_ms, memory_order_relaxed));
    pack_key_uint(out, "broken", atomic_load_explicit(&checks->broken, memory_order_relaxed));
    pack_key_uint(out, "moving", atomic_load_explicit(&checks->moving, memory_order_relaxed));
}

static void pack_since(struct out *out, const char *key, uint32_t hour)
{
    pack_string(out, key);
    if (hour > 0)
        pack_uint(out, (uint64_t)hour * FIGURES_HOUR_MS);
    else
        pack_nil(out);
}

static void pack_reports(struct call *call)
{
    struct out *out = call->out;
    struct figures_metrics metrics = { 0 };
    bool kept = report_metrics(call->service->ledger, &metrics);
    pack_map(out, 5);
    pack_key_bool(out, "kept", kept);
    pack_key_uint(out, "facts", metrics.facts);
    pack_key_uint(out, "facts_max", metrics.facts_max);
    pack_since(out, "detail_since_ms", metrics.extent.detail_from);
    pack_since(out, "since_ms", metrics.extent.whole_from);
}

static void pack_feed(struct call *call)
{
    struct out *out = call->out;
    struct worker_sums sums = sum_workers(call->service);
    const struct events *events = ledger_events(call->service->ledger);
    pack_map(out, FEED_METRIC_COUNT + 4);
#define X(name) pack_key_uint(out, #name, sums.name);
    FEED_METRICS(X)
#undef X
    pack_key_uint(out, "events", atomic_load_explicit(&events->taken, memory_order_relaxed));
    pack_key_uint(out, "events_forgotten_lsn",
                  atomic_load_explicit(&events->forgotten, memory_order_relaxed));
    pack_key_uint(out, "crossings_lsn", ledger_crossings_lsn(call->service->ledger));
    pack_key_uint(out, "shortages_lsn", ledger_shortages_lsn(call->service->ledger));
}

/* Of who may do what: counts alone, because names and hashes are nobody's business here. */
static void pack_access(struct call *call)
{
    struct out *out = call->out;
    struct worker_sums sums = sum_workers(call->service);
    const struct access *access = call->service->access;
    const struct access_limits none = { 0 }, *limits = access ? &access->limits : &none;
    const struct token_set *set = access ? access_set(access) : NULL;
    pack_map(out, 12 + ACCESS_METRIC_COUNT);
    pack_key_bool(out, "configured", access != NULL);
    pack_key_uint(out, "tokens", set ? set->grants.count : 0);
    pack_key_uint(out, "loaded_ms", set ? set->loaded_ms : 0);
    pack_key_uint(out, "loads", access ? atomic_load(&access->reloads) : 0);
    pack_key_uint(out, "load_failures", access ? atomic_load(&access->failures) : 0);
    pack_key_uint(out, "rate", limits->rate);
    pack_key_uint(out, "burst", limits->burst);
    pack_key_uint(out, "connections_each", limits->connections);
    pack_key_uint(out, "subscriptions_each", limits->subscriptions);
    pack_key_uint(out, "stranger_ms", limits->stranger_ms);
    pack_key_uint(out, "strangers_max", limits->strangers);
    pack_key_uint(out, "strangers_each", limits->strangers_each);
#define X(name) pack_key_uint(out, #name, sums.name);
    ACCESS_METRICS(X)
#undef X
}

static const struct section {
    const char *name;
    void (*pack)(struct call *call);
} sections[] = {
    { "server", pack_server },     { "ledger", pack_ledger },   { "journal", pack_journal },
    { "snapshot", pack_snapshot }, { "limits", pack_limits },   { "check", pack_check },
    { "mirror", pack_mirror },     { "feed", pack_feed },       { "reports", pack_reports },
    { "access", pack_access },     { "methods", pack_methods }, { "latency", pack_latency },
};

enum code method_info(struct call *call)
{
    struct params *params = &call->params;
    struct text wanted = { NULL, 0 };
    const struct section *first = sections;
    uint32_t count = COUNT_OF(sections);
    if (params_peek(params) != WIRE_NONE && !params_skip_nil(params))
        wanted = param_words(params, "section", CODE_MAX);
    params_options(params, NULL, 0, NULL);
    if (text_given(wanted)) {
        count = 0;
        for (uint32_t i = 0; i < COUNT_OF(sections) && count == 0; i++) {
            first = &sections[i];
            count = text_equal(wanted, text_of(first->name));
        }
        if (count == 0)
            refuse(&call->refusal, CODE_BAD_REQUEST, "section",
                   "section must be server, ledger, journal, snapshot, limits, check, mirror, "
                   "feed, reports, access, methods or latency");
    }
    if (!params_good(params))
        return call->refusal.code;
    reply_map(call, 1 + count, log_head(call->service->log));
    for (uint32_t i = 0; i < count; i++) {
        pack_string(call->out, first[i].name);
        first[i].pack(call);
    }
    return CODE_OK;
}
