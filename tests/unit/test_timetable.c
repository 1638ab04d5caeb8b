/* SPDX-License-Identifier: Apache-2.0 */
/* Opening hours and dispatch times, as instants. */
#include <criterion/criterion.h>

#include "engine/store/timetable.h"

#define LENGTH(array) ((unsigned)(sizeof(array) / sizeof *(array)))

enum { HOUR = 60, NINE = 9 * HOUR, SIX_PM = 18 * HOUR };

/* 2026-03-25, a Wednesday, four days before clocks go forward in Paris; and that Sunday. */
enum { WEDNESDAY = 20537, SUNDAY = WEDNESDAY + 4, MONDAY = SUNDAY + 1 };

static const struct zone_change utc = { 0, 0 };
static const struct zone_change paris[] = {
    { 0, 3600 },
    { INT64_C(1774746000000), 7200 }, /* 2026-03-29T01:00Z: 02:00 becomes 03:00 */
    { INT64_C(1792890000000), 3600 }, /* 2026-10-25T01:00Z: 03:00 becomes 02:00 */
};

static struct timetable *t;

static void tear_down(void)
{
    timetable_release(t);
}

TestSuite(timetable, .fini = tear_down);

/* An instant, from a time of day in UTC. */
static uint64_t at(int32_t day, int minute)
{
    return (uint64_t)(day * DAY_MS + minute * MINUTE_MS);
}

static void make(struct hours hours, const struct zone_change *changes, unsigned count)
{
    timetable_release(t);
    t = timetable_make(&hours, changes, count, at(WEDNESDAY, 12 * HOUR));
    cr_assert_not_null(t);
}

/* Monday to Friday, from nine to six, in UTC. */
static struct hours business_week(void)
{
    static struct week_hours week[5];
    for (unsigned i = 0; i < 5; i++)
        week[i] = (struct week_hours){ (uint16_t)(i * DAY_MINUTES + NINE),
                                       (uint16_t)(i * DAY_MINUTES + SIX_PM) };
    return (struct hours){ .has_week = true, .week = week, .week_count = 5 };
}

static void expect_spent(uint64_t from, uint64_t open_ms, uint64_t ready)
{
    uint64_t got = timetable_spend(t, from, open_ms);
    cr_expect_eq(got, ready, "%llu ms from %llu: %llu, not %llu", (unsigned long long)open_ms,
                 (unsigned long long)from, (unsigned long long)got, (unsigned long long)ready);
}

static void expect_leaves(uint16_t minute, uint64_t from, uint64_t leaves)
{
    uint64_t got = timetable_dispatch(t, &minute, 1, from);
    cr_expect_eq(got, leaves, "from %llu: %llu, not %llu", (unsigned long long)from,
                 (unsigned long long)got, (unsigned long long)leaves);
}

/* ---- spending opening time ---- */

Test(timetable, spends_time_only_while_it_is_open)
{
    make(business_week(), &utc, 1);
    expect_spent(at(WEDNESDAY, 10 * HOUR), HOUR * MINUTE_MS, at(WEDNESDAY, 11 * HOUR));
    expect_spent(at(WEDNESDAY, 17 * HOUR), 2 * HOUR * MINUTE_MS,
                 at(WEDNESDAY + 1, 10 * HOUR)); /* over night */
    expect_spent(at(WEDNESDAY + 2, 17 * HOUR), 2 * HOUR * MINUTE_MS,
                 at(MONDAY, 10 * HOUR)); /* over a weekend */
    expect_spent(at(WEDNESDAY, 3 * HOUR), 1, at(WEDNESDAY, NINE) + 1);
    expect_spent(at(WEDNESDAY, SIX_PM) - 1, 2, at(WEDNESDAY + 1, NINE) + 1);
    expect_spent(at(WEDNESDAY, NINE), 5 * 9 * HOUR * MINUTE_MS, at(WEDNESDAY + 6, SIX_PM));
    expect_spent(at(WEDNESDAY, NINE), 50 * 45 * HOUR * MINUTE_MS + 1,
                 at(WEDNESDAY + 350, NINE) + 1); /* fifty weeks */
}

Test(timetable, no_work_is_ready_when_it_is_open_next)
{
    make(business_week(), &utc, 1);
    expect_spent(at(WEDNESDAY, 12 * HOUR) + 7, 0, at(WEDNESDAY, 12 * HOUR) + 7);
    expect_spent(at(WEDNESDAY, NINE) - 1, 0, at(WEDNESDAY, NINE));
    expect_spent(at(WEDNESDAY, NINE), 0, at(WEDNESDAY, NINE));
    expect_spent(at(WEDNESDAY, SIX_PM) + 1, 0, at(WEDNESDAY + 1, NINE));
    expect_spent(at(WEDNESDAY + 3, 0), 0, at(MONDAY, NINE));
}

