/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's tables and operations, and checks. */
#include <math.h>

#include "engine/ledger/id_gauge.h"
#include "engine/reports/report.h"
#include "protocol/call.h"
#include "protocol/clock.h"
#include "telemetry/collect.h"

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
