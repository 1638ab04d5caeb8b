/* SPDX-License-Identifier: Apache-2.0 */
/* Each report: its columns, what it sums up, and the values of its rows. */
#include <assert.h>
#include <math.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

/* ---- figures: a group's sums ---- */

enum { SUM_SOLD, SUM_ORDERS, SUM_ON_HAND };
enum { SUM_WANTED, SUM_REFUSED_ORDERS, SUM_MISSING };
enum { SUM_RETURNED, SUM_RETURNS, SUM_DAMAGED };
enum { SUM_KEPT, SUM_KEPT_LINES, SUM_LATE, SUM_LATE_LINES, SUM_DELAY_S };

static bool sum_sales(const struct report *report, const struct fact *f, int64_t *sums)
{
    (void)report;
    if (f->measure == MEASURE_OVERLAP)
        return sums[SUM_ORDERS] -= f->count, true;
    if (f->measure != MEASURE_SOLD)
        return false;
    sums[SUM_SOLD] += f->units;
    sums[SUM_ORDERS] += f->count;
    return true;
}

static bool sum_returns(const struct report *report, const struct fact *f, int64_t *sums)
{
    (void)report;
    if (f->measure == MEASURE_DAMAGED)
        return sums[SUM_DAMAGED] += f->units, true;
    if (f->measure != MEASURE_RETURNED)
        return false;
    sums[SUM_RETURNED] += f->units;
    sums[SUM_RETURNS] += f->count;
    return true;
}

static bool sum_refused(const struct report *report, const struct fact *f, int64_t *sums)
{
    (void)report;
    if (f->measure == MEASURE_REFUSED_OVERLAP)
        return sums[SUM_REFUSED_ORDERS] -= f->count, true;
    if (f->measure == MEASURE_MISSING)
        return sums[SUM_MISSING] += f->units, true;
    if (f->measure != MEASURE_REFUSED)
        return false;
    sums[SUM_WANTED] += f->units;
    sums[SUM_REFUSED_ORDERS] += f->count;
    return true;
}

static bool sum_promises(const struct report *report, const struct fact *f, int64_t *sums)
{
    (void)report;
    if (f->measure == MEASURE_DELAY)
        return sums[SUM_DELAY_S] += f->units, true;
    if (f->measure != MEASURE_KEPT && f->measure != MEASURE_LATE)
        return false;
    bool kept = f->measure == MEASURE_KEPT;
    sums[kept ? SUM_KEPT : SUM_LATE] += f->units;
    sums[kept ? SUM_KEPT_LINES : SUM_LATE_LINES] += f->count;
    return true;
}

/* ---- the values of a row ---- */

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

/* The first sums, as they are. */
static void copy_sums(const struct report *report, const int64_t *sums, double *values)
{
    for (unsigned i = 0; i < report->column_count; i++)
        values[i] = (double)sums[i];
}

static bool sales_values(const struct report *report, const int64_t *sums, double *values)
{
    assert(sums[SUM_ORDERS] >= 0);
    copy_sums(report, sums, values);
    return sums[SUM_SOLD] > 0;
}

static bool returns_values(const struct report *report, const int64_t *sums, double *values)
{
    copy_sums(report, sums, values);
    return sums[SUM_RETURNED] > 0;
}

static bool refused_values(const struct report *report, const int64_t *sums, double *values)
{
    copy_sums(report, sums, values);
    return sums[SUM_WANTED] > 0;
}

static bool sold_out_values(const struct report *report, const int64_t *sums, double *values)
{
    (void)report;
    values[0] = (double)sums[SUM_LOST];
    values[1] = (double)sums[SUM_TIMES];
    values[2] = (double)sums[SUM_OUT_MS] / 1000;
    values[3] = (double)sums[SUM_STILL_OUT];
    return sums[SUM_LOST] > 0 || sums[SUM_TIMES] > 0 || sums[SUM_OUT_MS] > 0;
}

static bool sell_through_values(const struct report *report, const int64_t *sums, double *values)
{
    int64_t on_hand = sums[SUM_ON_HAND] > 0 ? sums[SUM_ON_HAND] : 0;
    (void)report;
    values[0] = (double)sums[SUM_SOLD];
    values[1] = (double)sums[SUM_ORDERS];
    values[2] = (double)sums[SUM_ON_HAND];
    values[3] = share(sums[SUM_SOLD], sums[SUM_SOLD] + on_hand);
    return sums[SUM_SOLD] > 0 || sums[SUM_ON_HAND] != 0;
}

static bool promises_values(const struct report *report, const int64_t *sums, double *values)
{
    int64_t lines = sums[SUM_KEPT_LINES] + sums[SUM_LATE_LINES];
    (void)report;
    values[0] = (double)(sums[SUM_KEPT] + sums[SUM_LATE]);
    values[1] = (double)lines;
    values[2] = (double)sums[SUM_KEPT_LINES];
    values[3] = (double)sums[SUM_LATE_LINES];
    values[4] = share(sums[SUM_KEPT_LINES], lines);
    values[5] = share(sums[SUM_DELAY_S], sums[SUM_LATE_LINES]);
    return lines > 0;
}

/* A row of what is there now: if there is anything. */
static bool present_values(const struct report *report, const int64_t *sums, double *values)
{
    bool any = false;
    copy_sums(report, sums, values);
    for (unsigned i = 0; i < report->column_count; i++)
        any |= sums[i] != 0;
    return any;
}

/* ---- the reports ---- */

#define WHOLE(name)                                                                                \
    {                                                                                              \
        name, false                                                                                \
    }
#define REAL(name)                                                                                 \
    {                                                                                              \
        name, true                                                                                 \
    }

