/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/calendar.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_zone(struct zone_text *to, struct text from)
{
    assert(from.len <= ZONE_MAX);
    to->len = (uint8_t)from.len;
    memset(to->at, 0, sizeof to->at);
    if (from.len > 0)
        memcpy(to->at, from.at, from.len);
}

struct calendar calendar_new(struct text code)
{
    struct calendar c = { .has_week = false };
    code_text_set(&c.code, code);
    set_zone(&c.tz, text_of("UTC"));
    return c;
}

/* A list of week hours, dates or date hours: immutable once it is in a calendar. Calendars point at
 * its entries. */
struct list {
    uint32_t holders; /* writers of the catalogue only */
    _Alignas(8) unsigned char entries[];
};

static struct list *list_of(const void *entries)
{
    return (struct list *)((uintptr_t)entries - offsetof(struct list, entries));
}

static void share_list(const void *entries)
{
    if (entries)
        list_of(entries)->holders++;
}

static void release_list(const void *entries)
{
    if (!entries)
        return;
    assert(list_of(entries)->holders > 0);
    if (--list_of(entries)->holders == 0)
        free(list_of(entries));
}

/* A sorted copy, with one holder; *to is NULL if it is empty. False: no memory. */
static bool make_list(void **to, const void *from, size_t count, size_t size,
                      int (*compare)(const void *, const void *))
{
    *to = NULL;
    if (count == 0)
        return true;
    struct list *list = malloc(sizeof *list + count * size);
    if (!list)
        return false;
    list->holders = 1;
    memcpy(list->entries, from, count * size);
    qsort(list->entries, count, size, compare);
    *to = list->entries;
    return true;
}

struct calendar calendar_copy(const struct calendar *from)
{
    share_list(from->week);
    share_list(from->closed);
    share_list(from->extra);
    timetable_share(from->timetable);
    return *from;
}

void calendar_release(struct calendar *c)
{
    release_list(c->week);
    release_list(c->closed);
    release_list(c->extra);
    timetable_release(c->timetable);
    *c = (struct calendar){ .has_week = false };
}

/* ---- what may be set ---- */

/* The first complaint about a setting. */
struct complaint {
    enum code code;
    char *message;
    size_t size;
};

static bool complain(struct complaint *c, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool complain(struct complaint *c, enum code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->message, c->size, format, arguments);
    va_end(arguments);
    c->code = code;
    return false;
}

static bool count_fits(struct complaint *c, const char *what, uint32_t count, uint32_t most)
{
    return count <= most ||
           complain(c, CODE_TOO_LARGE, "%s may have at most %u entries, not %u", what, most, count);
}

static bool zone_fits(struct complaint *c, const struct calendar_setting *s,
                      const struct zone_source *zones)
{
    if (s->tz.len > ZONE_MAX || !text_is_utf8(s->tz))
        return complain(c, CODE_BAD_REQUEST, "tz must be at most %d bytes of UTF-8", ZONE_MAX);
    if (s->recorded || !zones)
        return true;
    char name[ZONE_MAX + 1] = "";
    struct zone_change change;
    int count = -ENOENT;
    if (s->tz.len > 0)
        memcpy(name, s->tz.at, s->tz.len);
    if (strlen(name) == s->tz.len) /* no NUL in it */
        count = zones->changes(zones->context, name, 0, 1, &change, 1);
    if (count == -ENOENT)
        return complain(c, CODE_BAD_REQUEST, "tz \"%s\" is no time zone that the system knows",
                        name);
    return count > 0 ||
           complain(c, CODE_UNREADABLE, "tz \"%s\": the system's time zone data cannot be read: %s",
                    name, strerror(-count));
}

static bool week_fits(struct complaint *c, const struct calendar_setting *s)
{
    for (uint32_t i = 0; i < s->week_count; i++) {
        struct week_hours at = s->week[i];
        if (at.from >= at.to || at.to > WEEK_MINUTES ||
            at.from / DAY_MINUTES != (at.to - 1) / DAY_MINUTES)
            return complain(c, CODE_BAD_REQUEST,
                            "week[%u]: opening hours must be from < to, within one day", i);
        for (uint32_t j = 0; j < i; j++)
            if (at.from < s->week[j].to && s->week[j].from < at.to)
                return complain(c, CODE_BAD_REQUEST, "week[%u]: opening hours overlap", i);
    }
    return true;
}

static bool date_fits(struct complaint *c, const char *what, uint32_t i, int32_t day)
{
    return (day >= 0 && day <= DATE_DAY_MAX) ||
           complain(c, CODE_BAD_REQUEST, "%s[%u]: the date must be from 1970-01-01 to 2199-12-31",
                    what, i);
}

