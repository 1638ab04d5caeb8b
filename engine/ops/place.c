/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/place.h"

#include "engine/ledger/ctx.h"
#include "engine/ops/stand_ins.h"

_Static_assert((int)PLACE_POOLS <= (int)POSTINGS_MAX, "a location's pools fit the postings");

/* What of a pool's units is at its location, and can be sold: all of a sellable pool, and of one of
 * expected units those that have come. False: it is no such pool. */
static bool look(const struct items *items, const struct pool *pool, uint16_t location,
                 struct place_pool *seen)
{
    uint64_t key = pool_read_key(pool);
    enum pool_kind kind = owner_kind(key_owner(key));
    bool supply = kind == POOL_EXPECTED;
    if (key_location(key) != location || !(owner_sellable(key_owner(key)) || supply))
        return false;
    uint32_t unit = pool_unit(items, pool);
    int32_t expected = supply ? (int32_t)incoming_expected(incoming_at(items, unit)) : 0; /* X1 */
    *seen = (struct place_pool){ .unit = unit, .expected = expected, .word = pool_read(pool) };
    return true;
}

/* Units that have come; X1: while a supply changes, it may look as if fewer than none had. */
static int64_t pool_on_hand(const struct place_pool *pool)
{
    int64_t on_hand = word_on_hand(pool->word) - pool->expected;
    return on_hand > 0 ? on_hand : 0;
}

/* Units can be taken from a pool that has some; the others need not be looked at. */
static bool has_any(const struct items *items, const struct place_pool *pool)
{
    return incoming_at(items, pool->unit) == items->incoming || pool_on_hand(pool) > 0;
}

/* Of expected units, what is promised is promised of what has come first; more than has come may be
 * promised. */
static int64_t pool_available(const struct place_pool *pool)
{
    struct arrived a = arrived_of(pool->expected, pool->word);
    return a.come - a.come_reserved;
}

/* What the place owes. */
static bool is_owed(const struct pool *pool, uint16_t location)
{
    uint64_t key = pool_read_key(pool);
    return key_location(key) == location && owner_kind(key_owner(key)) == POOL_OWED;
}

void place_sum(const struct items *items, uint32_t item, uint16_t location, int64_t *on_hand,
               int64_t *available)
{
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    struct place_pool seen;
    *on_hand = *available = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        if (is_owed(pool, location)) {
            int64_t owed = word_on_hand(pool_read(pool));
            *on_hand -= owed;
            *available -= owed;
        }
        if (!look(items, pool, location, &seen))
            continue;
        *on_hand += pool_on_hand(&seen);
        *available += pool_available(&seen);
    }
}

static void add_pool(struct place *place, const struct place_pool *pool, bool shared)
{
    if (place->count == PLACE_POOLS) {
        place->crowded = true;
        return;
    }
    struct place_pool *last = &place->pools[place->count++];
    *last = *pool;
    place->on_hand += pool_on_hand(pool);
    place->undecided |= word_undecided(pool->word) != 0;
    if (shared) { /* comes first */
        struct place_pool first = place->pools[0];
        place->pools[0] = *last;
        *last = first;
    }
}

static void add_owed(const struct items *items, struct place *place, const struct pool *pool)
{
    uint64_t word = pool_read(pool);
    place->owed = word_on_hand(word);
    place->owed_unit = pool_unit(items, pool);
    place->undecided |= word_undecided(word) != 0;
}

void place_look(const struct items *items, uint32_t item, uint16_t location, struct place *place)
{
    struct pool_walk walk = pool_walk_start(items, item);
    const struct pool *pool;
    struct place_pool seen;
    uint32_t stamp;
    place->on_hand = place->owed = 0;
    place->count = 0;
    place->undecided = place->crowded = false;
    place->stable = gives_stable(item_at(items, item), &stamp);
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (is_owed(pool, location))
            add_owed(items, place, pool);
        else if (look(items, pool, location, &seen) && has_any(items, &seen))
            add_pool(place, &seen, owner_kind(key_owner(pool_read_key(pool))) == POOL_SHARED);
    place->stable &= gives_unchanged(item_at(items, item), stamp);
}

int64_t place_prefer(const struct items *items, struct place *place, uint16_t owner, int64_t qty)
{
    for (uint32_t i = 0; i < place->count; i++) {
        struct place_pool *pool = &place->pools[i];
        if (key_owner(pool_read_key(pool_at(items, pool->unit))) != owner)
            continue;
        int64_t free = pool_available(pool) > 0 ? pool_available(pool) : 0;
        pool->qty = free < qty ? free : qty;
        return pool->qty;
    }
    return 0;
}

/* Spreads over the pools in turn: takes what is available in each if `free`, otherwise all that is
 * on hand. Returns how many units are still missing. */
