/* SPDX-License-Identifier: Apache-2.0 */
/* Recent changes, also those that are booked late. */
#include <criterion/criterion.h>

#include "engine/store/recent.h"

static struct recent recent;

static void set_up(void)
{
    cr_assert_eq(recent_init(&recent), 0);
}

static void tear_down(void)
{
    recent_destroy(&recent);
}

TestSuite(recent, .init = set_up, .fini = tear_down);

enum { SHELF = 7, OTHER = 8 };

static int64_t since(uint64_t time_ms)
{
    int64_t sum = 0;
    const uint32_t pools[] = { SHELF };
    cr_assert(recent_since(&recent, time_ms, pools, 1, &sum));
    return sum;
}

Test(recent, adds_up_what_moved_in_those_pools_since)
{
    recent_add(&recent, 100, SHELF, 5);
    recent_add(&recent, 110, OTHER, 50);
    recent_add(&recent, 120, SHELF, -2);
    cr_assert_eq(since(99), 3);
    cr_assert_eq(since(100), -2);
    cr_assert_eq(since(120), 0);
}

Test(recent, a_late_change_happened_when_it_did)
{
    recent_add(&recent, 100, SHELF, 5);
    recent_add_late(&recent, 200, 150, SHELF, -1);
    recent_add_late(&recent, 200, 50, SHELF, -3);
    cr_assert_eq(since(40), 1);
    cr_assert_eq(since(99), 4);
    cr_assert_eq(since(149), -1);
    cr_assert_eq(since(150), 0);
    cr_assert_eq(since(250), 0);
}

Test(recent, a_late_change_hides_none_before_it)
{
    recent_add(&recent, 100, SHELF, 5);
    recent_add(&recent, 190, SHELF, 7);
    recent_add_late(&recent, 200, 20, SHELF, -1);
    recent_add(&recent, 210, SHELF, 9);
    cr_assert_eq(since(150), 16);
    cr_assert_eq(since(30), 21);
    cr_assert_eq(since(10), 20);
}

Test(recent, what_a_till_sees_ahead_of_us_counts_as_now)
{
    recent_add_late(&recent, 200, 900, SHELF, -1);
    cr_assert_eq(since(199), -1);
    cr_assert_eq(since(200), 0);
}

/* The walk ends where changes were booked before that time, however many late ones follow. */
Test(recent, says_in_the_ring_when_a_late_change_was_booked)
{
    for (unsigned i = 0; i < 5; i++)
        recent_add_late(&recent, 200, i, SHELF, -1);
    cr_assert_eq(atomic_load(&recent.count), 6, "one of nothing, then those five");
    recent_add_late(&recent, 201, 1, SHELF, -1);
    cr_assert_eq(atomic_load(&recent.count), 8);
    cr_assert_eq(since(3), -1);
}

Test(recent, a_change_that_was_overwritten_is_forgotten_by_its_own_time)
{
    const uint32_t pools[] = { SHELF };
    int64_t sum = 0;
    recent_add(&recent, 1000, OTHER, 1);
    recent_add_late(&recent, 1000, 500, SHELF, -1);
    for (unsigned i = 0; i < RECENT_CHANGES - 1; i++)
        recent_add(&recent, 1000 + i / 1000, OTHER, 1);
    cr_assert_eq(since(1000), 0, "the first is overwritten");
    cr_assert_not(recent_since(&recent, 999, pools, 1, &sum));
    recent_add(&recent, 3000, OTHER, 1); /* overwrites the late one, which is no news */
    cr_assert_eq(atomic_load(&recent.forgotten_ms), 1000);
}