static bool closed_fits(struct complaint *c, const struct calendar_setting *s)
{
    for (uint32_t i = 0; i < s->closed_count; i++)
        if (!date_fits(c, "closed", i, s->closed[i]))
            return false;
    return true;
}

static bool extra_fits(struct complaint *c, const struct calendar_setting *s)
{
    for (uint32_t i = 0; i < s->extra_count; i++) {
        struct date_hours at = s->extra[i];
        if (!date_fits(c, "extra", i, at.day))
            return false;
        if (at.from >= at.to || at.to > DAY_MINUTES)
            return complain(c, CODE_BAD_REQUEST, "extra[%u]: opening hours must be from < to <= %d",
                            i, DAY_MINUTES);
        for (uint32_t j = 0; j < i; j++)
            if (at.day == s->extra[j].day && at.from < s->extra[j].to && s->extra[j].from < at.to)
                return complain(c, CODE_BAD_REQUEST, "extra[%u]: opening hours overlap", i);
    }
    return true;
}

enum code calendar_check(const struct calendar_setting *s, const struct zone_source *zones,
                         char *message, size_t size)
{
    struct complaint c = { CODE_OK, message, size };
    bool good = text_is_code(s->code) ||
                complain(&c, CODE_BAD_REQUEST, "code must be 1 to 32 bytes of A-Za-z0-9._-");
    if (good && s->has_tz)
        good = zone_fits(&c, s, zones);
    if (good && s->has_week)
        good = count_fits(&c, "week", s->week_count, WEEK_HOURS_MAX) && week_fits(&c, s);
    if (good && s->has_closed)
        good = count_fits(&c, "closed", s->closed_count, CLOSED_MAX) && closed_fits(&c, s);
    if (good && s->has_extra)
        good = count_fits(&c, "extra", s->extra_count, EXTRA_MAX) && extra_fits(&c, s);
    assert(good == (c.code == CODE_OK));
    return c.code;
}

/* ---- setting it ---- */

static int compare_week(const void *left, const void *right)
{
    const struct week_hours *a = left, *b = right;
    return (a->from > b->from) - (a->from < b->from);
}

