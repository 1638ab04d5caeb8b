/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: they read the ledger as it is now, and change nothing. */
#include "engine/ledger/ledger.h"

#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/supply.h"
#include "engine/sourcing/candidates.h"

/* See ctx_work. */
enum { SKU_WORK = 16, POOL_VIEW_WORK = 4 };

enum { ITERATION_MOST_MS = 5000 };

/* Everything up to the log's head has been applied, so what is read now includes it. */
static uint64_t lsn_now(const struct ctx *ctx)
{
    return log_head(ctx->ledger->log); /* @read-up-to */
}

static enum code bad_sku(struct ctx *ctx, uint32_t index)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "skus", "skus[%u] must be 1 to %d bytes of UTF-8",
                      index, SKU_MAX);
}

static inline enum code look_at_skus(struct ctx *ctx, struct text channel_code,
                                     const struct text *skus, uint32_t from, uint32_t to,
                                     int64_t *available, uint64_t *lsn)
{
    const struct channel *channel;
    *lsn = lsn_now(ctx); /* before the catalogue: its changes are included, too */
    catalogue_pin(ctx);
    enum code code = find_channel(ctx, channel_code, &channel);
    if (code)
        return code;
    struct items *items = &ctx->ledger->items;
    for (uint32_t i = from; i < to; i++) {
        if (!text_given(skus[i]) || skus[i].len < 1 || skus[i].len > SKU_MAX)
            return bad_sku(ctx, i);
        int64_t item = items_find(items, skus[i], sku_hash(items, skus[i]));
        if (item < 0 && item != ITEM_BUSY && !text_is_utf8(skus[i]))
            return bad_sku(ctx, i);
        /* An item that is being created does not exist yet. */
        bool moving = false;
        available[i] =
            item < 0 ? NO_SUCH_SKU : channel_available(ctx, channel, (uint32_t)item, &moving);
        if (moving)
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

enum code ledger_availability(struct ctx *ctx, struct text channel_code, const struct text *skus,
                              uint32_t count, int64_t *available, uint64_t *lsn)
{
    enum code code = look_at_skus(ctx, channel_code, skus, 0, count, available, lsn);
    if (code == CODE_OK)
        COUNT(ctx, queries);
    return code;
}

enum code ledger_availability_of(struct ctx *ctx, struct text channel_code, const struct text *skus,
                                 uint32_t from, uint32_t to, int64_t *available, uint64_t *lsn)
{
    enum code code = look_at_skus(ctx, channel_code, skus, from, to, available, lsn);
    if (code == CODE_OK && from == 0)
        COUNT(ctx, queries);
    ctx->work += (uint64_t)SKU_WORK * (to - from);
    return code;
}

/* The version that led here may tell that a supply came up, at a time later than this iteration's
 * beginning: but no later than an iteration may last, unless the clock was put back. */
static uint64_t time_of_versions(const struct ctx *ctx)
{
    uint64_t latest = atomic_load_explicit(&ctx->ledger->came_up_ms, memory_order_acquire);
    return latest > ctx->wall_ms && latest - ctx->wall_ms <= ITERATION_MOST_MS ? latest
                                                                               : ctx->wall_ms;
}

int64_t ledger_item_available(struct ctx *ctx, uint32_t item, uint16_t channel, bool *moving)
{
    const struct catalogue *catalogue = catalogue_pin(ctx);
    uint64_t wall_ms = ctx->wall_ms;
    assert(channel < catalogue->channel_count);
    ctx->wall_ms = time_of_versions(ctx);
    int64_t available = channel_available(ctx, &catalogue->channels[channel], item, moving);
    ctx->wall_ms = wall_ms;
    return available;
}

int64_t ledger_item_availability(struct ctx *ctx, uint32_t item, uint16_t channel)
{
    bool moving; /* who follows changes hears of the move afterwards, and asks again */
    return ledger_item_available(ctx, item, channel, &moving);
}

bool ledger_knows_sku(const struct ledger *ledger, struct text sku)
{
    const struct items *items = &ledger->items;
    return sku.len >= 1 && sku.len <= SKU_MAX &&
           items_find(items, sku, sku_hash(items, sku)) != ITEM_NONE;
}

/* ---- an item's pools ---- */

static void view_pool(const struct catalogue *catalogue, uint64_t key, uint64_t word,
                      struct pool_view *to)
{
    uint16_t owner = key_owner(key);
    bool allotted = owner_kind(owner) == POOL_ALLOTTED;
    to->place = key_location(key);
    to->location = code_text(&catalogue->locations[to->place].code);
    to->active = catalogue->locations[to->place].active;
    to->sellable = owner_counts(owner);
    to->kind = pool_kind_name(owner_kind(owner));
    to->channel = to->supply = (struct text){ NULL, 0 };
    to->eta_ms = 0;
    if (allotted && owner_channel(owner) < catalogue->channel_count)
        to->channel = code_text(&catalogue->channels[owner_channel(owner)].code);
    to->on_hand = delta_at_place(owner, word_on_hand(word));
    to->reserved = word_reserved(word);
}

/* Copies the id of the supply that owns the pool. False: its entry is busy, or has another use by
 * now; whoever asked looks again later. */
static bool view_supply_id(struct ctx *ctx, const struct incoming *in, struct pool_view *to)
{
    uint64_t word;
    uint32_t link = incoming_supply(in);
    if (link == 0)
        return true;
    struct id_entry *entry = entry_at(&ctx->ledger->ids, link - 1);
    if (!entry_take(entry, &word)) /* @supply-busy */
        return false;
    bool owns = word_kind(word) == ENTRY_SUPPLY && incoming_supply(in) == link;
    if (owns) {
        struct text id = entry_id(entry, word);
        memcpy(to->id, id.at, id.len);
        to->supply = (struct text){ to->id, id.len };
    }
    entry_put(entry, word);
    return owns;
}

/* What has not come yet. */
static void view_expected(const struct incoming *in, const struct arrived *a, struct pool_view *to)
{
    bool transfer = atomic_load_explicit(&in->transfer, memory_order_acquire);
    to->kind = transfer ? "in_transit" : "expected";
    to->on_hand = a->expected;
    to->reserved = a->expected_reserved;
    to->eta_ms = incoming_eta_ms(in);
}

/* What has come is shared, whatever it was promised from: gathers that by its place. */
static void gather_come(struct ctx *ctx, uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    struct come *come = ctx->supply->come;
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    memset(come, 0, catalogue_now(ctx)->location_count * sizeof come[0]);
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        if (owner_kind(key_owner(key)) != POOL_EXPECTED)
            continue;
        struct arrived a = incoming_look(items, pool);
        come[key_location(key)].on_hand += (int32_t)a.come;
        come[key_location(key)].reserved += (int32_t)a.come_reserved;
    }
    ctx->work += walk.entered;
}

static void add_pool(struct stock_look *look, const struct pool_view *pool)
{
    look->pools++;
    if (!pool->sellable)
        return;
    look->on_hand += pool->on_hand;
    look->reserved += pool->reserved;
    if (pool->active)
        look->available += pool->on_hand - pool->reserved;
}

static struct stock_look begin_look(struct ctx *ctx, uint32_t item)
{
    struct pool_walk walk = pool_walk_start(&ctx->ledger->items, item);
    return (struct stock_look){ .item = item, .place = pool_walk_place(&walk) };
}

enum code ledger_stock_begin(struct ctx *ctx, struct text sku, struct stock_look *look,
                             uint64_t *lsn)
{
    uint32_t item;
    enum code code = find_item(ctx, sku, &item);
    if (code)
        return code;
    *lsn = lsn_now(ctx);
    *look = begin_look(ctx, item);
    look->names = true;
    COUNT(ctx, queries);
    return CODE_OK;
}

/* False: the pool has nothing to show. */
static bool look_at_pool(struct ctx *ctx, struct stock_look *look, const struct pool *pool,
                         bool supply, struct pool_view *to)
{
    const struct items *items = &ctx->ledger->items;
    uint64_t key = pool_read_key(pool);
    enum pool_kind kind = owner_kind(key_owner(key));
    if (kind == POOL_BACKLOG)
        return false;
    /* Loaded only after the pool is found: the then current catalogue has the pool's location. */
    view_pool(catalogue_now(ctx), key, pool_read(pool), to);
    if (supply && kind == POOL_SHARED) {
        to->on_hand += ctx->supply->come[to->place].on_hand;
        to->reserved += ctx->supply->come[to->place].reserved;
    }
    if (kind != POOL_EXPECTED)
        return kind != POOL_OWED || to->on_hand != 0;
    const struct incoming *in = incoming_at(items, pool_unit(items, pool));
    struct arrived a = incoming_look(items, pool);
    if (a.expected == 0)
        return false;
    view_expected(in, &a, to);
    if (look->names)
        look->busy |= !view_supply_id(ctx, in, to);
    return true;
}

static uint32_t look_at_pools(struct ctx *ctx, struct stock_look *look)
{
    const struct items *items = &ctx->ledger->items;
    struct pool_walk walk = pool_walk_resume(items, look->item, look->place);
    struct pool *pool;
    uint32_t count = 0, looked = 0;
    bool supply = item_has(item_at(items, look->item), ITEM_SUPPLY);
    if (supply)
        gather_come(ctx, look->item);
    /* A part that has nothing to show is not the end. */
    while (!look->busy && (count == 0 || looked < STOCK_POOLS) &&
           (pool = pool_walk_next(&walk)) != NULL) {
        looked++;
        if (owner_kind(key_owner(pool_read_key(pool))) == POOL_BACKLOG)
            look->backlog += word_reserved(pool_read(pool)); /* it has no units to show */
        if (!look_at_pool(ctx, look, pool, supply, &ctx->pool_views[count]))
            continue;
        add_pool(look, &ctx->pool_views[count++]);
    }
    look->place = pool_walk_place(&walk);
    ctx->work += (uint64_t)POOL_VIEW_WORK * (looked + 1);
    return count;
}

/* Looks again if units were moved meanwhile: they might be in neither pool, or in both. */
uint32_t ledger_stock_next(struct ctx *ctx, struct stock_look *look, const struct pool_view **pools)
{
    enum { TRIES = 16 };
    const struct item *item = item_at(&ctx->ledger->items, look->item);
    look->busy = false;
    const struct stock_look before = *look;
    uint32_t count = 0;
    bool moving = true;
    for (int i = 0; moving && i < TRIES; i++) {
        uint16_t stamp;
        bool none = moves_none(item, &stamp);
        *look = before;
        count = look_at_pools(ctx, look);
        moving = !look->busy && (!none || !moves_unchanged(item, stamp)); /* @stock-moving */
    }
    *pools = ctx->pool_views;
    if (!look->busy)
        return count;
    *look = before;
    look->busy = true;
    return 0;
}

enum code ledger_stock(struct ctx *ctx, struct text sku, struct stock_view *view)
{
    struct stock_look look;
    *view = (struct stock_view){ .pool_count = 0 };
    enum code code = ledger_stock_begin(ctx, sku, &look, &view->lsn);
    if (code)
        return code;
    uint32_t count = ledger_stock_next(ctx, &look, &view->pools);
    const struct pool_view *further;
    view->pool_count = count;
    while (count > 0 && (count = ledger_stock_next(ctx, &look, &further)) > 0)
        view->pool_count = 0; /* they were overwritten */
    view->on_hand = look.on_hand;
    view->reserved = look.reserved;
    view->available = look.available;
    return look.busy ? CODE_DEFERRED : CODE_OK;
}

bool ledger_next_item(struct ctx *ctx, uint32_t *cursor, struct text *sku, struct stock_look *look)
{
    struct items *items = &ctx->ledger->items;
    uint32_t count = atomic_load_explicit(&items->count, memory_order_acquire);
    if (*cursor >= count)
        return false;
    uint32_t index = (*cursor)++;
    *look = begin_look(ctx, index);
    /* An index that is given out but not shown yet has no pool. */
    struct pool_walk walk = pool_walk_start(items, index);
    bool stocked = pool_walk_next(&walk) != NULL;
    *sku = stocked ? item_sku(item_at(items, index)) : (struct text){ NULL, 0 };
    ctx->work++;
    return true;
}
