/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/find.h"

#include "engine/ledger/claim.h"

enum code check_id(struct ctx *ctx, const char *parameter, struct text id)
{
    if (id.len >= 1 && id.len <= ID_MAX)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, parameter, "%s must be 1 to %d bytes, not %u",
                      parameter, ID_MAX, id.len);
}

enum code check_text(struct ctx *ctx, const char *parameter, struct text t)
{
    if (t.len <= NAME_MAX_BYTES && (t.len == 0 || text_is_utf8(t)))
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, parameter, "%s must be at most %d bytes of UTF-8",
                      parameter, NAME_MAX_BYTES);
}

enum code find_location(struct ctx *ctx, const char *parameter, struct text code,
                        const struct location **location)
{
    *location = catalogue_location(ctx->catalogue, code);
    if (*location)
        return CODE_OK;
    if (!text_is_code(code))
        return fail_param(ctx, CODE_BAD_REQUEST, parameter,
                          "%s must be 1 to 32 bytes of A-Za-z0-9._-", parameter);
    return fail(ctx, CODE_UNKNOWN_LOCATION, "no location \"%.*s\"", (int)code.len, code.at);
}

enum code find_channel(struct ctx *ctx, struct text code, const struct channel **channel)
{
    *channel = catalogue_channel(ctx->catalogue, code);
    if (*channel)
        return CODE_OK;
    if (!text_is_code(code))
        return fail_param(ctx, CODE_BAD_REQUEST, "channel",
                          "channel must be 1 to 32 bytes of A-Za-z0-9._-");
    return fail(ctx, CODE_UNKNOWN_CHANNEL, "no channel \"%.*s\"", (int)code.len, code.at);
}

static enum code check_sku(struct ctx *ctx, struct text sku)
{
    if (text_is_sku(sku))
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "sku", "sku must be 1 to %d bytes of UTF-8", SKU_MAX);
}

enum code find_item(struct ctx *ctx, struct text sku, uint32_t *item)
{
    struct items *items = &ctx->ledger->items;
    int64_t found = sku.len <= SKU_MAX ? items_find(items, sku, sku_hash(items, sku)) : ITEM_NONE;
    if (found == ITEM_BUSY)
        return CODE_DEFERRED;
    if (found == ITEM_NONE) {
        enum code code = check_sku(ctx, sku);
        return code ? code : fail(ctx, CODE_UNKNOWN_SKU, "no item \"%.*s\"", (int)sku.len, sku.at);
    }
    *item = (uint32_t)found;
    return CODE_OK;
}

enum code make_item(struct ctx *ctx, struct text sku, uint32_t *item)
{
    enum code code = check_sku(ctx, sku);
    if (code)
        return code;
    struct items *items = &ctx->ledger->items;
    uint64_t hash = sku_hash(items, sku);
    int64_t found = items_find(items, sku, hash);
    if (found == ITEM_NONE) {
        found = items_create(items, sku, hash, &ctx->spare_item);
        if (found == ITEM_FULL)
            return fail(ctx, CODE_LIMIT, "the table of items is full (%u)", items->max_items);
        if (found >= 0) {
            struct item_fields f = { .fixed = { .head = head_of(ctx, RECORD_ITEM, 0),
                                                .item = (uint32_t)found,
                                                .low_stock = -1,
                                                .backorder_limit = -1,
                                                .safety = -1 },
                                     .sku = sku };
            struct record_builder b = item_begin(ctx->record, &f);
            uint32_t length = record_end(&b);
            uint64_t position = ctx_claim(ctx, length);
            item_version_raise(ctx, (uint32_t)found, position + length);
            ctx_publish(ctx, position);
            items_show(items, (uint32_t)found, hash); /* O: claimed, then shown */
        }
    }
    if (found == ITEM_BUSY)
        return CODE_DEFERRED;
    *item = (uint32_t)found;
    return CODE_OK;
}

struct pool_key name_of_pool(const struct items *items, uint32_t unit)
{
    uint64_t key = pool_read_key(pool_at(items, unit));
    return (struct pool_key){ key_item(key), key_location(key), key_owner(key) };
}
