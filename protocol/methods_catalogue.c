/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue: location_set, channel_set, item_set, locations, channels. */
#include <math.h>
#include <stddef.h>

#include "engine/base/limits.h"
#include "engine/store/calendar.h"
#include "engine/store/catalogue.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum code reply_set(struct call *call, enum code code, const uint64_t *lsn)
{
    if (code != CODE_OK)
        return code;
    call->lsn = *lsn;
    reply_map(call, 1, *lsn);
    return CODE_OK;
}

/* ---- location_set ---- */

struct location_given {
    struct location_setting setting;
    struct option_codes groups;
    struct option_rows dispatch;
};

static void take_dispatch(struct params *params, void *rows, uint32_t i)
{
    param_tuple(params, 2, 2, "[weekday, minute]");
    int64_t weekday = param_number(params, "weekday", 1, 7);
    int64_t minute = param_number(params, "minute", 0, DAY_MINUTES - 1);
    params_up(params);
    ((uint16_t *)rows)[i] = (uint16_t)((weekday - 1) * DAY_MINUTES + minute);
}

#define GIVEN location_given
static const struct option location_options[] = {
    OPTION(OPTION_WORDS, "kind", setting.kind, setting.has_kind, .max = CODE_MAX),
    OPTION(OPTION_WORDS, "name", setting.name, setting.has_name, .max = NAME_MAX_BYTES),
    OPTION(OPTION_NUMBER, "priority", setting.priority, setting.has_priority, .min = INT32_MIN,
           .max = INT32_MAX),
    OPTION(OPTION_NUMBER, "lead_time_s", setting.lead_time_s, setting.has_lead_time, .min = 0,
           .max = INT32_MAX),
    OPTION(OPTION_FLAG, "ships", setting.ships, setting.has_ships, .min = 0),
    OPTION(OPTION_FLAG, "pickup", setting.pickup, setting.has_pickup, .min = 0),
    OPTION(OPTION_FLAG, "active", setting.active, setting.has_active, .min = 0),
    OPTION(OPTION_REAL, "lat", setting.lat, setting.has_lat, .min = -90, .max = 90),
    OPTION(OPTION_REAL, "lon", setting.lon, setting.has_lon, .min = -180, .max = 180),
    OPTION(OPTION_CODES, "groups", groups, setting.has_groups, .max = GROUPS_MAX),
    OPTION(OPTION_WORDS, "calendar", setting.calendar, setting.has_calendar, .max = CODE_MAX),
    OPTION(OPTION_ROWS, "dispatch", dispatch, setting.has_dispatch, .max = DISPATCH_MAX,
           .row = take_dispatch, .what = "dispatch times"),
    OPTION(OPTION_NUMBER, "safety", setting.safety, setting.has_safety, .min = 0,
           .max = QUANTITY_MAX),
};
#undef GIVEN

