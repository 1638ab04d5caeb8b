/* SPDX-License-Identifier: Apache-2.0 */
/* Items, and the walk over an item's pools. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/store/item.h"

static struct items items;

static struct text name_of(char buffer[SKU_MAX], unsigned number)
{
    return (struct text){ buffer, (uint32_t)snprintf(buffer, SKU_MAX, "item-%u", number) };
}

static int64_t create(struct text sku)
{
    uint32_t spare = UINT32_MAX;
    uint64_t hash = sku_hash(&items, sku);
    int64_t index = items_create(&items, sku, hash, &spare);
    if (index >= 0)
        items_show(&items, (uint32_t)index, hash);
    return index;
}

static int64_t find(struct text sku)
{
    return items_find(&items, sku, sku_hash(&items, sku));
}

Test(item, is_busy_until_it_is_shown)
{
    struct text sku = text_of("a");
    uint64_t hash;
    uint32_t spare = UINT32_MAX;
    cr_assert_eq(items_init(&items, 8, 8, 99), 0);
    hash = sku_hash(&items, sku);
    cr_assert_eq(items_find(&items, sku, hash), ITEM_NONE);
    cr_assert_eq(items_create(&items, sku, hash, &spare), 0);
    cr_assert_eq(items_find(&items, sku, hash), ITEM_BUSY);
    items_show(&items, 0, hash);
    cr_assert_eq(items_find(&items, sku, hash), 0);
    items_destroy(&items);
}

Test(item, who_loses_the_race_keeps_the_index_for_the_next)
{
    char buffer[SKU_MAX];
    uint32_t spare = UINT32_MAX;
    struct text sku = text_of("wanted by two");
    cr_assert_eq(items_init(&items, 4, 8, 99), 0);
    cr_assert_eq(create(sku), 0);
    cr_assert_eq(items_create(&items, sku, sku_hash(&items, sku), &spare), ITEM_BUSY);
    cr_assert_eq(spare, 1);
    struct text other = name_of(buffer, 7);
    cr_assert_eq(items_create(&items, other, sku_hash(&items, other), &spare), 1);
    cr_assert_eq(spare, UINT32_MAX);
    cr_assert(text_equal(item_sku(item_at(&items, 1)), other));
    items_destroy(&items);
}

Test(item, all_are_found_in_a_full_table)
{
    enum { COUNT = 5000 };
    char buffer[SKU_MAX];
    cr_assert_eq(items_init(&items, COUNT, 8, 99), 0);
    for (unsigned i = 0; i < COUNT; i++)
        cr_assert_eq(create(name_of(buffer, i)), i);
    cr_assert_eq(create(text_of("one more")), ITEM_FULL);
    cr_assert_eq(find(text_of("one more")), ITEM_NONE);
    for (unsigned i = 0; i < COUNT; i++)
        cr_assert_eq(find(name_of(buffer, i)), i);
    items_destroy(&items);
}

Test(item, skus_of_all_lengths_differ)
{
    char bytes[SKU_MAX];
    memset(bytes, 'q', sizeof bytes);
    cr_assert_eq(items_init(&items, SKU_MAX, 8, 99), 0);
    for (uint32_t n = 1; n <= SKU_MAX; n++)
        cr_assert_eq(create((struct text){ bytes, n }), n - 1);
    for (uint32_t n = 1; n <= SKU_MAX; n++)
        cr_assert_eq(find((struct text){ bytes, n }), n - 1);
    items_destroy(&items);
}

Test(item, the_follower_may_bring_them_in_any_order)
{
    cr_assert_eq(items_init(&items, 8, 8, 99), 0);
    cr_assert_eq(items_restore(&items, 5, text_of("five")), 0);
    cr_assert_eq(items_restore(&items, 2, text_of("two")), 0);
    cr_assert_eq(find(text_of("five")), 5);
    cr_assert_eq(find(text_of("two")), 2);
    cr_assert_eq(items_restore(&items, 2, text_of("again")), -EINVAL);
    cr_assert_eq(items_restore(&items, 3, text_of("two")), -EINVAL);
    cr_assert_eq(items_restore(&items, 3, text_of("\xff")), -EINVAL);
    cr_assert_eq(items_restore(&items, 8, text_of("eight")), -ENOSPC);
    cr_assert_eq(create(text_of("new")), 6, "behind all that were restored");
    items_destroy(&items);
}

Test(item, takes_no_size_that_its_words_cannot_hold)
{
    cr_assert_eq(items_init(&items, UINT32_MAX, 8, 99), -EINVAL);
    cr_assert_eq(items_init(&items, 8, UINT32_MAX, 99), -EINVAL);
}

/* ---- pools ---- */

