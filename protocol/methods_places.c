/* SPDX-License-Identifier: Apache-2.0 */
/* Places and time: calendar_set, calendars, stocking_set, stockings. */
#include <stddef.h>

#include "engine/base/limits.h"
#include "engine/store/calendar.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

/* ---- calendar_set ---- */

struct calendar_given {
    struct calendar_setting setting;
    struct option_rows week, closed, extra;
};

/* The last two values of a row: minutes of a day. */
static void take_span(struct params *params, uint16_t *from, uint16_t *to)
{
    *from = (uint16_t)param_number(params, "from", 0, DAY_MINUTES - 1);
    *to = (uint16_t)param_number(params, "to", *from + 1, DAY_MINUTES);
}

static void take_week(struct params *params, void *rows, uint32_t i)
{
    struct week_hours *hours = (struct week_hours *)rows + i;
    param_tuple(params, 3, 3, "[weekday, from, to]");
    int64_t weekday = param_number(params, "weekday", 1, 7);
    take_span(params, &hours->from, &hours->to);
    params_up(params);
    hours->from += (uint16_t)((weekday - 1) * DAY_MINUTES);
    hours->to += (uint16_t)((weekday - 1) * DAY_MINUTES);
}

static void take_closed(struct params *params, void *rows, uint32_t i)
{
    ((int32_t *)rows)[i] = param_date(params, "date");
}

static void take_extra(struct params *params, void *rows, uint32_t i)
{
    struct date_hours *hours = (struct date_hours *)rows + i;
    param_tuple(params, 3, 3, "[date, from, to]");
    hours->day = param_date(params, "date");
    take_span(params, &hours->from, &hours->to);
    params_up(params);
}

#define GIVEN calendar_given
static const struct option calendar_options[] = {
    OPTION(OPTION_WORDS, "tz", setting.tz, setting.has_tz, .max = ZONE_MAX),
    OPTION(OPTION_ROWS, "week", week, setting.has_week, .max = WEEK_HOURS_MAX, .row = take_week,
           .what = "opening hours"),
    OPTION(OPTION_ROWS, "closed", closed, setting.has_closed, .max = CLOSED_MAX, .row = take_closed,
           .what = "dates"),
    OPTION(OPTION_ROWS, "extra", extra, setting.has_extra, .max = EXTRA_MAX, .row = take_extra,
           .what = "opening hours"),
};
#undef GIVEN

enum code method_calendar_set(struct call *call)
{
    struct week_hours week[WEEK_HOURS_MAX];
    int32_t closed[CLOSED_MAX];
    struct date_hours extra[EXTRA_MAX];
    struct calendar_given given = { .week.at = week, .closed.at = closed, .extra.at = extra };
    struct calendar_setting *s = &given.setting;
    uint64_t lsn = 0;
    s->code = param_code(&call->params, "code");
    params_options(&call->params, calendar_options, COUNT_OF(calendar_options), &given);
    if (!params_good(&call->params))
        return call->refusal.code;
    s->week = week;
    s->week_count = given.week.count;
    s->closed = closed;
    s->closed_count = given.closed.count;
    s->extra = extra;
    s->extra_count = given.extra.count;
    return reply_set(call, ledger_set_calendar(call->ctx, s, &lsn), &lsn);
}

/* ---- calendars ---- */

static void pack_span(struct out *out, unsigned from, unsigned to)
{
    pack_uint(out, from);
    pack_uint(out, to);
}

static void pack_date(struct out *out, int32_t day)
{
    char text[DATE_TEXT_SIZE];
    date_text(day, text);
    pack_string(out, text);
}

/* nil: not set, which is not the same as never open. */
static void pack_week(struct out *out, const struct calendar *c)
{
    pack_string(out, "week");
    if (!c->has_week) {
        pack_nil(out);
        return;
    }
    pack_array(out, c->week_count);
    for (unsigned i = 0; i < c->week_count; i++) {
        unsigned day = c->week[i].from / DAY_MINUTES;
        pack_array(out, 3);
        pack_uint(out, day + 1);
        pack_span(out, c->week[i].from - day * DAY_MINUTES, c->week[i].to - day * DAY_MINUTES);
    }
}

static void pack_calendar(struct out *out, const struct calendar *c)
{
    pack_map(out, 5);
    pack_key_text(out, "code", code_text(&c->code));
    pack_key_text(out, "tz", zone_text(&c->tz));
    pack_week(out, c);
    pack_string(out, "closed");
    pack_array(out, c->closed_count);
    for (unsigned i = 0; i < c->closed_count; i++)
        pack_date(out, c->closed[i]);
    pack_string(out, "extra");
    pack_array(out, c->extra_count);
    for (unsigned i = 0; i < c->extra_count; i++) {
        pack_array(out, 3);
        pack_date(out, c->extra[i].day);
        pack_span(out, c->extra[i].from, c->extra[i].to);
    }
}

enum code method_calendars(struct call *call)
{
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    struct slicing *s = resume_or_begin(call, log_head(call->service->log));
    if (!s)
        return CODE_OVERLOADED;
    const struct calendar *c;
    while ((c = ledger_calendar(call->ctx, s->next)) != NULL) {
        pack_calendar(&s->rows, c);
        s->next++;
        if (!call_goes_on(call))
            return CODE_DEFERRED;
    }
    reply_map(call, 2, s->lsn);
    pack_string(call->out, "calendars");
    pack_array(call->out, s->next);
    out_append_stream(call->out, &s->rows);
    return end_slicing(call, CODE_OK);
}

/* ---- stocking_set ---- */

