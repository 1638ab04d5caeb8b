/* SPDX-License-Identifier: Apache-2.0 */
/* Positions in the log: claimed, then published, for the record in the context's buffer. */
#ifndef STOCKD_ENGINE_LEDGER_CLAIM_H
#define STOCKD_ENGINE_LEDGER_CLAIM_H

#include "engine/ledger/ctx.h"

static inline struct record_head head_of(const struct ctx *ctx, enum record_type type,
                                         unsigned flags)
{
    return (struct record_head){ .type = (uint8_t)type,
                                 .flags = (uint8_t)flags,
                                 .client = ctx->client };
}

/* Flags of a record that has a wall clock time, and may need engine time too. */
static inline unsigned clocks_of(const struct ctx *ctx)
{
    return ctx->wall_ms != ctx->engine_ms ? RECORD_TWO_CLOCKS : 0;
}

/* Claims a position for the record of that length and publishes it. Returns its LSN. */
uint64_t ctx_record(struct ctx *ctx, uint32_t length);
/* The two halves, for a change applied in between (rule G). */
uint64_t ctx_claim(struct ctx *ctx, uint32_t length);
void ctx_publish(struct ctx *ctx, uint64_t position);
/*
 * Claims for a give to an object whose last change has the LSN `after`: uses a preclaimed position
 * if one lies behind `after`. A give may claim as early as it likes (rule G), but the changes of
 * one object must lie in the log in their order (rule O).
 */
uint64_t ctx_claim_give(struct ctx *ctx, uint32_t length, uint64_t after);
/* Publishes an unused claim as void. */
void ctx_void(struct ctx *ctx, uint64_t position, uint32_t length);

/*
 * Bracket an operation that may apply takes before it claims (rule T). A thread that sees such a
 * take sees `taking` set, because it is stored before the take's swap, which releases. A thread
 * that then finds it cleared sees the claim or the undo that preceded it (M2). So takes_end
 * releases.
 */
static inline void takes_begin(struct ctx *ctx)
{
    atomic_store_explicit(&ctx->taking, true, memory_order_relaxed);
}

static inline void takes_end(struct ctx *ctx)
{
    atomic_store_explicit(&ctx->taking, false, memory_order_release);
}

#endif