static unsigned walk_all(uint32_t item)
{
    unsigned count = 0;
    struct pool_walk walk = pool_walk_start(&items, item);
    struct pool *pool;
    for (; (pool = pool_walk_next(&walk)) != NULL; count++) {
        uint64_t key = atomic_load(&pool->key);
        cr_assert_eq(key_item(key), item);
        cr_assert_eq(key_location(key), count, "pools come in the order in which they were made");
        cr_assert_eq(pool_at(&items, pool_unit(&items, pool)), pool);
    }
    return count;
}

Test(item, walks_over_as_many_pools_as_there_are)
{
    enum { POOLS = 1500 };
    cr_assert_eq(items_init(&items, 3, 3 * POOLS, 99), 0);
    create(text_of("a"));
    create(text_of("b"));
    for (uint16_t i = 0; i < (uint16_t)POOLS; i++) {
        struct pool *pool = pool_make(&items, 1, i, 0);
        cr_assert_not_null(pool);
        cr_assert_eq(pool_make(&items, 1, i, 0), pool, "it is made once");
        cr_assert_eq(pool_find(&items, 1, i, 0), pool);
        if (i < 40 || i % 100 == 0)
            cr_assert_eq(walk_all(1), i + 1u);
        pool_make(&items, 0, i, 0);
    }
    cr_assert_eq(walk_all(0), POOLS);
    cr_assert_eq(walk_all(1), POOLS);
    cr_assert_eq(walk_all(2), 0);
    cr_assert_null(pool_find(&items, 1, POOLS, 0));
    cr_assert_null(pool_find(&items, 1, 1, owner_of(POOL_DAMAGED, 0)));
    cr_assert_eq(atomic_load(&items.pool_count), 2 * POOLS);
    items_destroy(&items);
}

Test(item, a_full_table_of_pools_makes_no_more_but_finds_those_it_has)
{
    cr_assert_eq(items_init(&items, 2, 10, 99), 0);
    create(text_of("a"));
    for (uint16_t i = 0; i < 10; i++)
        cr_assert_not_null(pool_make(&items, 0, i, 0));
    cr_assert_null(pool_make(&items, 0, 10, 0));
    cr_assert_null(pool_make(&items, 1, 0, 0));
    cr_assert_not_null(pool_make(&items, 0, 9, 0));
    cr_assert_eq(walk_all(0), 10);
    items_destroy(&items);
}

/* Each item with one pool more than fits into it and its first blocks: the worst waste there is. */
Test(item, there_is_memory_for_as_many_pools_as_were_promised)
{
    const unsigned each[] = { 4, 11, 12, 26, 27, 58, 122, 250, 506, 1017 };
    for (unsigned e = 0; e < sizeof each / sizeof each[0]; e++) {
        char buffer[SKU_MAX];
        unsigned count = 4000 / each[e];
        cr_assert_eq(items_init(&items, count, count * each[e], 99), 0);
        for (unsigned i = 0; i < count; i++) {
            create(name_of(buffer, i));
            for (uint16_t p = 0; p < each[e]; p++)
                cr_assert_not_null(pool_make(&items, i, p, 0), "%u items of %u pools", i, each[e]);
        }
        items_destroy(&items);
    }
}

/* A pool that is made during a walk may be missed only if the walk had already come to the end. */
Test(item, a_walk_sees_what_is_made_ahead_of_it)
{
    cr_assert_eq(items_init(&items, 1, 100, 99), 0);
    create(text_of("a"));
    for (uint16_t i = 0; i < (uint16_t)ITEM_POOLS; i++)
        pool_make(&items, 0, i, 0);
    struct pool_walk walk = pool_walk_start(&items, 0);
    unsigned seen = 0;
    uint16_t made = ITEM_POOLS;
    for (; pool_walk_next(&walk) != NULL; seen++)
        if (made < 60) /* always one more, over the end of each block */
            pool_make(&items, 0, made++, 0);
    cr_assert_eq(seen, 60);
    items_destroy(&items);
}

Test(item, knows_whether_a_give_came_in_between)
{
    uint32_t stamp;
    struct item item = { .sku_len = 1 };
    cr_assert(gives_stable(&item, &stamp));
    cr_assert(gives_unchanged(&item, stamp));
    gives_begin(&item);
    cr_assert_not(gives_unchanged(&item, stamp));
    uint32_t during;
    cr_assert_not(gives_stable(&item, &during));
    gives_begin(&item);
    gives_end(&item);
    cr_assert_not(gives_stable(&item, &during), "one of the two is under way");
    gives_end(&item);
    cr_assert(gives_stable(&item, &during));
    cr_assert_not(gives_unchanged(&item, stamp), "it came and went");
}
