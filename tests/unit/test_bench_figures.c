/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's arithmetic: histogram, schedule, choice of items, summary of runs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tools/stockbench/check.h"
#include "tools/stockbench/choice.h"
#include "tools/stockbench/histogram.h"
#include "tools/stockbench/schedule.h"
#include "tools/stockbench/summary.h"

static struct histogram histogram;
static struct histogram other;

/* What a value is told as: never less than it is, and never 1 % more. */
static void check_value(uint64_t value)
{
    static struct histogram single;

    single = (struct histogram){ 0 };
    histogram_add(&single, value, 1);
    histogram_add(&single, UINT64_C(1) << 39, 1); /* so that the maximum does not cut it */
    uint64_t told = histogram_at(&single, 0.5);
    cr_assert_geq(told, value);
    cr_assert_leq((double)(told - value), 0.01 * (double)value, "%lu is told as %lu", value, told);
}

Test(bench_histogram, every_value_is_told_to_one_percent)
{
    struct random random = { 7 };

    for (uint64_t value = 0; value < 3000; value++)
        check_value(value);
    for (unsigned bit = 7; bit < 39; bit++) {
        check_value((UINT64_C(1) << bit) - 1);
        check_value(UINT64_C(1) << bit);
        check_value((UINT64_C(1) << bit) + 1);
    }
    for (unsigned i = 0; i < 20000; i++)
        check_value(random_next(&random) >> (26 + random_next(&random) % 30));
}

Test(bench_histogram, percentiles_of_many_values_are_those_of_the_sorted_values)
{
    enum { COUNT = 10000 };

    for (uint64_t i = 1; i <= COUNT; i++)
        histogram_add(&histogram, i * 1000, 1);
    static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double exact = shares[i] * COUNT * 1000;
        cr_assert_float_eq((double)histogram_at(&histogram, shares[i]), exact, 0.011 * exact);
    }
    cr_assert_eq(histogram_at(&histogram, 1), COUNT * 1000);
    cr_assert_float_eq(histogram_mean(&histogram), 5000500.0, 0.1);
}

Test(bench_histogram, merging_is_adding_all_of_both)
{
    histogram_add(&histogram, 1000, 90);
    histogram_add(&other, 5000, 10);
    histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.total, 100);
    cr_assert_eq(histogram.max, 5000);
    cr_assert_eq(histogram.sum, 140000);
    cr_assert_leq(histogram_at(&histogram, 0.90), 1010);
    cr_assert_geq(histogram_at(&histogram, 0.91), 5000);
}

Test(bench_histogram, an_empty_one_and_too_great_a_value)
{
    cr_assert_eq(histogram_at(&histogram, 0.5), 0);
    cr_assert_eq(histogram_mean(&histogram), 0);
    histogram_add(&histogram, UINT64_MAX, 1);
    cr_assert_eq(histogram.max, (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
}

/* Rates that no clock divides: what is due is always just what has its time by now. */
Test(bench_schedule, due_are_those_whose_time_has_come)
{
    static const double rates[] = { 0.5, 3, 999.999, 1e5, 333333, 7e6 };
    struct random random = { 11 };

    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        struct schedule schedule = { .start = 123456789, .rate = rates[r] };

        cr_assert_eq(schedule_due(&schedule, schedule.start - 1), 0);
        cr_assert_eq(schedule_due(&schedule, schedule.start), 1);
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t now = schedule.start + random_next(&random) % 100000000000;
            uint64_t due = schedule_due(&schedule, now);

            cr_assert_leq(schedule_time(&schedule, due - 1), now);
            cr_assert_gt(schedule_time(&schedule, due), now);
        }
    }
}

/* An hour at a million a second drifts by nothing. */
Test(bench_schedule, keeps_its_rate_for_long)
{
    struct schedule schedule = { .start = 5, .rate = 1e6 };

    cr_assert_eq(schedule_time(&schedule, UINT64_C(3600000000)), UINT64_C(3600000000005));
    cr_assert_eq(schedule_due(&schedule, UINT64_C(3600000000005)), UINT64_C(3600000001));
}

static void draw(double exponent, uint32_t items, unsigned draws, unsigned *counts)
{
    struct choice choice;
    uint64_t state = 42;

    cr_assert(choice_init(&choice, items, exponent));
    for (unsigned i = 0; i < draws; i++) {
        uint32_t item = choice_item(&choice, &state);

        cr_assert_lt(item, items);
        counts[item]++;
    }
    choice_destroy(&choice);
}

Test(bench_choice, zipf_gives_each_item_its_share)
{
    enum { ITEMS = 1000, DRAWS = 1000000 };
    static unsigned counts[ITEMS];
    double sum = 0;

    for (unsigned i = 0; i < ITEMS; i++)
        sum += pow(i + 1.0, -0.99);
    draw(0.99, ITEMS, DRAWS, counts);
    for (unsigned i = 0; i < ITEMS; i += i < 10 ? 1 : 111) {
        double expected = DRAWS * pow(i + 1.0, -0.99) / sum;
        cr_assert_float_eq((double)counts[i], expected, 6 * sqrt(expected), "item %u: %u, not %.0f",
                           i, counts[i], expected);
    }
}

Test(bench_choice, uniform_gives_each_item_the_same)
{
    enum { ITEMS = 100, DRAWS = 1000000 };
    static unsigned counts[ITEMS];

    draw(0, ITEMS, DRAWS, counts);
    for (unsigned i = 0; i < ITEMS; i++)
        cr_assert_float_eq((double)counts[i], 10000, 600);
}

Test(bench_choice, one_item_is_always_that_one)
{
    unsigned counts[1] = { 0 };

    draw(0, 1, 100, counts);
    draw(0.99, 1, 100, counts);
    cr_assert_eq(counts[0], 200);
}

Test(bench_summary, median_least_and_greatest)
{
    static const double odd[] = { 5, 1, 3 };
    static const double even[] = { 4, 1, 2, 100 };
    struct spread spread = spread_of(odd, 3);

    cr_assert_eq(spread.median, 3);
    cr_assert_eq(spread.min, 1);
    cr_assert_eq(spread.max, 5);
    spread = spread_of(even, 4);
    cr_assert_eq(spread.median, 3);
    cr_assert_eq(spread.max, 100);
}

/* 10 reserved, 4 of them cancelled, 5 fulfilled, 2 returned: one is still held. */
Test(bench_check, units_must_be_where_the_replies_say)
{
    static struct result result;
    const struct units before = { .on_hand = 100, .reserved = 7 };
    struct units after = { .on_hand = 97, .reserved = 8 };

    result.units[ASK_RESERVE] = 6;
    result.units[ASK_RESERVE_CONFIRMED] = 4;
    result.units[ASK_CANCEL] = 4;
    result.units[ASK_FULFIL] = 5;
    result.units[ASK_RETURN] = 2;
    check_compare(&result, &before, &after);
    cr_assert(result.check.done);
    cr_assert(result.check.good);
    after.on_hand++;
    check_compare(&result, &before, &after);
    cr_assert_not(result.check.good);
    after.on_hand--;
    after.reserved--;
    check_compare(&result, &before, &after);
    cr_assert_not(result.check.good);
    cr_assert_eq(result.check.reserved_expected, 1);
    cr_assert_eq(result.check.reserved_found, 0);
}
