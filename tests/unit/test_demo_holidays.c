/* SPDX-License-Identifier: Apache-2.0 */
/* The holidays of the trial network, against published lists. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/demo_holidays.h"

static int by_day(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Compares with "MM-DD MM-DD ...". */
static void expect(enum demo_country country, int year, const char *expected)
{
    int32_t day[DEMO_HOLIDAYS_MAX];
    size_t count = demo_holidays(country, year, day);
    char text[6 * DEMO_HOLIDAYS_MAX + 1] = "";

    qsort(day, count, sizeof(day[0]), by_day);
    for (size_t i = 0; i < count; i++) {
        char date[DEMO_DATE_SIZE];

        cr_expect(day[i] >= demo_day(year, 1, 1) && day[i] < demo_day(year + 1, 1, 1));
        demo_date(day[i], date);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "",
                 date + 5);
    }
    cr_expect_str_eq(text, expected, "country %d, %d: %s", country, year, text);
}

static int days_of(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

Test(demo_holidays, days_follow_each_other)
{
    int32_t next = 0;

    for (int year = 1970; year <= 2200; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= days_of(year, month); day++, next++) {
                char date[DEMO_DATE_SIZE];
                char expected[DEMO_DATE_SIZE + 24];

                cr_assert_eq(demo_day(year, month, day), next);
                snprintf(expected, sizeof(expected), "%04d-%02d-%02d", year, month, day);
                demo_date(next, date);
                cr_assert_str_eq(date, expected);
            }
        }
    }
}

Test(demo_holidays, weekdays)
{
    cr_expect_eq(demo_weekday(demo_day(1970, 1, 1)), 4);
    cr_expect_eq(demo_weekday(demo_day(2026, 11, 29)), 7);
    cr_expect_eq(demo_weekday(demo_day(2026, 11, 30)), 1);
}

Test(demo_holidays, easter)
{
    static const struct {
        int year, month, day;
    } published[] = { { 1981, 4, 19 }, { 2008, 3, 23 }, { 2011, 4, 24 }, { 2019, 4, 21 },
                      { 2024, 3, 31 }, { 2025, 4, 20 }, { 2026, 4, 5 },  { 2027, 3, 28 },
                      { 2028, 4, 16 }, { 2038, 4, 25 }, { 2049, 4, 18 }, { 2076, 4, 19 } };

    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++)
        cr_expect_eq(demo_easter(published[i].year),
                     demo_day(published[i].year, published[i].month, published[i].day), "%d",
                     published[i].year);
}

Test(demo_holidays, germany)
{
    expect(DEMO_DE, 2026, "01-01 04-03 04-06 05-01 05-14 05-25 10-03 12-25 12-26");
    /* Ascension Day is Labour Day. */
    expect(DEMO_DE, 2008, "01-01 03-21 03-24 05-01 05-12 10-03 12-25 12-26");
}

Test(demo_holidays, france)
{
    expect(DEMO_FR, 2026, "01-01 04-06 05-01 05-08 05-14 05-25 07-14 08-15 11-01 11-11 12-25");
}

Test(demo_holidays, england_and_wales)
{
    expect(DEMO_GB, 2026, "01-01 04-03 04-05 04-06 05-04 05-25 08-31 12-25 12-26 12-28");
    /* 25 December on a Saturday, a Sunday; 1 January on a Saturday, a Sunday. */
    expect(DEMO_GB, 2021, "01-01 04-02 04-04 04-05 05-03 05-31 08-30 12-25 12-26 12-27 12-28");
    expect(DEMO_GB, 2016, "01-01 03-25 03-27 03-28 05-02 05-30 08-29 12-25 12-26 12-27");
    expect(DEMO_GB, 2028, "01-01 01-03 04-14 04-16 04-17 05-01 05-29 08-28 12-25 12-26");
    expect(DEMO_GB, 2017, "01-01 01-02 04-14 04-16 04-17 05-01 05-29 08-28 12-25 12-26");
}
