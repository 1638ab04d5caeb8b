/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of reports in snapshot contents. */
#include <errno.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/replay/contents_loading.h"

/* ---- writing ---- */

static int put(const struct contents_sink *sink, const struct contents_fact *saved)
{
    unsigned char *at = sink->room(sink->context, CONTENTS_FIGURES, sizeof *saved);
    if (!at)
        return -EIO;
    memcpy(at, saved, sizeof *saved);
    return 0;
}

static int write_facts(const struct contents_sink *sink, struct figures *figures)
{
    struct figures_extent extent = figures_extent(figures);
    struct contents_fact first = { .item = extent.detail_from,
                                   .hour = extent.whole_from,
                                   .units = extent.crossings_from,
                                   .count = 1 };
    struct figures_walk walk;
    int error = put(sink, &first);
    figures_walk_start(figures, &walk);
    while (!error && figures_walk_next(figures, &walk)) {
        const struct fact *f = &walk.fact;
        struct contents_fact saved = { f->item,    f->location, f->channel, f->hour,
                                       f->measure, f->units,    f->count };
        if (f->hour >= extent.whole_from)
            error = put(sink, &saved);
    }
    return error;
}

int contents_write_figures(const struct ledger *ledger, const struct contents_sink *sink)
{
    struct figures *figures = ledger->figures;
    if (!figures)
        return 0;
    figures_hold(figures);
    figures_fold_all(figures);
    int error = write_facts(sink, figures);
    figures_put(figures);
    return error;
}

/* ---- loading ---- */

_Static_assert(sizeof(struct contents_fact) % 8 == 0, "records are a multiple of 8 bytes long");

/* The first hour that began after the snapshot's last change. */
static uint32_t hour_after(const struct contents_totals *totals)
{
    return totals->last_ms > 0 ? figures_hour(totals->last_ms) + 1 : 0;
}

static bool fact_can_be(const struct loading *l, const struct contents_fact *f)
{
    const struct catalogue *catalogue = atomic_load(&l->ledger->catalogue);
    return f->measure > MEASURE_NONE && f->measure < MEASURES && f->hour < FIGURES_HOURS_MAX &&
           (f->item == FACT_NO_ITEM || f->item < l->load->totals.items) &&
           (f->location == FACT_NO_CODE || f->location < catalogue->location_count) &&
           (f->channel == FACT_NO_CODE || f->channel < catalogue->channel_count);
}

/* What was written before crossings were facts has a count of 0. */
static void begin(const struct loading *l, const struct contents_fact *first)
{
    struct figures_extent extent = { .detail_from = first->item,
                                     .whole_from = first->hour,
                                     .crossings_from = first->units };
    if (first->count == 0)
        extent.crossings_from = hour_after(&l->load->totals);
    figures_begin(l->ledger->figures, &extent);
}

int contents_load_figures(struct loading *l, const unsigned char *at, size_t left)
{
    struct figures *figures = l->ledger->figures;
    struct contents_fact saved;
    for (; figures && left >= sizeof saved; at += sizeof saved, left -= sizeof saved) {
        memcpy(&saved, at, sizeof saved);
        if (saved.measure == MEASURE_NONE) {
            begin(l, &saved);
            continue;
        }
        if (!fact_can_be(l, &saved))
            return contents_complain(l->complaint, -EINVAL, "a figure is of nothing that exists");
        struct fact fact = { saved.item,    saved.location, saved.channel, saved.hour,
                             saved.measure, saved.units,    saved.count };
        figures_add(figures, &fact);
    }
    if (!figures || left == 0)
        return 0;
    return contents_complain(l->complaint, -EINVAL, "a figure is truncated");
}

/* Of what came before a snapshot that has no figures, nothing is known. */
void contents_begin_figures(struct ledger *ledger, const struct contents_totals *totals)
{
    uint32_t after = hour_after(totals);
    struct figures_extent extent = { .detail_from = after, .whole_from = after };
    if (ledger->figures)
        figures_begin(ledger->figures, &extent);
}
