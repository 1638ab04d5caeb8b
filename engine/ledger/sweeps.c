/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/sweeps.h"

enum { FEW = 16 };

void sweep_note(struct ctx *ctx, uint32_t unit)
{
    for (uint32_t i = 0; i < ctx->sweep_count && ctx->sweep_count < FEW; i++)
        if (ctx->sweeps[i] == unit)
            return;
    /* If there are too many, the next change of the pool will do. */
    if (ctx->sweep_count < SWEEPS_MAX)
        ctx->sweeps[ctx->sweep_count++] = unit;
}
