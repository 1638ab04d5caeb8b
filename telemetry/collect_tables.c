/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's tables and operations, checks, and what a survey of the ledger finds. */
#include <math.h>

#include "engine/ledger/id_gauge.h"
#include "engine/reports/report.h"
#include "protocol/call.h"
#include "protocol/clock.h"
#include "telemetry/collect.h"

enum { SURVEY_EVERY_MS = 60000 };

/* ---- tables ---- */

static void expose_table_sizes(struct exposition *e, const struct ledger_metrics *m)
{
    const struct {
        const char *name;
        uint64_t used, max;
    } tables[] = {
        { "items", m->items, m->items_max },
        { "pools", m->pools, m->pools_max },
        { "ids", m->ids_taken, m->reservations_max },
    };
    struct label label = { .name = "table" };
    expose_family(e, FAMILY_GAUGE, "stockd_table_used", "Places of a table that are in use.");
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        label.value = text_of(tables[i].name);
        expose_number(e, &label, 1, tables[i].used);
    }
    expose_family(e, FAMILY_GAUGE, "stockd_table_size", "Places that a table has.");
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
        label.value = text_of(tables[i].name);
        expose_number(e, &label, 1, tables[i].max);
    }
}

static double seconds(uint64_t ms)
{
    return ms == UINT64_MAX ? (double)INFINITY : (double)ms / 1e3;
}

static void expose_ids(struct exposition *e, const struct ledger_metrics *m,
                       const struct id_outlook *outlook)
{
    expose_gauge(e, "stockd_ids_live", "Reservations and supplies that are not over.", m->live);
    expose_gauge(e, "stockd_ids_remembered", "Ids of what is over, which a retry still finds.",
                 m->ids_remembered);
    expose_gauge_ms(e, "stockd_ids_oldest_seconds",
                    "How long the oldest remembered id has been remembered.", outlook->oldest_ms);
    expose_gauge_ms(e, "stockd_ids_wanted_seconds", "How long an id must be remembered.",
                    m->remember_ms);
    expose_family(e, FAMILY_GAUGE, "stockd_ids_last_seconds",
                  "How long the table can remember ids at the present rate.");
    expose_real(e, NULL, 0, seconds(outlook->last_ms));
    expose_family(e, FAMILY_GAUGE, "stockd_ids_full_seconds",
                  "How long until the table has no free place at the present rate.");
    expose_real(e, NULL, 0, seconds(outlook->full_ms));
}

static void expose_operations(struct exposition *e, const struct ledger_metrics *m)
{
    const struct {
        const char *name;
        uint64_t count;
    } operations[] = {
#define X(name) { #name, m->name },
        LEDGER_COUNTERS(X)
#undef X
    };
    struct label label = { .name = "operation" };
    expose_family(e, FAMILY_COUNTER, "stockd_ledger_operations",
                  "What the ledger has done, by kind, as in info.");
    for (unsigned i = 0; i < sizeof operations / sizeof *operations; i++) {
        label.value = text_of(operations[i].name);
        expose_number(e, &label, 1, operations[i].count);
    }
    expose_counter(e, "stockd_holds_expired", "Holds that reached their deadline.", m->expired);
}

/* ---- checks and reports ---- */

static uint64_t relaxed(const _Atomic uint64_t *metric)
{
    return atomic_load_explicit(metric, memory_order_relaxed);
}

static void expose_checks(struct exposition *e, const struct checks *checks)
{
    expose_counter(e, "stockd_checks", "Checks of the ledger that were done.",
                   relaxed(&checks->done));
    expose_gauge(e, "stockd_check_broken", "Invariants that the last check found broken.",
                 relaxed(&checks->broken));
    expose_gauge_ms(e, "stockd_check_last_seconds", "How long the last check took.",
                    relaxed(&checks->took_ms));
    expose_gauge_ms(e, "stockd_check_timestamp_seconds",
                    "When the last check ended, since 1970; 0: there was none.",
                    relaxed(&checks->ended_ms));
}

static void expose_figures(struct exposition *e, const struct ledger *ledger)
{
    struct figures_metrics metrics = { 0 };
    report_metrics(ledger, &metrics);
    expose_gauge(e, "stockd_report_facts", "Facts that reports are made of.", metrics.facts);
    expose_gauge(e, "stockd_report_facts_max", "Facts that there is room for.", metrics.facts_max);
}

