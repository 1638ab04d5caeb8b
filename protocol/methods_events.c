/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: what happened since an LSN, of the events that the engine keeps.
 *
 * A page ends with an LSN, never within one: the events of one record come on one page, however
 * small the limit. So a client that continues from next misses none.
 */
#include <stddef.h>

#include "engine/ledger/leaps.h"
#include "engine/store/catalogue.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum {
    EVENTS_DEFAULT = 1000,
    LOOKS_MOST = 256 << 10, /* at events that the filter drops, in a page: some milliseconds */
};

struct events_options {
    struct option_types types;
    bool types_given;
    struct text channel, location;
    int64_t limit;
};

#define GIVEN events_options
static const struct option events_options[] = {
    OPTION(OPTION_TYPES, "types", types, types_given, .max = EVENT_TYPE_COUNT),
    { .name = "channel", .kind = OPTION_CHANNEL, .value = offsetof(struct GIVEN, channel) },
    { .name = "location", .kind = OPTION_PLACE, .value = offsetof(struct GIVEN, location) },
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct GIVEN, limit),
      .min = 1,
      .max = CHANGES_MAX },
};
#undef GIVEN

enum code call_event_filter(struct call *call, const char *option, const struct option_types *types,
                            struct text location, struct event_filter *filter)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    filter->types = types->all ? UINT32_MAX : 0;
    filter->location = EVENT_NO_PLACE;
    for (uint32_t i = 0; i < types->count; i++) {
        enum event_type type;
        if (!event_type_named(types->at[i], &type)) {
            refuse(&call->refusal, CODE_BAD_REQUEST, option, "%s: no type of event \"%.*s\"",
                   option, (int)types->at[i].len, types->at[i].at);
            return CODE_BAD_REQUEST;
        }
        filter->types |= UINT32_C(1) << type;
    }
    if (!text_given(location))
        return CODE_OK;
    const struct location *place = catalogue_location(catalogue, location);
    call->location = location;
    if (!place) {
        refuse(&call->refusal, CODE_UNKNOWN_LOCATION, "location", "no location \"%.*s\"",
               (int)location.len, location.at);
        return CODE_UNKNOWN_LOCATION;
    }
    filter->location = location_index(catalogue, place);
    return CODE_OK;
}

struct events_page {
    struct signals_view view;
    struct event_filter filter;
    uint64_t since, next;
    uint32_t limit, count;
};

/* Packs the events of the page, and finds where the next one begins. */
static void pack_events(struct events_page *page, struct out *out)
{
    const struct events *events = ledger_events(page->view.ledger);
    uint64_t at = events_find(events, page->since), last = page->since;
    struct event event;
    for (uint32_t looks = 0;; looks++) {
        enum event_found found = events_get(events, at, &event);
        if (found == EVENT_OVERWRITTEN) {
            at = events_oldest(events);
            continue;
        }
        if (found == EVENT_NOT_YET || event.lsn > page->view.final) /* @durable */
            return;
        bool full = page->count >= page->limit || looks >= LOOKS_MOST;
        if (full && event.lsn != last) { /* @whole-lsn */
            page->next = last;
            return;
        }
        at++;
        last = event.lsn;
        if (!event_passes(&page->filter, &event))
            continue;
        signals_pack(&page->view, out, &event);
        page->count++;
    }
}

static void reply_events(struct call *call, struct events_page *page)
{
    const struct log *log = call->service->log;
    const struct events *events = ledger_events(call->service->ledger);
    uint64_t final = page->view.final;
    struct out rows;
    bool ahead = page->since > log_head(log); /* of another engine, or of a later copy */
    out_init(&rows, call->out->pool);
    page->next = page->since > final && !ahead ? page->since : final;
    if (!ahead)
        pack_events(page, &rows);
    bool resync = ahead || events_missed(events, page->since) || /* @missed */
                  ledger_took_back(call->service->ledger, page->since) != 0;
    reply_map(call, 4, final);
    pack_string(call->out, "events");
    pack_array(call->out, page->count);
    out_append_stream(call->out, &rows);
    pack_key_uint(call->out, "next", page->next);
    pack_key_bool(call->out, "resync", resync);
    metric_add(&call->metrics->events_asked, 1);
    metric_add(&call->metrics->resyncs, resync);
    out_destroy(&rows);
}

enum code method_events(struct call *call)
{
    struct params *params = &call->params;
    struct text types[EVENT_TYPE_COUNT];
    struct events_options given = { .types.at = types, .limit = EVENTS_DEFAULT };
    struct events_page page = {
        .view = { call->service->ledger, call->ctx, log_final(call->service->log) },
        .since = param_lsn(params, "since_lsn"),
    };
    params_options(params, events_options, COUNT_OF(events_options), &given);
    if (!params_good(params))
        return call->refusal.code;
    given.types.all |= !given.types_given;
    enum code code = call_find_channel(call, given.channel, &page.filter.channel);
    if (!code)
        code = call_event_filter(call, "types", &given.types, given.location, &page.filter);
    if (code)
        return code;
    page.limit = (uint32_t)given.limit;
    page.filter.scope = params->scope;
    reply_events(call, &page);
    return CODE_OK;
}
