/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/sale.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/figures/figures.h"

static void note(struct ctx *ctx, const struct fact *fact)
{
    figures_note(ctx->ledger->figures, ctx->index, fact);
}

/* ---- the cells of a step ---- */

static int by_item(const void *left, const void *right)
{
    const struct sale_cell *a = left, *b = right;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    return (int)a->location - (int)b->location;
}

static int by_location(const void *left, const void *right)
{
    const struct sale_cell *a = left, *b = right;
    return (int)a->location - (int)b->location;
}

static void add_to(struct sale_cell *sum, const struct sale_cell *cell)
{
    sum->before |= cell->before;
    sum->now |= cell->now;
    sum->units += cell->units;
}

static void merge_cells(struct sale_work *work, uint32_t listed)
{
    qsort(work->cells, listed, sizeof *work->cells, by_item);
    work->count = 0;
    for (uint32_t i = 0; i < listed; i++) {
        struct sale_cell *last = work->count > 0 ? &work->cells[work->count - 1] : NULL;
        if (last && by_item(last, &work->cells[i]) == 0)
            add_to(last, &work->cells[i]);
        else
            work->cells[work->count++] = work->cells[i];
    }
}

/* Lists the reservation's draws, and makes those of one item at one place one. */
static void list_cells(struct ctx *ctx, struct id_entry *reservation, const struct step_part *parts,
                       uint32_t count)
{
    const struct items *items = &ctx->ledger->items;
    struct sale_work *work = ctx->sale;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, reservation);
    const struct draw *draw;
    uint32_t draws = 0;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool_at(items, draw->pool));
        work->cells[draws++] = (struct sale_cell){ .item = key_item(key),
                                                   .location = key_location(key),
                                                   .before = draw->fulfilled > 0 };
    }
    for (uint32_t i = 0; i < count; i++) {
        assert(parts[i].index < draws);
        work->cells[parts[i].index].now = true;
        work->cells[parts[i].index].units += parts[i].qty;
    }
    ctx->work += draws * DRAW_WORK;
    merge_cells(work, draws);
}

/* How often the order counts in the cells from there up to another, beyond the once that it may
 * count in all of them together. */
static uint32_t too_often(const struct sale_work *work, uint32_t from, uint32_t to)
{
    bool before = false;
    uint32_t counted = 0;
    for (uint32_t i = from; i < to; i++) {
        before |= work->cells[i].before;
        counted += work->cells[i].now && !work->cells[i].before;
    }
    return counted - (!before && counted > 0);
}

static void note_overlap(struct ctx *ctx, const struct fact *of, uint32_t from, uint32_t to)
{
    struct fact fact = *of;
    fact.measure = MEASURE_OVERLAP;
    fact.count = too_often(ctx->sale, from, to);
    if (fact.count > 0)
        note(ctx, &fact);
}

static void note_overlaps(struct ctx *ctx, const struct fact *base)
{
    struct sale_work *work = ctx->sale;
    struct fact all = *base;
    all.item = FACT_NO_ITEM;
    all.location = FACT_NO_CODE;
    note_overlap(ctx, &all, 0, work->count);
    for (uint32_t from = 0, to; from < work->count; from = to) {
        struct fact item = all;
        item.item = work->cells[from].item;
        for (to = from + 1; to < work->count && work->cells[to].item == item.item;)
            to++;
        note_overlap(ctx, &item, from, to);
    }
    qsort(work->cells, work->count, sizeof *work->cells, by_location);
    for (uint32_t from = 0, to; from < work->count; from = to) {
        struct fact place = all;
        place.location = work->cells[from].location;
        for (to = from + 1; to < work->count && work->cells[to].location == place.location;)
            to++;
        note_overlap(ctx, &place, from, to);
    }
}

