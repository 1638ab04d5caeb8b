/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of figures: the facts, summed up by the key that is asked for. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

enum { SLICE = 1 << 16, RESTARTS = 3, HOURS = 24 };

/* A group's sums. */
enum { SUM_SOLD, SUM_ORDERS, SUM_RETURNED, SUM_RETURNS, SUM_DAMAGED };
enum { SUM_KEPT, SUM_KEPT_LINES, SUM_LATE, SUM_LATE_LINES, SUM_DELAY_S };

/* Which facts a report needs. */
struct needs {
    bool item, place, channel, hour; /* does the report tell these apart? */
    bool detail;                     /* only single cells will do */
    uint32_t from, to;               /* hours */
};

static struct needs needs_of(const struct report_ask *ask)
{
    struct needs n = { .item = ask->by == BY_SKU || ask->has_item,
                       .place = ask->by == BY_LOCATION || ask->has_location,
                       .channel = ask->by == BY_CHANNEL || ask->has_channel };
    n.from = ask->has_from ? figures_hour(ask->from_ms) : 0;
    n.to = ask->has_to ? figures_hour(ask->to_ms + FIGURES_HOUR_MS - 1) : FIGURES_HOURS_MAX;
    n.hour = ask->by == BY_HOUR || n.from % HOURS != 0 ||
             (n.to != FIGURES_HOURS_MAX && n.to % HOURS != 0);
    n.detail = n.item && (n.place || n.channel || n.hour);
    return n;
}

/* Does the report sum up facts of this form? */
static bool wants_form(const struct needs *n, const struct figures_walk *walk,
                       const struct figures_extent *extent)
{
    const struct fact *f = &walk->fact;
    bool item = f->item != FACT_NO_ITEM;
    if (f->hour < n->from || f->hour >= n->to || f->hour < extent->whole_from ||
        (n->detail && f->hour < extent->detail_from))
        return false;
    if (f->measure == MEASURE_OVERLAP)
        return item == n->item && (f->location != FACT_NO_CODE) == n->place &&
               (!n->detail || !walk->coarse);
    return !walk->coarse || (!n->detail && item == n->item);
}

static bool passes(const struct report_ask *ask, const struct fact *f)
{
    return (!ask->has_channel || f->channel == ask->channel) &&
           (!ask->has_location || f->location == ask->location) &&
           (!ask->has_item || f->item == ask->item);
}

static uint32_t key_of(const struct report_ask *ask, const struct fact *f)
{
    switch (ask->by) {
    case BY_CHANNEL:
        return f->channel == FACT_NO_CODE ? GROUP_NO_KEY : f->channel;
    case BY_LOCATION:
        return f->location;
    case BY_SKU:
        return f->item;
    case BY_DAY:
        return f->hour / HOURS;
    default:
        return f->hour;
    }
}

/* ---- what each report sums up ---- */

static bool sum_sales(const struct fact *f, int64_t *sums)
{
    if (f->measure == MEASURE_OVERLAP)
        return sums[SUM_ORDERS] -= f->count, true;
    if (f->measure != MEASURE_SOLD)
        return false;
    sums[SUM_SOLD] += f->units;
    sums[SUM_ORDERS] += f->count;
    return true;
}

static bool sum_returns(const struct fact *f, int64_t *sums)
{
    if (f->measure == MEASURE_DAMAGED)
        return sums[SUM_DAMAGED] += f->units, true;
    if (f->measure != MEASURE_RETURNED)
        return false;
    sums[SUM_RETURNED] += f->units;
    sums[SUM_RETURNS] += f->count;
    return true;
}

static bool sum_promises(const struct fact *f, int64_t *sums)
{
    if (f->measure == MEASURE_DELAY)
        return sums[SUM_DELAY_S] += f->units, true;
    if (f->measure != MEASURE_KEPT && f->measure != MEASURE_LATE)
        return false;
    bool kept = f->measure == MEASURE_KEPT;
    sums[kept ? SUM_KEPT : SUM_LATE] += f->units;
    sums[kept ? SUM_KEPT_LINES : SUM_LATE_LINES] += f->count;
    return true;
}

static bool sales_values(const struct report *report, const int64_t *sums, double *values)
{
    (void)report;
    assert(sums[SUM_ORDERS] >= 0);
    values[0] = (double)sums[SUM_SOLD];
    values[1] = (double)sums[SUM_ORDERS];
    return sums[SUM_SOLD] > 0;
}

static bool returns_values(const struct report *report, const int64_t *sums, double *values)
{
    (void)report;
    values[0] = (double)sums[SUM_RETURNED];
    values[1] = (double)sums[SUM_RETURNS];
    values[2] = (double)sums[SUM_DAMAGED];
    return sums[SUM_RETURNED] > 0;
}

