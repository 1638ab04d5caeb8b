/* SPDX-License-Identifier: Apache-2.0 */
/* Counting: what people found at a location, now or a while ago. */
#include "engine/ops/movement.h"

#include "engine/ledger/ctx.h"
#include "engine/ops/place.h"

/* What has moved in the location's pools since that time; false if that is no longer known. */
static bool moved_since(const struct ctx *ctx, uint64_t as_of_ms, const struct place *place,
                        int64_t *moved)
{
    uint32_t units[PLACE_POOLS];
    for (uint32_t i = 0; i < place->count; i++)
        units[i] = place->pools[i].unit;
    bool known = true;
    for (unsigned i = 0; i < ctx->ledger->context_count; i++)
        known &=
            recent_since(&ctx->ledger->contexts[i]->recent, as_of_ms, units, place->count, moved);
    return known;
}

/* Units of the item that are set aside at the place: not on the shelf. Looks at the place again:
 * false if on hand has changed. The caller makes sure that nothing was given: then on hand, which
 * can only fall, was the same all the time, and the sum is of the same instant. */
static bool look_aside(const struct ctx *ctx, const struct moving *move, struct place *place,
                       int64_t *aside)
{
    const struct items *items = &ctx->ledger->items;
    struct pool_walk walk = pool_walk_start(items, move->item);
    const struct pool *pool;
    int64_t on_hand = place->on_hand;
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (key_location(pool_read_key(pool)) == move->key.location)
            *aside += set_aside_at(items, pool_unit(items, pool));
    place_look(items, move->item, move->key.location, place);
    return place->on_hand == on_hand; /* @aside-same */
}

static enum code too_long_ago(struct ctx *ctx)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "as_of",
                      "as_of lies further back than movements are remembered; count again");
}

/* Creates the pool of a count, unless the count must be refused. Whether as_of reaches back too far
 * is decided before, because movements in a new pool are always remembered. So a count that would
 * be deferred creates none: it may reach back too far when it is retried. */
static enum code prepare_pool(struct ctx *ctx, struct moving *move, struct place *place)
{
    const struct movement *m = move->asked;
    int64_t moved = 0;
    if (move->pool)
        return CODE_OK;
    place->count = 0;
    if (m->has_as_of && !moved_since(ctx, m->as_of_ms, place, &moved))
        return too_long_ago(ctx);
    if (!move->unborn) {
        place_look(&ctx->ledger->items, move->item, move->key.location, place);
        if (!place->stable || place->undecided)
            return CODE_DEFERRED;
    }
    return movement_make_pool(ctx, move);
}

/* From now on a sale that happened before this count, and is booked later, takes nothing. */
static void note_count(struct ctx *ctx, const struct moving *move)
{
    const struct movement *m = move->asked;
    bool earlier = m->has_as_of && m->as_of_ms < ctx->wall_ms;
    item_count_raise(&ctx->ledger->items, pool_unit(&ctx->ledger->items, move->pool),
                     earlier ? m->as_of_ms : ctx->wall_ms);
}

static enum code post_difference(struct ctx *ctx, struct moving *move, struct place *place,
                                 int64_t delta)
{
    const struct place_pool *shared = &place->pools[0];
    assert(shared->unit == pool_unit(&ctx->ledger->items, move->pool));
    if (place->owed > 0) /* whatever tills sold, so many are there now */
        post(ctx->postings, (struct posting){ .pool = place->owed_unit,
                                              .counted = (int32_t)place->owed,
                                              .on_hand = (int32_t)-place->owed,
                                              .needs = NEEDS_NONE });
    if (delta > 0)
        return movement_post_give(ctx, move, delta, (int32_t)word_on_hand(shared->word));
    if (delta < 0)
        place_take(&ctx->ledger->items, place, -delta, true, ctx->postings);
    else if (place->owed ==
             0) /* nothing to change, but the count took place: it raises the item's version */
        post(ctx->postings,
             (struct posting){ .pool = shared->unit, .counted = NOT_COUNTED, .needs = NEEDS_NONE });
    return CODE_OK;
}

/* Deferred whenever something moves while it looks: a count is rare, and is retried. */
enum code count_plan(struct ctx *ctx, struct moving *move)
{
    struct place place;
    enum code code = prepare_pool(ctx, move, &place);
    if (code)
        return code;
    const struct movement *m = move->asked;
    const struct item *item = item_at(&ctx->ledger->items, move->item);
    uint32_t stamp;
    int64_t moved = 0, aside = 0;
    bool stable = gives_stable(item, &stamp);
    place_look(&ctx->ledger->items, move->item, move->key.location, &place);
    if (place.crowded)
        return movement_place_is_crowded(ctx, move);
    if (m->shelf && !place.undecided) /* @aside-decided */
        stable &= look_aside(ctx, move, &place, &aside);
    bool known = !m->has_as_of || moved_since(ctx, m->as_of_ms, &place, &moved);
    /* Undecided: perhaps a fulfil that will put back what it took from on hand. */
    if (!stable || !gives_unchanged(item, stamp) || place.undecided)
        return CODE_DEFERRED;
    if (!known && !move->fresh)
        return too_long_ago(ctx);
    if (m->has_if_on_hand && place.on_hand - place.owed != m->if_on_hand)
        return CODE_DEFERRED;
    int64_t target = m->qty + moved + aside > 0 ? m->qty + moved + aside : 0;
    code = post_difference(ctx, move, &place, target - place.on_hand);
    if (code)
        return code;
    /* It corrects what is booked, and moves no units: another count as of earlier leaves it out. */
    for (uint32_t i = 0; i < ctx->postings->count; i++)
        ctx->postings->at[i].stays = true;
    note_count(ctx, move);
    /* A late sale that has not seen this has changed the brackets before. */
    bool unchanged = gives_unchanged(item, stamp); /* @counted-all */
    return unchanged ? CODE_OK : CODE_DEFERRED;
}
