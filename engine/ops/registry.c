/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings, which change rarely: locations, channels, details of items, names of clients. One
 * context at a time (catalogue_busy) builds the new version, claims its LSN, and then shows it
 * (rule O).
 */
#include "engine/ledger/ledger.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/registry.h"

/* Builds the record; returns its length. */
uint32_t location_record_make(void *buffer, struct record_head head, const struct location *l,
                              uint16_t index)
{
    assert(l->group_count <= GROUPS_MAX);
    head.type = RECORD_LOCATION;
    struct location_fields f = { .fixed = { .head = head,
                                            .priority = l->priority,
                                            .lead_time_s = l->lead_time_s,
                                            .safety = l->safety,
                                            .lat = l->lat,
                                            .lon = l->lon,
                                            .location = index,
                                            .calendar = l->calendar,
                                            .ships = l->ships,
                                            .pickup = l->pickup,
                                            .active = l->active,
                                            .group_count = l->group_count,
                                            .dispatch_count = l->dispatch_count },
                                 .code = code_text(&l->code),
                                 .kind = code_text(&l->kind),
                                 .name = name_text(&l->name) };
    struct record_builder b = location_begin(buffer, &f);
    for (unsigned i = 0; i < l->group_count; i++)
        record_add_short_text(&b, code_text(&l->groups[i]));
    record_add(&b, l->dispatch, l->dispatch_count * (uint32_t)sizeof *l->dispatch);
    return record_end(&b);
}

uint32_t channel_record_make(void *buffer, struct record_head head, const struct channel *c,
                             uint16_t index)
{
    assert(c->place_count <= CHANNEL_LOCATIONS_MAX);
    assert(c->sourcing < SOURCING_COUNT);
    assert(c->horizon_s >= -1 && c->horizon_s <= HORIZON_MAX_S);
    head.type = RECORD_CHANNEL;
    struct channel_fields f = { .fixed = { .head = head,
                                           .buffer = c->buffer,
                                           .hold_ttl_ms = c->hold_ttl_ms,
                                           .horizon_s = (int32_t)c->horizon_s,
                                           .channel = index,
                                           .place_count = c->place_count,
                                           .sourcing = (uint8_t)c->sourcing,
                                           .ignore_safety = c->ignore_safety,
                                           .incoming = c->incoming },
                                .code = code_text(&c->code),
                                .kind = code_text(&c->kind),
                                .name = name_text(&c->name) };
    struct record_builder b = channel_begin(buffer, &f);
    for (unsigned i = 0; i < c->place_count; i++)
        record_add_short_text(&b, code_text(&c->places[i]));
    return record_end(&b);
}

_Static_assert(sizeof(struct week_record) == sizeof(struct week_hours), "alike in memory");
_Static_assert(sizeof(struct extra_record) == sizeof(struct date_hours), "likewise");
_Static_assert(sizeof(struct calendar_record) + CODE_MAX + ZONE_MAX +
                       WEEK_HOURS_MAX * sizeof(struct week_record) +
                       CLOSED_MAX * sizeof(struct date_record) +
                       EXTRA_MAX * sizeof(struct extra_record) <=
                   RECORD_MAX,
               "the largest calendar fits a record");

uint32_t calendar_record_make(void *buffer, struct record_head head, const struct calendar *c,
                              uint16_t index)
{
    head.type = RECORD_CALENDAR;
    struct calendar_fields f = { .fixed = { .head = head,
                                            .calendar = index,
                                            .has_week = c->has_week,
                                            .week_count = (uint8_t)c->week_count,
                                            .closed_count = c->closed_count,
                                            .extra_count = c->extra_count },
                                 .code = code_text(&c->code),
                                 .tz = zone_text(&c->tz) };
    struct record_builder b = calendar_begin(buffer, &f);
    record_add(&b, c->week, c->week_count * (uint32_t)sizeof *c->week);
    record_add(&b, c->closed, c->closed_count * (uint32_t)sizeof *c->closed);
    record_add(&b, c->extra, c->extra_count * (uint32_t)sizeof *c->extra);
    return record_end(&b);
}

uint32_t client_record_make(void *buffer, struct record_head head, uint16_t index, struct text name)
{
    assert(index >= 1); /* 0 is nobody */
    assert(name.len <= NAME_MAX_BYTES);
    head.type = RECORD_CLIENT;
    struct client_fields f = { .fixed = { .head = head, .client = index }, .name = name };
    struct record_builder b = client_begin(buffer, &f);
    return record_end(&b);
}

/* Which values a change of the catalogue may change. */
enum affects { AFFECTS_AVAILABILITY, AFFECTS_READY_TIMES };

