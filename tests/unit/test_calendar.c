/* SPDX-License-Identifier: Apache-2.0 */
/* Calendars as the catalogue holds them, and dates. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/store/calendar.h"
#include "tests/support/random.h"

/* 2026-03-25, a Wednesday. */
enum { WEDNESDAY = 20537, HOUR = 60 };

/* ---- a source of zones ---- */

static int asked;
static int64_t asked_from, asked_to;

/* UTC, a zone an hour to the east of it, and one whose data is broken. */
static int fake_changes(void *context, const char *tz, int64_t from_ms, int64_t to_ms,
                        struct zone_change *to, unsigned max)
{
    (void)context;
    cr_assert_geq(max, 1);
    asked++;
    asked_from = from_ms;
    asked_to = to_ms;
    if (strcmp(tz, "Bad/Data") == 0)
        return -EIO;
    if (strcmp(tz, "UTC") != 0 && strcmp(tz, "East/Hour") != 0)
        return -ENOENT;
    to[0] = (struct zone_change){ from_ms, tz[0] == 'E' ? 3600 : 0 };
    return 1;
}

static const struct zone_source zones = { .changes = fake_changes };

/* ---- checks ---- */

static char message[256];

static void expect(struct calendar_setting s, enum code wanted, const char *says)
{
    s.code = text_of("shop");
    message[0] = 0;
    enum code code = calendar_check(&s, &zones, message, sizeof message);
    cr_expect_eq(code, wanted, "%s: %s", code_name(code), message);
    cr_expect_str_eq(message, says);
}

static void expect_tz(struct text tz, enum code wanted, const char *says)
{
    expect((struct calendar_setting){ .has_tz = true, .tz = tz }, wanted, says);
}

static void expect_week(const struct week_hours *week, uint32_t count, enum code wanted,
                        const char *says)
{
    expect((struct calendar_setting){ .has_week = true, .week = week, .week_count = count }, wanted,
           says);
}

static void expect_extra(const struct date_hours *extra, uint32_t count, enum code wanted,
                         const char *says)
{
    expect((struct calendar_setting){ .has_extra = true, .extra = extra, .extra_count = count },
           wanted, says);
}

static void expect_closed(const int32_t *closed, uint32_t count, enum code wanted, const char *says)
{
    expect((struct calendar_setting){ .has_closed = true, .closed = closed, .closed_count = count },
           wanted, says);
}

Test(calendar, looks_up_no_zone_without_zones)
{
    struct calendar_setting s = { .code = text_of("shop"), .has_tz = true };
    s.tz = text_of("Mars/Base");
    cr_expect_eq(calendar_check(&s, NULL, message, sizeof message), CODE_OK);
}

Test(calendar, checks_its_code)
{
    struct calendar_setting s = { .code = text_of("no code") };
    cr_expect_eq(calendar_check(&s, &zones, message, sizeof message), CODE_BAD_REQUEST);
    cr_expect_str_eq(message, "code must be 1 to 32 bytes of A-Za-z0-9._-");
    expect((struct calendar_setting){ .has_tz = false }, CODE_OK, "");
    cr_expect_eq(asked, 0);
}

Test(calendar, checks_its_zone)
{
    expect_tz(text_of("East/Hour"), CODE_OK, "");
    expect_tz(text_of("Mars/Base"), CODE_BAD_REQUEST,
              "tz \"Mars/Base\" is no time zone that the system knows");
    expect_tz(text_of(""), CODE_BAD_REQUEST, "tz \"\" is no time zone that the system knows");
    expect_tz((struct text){ "UTC\0x", 5 }, CODE_BAD_REQUEST,
              "tz \"UTC\" is no time zone that the system knows");
    expect_tz(text_of("\xff"), CODE_BAD_REQUEST, "tz must be at most 64 bytes of UTF-8");
    expect_tz(
        (struct text){ "A123456789012345678901234567890123456789012345678901234567890123x", 65 },
        CODE_BAD_REQUEST, "tz must be at most 64 bytes of UTF-8");
    expect_tz(
        (struct text){ "A123456789012345678901234567890123456789012345678901234567890123", 64 },
        CODE_BAD_REQUEST,
        "tz \"A123456789012345678901234567890123456789012345678901234567890123\" is no time "
        "zone that the system knows");
    expect_tz(text_of("Bad/Data"), CODE_UNREADABLE,
              "tz \"Bad/Data\": the system's time zone data cannot be read: Input/output error");
}

