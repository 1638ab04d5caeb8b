/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/crossings.h"

#include <assert.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/change_index.h"
#include "engine/ledger/claim.h"
#include "engine/ops/backlog.h"
#include "engine/ops/crossing_facts.h"
#include "engine/sourcing/candidates.h"

enum {
    WALK_MS = 4,           /* from one walk to the next */
    SLICE_MS = 1,          /* from one slice of a walk to the next */
    SLICE_WORK = 32 << 10, /* see ctx_work: at most a quarter of one thread's time */
    FEW_WORK = 3 << 10,   /* a walk that is no more than this is cheap, and need not wait so long */
    CHEAP_WORK = 2 << 10, /* of such walks, in a millisecond: some percent of the time */
    LOOK_WORK = 32,       /* at an item on a channel, besides its pools */
    VERSIONS_PER_WORK = 4,
};

/* ---- what is recorded ---- */

void crossings_seen(struct ledger *ledger, uint64_t lsn)
{
    struct crossing_watch *w = &ledger->crossings;
    atomic_store_explicit(&w->seen, lsn, memory_order_relaxed);
    atomic_store_explicit(&w->told, lsn, memory_order_relaxed);
    w->catalogue_lsn = lsn;
}

uint64_t crossings_seen_lsn(const struct ledger *ledger)
{
    const struct crossing_watch *w = &ledger->crossings;
    uint64_t seen = atomic_load_explicit(&w->seen, memory_order_relaxed);
    if (w->kept < seen)
        seen = w->kept;
    return w->all.on && w->catalogue_lsn <= seen ? w->catalogue_lsn - 1 : seen;
}

uint64_t ledger_crossings_lsn(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->crossings.told, memory_order_relaxed);
}

static void record(struct ctx *ctx, const struct level_record *levels, uint32_t count,
                   int64_t available)
{
    struct crossing_fields f = { .fixed = { .head = head_of(ctx, RECORD_CROSSING, 0),
                                            .time_ms = ctx->wall_ms,
                                            .seen_lsn = crossings_seen_lsn(ctx->ledger),
                                            .available = available,
                                            .level_count = (uint16_t)count } };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = crossing_begin(ctx->record, &f);
    record_add(&b, levels, count * (uint32_t)sizeof levels[0]);
    ctx_record(ctx, record_end(&b));
}

static void record_quiet(struct ctx *ctx, struct crossing_watch *w)
{
    if (w->quiet_count > 0)
        record(ctx, w->quiet, w->quiet_count, 0);
    w->quiet_count = 0;
}

/* ---- levels ---- */

/* What item_set has set; -1: nothing. */
static int64_t low_stock_of(const struct ledger *ledger, uint32_t item)
{
    const struct item_details *d =
        atomic_load_explicit(&ledger->items.details[item], memory_order_acquire);
    return d && d->has_low_stock ? d->low_stock : -1;
}

/* The first stock of an item is no crossing: before it, the item has no level on the channel. */
static enum level level_now(enum level before, int64_t available, int64_t low_stock)
{
    if (available <= 0)
        return before == LEVEL_NONE ? LEVEL_NONE : LEVEL_OUT;
    return available <= low_stock ? LEVEL_LOW : LEVEL_IN; /* @low */
}

static unsigned told_of(enum level before, enum level now, bool has_low_stock)
{
    unsigned told = 0;
    if (before == LEVEL_NONE)
        return 0;
    if (now == LEVEL_OUT)
        told |= TOLD_SOLD_OUT;
    if (before == LEVEL_OUT)
        told |= TOLD_BACK_IN_STOCK;
    if (before == LEVEL_IN && has_low_stock) /* it may have crossed both at once */
        told |= TOLD_LOW_STOCK;
    return told;
}