static void note_cells(struct ctx *ctx, const struct fact *base)
{
    const struct sale_work *work = ctx->sale;
    for (uint32_t i = 0; i < work->count; i++) {
        const struct sale_cell *cell = &work->cells[i];
        struct fact fact = *base;
        fact.item = cell->item;
        fact.location = cell->location;
        fact.measure = MEASURE_SOLD;
        fact.units = cell->units;
        fact.count = !cell->before;
        if (cell->now)
            note(ctx, &fact);
    }
}

/* ---- promises ---- */

/* Of draws that are ready at once nothing is promised but the stock. */
static void note_promise(struct ctx *ctx, const struct id_entry *reservation,
                         const struct step_part *part, struct fact fact, uint64_t time_ms)
{
    uint64_t ready_ms = draw_ready_ms(reservation, part->draw);
    if (ready_ms == READY_NEVER || ready_ms <= reservation->created_ms)
        return;
    fact.units = part->qty;
    fact.count = 1;
    fact.measure = time_ms <= ready_ms ? MEASURE_KEPT : MEASURE_LATE;
    note(ctx, &fact);
    if (fact.measure == MEASURE_KEPT)
        return;
    uint64_t late_s = (time_ms - ready_ms + 999) / 1000;
    fact.units = late_s < UINT32_MAX ? (uint32_t)late_s : UINT32_MAX;
    fact.measure = MEASURE_DELAY;
    note(ctx, &fact);
}

static void note_promises(struct ctx *ctx, const struct id_entry *reservation,
                          const struct step_part *parts, uint32_t count, const struct fact *base,
                          uint64_t time_ms)
{
    const struct items *items = &ctx->ledger->items;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = pool_read_key(pool_at(items, parts[i].draw->pool));
        struct fact fact = *base;
        fact.item = key_item(key);
        fact.location = key_location(key);
        note_promise(ctx, reservation, &parts[i], fact, time_ms);
    }
}

/* ---- */

void sale_note(struct ctx *ctx, struct id_entry *reservation, const struct step_part *parts,
               uint32_t count, uint64_t time_ms)
{
    struct fact base = { .channel = reservation->channel, .hour = figures_hour(time_ms) };
    if (!ctx->ledger->figures || count == 0)
        return;
    if (reservation->draw_count == 1) {
        uint64_t key = pool_read_key(pool_at(&ctx->ledger->items, parts->draw->pool));
        struct fact fact = base;
        fact.item = key_item(key);
        fact.location = key_location(key);
        fact.measure = MEASURE_SOLD;
        fact.units = parts->qty;
        fact.count = parts->draw->fulfilled == 0;
        note(ctx, &fact);
    } else {
        list_cells(ctx, reservation, parts, count);
        note_cells(ctx, &base);
        if (ctx->sale->count > 1)
            note_overlaps(ctx, &base);
    }
    if (reservation->timed)
        note_promises(ctx, reservation, parts, count, &base, time_ms);
}

void sale_note_till(struct ctx *ctx, uint16_t channel, uint64_t time_ms)
{
    struct fact base = { .channel = channel, .hour = figures_hour(time_ms) };
    if (!ctx->ledger->figures)
        return;
    assert(ctx->sale->count <= DRAWS_MAX);
    merge_cells(ctx->sale, ctx->sale->count);
    note_cells(ctx, &base);
    if (ctx->sale->count > 1)
        note_overlaps(ctx, &base);
}

void sale_note_return(struct ctx *ctx, const struct movement_record *record, int64_t units)
{
    struct fact fact = { .item = record->pool.item,
                         .location = record->pool.location,
                         .channel =
                             record->channel > 0 ? (uint16_t)(record->channel - 1) : FACT_NO_CODE,
                         .hour = figures_hour(record->time_ms),
                         .measure = MEASURE_RETURNED,
                         .units = (uint32_t)units,
                         .count = 1 };
    note(ctx, &fact);
    fact.measure = MEASURE_DAMAGED;
    if (owner_kind(record->pool.owner) == POOL_DAMAGED)
        note(ctx, &fact);
}
