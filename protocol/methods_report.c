/* SPDX-License-Identifier: Apache-2.0 */
/* report [name, {from_ms, to_ms, by, channel, location, sku, limit, after}] */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "engine/ledger/ledger.h"
#include "engine/reports/report.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

struct report_given {
    struct text by, channel, location, sku, after;
    int64_t from_ms, to_ms, limit;
    bool has_by, has_channel, has_location, has_sku, has_after, has_from, has_to;
};

#define GIVEN report_given
static const struct option report_options[] = {
    OPTION(OPTION_WORDS, "by", by, has_by, .max = CODE_MAX),
    OPTION(OPTION_CHANNEL, "channel", channel, has_channel, .min = 0),
    OPTION(OPTION_PLACE, "location", location, has_location, .min = 0),
    OPTION(OPTION_WORDS, "sku", sku, has_sku, .max = SKU_MAX),
    OPTION(OPTION_WORDS, "after", after, has_after, .max = REPORT_KEY_MAX),
    OPTION(OPTION_NUMBER, "from_ms", from_ms, has_from, .max = INT64_MAX),
    OPTION(OPTION_NUMBER, "to_ms", to_ms, has_to, .max = INT64_MAX),
    { .name = "limit",
      .kind = OPTION_NUMBER,
      .value = offsetof(struct GIVEN, limit),
      .min = 1,
      .max = REPORT_ROWS_MAX },
};
#undef GIVEN

/* ---- what is asked ---- */

static enum code bad_name(struct call *call, struct text name)
{
    char all[160] = "";
    size_t length = 0;
    for (unsigned i = 0; i < REPORT_COUNT && length < sizeof all; i++)
        length += (size_t)snprintf(all + length, sizeof all - length, "%s%s", i > 0 ? ", " : "",
                                   report_name_text((enum report_name)i));
    refuse(&call->refusal, CODE_BAD_REQUEST, "name", "name: no report \"%.*s\"; there are %s",
           (int)name.len, name.at, all);
    return CODE_BAD_REQUEST;
}

static enum code bad_by(struct call *call, enum report_name name, struct text by)
{
    char all[64] = "";
    size_t length = 0;
    for (unsigned bit = 1; bit & BY_ANY; bit *= 2)
        if (bit & report_groups(name) && length < sizeof all)
            length += (size_t)snprintf(all + length, sizeof all - length, "%s%s",
                                       length > 0 ? ", " : "", report_by_text((enum report_by)bit));
    refuse(&call->refusal, CODE_BAD_REQUEST, "by", "by: %s is by %s, not \"%.*s\"",
           report_name_text(name), all, (int)by.len, by.at);
    return CODE_BAD_REQUEST;
}

/* Channel, location and item of a report. */
static enum code find_subjects(struct call *call, const struct report_given *given,
                               struct report_ask *ask)
{
    const struct catalogue *catalogue = ledger_catalogue(call->ctx);
    const struct channel *channel = catalogue_channel(catalogue, given->channel);
    const struct location *location = catalogue_location(catalogue, given->location);
    if (given->has_channel && !channel) {
        refuse(&call->refusal, CODE_UNKNOWN_CHANNEL, "channel", "no channel \"%.*s\"",
               (int)given->channel.len, given->channel.at);
        return CODE_UNKNOWN_CHANNEL;
    }
    if (given->has_location && !location) {
        refuse(&call->refusal, CODE_UNKNOWN_LOCATION, "location", "no location \"%.*s\"",
               (int)given->location.len, given->location.at);
        return CODE_UNKNOWN_LOCATION;
    }
    ask->has_channel = given->has_channel;
    ask->has_location = given->has_location;
    ask->has_item = given->has_sku;
    if (given->has_channel)
        ask->channel = channel_index(catalogue, channel);
    if (given->has_location)
        ask->location = location_index(catalogue, location);
    call->sku = given->sku;
    return given->has_sku ? ledger_find_item(call->ctx, given->sku, &ask->item) : CODE_OK;
}

/* An option that the report does not take, or NULL. */
static const char *misplaced(const struct report_given *given, unsigned filters)
{
    if (given->has_channel && !(filters & BY_CHANNEL))
        return "channel";
    if (given->has_location && !(filters & BY_LOCATION))
        return "location";
    if (given->has_sku && !(filters & BY_SKU))
        return "sku";
    if ((given->has_from || given->has_to) && !(filters & BY_DAY))
        return given->has_from ? "from_ms" : "to_ms";
    return NULL;
}

/* A client that does not see all channels, or all locations, asks for one of them, or for a row of
 * each: sums over all would tell of those that it does not see. What a report has not is no secret
 * of it. */
static enum code may_ask(struct call *call, const struct report_ask *ask)
{
    const struct scope *scope = call->params.scope;
    unsigned filters = report_filters(ask->name) | report_groups(ask->name);
    if (!scope_sees_channels(scope) && (filters & BY_CHANNEL) && !ask->has_channel &&
        ask->by != BY_CHANNEL) {
        refuse_all_channels(&call->refusal, scope);
        return CODE_FORBIDDEN;
    }
    if (!scope_sees_places(scope) && (filters & BY_LOCATION) && !ask->has_location &&
        ask->by != BY_LOCATION) {
        refuse_all_places(&call->refusal, scope, "location");
        return CODE_FORBIDDEN;
    }
    return CODE_OK;
}