Test(calendar, a_recorded_zone_is_not_looked_up)
{
    expect(
        (struct calendar_setting){ .has_tz = true, .tz = text_of("Mars/Base"), .recorded = true },
        CODE_OK, "");
    cr_expect_eq(asked, 0);
}

Test(calendar, checks_its_week)
{
    static const char within[] = "week[1]: opening hours must be from < to, within one day";
    static const char overlap[] = "week[1]: opening hours overlap";
    struct week_hours week[] = { { 540, 720 }, { 720, 1080 } };
    expect_week(week, 2, CODE_OK, ""); /* touching */
    week[1] = (struct week_hours){ 719, 1080 };
    expect_week(week, 2, CODE_BAD_REQUEST, overlap);
    week[1] = week[0];
    expect_week(week, 2, CODE_BAD_REQUEST, overlap);
    week[1] = (struct week_hours){ 0, 541 };
    expect_week(week, 2, CODE_BAD_REQUEST, overlap);
    week[1] = (struct week_hours){ 0, 540 };
    expect_week(week, 2, CODE_OK, "");
    week[1] = (struct week_hours){ 0, 0 };
    expect_week(week, 2, CODE_BAD_REQUEST, within);
    week[1] = (struct week_hours){ 9, 8 };
    expect_week(week, 2, CODE_BAD_REQUEST, within);
    week[1] = (struct week_hours){ 1430, 1441 };
    expect_week(week, 2, CODE_BAD_REQUEST, within);
    week[1] = (struct week_hours){ WEEK_MINUTES - 1, WEEK_MINUTES + 1 };
    expect_week(week, 2, CODE_BAD_REQUEST, within);
    week[1] = (struct week_hours){ WEEK_MINUTES, WEEK_MINUTES + 1 }; /* an eighth day */
    expect_week(week, 2, CODE_BAD_REQUEST, within);
    week[1] = (struct week_hours){ WEEK_MINUTES - DAY_MINUTES, WEEK_MINUTES };
    expect_week(week, 2, CODE_OK, "");
    expect_week(NULL, 0, CODE_OK, "");
}

Test(calendar, checks_its_dates)
{
    static const char range[] = "closed[1]: the date must be from 1970-01-01 to 2199-12-31";
    expect_closed((int32_t[]){ 0, DATE_DAY_MAX }, 2, CODE_OK, "");
    expect_closed((int32_t[]){ 5, 5 }, 2, CODE_OK, "");
    expect_closed((int32_t[]){ 0, -1 }, 2, CODE_BAD_REQUEST, range);
    expect_closed((int32_t[]){ 0, DATE_DAY_MAX + 1 }, 2, CODE_BAD_REQUEST, range);
}

Test(calendar, checks_the_hours_of_its_dates)
{
    static const char hours[] = "extra[1]: opening hours must be from < to <= 1440";
    struct date_hours extra[] = { { 7, 540, 720 }, { 7, 720, 1440 } };
    expect_extra(extra, 2, CODE_OK, "");
    extra[1].from = 719;
    expect_extra(extra, 2, CODE_BAD_REQUEST, "extra[1]: opening hours overlap");
    extra[1].day = 8;
    expect_extra(extra, 2, CODE_OK, "");
    extra[1].to = 1441;
    expect_extra(extra, 2, CODE_BAD_REQUEST, hours);
    extra[1].to = 719;
    expect_extra(extra, 2, CODE_BAD_REQUEST, hours);
    extra[1].day = -1;
    expect_extra(extra, 2, CODE_BAD_REQUEST,
                 "extra[1]: the date must be from 1970-01-01 to 2199-12-31");
}