Test(timetable, what_is_done_at_closing_time_is_ready_at_closing_time)
{
    make(business_week(), &utc, 1);
    expect_spent(at(WEDNESDAY, 17 * HOUR), HOUR * MINUTE_MS, at(WEDNESDAY, SIX_PM));
    expect_spent(at(WEDNESDAY, SIX_PM), 0, at(WEDNESDAY, SIX_PM));
    expect_spent(at(WEDNESDAY, SIX_PM), 1, at(WEDNESDAY + 1, NINE) + 1);
}

Test(timetable, hours_that_touch_are_one)
{
    static const struct week_hours week[] = {
        { 0, 2 * HOUR }, /* Monday, to 2 a.m. */
        { 2 * DAY_MINUTES + NINE, 2 * DAY_MINUTES + 12 * HOUR },
        { 2 * DAY_MINUTES + 12 * HOUR, 2 * DAY_MINUTES + 13 * HOUR },
        { 6 * DAY_MINUTES + 22 * HOUR, 7 * DAY_MINUTES }, /* Sunday, from 10 p.m. */
    };
    make((struct hours){ .has_week = true, .week = week, .week_count = 4 }, &utc, 1);
    expect_spent(at(WEDNESDAY, NINE), 4 * HOUR * MINUTE_MS, at(WEDNESDAY, 13 * HOUR));
    expect_spent(at(SUNDAY, 22 * HOUR), 3 * HOUR * MINUTE_MS, at(MONDAY, HOUR));
    expect_spent(at(SUNDAY, 22 * HOUR), 4 * HOUR * MINUTE_MS, at(MONDAY, 2 * HOUR));
    expect_spent(at(SUNDAY, 22 * HOUR), 4 * HOUR * MINUTE_MS + 1, at(MONDAY + 2, NINE) + 1);
}

/* ---- which hours a date has ---- */

Test(timetable, without_a_week_only_closed_dates_are_closed)
{
    static const int32_t closed[] = { WEDNESDAY - 100, WEDNESDAY + 1, WEDNESDAY + 2 };
    make((struct hours){ .closed = closed, .closed_count = 3 }, &utc, 1);
    expect_spent(at(WEDNESDAY, NINE), 15 * HOUR * MINUTE_MS, at(WEDNESDAY + 1, 0));
    expect_spent(at(WEDNESDAY, NINE), 16 * HOUR * MINUTE_MS, at(WEDNESDAY + 3, HOUR));
    make((struct hours){ .has_week = false }, &utc, 1);
    expect_spent(at(WEDNESDAY, NINE), 300 * DAY_MS, at(WEDNESDAY + 300, NINE));
}

Test(timetable, an_empty_week_is_never_open)
{
    make((struct hours){ .has_week = true }, &utc, 1);
    expect_spent(at(WEDNESDAY, NINE), 0, READY_NEVER);
    expect_spent(0, 0, READY_NEVER);
}

Test(timetable, a_dates_own_hours_replace_its_week_even_if_it_is_closed)
{
    static const int32_t closed[] = { WEDNESDAY, WEDNESDAY + 1 };
    static const struct date_hours extra[] = { { WEDNESDAY + 1, 20 * HOUR, 21 * HOUR },
                                               { WEDNESDAY + 2, 0, HOUR },
                                               { WEDNESDAY + 2, 23 * HOUR, 24 * HOUR } };
    struct hours hours = business_week();
    hours.closed = closed;
    hours.closed_count = 2;
    hours.extra = extra;
    hours.extra_count = 3;
    make(hours, &utc, 1);
    expect_spent(at(WEDNESDAY, 10 * HOUR), 0, at(WEDNESDAY + 1, 20 * HOUR));
    expect_spent(at(WEDNESDAY + 1, 20 * HOUR), HOUR * MINUTE_MS + 1, at(WEDNESDAY + 2, 0) + 1);
    expect_spent(at(WEDNESDAY + 2, 12 * HOUR), 0, at(WEDNESDAY + 2, 23 * HOUR));
    expect_spent(at(WEDNESDAY + 3, 1), 0, at(MONDAY, NINE));
}

/* ---- changes of offset ---- */

/* One entry of hours on a date, in Paris. */
static void make_in_paris(int32_t day, int from, int to)
{
    struct date_hours extra = { day, (uint16_t)from, (uint16_t)to };
    make((struct hours){ .has_week = true, .extra = &extra, .extra_count = 1 }, paris,
         LENGTH(paris));
}

