/* SPDX-License-Identifier: Apache-2.0 */
/* Applies what tills sold, and what a place owed and was paid. */
#include <stdlib.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/sold.h"
#include "engine/replay/apply_inside.h"

/* What is owed was sold by a till, so no less than nothing leaves another pool. */
static bool change_can_be(const struct change_record *change, uint16_t location)
{
    int64_t delta = delta_at_place(change->pool.owner, change->delta);
    return change->pool.location == location && delta <= 0 && delta >= -QUANTITY_MAX;
}

static int apply_changes(const struct applying *a, const struct sold_fields *f)
{
    int error = 0;
    for (uint32_t i = 0; !error && i < f->fixed.change_count; i++) {
        if (!change_can_be(&f->changes[i], f->fixed.location))
            return apply_refuse(a, "a change is not that of a sale");
        error = apply_move_pool(a, &f->changes[i].pool, f->changes[i].delta, f->fixed.time_ms);
    }
    return error;
}

/* The sale made the shared pool of the place, if there was none. Its items have moved, also if a
 * count has missed their units already. */
static int apply_lines(const struct applying *a, const struct sold_fields *f)
{
    struct pool *pool;
    int error = 0;
    for (uint32_t i = 0; !error && i < f->fixed.line_count; i++) {
        struct pool_key shared = { f->lines[i].item, f->fixed.location, owner_of(POOL_SHARED, 0) };
        error = apply_find_pool(a, &shared, &pool);
        if (!error)
            item_set(item_at(&a->ledger->items, shared.item), ITEM_MOVED);
    }
    return error;
}

int apply_sold(struct applying *a)
{
    struct sold_fields f;
    struct id_entry *entry;
    if (!sold_decode(a->record, &f) || f.fixed.line_count < 1 || f.fixed.line_count > LINES_MAX ||
        f.fixed.channel >= catalogue_now(a->ctx)->channel_count)
        return apply_refuse(a, "it is malformed");
    apply_set_time(a, f.fixed.time_ms);
    a->happened_ms = f.fixed.at_ms;
    int error = apply_lines(a, &f);
    if (!error) /* @recover-sold */
        error = apply_changes(a, &f);
    if (!error)
        error = apply_fresh_entry(a, f.id, &entry);
    if (error)
        return error;
    sold_note(a->ctx, &f.fixed, f.lines);
    return remember_sold(a->ctx, entry, &f, a->lsn) ? 0 : apply_no_space(a, "reservations");
}

/* Both what is owed and what is on hand fall by as much. */
int apply_debt_sweep(struct applying *a, const struct sweep_fields *f)
{
    const struct sweep_record *r = &f->fixed;
    struct pool_key owed_key = r->pool, from_key = r->pool;
    struct pool *owed, *from;
    bool pays = a->record->flags & SWEEP_PAYS, supply = owner_kind(r->pool.owner) == POOL_EXPECTED;
    if (pays)
        owed_key.owner = owner_of(POOL_OWED, 0);
    else
        from_key.owner = owner_of(POOL_SHARED, 0);
    if (r->delta >= 0 || r->delta < -QUANTITY_MAX || !(owner_sellable(from_key.owner) || supply))
        return apply_refuse(a, "it is malformed");
    int error = apply_find_pool(a, &owed_key, &owed);
    if (!error)
        error = apply_find_pool(a, &from_key, &from);
    if (!error)
        error = apply_change_pool(a, owed, r->delta, 0);
    return error ? error : apply_change_pool(a, from, r->delta, 0);
}
