/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sourcing/short_places.h"

/* Units that lack in the pool; 0 in one that is shared: what it gets makes up for that. False: it
 * is not short. */
static bool is_short(const struct pool *pool, struct short_place *place, bool *undecided)
{
    uint64_t key = pool_read_key(pool);
    enum pool_kind kind = owner_kind(key_owner(key));
    if (kind != POOL_EXPECTED && kind != POOL_SHARED)
        return false;
    uint64_t word = pool_read(pool);
    int64_t lacking = -word_available(word);
    if (lacking <= 0)
        return false;
    *place = (struct short_place){ key_location(key), kind == POOL_EXPECTED ? lacking : 0 };
    *undecided |= word_undecided(word) != 0;
    return true;
}

static void add(struct short_places *s, struct short_place place)
{
    uint32_t i = 0;
    while (i < s->count && s->at[i].location != place.location)
        i++;
    if (i < s->count) {
        s->at[i].lacking += place.lacking;
    } else if (i < SHORT_PLACES) {
        s->at[s->count++] = place;
    } else {
        s->more = true;
    }
}

struct short_places *short_places_look(const struct ctx *ctx, uint32_t item)
{
    struct short_places *s = ctx->short_places;
    const struct pool *pool;
    struct short_place place;
    s->items = &ctx->ledger->items;
    s->item = item;
    s->count = 0;
    s->more = s->undecided = false;
    struct pool_walk walk = pool_walk_start(s->items, item);
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (is_short(pool, &place, &s->undecided))
            add(s, place);
    return short_places_known(ctx);
}

bool short_places_find(const struct short_places *s, uint16_t location, int64_t *lacking)
{
    *lacking = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->at[i].location == location) {
            *lacking = s->at[i].lacking;
            return true;
        }
    if (!s->more)
        return false;
    struct pool_walk walk = pool_walk_start(s->items, s->item);
    const struct pool *pool;
    struct short_place place;
    bool any = false, undecided = false;
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (is_short(pool, &place, &undecided) && place.location == location) {
            *lacking += place.lacking;
            any = true;
        }
    return any;
}

/* X1: the mark is read first. */
int64_t supply_come_free(const struct items *items, uint32_t unit)
{
    int64_t expected = incoming_expected(incoming_at(items, unit));
    return word_available(pool_read(pool_at(items, unit))) - expected;
}

/* Whether units have come is said by the mark, which no swap changes together with the word. */
static int64_t claim_come(struct short_places *s, uint32_t unit, uint64_t word)
{
    int64_t available = word_available(word) > 0 ? word_available(word) : 0;
    uint64_t mark = incoming_mark(incoming_at(s->items, unit));
    if (mark_is_raised(mark) || pool_read(pool_at(s->items, unit)) != word) {
        s->undecided |= available > 0;
        return available;
    }
    return available > mark_expected(mark) ? available - mark_expected(mark) : 0;
}

int64_t short_places_claim(struct short_places *s, uint64_t key, uint32_t unit, uint64_t word)
{
    int64_t lacking;
    enum pool_kind kind = owner_kind(key_owner(key));
    if ((kind != POOL_EXPECTED && kind != POOL_SHARED) ||
        !short_places_find(s, key_location(key), &lacking))
        return 0;
    return kind == POOL_SHARED ? lacking : claim_come(s, unit, word); /* @claims-short */
}

/* The word is read before and after, because a sweep lowers both it and what lacks. */
struct short_look short_places_look_at(const struct ctx *ctx, uint32_t unit)
{
    if (unit == UINT32_MAX)
        return (struct short_look){ .sure = true };
    const struct pool *pool = pool_at(&ctx->ledger->items, unit);
    uint64_t key = pool_read_key(pool), word = pool_read(pool);
    struct short_look look = { .free = word_available(word), .sure = word_undecided(word) == 0 };
    if (!item_may_be_short(item_at(&ctx->ledger->items, key_item(key))))
        return look;
    struct short_places *s = short_places_look(ctx, key_item(key));
    if (!s)
        return look;
    look.claim = short_places_claim(s, key, unit, word);
    look.free -= look.claim;
    look.sure &= !s->undecided && pool_read(pool) == word;
    return look;
}