#define GIVEN stocking_setting
static const struct option stocking_options[] = {
    OPTION(OPTION_FLAG, "stocked", stocked, has_stocked, .min = 0),
    OPTION(OPTION_NUMBER, "safety", safety, has_safety, .min = 0, .max = QUANTITY_MAX),
    OPTION(OPTION_NUMBER, "lead_time_s", lead_time_s, has_lead_time, .min = 0, .max = INT32_MAX),
};
#undef GIVEN

enum code method_stocking_set(struct call *call)
{
    struct stocking_setting setting = { 0 };
    uint64_t lsn = 0;
    call->sku = setting.sku = param_sku(&call->params, "sku");
    call->location = setting.location = param_place(&call->params, "location");
    params_options(&call->params, stocking_options, COUNT_OF(stocking_options), &setting);
    if (!params_good(&call->params))
        return call->refusal.code;
    return reply_set(call, ledger_set_stocking(call->ctx, &setting, &lsn), &lsn);
}

/* ---- stockings: [{sku, location, after, limit}] ---- */

enum {
    STOCKINGS_DEFAULT = 1000,
    STOCKINGS_MAX = 10000,
    STOCKINGS_STRIDE = 1024, /* items walked over at a time */
};

struct stockings_given {
    struct text sku, location;
    bool has_sku, has_location;
    int64_t after, limit;
};

#define GIVEN stockings_given
static const struct option stockings_options[] = {
    OPTION(OPTION_WORDS, "sku", sku, has_sku, .max = SKU_MAX),
    OPTION(OPTION_PLACE, "location", location, has_location, .min = 0),
    { .name = "after",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stockings_given, after),
      .min = 0,
      .max = UINT32_MAX },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct stockings_given, limit),
      .min = 1,
      .max = STOCKINGS_MAX },
};
#undef GIVEN

static void add_stocking(const struct call *call, struct slicing *s,
                         const struct stockings_given *given, const struct stocking_view *view)
{
    struct out *out = &s->rows;
    if (given->has_location && !text_equal(given->location, view->location))
        return;
    if (!call_sees_place_named(call, view->location))
        return;
    pack_map(out, 5);
    pack_key_text(out, "sku", view->sku);
    pack_key_text(out, "location", view->location);
    pack_key_bool(out, "stocked", view->set.stocked);
    pack_key_limit(out, "safety", view->set.safety);
    pack_key_limit(out, "lead_time_s", view->set.lead_time_s);
    s->count++;
}

enum walked { WALK_GOES_ON, PAGE_IS_FULL, NO_MORE };

/* Takes the next stocking, or walks over some items. A page ends with all that its last item has,
 * so that the next one can begin at an item. */
static enum walked walk_stockings(struct call *call, struct slicing *s,
                                  const struct stockings_given *given, uint32_t last)
{
    struct stocking_walk *walk = &s->stockings;
    struct stocking_view view;
    bool full = s->count >= given->limit;
    if (full && !walk->inside)
        return PAGE_IS_FULL;
    if (full)
        walk->end = walk->item + 1;
    else if (walk->item >= walk->end)
        walk->end = last - walk->item > STOCKINGS_STRIDE ? walk->item + STOCKINGS_STRIDE : last;
    if (ledger_next_stocking(call->ctx, walk, &view)) {
        add_stocking(call, s, given, &view);
        return WALK_GOES_ON;
    }
    if (walk->item < walk->end || walk->item >= last)
        return NO_MORE;
    return full ? PAGE_IS_FULL : WALK_GOES_ON;
}

static void reply_stockings(struct call *call, const struct slicing *s, bool more)
{
    reply_map(call, 3, s->lsn);
    pack_string(call->out, "stockings");
    pack_array(call->out, s->count);
    out_append_stream(call->out, &s->rows);
    pack_string(call->out, "next");
    if (more)
        pack_uint(call->out, s->stockings.item);
    else
        pack_nil(call->out);
}

/* The items to walk over: [first, last). */
static enum code stockings_range(struct call *call, const struct stockings_given *given,
                                 uint32_t *first, uint32_t *last)
{
    *first = (uint32_t)given->after;
    *last = UINT32_MAX;
    if (given->has_location && !catalogue_location(ledger_catalogue(call->ctx), given->location)) {
        refuse(&call->refusal, CODE_UNKNOWN_LOCATION, "location", "no location \"%.*s\"",
               (int)given->location.len, given->location.at);
        return CODE_UNKNOWN_LOCATION;
    }
    if (!given->has_sku)
        return CODE_OK;
    uint32_t item;
    call->sku = given->sku;
    enum code code = ledger_find_item(call->ctx, given->sku, &item);
    if (code != CODE_OK)
        return code;
    *first = item > *first ? item : *first;
    *last = item + 1;
    return CODE_OK;
}

enum code method_stockings(struct call *call)
{
    struct stockings_given given = { .limit = STOCKINGS_DEFAULT };
    uint32_t first, last;
    params_options(&call->params, stockings_options, COUNT_OF(stockings_options), &given);
    if (!params_good(&call->params))
        return call->refusal.code;
    enum code code = stockings_range(call, &given, &first, &last);
    if (code != CODE_OK)
        return code;
    bool begun = *call->slicing != NULL;
    struct slicing *s = resume_or_begin(call, log_head(call->service->log));
    if (!s)
        return CODE_OVERLOADED;
    if (!begun)
        s->stockings = (struct stocking_walk){ .item = first, .end = first };
    enum walked walked = first < last ? WALK_GOES_ON : NO_MORE;
    while (walked == WALK_GOES_ON) {
        walked = walk_stockings(call, s, &given, last);
        if (walked == WALK_GOES_ON && !call_goes_on(call))
            return CODE_DEFERRED;
    }
    reply_stockings(call, s, walked == PAGE_IS_FULL);
    return end_slicing(call, CODE_OK);
}
