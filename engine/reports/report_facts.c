/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of figures: the facts, summed up by the key that is asked for. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

enum { SLICE = 1 << 16, RESTARTS = 3, HOURS = 24 };

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
        return f->hour / HOURS;
    default:
        return f->hour;
    }
}

/* ---- the walk ---- */

struct summing {
    const struct report *report;
    report_sum *sum;
    struct needs needs;
    const _Atomic bool *stop;
    struct groups *groups;
};

static void take_fact(const struct summing *s, const struct figures_walk *walk,
                      const struct figures_extent *extent)
{
    int64_t trial[GROUP_SUMS] = { 0 };
    const struct report_ask *ask = &s->report->ask;
    const struct fact *f = &walk->fact;
    if (s->sum(f, trial) && wants_form(&s->needs, walk, extent) && passes(ask, f))
        s->sum(f, groups_find(s->groups, key_of(ask, f))->sums);
}

/* Walks all facts, and lets go of the store between slices. False: stopped, or facts moved. */
static bool walk_all(const struct summing *s, struct figures *figures, bool at_once)
{
    struct figures_walk walk;
    struct figures_extent extent = figures_extent(figures);
    figures_walk_start(figures, &walk);
    for (uint64_t i = 1; figures_walk_next(figures, &walk); i++) {
        take_fact(s, &walk, &extent);
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

static uint64_t since_of(const struct needs *needs, const struct figures_extent *extent)
{
    uint32_t from = extent->whole_from;
    if (needs->detail && extent->detail_from > from)
        from = extent->detail_from;
    return (uint64_t)from * FIGURES_HOUR_MS;
}

void report_sum_facts(struct report *report, struct figures *figures, report_sum *sum,
                      const _Atomic bool *stop, struct groups *groups)
{
    struct summing s = { report, sum, needs_of(&report->ask), stop, groups };
    bool whole = false;
    figures_hold(figures);
    figures_fold_all(figures);
    for (int tries = 0; !whole && tries <= RESTARTS; tries++) {
        groups_empty(groups);
        if (atomic_load_explicit(stop, memory_order_relaxed))
            break;
        whole = walk_all(&s, figures, tries == RESTARTS);
    }
    struct figures_extent extent = figures_extent(figures);
    figures_put(figures);
    report->since_ms = since_of(&s.needs, &extent);
    report->outcome = whole ? REPORT_DONE : REPORT_STOPPED;
}