/* Claims, shows, and only then publishes: a thread that reads a head that includes the change finds
 * the new catalogue. Returns the LSN, to which *own is set before other threads see it. */
static uint64_t show_catalogue(struct ctx *ctx, struct catalogue *next, enum affects affects,
                               uint64_t *own, uint32_t length)
{
    assert(atomic_load(&ctx->ledger->catalogue_busy));
    uint64_t position = ctx_claim(ctx, length);
    uint64_t lsn = *own = position + length;
    catalogue_swap(ctx->ledger, next);
    if (affects == AFFECTS_AVAILABILITY)
        catalogue_lsn_raise(ctx->ledger, lsn);
    ctx_publish(ctx, position);
    return lsn;
}

enum code setting_begin(struct ctx *ctx)
{
    if (ledger_has_room(ctx) && catalogue_take(ctx->ledger))
        return CODE_OK;
    COUNT(ctx, deferred);
    return CODE_DEFERRED;
}

static void clear_failure(struct ctx *ctx)
{
    ctx->failure.param = NULL;
    ctx->failure.short_count = 0;
    ctx->failure.state = NULL;
}

enum code ledger_set_location(struct ctx *ctx, const struct location_setting *s, uint64_t *lsn)
{
    enum code code = setting_begin(ctx);
    if (code)
        return code;
    struct ledger *ledger = ctx->ledger;
    const struct catalogue *now = catalogue_now(ctx);
    uint16_t index;
    clear_failure(ctx);
    struct catalogue *next = catalogue_with_location(now, s, &index, &code, ctx->failure.message,
                                                     sizeof ctx->failure.message);
    if (next) {
        uint32_t length = location_record_make(ctx->record, head_of(ctx, RECORD_LOCATION, 0),
                                               &next->locations[index], index);
        *lsn = show_catalogue(ctx, next, AFFECTS_AVAILABILITY, &next->locations[index].lsn, length);
    } else if (code == CODE_OK) {
        *lsn = now->locations[index].lsn;
    }
    catalogue_put(ledger);
    return code;
}

enum code ledger_set_channel(struct ctx *ctx, const struct channel_setting *s, uint64_t *lsn)
{
    enum code code = setting_begin(ctx);
    if (code)
        return code;
    struct ledger *ledger = ctx->ledger;
    const struct catalogue *now = catalogue_now(ctx);
    uint16_t index;
    clear_failure(ctx);
    struct catalogue *next = catalogue_with_channel(now, s, &index, &code, ctx->failure.message,
                                                    sizeof ctx->failure.message);
    if (next) {
        uint32_t length = channel_record_make(ctx->record, head_of(ctx, RECORD_CHANNEL, 0),
                                              &next->channels[index], index);
        *lsn = show_catalogue(ctx, next, AFFECTS_AVAILABILITY, &next->channels[index].lsn, length);
    } else if (code == CODE_OK) {
        *lsn = now->channels[index].lsn;
    }
    catalogue_put(ledger);
    return code;
}

enum code ledger_set_calendar(struct ctx *ctx, const struct calendar_setting *s, uint64_t *lsn)
{
    enum code code = setting_begin(ctx);
    if (code)
        return code;
    struct ledger *ledger = ctx->ledger;
    const struct catalogue *now = catalogue_now(ctx);
    uint16_t index;
    clear_failure(ctx);
    struct catalogue *next =
        catalogue_with_calendar(now, s, ledger->zones, ctx->wall_ms, &index, &code,
                                ctx->failure.message, sizeof ctx->failure.message);
    if (next) {
        uint32_t length = calendar_record_make(ctx->record, head_of(ctx, RECORD_CALENDAR, 0),
                                               &next->calendars[index], index);
        *lsn = show_catalogue(ctx, next, AFFECTS_READY_TIMES, &next->calendars[index].lsn, length);
    } else if (code == CODE_OK) {
        *lsn = now->calendars[index].lsn;
    }
    catalogue_put(ledger);
    return code;
}

bool ledger_lay_out(struct ledger *ledger, uint64_t wall_ms, struct lay_out_failure *failure)
{
    uint64_t day = laid_out_for(wall_ms);
    *failure = (struct lay_out_failure){ .error = 0 };
    if (!ledger->zones || atomic_load_explicit(&ledger->laid_out, memory_order_relaxed) == day)
        return true;
    if (!catalogue_take(ledger)) {
        failure->error = -EBUSY;
        return false;
    }
    struct catalogue *next =
        catalogue_laid_out(atomic_load(&ledger->catalogue), ledger->zones, wall_ms, failure);
    bool done = failure->error == 0;
    if (next)
        catalogue_swap(ledger, next);
    if (done)
        atomic_store_explicit(&ledger->laid_out, day, memory_order_relaxed);
    catalogue_put(ledger);
    return done;
}

