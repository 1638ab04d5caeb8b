/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's word: its transitions, and where each of them ends. */
#include <criterion/criterion.h>

#include "engine/store/pool.h"

static struct pool pool_of(int64_t on_hand, int64_t reserved, unsigned undecided)
{
    struct pool pool = { 0 };
    atomic_store(&pool.word, word_make(on_hand, reserved, undecided));
    return pool;
}

static void expect(const struct pool *pool, int64_t on_hand, int64_t reserved, unsigned undecided)
{
    uint64_t word = pool_read(pool);
    cr_assert_eq(word_on_hand(word), on_hand);
    cr_assert_eq(word_reserved(word), reserved);
    cr_assert_eq(word_undecided(word), undecided);
}

Test(pool, word_holds_its_three_numbers_at_their_ends)
{
    const int64_t on_hand[] = { 0, 1, QUANTITY_MAX, WORD_ON_HAND_MOST };
    const int64_t reserved[] = { 0, 1, QUANTITY_MAX };
    const unsigned undecided[] = { 0, 1, WORD_UNDECIDED_MOST };
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 3; j++)
            for (unsigned k = 0; k < 3; k++) {
                struct pool pool = pool_of(on_hand[i], reserved[j], undecided[k]);
                expect(&pool, on_hand[i], reserved[j], undecided[k]);
                cr_assert_eq(word_available(pool_read(&pool)), on_hand[i] - reserved[j]);
            }
    cr_assert_eq(word_make(1, 0, 0), WORD_ON_HAND_ONE);
    cr_assert_eq(word_make(0, 1, 0), WORD_RESERVED_ONE);
    cr_assert_eq(word_make(0, 0, 1), WORD_UNDECIDED_ONE);
}

Test(pool, key_holds_item_location_and_owner)
{
    uint16_t owner = owner_of(POOL_ALLOTTED, CHANNELS_MAX - 1);
    uint64_t key = pool_key_word(UINT32_MAX - 1, LOCATIONS_MAX - 1, owner);
    cr_assert_eq(key_item(key), UINT32_MAX - 1);
    cr_assert_eq(key_location(key), LOCATIONS_MAX - 1);
    cr_assert_eq(key_owner(key), owner);
    cr_assert_eq(owner_kind(owner), POOL_ALLOTTED);
    cr_assert_eq(owner_channel(owner), CHANNELS_MAX - 1);
    cr_assert_neq(pool_key_word(0, 0, 0), 0, "a key of zero means that there is no pool");
}

Test(pool, only_shared_and_allotted_units_are_sold)
{
    for (unsigned kind = 0; kind < POOL_KIND_COUNT; kind++)
        cr_assert_eq(owner_sellable(owner_of((enum pool_kind)kind, 3)),
                     kind == POOL_SHARED || kind == POOL_ALLOTTED);
}

Test(pool, takes_exactly_what_is_available)
{
    struct pool pool = pool_of(10, 7, 0);
    uint64_t after;
    struct pool_change take = { .reserved = 4 };
    cr_assert_eq(pool_apply(&pool, take, 4, &after), POOL_SHORT);
    cr_assert_eq(word_available(after), 3, "it says what spoke against it");
    take.reserved = 3;
    cr_assert_eq(pool_apply(&pool, take, 3, &after), POOL_CHANGED);
    cr_assert_eq(after, pool_read(&pool));
    expect(&pool, 10, 10, 0);
    take.reserved = 1;
    cr_assert_eq(pool_apply(&pool, take, 1, &after), POOL_SHORT);
}

static struct pool_terms terms(int64_t needs_available, int64_t counted)
{
    return (struct pool_terms){ .needs_available = needs_available, .counted = counted };
}

Test(pool, leaves_what_has_not_come)
{
    struct pool pool = pool_of(10, 7, 0);
    struct pool_terms four_not_come = { INT64_MIN, NOT_COUNTED, 4 };
    struct pool_change ships = { .on_hand = -7, .reserved = -7 };
    uint64_t after;
    cr_assert_eq(pool_apply_on(&pool, ships, four_not_come, &after), POOL_SHORT);
    ships = (struct pool_change){ .on_hand = -6, .reserved = -6 };
    cr_assert_eq(pool_apply_on(&pool, ships, four_not_come, &after), POOL_CHANGED);
    expect(&pool, 4, 1, 0);
}

Test(pool, changes_what_was_counted_only_if_it_is_so_still)
{
    struct pool pool = pool_of(10, 7, 0);
    uint64_t after;
    struct pool_change find = { .on_hand = 5 }, miss = { .on_hand = -12 };
    cr_assert_eq(pool_apply_on(&pool, find, terms(INT64_MIN, 9), &after), POOL_SHORT);
    cr_assert_eq(pool_apply_on(&pool, find, terms(INT64_MIN, 11), &after), POOL_SHORT);
    cr_assert_eq(word_on_hand(after), 10, "it says what spoke against it");
    cr_assert_eq(pool_apply_on(&pool, find, terms(INT64_MIN, 10), &after), POOL_CHANGED);
    expect(&pool, 15, 7, 0);
    cr_assert_eq(pool_apply_on(&pool, miss, terms(INT64_MIN, 15), &after), POOL_CHANGED,
                 "promised or not");
    expect(&pool, 3, 7, 0);
    pool = pool_of(10, 7, 0);
    miss.on_hand = -3;
    cr_assert_eq(pool_apply_on(&pool, miss, terms(4, 10), &after), POOL_SHORT,
                 "promised meanwhile");
    cr_assert_eq(pool_apply_on(&pool, miss, terms(3, 10), &after), POOL_CHANGED);
    pool = pool_of(10, 7, 1);
    cr_assert_eq(pool_apply_on(&pool, find, terms(INT64_MIN, 10), &after), POOL_SHORT,
                 "it may be undone");
    pool = pool_of(QUANTITY_MAX - 4, 0, 0);
    cr_assert_eq(pool_apply_on(&pool, find, terms(INT64_MIN, QUANTITY_MAX - 4), &after), POOL_FULL);
}

