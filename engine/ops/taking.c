/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/taking.h"

#include <assert.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/backlog.h"
#include "engine/ops/stand_ins.h"
#include "engine/ops/sweep.h"
#include "engine/sourcing/safety.h"

enum { LOOKS_UNTIL_STABLE = 4 };

static bool is_backlog(const struct planned_draw *draw)
{
    return owner_kind(key_owner(draw->key)) == POOL_BACKLOG;
}

static bool has_backlog(const struct ctx *ctx, const struct planned_draw *draw)
{
    return item_has(item_at(&ctx->ledger->items, key_item(draw->key)), ITEM_BACKLOG);
}

uint32_t taking_blocks(const struct order_plan *s)
{
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < s->draw_count; i++)
        blocks += s->draws[i].eta_ms != 0 || is_backlog(&s->draws[i]);
    return blocks;
}

/* Bounded: no more is promised before it is there than may be. */
static void post_backlog(struct ctx *ctx, const struct planned_draw *draw)
{
    int64_t needs = draw->qty - draw->most; /* @backlog-room */
    post(ctx->postings, (struct posting){ .pool = draw->pool,
                                          .counted = NOT_COUNTED,
                                          .reserved = (int32_t)draw->qty,
                                          .needs = (int32_t)needs });
}

enum code taking_post(struct ctx *ctx, struct order_plan *s, struct taking *taking)
{
    taking->guarded = s->channel->buffer == 0 || s->one_pool;
    taking->expects = taking->backlogs = taking->waits = taking->shorts = false;
    const struct items *items = &ctx->ledger->items;
    int64_t buffer = taking->guarded ? s->channel->buffer : 0;
    for (uint32_t i = 0; i < s->draw_count; i++) {
        const struct planned_draw *draw = &s->draws[i];
        if (is_backlog(draw)) {
            taking->backlogs = true;
            post_backlog(ctx, draw);
            continue;
        }
        taking->waits |= !taking->serves && has_backlog(ctx, draw); /* @waits */
        if (taking->waits && !backlog_admits(ctx, draw->pool, NULL))
            return CODE_DEFERRED;
        assert(buffer == 0 || i == 0);
        uint32_t item = key_item(draw->key);
        taking->shorts |= item_may_be_short(item_at(items, item)); /* @may-be-short */
        uint32_t before = i > 0 ? key_item(s->draws[i - 1].key) : UINT32_MAX;
        struct leaves leaves = leaves_of_again(ctx, s->channel, item, before);
        int64_t stays = leaves.nothing ? 0
                                       : leaves_in_pool(&leaves, draw->key, draw->pool,
                                                        pool_read(pool_at(items, draw->pool)));
        if (stays == NOT_STOCKED)
            return CODE_DEFERRED; /* since it was planned */
        taking->expects |= draw->eta_ms != 0;
        int32_t qty = (int32_t)draw->qty, keeps = (int32_t)(stays + buffer);
        bool sent = demand_sends(&s->demand, draw->key);
        post(ctx->postings, (struct posting){ .pool = draw->pool,
                                              .counted = NOT_COUNTED,
                                              .on_hand = sent ? -qty : 0,
                                              .reserved = sent ? 0 : qty,
                                              .needs = qty + keeps,
                                              .keeps = keeps });
    }
    return CODE_OK;
}

/* What the transaction itself is about to give back is still reserved while it looks, so its own
 * brackets disturb no sum. */
static void look(struct ctx *ctx, struct order_plan *s, uint32_t index, uint32_t own)
{
    const struct item *item = item_at(&ctx->ledger->items, index);
    uint32_t stamp;
    bool stable = gives_stable_beside(item, own, &stamp); /* @own-brackets */
    candidates_find(ctx, s->channel, &s->demand, index, NULL, NULL, &s->found);
    s->found.stable = stable && gives_unchanged(item, stamp);
}

/* On a busy item most looks meet a give; the next one may not. */
static void look_until_stable(struct ctx *ctx, struct order_plan *s, uint32_t item)
{
    uint32_t own = txn_own_brackets(ctx, item);
    int looks = 0;
    do
        look(ctx, s, item, own);
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
        if (is_backlog(&s->draws[i])) /* they are behind the others */
            break;
        if (i > 0 && item == key_item(s->draws[i - 1].key))
            continue;
        look_until_stable(ctx, s, item);
        if (s->found.total < s->channel->buffer || candidates_momentary(&s->found))
            return CODE_DEFERRED;
    }
    return CODE_OK;
}

/* B3 of store/backlog.h: is none of what it took owed to those who wait? */
static bool none_overtaken(struct ctx *ctx, const struct order_plan *s, const struct taking *taking)
{
    for (uint32_t i = 0; taking->waits && i < s->draw_count; i++)
        if (!is_backlog(&s->draws[i]) && has_backlog(ctx, &s->draws[i]) &&
            !backlog_admits(ctx, s->draws[i].pool, s)) /* @overtake */
            return false;
    return true;
}

/* Has it taken some of that pool itself? */
static bool draws_from(const struct order_plan *s, uint32_t unit)
{
    uint32_t i = 0;
    while (i < s->draw_count && s->draws[i].pool != unit)
        i++;
    return i < s->draw_count;
}

/* Is another's take undecided in a pool of the item that may serve the order? Reads the words by
 * swaps that change nothing: whose take comes behind such a swap sees that the order waits. */
static bool others_undecided(struct ctx *ctx, const struct order_plan *s, uint32_t item)
{
    const struct catalogue *catalogue = ctx->catalogue;
    struct pool_walk walk = pool_walk_start(&ctx->ledger->items, item);
    struct pool *pool;
    unsigned undecided = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = pool_read_key(pool);
        uint16_t at = key_location(key);
        if (at >= catalogue->location_count || !s->demand.serves[at])
            continue;
        uint64_t word =
            atomic_fetch_add_explicit(&pool->word, 0, memory_order_acq_rel); /* @waiting-swap */
        undecided += word_undecided(word) - draws_from(s, pool_unit(&ctx->ledger->items, pool));
    }
    return undecided > 0;
}

/* B4 of store/backlog.h: nothing that it could have is there. */
static bool waits_rightly(struct ctx *ctx, struct order_plan *s)
{
    for (uint32_t i = s->draw_count; i-- > 0 && is_backlog(&s->draws[i]);) {
        uint32_t item = key_item(s->draws[i].key);
        if (s->draws[i].most < QUANTITY_MAX) /* a new order: nobody who waits is younger */
            continue;
        if (others_undecided(ctx, s, item)) /* @begins-to-wait */
            return false;
        look_until_stable(ctx, s, item);
        if (s->found.takeable > 0 || candidates_momentary(&s->found))
            return false;
    }
    return true;
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
    if (taking->backlogs && !(backlog_within_limit(ctx, s) && waits_rightly(ctx, s)))
        return CODE_DEFERRED;
    bool holds = etas_hold(ctx, s, taking) && none_overtaken(ctx, s, taking) &&
                 (!taking->shorts || stand_ins_check(ctx) == CODE_OK); /* @overtake-short */
    return holds ? leave_buffer(ctx, s, taking) : CODE_DEFERRED;
}

void taking_note_undone(struct ctx *ctx, const struct order_plan *s, const struct taking *taking)
{
    for (uint32_t i = 0; taking->expects && i < s->draw_count; i++)
        sweep_later(ctx, s->draws[i].pool);
}
