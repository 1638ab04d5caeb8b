/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/collect.h"

#include "engine/reports/report.h"
#include "protocol/call.h"
#include "protocol/clock.h"

static const enum measure measures[CHANNEL_COUNTS] = {
    [UNITS_SOLD] = MEASURE_SOLD,
    [UNITS_REFUSED] = MEASURE_REFUSED,
    [UNITS_MISSING] = MEASURE_MISSING,
    [UNITS_RETURNED] = MEASURE_RETURNED,
};

void collector_init(struct collector *c, const struct telemetry_engine *engine)
{
    const struct ledger *ledger = engine->service->ledger;
    *c = (struct collector){ .engine = *engine };
    for (unsigned count = 0; count < CHANNEL_COUNTS; count++)
        for (unsigned i = 0; i <= CHANNELS_MAX; i++)
            c->units_before[count][i] = ledger_units(ledger, measures[count],
                                                     i < CHANNELS_MAX ? (uint16_t)i : FACT_NO_CODE);
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++)
        c->events_before[type] = ledger_events_taken(ledger, type);
}

void collector_end(struct collector *c)
{
    report_free(c->survey.parts);
}

void collect_build(struct exposition *e, const char *version, bool serves)
{
    const struct label label = { "version", text_of(version) };
    expose_family(e, FAMILY_GAUGE, "stockd_build_info", "Always 1; the version is a label.");
    expose_number(e, &label, 1, 1);
    expose_gauge(e, "stockd_serving", "1 if the engine serves; 0 while it replays its journal.",
                 serves);
}

/* ---- channels ---- */

static uint64_t units_of(const struct collector *c, enum channel_count count, unsigned channel)
{
    bool none = channel == CHANNELS_MAX;
    uint64_t units = ledger_units(c->engine.service->ledger, measures[count],
                                  none ? FACT_NO_CODE : (uint16_t)channel);
    return units - c->units_before[count][channel];
}

/* A family of what each channel has. What is beyond CHANNELS_SHOWN is one sample, "(others)". */
struct channel_family {
    enum family_type type;
    const char *name, *help;
    uint64_t (*of)(const struct collector *c, unsigned which, unsigned channel);
    unsigned which;
    bool none; /* there is also a sample "(none)": of no channel */
};

static void expose_channels(const struct collector *c, struct exposition *e,
                            const struct channel_family *family)
{
    struct label label = { .name = "channel" };
    const struct ctx *ctx = c->engine.ctx;
    unsigned channels = ledger_channel_count(ctx);
    uint64_t others = 0;
    expose_family(e, family->type, family->name, family->help);
    for (unsigned i = 0; i < channels; i++) {
        uint64_t value = family->of(c, family->which, i);
        label.value = ledger_channel_code(ctx, (uint16_t)i);
        if (i < CHANNELS_SHOWN)
            expose_number(e, &label, 1, value);
        else
            others += value;
    }
    label.value = text_of("(others)");
    if (channels > CHANNELS_SHOWN)
        expose_number(e, &label, 1, others);
    label.value = text_of("(none)");
    if (family->none)
        expose_number(e, &label, 1, family->of(c, family->which, CHANNELS_MAX));
}

static uint64_t counted_units(const struct collector *c, unsigned which, unsigned channel)
{
    return units_of(c, (enum channel_count)which, channel);
}

enum { ITEMS_OUT, ITEMS_LOW };

static uint64_t counted_items(const struct collector *c, unsigned which, unsigned channel)
{
    return which == ITEMS_OUT ? c->levels[channel].out : c->levels[channel].low;
}

static const struct channel_family channel_families[] = {
    { FAMILY_COUNTER, "stockd_units_sold", "Units fulfilled, and sold by tills, since the start.",
      counted_units, UNITS_SOLD, .none = false },
    { FAMILY_COUNTER, "stockd_units_refused",
      "Units of orders that were refused for lack of stock.", counted_units, UNITS_REFUSED,
      .none = false },
    { FAMILY_COUNTER, "stockd_units_missing", "Of the units refused, those that were not there.",
      counted_units, UNITS_MISSING, .none = false },
    { FAMILY_COUNTER, "stockd_units_returned", "Units that came back.", counted_units,
      UNITS_RETURNED, .none = true },
    { FAMILY_GAUGE, "stockd_items_sold_out", "Items that had stock on the channel and have none.",
      counted_items, ITEMS_OUT, .none = false },
    { FAMILY_GAUGE, "stockd_items_low", "Items with no more stock than their low_stock.",
      counted_items, ITEMS_LOW, .none = false },
};

/* A channel whose levels are being recorded just now keeps its last counts. */
static void count_levels(struct collector *c)
{
    struct level_counts counts;
    unsigned channels = ledger_channel_count(c->engine.ctx);
    for (unsigned i = 0; i < channels; i++)
        for (unsigned tries = 0; tries < 3; tries++)
            if (ledger_count_levels(c->engine.service->ledger, (uint16_t)i, &counts)) {
                c->levels[i] = counts;
                break;
            }
}

void collect_channels(struct collector *c, struct exposition *e)
{
    struct label label = { .name = "type" };
    count_levels(c);
    for (unsigned i = 0; i < sizeof channel_families / sizeof *channel_families; i++)
        expose_channels(c, e, &channel_families[i]);
    expose_family(e, FAMILY_COUNTER, "stockd_events", "Events told of, by type.");
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
        label.value = text_of(event_type_name(type));
        expose_number(e, &label, 1,
                      ledger_events_taken(c->engine.service->ledger, type) -
                          c->events_before[type]);
    }
}

/* ---- all of it ---- */

void collect(struct collector *c, struct exposition *e, const _Atomic bool *leaving)
{
    uint64_t engine_ms = clock_engine_ms(c->engine.clock, clock_ms(CLOCK_MONOTONIC));
    collect_requests(c, e);
    expose_counter(e, "stockd_system_calls_refused",
                   "System calls that the engine's filter refused: it has no use for them.",
                   c->engine.refused_calls ? c->engine.refused_calls() : 0);
    collect_journal(c, e);
    collect_tables(c, e, engine_ms);
    ledger_begin(c->engine.ctx, engine_ms, clock_ms(CLOCK_REALTIME));
    collect_channels(c, e);
    ledger_end(c->engine.ctx);
    collect_survey(c, e, leaving, engine_ms);
    collect_mirror(c, e);
}
