/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a place owes: units that tills there sold, and that nobody has booked in yet. A till states
 * a fact, so what it sold beyond what is on hand is noted in a pool of its own, of kind owed, and
 * counts against what is on hand there.
 *
 * Whatever is booked in at the place pays that first. Movements do so in their own transaction;
 * what comes otherwise (an arrival, a transfer) is swept against the debt right after, and so are
 * the two sides of a race: a sale that ran up a debt while units came that did not know of it. If
 * nothing else is left, what was promised before it came pays, as if it had come before the sale.
 */
#ifndef STOCKD_ENGINE_OPS_OWING_H
#define STOCKD_ENGINE_OPS_OWING_H

#include "engine/ledger/ctx.h"
#include "engine/txn/txn.h"

/* NULL: nothing was ever owed there. */
static inline struct pool *owing_find(const struct items *items, uint32_t item, uint16_t location)
{
    if (!item_has(item_at(items, item), ITEM_OWED))
        return NULL;
    return pool_find(items, item, location, owner_of(POOL_OWED, 0));
}

/* Of *qty units that come to the place, posts those that pay what it owes, and leaves the others in
 * *qty. exactly: only if it owes as much as now. */
void owing_pay(struct ctx *ctx, uint32_t item, uint16_t location, bool exactly, int64_t *qty);
/* Posts that so many more are owed. */
enum code owing_post(struct ctx *ctx, uint32_t item, uint16_t location, int64_t qty);

/* Refuses a debt that would be too large. */
enum code owing_is_full(struct ctx *ctx, uint32_t item);

/* Sweeps what is on hand at the place against what is owed. False: it is not certain that nothing
 * is left to be swept; try again in the next iteration. */
bool owing_sweep(struct ctx *ctx, uint32_t item, uint16_t location);

#endif
