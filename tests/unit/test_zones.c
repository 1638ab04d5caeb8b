/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones of the system: when their offsets change. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/scratch.h"
#include "zones/zones.h"

static struct zone_change changes[ZONE_CHANGES_MAX];

static int64_t instant(int year, int month, int day, int hour, int minute)
{
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute };
    return (int64_t)timegm(&tm) * 1000;
}

static int ask(const char *tz, int64_t from_ms, int64_t to_ms, unsigned max)
{
    struct zone_source source = zones_of_system();
    memset(changes, 0, sizeof changes);
    return source.changes(source.context, tz, from_ms, to_ms, changes, max);
}

static void ask_year(const char *tz, int year, int expected)
{
    int count = ask(tz, instant(year, 1, 1, 0, 0), instant(year + 1, 1, 1, 0, 0), ZONE_CHANGES_MAX);
    cr_assert_eq(count, expected, "%s: %d", tz, count);
    cr_assert_eq(changes[0].from_ms, instant(year, 1, 1, 0, 0));
}

static void expect_change(int i, int64_t from_ms, int32_t offset_s)
{
    cr_expect_eq(changes[i].from_ms, from_ms, "%d: at %lld, not %lld", i,
                 (long long)changes[i].from_ms, (long long)from_ms);
    cr_expect_eq(changes[i].offset_s, offset_s, "%d: %d, not %d", i, changes[i].offset_s, offset_s);
}

Test(zones, paris)
{
    ask_year("Europe/Paris", 2026, 3);
    expect_change(0, instant(2026, 1, 1, 0, 0), 3600);
    expect_change(1, instant(2026, 3, 29, 1, 0), 7200);
    expect_change(2, instant(2026, 10, 25, 1, 0), 3600);
}

Test(zones, new_york)
{
    ask_year("America/New_York", 2026, 3);
    expect_change(0, instant(2026, 1, 1, 0, 0), -5 * 3600);
    expect_change(1, instant(2026, 3, 8, 7, 0), -4 * 3600);
    expect_change(2, instant(2026, 11, 1, 6, 0), -5 * 3600);
}

Test(zones, lord_howe_changes_by_half_an_hour)
{
    ask_year("Australia/Lord_Howe", 2026, 3);
    expect_change(0, instant(2026, 1, 1, 0, 0), 11 * 3600);
    expect_change(1, instant(2026, 4, 4, 15, 0), 10 * 3600 + 1800);
    expect_change(2, instant(2026, 10, 3, 15, 30), 11 * 3600);
}

Test(zones, kolkata_never_changes)
{
    ask_year("Asia/Kolkata", 2026, 1);
    expect_change(0, instant(2026, 1, 1, 0, 0), 5 * 3600 + 1800);
}

Test(zones, casablanca_changes_for_ramadan)
{
    ask_year("Africa/Casablanca", 2026, 3);
    expect_change(0, instant(2026, 1, 1, 0, 0), 3600);
    expect_change(1, instant(2026, 2, 15, 2, 0), 0);
    expect_change(2, instant(2026, 3, 22, 2, 0), 3600);
}

Test(zones, samoa_skips_a_day)
{
    ask_year("Pacific/Apia", 2011, 4);
    expect_change(3, instant(2011, 12, 30, 10, 0), 14 * 3600);
    cr_expect_eq(changes[2].offset_s, -10 * 3600);
}

Test(zones, rules_go_on_where_the_tables_of_tzdata_end)
{
    ask_year("Europe/Paris", 2090, 3);
    expect_change(1, instant(2090, 3, 26, 1, 0), 7200);
    expect_change(2, instant(2090, 10, 29, 1, 0), 3600);
}

Test(zones, a_change_of_the_name_alone_is_none)
{
    ask_year("America/New_York", 1945, 2); /* in August, "war time" became "peace time" */
    expect_change(1, instant(1945, 9, 30, 6, 0), -5 * 3600);
}

