/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/taking.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/sweep.h"
#include "engine/sourcing/safety.h"

enum { LOOKS_UNTIL_STABLE = 4 };

uint32_t taking_promises(const struct order_plan *s)
{
    uint32_t expected = 0;
    for (uint32_t i = 0; i < s->draw_count; i++)
        expected += s->draws[i].eta_ms != 0;
    return expected;
}

enum code taking_post(struct ctx *ctx, struct order_plan *s, struct taking *taking)
{
    taking->guarded = s->channel->buffer == 0 || s->one_pool;
    taking->expects = false;
    int64_t buffer = taking->guarded ? s->channel->buffer : 0;
    assert(buffer == 0 || s->draw_count == 1);
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct planned_draw *draw = &s->draws[i];
        struct leaves leaves = leaves_of(ctx, s->channel, key_item(draw->key));
        int64_t stays = leaves.nothing ? 0 : leaves_in_pool(&leaves, draw->key, draw->pool);
        if (stays == NOT_STOCKED)
            return CODE_DEFERRED; /* since it was planned */
        taking->expects |= draw->eta_ms != 0;
        int32_t qty = (int32_t)draw->qty, keeps = (int32_t)(stays + buffer);
        post(ctx->postings, (struct posting){ .pool = draw->pool,
                                              .counted = NOT_COUNTED,
                                              .reserved = qty,
                                              .needs = qty + keeps,
                                              .keeps = keeps });
    }
    return CODE_OK;
}

/* On a busy item most looks meet a give; the next one may not. */
static void look_until_stable(struct ctx *ctx, struct order_plan *s, uint32_t item)
{
    int looks = 0;
    do
        candidates_find(ctx, s->channel, &s->demand, item, NULL, NULL, &s->found);
    while (!s->found.stable && ++looks < LOOKS_UNTIL_STABLE);
}

/*
 * A channel with a buffer must leave that many units of the item, over all its pools. With a single
 * pool the take itself checks that. With several, the takes are followed by another look at the
 * sum, which counts every order that took before it. The sum existed, at the start of the look,
 * only if no give came in between: otherwise a unit that moved may have been counted twice. Of an
 * item that a partial order got nothing of, there may be less than the buffer.
 */
static enum code leave_buffer(struct ctx *ctx, struct order_plan *s, const struct taking *taking)
{
    for (uint32_t i = 0; !taking->guarded && i < s->draw_count; i++) { /* @buffer */
        uint32_t item = key_item(s->draws[i].key);
        if (i > 0 && item == key_item(s->draws[i - 1].key))
            continue;
        look_until_stable(ctx, s, item);
        if (s->found.total < s->channel->buffer || candidates_momentary(&s->found))
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* X2 of store/incoming.h: do the supplies that it draws from come when it was planned? */
static bool etas_hold(const struct ctx *ctx, const struct order_plan *s,
                      const struct taking *taking)
{
    for (uint32_t i = 0; taking->expects && i < s->draw_count; i++) {
        const struct planned_draw *draw = &s->draws[i];
        if (draw->eta_ms != 0 &&
            incoming_eta_ms(incoming_at(&ctx->ledger->items, draw->pool)) != draw->eta_ms)
            return false;
    }
    return true;
}

enum code taking_check(struct ctx *ctx, struct order_plan *s, const struct taking *taking)
{
    return etas_hold(ctx, s, taking) ? leave_buffer(ctx, s, taking) : CODE_DEFERRED;
}

void taking_sweep_undone(struct ctx *ctx, const struct order_plan *s, const struct taking *taking)
{
    for (uint32_t i = 0; taking->expects && i < s->draw_count; i++)
        sweep_later(ctx, s->draws[i].pool);
    sweep_now(ctx);
}
