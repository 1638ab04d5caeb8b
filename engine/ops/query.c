/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: they read the ledger as it is now, and change nothing. */
#include "engine/ledger/ledger.h"

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/sourcing/candidates.h"

/* See ctx_work. */
enum { SKU_WORK = 16, POOL_VIEW_WORK = 4 };

/* Everything up to the log's head has been applied, so what is read now includes it. */
static uint64_t lsn_now(const struct ctx *ctx)
{
    return log_head(ctx->ledger->log); /* @read-up-to */
}

static enum code bad_sku(struct ctx *ctx, uint32_t index)
{
    return fail(ctx, CODE_BAD_REQUEST, "skus[%u] must be 1 to %d bytes of UTF-8", index, SKU_MAX);
}

static inline enum code look_at_skus(struct ctx *ctx, struct text channel_code,
                                     const struct text *skus, uint32_t from, uint32_t to,
                                     int64_t *available, uint64_t *lsn)
{
    const struct channel *channel;
    catalogue_pin(ctx);
    enum code code = find_channel(ctx, channel_code, &channel);
    if (code)
        return code;
    struct items *items = &ctx->ledger->items;
    *lsn = lsn_now(ctx);
    for (uint32_t i = from; i < to; i++) {
        if (!text_given(skus[i]) || skus[i].len < 1 || skus[i].len > SKU_MAX)
            return bad_sku(ctx, i);
        int64_t item = items_find(items, skus[i], sku_hash(items, skus[i]));
        if (item < 0 && item != ITEM_BUSY && !text_is_utf8(skus[i]))
            return bad_sku(ctx, i);
        /* An item that is being created does not exist yet. */
        available[i] = item < 0 ? NO_SUCH_SKU : channel_available(ctx, channel, (uint32_t)item);
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

int64_t ledger_item_availability(struct ctx *ctx, uint32_t item, uint16_t channel)
{
    const struct catalogue *catalogue = catalogue_pin(ctx);
    assert(channel < catalogue->channel_count);
    return channel_available(ctx, &catalogue->channels[channel], item);
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
    to->sellable = owner_sellable(owner);
    to->kind = pool_kind_name(owner_kind(owner));
    to->channel = (struct text){ NULL, 0 };
    if (allotted && owner_channel(owner) < catalogue->channel_count)
        to->channel = code_text(&catalogue->channels[owner_channel(owner)].code);
    to->on_hand = word_on_hand(word);
    to->reserved = word_reserved(word);
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
    COUNT(ctx, queries);
    return CODE_OK;
}

uint32_t ledger_stock_next(struct ctx *ctx, struct stock_look *look, const struct pool_view **pools)
{
    const struct items *items = &ctx->ledger->items;
    struct pool_walk walk = pool_walk_resume(items, look->item, look->place);
    struct pool *pool;
    uint32_t count = 0;
    while (count < STOCK_POOLS && (pool = pool_walk_next(&walk)) != NULL) {
        struct pool_view *to = &ctx->pool_views[count++];
        uint64_t key = pool_read_key(pool);
        /* Loaded only after the pool is found: the then current catalogue has the pool's
         * location. */
        view_pool(catalogue_now(ctx), key, pool_read(pool), to);
        add_pool(look, to);
    }
    look->place = pool_walk_place(&walk);
    ctx->work += (uint64_t)POOL_VIEW_WORK * (count + 1);
    *pools = ctx->pool_views;
    return count;
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
    return CODE_OK;
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
