/* SPDX-License-Identifier: Apache-2.0 */
/* Applies records of the catalogue: items, locations, channels, clients. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/replay/following.h"

/* A new version is made from the one that is in force, and what shows it relies on its caller to
 * hold the catalogue. Replay is alone; but beside readers the caretaker lays out opening hours. */
static int holding_catalogue(struct applying *a, int (*apply)(struct applying *a))
{
    following_take(a, &a->ledger->catalogue_busy);
    int error = apply(a);
    catalogue_put(a->ledger);
    return error;
}

int apply_item(struct applying *a)
{
    struct items *items = &a->ledger->items;
    struct item_fields f;
    const struct item_record *r = &f.fixed;
    if (!item_decode(a->record, &f) || f.name.len > NAME_MAX_BYTES ||
        f.barcode.len > NAME_MAX_BYTES || f.unit.len > UNIT_MAX || r->decimals > DECIMALS_MAX ||
        r->safety > QUANTITY_MAX)
        return apply_refuse(a, "it is malformed");
    if (r->item >= items->max_items)
        return apply_no_space(a, "items");
    int64_t found =
        text_is_sku(f.sku) ? items_find(items, f.sku, sku_hash(items, f.sku)) : ITEM_NONE;
    if (found == ITEM_NONE && items_restore(items, r->item, f.sku) != 0)
        return apply_refuse(a, "its item is invalid");
    if (found >= 0 && found != r->item)
        return apply_refuse(a, "its item has a different index");
    item_version_raise(a->ctx, r->item, a->lsn);
    if (!r->detailed)
        return 0;
    struct item_details *details = calloc(1, sizeof *details);
    if (!details)
        return apply_no_space(a, "details of items");
    details_apply(details, &(struct item_setting){ .sku = f.sku,
                                                   .has_name = true,
                                                   .name = f.name,
                                                   .has_barcode = true,
                                                   .barcode = f.barcode,
                                                   .has_low_stock = r->low_stock >= 0,
                                                   .low_stock = r->low_stock,
                                                   .has_backorder_limit = r->backorder_limit >= 0,
                                                   .backorder_limit = r->backorder_limit,
                                                   .has_safety = r->safety >= 0,
                                                   .safety = r->safety,
                                                   .has_unit = true,
                                                   .unit = f.unit,
                                                   .has_decimals = true,
                                                   .decimals = r->decimals });
    details->lsn = a->lsn;
    following_take(a, &a->ledger->catalogue_busy);
    details_show(a->ledger, r->item, details);
    catalogue_put(a->ledger);
    return 0;
}

static int apply_catalogue(const struct applying *a, struct catalogue *next, uint16_t index,
                           uint16_t wanted, enum code code)
{
    if (!next && code != CODE_OK) {
        char why[sizeof a->ctx->failure.message];
        memcpy(why, a->ctx->failure.message, sizeof why); /* apply_refuse() writes there */
        return apply_refuse(a, why);
    }
    if (index != wanted) {
        catalogue_destroy(next);
        return apply_refuse(a, "it has a different index in the catalogue");
    }
    if (next) {
        catalogue_swap(a->ledger, next);
        if (a->record->type != RECORD_CALENDAR) /* availability knows no opening hours */
            catalogue_lsn_raise(a->ledger, a->lsn);
    }
    return 0;
}

static int apply_location_held(struct applying *a)
{
    struct location_fields f;
    const struct location_record *r = &f.fixed;
    struct text groups[GROUPS_MAX];
    uint16_t dispatch[DISPATCH_MAX];
    const struct catalogue *catalogue = catalogue_now(a->ctx);
    if (!location_decode(a->record, &f) || r->group_count > GROUPS_MAX ||
        r->dispatch_count > DISPATCH_MAX)
        return apply_refuse(a, "it is malformed");
    if (r->calendar > catalogue->calendar_count)
        return apply_refuse(a, "its calendar is unknown");
    memcpy(dispatch, f.dispatch, r->dispatch_count * sizeof *dispatch);
    for (unsigned i = 0; i < r->group_count; i++)
        groups[i] = record_short_text(&f.groups);
    struct location_setting s = { .code = f.code,
                                  .kind = f.kind,
                                  .name = f.name,
                                  .has_kind = true,
                                  .has_name = true,
                                  .has_priority = true,
                                  .has_lead_time = true,
                                  .has_safety = true,
                                  .has_ships = true,
                                  .has_pickup = true,
                                  .has_active = true,
                                  .has_groups = true,
                                  .has_lat = !isnan(r->lat),
                                  .has_lon = !isnan(r->lon),
                                  .lat = r->lat,
                                  .lon = r->lon,
                                  .priority = r->priority,
                                  .lead_time_s = r->lead_time_s,
                                  .safety = r->safety,
                                  .ships = r->ships,
                                  .pickup = r->pickup,
                                  .active = r->active,
                                  .groups = groups,
                                  .group_count = r->group_count,
                                  .has_calendar = true,
                                  .has_dispatch = true,
                                  .dispatch = dispatch,
                                  .dispatch_count = r->dispatch_count };
    if (r->calendar > 0)
        s.calendar = code_text(&catalogue->calendars[r->calendar - 1].code);
    enum code code;
    uint16_t index = r->location;
    struct catalogue *next = catalogue_with_location(
        catalogue, &s, &index, &code, a->ctx->failure.message, sizeof a->ctx->failure.message);
    if (next)
        next->locations[index].lsn = a->lsn;
    return apply_catalogue(a, next, index, r->location, code);
}

