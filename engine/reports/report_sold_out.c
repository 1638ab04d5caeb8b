/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times without stock: from when an item on a channel sold out until it was back.
 *
 * The facts are the two ends of such times, each by itself, and the levels tell what is sold out
 * now. So a report goes back from now: how many were sold out at an earlier moment is how many are
 * now, less those that sold out since, plus those that came back since. It needs no fact from
 * before its span. The time without stock between two moments, summed up over what sold out and
 * came back between them, is
 *
 *     (how many were sold out at the first one) x (from the first to the second)
 *         + for each that sold out: from then to the second
 *         - for each that came back: from then to the second
 *
 * A time that began before the span, or before all facts that are kept, so counts from there; one
 * that goes on counts up to the end of the span, or to now.
 */
#include <assert.h>
#include <sched.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

_Static_assert(LEVEL_OUT == 3, "as levels_outs_of takes it");

enum { OUTS_PER_WORD = sizeof(uint64_t) * LEVELS_PER_BYTE };

/* ---- what is sold out now ---- */

static size_t size_of(const struct outs *outs)
{
    return (size_t)(outs->end - outs->first) * outs->plane * sizeof *outs->words;
}

static void copy_planes(struct outs *outs, const struct levels *levels, uint32_t items)
{
    for (uint16_t channel = outs->first; channel < outs->end; channel++) {
        const unsigned char *plane = levels_plane(levels, channel);
        uint64_t *to = &outs->words[(channel - outs->first) * outs->plane];
        for (size_t i = 0; i <= items / OUTS_PER_WORD; i++) {
            uint64_t word;
            memcpy(&word, plane + i * sizeof word, sizeof word);
            if (word != 0) /* memory that nothing is sold out in is not touched */
                to[i] = levels_outs_of(word);
        }
    }
}

/* Whoever looks for crossings meanwhile, looks later: it is for a moment. */
static bool copy_watched(struct outs *outs, struct ledger *ledger)
{
    struct crossing_watch *w = &ledger->crossings;
    outs->plane = w->levels.plane / sizeof *outs->words;
    outs->words = memory_reserve_scattered(size_of(outs));
    while (atomic_exchange_explicit(&w->busy, true, memory_order_acquire)) /* @watch */
        sched_yield();
    figures_fold_all(ledger->figures);
    figures_keep_crossings_back(ledger->figures, true); /* G4 */
    if (outs->words)
        copy_planes(outs, &w->levels,
                    atomic_load_explicit(&ledger->items.count, memory_order_acquire));
    atomic_store_explicit(&w->busy, false, memory_order_release);
    return outs->words != NULL;
}

bool outs_copy(struct outs *outs, const struct report *report, struct ctx *ctx)
{
    const struct report_ask *ask = &report->ask;
    ledger_begin(ctx, ctx->engine_ms, ctx->wall_ms);
    outs->first = ask->has_channel ? ask->channel : 0;
    outs->end = ask->has_channel ? ask->channel + 1 : catalogue_now(ctx)->channel_count;
    bool copied = copy_watched(outs, ctx->ledger);
    ledger_end(ctx);
    return copied;
}

void outs_free(struct outs *outs)
{
    memory_release(outs->words, size_of(outs));
}

/* Adds what is sold out now to the groups of its channels or items. Returns how much it is. */
static int64_t add_outs(const struct report *report, const struct outs *outs, struct groups *groups)
{
    const struct report_ask *ask = &report->ask;
    int64_t all = 0;
    for (size_t i = 0; i < (outs->end - outs->first) * outs->plane; i++) {
        uint32_t channel = outs->first + (uint32_t)(i / outs->plane);
        for (uint64_t word = outs->words[i]; word != 0; word &= word - 1) {
            uint32_t item = (uint32_t)(i % outs->plane) * OUTS_PER_WORD +
                            (uint32_t)__builtin_ctzll(word) / LEVEL_BITS;
            if (ask->has_item && item != ask->item)
                continue;
            all++;
            if (ask->by == BY_CHANNEL || ask->by == BY_SKU)
                groups_find(groups, ask->by == BY_SKU ? item : channel)->sums[SUM_STILL_OUT]++;
        }
    }
    return all;
}

/* ---- times ---- */

struct part {
    uint64_t from_ms, to_ms; /* the same, or to_ms is earlier: there is nothing of it */
};

static uint64_t ms_of(uint32_t hour)
{
    return (uint64_t)hour * FIGURES_HOUR_MS;
}

/* The part of the span that there are figures of: up to now. */
static struct part whole_part(const struct report *report)
{
    struct report_span span = report_span_of(&report->ask);
    struct part part = { ms_of(span.from), ms_of(span.to) };
    if (part.from_ms < report->since_ms)
        part.from_ms = report->since_ms;
    if (part.to_ms > report->now_ms)
        part.to_ms = report->now_ms;
    return part;
}