/* ---- details of items ---- */

static enum code check_details(struct ctx *ctx, const struct item_setting *s)
{
    struct {
        bool given;
        const char *name;
        struct text text;
        uint32_t most;
    } texts[] = { { s->has_name, "name", s->name, NAME_MAX_BYTES },
                  { s->has_barcode, "barcode", s->barcode, NAME_MAX_BYTES },
                  { s->has_unit, "unit", s->unit, UNIT_MAX } };
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].given && (texts[i].text.len > texts[i].most || !text_is_utf8(texts[i].text)))
            return fail_param(ctx, CODE_BAD_REQUEST, texts[i].name,
                              "%s must be at most %u bytes of UTF-8", texts[i].name, texts[i].most);
    struct {
        bool given;
        const char *name;
        int64_t number, most;
    } numbers[] = { { s->has_low_stock, "low_stock", s->low_stock, QUANTITY_MAX },
                    { s->has_backorder_limit, "backorder_limit", s->backorder_limit, QUANTITY_MAX },
                    { s->has_safety, "safety", s->safety, QUANTITY_MAX },
                    { s->has_decimals, "decimals", s->decimals, DECIMALS_MAX } };
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].given && (numbers[i].number < 0 || numbers[i].number > numbers[i].most))
            return fail_param(ctx, CODE_BAD_REQUEST, numbers[i].name,
                              "%s must be a whole number from 0 to %lld, not %lld", numbers[i].name,
                              (long long)numbers[i].most, (long long)numbers[i].number);
    return CODE_OK;
}

void details_apply(struct item_details *d, const struct item_setting *s)
{
    if (s->has_name) {
        assert(s->name.len <= NAME_MAX_BYTES);
        d->name_len = (uint8_t)s->name.len;
        memcpy(d->name, s->name.at, s->name.len);
    }
    if (s->has_barcode) {
        assert(s->barcode.len <= NAME_MAX_BYTES);
        d->barcode_len = (uint8_t)s->barcode.len;
        memcpy(d->barcode, s->barcode.at, s->barcode.len);
    }
    if (s->has_low_stock) {
        d->has_low_stock = true;
        d->low_stock = (int32_t)s->low_stock;
    }
    if (s->has_backorder_limit) {
        d->has_backorder_limit = true;
        d->backorder_limit = (int32_t)s->backorder_limit;
    }
    if (s->has_safety) {
        d->has_safety = true;
        d->safety = (int32_t)s->safety;
    }
    if (s->has_unit) {
        assert(s->unit.len <= UNIT_MAX);
        d->unit_len = (uint8_t)s->unit.len;
        memcpy(d->unit, s->unit.at, s->unit.len);
    }
    if (s->has_decimals)
        d->decimals = (uint8_t)s->decimals;
}

static bool details_equal(const struct item_details *a, const struct item_details *b)
{
    return a->has_low_stock == b->has_low_stock && a->low_stock == b->low_stock &&
           a->has_backorder_limit == b->has_backorder_limit &&
           a->backorder_limit == b->backorder_limit && a->name_len == b->name_len &&
           memcmp(a->name, b->name, a->name_len) == 0 && a->barcode_len == b->barcode_len &&
           memcmp(a->barcode, b->barcode, a->barcode_len) == 0 && a->has_safety == b->has_safety &&
           a->safety == b->safety && a->decimals == b->decimals && a->unit_len == b->unit_len &&
           memcmp(a->unit, b->unit, a->unit_len) == 0;
}

static uint32_t build_details(struct ctx *ctx, uint32_t index, const struct item_details *d)
{
    struct item_fields f = { .fixed = { .head = head_of(ctx, RECORD_ITEM, 0),
                                        .item = index,
                                        .low_stock = d->has_low_stock ? d->low_stock : -1,
                                        .backorder_limit =
                                            d->has_backorder_limit ? d->backorder_limit : -1,
                                        .safety = d->has_safety ? d->safety : -1,
                                        .decimals = d->decimals,
                                        .detailed = 1 },
                             .sku = item_sku(item_at(&ctx->ledger->items, index)),
                             .name = { d->name, d->name_len },
                             .barcode = { d->barcode, d->barcode_len },
                             .unit = { d->unit, d->unit_len } };
    struct record_builder b = item_begin(ctx->record, &f);
    return record_end(&b);
}

void details_apply_safety(struct items *items, uint32_t index, const struct item_details *details)
{
    if (details->has_safety)
        item_stocking_set(items, index,
                          stocking_word((struct stocking){ true, details->safety, -1 }));
}