int apply_location(struct applying *a)
{
    return holding_catalogue(a, apply_location_held);
}

static int apply_channel_held(struct applying *a)
{
    struct text places[CHANNEL_LOCATIONS_MAX];
    struct channel_fields f;
    const struct channel_record *r = &f.fixed;
    if (!channel_decode(a->record, &f) || r->place_count > CHANNEL_LOCATIONS_MAX ||
        r->sourcing >= SOURCING_COUNT || r->horizon_s < -1)
        return apply_refuse(a, "it is malformed");
    for (unsigned i = 0; i < r->place_count; i++)
        places[i] = record_short_text(&f.locations);
    struct channel_setting s = { .code = f.code,
                                 .kind = f.kind,
                                 .name = f.name,
                                 .has_kind = true,
                                 .has_name = true,
                                 .has_places = true,
                                 .has_buffer = true,
                                 .has_hold_ttl = r->hold_ttl_ms != 0,
                                 .has_sourcing = true,
                                 .has_ignore_safety = true,
                                 .ignore_safety = r->ignore_safety,
                                 .has_incoming = true,
                                 .incoming = r->incoming,
                                 .has_horizon = r->horizon_s >= 0,
                                 .horizon_s = r->horizon_s,
                                 .buffer = r->buffer,
                                 .hold_ttl_ms = r->hold_ttl_ms,
                                 .places = places,
                                 .place_count = r->place_count,
                                 .recorded = true };
    s.sourcing = text_of(sourcing_name((enum sourcing)r->sourcing));
    enum code code;
    uint16_t index = r->channel;
    struct catalogue *next =
        catalogue_with_channel(catalogue_now(a->ctx), &s, &index, &code, a->ctx->failure.message,
                               sizeof a->ctx->failure.message);
    if (next)
        next->channels[index].lsn = a->lsn;
    return apply_catalogue(a, next, index, r->channel, code);
}

int apply_channel(struct applying *a)
{
    return holding_catalogue(a, apply_channel_held);
}

int apply_stocking(struct applying *a)
{
    struct stocking_fields f;
    const struct stocking_record *r = &f.fixed;
    struct pool *pool;
    if (!stocking_decode(a->record, &f) || r->safety > QUANTITY_MAX)
        return apply_refuse(a, "it is malformed");
    struct pool_key shared = { r->item, r->location, owner_of(POOL_SHARED, 0) };
    int error = apply_find_pool(a, &shared, &pool);
    if (error)
        return error;
    following_take(a, &a->ledger->catalogue_busy);
    stocking_set(&a->ledger->items, r->item, r->location,
                 stocking_word((struct stocking){ r->stocked, r->safety, r->lead_time_s }));
    catalogue_put(a->ledger);
    item_version_raise(a->ctx, r->item, a->lsn);
    return 0;
}

static int apply_calendar_held(struct applying *a)
{
    struct calendar_fields f;
    const struct calendar_record *r = &f.fixed;
    if (!calendar_decode(a->record, &f))
        return apply_refuse(a, "it is malformed");
    struct week_hours week[WEEK_HOURS_MAX];
    int32_t closed[CLOSED_MAX];
    struct date_hours extra[EXTRA_MAX];
    if (r->week_count > WEEK_HOURS_MAX || r->closed_count > CLOSED_MAX ||
        r->extra_count > EXTRA_MAX)
        return apply_refuse(a, "it is too long");
    memcpy(week, f.week, r->week_count * sizeof *week);
    memcpy(closed, f.closed, r->closed_count * sizeof *closed);
    memcpy(extra, f.extra, r->extra_count * sizeof *extra);
    struct calendar_setting s = { .code = f.code,
                                  .has_tz = true,
                                  .has_week = r->has_week,
                                  .has_closed = true,
                                  .has_extra = true,
                                  .tz = f.tz,
                                  .week = week,
                                  .closed = closed,
                                  .extra = extra,
                                  .week_count = r->week_count,
                                  .closed_count = r->closed_count,
                                  .extra_count = r->extra_count,
                                  .recorded = true };
    enum code code;
    uint16_t index = r->calendar;
    struct catalogue *next =
        catalogue_with_calendar(catalogue_now(a->ctx), &s, NULL, 0, &index, &code,
                                a->ctx->failure.message, sizeof a->ctx->failure.message);
    if (next)
        next->calendars[index].lsn = a->lsn;
    if (is_beside_readers(a) && next) { /* at the batch's end */
        a->ledger->following->lay_out = true;
        atomic_store_explicit(&a->ledger->laid_out, 0, memory_order_relaxed);
    }
    return apply_catalogue(a, next, index, r->calendar, code);
}

int apply_calendar(struct applying *a)
{
    return holding_catalogue(a, apply_calendar_held);
}

static int apply_client_held(struct applying *a)
{
    struct client_fields f;
    uint16_t client = client_decode(a->record, &f) ? f.fixed.client : 0;
    if (client == 0 || client >= CLIENTS_MAX || f.name.len > NAME_MAX_BYTES)
        return apply_refuse(a, "its client is invalid");
    client_remember(a->ledger, client, f.name);
    return 0;
}

int apply_client(struct applying *a)
{
    return holding_catalogue(a, apply_client_held);
}
