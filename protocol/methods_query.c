/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stock queries: availability, stock, items. Each may have to read millions of pools, so each is
 * answered in parts; see protocol/slicing.h.
 */
#include <stddef.h>

#include "engine/base/limits.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

/* Ends the query, answered or refused with that code. */
enum code end_slicing(struct call *call, enum code code)
{
    slicing_end(*call->slicing);
    *call->slicing = NULL;
    return code;
}

struct slicing *resume_or_begin(struct call *call, uint64_t lsn)
{
    if (!*call->slicing)
        *call->slicing = slicing_begin(call->out->pool, lsn);
    if (!*call->slicing)
        refuse(&call->refusal, CODE_OVERLOADED, NULL, "no memory for a query of this size");
    return *call->slicing;
}

/* ---- availability ---- */

enum { SKUS_AT_ONCE = 64 };

static inline void pack_available(struct out *out, const int64_t *available, uint32_t from,
                                  uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (available[i] == NO_SUCH_SKU)
            pack_nil(out);
        else
            pack_int(out, available[i]);
    }
}

/* Looks up the SKUs from *at on, and advances it as far as the quantum allows. */
static enum code look_at_skus(struct call *call, uint32_t *at, uint32_t count, uint64_t *lsn)
{
    struct scratch *scratch = call->scratch;
    uint64_t begun = *lsn;
    do {
        uint32_t to = count - *at > SKUS_AT_ONCE ? *at + SKUS_AT_ONCE : count;
        uint64_t now;
        enum code code = ledger_availability_of(call->ctx, call->channel, scratch->skus, *at, to,
                                                scratch->available, &now);
        if (code != CODE_OK)
            return code;
        if (*at == 0)
            begun = now;
        *at = to;
    } while (*at < count && call_goes_on(call));
    *lsn = begun;
    return CODE_OK;
}

static inline uint32_t take_skus(struct call *call)
{
    struct params *params = &call->params;
    struct text *skus = call->scratch->skus;
    call->channel = param_channel(params, "channel");
    uint32_t count = param_list(params, "skus", call->service->limits.skus, "SKUs in a query");
    for (uint32_t i = 0; i < count && params_good(params); i++)
        skus[i] = param_sku(params, "sku");
    if (count > 0)
        params_up(params);
    params_options(params, NULL, 0, NULL);
    return count;
}

/* Answers a part of a long query. */
__attribute__((noinline)) static enum code answer_part(struct call *call, uint32_t count)
{
    const int64_t *available = call->scratch->available;
    struct slicing *slicing = *call->slicing;
    uint32_t from = slicing ? slicing->next : 0;
    uint32_t at = from;
    uint64_t lsn = slicing ? slicing->lsn : 0;
    enum code code = look_at_skus(call, &at, count, &lsn);
    if (code != CODE_OK)
        return end_slicing(call, code);
    if (at < count) {
        slicing = resume_or_begin(call, lsn);
        if (!slicing)
            return CODE_OVERLOADED;
        pack_available(&slicing->rows, available, from, at);
        slicing->next = at;
        return CODE_DEFERRED;
    }
    reply_map(call, 2, lsn);
    PACK_KEY(call->out, "stock");
    pack_array(call->out, count);
    if (slicing)
        out_append_stream(call->out, &slicing->rows);
    pack_available(call->out, available, from, count);
    return end_slicing(call, CODE_OK);
}

enum code method_availability(struct call *call)
{
    const struct scratch *scratch = call->scratch;
    uint64_t lsn;
    uint32_t count = take_skus(call);
    if (!params_good(&call->params))
        return call->refusal.code;
    if (count > SKUS_AT_ONCE)
        return answer_part(call, count);
    enum code code = ledger_availability(call->ctx, call->channel, scratch->skus, count,
                                         scratch->available, &lsn);
    if (code != CODE_OK)
        return code;
    reply_map(call, 2, lsn);
    PACK_KEY(call->out, "stock");
    pack_array(call->out, count);
    pack_available(call->out, scratch->available, 0, count);
    return CODE_OK;
}

/* ---- stock ---- */

enum { STOCK_LIMIT = 65536 }; /* pools in a reply: 6 MB */

struct stock_options {
    int64_t at_lsn, at_ms, after, limit;
    bool has_lsn, has_ms, has_after, has_limit;
};

static const struct option stock_options[] = {
    { .name = "at_lsn",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, at_lsn),
      .given = offsetof(struct stock_options, has_lsn),
      .max = INT64_MAX },
    { .name = "at_ms",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, at_ms),
      .given = offsetof(struct stock_options, has_ms),
      .max = INT64_MAX },
    { .name = "after",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, after),
      .given = offsetof(struct stock_options, has_after),
      .max = UINT32_MAX },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stock_options, limit),
      .given = offsetof(struct stock_options, has_limit),
      .min = 1,
      .max = STOCK_LIMIT },
};

