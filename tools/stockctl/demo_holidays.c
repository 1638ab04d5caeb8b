/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockctl/demo_holidays.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>

#define DAYS_IN_ERA 146097  /* 400 years of the Gregorian calendar */
#define DAYS_TO_1970 719468 /* from 0000-03-01, where an era begins */

/* Years are counted from March here, so that the leap day is a year's last. */
int32_t demo_day(int year, int month, int day)
{
    int from_march = month > 2 ? month - 3 : month + 9;
    int y = month > 2 ? year : year - 1;
    int era = y / 400;
    int year_of_era = y % 400;
    int day_of_year = (153 * from_march + 2) / 5 + day - 1;

    assert(year >= 1 && month >= 1 && month <= 12);
    return era * DAYS_IN_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - DAYS_TO_1970;
}

int demo_weekday(int32_t day)
{
    return (int)(((day + 3) % 7 + 7) % 7) + 1; /* 1970-01-01 was a Thursday */
}

void demo_date(int32_t day, char out[DEMO_DATE_SIZE])
{
    int year = 1970 + day / 366; /* at most the year that is meant */
    int month = 1;

    assert(day >= 0);
    while (demo_day(year + 1, 1, 1) <= day)
        year++;
    assert(year <= 9999);
    while (month < 12 && demo_day(year, month + 1, 1) <= day)
        month++;
    snprintf(out, DEMO_DATE_SIZE, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)(day - demo_day(year, month, 1) + 1) % 100);
}

/* The anonymous Gregorian algorithm (J. Meeus, Astronomical Algorithms, chapter 8). */
int32_t demo_easter(int year)
{
    int a = year % 19;
    int b = year / 100;
    int c = year % 100;
    int f = (b + 8) / 25;
    int g = (b - f + 1) / 3;
    int h = (19 * a + b - b / 4 - g + 15) % 30;
    int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    int m = (a + 11 * h + 22 * l) / 451;
    int n = h + l - 7 * m + 114;

    return demo_day(year, n / 31, n % 31 + 1);
}

/* ---- Rules -------------------------------------------------------------------------------------
 */

enum rule_kind {
    RULE_END,
    RULE_FIXED,        /* month, day */
    RULE_EASTER,       /* so many days after Easter Sunday */
    RULE_FIRST_MONDAY, /* of the month */
    RULE_LAST_MONDAY,  /* of the month */
    RULE_SUBSTITUTED,  /* month, day: so many days from then on, and a later working day for each
                        * that is on a weekend */
};

struct rule {
    enum rule_kind kind;
    int month;
    int day;
    int days;
};

#define RULES_MAX 12

static const struct rule rules[DEMO_COUNTRIES][RULES_MAX + 1] = {
    [DEMO_DE] = {
        { RULE_FIXED, 1, 1, 0 },
        { RULE_EASTER, .days = -2 }, /* Good Friday */
        { RULE_EASTER, .days = 1 },
        { RULE_FIXED, 5, 1, 0 },
        { RULE_EASTER, .days = 39 }, /* Ascension Day */
        { RULE_EASTER, .days = 50 }, /* Whit Monday */
        { RULE_FIXED, 10, 3, 0 },
        { RULE_FIXED, 12, 25, 0 },
        { RULE_FIXED, 12, 26, 0 },
    },
    [DEMO_FR] = {
        { RULE_FIXED, 1, 1, 0 },
        { RULE_EASTER, .days = 1 },
        { RULE_FIXED, 5, 1, 0 },
        { RULE_FIXED, 5, 8, 0 },
        { RULE_EASTER, .days = 39 },
        { RULE_EASTER, .days = 50 },
        { RULE_FIXED, 7, 14, 0 },
        { RULE_FIXED, 8, 15, 0 },
        { RULE_FIXED, 11, 1, 0 },
        { RULE_FIXED, 11, 11, 0 },
        { RULE_FIXED, 12, 25, 0 },
    },
    [DEMO_GB] = {
        { RULE_SUBSTITUTED, 1, 1, 1 },
        { RULE_EASTER, .days = -2 },
        { RULE_EASTER, .days = 0 },
        { RULE_EASTER, .days = 1 },
        { RULE_FIRST_MONDAY, .month = 5 },
        { RULE_LAST_MONDAY, .month = 5 },
        { RULE_LAST_MONDAY, .month = 8 },
        { RULE_SUBSTITUTED, 12, 25, 2 },
    },
};

struct days {
    int32_t *out;
    size_t count;
};

/* Two holidays may share a day, as Labour Day and Ascension Day did in 2008. */
static void add(struct days *days, int32_t day)
{
    for (size_t i = 0; i < days->count; i++)
        if (days->out[i] == day)
            return;
    assert(days->count < DEMO_HOLIDAYS_MAX);
    days->out[days->count++] = day;
}

static void add_substituted(struct days *days, int32_t first, int count)
{
    int owed = 0;

    for (int i = 0; i < count; i++) {
        owed += demo_weekday(first + i) > 5;
        add(days, first + i);
    }
    for (int32_t day = first + count; owed > 0; day++) {
        if (demo_weekday(day) > 5)
            continue;
        add(days, day);
        owed--;
    }
}

static void add_rule(struct days *days, const struct rule *rule, int year)
{
    int32_t monday;

    switch (rule->kind) {
    case RULE_FIXED:
        add(days, demo_day(year, rule->month, rule->day));
        break;
    case RULE_EASTER:
        add(days, demo_easter(year) + rule->days);
        break;
    case RULE_FIRST_MONDAY:
        monday = demo_day(year, rule->month, 7);
        add(days, monday - (demo_weekday(monday) - 1));
        break;
    case RULE_LAST_MONDAY:
        monday = demo_day(year, rule->month + 1, 1) - 1;
        add(days, monday - (demo_weekday(monday) - 1));
        break;
    case RULE_SUBSTITUTED:
        add_substituted(days, demo_day(year, rule->month, rule->day), rule->days);
        break;
    case RULE_END:
        break;
    }
}

size_t demo_holidays(enum demo_country country, int year, int32_t out[DEMO_HOLIDAYS_MAX])
{
    struct days days = { .out = out };

    for (const struct rule *rule = rules[country]; rule->kind != RULE_END; rule++)
        add_rule(&days, rule, year);
    return days.count;
}