static int64_t spread(struct place *place, int64_t missing, bool free)
{
    for (uint32_t i = 0; i < place->count && missing > 0; i++) {
        struct place_pool *pool = &place->pools[i];
        int64_t most = free ? pool_available(pool) : pool_on_hand(pool);
        int64_t left = most - pool->qty;
        int64_t qty = left < missing ? left : missing;
        if (qty <= 0)
            continue;
        pool->qty += qty;
        missing -= qty;
    }
    return missing;
}

void place_take(struct items *items, struct place *place, int64_t missing, bool as_counted,
                struct postings *postings)
{
    assert(missing <= place->on_hand);
    int64_t promised = spread(place, missing, true);
    int64_t unmet = spread(place, promised, false);
    assert(unmet == 0);
    (void)unmet;
    for (uint32_t i = 0; i < place->count; i++) {
        const struct place_pool *pool = &place->pools[i];
        if (pool->qty == 0)
            continue;
        /* While available units suffice, no promise is broken, whatever happens in between. */
        int32_t needs = promised > 0 ? NEEDS_NONE : (int32_t)pool->qty + pool->expected;
        int32_t counted = as_counted ? (int32_t)word_on_hand(pool->word) : NOT_COUNTED;
        if (promised > 0)
            item_set_short(items, key_item(pool_read_key(pool_at(items, pool->unit))));
        post(postings, (struct posting){ .pool = pool->unit,
                                         .counted = counted,
                                         .on_hand = (int32_t)-pool->qty,
                                         .needs = needs,
                                         .floor = pool->expected });
    }
}

/* Does it take what has come of a supply? */
static bool takes_come(const struct items *items, const struct posting *p)
{
    return p->on_hand < 0 &&
           owner_kind(key_owner(pool_read_key(pool_at(items, p->pool)))) == POOL_EXPECTED;
}

bool place_takes_come(const struct ctx *ctx)
{
    const struct postings *postings = ctx->postings;
    bool any = false;
    for (uint32_t i = 0; postings->takes > 0 && i < postings->count; i++)
        any |= takes_come(&ctx->ledger->items, &postings->at[i]);
    return any;
}

enum code place_check_come(struct ctx *ctx)
{
    const struct items *items = &ctx->ledger->items;
    const struct postings *postings = ctx->postings;
    bool same = true;
    for (uint32_t i = 0; i < postings->takes; i++) {
        const struct posting *p = &postings->at[i];
        uint64_t mark = incoming_mark(incoming_at(items, p->pool));
        if (takes_come(items, p))
            same &= !mark_is_raised(mark) && (int32_t)mark_expected(mark) == p->floor;
    }
    return same ? stand_ins_none_left(ctx) : CODE_DEFERRED;
}

/* ---- giving to a pool that may not exist yet ---- */

void target_find(struct items *items, struct target *to)
{
    to->pool = pool_find(items, to->key.item, to->key.location, to->key.owner);
    if (to->pool) /* before it has units: its maker may have been held up */
        stocking_inherit(items, to->pool);
}

static enum code no_pool(struct ctx *ctx)
{
    return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", ctx->ledger->items.max_pools);
}

enum code target_post(struct ctx *ctx, struct target *to, struct text sku, int64_t qty)
{
    struct items *items = &ctx->ledger->items;
    int64_t on_hand = to->pool ? word_on_hand(pool_read(to->pool)) : 0;
    if (on_hand + qty > QUANTITY_MAX)
        return fail(ctx, CODE_LIMIT,
                    "a pool holds at most %lld units; the one that \"%.*s\" would go to has %lld "
                    "on hand",
                    (long long)QUANTITY_MAX, (int)sku.len, sku.at, (long long)on_hand);
    if (!to->pool && !to->has_room && !(to->has_room = pool_room_take(items)))
        return no_pool(ctx);
    uint32_t unit = to->pool ? pool_unit(items, to->pool) : POOL_UNMADE;
    post(ctx->postings, (struct posting){ .pool = unit,
                                          .counted = NOT_COUNTED,
                                          .on_hand = (int32_t)qty,
                                          .needs = NEEDS_NONE,
                                          .stays = true });
    return CODE_OK;
}

enum code target_make(struct ctx *ctx, struct target *to, struct posting *give)
{
    struct items *items = &ctx->ledger->items;
    if (to->pool)
        return CODE_OK;
    assert(give->pool == POOL_UNMADE);
    to->has_room = false;
    to->pool = pool_make_in_room(items, to->key.item, to->key.location, to->key.owner);
    if (!to->pool)
        return no_pool(ctx);
    give->pool = pool_unit(items, to->pool);
    return CODE_OK;
}

void target_end(struct ctx *ctx, const struct target *to)
{
    if (to->has_room)
        pool_room_give(&ctx->ledger->items);
}