void details_show(struct ledger *ledger, uint32_t index, struct item_details *details)
{
    struct item_details *old = atomic_load(&ledger->items.details[index]);
    barcodes_show(&ledger->barcodes, &ledger->items, index, details);
    details_apply_safety(&ledger->items, index, details);
    if (old)
        retire(ledger, old, free);
}

/* Shows the new details of an item, and journals them. The caller holds catalogue_busy. */
static uint64_t journal_details(struct ctx *ctx, uint32_t index, struct item_details *details)
{
    assert(atomic_load(&ctx->ledger->catalogue_busy));
    uint32_t length = build_details(ctx, index, details);
    uint64_t position = ctx_claim(ctx, length);
    uint64_t lsn = details->lsn = position + length;
    details_show(ctx->ledger, index, details);
    item_version_raise(ctx, index, lsn);
    ctx_publish(ctx, position);
    return lsn;
}

/* Quantities that were told to clients mean the same ever after. */
static enum code check_decimals(struct ctx *ctx, uint32_t index, const struct item_setting *s,
                                unsigned decimals)
{
    if (!s->has_decimals || s->decimals == decimals ||
        !item_has(item_at(&ctx->ledger->items, index), ITEM_MOVED))
        return CODE_OK;
    fail(ctx, CODE_WRONG_STATE,
         "decimals of \"%.*s\" are %u, and cannot change: units of it have moved", (int)s->sku.len,
         s->sku.at, decimals);
    ctx->failure.state = "moved";
    return CODE_WRONG_STATE;
}

/* The caller holds catalogue_busy. The item is created last: a refusal leaves none. */
static enum code set_details(struct ctx *ctx, const struct item_setting *s, uint64_t *lsn)
{
    struct ledger *ledger = ctx->ledger;
    struct item_details *details = calloc(1, sizeof *details);
    if (!details)
        return fail(ctx, CODE_LIMIT, "no memory for the item's details");
    uint32_t index;
    enum code code = make_item(ctx, s->sku, &index);
    if (code) {
        free(details);
        return code;
    }
    const struct item_details *old = atomic_load(&ledger->items.details[index]);
    if (old)
        *details = *old;
    code = check_decimals(ctx, index, s, details->decimals);
    if (code) {
        free(details);
        return code;
    }
    details_apply(details, s);
    if (old && details_equal(old, details)) {
        *lsn = old->lsn;
        free(details);
        return CODE_OK;
    }
    *lsn = journal_details(ctx, index, details);
    return CODE_OK;
}

enum code ledger_set_item(struct ctx *ctx, const struct item_setting *s, uint64_t *lsn)
{
    enum code code = check_details(ctx, s);
    if (!code)
        code = setting_begin(ctx);
    if (code)
        return code;
    code = set_details(ctx, s, lsn);
    catalogue_put(ctx->ledger);
    return code;
}

/* ---- names of clients ---- */

static uint16_t known_client(const struct ledger *ledger, struct text name)
{
    uint16_t count = atomic_load_explicit(&ledger->client_count, memory_order_relaxed);
    for (uint16_t i = 1; i < count; i++) {
        const struct client_name *known = &ledger->clients[i];
        if (text_equal((struct text){ known->at, known->len }, name))
            return i;
    }
    return 0;
}

void client_remember(struct ledger *ledger, uint16_t index, struct text name)
{
    struct client_name *to = &ledger->clients[index];
    assert(index < CLIENTS_MAX);
    assert(name.len <= NAME_MAX_BYTES);
    to->len = (uint8_t)name.len;
    memcpy(to->at, name.at, name.len);
    if (index >= atomic_load_explicit(&ledger->client_count, memory_order_relaxed))
        atomic_store_explicit(&ledger->client_count, (uint16_t)(index + 1), memory_order_release);
}

enum code ledger_client(struct ctx *ctx, struct text name, uint16_t *client)
{
    struct ledger *ledger = ctx->ledger;
    *client = 0;
    if (name.len == 0)
        return CODE_OK;
    if (name.len > NAME_MAX_BYTES || !text_is_utf8(name))
        return fail_param(ctx, CODE_BAD_REQUEST, "client_name",
                          "client_name must be at most %d bytes of UTF-8", NAME_MAX_BYTES);
    enum code code = setting_begin(ctx);
    if (code)
        return code;
    uint16_t count = atomic_load_explicit(&ledger->client_count, memory_order_relaxed);
    *client = known_client(ledger, name);
    if (*client == 0 && count < CLIENTS_MAX) {
        *client = count;
        ctx_record(ctx,
                   client_record_make(ctx->record, head_of(ctx, RECORD_CLIENT, 0), *client, name));
        client_remember(ledger, *client, name);
    }
    catalogue_put(ledger);
    return CODE_OK;
}
