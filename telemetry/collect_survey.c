/* SPDX-License-Identifier: Apache-2.0 */
/* What a survey of the ledger finds: reports of what is there now, run once a minute at most. */
#include "engine/reports/report.h"
#include "protocol/clock.h"
#include "telemetry/collect.h"

#include "protocol/call.h"

enum { SURVEY_EVERY_MS = 60000 };

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

/* NULL: stopped, or no memory. */
static struct report *report_of_parts(const struct collector *c, uint64_t engine_ms,
                                      const _Atomic bool *leaving)
{
    const struct report_ask ask = { .name = REPORT_PARTS,
                                    .by = report_usual(REPORT_PARTS),
                                    .limit = REPORT_ROWS_MAX };
    struct report *report = report_new(&ask);
    if (report)
        report_run(report, c->engine.ctx, leaving, engine_ms, clock_ms(CLOCK_REALTIME));
    if (!report || report->outcome == REPORT_DONE)
        return report;
    report_free(report);
    return NULL;
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
    struct report *parts = report_of_parts(c, engine_ms, leaving);
    if (!parts)
        return;
    report_free(c->survey.parts);
    c->survey = (struct survey){ .at_ms = now_ms,
                                 .held_units = holds[0],
                                 .holds = holds[1],
                                 .oldest_hold_s = holds[2],
                                 .short_units = shorts[0],
                                 .short_pools = shorts[1],
                                 .late_units = late[0],
                                 .late_lines = late[1],
                                 .latest_s = late[2],
                                 .parts = parts };
}

/* ---- what places have to do ---- */

static void expose_steps(struct exposition *e, struct text place, const double *parts)
{
    static const char *const steps[] = { "open", "ready", "not_collected" };
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct label labels[] = { { "location", place }, { "step", text_of(steps[i]) } };
        expose_number(e, labels, 2, (uint64_t)parts[i]);
    }
}

static void expose_parts(struct exposition *e, const struct report *report)
{
    enum { STEPS_FROM = 2, STEPS = 3 }; /* columns, see report_kinds.c */
    double others[STEPS] = { 0 }, waits[STEPS] = { 0 };
    expose_family(e, FAMILY_GAUGE, "stockd_parts",
                  "Confirmed orders that a place has to do with, by how far it is.");
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct report_row *row = &report->rows[i];
        const double *parts = row->values + STEPS_FROM;
        if (!row->no_key && i < PLACES_SHOWN) {
            expose_steps(e, (struct text){ row->key, row->key_len }, parts);
            continue;
        }
        for (unsigned step = 0; step < STEPS; step++)
            *(row->no_key ? &waits[step] : &others[step]) += parts[step];
    }
    if (report->row_count > PLACES_SHOWN)
        expose_steps(e, text_of("(others)"), others);
    expose_steps(e, text_of("(none)"), waits);
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
    expose_parts(e, s->parts);
    expose_gauge_ms(e, "stockd_survey_age_seconds",
                    "How old the numbers of holds, short and late units and parts are.",
                    clock_ms(CLOCK_MONOTONIC) - s->at_ms);
}