Test(calendar, its_lists_have_limits)
{
    static struct week_hours week[WEEK_HOURS_MAX + 1];
    static int32_t closed[CLOSED_MAX + 1];
    static struct date_hours extra[EXTRA_MAX + 1];
    for (int i = 0; i <= WEEK_HOURS_MAX; i++)
        week[i] = (struct week_hours){ (uint16_t)i, (uint16_t)(i + 1) };
    for (int i = 0; i <= EXTRA_MAX; i++)
        extra[i] = (struct date_hours){ 3, (uint16_t)i, (uint16_t)(i + 1) };
    expect_week(week, WEEK_HOURS_MAX, CODE_OK, "");
    expect_week(week, WEEK_HOURS_MAX + 1, CODE_TOO_LARGE,
                "week may have at most 64 entries, not 65");
    expect_closed(closed, CLOSED_MAX, CODE_OK, "");
    expect_closed(closed, CLOSED_MAX + 1, CODE_TOO_LARGE,
                  "closed may have at most 1024 entries, not 1025");
    expect_extra(extra, EXTRA_MAX, CODE_OK, "");
    expect_extra(extra, EXTRA_MAX + 1, CODE_TOO_LARGE,
                 "extra may have at most 1024 entries, not 1025");
}

/* ---- changes ---- */

static struct calendar calendar;

static void set_up(void)
{
    calendar = calendar_new(text_of("shop"));
}

static void tear_down(void)
{
    calendar_release(&calendar);
}

TestSuite(calendar_set, .init = set_up, .fini = tear_down);

static void change(struct calendar_setting s)
{
    cr_assert(calendar_change(&calendar, &s));
}

static const struct week_hours two_days[] = { { DAY_MINUTES, DAY_MINUTES + 60 }, { 540, 600 } };
static const int32_t three_dates[] = { 9, 5, 9 };
static const struct date_hours dates_hours[] = { { 6, 1, 2 }, { 5, 9, 10 }, { 5, 3, 4 } };

static void change_all(void)
{
    change((struct calendar_setting){ .has_tz = true,
                                      .tz = text_of("East/Hour"),
                                      .has_week = true,
                                      .week = two_days,
                                      .week_count = 2,
                                      .has_closed = true,
                                      .closed = three_dates,
                                      .closed_count = 3,
                                      .has_extra = true,
                                      .extra = dates_hours,
                                      .extra_count = 3 });
}

Test(calendar_set, a_new_one_is_in_utc_and_always_open)
{
    cr_expect(text_equal(code_text(&calendar.code), text_of("shop")));
    cr_expect(text_equal(zone_text(&calendar.tz), text_of("UTC")));
    cr_expect_not(calendar.has_week);
    cr_expect_eq(calendar.week_count + calendar.closed_count + calendar.extra_count, 0);
    cr_expect_null(calendar.timetable);
}

Test(calendar_set, sorts_its_lists_and_merges_dates)
{
    change_all();
    cr_expect(text_equal(zone_text(&calendar.tz), text_of("East/Hour")));
    cr_assert_eq(calendar.week_count, 2);
    cr_expect_eq(calendar.week[0].from, 540);
    cr_expect_eq(calendar.week[1].from, DAY_MINUTES);
    cr_assert_eq(calendar.closed_count, 2);
    cr_expect_eq(calendar.closed[0], 5);
    cr_expect_eq(calendar.closed[1], 9);
    cr_assert_eq(calendar.extra_count, 3);
    cr_expect_eq(calendar.extra[0].from, 3);
    cr_expect_eq(calendar.extra[1].from, 9);
    cr_expect_eq(calendar.extra[2].day, 6);
}

Test(calendar_set, what_is_not_given_stays)
{
    change_all();
    change((struct calendar_setting){ .has_tz = true, .tz = text_of("UTC") });
    cr_expect_eq(calendar.week_count + calendar.closed_count + calendar.extra_count, 7);
    change((struct calendar_setting){ .has_week = true });
    cr_expect(calendar.has_week, "an empty week is a week");
    cr_expect_eq(calendar.week_count, 0);
    cr_expect_null(calendar.week);
    change((struct calendar_setting){ .has_closed = true, .has_extra = true });
    cr_expect_eq(calendar.closed_count + calendar.extra_count, 0);
    cr_expect(text_equal(zone_text(&calendar.tz), text_of("UTC")));
}