static void pack_pool(struct out *out, const struct pool_view *pool)
{
    pack_map(out, 8);
    pack_key_text(out, "location", pool->location);
    pack_key_string(out, "kind", pool->kind);
    pack_key_text(out, "channel", pool->channel);
    pack_key_int(out, "on_hand", pool->on_hand);
    pack_key_int(out, "reserved", pool->reserved);
    pack_key_bool(out, "active", pool->active);
    PACK_KEY(out, "eta_ms");
    if (pool->eta_ms == 0)
        pack_nil(out);
    else
        pack_uint(out, pool->eta_ms);
    PACK_KEY(out, "supply");
    if (text_given(pool->supply))
        pack_bytes(out, pool->supply);
    else
        pack_nil(out);
}

/* The sums cover all pools, not only those on the page. */
static void reply_stock(struct call *call, const struct slicing *s, const struct stock_options *o)
{
    struct out *out = call->out;
    uint64_t next = (uint64_t)o->after + s->next; /* a page counts what it leaves out, too */
    reply_map(call, 7, s->lsn);
    pack_key_int(out, "on_hand", s->look.on_hand);
    pack_key_int(out, "reserved", s->look.reserved);
    pack_key_int(out, "available", s->look.available);
    pack_string(out, "backlog"); /* of all channels, and of no location */
    if (scope_sees_channels(call->params.scope) && scope_sees_places(call->params.scope))
        pack_int(out, s->look.backlog);
    else
        pack_nil(out);
    pack_string(out, "pools");
    pack_array(out, s->count);
    out_append_stream(out, &s->rows);
    pack_string(out, "next");
    if (next < s->look.pools)
        pack_uint(out, next);
    else
        pack_nil(out);
}

/* An allotment is its channel's, too. */
static bool sees_pool(const struct call *call, const struct pool_view *pool)
{
    return call_sees_place(call, pool->place) && call_sees_channel_named(call, pool->channel);
}

/* Takes a pool that the client may not see out of the sums. */
static void leave_out(struct stock_look *look, const struct pool_view *pool)
{
    if (!pool->sellable)
        return;
    look->on_hand -= pool->on_hand;
    look->reserved -= pool->reserved;
    if (pool->active)
        look->available -= pool->on_hand - pool->reserved;
}

/* Reads the next pools and packs those on the page. False: there are none. */
static bool look_at_pools(struct call *call, struct slicing *s, const struct stock_options *o)
{
    const struct pool_view *pools;
    int64_t at = s->look.pools;
    uint32_t count = ledger_stock_next(call->ctx, &s->look, &pools);
    for (uint32_t i = 0; i < count; i++, at++) {
        bool seen = sees_pool(call, &pools[i]);
        if (!seen)
            leave_out(&s->look, &pools[i]);
        if (at < o->after || at - o->after >= o->limit)
            continue;
        s->next++;
        if (!seen)
            continue;
        pack_pool(&s->rows, &pools[i]);
        s->count++;
    }
    return count > 0;
}

static enum code stock_now(struct call *call, const struct stock_options *o)
{
    struct slicing *slicing = *call->slicing;
    if (!slicing) {
        struct stock_look look;
        uint64_t lsn;
        enum code code = ledger_stock_begin(call->ctx, call->sku, &look, &lsn);
        if (code != CODE_OK)
            return code;
        slicing = resume_or_begin(call, lsn);
        if (!slicing)
            return CODE_OVERLOADED;
        slicing->look = look;
    }
    while (look_at_pools(call, slicing, o))
        if (!call_goes_on(call))
            return CODE_DEFERRED;
    if (slicing->look.busy)
        return CODE_DEFERRED;
    reply_stock(call, slicing, o);
    return end_slicing(call, CODE_OK);
}

enum code method_stock(struct call *call)
{
    struct params *params = &call->params;
    struct stock_options given = { .limit = STOCK_LIMIT };
    call->sku = param_sku(params, "sku");
    params_options(params, stock_options, COUNT_OF(stock_options), &given);
    bool then = given.has_lsn || given.has_ms;
    if (params_good(params) && given.has_lsn && given.has_ms)
        refuse(&call->refusal, CODE_BAD_REQUEST, "at_ms", "give at_lsn or at_ms, not both");
    if (params_good(params) && then && (given.has_after || given.has_limit))
        refuse(&call->refusal, CODE_BAD_REQUEST, given.has_after ? "after" : "limit",
               "after and limit apply only to current stock: past stock has no pages");
    if (!params_good(params))
        return call->refusal.code;
    if (then)
        return method_stock_then(call, given.has_ms,
                                 (uint64_t)(given.has_ms ? given.at_ms : given.at_lsn));
    return stock_now(call, &given);
}

/* ---- items: [after_index, {limit, details, location}], for exports ---- */

enum {
    ITEMS_DEFAULT = 1000,
    ITEMS_MAX = 10000,
    ITEMS_BYTES = 1 << 20, /* a page ends after that many, however few items it has */
};

struct items_options {
    int64_t limit;
    bool details;
    bool has_location;
    struct text location;
};