static void expect_open(uint64_t from, uint64_t to)
{
    expect_spent(at(WEDNESDAY, 0), 0, from);
    expect_spent(at(WEDNESDAY, 0), to - from, to);
    expect_spent(at(WEDNESDAY, 0), to - from + 1, READY_NEVER);
}

Test(timetable, a_skipped_time_is_taken_with_the_offset_before)
{
    make_in_paris(SUNDAY, 0, DAY_MINUTES); /* a day of 23 hours */
    expect_open(at(SUNDAY - 1, 23 * HOUR), at(SUNDAY, 22 * HOUR));
    make_in_paris(SUNDAY, 150, 4 * HOUR); /* 02:30 is not there: 03:30 */
    expect_open(at(SUNDAY, 90), at(SUNDAY, 120));
    make_in_paris(SUNDAY, 60, 150);
    expect_open(at(SUNDAY, 0), at(SUNDAY, 90));
    make_in_paris(SUNDAY, 150, 195); /* from 03:30 to 03:15 */
    expect_spent(at(WEDNESDAY, 0), 0, READY_NEVER);
}

Test(timetable, a_time_that_occurs_twice_means_the_first)
{
    enum { OCTOBER = WEDNESDAY + 214 };     /* 2026-10-25 */
    make_in_paris(OCTOBER, 0, DAY_MINUTES); /* a day of 25 hours */
    expect_open(at(OCTOBER - 1, 22 * HOUR), at(OCTOBER, 23 * HOUR));
    make_in_paris(OCTOBER, 60, 150);
    expect_open(at(OCTOBER - 1, 23 * HOUR), at(OCTOBER, 30));
    make_in_paris(OCTOBER, 150, 3 * HOUR); /* the second 02:30 is in between */
    expect_open(at(OCTOBER, 30), at(OCTOBER, 120));
}

Test(timetable, midnight_may_be_skipped)
{
    /* 2026-03-28, 23:30 becomes 00:30, at 23:30Z. */
    struct zone_change changes[] = { { 0, 0 }, { (int64_t)at(SUNDAY, -30), 3600 } };
    static const struct date_hours extra[] = { { SUNDAY, 0, DAY_MINUTES } };
    make((struct hours){ .has_week = true, .extra = extra, .extra_count = 1 }, changes, 2);
    expect_open(at(SUNDAY, 0), at(SUNDAY, 23 * HOUR)); /* 00:00 is not there: 01:00 */
    expect_leaves(6 * DAY_MINUTES, at(WEDNESDAY, 0), at(SUNDAY, 0));
}

/* ---- dispatch ---- */

Test(timetable, a_parcel_leaves_at_the_next_dispatch)
{
    static const uint16_t minutes[] = { 2 * DAY_MINUTES + 8 * HOUR, 2 * DAY_MINUTES + 16 * HOUR,
                                        4 * DAY_MINUTES + 12 * HOUR };
    make(business_week(), &utc, 1);
    const uint64_t asked[][2] = {
        { at(WEDNESDAY, 0), at(WEDNESDAY, 8 * HOUR) },
        { at(WEDNESDAY, 8 * HOUR), at(WEDNESDAY, 8 * HOUR) },
        { at(WEDNESDAY, 8 * HOUR) + 1, at(WEDNESDAY, 16 * HOUR) },
        { at(WEDNESDAY, 16 * HOUR) + 1, at(WEDNESDAY + 2, 12 * HOUR) },
        { at(WEDNESDAY + 2, 12 * HOUR) + 1, at(WEDNESDAY + 7, 8 * HOUR) },
    };
    for (unsigned i = 0; i < LENGTH(asked); i++) {
        cr_expect_eq(timetable_dispatch(t, minutes, 3, asked[i][0]), asked[i][1], "%u", i);
        cr_expect_eq(timetable_dispatch(NULL, minutes, 3, asked[i][0]), asked[i][1], "UTC, %u", i);
    }
}

Test(timetable, a_dispatch_follows_the_places_clocks)
{
    make((struct hours){ .has_week = false }, paris, LENGTH(paris));
    uint16_t six_am = 6 * HOUR, skipped = 6 * DAY_MINUTES + 150;
    expect_leaves(six_am, at(WEDNESDAY, 0), at(MONDAY, 4 * HOUR)); /* Monday, summer time */
    expect_leaves(skipped, at(WEDNESDAY, 0), at(SUNDAY, 90));
    expect_leaves(skipped, at(SUNDAY, 90) + 1, at(SUNDAY + 7, 30));
    expect_leaves(six_am, at(WEDNESDAY + 214, 0), at(WEDNESDAY + 215, 5 * HOUR)); /* winter */
}