static void change_level(struct ctx *ctx, uint32_t item, uint16_t channel, enum level now,
                         int64_t available)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    enum level before = level_of(&w->levels, item, channel);
    unsigned told = told_of(before, now, low_stock_of(ctx->ledger, item) >= 0);
    struct level_record level = { item, channel, (uint8_t)(before | now << 4), (uint8_t)told };
    level_set(&w->levels, item, channel, now);
    if (told == 0) {
        w->quiet[w->quiet_count++] = level;
        if (w->quiet_count == CROSSING_QUIET)
            record_quiet(ctx, w);
        return;
    }
    record_quiet(ctx, w); /* one of them may be the level before */
    crossing_facts_note(ctx->ledger, &level, ctx->wall_ms); /* before it is published: G3 */
    record(ctx, &level, 1, available);
}

/* ---- looking ---- */

/* K2. A single take may be seen before it claims: then its context is still taking. */
static bool is_settled(const struct ctx *ctx, bool moving)
{
    uint64_t shown;
    const struct candidates *found = ctx->candidates;
    return !moving && !found->undecided && found->stable && /* @settled */
           ledger_shown_until(ctx->ledger, &shown);
}

static void look_again_later(struct crossing_watch *w, uint32_t item)
{
    if (w->kept == UINT64_MAX)
        w->kept = atomic_load_explicit(&w->seen, memory_order_relaxed);
    if (w->again_count < CROSSING_AGAIN)
        w->again[w->again_count++] = item;
    else
        w->catalogue_lsn = 0; /* then at all of them */
}

static void look_at(struct ctx *ctx, uint32_t item)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    uint16_t channels = catalogue_now(ctx)->channel_count;
    int64_t low_stock = low_stock_of(ctx->ledger, item);
    bool again = false;
    /* What a setting has freed is served first. Until it is known that nobody waits for it, it does
     * not show, so perhaps no order ever asks for it. */
    if (item_has(item_at(&ctx->ledger->items, item), ITEM_BACKLOG))
        again = !backlog_serve(ctx, item); /* @settings */
    for (uint16_t channel = 0; channel < channels; channel++) {
        bool moving;
        int64_t available = ledger_item_available(ctx, item, channel, &moving);
        enum level before = level_of(&w->levels, item, channel);
        enum level now = level_now(before, available, low_stock);
        if (now == before)
            continue;
        if (is_settled(ctx, moving))
            change_level(ctx, item, channel, now, available);
        else
            again = true;
    }
    if (again)
        look_again_later(w, item); /* @again */
    ctx->work += (uint64_t)LOOK_WORK * channels;
}

/* ---- walks ---- */

static bool may_go_on(struct ctx *ctx, uint64_t end)
{
    return ctx->work < end && ledger_has_room(ctx) && crossing_facts_have_room(ctx->ledger);
}

static void look_at_noted(struct ctx *ctx, uint64_t end)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    uint32_t items[CROSSING_AGAIN], count = w->again_count, done = 0;
    memcpy(items, w->again, count * sizeof items[0]);
    w->again_count = 0;
    for (; done < count && may_go_on(ctx, end); done++)
        look_at(ctx, items[done]);
    for (; done < count; done++)
        look_again_later(w, items[done]);
    if (w->again_count == 0)
        w->kept = UINT64_MAX;
}

/* Of a scan of so many versions: it reads those of one block, and passes over the others. */
static uint64_t scan_work(uint32_t versions)
{
    uint32_t read = versions < VERSIONS_PER_BLOCK ? versions : VERSIONS_PER_BLOCK;
    return read / VERSIONS_PER_WORK + versions / VERSIONS_PER_BLOCK;
}

/* False: there is no time for all of it. */
static bool go_on(struct ctx *ctx, struct crossing_walk *walk, uint64_t end)
{
    uint32_t item;
    uint64_t lsn;
    while (may_go_on(ctx, end)) {
        uint32_t from = walk->cursor;
        bool found = change_index_next(ctx->ledger, walk->since, &walk->cursor, &item, &lsn);
        ctx->work += scan_work(walk->cursor - from);
        if (!found) {
            walk->on = false;
            return true;
        }
        look_at(ctx, item);
    }
    return false;
}