static int compare_days(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int compare_extra(const void *left, const void *right)
{
    const struct date_hours *a = left, *b = right;
    int days = compare_days(&a->day, &b->day);
    return days ? days : (a->from > b->from) - (a->from < b->from);
}

static bool set_week(struct calendar *c, const struct calendar_setting *s)
{
    void *fresh;
    assert(s->week_count <= WEEK_HOURS_MAX); /* calendar_check */
    if (!make_list(&fresh, s->week, s->week_count, sizeof *c->week, compare_week))
        return false;
    release_list(c->week);
    c->has_week = true;
    c->week = fresh;
    c->week_count = (uint16_t)s->week_count;
    return true;
}

static bool set_closed(struct calendar *c, const struct calendar_setting *s)
{
    void *fresh;
    assert(s->closed_count <= CLOSED_MAX);
    if (!make_list(&fresh, s->closed, s->closed_count, sizeof *c->closed, compare_days))
        return false;
    int32_t *days = fresh;
    uint16_t count = 0;
    for (uint32_t i = 0; i < s->closed_count; i++)
        if (count == 0 || days[i] != days[count - 1])
            days[count++] = days[i];
    release_list(c->closed);
    c->closed = days;
    c->closed_count = count;
    return true;
}

static bool set_extra(struct calendar *c, const struct calendar_setting *s)
{
    void *fresh;
    assert(s->extra_count <= EXTRA_MAX);
    if (!make_list(&fresh, s->extra, s->extra_count, sizeof *c->extra, compare_extra))
        return false;
    release_list(c->extra);
    c->extra = fresh;
    c->extra_count = (uint16_t)s->extra_count;
    return true;
}

bool calendar_change(struct calendar *c, const struct calendar_setting *s)
{
    timetable_release(c->timetable);
    c->timetable = NULL;
    c->laid_out = 0;
    if (s->has_tz)
        set_zone(&c->tz, s->tz);
    return (!s->has_week || set_week(c, s)) && (!s->has_closed || set_closed(c, s)) &&
           (!s->has_extra || set_extra(c, s));
}

/* Their structs have no padding. */
static_assert(sizeof(struct week_hours) == 4 && sizeof(struct date_hours) == 8, "comparable");

static bool lists_equal(const void *a, const void *b, size_t bytes)
{
    return bytes == 0 || memcmp(a, b, bytes) == 0;
}

bool calendars_equal(const struct calendar *a, const struct calendar *b)
{
    return text_equal(zone_text(&a->tz), zone_text(&b->tz)) && a->has_week == b->has_week &&
           a->week_count == b->week_count && a->closed_count == b->closed_count &&
           a->extra_count == b->extra_count &&
           lists_equal(a->week, b->week, a->week_count * sizeof *a->week) &&
           lists_equal(a->closed, b->closed, a->closed_count * sizeof *a->closed) &&
           lists_equal(a->extra, b->extra, a->extra_count * sizeof *a->extra);
}

int calendar_ask_zone(const struct calendar *c, const struct zone_source *zones, uint64_t wall_ms,
                      struct zone_change *changes)
{
    char name[ZONE_MAX + 1] = "";
    memcpy(name, c->tz.at, c->tz.len);
    int64_t from_ms = (int64_t)wall_ms - 3 * DAY_MS; /* timetable_make asks for two, and a zone's */
    int64_t to_ms = (int64_t)wall_ms + (TIMETABLE_DAYS + 3) * DAY_MS;
    return zones->changes(zones->context, name, from_ms, to_ms, changes, ZONE_CHANGES_MAX);
}

static bool take_timetable(struct calendar *c, struct timetable *fresh, uint64_t laid_out)
{
    if (!fresh)
        return false;
    timetable_release(c->timetable);
    c->timetable = fresh;
    c->laid_out = laid_out;
    return true;
}

bool calendar_lay_out_by(struct calendar *c, const struct zone_change *changes, unsigned count,
                         uint64_t wall_ms)
{
    struct hours hours = { c->has_week,     c->week,  c->week_count, c->closed,
                           c->closed_count, c->extra, c->extra_count };
    return take_timetable(c, timetable_make(&hours, changes, count, wall_ms),
                          laid_out_for(wall_ms));
}

bool calendar_lay_out(struct calendar *c, const struct zone_source *zones, uint64_t wall_ms)
{
    struct zone_change changes[ZONE_CHANGES_MAX];
    int count = calendar_ask_zone(c, zones, wall_ms, changes);
    return count > 0 && calendar_lay_out_by(c, changes, (unsigned)count, wall_ms);
}

bool calendar_shut(struct calendar *c, uint64_t wall_ms)
{
    static const struct hours never = { .has_week = true };
    static const struct zone_change utc = { .from_ms = 0 };
    assert(!c->timetable);
    return take_timetable(c, timetable_make(&never, &utc, 1, wall_ms), 0);
}

/* ---- dates ---- */

enum { FIRST_YEAR = 1970, LAST_YEAR = 2199 };

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to that year's first. */
static int32_t days_before(int year)
{
    int past = year - 1, leaps = past / 4 - past / 100 + past / 400;
    const int leaps_until_1970 = 477; /* by the same count */
    return (year - FIRST_YEAR) * 365 + leaps - leaps_until_1970;
}

/* The number of some digits; -1: there is something else. */
static int digits(const char *at, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        number = number * 10 + (at[i] - '0');
    }
    return number;
}

bool date_day(struct text date, int32_t *day)
{
    if (date.len != DATE_TEXT_SIZE - 1 || date.at[4] != '-' || date.at[7] != '-')
        return false;
    int year = digits(date.at, 4), month = digits(date.at + 5, 2),
        of_month = digits(date.at + 8, 2);
    if (year < FIRST_YEAR || year > LAST_YEAR || month < 1 || month > 12 || of_month < 1 ||
        of_month > month_days(year, month))
        return false;
    int32_t days = days_before(year) + of_month - 1;
    for (int m = 1; m < month; m++)
        days += month_days(year, m);
    assert(days >= 0 && days <= DATE_DAY_MAX);
    *day = days;
    return true;
}

static char *put_digits(char *at, unsigned number, unsigned count)
{
    for (unsigned i = count; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + count;
}

/* A reply may have a million dates: no loop over years, no printf. */
void date_text(int32_t day, char to[DATE_TEXT_SIZE])
{
    assert(day >= 0 && day <= DATE_DAY_MAX);
    int year = FIRST_YEAR + day / 366, month = 1; /* or the year after */
    year += day >= days_before(year + 1);
    day -= days_before(year);
    for (; day >= month_days(year, month); month++)
        day -= month_days(year, month);
    char *at = put_digits(to, (unsigned)year, 4);
    *at++ = '-';
    at = put_digits(at, (unsigned)month, 2);
    *at++ = '-';
    *put_digits(at, (unsigned)day + 1, 2) = '\0';
}