Test(timetable, the_last_hour_of_a_day_may_come_twice)
{
    /* 2026-03-29, 00:00 becomes 23:00 of the day before, at 00:00Z: that day has 25 hours. */
    struct zone_change changes[] = { { 0, 0 }, { (int64_t)at(SUNDAY, 0), -3600 } };
    make((struct hours){ .has_week = false }, changes, 2);
    expect_leaves(6 * DAY_MINUTES, at(SUNDAY, 30), at(SUNDAY, 60));
    expect_leaves(6 * DAY_MINUTES + 10, at(SUNDAY, 30), at(SUNDAY, 70));
    expect_leaves(5 * DAY_MINUTES + 1410, at(SUNDAY, -30), at(SUNDAY, -30));
    expect_leaves(5 * DAY_MINUTES + 1410, at(SUNDAY, 30), at(SUNDAY + 7, 30));
}

Test(timetable, without_dispatch_times_nothing_is_waited_for)
{
    make(business_week(), &utc, 1);
    cr_expect_eq(timetable_dispatch(t, NULL, 0, 12345), 12345);
    cr_expect_eq(timetable_dispatch(NULL, NULL, 0, READY_NEVER), READY_NEVER);
}

/* ---- where it begins and ends, and where there is none ---- */

Test(timetable, before_its_begin_it_is_closed_and_after_its_end_it_knows_nothing)
{
    make((struct hours){ .has_week = false }, &utc, 1);
    uint64_t begin = at(WEDNESDAY - 1, 0), end = at(WEDNESDAY - 1 + TIMETABLE_DAYS, 0);
    cr_expect_eq(timetable_end(t), end);
    expect_spent(0, 0, begin);
    expect_spent(begin - 1, 5, begin + 5);
    expect_spent(end - 5, 4, end - 1);
    expect_spent(end - 5, 6, READY_NEVER);
    expect_spent(end, 0, READY_NEVER);
    expect_spent(READY_NEVER, 0, READY_NEVER);
    expect_spent(begin, READY_NEVER, READY_NEVER);
    expect_leaves(1 * DAY_MINUTES, 0, begin); /* Tuesday 00:00 */
    expect_leaves(1 * DAY_MINUTES, end, READY_NEVER);
    expect_leaves(1 * DAY_MINUTES, READY_NEVER, READY_NEVER);
    /* Its last day is a Tuesday. */
    expect_leaves(1 * DAY_MINUTES + 23 * HOUR, end - 90 * MINUTE_MS, end - 60 * MINUTE_MS);
    expect_leaves(1 * DAY_MINUTES + 23 * HOUR, end - 30 * MINUTE_MS, READY_NEVER);
}

Test(timetable, its_local_day_decides_where_it_begins)
{
    struct zone_change far_east = { 0, 14 * 3600 }, far_west = { 0, -12 * 3600 };
    make((struct hours){ .has_week = false }, &far_east, 1); /* it is Thursday, 2 a.m., there */
    expect_spent(0, 0, at(WEDNESDAY - 1, 10 * HOUR));
    make((struct hours){ .has_week = false }, &far_west, 1); /* and Wednesday, midnight, there */
    expect_spent(0, 0, at(WEDNESDAY - 1, 12 * HOUR));
}

Test(timetable, a_place_without_one_is_always_open_in_utc)
{
    cr_expect_eq(timetable_end(NULL), READY_NEVER);
    expect_spent(at(SUNDAY, 3), 1000 * DAY_MS, at(SUNDAY + 1000, 3));
    expect_spent(READY_NEVER - 2, 1, READY_NEVER - 1);
    expect_spent(READY_NEVER - 2, 3, READY_NEVER);
    expect_leaves(0, 0, at(4, 0)); /* the first Monday after 1970-01-01 */
    expect_leaves(3 * DAY_MINUTES, 0, 0);
    expect_leaves(WEEK_MINUTES - 1, at(100000, 3), at(100005, DAY_MINUTES - 1));
    expect_leaves(0, READY_NEVER - 1, READY_NEVER);
}

Test(timetable, the_last_holder_frees_it)
{
    make(business_week(), &utc, 1);
    struct timetable *shared = timetable_share(t);
    cr_expect_eq(shared, t);
    timetable_release(shared);
    expect_spent(at(WEDNESDAY, NINE), 0, at(WEDNESDAY, NINE));
    cr_expect_null(timetable_share(NULL));
}
