/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sold: what a till has sold is gone, whatever the ledger thought.
 *
 * Of each item the units of its channel's own allotment go first, then shared ones, then those of
 * other allotments, then promised ones: the place is then short. What is more than is on hand there
 * is owed (owing.h). All lines are one transaction.
 *
 * A sale that a till reports late, and that happened before the place was last counted, takes
 * nothing: its units were missing when people counted.
 */
#include "engine/ops/sold.h"

#include <assert.h>

#include "engine/base/fingerprint.h"
#include "engine/figures/figures.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/owing.h"
#include "engine/ops/place.h"
#include "engine/ops/precedence.h"
#include "engine/ops/sale.h"
#include "engine/ops/supply.h"
#include "engine/ops/sweep.h"
#include "engine/store/outcomes.h"
#include "engine/txn/txn_run.h"

/* One sale under way. Its lines are in the context's supply work, each item once. */
struct selling {
    struct txn txn;
    const struct sale *asked;
    uint16_t channel, location;
    bool resolved;
    struct sold_view *view;
};

static uint64_t fingerprint(const struct sale *s)
{
    uint64_t f = mix_number(0, RECORD_SOLD);
    f = mix_text(mix_text(mix_text(f, s->channel), s->location), s->ref);
    f = mix_number(f, s->has_at ? s->at_ms + 1 : 0);
    f = mix_number(f, s->line_count);
    for (uint32_t i = 0; i < s->line_count; i++)
        f = mix_number(mix_text(f, s->lines[i].sku), (uint64_t)s->lines[i].qty);
    return f;
}

/* ---- what it names ---- */

enum { AHEAD_OF_US_MS = 5000 }; /* the till's clock may be a little ahead of ours */

