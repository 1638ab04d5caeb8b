/* SPDX-License-Identifier: Apache-2.0 */
/* Stockings: what is set for an item at a place. One context at a time writes them
 * (catalogue_busy). */
#include "engine/store/stocking.h"

#include <assert.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/registry.h"

static enum code number_fits(struct ctx *ctx, bool given, const char *name, int64_t n, int64_t most)
{
    if (!given || (n >= 0 && n <= most))
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, name,
                      "%s must be a whole number from 0 to %lld, not %lld", name, (long long)most,
                      (long long)n);
}

static struct stocking changed(struct stocking old, const struct stocking_setting *s)
{
    if (s->has_stocked)
        old.stocked = s->stocked;
    if (s->has_safety)
        old.safety = s->safety;
    if (s->has_lead_time)
        old.lead_time_s = s->lead_time_s;
    return old;
}

/* Claims, then sets (rule O). The caller holds catalogue_busy. */
static uint64_t journal_stocking(struct ctx *ctx, uint32_t item, uint16_t location,
                                 struct stocking set)
{
    struct stocking_fields f = { .fixed = { .head = head_of(ctx, RECORD_STOCKING, 0),
                                            .item = item,
                                            .safety = (int32_t)set.safety,
                                            .lead_time_s = (int32_t)set.lead_time_s,
                                            .location = location,
                                            .stocked = set.stocked } };
    struct record_builder b = stocking_begin(ctx->record, &f);
    uint32_t length = record_end(&b);
    uint64_t position = ctx_claim(ctx, length), lsn = position + length;
    stocking_set(&ctx->ledger->items, item, location, stocking_word(set));
    item_version_raise(ctx, item, lsn);
    ctx_publish(ctx, position);
    return lsn;
}

/* The caller holds catalogue_busy. */
static enum code set_stocking(struct ctx *ctx, const struct stocking_setting *s, uint64_t *lsn)
{
    struct items *items = &ctx->ledger->items;
    const struct location *location;
    uint32_t item;
    catalogue_pin(ctx);
    enum code code = find_item(ctx, s->sku, &item);
    if (!code)
        code = find_location(ctx, "location", s->location, &location);
    if (code)
        return code;
    uint16_t at = location_index(ctx->catalogue, location);
    uint64_t old = stocking_find(items, item, at);
    struct stocking next = changed(stocking_of(old), s);
    bool usual = next.stocked && next.safety < 0 && next.lead_time_s < 0;
    if (old == stocking_word(next) || (old == 0 && usual)) {
        *lsn = item_version(ctx->ledger, item);
        return CODE_OK;
    }
    if (!pool_make(items, item, at, owner_of(POOL_SHARED, 0)))
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    *lsn = journal_stocking(ctx, item, at, next);
    return CODE_OK;
}

enum code ledger_set_stocking(struct ctx *ctx, const struct stocking_setting *s, uint64_t *lsn)
{
    enum code code = number_fits(ctx, s->has_safety, "safety", s->safety, QUANTITY_MAX);
    if (!code)
        code = number_fits(ctx, s->has_lead_time, "lead_time_s", s->lead_time_s, INT32_MAX);
    if (!code)
        code = setting_begin(ctx);
    if (code)
        return code;
    code = set_stocking(ctx, s, lsn);
    catalogue_put(ctx->ledger);
    return code;
}

/* ---- the walk ---- */

/* The next shared pool of the item that has a stocking; NULL at its end. Each pool that it walks
 * over is a unit of work. */
static const struct pool *next_stocked(struct ctx *ctx, struct stocking_walk *w)
{
    const struct items *items = &ctx->ledger->items;
    struct pool_walk walk =
        w->inside ? pool_walk_resume(items, w->item, w->place) : pool_walk_start(items, w->item);
    const struct pool *pool;
    for (; (pool = pool_walk_next(&walk)) != NULL; ctx->work++)
        if (owner_kind(key_owner(pool_read_key(pool))) == POOL_SHARED &&
            stocking_at(items, pool_unit(items, pool)) != 0)
            break;
    w->inside = pool != NULL;
    w->place = pool_walk_place(&walk);
    return pool;
}

bool ledger_next_stocking(struct ctx *ctx, struct stocking_walk *walk, struct stocking_view *view)
{
    const struct items *items = &ctx->ledger->items;
    const struct pool *pool = NULL;
    uint32_t count = change_index_items(ctx->ledger);
    uint32_t end = walk->end < count ? walk->end : count;
    for (; !pool && walk->item < end; walk->item += pool == NULL) {
        if (item_has(item_at(items, walk->item), ITEM_STOCKING))
            pool = next_stocked(ctx, walk);
        ctx->work++;
    }
    if (!pool)
        return false;
    uint64_t key = pool_read_key(pool);
    const struct location *location = &catalogue_now(ctx)->locations[key_location(key)];
    *view =
        (struct stocking_view){ .item = walk->item,
                                .sku = item_sku(item_at(items, walk->item)),
                                .location = code_text(&location->code),
                                .set = stocking_of(stocking_at(items, pool_unit(items, pool))) };
    return true;
}
