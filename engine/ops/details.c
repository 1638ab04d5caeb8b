/* SPDX-License-Identifier: Apache-2.0 */
/* Queries for what item_set has set: one item's details, by sku or by barcode, and those of all
 * items in turn. */
#include "engine/ledger/ledger.h"

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"

/* NULL for an item that has none. */
static const struct item_details *read_details(const struct items *items, uint32_t index)
{
    /* Acquire: for what the pointer leads to, which stays until the end of the iteration, see
     * retire. */
    return atomic_load_explicit(&items->details[index], memory_order_acquire);
}

static void view_details(const struct items *items, uint32_t index, const struct item_details *d,
                         struct details_view *view)
{
    *view = (struct details_view){ .sku = item_sku(item_at(items, index)) };
    if (!d)
        return;
    view->name = (struct text){ d->name, d->name_len };
    view->barcode = (struct text){ d->barcode, d->barcode_len };
    view->has_low_stock = d->has_low_stock;
    view->has_backorder_limit = d->has_backorder_limit;
    view->low_stock = d->low_stock;
    view->has_safety = d->has_safety;
    view->safety = d->safety;
    view->unit = (struct text){ d->unit, d->unit_len };
    view->decimals = d->decimals;
    view->backorder_limit = d->backorder_limit;
}

enum code ledger_details(struct ctx *ctx, struct text sku, struct details_view *view)
{
    uint32_t item;
    enum code code = find_item(ctx, sku, &item);
    if (code)
        return code;
    const struct items *items = &ctx->ledger->items;
    view_details(items, item, read_details(items, item), view);
    COUNT(ctx, queries);
    return CODE_OK;
}

/* CODE_OK: an item may have such a barcode or sku. */
static enum code check_lookup(struct ctx *ctx, struct text code)
{
    if (code.len >= 1 && code.len <= NAME_MAX_BYTES && text_is_utf8(code))
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "code", "code must be 1 to %d bytes of UTF-8",
                      NAME_MAX_BYTES);
}

enum code ledger_lookup(struct ctx *ctx, struct text code, struct details_view *view)
{
    const struct items *items = &ctx->ledger->items;
    enum code bad = check_lookup(ctx, code);
    if (bad)
        return bad;
    const struct item_details *details;
    int64_t found = barcodes_find(&ctx->ledger->barcodes, items, code, &details);
    if (found == ITEM_NONE && code.len <= SKU_MAX) {
        found = items_find(items, code, sku_hash(items, code));
        details = found >= 0 ? read_details(items, (uint32_t)found) : NULL;
    }
    if (found == ITEM_BUSY)
        return CODE_DEFERRED;
    if (found == ITEM_NONE)
        return fail(ctx, CODE_UNKNOWN_SKU, "no item has the barcode or sku \"%.*s\"", (int)code.len,
                    code.at);
    view_details(items, (uint32_t)found, details, view);
    COUNT(ctx, queries);
    return CODE_OK;
}

/* An index that is given out but not shown yet has neither details nor a pool. */
static bool is_shown(const struct items *items, uint32_t index)
{
    struct pool_walk walk = pool_walk_start(items, index);
    return atomic_load_explicit(&items->details[index], memory_order_acquire) != NULL ||
           pool_walk_next(&walk) != NULL;
}

bool ledger_next_details(struct ctx *ctx, uint32_t *cursor, struct details_view *view)
{
    const struct items *items = &ctx->ledger->items;
    uint32_t count = atomic_load_explicit(&items->count, memory_order_acquire);
    while (*cursor < count) {
        uint32_t index = (*cursor)++;
        if (!is_shown(items, index))
            continue;
        view_details(items, index, read_details(items, index), view);
        return true;
    }
    return false;
}
