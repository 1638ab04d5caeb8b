/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of figures: the facts, summed up by the key that is asked for. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

enum { SLICE = 1 << 16, RESTARTS = 3 };

/* Which facts a report needs. */
struct needs {
    bool item, place, channel, hour; /* does the report tell these apart? */
    bool detail;                     /* only single cells will do */
    bool crossings;                  /* also those after the span */
    struct report_span span;
};

struct report_span report_span_of(const struct report_ask *ask)
{
    return (struct report_span){ .from = ask->has_from ? figures_hour(ask->from_ms) : 0,
                                 .to = ask->has_to ? figures_hour(ask->to_ms + FIGURES_HOUR_MS - 1)
                                                   : FIGURES_HOURS_MAX };
}

static struct needs needs_of(const struct report_ask *ask)
{
    struct needs n = { .item = ask->by == BY_SKU || ask->has_item,
                       .place = ask->by == BY_LOCATION || ask->has_location,
                       .channel = ask->by == BY_CHANNEL || ask->has_channel };
    n.crossings = ask->name == REPORT_SOLD_OUT;
    n.span = report_span_of(ask);
    n.hour = ask->by == BY_HOUR || n.span.from % HOURS_A_DAY != 0 ||
             (n.span.to != FIGURES_HOURS_MAX && n.span.to % HOURS_A_DAY != 0);
    n.detail = n.item && (n.place || n.channel || n.hour);
    return n;
}

/* The hour from which on there is what the report needs. */
static uint32_t since_hour(const struct needs *n, const struct figures_extent *extent)
{
    uint32_t from = extent->whole_from;
    if (n->detail && extent->detail_from > from)
        from = extent->detail_from;
    if (n->crossings && extent->crossings_from > from)
        from = extent->crossings_from;
    return from;
}

/* Does the report sum up facts of this form? */
static bool wants_form(const struct needs *n, const struct figures_walk *walk, uint32_t since)
{
    const struct fact *f = &walk->fact;
    bool item = f->item != FACT_NO_ITEM;
    bool after = n->crossings && f->measure != MEASURE_MISSING;
    if (f->hour < n->span.from || f->hour < since || (f->hour >= n->span.to && !after))
        return false;
    if (f->measure == MEASURE_OVERLAP || f->measure == MEASURE_REFUSED_OVERLAP)
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
        return f->location == FACT_NO_CODE ? GROUP_NO_KEY : f->location;
    case BY_SKU:
        return f->item;
    case BY_DAY:
        return f->hour / HOURS_A_DAY;
    default:
        return f->hour;
    }
}

/* ---- the walk ---- */

struct summing {
    struct report *report;
    report_sum *sum;
    struct needs needs;
    const _Atomic bool *stop;
    struct groups *groups;
};

static void take_fact(const struct summing *s, const struct figures_walk *walk, uint32_t since)
{
    int64_t trial[GROUP_SUMS] = { 0 };
    const struct report_ask *ask = &s->report->ask;
    const struct fact *f = &walk->fact;
    if (s->sum(s->report, f, trial) && wants_form(&s->needs, walk, since) && passes(ask, f))
        s->sum(s->report, f, groups_find(s->groups, key_of(ask, f))->sums);
}

/* Walks all facts, and lets go of the store between slices. False: stopped, or facts moved. */
static bool walk_all(const struct summing *s, struct figures *figures, bool at_once)
{
    struct figures_walk walk;
    struct figures_extent extent = figures_extent(figures);
    uint32_t since = since_hour(&s->needs, &extent);
    s->report->since_ms = (uint64_t)since * FIGURES_HOUR_MS;
    figures_walk_start(figures, &walk);
    for (uint64_t i = 1; figures_walk_next(figures, &walk); i++) {
        take_fact(s, &walk, since);
        if (i % SLICE != 0)
            continue;
        if (atomic_load_explicit(s->stop, memory_order_relaxed))
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

void report_sum_facts(struct report *report, struct ctx *ctx, report_sum *sum,
                      const _Atomic bool *stop, struct groups *groups, struct outs *outs)
{
    struct summing s = { report, sum, needs_of(&report->ask), stop, groups };
    struct figures *figures = ctx->ledger->figures;
    bool whole = false;
    figures_hold(figures);
    figures_fold_all(figures);
    if (outs && !outs_copy(outs, report, ctx))
        groups->no_memory = true;
    for (int tries = 0; !whole && tries <= RESTARTS; tries++) {
        groups_empty(groups);
        if (atomic_load_explicit(stop, memory_order_relaxed))
            break;
        whole = walk_all(&s, figures, tries == RESTARTS);
    }
    if (outs)
        figures_keep_crossings_back(figures, false);
    figures_put(figures);
    report->outcome = whole ? REPORT_DONE : REPORT_STOPPED;
}