static bool promises_values(const struct report *report, const int64_t *sums, double *values)
{
    int64_t lines = sums[SUM_KEPT_LINES] + sums[SUM_LATE_LINES];
    int64_t late = sums[SUM_LATE_LINES];
    (void)report;
    values[0] = (double)(sums[SUM_KEPT] + sums[SUM_LATE]);
    values[1] = (double)lines;
    values[2] = (double)sums[SUM_KEPT_LINES];
    values[3] = (double)late;
    values[4] = lines > 0 ? (double)sums[SUM_KEPT_LINES] / (double)lines : NAN;
    values[5] = late > 0 ? (double)sums[SUM_DELAY_S] / (double)late : NAN;
    return lines > 0;
}

static const struct report_column sales_columns[] = { { "units", false }, { "orders", false } };
static const struct report_column returns_columns[] = { { "units", false },
                                                        { "returns", false },
                                                        { "damaged", false } };
static const struct report_column promises_columns[] = {
    { "units", false }, { "lines", false },     { "kept", false },
    { "late", false },  { "kept_share", true }, { "mean_late_s", true },
};

#define COLUMNS(of) of, sizeof(of) / sizeof *(of)

static const struct kind {
    const struct report_column *columns;
    unsigned column_count;
    bool (*sum)(const struct fact *fact, int64_t *sums); /* false: not of this report */
    report_values *values;
} kinds[] = {
    [REPORT_SALES] = { COLUMNS(sales_columns), sum_sales, sales_values },
    [REPORT_RETURNS] = { COLUMNS(returns_columns), sum_returns, returns_values },
    [REPORT_PROMISES] = { COLUMNS(promises_columns), sum_promises, promises_values },
};

/* ---- the walk ---- */

static bool measured(const struct kind *kind, const struct fact *f)
{
    int64_t trial[GROUP_SUMS] = { 0 };
    return kind->sum(f, trial);
}

static void take_fact(const struct report *report, const struct needs *needs,
                      const struct figures_walk *walk, const struct figures_extent *extent,
                      struct groups *groups)
{
    const struct kind *kind = &kinds[report->ask.name];
    const struct fact *f = &walk->fact;
    if (measured(kind, f) && wants_form(needs, walk, extent) && passes(&report->ask, f))
        kind->sum(f, groups_find(groups, key_of(&report->ask, f))->sums);
}

/* Walks all facts, and lets go of the store between slices. False: stopped, or facts moved. */
static bool walk_all(const struct report *report, struct figures *figures,
                     const struct needs *needs, const _Atomic bool *stop, bool at_once,
                     struct groups *groups)
{
    struct figures_walk walk;
    struct figures_extent extent = figures_extent(figures);
    figures_walk_start(figures, &walk);
    for (uint64_t i = 1; figures_walk_next(figures, &walk); i++) {
        take_fact(report, needs, &walk, &extent, groups);
        if (i % SLICE != 0)
            continue;
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
        if (at_once)
            continue;
        figures_put(figures);
        figures_hold(figures);
        if (!figures_walk_holds(figures, &walk))
            return false;
    }
    return true;
}

static uint64_t since_of(const struct needs *needs, const struct figures_extent *extent)
{
    uint32_t from = extent->whole_from;
    if (needs->detail && extent->detail_from > from)
        from = extent->detail_from;
    return (uint64_t)from * FIGURES_HOUR_MS;
}

static void run_on(struct report *report, struct figures *figures, const _Atomic bool *stop,
                   struct groups *groups)
{
    struct needs needs = needs_of(&report->ask);
    bool whole = false;
    figures_hold(figures);
    figures_fold_all(figures);
    for (int tries = 0; !whole && tries <= RESTARTS; tries++) {
        groups_empty(groups);
        if (atomic_load_explicit(stop, memory_order_relaxed))
            break;
        whole = walk_all(report, figures, &needs, stop, tries == RESTARTS, groups);
    }
    struct figures_extent extent = figures_extent(figures);
    figures_put(figures);
    report->since_ms = since_of(&needs, &extent);
    report->outcome = whole ? REPORT_DONE : REPORT_STOPPED;
}

void report_run(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                uint64_t engine_ms, uint64_t wall_ms)
{
    const struct kind *kind = &kinds[report->ask.name];
    struct figures *figures = ctx->ledger->figures;
    struct groups groups = { 0 };
    report->columns = kind->columns;
    report->column_count = kind->column_count;
    assert(kind->column_count <= REPORT_VALUES);
    if (!figures) {
        report->outcome = REPORT_NOT_KEPT;
        return;
    }
    run_on(report, figures, stop, &groups);
    ledger_begin(ctx, engine_ms, wall_ms);
    if (report->outcome == REPORT_DONE)
        report_make_rows(report, ctx, &groups, kind->values);
    ledger_end(ctx);
    groups_free(&groups);
}
