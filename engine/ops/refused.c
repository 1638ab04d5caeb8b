/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/refused.h"

#include <assert.h>

#include "engine/base/fingerprint.h"
#include "engine/figures/figures.h"
#include "engine/ledger/claim.h"
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

/* Of one order's lines, those of one item are one. */
static bool add_to_line(struct refused_work *work, uint32_t from, const struct refused_line *line)
{
    for (uint32_t i = from; i < work->count; i++) {
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

static void add_line(struct refused_work *work, uint32_t from, const struct refused_line *line)
{
    if (add_to_line(work, from, line))
        return;
    if (work->count < REFUSED_LINES)
        work->lines[work->count++] = *line;
    else
        add_to_line(work, 0, line);
}

static void add_order(struct ctx *ctx, uint16_t channel, uint64_t who)
{
    struct items *items = &ctx->ledger->items;
    struct refused_work *work = ctx->refused;
    uint32_t from = work->count;
    for (unsigned i = 0; i < ctx->failure.short_count; i++) {
        const struct shortfall *s = &ctx->failure.shorts[i];
        int64_t item = items_find(items, s->sku, sku_hash(items, s->sku));
        struct refused_line line = { .who = who,
                                     .wanted = (uint32_t)s->wanted,
                                     .missing = (uint32_t)(s->wanted - s->available),
                                     .orders = 1,
                                     .channel = channel };
        if (item < 0 || s->wanted <= s->available)
            continue;
        line.item = (uint32_t)item;
        add_line(work, from, &line);
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