static uint32_t hours_of_key(const struct report *report)
{
    return report->ask.by == BY_DAY ? HOURS_A_DAY : 1;
}

/* The part in that day or hour. */
static struct part part_of_key(const struct report *report, uint32_t key)
{
    struct part part = whole_part(report);
    uint32_t hours = hours_of_key(report);
    if (part.from_ms < ms_of(key * hours))
        part.from_ms = ms_of(key * hours);
    if (part.to_ms > ms_of((key + 1) * hours))
        part.to_ms = ms_of((key + 1) * hours);
    return part;
}

static bool by_time(const struct report *report)
{
    return report->ask.by == BY_DAY || report->ask.by == BY_HOUR;
}

/* ---- the sums of a group ---- */

bool sum_sold_out(const struct report *report, const struct fact *f, int64_t *sums)
{
    if (f->measure == MEASURE_MISSING)
        return sums[SUM_LOST] += f->units, true;
    if (f->measure != MEASURE_SOLD_OUT && f->measure != MEASURE_BACK_IN_STOCK)
        return false;
    int64_t sign = f->measure == MEASURE_SOLD_OUT ? 1 : -1;
    if (f->hour >= report_span_of(&report->ask).to)
        return sums[SUM_LATER] += sign * f->count, true;
    struct part part =
        by_time(report) ? part_of_key(report, f->hour / hours_of_key(report)) : whole_part(report);
    sums[sign > 0 ? SUM_TIMES : SUM_BACKS] += f->count;
    if (ms_of(f->hour) < part.to_ms) /* else the clock was set back: it is after the end */
        sums[SUM_OUT_MS] +=
            sign * ((int64_t)(part.to_ms - ms_of(f->hour)) * f->count - (int64_t)f->units);
    return true;
}

/* Of so many that are sold out at the part's end. Returns how many were at its begin. */
static int64_t finish_group(int64_t *sums, struct part part, int64_t out)
{
    int64_t before = out - sums[SUM_TIMES] + sums[SUM_BACKS];
    sums[SUM_STILL_OUT] = out;
    if (part.to_ms > part.from_ms && before > 0)
        sums[SUM_OUT_MS] += before * (int64_t)(part.to_ms - part.from_ms);
    if (sums[SUM_OUT_MS] < 0) /* by some ms: two contexts read the clock at different times */
        sums[SUM_OUT_MS] = 0;
    return before;
}

/* ---- rows of channels and items ---- */

static void finish_things(const struct report *report, struct groups *groups)
{
    struct part part = whole_part(report);
    for (uint32_t i = 0; i < groups->room; i++) {
        int64_t *sums = groups->at[i].sums;
        if (groups->at[i].used)
            finish_group(sums, part, sums[SUM_STILL_OUT] - sums[SUM_LATER]);
    }
}

/* ---- rows of days and hours ---- */

struct keys {
    uint32_t first, last; /* of groups; last < first: there are none */
    int64_t later;        /* what sold out after the span, less what came back */
};

static struct keys keys_of(const struct groups *groups)
{
    struct keys keys = { UINT32_MAX, 0, 0 };
    for (uint32_t i = 0; i < groups->room; i++) {
        const struct group *group = &groups->at[i];
        if (!group->used)
            continue;
        keys.later += group->sums[SUM_LATER];
        keys.first = group->key < keys.first ? group->key : keys.first;
        keys.last = group->key > keys.last ? group->key : keys.last;
    }
    return keys;
}

/* From the last one back to the first: a row for each in which anything was sold out. */
static void finish_times(const struct report *report, struct groups *groups, int64_t out)
{
    struct part whole = whole_part(report);
    struct keys keys = keys_of(groups);
    uint64_t key_ms = ms_of(hours_of_key(report));
    uint64_t key = whole.to_ms / key_ms;
    out -= keys.later;
    for (key = key < keys.last ? keys.last : key; !groups->no_memory; key--) {
        struct part part = part_of_key(report, (uint32_t)key);
        struct group *group = groups_look(groups, (uint32_t)key);
        if (!group && out > 0 && part.from_ms < part.to_ms)
            group = groups_find(groups, (uint32_t)key);
        if (group)
            out = finish_group(group->sums, part, out);
        if (key <= whole.from_ms / key_ms || (out <= 0 && key <= keys.first))
            break;
    }
}

void report_sold_out(const struct report *report, const struct outs *outs, struct groups *groups)
{
    int64_t out = add_outs(report, outs, groups);
    if (groups->no_memory)
        return;
    if (by_time(report))
        finish_times(report, groups, out);
    else
        finish_things(report, groups);
}