Test(calendar_set, a_copy_shares_lists_until_one_changes)
{
    change_all();
    struct calendar copy = calendar_copy(&calendar);
    cr_expect(calendars_equal(&copy, &calendar));
    cr_expect_eq(copy.week, calendar.week);
    cr_expect_eq(copy.closed, calendar.closed);
    cr_expect_eq(copy.extra, calendar.extra);
    struct calendar_setting s = { .has_week = true, .has_closed = true, .has_extra = true };
    cr_assert(calendar_change(&copy, &s));
    cr_expect_eq(calendar.week_count, 2, "a change of the copy is none of the original");
    cr_expect_eq(calendar.week[0].from, 540);
    calendar_release(&copy);
    copy = calendar_copy(&calendar);
    calendar_release(&calendar);
    cr_expect_eq(copy.extra[2].day, 6);
    calendar_release(&copy);
}

static void expect_different(struct calendar_setting s)
{
    struct calendar copy = calendar_copy(&calendar);
    cr_assert(calendar_change(&copy, &s));
    cr_expect_not(calendars_equal(&copy, &calendar));
    calendar_release(&copy);
}

Test(calendar_set, any_difference_counts)
{
    change_all();
    expect_different((struct calendar_setting){ .has_tz = true, .tz = text_of("UTC") });
    expect_different((struct calendar_setting){ .has_week = true });
    expect_different(
        (struct calendar_setting){ .has_week = true,
                                   .week = (struct week_hours[]){ { 540, 600 }, { 1440, 1499 } },
                                   .week_count = 2 });
    expect_different((struct calendar_setting){ .has_closed = true });
    expect_different((struct calendar_setting){
        .has_closed = true, .closed = (int32_t[]){ 5, 8 }, .closed_count = 2 });
    expect_different((struct calendar_setting){ .has_extra = true });
    expect_different(
        (struct calendar_setting){ .has_extra = true, .extra = dates_hours, .extra_count = 2 });
    expect_different((struct calendar_setting){
        .has_extra = true,
        .extra = (struct date_hours[]){ { 5, 3, 4 }, { 5, 9, 10 }, { 6, 1, 3 } },
        .extra_count = 3 });
    struct calendar always = calendar_new(text_of("a")), never = calendar_new(text_of("a"));
    cr_expect(calendars_equal(&always, &never));
    cr_expect(calendar_change(&never, &(struct calendar_setting){ .has_week = true }));
    cr_expect_not(calendars_equal(&always, &never), "no week is not an empty week");
}

/* ---- the timetable ---- */

static const uint64_t noon = (uint64_t)(WEDNESDAY * DAY_MS + 12 * HOUR * MINUTE_MS);

Test(calendar_set, lays_out_its_hours_in_its_zone)
{
    change((struct calendar_setting){
        .has_tz = true,
        .tz = text_of("East/Hour"),
        .has_week = true,
        .week =
            (struct week_hours[]){ { 2 * DAY_MINUTES + 15 * HOUR, 2 * DAY_MINUTES + 16 * HOUR } },
        .week_count = 1 });
    cr_assert(calendar_lay_out(&calendar, &zones, noon));
    cr_expect_eq(timetable_spend(calendar.timetable, noon, 0), noon + 2 * HOUR * MINUTE_MS);
    cr_expect_leq(asked_from, (int64_t)noon - 2 * DAY_MS);
    cr_expect_geq(asked_to, (int64_t)timetable_end(calendar.timetable));
}

Test(calendar_set, copies_share_a_timetable_until_one_changes)
{
    cr_assert(calendar_lay_out(&calendar, &zones, noon));
    struct calendar copy = calendar_copy(&calendar);
    cr_expect_eq(copy.timetable, calendar.timetable);
    cr_assert(calendar_change(&copy, &(struct calendar_setting){ .has_week = true }));
    cr_expect_null(copy.timetable, "it is of the old rules");
    cr_assert(calendar_lay_out(&copy, &zones, noon));
    cr_expect_eq(timetable_spend(copy.timetable, noon, 0), READY_NEVER);
    cr_expect_eq(timetable_spend(calendar.timetable, noon, 0), noon);
    calendar_release(&copy);
}

