/* SPDX-License-Identifier: Apache-2.0 */
/* Item details other than stock: item, lookup, and items with details. */
#include "protocol/methods.h"
#include "protocol/pack.h"

enum { DETAILS_KEYS = 7, DETAILS_PAGE = 1000 };

static void pack_words(struct out *out, const char *key, struct text words)
{
    pack_key_text(out, key, words.len > 0 ? words : (struct text){ NULL, 0 });
}

static void pack_limit(struct out *out, const char *key, bool given, int64_t units)
{
    pack_string(out, key);
    if (given)
        pack_int(out, units);
    else
        pack_nil(out);
}

/* Packs DETAILS_KEYS pairs; nil for what is not set. */
static void pack_details(struct out *out, const struct details_view *view)
{
    pack_words(out, "name", view->name);
    pack_words(out, "barcode", view->barcode);
    pack_limit(out, "low_stock", view->has_low_stock, view->low_stock);
    pack_limit(out, "backorder_limit", view->has_backorder_limit, view->backorder_limit);
    pack_limit(out, "safety", view->has_safety, view->safety);
    pack_words(out, "unit", view->unit);
    pack_key_int(out, "decimals", view->decimals);
}

enum code method_item(struct call *call)
{
    struct details_view view;
    call->sku = param_sku(&call->params, "sku");
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    uint64_t lsn = log_head(call->service->log);
    enum code code = ledger_details(call->ctx, call->sku, &view);
    if (code != CODE_OK)
        return code;
    reply_map(call, 2 + DETAILS_KEYS, lsn);
    pack_key_text(call->out, "sku", view.sku);
    pack_details(call->out, &view);
    return CODE_OK;
}

enum code method_lookup(struct call *call)
{
    struct details_view view;
    call->sku = param_words(&call->params, "code", NAME_MAX_BYTES);
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    uint64_t lsn = log_head(call->service->log);
    enum code code = ledger_lookup(call->ctx, call->sku, &view);
    if (code != CODE_OK)
        return code;
    reply_map(call, 5, lsn);
    pack_key_text(call->out, "sku", view.sku);
    pack_words(call->out, "name", view.name);
    pack_words(call->out, "unit", view.unit);
    pack_key_int(call->out, "decimals", view.decimals);
    return CODE_OK;
}

enum code method_items_details(struct call *call, uint32_t cursor, int64_t limit)
{
    /* Packed aside: the count comes first but is known only at the end. */
    struct out items;
    struct details_view view;
    uint32_t count = 0;
    uint64_t lsn = log_head(call->service->log);
    bool more = true;
    if (limit > DETAILS_PAGE) /* a page is made in one call, so it is short */
        limit = DETAILS_PAGE;
    out_init(&items, call->out->pool);
    while (count < limit && (more = ledger_next_details(call->ctx, &cursor, &view))) {
        pack_array(&items, 2);
        pack_text(&items, view.sku);
        pack_map(&items, DETAILS_KEYS);
        pack_details(&items, &view);
        count++;
    }
    reply_map(call, 3, lsn);
    pack_string(call->out, "items");
    pack_array(call->out, count);
    out_append_stream(call->out, &items);
    out_destroy(&items);
    pack_string(call->out, "next");
    if (more)
        pack_uint(call->out, cursor);
    else
        pack_nil(call->out);
    return CODE_OK;
}