void collect_tables(const struct collector *c, struct exposition *e, uint64_t engine_ms)
{
    const struct service *service = c->engine.service;
    struct ledger_metrics metrics;
    ledger_metrics(service->ledger, &metrics);
    struct id_outlook outlook = ledger_id_outlook(service->ledger, engine_ms);
    expose_table_sizes(e, &metrics);
    expose_ids(e, &metrics, &outlook);
    expose_operations(e, &metrics);
    expose_checks(e, service->checks);
    expose_figures(e, service->ledger);
}

/* ---- the survey ---- */

/* Sums up three columns of a report over all its rows; of the last one, takes the most. */
static bool sum_report(const struct collector *c, enum report_name name, unsigned of_most,
                       uint64_t engine_ms, const _Atomic bool *leaving, uint64_t sums[3])
{
    struct report_ask ask = { .name = name, .by = report_usual(name), .limit = REPORT_ROWS_MAX };
    struct report *report = report_new(&ask);
    if (!report)
        return false;
    report_run(report, c->engine.ctx, leaving, engine_ms, clock_ms(CLOCK_REALTIME));
    bool done = report->outcome == REPORT_DONE;
    for (uint32_t i = 0; done && i < report->row_count; i++) {
        const double *values = report->rows[i].values;
        sums[0] += (uint64_t)values[0];
        sums[1] += (uint64_t)values[1];
        if (of_most > 0 && (uint64_t)values[of_most] > sums[2])
            sums[2] = (uint64_t)values[of_most];
    }
    report_free(report);
    return done;
}

static void survey(struct collector *c, const _Atomic bool *leaving, uint64_t engine_ms)
{
    enum { HOLD_OLDEST = 6, LATE_MOST = 2 }; /* columns, see report_kinds.c */
    uint64_t holds[3] = { 0 }, shorts[3] = { 0 }, late[3] = { 0 };
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    if (c->survey.at_ms != 0 && now_ms - c->survey.at_ms < SURVEY_EVERY_MS)
        return;
    if (!sum_report(c, REPORT_HOLDS, HOLD_OLDEST, engine_ms, leaving, holds) ||
        !sum_report(c, REPORT_SHORT, 0, engine_ms, leaving, shorts) ||
        !sum_report(c, REPORT_LATE, LATE_MOST, engine_ms, leaving, late))
        return;
    c->survey = (struct survey){ .at_ms = now_ms,
                                 .held_units = holds[0],
                                 .holds = holds[1],
                                 .oldest_hold_s = holds[2],
                                 .short_units = shorts[0],
                                 .short_pools = shorts[1],
                                 .late_units = late[0],
                                 .late_lines = late[1],
                                 .latest_s = late[2] };
}

void collect_survey(struct collector *c, struct exposition *e, const _Atomic bool *leaving,
                    uint64_t engine_ms)
{
    const struct survey *s = &c->survey;
    survey(c, leaving, engine_ms);
    if (s->at_ms == 0)
        return;
    expose_gauge(e, "stockd_holds", "Reservations that are held and have a deadline.", s->holds);
    expose_gauge(e, "stockd_holds_units", "Units that they hold.", s->held_units);
    expose_gauge(e, "stockd_holds_oldest_seconds", "Age of the oldest hold.", s->oldest_hold_s);
    expose_gauge(e, "stockd_short_units", "Units that were promised and are not there.",
                 s->short_units);
    expose_gauge(e, "stockd_short_pools",
                 "Items at places of which more was promised than is there.", s->short_pools);
    expose_gauge(e, "stockd_late_units", "Units of supply whose ETA is past.", s->late_units);
    expose_gauge(e, "stockd_late_lines", "Lines of supplies whose ETA is past.", s->late_lines);
    expose_gauge(e, "stockd_late_most_seconds", "How late the latest of them is.", s->latest_s);
    expose_gauge_ms(e, "stockd_survey_age_seconds",
                    "How old the numbers of holds, short and late units are.",
                    clock_ms(CLOCK_MONOTONIC) - s->at_ms);
}