static const struct option items_options[] = {
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct items_options, limit),
      .min = 1,
      .max = ITEMS_MAX },
    { .name = "details", .kind = OPTION_FLAG, .value = offsetof(struct items_options, details) },
    { .name = "location",
      .kind = OPTION_PLACE,
      .value = offsetof(struct items_options, location),
      .given = offsetof(struct items_options, has_location) },
};

/* Instead of a location's index. */
enum { EVERYWHERE = UINT32_MAX };

/* Adds up the item's pools by location, or those at one; returns the number of locations. */
static uint32_t sum_places(struct call *call, struct stock_look *look, uint32_t only)
{
    struct scratch *scratch = call->scratch;
    const struct pool_view *pools;
    uint32_t places = 0;
    uint32_t count;
    while ((count = ledger_stock_next(call->ctx, look, &pools)) > 0) {
        for (const struct pool_view *pool = pools; pool < pools + count; pool++) {
            struct place_sum *sum = &scratch->sums[pool->place];
            if (!pool->sellable || (only != EVERYWHERE && pool->place != only) ||
                !sees_pool(call, pool))
                continue;
            if (!text_given(sum->location)) {
                *sum = (struct place_sum){ .location = pool->location };
                scratch->places[places++] = pool->place;
            }
            sum->on_hand += pool->on_hand;
            sum->reserved += pool->reserved;
        }
    }
    return places;
}

/* Packs [sku, [[location, on_hand, reserved, available]...]]. One part does the whole item: the
 * sums are the worker's scratch memory, and other connections' queries run between parts. False:
 * only one location is asked for, and the item has no pool there. */
static bool pack_item(struct call *call, struct out *out, struct text sku, struct stock_look *look,
                      uint32_t only)
{
    struct scratch *scratch = call->scratch;
    uint32_t places = sum_places(call, look, only);
    if (places == 0 && only != EVERYWHERE)
        return false;
    pack_array(out, 2);
    pack_text(out, sku);
    pack_array(out, places);
    for (uint32_t i = 0; i < places; i++) {
        struct place_sum *sum = &scratch->sums[scratch->places[i]];
        pack_array(out, 4);
        pack_text(out, sum->location);
        pack_int(out, sum->on_hand);
        pack_int(out, sum->reserved);
        pack_int(out, sum->on_hand - sum->reserved);
        *sum = (struct place_sum){ .location = { NULL, 0 } };
    }
    return true;
}

/* *only: the index of the location asked for, or EVERYWHERE. */
static enum code find_only(struct call *call, const struct items_options *given, uint32_t *only)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    *only = EVERYWHERE;
    if (!given->has_location)
        return CODE_OK;
    if (given->details) {
        refuse(&call->refusal, CODE_BAD_REQUEST, "location",
               "location selects stock: it cannot be given with details");
        return CODE_BAD_REQUEST;
    }
    const struct location *location = catalogue_location(catalogue, given->location);
    if (!location) {
        refuse(&call->refusal, CODE_UNKNOWN_LOCATION, "location", "no location \"%.*s\"",
               (int)given->location.len, given->location.at);
        return CODE_UNKNOWN_LOCATION;
    }
    *only = location_index(catalogue, location);
    return CODE_OK;
}

static void reply_items(struct call *call, const struct slicing *s, bool more)
{
    struct out *out = call->out;
    reply_map(call, 3, s->lsn);
    pack_string(out, "items");
    pack_array(out, s->count);
    out_append_stream(out, &s->rows);
    pack_string(out, "next");
    if (more)
        pack_uint(out, s->next);
    else
        pack_nil(out);
}

enum code method_items(struct call *call)
{
    struct params *params = &call->params;
    struct items_options given = { .limit = ITEMS_DEFAULT };
    uint32_t after = (uint32_t)param_number(params, "after_index", 0, UINT32_MAX);
    params_options(params, items_options, COUNT_OF(items_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    uint32_t only;
    enum code code = find_only(call, &given, &only);
    if (code)
        return code;
    if (given.details)
        return method_items_details(call, after, given.limit);
    bool begun = *call->slicing != NULL;
    struct slicing *s = resume_or_begin(call, log_head(call->service->log));
    if (!s)
        return CODE_OVERLOADED;
    if (!begun)
        s->next = after;
    struct text sku;
    struct stock_look look;
    bool more = true;
    while (s->count < given.limit && out_end(&s->rows) < ITEMS_BYTES &&
           (more = ledger_next_item(call->ctx, &s->next, &sku, &look))) {
        if (text_given(sku))
            s->count += pack_item(call, &s->rows, sku, &look, only);
        if (!call_goes_on(call))
            return CODE_DEFERRED;
    }
    reply_items(call, s, more);
    return end_slicing(call, CODE_OK);
}

void reply_page(struct call *call, const char *key, const struct slicing *s, uint64_t changed_lsn,
                struct text next)
{
    call->lsn = changed_lsn; /* the reply shows only what is durable */
    reply_map(call, 3, s->lsn);
    pack_string(call->out, key);
    pack_array(call->out, s->count);
    out_append_stream(call->out, &s->rows);
    PACK_KEY(call->out, "next");
    if (text_given(next))
        pack_bytes(call->out, next);
    else
        pack_nil(call->out);
}