static enum code check_sale(struct ctx *ctx, const struct sale *s)
{
    enum code code = check_id(ctx, "id", s->id);
    if (!code)
        code = check_text(ctx, "ref", s->ref);
    if (code)
        return code;
    if (s->line_count == 0)
        return fail_param(ctx, CODE_BAD_REQUEST, "lines", "lines must have at least one line");
    if (s->line_count > LINES_MAX)
        return fail_param(ctx, CODE_TOO_LARGE, "lines", "lines: a sale has at most %d, not %u",
                          LINES_MAX, s->line_count);
    for (uint32_t i = 0; i < s->line_count; i++)
        if (s->lines[i].qty < 1 || s->lines[i].qty > QUANTITY_MAX)
            return fail_param(ctx, CODE_BAD_REQUEST, "qty",
                              "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                              (long long)QUANTITY_MAX, (long long)s->lines[i].qty);
    if (s->has_at && s->at_ms > ctx->wall_ms + AHEAD_OF_US_MS)
        return fail_param(
            ctx, CODE_BAD_REQUEST, "at_ms",
            "at_ms must not be in the future: it is %llu ms ahead of the engine's clock",
            (unsigned long long)(s->at_ms - ctx->wall_ms));
    return CODE_OK;
}

static enum code find_place(struct ctx *ctx, struct selling *s)
{
    const struct location *location;
    const struct channel *channel;
    catalogue_pin(ctx);
    enum code code = find_channel(ctx, s->asked->channel, &channel);
    if (!code)
        code = find_location(ctx, "location", s->asked->location, &location);
    if (code)
        return code;
    s->channel = channel_index(ctx->catalogue, channel);
    s->location = location_index(ctx->catalogue, location);
    return CODE_OK;
}

static enum code add_line(struct ctx *ctx, const struct selling *s, uint32_t index)
{
    const struct order_line *asked = &s->asked->lines[index];
    struct supply_work *w = ctx->supply;
    uint32_t item;
    enum code code = find_item(ctx, asked->sku, &item);
    if (code)
        return code;
    uint32_t line = 0;
    if (s->asked->line_count > 1)
        line = *item_map_number(&w->map, item, w->line_count);
    if (line == w->line_count) {
        w->items[w->line_count++] = item;
        w->fresh[line].qty = 0;
    }
    w->fresh[line].qty += (uint32_t)asked->qty;
    if (w->fresh[line].qty > QUANTITY_MAX)
        return fail_param(ctx, CODE_BAD_REQUEST, "qty",
                          "lines[%u]: \"%.*s\" is more than %lld in all", index,
                          (int)asked->sku.len, asked->sku.at, (long long)QUANTITY_MAX);
    return CODE_OK;
}

static enum code resolve(struct ctx *ctx, struct selling *s)
{
    struct supply_work *w = ctx->supply;
    enum code code = find_place(ctx, s);
    item_map_empty(&w->map);
    w->line_count = 0;
    for (uint32_t i = 0; !code && i < s->asked->line_count; i++)
        code = add_line(ctx, s, i);
    s->resolved = true;
    return code;
}

/* ---- planning ---- */

static enum code no_room(struct ctx *ctx)
{
    return fail(ctx, CODE_LIMIT, "the sale takes from too many pools: send it in fewer lines");
}

static enum code no_pools(struct ctx *ctx)
{
    return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", ctx->ledger->items.max_pools);
}

/* What the record of the sale takes. */
static size_t record_size(const struct ctx *ctx, const struct selling *s)
{
    return sizeof(struct sold_record) + s->asked->id.len + s->asked->ref.len +
           ctx->supply->line_count * sizeof(struct sold_line_record) +
           ctx->postings->count * sizeof(struct change_record);
}

/* The sale happened before the place was last counted: what was sold was missing then. */
static bool was_counted_since(const struct ctx *ctx, uint32_t shared)
{
    return ctx->happened_ms != 0 && ctx->happened_ms <= item_counted(&ctx->ledger->items, shared);
}

/* The shared pool of the place, made if there is none; NULL: there is no room for it. */
static const struct pool *make_shared(struct items *items, uint32_t item, uint16_t location,
                                      const struct place *place)
{
    uint16_t shared = owner_of(POOL_SHARED, 0);
    const struct pool *first = place->count > 0 ? pool_at(items, place->pools[0].unit) : NULL;
    if (first && key_owner(pool_read_key(first)) == shared)
        return first;
    return pool_make(items, item, location, shared);
}

static enum code plan_line(struct ctx *ctx, const struct selling *s, uint32_t line)
{
    struct items *items = &ctx->ledger->items;
    struct place place;
    uint32_t item = ctx->supply->items[line];
    place_look(items, item, s->location, &place);
    const struct pool *shared = make_shared(items, item, s->location, &place);
    if (!shared)
        return no_pools(ctx);
    ctx->supply->missing[line] = was_counted_since(ctx, pool_unit(items, shared));
    if (ctx->supply->missing[line]) {
        post(ctx->postings, (struct posting){ .pool = pool_unit(items, shared),
                                              .counted = NOT_COUNTED,
                                              .needs = NEEDS_NONE });
        return CODE_OK;
    }
    if (place.crowded || ctx->postings->count + place.count + 1 > POSTINGS_MAX)
        return no_room(ctx);
    int64_t qty = ctx->supply->fresh[line].qty;
    int64_t there = place.on_hand < qty ? place.on_hand : qty;
    /* Perhaps a fulfil that will put back what it took; or units are on their way to a pool. */
    if (there < qty && (place.undecided || (place.count > 1 && !place.stable)))
        return CODE_DEFERRED;
    int64_t own = 0;
    if (place.count > 1)
        own = place_prefer(items, &place, owner_of(POOL_ALLOTTED, s->channel), there);
    place_take(items, &place, there - own, false, ctx->postings);
    return there < qty ? owing_post(ctx, item, s->location, qty - there) : CODE_OK;
}

/* A refused sale leaves no pools behind: near their limits, what it needs is added up first. */
static enum code check_room(struct ctx *ctx, const struct selling *s)
{
    struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    uint32_t used = atomic_load_explicit(&items->pool_count, memory_order_relaxed);
    bool near = (uint64_t)used + 2 * (uint64_t)w->line_count > items->max_pools;
    for (uint32_t i = 0; !near && i < w->line_count; i++)
        near = item_has(item_at(items, w->items[i]), ITEM_OWED);
    for (uint32_t i = 0; near && i < w->line_count; i++) {
        struct place place;
        uint32_t shared = shared_unit(items, w->items[i], s->location);
        const struct pool *owed = owing_find(items, w->items[i], s->location);
        place_look(items, w->items[i], s->location, &place);
        int64_t debt = w->fresh[i].qty - place.on_hand;
        bool counted = shared != UINT32_MAX && was_counted_since(ctx, shared);
        if (debt > 0 && !counted && place.owed + debt > QUANTITY_MAX)
            return owing_is_full(ctx, w->items[i]);
        used += (shared == UINT32_MAX) + (debt > 0 && !counted && !owed);
    }
    return !near || used <= items->max_pools ? CODE_OK : no_pools(ctx);
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct selling *s = (struct selling *)t;
    struct supply_work *w = ctx->supply;
    if (!figures_have_room(ctx->ledger->figures, ctx->index))
        return CODE_DEFERRED;
    enum code code = s->resolved ? CODE_OK : resolve(ctx, s);
    if (!code && outcome_blocks(w->line_count) > 0)
        code = supply_prepare_slots(ctx, outcome_blocks(w->line_count));
    if (!code)
        code = check_room(ctx, s);
    for (uint32_t i = 0; !code && i < w->line_count; i++)
        code = plan_line(ctx, s, i);
    if (!code && record_size(ctx, s) > RECORD_MAX)
        code = no_room(ctx);
    t->may_undo = ctx->happened_ms != 0 /* a count may come in between */ || place_takes_come(ctx);
    return code;
}

/* ---- doing it ---- */

/* A count that has come since the plan may not have seen these takes: the sale is planned anew. */
static enum code check_counts(struct ctx *ctx, struct txn *t)
{
    const struct selling *s = (const struct selling *)t;
    const struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    for (uint32_t i = 0; ctx->happened_ms != 0 && i < w->line_count; i++)
        if (was_counted_since(ctx, shared_unit(items, w->items[i], s->location)) != w->missing[i])
            return CODE_DEFERRED;
    return t->may_undo ? place_check_come(ctx) : CODE_OK;
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct selling *s = (const struct selling *)t;
    const struct items *items = &ctx->ledger->items;
    const struct postings *postings = ctx->postings;
    struct supply_work *w = ctx->supply;
    struct sold_fields f = { .fixed = { .head = head_of(ctx, RECORD_SOLD, 0),
                                        .content = t->content,
                                        .time_ms = ctx->wall_ms,
                                        .at_ms = ctx->happened_ms,
                                        .channel = s->channel,
                                        .location = s->location,
                                        .line_count = (uint16_t)w->line_count,
                                        .change_count = (uint16_t)postings->count },
                             .id = t->id,
                             .ref = s->asked->ref };
    struct record_builder b = sold_begin(ctx->record, &f);
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct sold_line_record line = { .item = w->items[i], .qty = w->fresh[i].qty };
        item_set(item_at(items, line.item), ITEM_MOVED); /* before the claim, as in a movement */
        record_add(&b, &line, sizeof line);
    }
    for (uint32_t i = 0; i < postings->count; i++) {
        struct change_record change = { name_of_pool(items, postings->at[i].pool),
                                        postings->at[i].on_hand };
        record_add(&b, &change, sizeof change);
    }
    return record_end(&b);
}