Test(pool, may_need_more_than_it_takes)
{
    struct pool pool = pool_of(10, 0, 0);
    uint64_t after;
    struct pool_change take = { .reserved = 2 };
    cr_assert_eq(pool_apply(&pool, take, 2 + 9, &after), POOL_SHORT);
    cr_assert_eq(pool_apply(&pool, take, 2 + 8, &after), POOL_CHANGED);
}

Test(pool, on_hand_does_not_fall_below_zero)
{
    struct pool pool = pool_of(5, 0, 0);
    uint64_t after;
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = -6 }, INT64_MIN, &after),
                 POOL_SHORT);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = -5 }, INT64_MIN, &after),
                 POOL_CHANGED);
    expect(&pool, 0, 0, 0);
}

Test(pool, available_falls_below_zero_when_less_is_found_than_was_promised)
{
    struct pool pool = pool_of(5, 5, 0);
    uint64_t after;
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = -3 }, INT64_MIN, &after),
                 POOL_CHANGED);
    cr_assert_eq(word_available(after), -3);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .reserved = 1 }, 1, &after), POOL_SHORT);
}

Test(pool, on_hand_does_not_grow_over_the_greatest_quantity)
{
    struct pool pool = pool_of(QUANTITY_MAX - 1, 0, 0);
    uint64_t after;
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = 2 }, INT64_MIN, &after),
                 POOL_FULL);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = 1 }, INT64_MIN, &after),
                 POOL_CHANGED);
    expect(&pool, QUANTITY_MAX, 0, 0);
}

Test(pool, a_change_made_again_may_grow_over_it_and_the_surplus_can_leave)
{
    struct pool pool = pool_of(QUANTITY_MAX, 0, 0);
    uint64_t after;
    struct pool_change in = { .on_hand = QUANTITY_MAX }, more = { .on_hand = 2 };
    cr_assert_eq(pool_reapply(&pool, in, &after), POOL_CHANGED);
    expect(&pool, 2 * QUANTITY_MAX, 0, 0);
    cr_assert_eq(pool_reapply(&pool, more, &after), POOL_FULL);
    cr_assert_eq(pool_apply(&pool, more, INT64_MIN, &after), POOL_FULL);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .reserved = 1 }, 1, &after), POOL_CHANGED);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .on_hand = -1 }, INT64_MIN, &after),
                 POOL_CHANGED);
    expect(&pool, 2 * QUANTITY_MAX - 1, 1, 0);
}

Test(pool, reserved_stays_in_its_range)
{
    struct pool pool = pool_of(0, QUANTITY_MAX, 0);
    uint64_t after;
    int64_t room = WORD_RESERVED_MOST - QUANTITY_MAX;
    cr_assert_eq(pool_reapply(&pool, (struct pool_change){ .reserved = room }, &after),
                 POOL_CHANGED);
    cr_assert_eq(pool_reapply(&pool, (struct pool_change){ .reserved = 1 }, &after), POOL_FULL);
    cr_assert_eq(pool_apply(&pool, (struct pool_change){ .reserved = 1 }, INT64_MIN, &after),
                 POOL_FULL);
    cr_assert_eq(
        pool_reapply(&pool, (struct pool_change){ .reserved = -WORD_RESERVED_MOST }, &after),
        POOL_CHANGED);
    cr_assert_eq(pool_reapply(&pool, (struct pool_change){ .reserved = -1 }, &after), POOL_FULL);
}

/* An undone fulfil may leave more on hand than a give may. All of it can be promised: an order that
 * its plan finds enough for must not fail at the take for ever. */
Test(pool, what_is_on_hand_over_the_greatest_quantity_can_be_reserved)
{
    struct pool pool = pool_of(QUANTITY_MAX + 20, 30, 0);
    uint64_t after;
    struct pool_change all = { .reserved = QUANTITY_MAX - 10 };
    cr_assert_eq(pool_apply(&pool, all, QUANTITY_MAX - 10, &after), POOL_CHANGED);
    expect(&pool, QUANTITY_MAX + 20, QUANTITY_MAX + 20, 0);
}

Test(pool, counts_a_tentative_take_of_every_context)
{
    struct pool pool = pool_of(CONTEXTS_MAX, 0, 0);
    uint64_t after;
    struct pool_change take = { .reserved = 1, .tentative = 1 };
    for (unsigned i = 1; i <= CONTEXTS_MAX; i++) {
        cr_assert_eq(pool_apply(&pool, take, 1, &after), POOL_CHANGED);
        expect(&pool, CONTEXTS_MAX, i, i);
    }
    cr_assert_eq(pool_apply(&pool, take, 1, &after), POOL_SHORT);
    for (unsigned i = CONTEXTS_MAX; i > CONTEXTS_MAX / 2; i--)
        pool_give(&pool, (struct pool_change){ .reserved = -1, .tentative = -1 });
    for (unsigned i = CONTEXTS_MAX / 2; i > 0; i--)
        pool_give(&pool, (struct pool_change){ .tentative = -1 });
    expect(&pool, CONTEXTS_MAX, CONTEXTS_MAX / 2, 0);
}
