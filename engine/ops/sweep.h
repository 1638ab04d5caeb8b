/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweeping: units of a supply that have come and are promised to nobody belong into the shared pool
 * of the place; and if fewer have come than were promised, free ones from there stand in.
 *
 * And what comes to a place that owes units pays that first (owing.h); what is free then serves
 * those who wait for the item (backlog.h).
 *
 * An arrival does the first two by itself. But a cancel leaves such units later, and what is
 * received later may be needed for a promise that is short. So whoever may have left them sweeps
 * the pool, in a transaction of its own, right after its own one. If the pool is too busy the
 * context tries again in its next iteration; and after a crash in between, the ledger does when it
 * starts.
 */
#ifndef STOCKD_ENGINE_OPS_SWEEP_H
#define STOCKD_ENGINE_OPS_SWEEP_H

#include "engine/ledger/sweeps.h"

/* Sweeps what was noted. The context has no transaction under way. */
void sweep_noted(struct ctx *ctx);
static inline void sweep_now(struct ctx *ctx)
{
    if (ctx->sweep_count > 0)
        sweep_noted(ctx);
}

#endif