static int32_t as_recorded(int64_t units)
{
    if (units > INT32_MAX)
        return INT32_MAX;
    return units < INT32_MIN ? INT32_MIN : (int32_t)units;
}

void sold_note(struct ctx *ctx, const struct sold_record *record,
               const struct sold_line_record *lines)
{
    struct sale_work *work = ctx->sale;
    assert(record->line_count <= LINES_MAX);
    work->count = record->line_count;
    for (uint32_t i = 0; i < work->count; i++)
        work->cells[i] = (struct sale_cell){
            .item = lines[i].item, .location = record->location, .now = true, .units = lines[i].qty
        };
    sale_note_till(ctx, record->channel, record->at_ms ? record->at_ms : record->time_ms);
}

/* What each item then has at the place, into the record; and for the figures, before it is
 * published: G3. */
static void note_outcome(struct ctx *ctx, struct txn *t)
{
    const struct selling *s = (const struct selling *)t;
    struct supply_work *w = ctx->supply;
    unsigned char *lines = ctx->record + sizeof(struct sold_record) + t->id.len + s->asked->ref.len;
    for (uint32_t i = 0; i < w->line_count; i++) {
        struct sold_line_record *line = (struct sold_line_record *)(void *)lines + i;
        int64_t on_hand, available;
        place_sum(&ctx->ledger->items, w->items[i], s->location, &on_hand, &available);
        line->on_hand = as_recorded(on_hand);
        line->available = as_recorded(available);
    }
    sold_note(ctx, (const struct sold_record *)(const void *)ctx->record,
              (const struct sold_line_record *)(const void *)lines);
}