enum code method_location_set(struct call *call)
{
    struct params *params = &call->params;
    uint16_t dispatch[DISPATCH_MAX];
    struct location_given given = { .groups.at = call->scratch->codes, .dispatch.at = dispatch };
    uint64_t lsn = 0;
    call->location = given.setting.code = param_place(params, "code");
    params_options(params, location_options, COUNT_OF(location_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    given.setting.groups = given.groups.at;
    given.setting.group_count = given.groups.count;
    given.setting.dispatch = dispatch;
    given.setting.dispatch_count = given.dispatch.count;
    return reply_set(call, ledger_set_location(call->ctx, &given.setting, &lsn), &lsn);
}

/* ---- channel_set ---- */

struct channel_given {
    struct channel_setting setting;
    struct option_codes places;
    struct text promise;
};

/* What a channel promises: only what is on hand, or supply that is on its way too. */
static const char *const promise_names[] = { [false] = "on_hand", [true] = "incoming" };

#define GIVEN channel_given
static const struct option channel_options[] = {
    OPTION(OPTION_WORDS, "kind", setting.kind, setting.has_kind, .max = CODE_MAX),
    OPTION(OPTION_WORDS, "name", setting.name, setting.has_name, .max = NAME_MAX_BYTES),
    OPTION(OPTION_SOURCES, "locations", places, setting.has_places, .max = LOCATIONS_MAX),
    OPTION(OPTION_NUMBER, "buffer", setting.buffer, setting.has_buffer, .min = 0,
           .max = QUANTITY_MAX),
    OPTION(OPTION_NUMBER, "hold_ttl_ms", setting.hold_ttl_ms, setting.has_hold_ttl, .min = 1,
           .max = TTL_MAX_MS),
    OPTION(OPTION_WORDS, "sourcing", setting.sourcing, setting.has_sourcing, .max = CODE_MAX),
    OPTION(OPTION_FLAG, "ignore_safety", setting.ignore_safety, setting.has_ignore_safety,
           .min = 0),
    OPTION(OPTION_WORDS, "promise", promise, setting.has_incoming, .max = CODE_MAX),
    OPTION(OPTION_NUMBER, "horizon_s", setting.horizon_s, setting.has_horizon, .min = 0,
           .max = HORIZON_MAX_S),
};
#undef GIVEN

/* The options that are one of a few words. */
static void take_channel_words(struct call *call, struct channel_given *given)
{
    struct channel_setting *s = &given->setting;
    enum sourcing sourcing;
    if (s->has_sourcing && !sourcing_named(s->sourcing, &sourcing))
        refuse(&call->refusal, CODE_BAD_REQUEST, "sourcing",
               "sourcing must be priority, fewest, nearest or balance");
    s->incoming = s->has_incoming && text_equal(given->promise, text_of(promise_names[true]));
    if (s->has_incoming && !s->incoming &&
        !text_equal(given->promise, text_of(promise_names[false])))
        refuse(&call->refusal, CODE_BAD_REQUEST, "promise", "promise must be on_hand or incoming");
}

/* Who may not sell from every location may not have a channel do so: an empty list says that, and
 * so does a new channel without one. */
static void judge_sources(struct call *call, const struct channel_given *given)
{
    const struct scope *scope = call->params.scope;
    const struct channel_setting *s = &given->setting;
    if (scope_sees_places(scope))
        return;
    bool all = s->has_places ? given->places.count == 0
                             : !catalogue_channel(ledger_catalogue(call->ctx), s->code);
    if (all)
        refuse_all_places(&call->refusal, scope, "locations");
}

enum code method_channel_set(struct call *call)
{
    struct params *params = &call->params;
    struct channel_given given = { .places.at = call->scratch->codes };
    uint64_t lsn = 0;
    call->channel = given.setting.code = param_channel(params, "code");
    params_options(params, channel_options, COUNT_OF(channel_options), &given);
    if (params_good(params))
        take_channel_words(call, &given);
    if (params_good(params))
        judge_sources(call, &given);
    if (!params_good(params))
        return call->refusal.code;
    given.setting.places = given.places.at;
    given.setting.place_count = given.places.count;
    return reply_set(call, ledger_set_channel(call->ctx, &given.setting, &lsn), &lsn);
}

/* ---- item_set ---- */

#define GIVEN item_setting
static const struct option item_options[] = {
    OPTION(OPTION_WORDS, "name", name, has_name, .max = NAME_MAX_BYTES),
    OPTION(OPTION_WORDS, "barcode", barcode, has_barcode, .max = NAME_MAX_BYTES),
    OPTION(OPTION_NUMBER, "low_stock", low_stock, has_low_stock, .min = 0, .max = QUANTITY_MAX),
    OPTION(OPTION_NUMBER, "backorder_limit", backorder_limit, has_backorder_limit, .min = 0,
           .max = QUANTITY_MAX),
    OPTION(OPTION_NUMBER, "safety", safety, has_safety, .min = 0, .max = QUANTITY_MAX),
    OPTION(OPTION_WORDS, "unit", unit, has_unit, .max = UNIT_MAX),
    OPTION(OPTION_NUMBER, "decimals", decimals, has_decimals, .min = 0, .max = DECIMALS_MAX),
};
#undef GIVEN

enum code method_item_set(struct call *call)
{
    struct params *params = &call->params;
    struct item_setting setting = { 0 };
    uint64_t lsn = 0;
    call->sku = setting.sku = param_sku(params, "sku");
    params_options(params, item_options, COUNT_OF(item_options), &setting);
    if (!params_good(params))
        return call->refusal.code;
    return reply_set(call, ledger_set_item(call->ctx, &setting, &lsn), &lsn);
}

/* ---- locations, channels ---- */

static void pack_coordinate(struct out *out, const char *key, double degrees)
{
    pack_string(out, key);
    if (isnan(degrees))
        pack_nil(out);
    else
        pack_double(out, degrees);
}

static void pack_codes(struct out *out, const char *key, const struct code_text *codes,
                       uint32_t count)
{
    pack_string(out, key);
    pack_array(out, count);
    for (uint32_t i = 0; i < count; i++)
        pack_text(out, code_text(&codes[i]));
}

static void pack_dispatch(struct out *out, const uint16_t *minutes, uint32_t count)
{
    pack_string(out, "dispatch");
    pack_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_array(out, 2);
        pack_uint(out, minutes[i] / DAY_MINUTES + 1);
        pack_uint(out, minutes[i] % DAY_MINUTES);
    }
}

/* Absent: it has none. */
static struct text calendar_of(const struct catalogue *catalogue, const struct location *location)
{
    if (location->calendar == 0)
        return (struct text){ NULL, 0 };
    return code_text(&catalogue->calendars[location->calendar - 1].code);
}

static void pack_location(struct out *out, const struct catalogue *catalogue,
                          const struct location *location)
{
    pack_map(out, 14);
    pack_key_text(out, "code", code_text(&location->code));
    pack_key_text(out, "kind", code_text(&location->kind));
    pack_key_text(out, "name", name_text(&location->name));
    pack_key_int(out, "priority", location->priority);
    pack_key_uint(out, "lead_time_s", location->lead_time_s);
    pack_key_bool(out, "ships", location->ships);
    pack_key_bool(out, "pickup", location->pickup);
    pack_coordinate(out, "lat", location->lat);
    pack_coordinate(out, "lon", location->lon);
    pack_codes(out, "groups", location->groups, location->group_count);
    pack_key_bool(out, "active", location->active);
    pack_key_text(out, "calendar", calendar_of(catalogue, location));
    pack_dispatch(out, location->dispatch, location->dispatch_count);
    pack_key_uint(out, "safety", location->safety);
}

enum code method_locations(struct call *call)
{
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    reply_map(call, 2, log_head(call->service->log));
    pack_string(call->out, "locations");
    uint32_t seen = 0;
    for (uint16_t i = 0; i < catalogue->location_count; i++)
        seen += call_sees_place(call, i);
    pack_array(call->out, seen);
    for (uint16_t i = 0; i < catalogue->location_count; i++)
        if (call_sees_place(call, i))
            pack_location(call->out, catalogue, &catalogue->locations[i]);
    return CODE_OK;
}

/* The names of groups are told: what is in them is not. */
static bool sees_place_of(const struct call *call, const struct code_text *code)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    struct text text = code_text(code);
    return !catalogue_location(catalogue, text) || call_sees_place_named(call, text);
}