static const struct report_column stock_columns[] = { WHOLE("units"), WHOLE("reserved"),
                                                      WHOLE("available"), WHOLE("damaged"),
                                                      WHOLE("expected") };
static const struct report_column sales_columns[] = { WHOLE("units"), WHOLE("orders") };
static const struct report_column returns_columns[] = { WHOLE("units"), WHOLE("returns"),
                                                        WHOLE("damaged") };
static const struct report_column refused_columns[] = { WHOLE("units"), WHOLE("orders"),
                                                        WHOLE("missing") };
static const struct report_column sell_through_columns[] = { WHOLE("units"), WHOLE("orders"),
                                                             WHOLE("on_hand"),
                                                             REAL("sell_through") };
static const struct report_column sold_out_columns[] = { WHOLE("units"), WHOLE("times"),
                                                         REAL("sold_out_s"), WHOLE("still_out") };
static const struct report_column holds_columns[] = { WHOLE("units"),   WHOLE("orders"),
                                                      WHOLE("to_1m"),   WHOLE("to_15m"),
                                                      WHOLE("to_1h"),   WHOLE("over_1h"),
                                                      WHOLE("oldest_s") };
static const struct report_column parts_columns[] = { WHOLE("units"), WHOLE("orders"),
                                                      WHOLE("open"), WHOLE("ready"),
                                                      WHOLE("not_collected") };
static const struct report_column late_columns[] = { WHOLE("units"), WHOLE("lines"),
                                                     WHOLE("latest_s") };
static const struct report_column short_columns[] = { WHOLE("units"), WHOLE("pools") };
static const struct report_column promises_columns[] = { WHOLE("units"),     WHOLE("lines"),
                                                         WHOLE("kept"),      WHOLE("late"),
                                                         REAL("kept_share"), REAL("mean_late_s") };

#define COLUMNS(of) .columns = (of), .column_count = sizeof(of) / sizeof *(of)

static const struct kind {
    const struct report_column *columns;
    unsigned column_count;
    report_sum *sum; /* of facts; NULL: none */
    /* Of what is there now; NULL: nothing. False: stopped, or no memory. */
    bool (*look)(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                 struct groups *groups);
    report_values *values;
} kinds[] = {
    [REPORT_STOCK] = { COLUMNS(stock_columns), .look = report_stock, .values = present_values },
    [REPORT_SALES] = { COLUMNS(sales_columns), .sum = sum_sales, .values = sales_values },
    [REPORT_RETURNS] = { COLUMNS(returns_columns), .sum = sum_returns, .values = returns_values },
    [REPORT_REFUSED] = { COLUMNS(refused_columns), .sum = sum_refused, .values = refused_values },
    [REPORT_SELL_THROUGH] = { COLUMNS(sell_through_columns), .sum = sum_sales,
                              .values = sell_through_values },
    [REPORT_SOLD_OUT] = { COLUMNS(sold_out_columns), .sum = sum_sold_out,
                          .values = sold_out_values },
    [REPORT_HOLDS] = { COLUMNS(holds_columns), .look = report_holds, .values = present_values },
    [REPORT_PARTS] = { COLUMNS(parts_columns), .look = report_parts, .values = present_values },
    [REPORT_LATE] = { COLUMNS(late_columns), .look = report_late, .values = present_values },
    [REPORT_SHORT] = { COLUMNS(short_columns), .look = report_short, .values = present_values },
    [REPORT_PROMISES] = { COLUMNS(promises_columns), .sum = sum_promises,
                          .values = promises_values },
};

_Static_assert(sizeof kinds / sizeof *kinds == REPORT_COUNT, "each report has a kind");

/* The facts, if the report is of any. The context is not in an iteration: a long one would keep an
 * old catalogue alive. */
static void sum_facts(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                      struct groups *groups)
{
    struct outs outs = { 0 };
    bool sold_out = report->ask.name == REPORT_SOLD_OUT;
    report_sum_facts(report, ctx, kinds[report->ask.name].sum, stop, groups,
                     sold_out ? &outs : NULL);
    if (sold_out && report->outcome == REPORT_DONE && !groups->no_memory)
        report_sold_out(report, &outs, groups);
    outs_free(&outs);
}

/* What is there now. The context is in an iteration. */
static void look(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                 struct groups *groups)
{
    const struct kind *kind = &kinds[report->ask.name];
    bool whole = true;
    if (kind->look)
        whole = kind->look(report, ctx, stop, groups);
    if (report->ask.name == REPORT_SELL_THROUGH)
        whole = report_on_hand(report, ctx, stop, groups, SUM_ON_HAND);
    if (whole)
        report_make_rows(report, ctx, groups, kind->values);
    else
        report->outcome = REPORT_STOPPED;
}

void report_run(struct report *report, struct ctx *ctx, const _Atomic bool *stop,
                uint64_t engine_ms, uint64_t wall_ms)
{
    const struct kind *kind = &kinds[report->ask.name];
    struct figures *figures = ctx->ledger->figures;
    struct groups groups = { 0 };
    assert(kind->column_count <= REPORT_VALUES);
    report->columns = kind->columns;
    report->column_count = kind->column_count;
    report->now_ms = wall_ms;
    report->outcome = kind->sum && !figures ? REPORT_NOT_KEPT : REPORT_DONE;
    if (kind->sum && figures)
        sum_facts(report, ctx, stop, &groups);
    ledger_begin(ctx, engine_ms, wall_ms);
    if (report->outcome == REPORT_DONE)
        look(report, ctx, stop, &groups);
    ledger_end(ctx);
    groups_free(&groups);
}
