/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of which units have been freed that others may have a claim to: noted by whoever frees
 * them, perhaps in the middle of a transaction, and swept once that is done (ops/sweep.h). */
#ifndef STOCKD_ENGINE_LEDGER_SWEEPS_H
#define STOCKD_ENGINE_LEDGER_SWEEPS_H

#include "engine/ledger/ctx.h"

/* Notes the pool. */
void sweep_note(struct ctx *ctx, uint32_t unit);

/* Notes that units of the pool are being freed. Most pools belong to items that have no supply and
 * no backlog, and are owed nowhere: this costs a look at their flags. */
static inline void sweep_later(struct ctx *ctx, uint32_t unit)
{
    const struct items *items = &ctx->ledger->items;
    uint64_t key = pool_read_key(pool_at(items, unit));
    if (item_has_any(item_at(items, key_item(key)), ITEM_SUPPLY | ITEM_OWED | ITEM_BACKLOG))
        sweep_note(ctx, unit);
}

#endif
