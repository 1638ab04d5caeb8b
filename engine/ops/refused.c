/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/refused.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/figures/figures.h"
#include "engine/ledger/claim.h"
#include "engine/sourcing/sourcing.h"
#include "engine/store/refusals.h"

/* ---- facts ---- */

static void note_line(struct ctx *ctx, const struct refused_line *line, uint64_t time_ms)
{
    struct fact fact = { .item = line->item,
                         .location = FACT_NO_CODE,
                         .channel = line->channel,
                         .hour = figures_hour(time_ms),
                         .measure = MEASURE_REFUSED,
                         .units = line->wanted,
                         .count = line->orders };
    figures_note(ctx->ledger->figures, ctx->index, &fact);
    fact.measure = MEASURE_MISSING;
    fact.units = line->missing;
    figures_note(ctx->ledger->figures, ctx->index, &fact);
    if (line->repeated == 0)
        return;
    fact.measure = MEASURE_REFUSED_OVERLAP;
    fact.item = FACT_NO_ITEM;
    fact.units = 0;
    fact.count = line->repeated;
    figures_note(ctx->ledger->figures, ctx->index, &fact);
}

void refused_apply(struct ctx *ctx, const struct refused_line *line, uint64_t time_ms)
{
    note_line(ctx, line, time_ms);
    refusals_remember(&ctx->ledger->refusals, line->who, time_ms / 1000);
}

/* ---- what waits ---- */

/* Of one channel and item, what waits of several orders can be one line. */
static bool add_to_line(struct refused_work *work, const struct refused_line *line)
{
    for (uint32_t i = 0; i < work->count; i++) {
        struct refused_line *at = &work->lines[i];
        if (at->item != line->item || at->channel != line->channel ||
            at->wanted > UINT32_MAX - line->wanted)
            continue;
        at->wanted += line->wanted;
        at->missing += line->missing;
        at->orders += line->who != at->who;
        return true;
    }
    return false;
}

static void add_line(struct refused_work *work, const struct refused_line *line)
{
    if (work->count < REFUSED_LINES)
        work->lines[work->count++] = *line;
    else
        add_to_line(work, line);
}

/* What was missing to an order, at the first line that has the item. */
struct missed {
    int64_t units[LINES_MAX];
    bool counted[LINES_MAX]; /* per line */
};

/* A line that fell short may be one of several that want the same units: those with its item that
 * are bound to its place, or that are free like it. The ones before it got theirs. */
static void add_missed(const struct order_plan *s, uint32_t line, int64_t available,
                       struct missed *m)
{
    const struct order *order = s->order;
    if (m->counted[line])
        return;
    m->units[s->first[line]] -= available;
    for (uint32_t i = line; i < order->line_count; i++)
        if (s->first[i] == s->first[line] && s->bound[i] == s->bound[line]) {
            m->units[s->first[line]] += order->lines[i].qty;
            m->counted[i] = true;
        }
}

/* The plan is that of the order, which it refused. */
static void sum_missed(const struct order_plan *s, const struct failure *failure, struct missed *m)
{
    const struct shortfall *shorts = failure->shorts;
    memset(m->units, 0, s->order->line_count * sizeof m->units[0]);
    memset(m->counted, 0, s->order->line_count * sizeof m->counted[0]);
    if (s->short_in_all)
        m->units[s->short_lines[0]] = shorts[0].wanted - shorts[0].available;
    for (unsigned i = 0; !s->short_in_all && i < failure->short_count; i++)
        add_missed(s, s->short_lines[i], shorts[i].available, m);
}

/* Sums what the order wanted of each item, at the first line that has it. */
static void sum_wanted(struct order_plan *s)
{
    const struct order *order = s->order;
    memset(s->wanted, 0, order->line_count * sizeof s->wanted[0]);
    for (uint32_t i = 0; i < order->line_count; i++)
        s->wanted[s->first[i]] += order->lines[i].qty;
}

static uint32_t as_recorded(int64_t units)
{
    return units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

static void add_order(struct ctx *ctx, uint16_t channel, uint64_t who)
{
    struct order_plan *s = ctx->order_plan;
    struct refused_work *work = ctx->refused;
    struct missed missed;
    uint32_t from = work->count;
    sum_wanted(s);
    sum_missed(s, &ctx->failure, &missed);
    for (uint32_t i = 0; i < s->order->line_count; i++) {
        struct refused_line line = { .who = who,
                                     .item = s->items[i],
                                     .wanted = as_recorded(s->wanted[i]),
                                     .missing = as_recorded(missed.units[i]),
                                     .orders = 1,
                                     .channel = channel };
        if (missed.units[i] > 0)
            add_line(work, &line);
    }
    if (work->count > from + 1)
        work->lines[from].repeated = work->count - from - 1;
}

void refused_note(struct ctx *ctx, const struct order *order)
{
    const struct catalogue *catalogue = catalogue_now(ctx); /* one version: it may change */
    const struct channel *channel = catalogue_channel(catalogue, order->channel);
    if (!ctx->ledger->figures || !channel)
        return;
    uint64_t who = mix_text(mix_text(0, order->channel), order->id);
    if (!refusals_remember(&ctx->ledger->refusals, who, ctx->wall_ms / 1000))
        return;
    assert(ctx->order_plan->order == order);
    add_order(ctx, channel_index(catalogue, channel), who);
    refused_write(ctx);
}

/* ---- writing ---- */

static bool may_write(struct ctx *ctx)
{
    struct refused_work *work = ctx->refused;
    uint64_t more = ctx->engine_ms - work->since_ms;
    work->since_ms = ctx->engine_ms;
    work->records =
        more < REFUSED_BURST - work->records ? work->records + (uint32_t)more : REFUSED_BURST;
    return work->records > 0 && figures_have_room(ctx->ledger->figures, ctx->index) &&
           ledger_has_room(ctx);
}

void refused_write(struct ctx *ctx)
{
    struct refused_work *work = ctx->refused;
    if (work->count == 0 || !may_write(ctx))
        return;
    struct refused_fields f = { .fixed = { .head = head_of(ctx, RECORD_REFUSED, 0),
                                           .time_ms = ctx->wall_ms,
                                           .line_count = (uint16_t)work->count } };
    f.fixed.head.client = 0; /* of several, perhaps */
    struct record_builder b = refused_begin(ctx->record, &f);
    for (uint32_t i = 0; i < work->count; i++) {
        record_add(&b, &work->lines[i], sizeof work->lines[i]);
        note_line(ctx, &work->lines[i], ctx->wall_ms); /* before it is published: G3 */
    }
    ctx_record(ctx, record_end(&b));
    work->records--;
    work->count = 0;
}