Test(calendar_set, the_old_timetable_stays_if_its_zone_is_unknown)
{
    cr_assert(calendar_lay_out(&calendar, &zones, noon));
    const struct timetable *old = calendar.timetable;
    calendar.tz.at[0] = 'X';
    cr_expect_not(calendar_lay_out(&calendar, &zones, noon + DAY_MS));
    cr_expect_eq(calendar.timetable, old);
    calendar.tz.at[0] = 'U';
    cr_assert(calendar_lay_out(&calendar, &zones, noon + 2 * DAY_MS));
    cr_expect_eq(timetable_end(calendar.timetable),
                 (uint64_t)((WEDNESDAY + 1 + TIMETABLE_DAYS) * DAY_MS));
}

/* ---- dates ---- */

Test(dates, are_days_since_1970)
{
    static const struct {
        const char *text;
        int32_t day;
    } known[] = { { "1970-01-01", 0 },           { "1970-12-31", 364 },   { "1972-02-29", 789 },
                  { "2000-02-29", 11016 },       { "2026-03-25", 20537 }, { "2100-03-01", 47541 },
                  { "2199-12-31", DATE_DAY_MAX } };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        int32_t day = -1;
        char text[DATE_TEXT_SIZE];
        cr_expect(date_day(text_of(known[i].text), &day), "%s", known[i].text);
        cr_expect_eq(day, known[i].day, "%s: %d", known[i].text, day);
        date_text(known[i].day, text);
        cr_expect_str_eq(text, known[i].text);
    }
}

Test(dates, each_day_has_one)
{
    char text[DATE_TEXT_SIZE], before[DATE_TEXT_SIZE] = "";
    for (int32_t day = 0; day <= DATE_DAY_MAX; day++) {
        int32_t back = -1;
        date_text(day, text);
        cr_assert(date_day(text_of(text), &back), "%s", text);
        cr_assert_eq(back, day, "%s: %d, not %d", text, back, day);
        cr_assert_gt(strcmp(text, before), 0, "%s after %s", text, before);
        memcpy(before, text, sizeof before);
    }
}

Test(dates, what_is_none_is_refused)
{
    static const char *const none[] = {
        "",           "1969-12-31", "2200-01-01",  "2026-00-10",  "2026-13-10",
        "2026-01-00", "2026-01-32", "2026-04-31",  "2026-02-29",  "2100-02-29",
        "2026-1-01",  "2026-01-1",  "2026-01-01 ", " 2026-01-01", "2026-01-01T",
        "20260101",   "2026/01/01", "2026-01/01",  "+026-01-01",  "2026--1-01",
        "2026-01- 1", "2026-01-1x", "-026-01-01",  "0x1f-01-01"
    };
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        int32_t day = -7;
        cr_expect_not(date_day(text_of(none[i]), &day), "%s", none[i]);
        cr_expect_eq(day, -7, "%s", none[i]);
    }
    int32_t day;
    cr_expect_not(date_day((struct text){ NULL, 0 }, &day));
    cr_expect_not(date_day((struct text){ "2026-01-0\0", 10 }, &day));
}

/* Random texts near dates: what is accepted is written as it was read. */
Test(dates, random_texts_are_dates_or_refused)
{
    struct random r = { 20260325 };
    int accepted = 0;
    for (int i = 0; i < 300000; i++) {
        char text[DATE_TEXT_SIZE + 2], again[DATE_TEXT_SIZE];
        date_text(random_between(&r, 0, DATE_DAY_MAX), text);
        for (int changes = random_below(&r, 3); changes > 0; changes--) {
            int byte = random_chance(&r, 80) ? '0' + random_below(&r, 10) : random_below(&r, 256);
            text[random_below(&r, 10)] = (char)(unsigned char)byte;
        }
        uint32_t len = random_chance(&r, 95) ? 10 : (uint32_t)random_below(&r, 13);
        int32_t day;
        if (!date_day((struct text){ text, len }, &day))
            continue;
        accepted++;
        cr_assert_eq(len, 10);
        date_text(day, again);
        cr_assert(memcmp(text, again, 10) == 0, "%.10s is read as %s", text, again);
    }
    cr_expect_gt(accepted, 1000);
}
