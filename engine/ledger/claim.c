/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/claim.h"

#include <assert.h>

#include "engine/base/probe.h"
#include "engine/ledger/ledger.h"

bool ledger_has_room(struct ctx *ctx)
{
    return log_has_room_for(ctx->ledger->log, &ctx->claimed);
}

uint64_t ctx_claim(struct ctx *ctx, uint32_t length)
{
    assert(length % 8 == 0);
    ctx->claimed += length;
    uint64_t position = log_claim(ctx->ledger->log, length);
    PROBE(claim, position + length, length);
    return position;
}

void ctx_publish(struct ctx *ctx, uint64_t position)
{
    log_publish(ctx->ledger->log, position, (const struct record_head *)(void *)ctx->record);
}

uint64_t ctx_record(struct ctx *ctx, uint32_t length)
{
    uint64_t position = ctx_claim(ctx, length);
    ctx_publish(ctx, position);
    return position + length;
}

void ctx_void(struct ctx *ctx, uint64_t position, uint32_t length)
{
    struct record_head head = head_of(ctx, RECORD_VOID, 0);
    head.length = length;
    log_publish_head(ctx->ledger->log, position, &head);
}

/* ---- preclaimed positions ---- */

enum { PRECLAIM_MOST = 4096 }; /* bytes */

static void give_up_preclaimed(struct ctx *ctx)
{
    if (ctx->preclaimed_at < ctx->preclaimed_end)
        ctx_void(ctx, ctx->preclaimed_at, (uint32_t)(ctx->preclaimed_end - ctx->preclaimed_at));
    ctx->preclaimed_at = ctx->preclaimed_end;
}

uint64_t ctx_claim_give(struct ctx *ctx, uint32_t length, uint64_t after)
{
    assert(ctx->preclaimed_at <= ctx->preclaimed_end);
    uint64_t left = ctx->preclaimed_end - ctx->preclaimed_at;
    if (left > 0 && (left < length || ctx->preclaimed_at < after)) {
        give_up_preclaimed(ctx);
        left = 0;
    }
    if (left == 0) {
        uint32_t most = PRECLAIM_MOST / length, times = ctx->expected < most ? ctx->expected : most;
        uint32_t all = length * (times > 0 ? times : 1);
        ctx->preclaimed_at = ctx_claim(ctx, all);
        ctx->preclaimed_end = ctx->preclaimed_at + all;
    }
    if (ctx->expected > 0)
        ctx->expected--;
    uint64_t position = ctx->preclaimed_at;
    ctx->preclaimed_at += length;
    return position;
}

void ledger_expect_cancels(struct ctx *ctx, unsigned count)
{
    ctx->expected = count;
    if (count == 0)
        give_up_preclaimed(ctx);
    assert(count > 0 || ctx->preclaimed_at == ctx->preclaimed_end);
}
