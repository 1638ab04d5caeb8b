/* SPDX-License-Identifier: Apache-2.0 */
/* Questions: they read the ledger as it is at this moment, and change nothing. */
#include "engine/ledger.h"

#include "engine/seat.h"

/* Everything up to the log's drained end has been applied: what is read now includes it. */
static uint64_t lsn_now(const struct seat *seat)
{
    return log_head(seat->ledger->log);
}

enum code ledger_availability(struct seat *seat, struct text channel_code, const struct text *skus,
                              uint32_t count, int64_t *available, uint64_t *lsn)
{
    const struct channel *channel;
    catalogue_pin(seat);
    enum code code = find_channel(seat, channel_code, &channel);
    if (code)
        return code;
    struct items *items = &seat->ledger->items;
    *lsn = lsn_now(seat);
    for (uint32_t i = 0; i < count; i++) {
        if (!text_given(skus[i]) || skus[i].len < 1 || skus[i].len > SKU_MAX)
            return fail(seat, CODE_BAD_REQUEST, "skus[%u] must be 1 to %d bytes of UTF-8", i,
                        SKU_MAX);
        int64_t item = items_find(items, skus[i], sku_hash(items, skus[i]));
        if (item < 0 && item != ITEM_BUSY && !text_is_utf8(skus[i]))
            return fail(seat, CODE_BAD_REQUEST, "skus[%u] must be 1 to %d bytes of UTF-8", i,
                        SKU_MAX);
        /* An item that is just coming into being is not there yet. */
        available[i] = item < 0 ? NO_SUCH_SKU : channel_available(seat, channel, (uint32_t)item);
    }
    COUNT(seat, queries);
    return CODE_OK;
}

bool ledger_knows_sku(const struct ledger *ledger, struct text sku)
{
    const struct items *items = &ledger->items;
    return sku.len >= 1 && sku.len <= SKU_MAX &&
           items_find(items, sku, sku_hash(items, sku)) != ITEM_NONE;
}

static void view_pool(const struct catalogue *catalogue, uint64_t key, uint64_t word,
                      struct stock_view *view, struct pool_view *to)
{
    uint16_t owner = key_owner(key);
    const struct location *location = &catalogue->locations[key_location(key)];
    if (owner_sellable(owner)) {
        view->on_hand += word_on_hand(word);
        view->reserved += word_reserved(word);
        view->available += location->active ? word_available(word) : 0;
    }
    bool allotted = owner_kind(owner) == POOL_ALLOTTED;
    to->location = code_text(&location->code);
    to->active = location->active;
    to->kind = pool_kind_name(owner_kind(owner));
    to->channel = (struct text){ NULL, 0 };
    if (allotted && owner_channel(owner) < catalogue->channel_count)
        to->channel = code_text(&catalogue->channels[owner_channel(owner)].code);
    to->on_hand = word_on_hand(word);
    to->reserved = word_reserved(word);
}

static void view_stock(struct seat *seat, uint32_t item, struct stock_view *view)
{
    const struct catalogue *catalogue = catalogue_now(seat);
    *view = (struct stock_view){ .lsn = lsn_now(seat), .pools = seat->pool_views };
    struct pool_walk walk = pool_walk_start(&seat->ledger->items, item);
    struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        uint64_t word = pool_read(pool);
        struct pool_view unlisted; /* allotments everywhere may be more than the list holds */
        bool listed = view->pool_count < sizeof seat->pool_views / sizeof seat->pool_views[0];
        if (key_location(key) >= catalogue->location_count)
            continue;
        view_pool(catalogue, key, word, view,
                  listed ? &seat->pool_views[view->pool_count] : &unlisted);
        view->pool_count += listed;
    }
}

enum code ledger_stock(struct seat *seat, struct text sku, struct stock_view *view)
{
    uint32_t item;
    enum code code = find_item(seat, sku, &item);
    if (code)
        return code;
    view_stock(seat, item, view);
    COUNT(seat, queries);
    return CODE_OK;
}

bool ledger_next_item(struct seat *seat, uint32_t *cursor, struct text *sku,
                      struct stock_view *view)
{
    struct items *items = &seat->ledger->items;
    uint32_t count = atomic_load_explicit(&items->count, memory_order_acquire);
    while (*cursor < count) {
        uint32_t index = (*cursor)++;
        const struct item *item = item_at(items, index);
        /* An index that was given out but not shown yet has no pool. */
        struct pool_walk walk = pool_walk_start(items, index);
        if (pool_walk_next(&walk) == NULL)
            continue;
        *sku = item_sku(item);
        view_stock(seat, index, view);
        return true;
    }
    return false;
}