bool remember_sold(struct ctx *ctx, struct id_entry *entry, const struct sold_fields *f,
                   uint64_t lsn)
{
    struct movement_outcome *outcomes = ctx->supply->outcomes;
    assert(entry_is_owned(entry)); /* E1 */
    entry->content = f->fixed.content;
    entry->lsn_first = entry->lsn_last = lsn;
    entry->delta = 0;
    for (uint32_t i = 0; i < f->fixed.line_count; i++)
        outcomes[i] = (struct movement_outcome){ f->lines[i].on_hand, f->lines[i].available };
    if (!outcomes_store(&ctx->ledger->ids, &ctx->cursor, entry, outcomes, f->fixed.line_count))
        return false;
    uint64_t word = state_word(ENTRY_MOVEMENT, STATE_NONE, f->id.len);
    slots_end(&ctx->ledger->ids, &ctx->cursor, entry, word);
    entry_put(entry, word);
    return true;
}

/* The outcomes of the lines, each sku once, in the order of the request. */
static void fill_view(struct ctx *ctx, const struct selling *s, uint64_t lsn)
{
    struct supply_work *w = ctx->supply;
    *s->view = (struct sold_view){ .lsn = lsn, .line_count = w->line_count, .lines = w->sold };
    for (uint32_t i = 0; i < w->line_count; i++)
        w->sold[i] = (struct sold_line_view){ item_sku(item_at(&ctx->ledger->items, w->items[i])),
                                              w->outcomes[i].on_hand, w->outcomes[i].available };
}

static void show(struct ctx *ctx, struct txn *t)
{
    struct selling *s = (struct selling *)t;
    struct sold_fields f;
    bool good = sold_decode((const struct record_head *)(const void *)ctx->record, &f);
    assert(good);
    for (uint32_t i = 0; i < ctx->postings->count; i++) {
        sweep_later(ctx, ctx->postings->at[i].pool);
        precedence_reset(ctx, ctx->postings->at[i].pool);
    }
    good = remember_sold(ctx, t->entry, &f, t->lsn) && good;
    assert(good); /* in slots that were set aside */
    (void)good;
    fill_view(ctx, s, t->lsn);
    COUNT(ctx, movements);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    struct selling *s = (struct selling *)t;
    enum code code = resolve(ctx, s);
    uint32_t count = outcomes_read(&ctx->ledger->ids, t->entry, ctx->supply->outcomes);
    assert(!code && count == ctx->supply->line_count); /* the content is the same */
    (void)code;
    (void)count;
    fill_view(ctx, s, t->entry->lsn_first);
}

static const struct txn_kind sold_txn = {
    .id_name = "id",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_MOVEMENT,
    .plan = plan,
    .taken = check_counts,
    .record = build_record,
    .outcome = note_outcome,
    .show = show,
    .repeat = repeat,
};

enum code ledger_sold(struct ctx *ctx, const struct sale *sale, struct sold_view *view)
{
    enum code code = check_sale(ctx, sale);
    if (code)
        return code;
    struct selling s = { .txn = { .id = sale->id, .content = fingerprint(sale) },
                         .asked = sale,
                         .view = view };
    ctx->happened_ms = sale->has_at && sale->at_ms < ctx->wall_ms ? sale->at_ms : 0;
    code = txn_perform(ctx, &s.txn, &sold_txn);
    ctx->happened_ms = 0;
    sweep_now(ctx);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    return code;
}