/* The head is read first: all changes of the catalogue up to it are then seen, too. A walk also
 * meets what is not drained yet, such as what this iteration has done; the next one meets it
 * again. */
static void begin_walks(const struct ledger *ledger, struct crossing_watch *w)
{
    uint64_t seen = atomic_load_explicit(&w->seen, memory_order_relaxed);
    uint64_t head = log_head(ledger->log);
    bool changed = seen != atomic_load_explicit(&ledger->log->tail, memory_order_relaxed);
    if (!w->changed.on && changed)
        w->changed = (struct crossing_walk){ .on = true, .since = seen, .until = head };
    uint64_t catalogue_lsn = ledger_catalogue_lsn(ledger);
    if (!w->all.on && catalogue_lsn > w->catalogue_lsn) { /* @catalogue */
        w->catalogue_lsn = catalogue_lsn;
        w->all = (struct crossing_walk){ .on = true };
    }
}

/* While little changes, a look comes in the iteration of the change: then an item that comes and is
 * sold out a millisecond later was seen in stock. */
static uint64_t pause_after(const struct ctx *ctx, uint64_t work)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    if (w->changed.on || w->all.on)
        return SLICE_MS;
    if (work > FEW_WORK)
        return WALK_MS;
    w->cheap_work = w->cheap_ms == ctx->engine_ms ? w->cheap_work + work : work;
    w->cheap_ms = ctx->engine_ms;
    return w->cheap_work < CHEAP_WORK ? 0 : SLICE_MS;
}

static void slice(struct ctx *ctx)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    uint64_t begun = ctx->work, end = begun + SLICE_WORK;
    begin_walks(ctx->ledger, w);
    if (w->again_count > 0)
        look_at_noted(ctx, end);
    if (w->changed.on && go_on(ctx, &w->changed, end))
        atomic_store_explicit(&w->seen, w->changed.until, memory_order_relaxed);
    if (w->all.on)
        go_on(ctx, &w->all, end);
    record_quiet(ctx, w);
    figures_tend(ctx->ledger->figures, FIGURES_CROSSINGS);
    bool unfinished = w->changed.on || w->all.on || w->again_count > 0;
    uint64_t pause = pause_after(ctx, ctx->work - begun);
    atomic_store_explicit(&w->told, crossings_seen_lsn(ctx->ledger), memory_order_relaxed);
    atomic_store_explicit(&w->unfinished, unfinished, memory_order_relaxed);
    atomic_store_explicit(&w->next_ms, ctx->engine_ms + pause, memory_order_relaxed);
}

static bool is_something_to_do(const struct ledger *ledger)
{
    const struct crossing_watch *w = &ledger->crossings;
    return !log_has_failed(ledger->log) &&
           (atomic_load_explicit(&w->unfinished, memory_order_relaxed) ||
            atomic_load_explicit(&w->seen, memory_order_relaxed) !=
                atomic_load_explicit(&ledger->log->tail, memory_order_relaxed));
}

void ledger_tell_crossings(struct ctx *ctx)
{
    struct crossing_watch *w = &ctx->ledger->crossings;
    if (ctx->engine_ms < atomic_load_explicit(&w->next_ms, memory_order_relaxed) ||
        !is_something_to_do(ctx->ledger))
        return;
    if (atomic_exchange_explicit(&w->busy, true, memory_order_acquire)) /* @watch */
        return;
    slice(ctx);
    atomic_store_explicit(&w->busy, false, memory_order_release);
}

uint64_t ledger_crossings_due(const struct ctx *ctx)
{
    const struct crossing_watch *w = &ctx->ledger->crossings;
    if (!is_something_to_do(ctx->ledger))
        return UINT64_MAX;
    uint64_t next = atomic_load_explicit(&w->next_ms, memory_order_relaxed);
    return next > ctx->engine_ms ? next : ctx->engine_ms + SLICE_MS; /* another context has it */
}
