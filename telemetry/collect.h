/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns what an engine counts into families of metrics. Names are in docs/METRICS.md, with base
 * units: seconds and bytes. Labels are bounded: methods, codes, tables, types, and the channels and
 * places of the catalogue, of which CHANNELS_SHOWN and PLACES_SHOWN have a label of their
 * own; never an item or an id.
 */
#ifndef STOCKD_TELEMETRY_COLLECT_H
#define STOCKD_TELEMETRY_COLLECT_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/ledger/gauges.h"
#include "telemetry/exposition.h"
#include "telemetry/telemetry.h"

enum { CHANNELS_SHOWN = 100, PLACES_SHOWN = 500 };

/* What is counted by channel. */
enum channel_count { UNITS_SOLD, UNITS_REFUSED, UNITS_MISSING, UNITS_RETURNED, CHANNEL_COUNTS };

/* What takes a walk over the ledger, and so is looked at once a minute at most. */
struct survey {
    uint64_t at_ms; /* steady time; 0: never yet */
    uint64_t holds, held_units, oldest_hold_s;
    uint64_t short_units, short_pools;
    uint64_t late_units, late_lines, latest_s;
    struct report *parts; /* owned; by place */
};

struct collector {
    struct telemetry_engine engine;
    /* As replay left them: counters begin at 0 with each start, as Prometheus expects. */
    uint64_t units_before[CHANNEL_COUNTS][CHANNELS_MAX + 1];
    uint64_t events_before[EVENT_TYPE_COUNT];
    struct level_counts levels[CHANNELS_MAX]; /* as last counted */
    struct survey survey;
};

void collector_init(struct collector *collector, const struct telemetry_engine *engine);
void collector_end(struct collector *collector);

/* Of the program; serves: the engine is there to be collected from. */
void collect_build(struct exposition *e, const char *version, bool serves);
/* All of the engine; *leaving ends a survey early. One thread: the context's. */
void collect(struct collector *collector, struct exposition *e, const _Atomic bool *leaving);

/* ---- its parts, each in a file of its own ---- */

void collect_requests(const struct collector *collector, struct exposition *e);
void collect_journal(const struct collector *collector, struct exposition *e);
void collect_tables(const struct collector *collector, struct exposition *e, uint64_t engine_ms);
void collect_channels(struct collector *collector, struct exposition *e);
void collect_survey(struct collector *collector, struct exposition *e, const _Atomic bool *leaving,
                    uint64_t engine_ms);
void collect_mirror(const struct collector *collector, struct exposition *e);

#endif