static void pack_places(const struct call *call, const struct channel *channel)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < channel->place_count; i++)
        seen += sees_place_of(call, &channel->places[i]);
    pack_string(call->out, "locations");
    pack_array(call->out, seen);
    for (uint32_t i = 0; i < channel->place_count; i++)
        if (sees_place_of(call, &channel->places[i]))
            pack_text(call->out, code_text(&channel->places[i]));
}

static void pack_channel(const struct call *call, const struct channel *channel)
{
    struct out *out = call->out;
    pack_map(out, 10);
    pack_key_text(out, "code", code_text(&channel->code));
    pack_key_text(out, "kind", code_text(&channel->kind));
    pack_key_text(out, "name", name_text(&channel->name));
    pack_places(call, channel);
    pack_key_uint(out, "buffer", channel->buffer);
    pack_key_uint(out, "hold_ttl_ms",
                  channel->hold_ttl_ms ? channel->hold_ttl_ms : DEFAULT_HOLD_MS);
    pack_key_string(out, "sourcing", sourcing_name(channel->sourcing));
    pack_key_bool(out, "ignore_safety", channel->ignore_safety);
    pack_key_string(out, "promise", promise_names[channel->incoming]);
    pack_key_limit(out, "horizon_s", channel->horizon_s);
}

enum code method_channels(struct call *call)
{
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    reply_map(call, 2, log_head(call->service->log));
    pack_string(call->out, "channels");
    uint32_t seen = 0;
    for (uint16_t i = 0; i < catalogue->channel_count; i++)
        seen += call_sees_channel(call, i);
    pack_array(call->out, seen);
    for (uint16_t i = 0; i < catalogue->channel_count; i++)
        if (call_sees_channel(call, i))
            pack_channel(call, &catalogue->channels[i]);
    return CODE_OK;
}