/* Rows are of one channel, or of one location, each; a row without a key is of none. */
static bool sees_row(const struct call *call, const struct report *report,
                     const struct report_row *row)
{
    struct text key = { row->no_key ? NULL : row->key, row->key_len };
    if (report->ask.by == BY_CHANNEL)
        return call_sees_channel_named(call, key);
    return report->ask.by != BY_LOCATION || call_sees_place_named(call, key);
}

static enum code take_report(struct call *call, struct report_ask *ask)
{
    struct report_given given = { .limit = REPORT_ROWS_USUAL };
    struct text name = param_words(&call->params, "name", CODE_MAX);
    params_options(&call->params, report_options, COUNT_OF(report_options), &given);
    if (!params_good(&call->params))
        return call->refusal.code;
    if (!report_name_of(name, &ask->name))
        return bad_name(call, name);
    ask->by = report_usual(ask->name);
    if (given.has_by &&
        (!report_by_of(given.by, &ask->by) || !(report_groups(ask->name) & (unsigned)ask->by)))
        return bad_by(call, ask->name, given.by);
    const char *wrong = misplaced(&given, report_filters(ask->name));
    if (wrong) {
        refuse(&call->refusal, CODE_BAD_REQUEST, wrong, "%s: %s has none", wrong,
               report_name_text(ask->name));
        return CODE_BAD_REQUEST;
    }
    if (given.has_from && given.has_to && given.from_ms > given.to_ms) {
        refuse(&call->refusal, CODE_BAD_REQUEST, "to_ms", "to_ms must not be before from_ms");
        return CODE_BAD_REQUEST;
    }
    ask->has_from = given.has_from;
    ask->has_to = given.has_to;
    ask->has_after = given.has_after;
    ask->from_ms = (uint64_t)given.from_ms;
    ask->to_ms = (uint64_t)given.to_ms;
    ask->after = given.after;
    ask->limit = (uint32_t)given.limit;
    enum code code = find_subjects(call, &given, ask);
    return code == CODE_OK ? may_ask(call, ask) : code;
}

/* ---- the reply ---- */

static enum code refuse_report(struct call *call, const struct history_query *query)
{
    enum code code = call_refuse_answer(call, query);
    if (code != CODE_OK)
        return code;
    struct refusal *refusal = &call->refusal;
    switch (query->report->outcome) {
    case REPORT_DONE:
        break;
    case REPORT_NO_MEMORY:
        refuse(refusal, CODE_OVERLOADED, NULL, "no memory for so many rows");
        break;
    case REPORT_NOT_KEPT:
        refuse(refusal, CODE_BAD_REQUEST, "name",
               "name: the engine keeps no figures: it was started with --reports-memory 0");
        break;
    case REPORT_STOPPED:
        refuse(refusal, CODE_OVERLOADED, NULL, "the engine is stopping");
        break;
    }
    return refusal->code;
}

static void pack_value(struct out *out, const struct report_column *column, double value)
{
    if (isnan(value))
        pack_nil(out);
    else if (column->real)
        pack_double(out, value);
    else
        pack_int(out, (int64_t)value);
}

static void pack_row(struct out *out, const struct report *report, const struct report_row *row)
{
    pack_array(out, 1 + report->column_count);
    if (row->no_key)
        pack_nil(out);
    else
        pack_text(out, (struct text){ row->key, row->key_len });
    for (unsigned i = 0; i < report->column_count; i++)
        pack_value(out, &report->columns[i], row->values[i]);
}

/* The key of the last row; the row without a key is the first of all, so "" comes after it. */
static void pack_next(struct out *out, const struct report *report)
{
    PACK_KEY(out, "next");
    if (report->more) {
        const struct report_row *last = &report->rows[report->row_count - 1];
        pack_text(out, (struct text){ last->key, last->key_len });
    } else {
        pack_nil(out);
    }
}

static void pack_columns(struct out *out, const struct report *report)
{
    PACK_KEY(out, "columns");
    pack_array(out, 1 + report->column_count);
    pack_string(out, report_by_text(report->ask.by));
    for (unsigned i = 0; i < report->column_count; i++)
        pack_string(out, report->columns[i].name);
}

static enum code reply_report(struct call *call, struct history_query *query)
{
    const struct report *report = query->report;
    struct out *out = call->out;
    enum code code = refuse_report(call, query);
    if (code == CODE_OK) {
        reply_map(call, 5, query->upto);
        pack_columns(out, report);
        PACK_KEY(out, "rows");
        uint32_t seen = 0;
        for (uint32_t i = 0; i < report->row_count; i++)
            seen += sees_row(call, report, &report->rows[i]);
        pack_array(out, seen);
        for (uint32_t i = 0; i < report->row_count; i++)
            if (sees_row(call, report, &report->rows[i]))
                pack_row(out, report, &report->rows[i]);
        pack_next(out, report);
        PACK_KEY(out, "since_ms");
        if (report->since_ms > 0)
            pack_uint(out, report->since_ms);
        else
            pack_nil(out);
    }
    history_query_free(query);
    return code;
}

enum code method_report(struct call *call)
{
    struct report_ask ask = { 0 };
    enum code code = take_report(call, &ask);
    if (code != CODE_OK)
        return code;
    struct history_query *query = call_take_answer(call);
    if (query)
        return reply_report(call, query);
    if (call->awaited->query)
        return CODE_DEFERRED;
    query = call_new_query(call, HISTORY_REPORT);
    if (!query)
        return call->refusal.code;
    query->report = report_new(&ask);
    if (query->report)
        return call_ask(call, query);
    history_query_free(query);
    refuse(&call->refusal, CODE_OVERLOADED, NULL, "no memory for a report");
    return CODE_OVERLOADED;
}