Test(zones, the_range_is_half_open)
{
    int64_t change = instant(2026, 3, 29, 1, 0), day = DAY_MS;
    ask_year("Europe/Paris", 2026, 3);
    cr_expect_eq(ask("Europe/Paris", change - day, change, 8), 1);
    cr_expect_eq(changes[0].offset_s, 3600);
    cr_expect_eq(ask("Europe/Paris", change - day, change + 1, 8), 2);
    expect_change(1, change, 7200);
    cr_expect_eq(ask("Europe/Paris", change - 1, change + 1, 8), 2);
    expect_change(0, change - 1, 3600);
    expect_change(1, change, 7200);
    cr_expect_eq(ask("Europe/Paris", change, change + day, 8), 1);
    expect_change(0, change, 7200);
    cr_expect_eq(ask("Europe/Paris", change + 1, change + 2, 8), 1);
    expect_change(0, change + 1, 7200);
}

Test(zones, more_changes_than_there_is_room_for_are_an_error)
{
    ask_year("Europe/Paris", 2026, 3);
    int64_t from = instant(2026, 1, 1, 0, 0), to = instant(2027, 1, 1, 0, 0);
    cr_expect_eq(ask("Europe/Paris", from, to, 3), 3);
    cr_expect_eq(ask("Europe/Paris", from, to, 2), -EIO);
}

Test(zones, links_and_all_kinds_of_names_count)
{
    static const char *const names[] = {
        "US/Eastern", "Etc/GMT+5", "GMT0", "EST5EDT", "America/Port-au-Prince",
        "Etc/UTC",    "W-SU",      "Zulu", "NZ-CHAT", "America/Argentina/ComodRivadavia"
    };
    ask_year("Europe/Paris", 2026, 3);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect_geq(ask(names[i], instant(2026, 1, 1, 0, 0), instant(2027, 1, 1, 0, 0), 8), 1,
                      "%s", names[i]);
    ask_year("EST5EDT", 2026, 3);
    ask_year("Etc/GMT+5", 2026, 1);
    expect_change(0, instant(2026, 1, 1, 0, 0), -5 * 3600);
}

Test(zones, what_iana_does_not_name_is_no_zone)
{
    static const char *const names[] = {
        "Mars/Base",
        "",
        "Z",
        "+05:00",
        "-03",
        "05:00",
        "UTC+3",
        "ABC5",
        "ABC5DEF",
        "EST5EDT,M3.2.0,M11.1.0",
        "europe/paris",
        "EUROPE/PARIS",
        "Europe",
        "Europe/",
        "Europe//Paris",
        "Europe/Paris/",
        "Europe/Paris/x",
        "/usr/share/zoneinfo/Europe/Paris",
        ":Europe/Paris",
        ":",
        "../zoneinfo/Europe/Paris",
        "Europe/../Europe/Paris",
        "./Europe/Paris",
        "Europe/./Paris",
        "..",
        "posixrules",
        "localtime",
        "posix/Europe/Paris",
        "right/Europe/Paris",
        "tzdata.zi",
        "leapseconds",
        "Europe/Paris ",
        " Europe/Paris",
        "Europe/Par\xc3\xads",
        "Europe/Paris\n",
        "A/very/long/name/that/begins/well/but/does/not/end/where/names/of/zones/end",
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        cr_expect_eq(ask(names[i], 0, DAY_MS, 8), -ENOENT, "\"%s\"", names[i]);
}

Test(zones, utc_needs_no_tzdata)
{
    setenv("TZDIR", "/nowhere", 1);
    cr_expect_eq(ask("UTC", 1, 400 * DAY_MS, 8), 1);
    expect_change(0, 1, 0);
    cr_expect_eq(ask("Europe/Paris", 1, 400 * DAY_MS, 8), -ENOENT);
}

Test(zones, a_file_that_is_not_tzdata_is_an_error)
{
    struct scratch scratch;
    scratch_make(&scratch);
    static const char text[] = "no time zone, but long enough for the head of one, in bytes";
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/Moon", scratch.path);
    write_file(path, text, sizeof text);
    setenv("TZDIR", scratch.path, 1);
    cr_expect_eq(ask("Moon", 0, DAY_MS, 8), -EIO);
    write_file(path, "TZif2", 5);
    cr_expect_eq(ask("Moon", 0, DAY_MS, 8), -EIO);
    scratch_remove(&scratch);
}
