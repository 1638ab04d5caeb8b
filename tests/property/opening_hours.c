/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timetable answers as a model does that marks each open minute of its days in an array, walks
 * through them, and looks at every dispatch: for random opening hours, closed dates and dates of
 * their own, under random changes of offset (an hour, 30 minutes, whole days; at night, at
 * midnight, before midnight).
 *
 *   opening_hours [--seed N] [--seconds S]
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/store/timetable.h"
#include "tests/support/histories.h"
#include "tests/support/random.h"

/* Each change may add a day to what the days take. */
enum {
    MINUTES = (TIMETABLE_DAYS + ZONE_CHANGES_MAX + 4) * DAY_MINUTES,
    DISPATCHES = 24,
    QUESTIONS = 300
};

static struct random r;
static struct histories histories;

/* The rules, in the forms that the timetable takes. */
static struct week_hours week[WEEK_HOURS_MAX];
static int32_t closed[64];
static struct date_hours extra[256];
static struct hours hours = { .week = week, .closed = closed, .extra = extra };
static struct zone_change changes[ZONE_CHANGES_MAX];
static unsigned change_count;
static uint16_t dispatches[DISPATCHES];
static unsigned dispatch_count;

/* The model. */
static int64_t made_ms, first_day, begin_ms, end_ms;
static bool is_open[MINUTES]; /* from begin_ms */
static int64_t parcels[TIMETABLE_DAYS * DISPATCHES];
static unsigned parcel_count;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("; made for %lld, offsets:", (long long)made_ms);
    for (unsigned i = 0; i < change_count; i++)
        printf(" %lld %d", (long long)changes[i].from_ms, changes[i].offset_s);
    printf("; --seed %llu\n", (unsigned long long)histories.seed);
    exit(1);
}

/* ---- what the model knows of time zones ---- */

static int64_t offset_of(unsigned i)
{
    return (int64_t)changes[i].offset_s * 1000;
}

static unsigned offset_at(int64_t ms)
{
    unsigned i = change_count - 1;
    while (i > 0 && ms < changes[i].from_ms)
        i--;
    return i;
}

/* The first instant at which clocks show that time; where a change skips it, as if without that
 * change. */
static int64_t instant(int64_t wall_ms)
{
    for (unsigned i = 0; i < change_count; i++)
        if (offset_at(wall_ms - offset_of(i)) == i)
            return wall_ms - offset_of(i);
    for (unsigned i = 1; i < change_count; i++)
        if (changes[i].from_ms + offset_of(i - 1) <= wall_ms &&
            wall_ms < changes[i].from_ms + offset_of(i))
            return wall_ms - offset_of(i - 1);
    wrong("no instant for the wall-clock time %lld", (long long)wall_ms);
}

static int64_t instant_of(int64_t day, int minute)
{
    return instant(day * DAY_MS + minute * MINUTE_MS);
}

static int weekday(int64_t day)
{
    return (int)((day + 3) % 7);
}

/* ---- the model's answers ---- */

static void mark(int64_t day, int from, int to)
{
    int64_t end = instant_of(day, to);
    for (int64_t ms = instant_of(day, from); ms < end; ms += MINUTE_MS)
        if (ms >= begin_ms && ms < end_ms)
            is_open[(ms - begin_ms) / MINUTE_MS] = true;
}

static void mark_day(int64_t day)
{
    bool special = false;
    for (unsigned i = 0; i < hours.extra_count; i++)
        if (extra[i].day == day) {
            special = true;
            mark(day, extra[i].from, extra[i].to);
        }
    for (unsigned i = 0; i < hours.closed_count; i++)
        special |= closed[i] == day;
    if (special)
        return;
    if (!hours.has_week)
        mark(day, 0, DAY_MINUTES);
    for (unsigned i = 0; hours.has_week && i < hours.week_count; i++)
        if (week[i].from / DAY_MINUTES == weekday(day))
            mark(day, week[i].from % DAY_MINUTES, (week[i].to - 1) % DAY_MINUTES + 1);
}

static void make_model(void)
{
    int64_t local = made_ms + offset_of(offset_at(made_ms));
    first_day = local / DAY_MS - 1;
    begin_ms = instant_of(first_day, 0);
    end_ms = instant_of(first_day + TIMETABLE_DAYS, 0);
    memset(is_open, 0, sizeof is_open);
    parcel_count = 0;
    for (int64_t day = first_day; day < first_day + TIMETABLE_DAYS; day++) {
        mark_day(day);
        for (unsigned i = 0; i < dispatch_count; i++)
            if (dispatches[i] / DAY_MINUTES == weekday(day))
                parcels[parcel_count++] = instant_of(day, dispatches[i] % DAY_MINUTES);
    }
}

static bool open_at(int64_t ms)
{
    return ms >= begin_ms && ms < end_ms && is_open[(ms - begin_ms) / MINUTE_MS];
}

static int64_t next_minute(int64_t ms)
{
    return begin_ms + ((ms - begin_ms) / MINUTE_MS + 1) * MINUTE_MS;
}

static uint64_t model_spend(int64_t from, int64_t open_ms)
{
    int64_t ms = from < begin_ms ? begin_ms : from;
    if (open_ms == 0) {
        while (ms < end_ms && !open_at(ms) && !open_at(ms - 1))
            ms = next_minute(ms);
        return ms < end_ms ? (uint64_t)ms : READY_NEVER;
    }
    for (; ms < end_ms; ms = next_minute(ms)) {
        int64_t minute = open_at(ms) ? next_minute(ms) - ms : 0;
        if (open_ms <= minute)
            return (uint64_t)(ms + open_ms);
        open_ms -= minute;
    }
    return READY_NEVER;
}

static uint64_t model_dispatch(int64_t from)
{
    int64_t first = INT64_MAX;
    if (dispatch_count == 0)
        return (uint64_t)from;
    for (unsigned i = 0; i < parcel_count; i++)
        if (parcels[i] >= from && parcels[i] >= begin_ms && parcels[i] < first)
            first = parcels[i];
    return first < end_ms && from < end_ms ? (uint64_t)first : READY_NEVER;
}

/* ---- random rules ---- */

/* Some of the day's minutes, ascending; even: an even number of them. */
static int random_minutes(int to[8], int most, bool even)
{
    static const int usual[] = { 0,   1,    15,   31,   45,   59,   120,  150,  180, 195,
                                 540, 1080, 1380, 1395, 1410, 1425, 1435, 1439, 1440 };
    bool chosen[DAY_MINUTES + 1] = { false };
    int count = 0, wanted = random_below(&r, most + 1);
    for (int i = 0; i < wanted; i++)
        chosen[random_chance(&r, 70) ? usual[random_below(&r, 19)]
                                     : random_below(&r, DAY_MINUTES + 1)] = true;
    for (int minute = 0; minute <= DAY_MINUTES; minute++)
        if (chosen[minute])
            to[count++] = minute;
    return even ? count / 2 * 2 : count;
}

/* Hours that may touch: cuts of the day, of which neighbours are hours, or every other pair. */
static int random_hours(struct week_hours to[8])
{
    int cuts[8], count = 0, cut_count = random_minutes(cuts, 6, false);
    int step = random_chance(&r, 25) ? 1 : 2;
    for (int i = 0; i + 1 < cut_count; i += step)
        to[count++] = (struct week_hours){ (uint16_t)cuts[i], (uint16_t)cuts[i + 1] };
    return count;
}

static void choose_hours(int32_t day)
{
    struct week_hours some[8];
    hours.has_week = random_chance(&r, 75);
    hours.week_count = hours.closed_count = hours.extra_count = 0;
    for (int weekday_at = 0; weekday_at < 7; weekday_at++) {
        int count = random_hours(some), midnight = weekday_at * DAY_MINUTES;
        for (int i = 0; hours.has_week && i < count; i++)
            week[hours.week_count++] = (struct week_hours){ (uint16_t)(some[i].from + midnight),
                                                            (uint16_t)(some[i].to + midnight) };
    }
    int often = random_below(&r, 12);
    for (int32_t date = day - 5; date < day + TIMETABLE_DAYS + 5; date++) {
        if (random_chance(&r, often) && hours.closed_count < 64)
            closed[hours.closed_count++] = date;
        int count = random_chance(&r, often) ? random_hours(some) : 0;
        for (int i = 0; i < count && hours.extra_count < 256; i++)
            extra[hours.extra_count++] = (struct date_hours){ date, some[i].from, some[i].to };
    }
}

static void choose_dispatches(void)
{
    dispatch_count = 0;
    int most = random_below(&r, 4);
    for (int day = 0; day < 7; day++) {
        int minutes[8], count = random_minutes(minutes, most, false);
        for (int i = 0; i < count; i++)
            if (minutes[i] < DAY_MINUTES)
                dispatches[dispatch_count++] = (uint16_t)(day * DAY_MINUTES + minutes[i]);
    }
}

/* At least three days apart: those of real zones are never closer. */
static void choose_changes(void)
{
    static const int steps[] = {
        3600, -3600, 3600, -3600, 1800, -1800, 7200, -7200, 86400, -86400
    };
    static const int at_minutes[] = { 0, 1, 120, 180, 1380, 1410, 1420, 1439 };
    int most = random_chance(&r, 30) ? 3 : random_below(&r, ZONE_CHANGES_MAX) + 1;
    int apart = random_chance(&r, 50) ? 3 : random_between(&r, 3, 150);
    int64_t ms = made_ms - 6 * DAY_MS;
    int32_t offset = random_between(&r, -12 * 4, 14 * 4) * 900 + random_below(&r, 3) * 7;
    changes[0] = (struct zone_change){ ms, offset };
    change_count = 1;
    while (change_count < (unsigned)most) {
        int64_t day = (ms + offset * 1000LL) / DAY_MS + apart + random_below(&r, 20);
        int minute =
            random_chance(&r, 80) ? at_minutes[random_below(&r, 8)] : random_below(&r, DAY_MINUTES);
        int64_t edge = made_ms / DAY_MS - 2 + (random_chance(&r, 50) ? TIMETABLE_DAYS : 0);
        if (random_chance(&r, 20) && edge >= day) { /* where the table begins or ends */
            day = edge + random_below(&r, 2);
            minute = random_chance(&r, 80) ? 1380 : 1410;
        }
        ms = day * DAY_MS + minute * MINUTE_MS - offset * 1000LL;
        offset += steps[random_below(&r, random_chance(&r, 90) ? 8 : 10)];
        changes[change_count++] = (struct zone_change){ ms, offset };
    }
}

/* ---- questions ---- */

/* Around something that happens, or anywhere, sometimes outside the table. */
static int64_t random_instant(void)
{
    int most = random_chance(&r, 80) ? 150 : 26 * 60;
    int64_t ms = begin_ms - 2 * DAY_MS +
                 (int64_t)(random_next(&r) % (uint64_t)(end_ms - begin_ms + 4 * DAY_MS));
    if (change_count > 1 && random_chance(&r, 80))
        ms = changes[random_between(&r, 1, (int)change_count - 1)].from_ms +
             random_between(&r, -most, most) * MINUTE_MS;
    if (random_chance(&r, 50))
        ms = begin_ms + (ms - begin_ms) / MINUTE_MS * MINUTE_MS + random_between(&r, -1, 1);
    return ms;
}

static int64_t random_lead(void)
{
    switch (random_below(&r, 20)) {
    case 0:
        return random_below(&r, 500 * 24) * (DAY_MS / 24);
    case 1:
    case 2:
        return random_below(&r, 7) * DAY_MS / 2;
    case 3:
    case 4:
    case 5:
    case 6:
        return 0;
    case 7:
    case 8:
    case 9:
    case 10:
        return random_between(&r, 1, 60000);
    default:
        return random_below(&r, 300) * MINUTE_MS;
    }
}

static void ask(const struct timetable *t)
{
    int64_t from = random_instant(), lead = random_lead();
    uint64_t ready = timetable_spend(t, (uint64_t)from, (uint64_t)lead);
    uint64_t expected = model_spend(from, lead);
    if (ready != expected)
        wrong("%lld ms from %lld: ready at %llu, not %llu", (long long)lead, (long long)from,
              (unsigned long long)ready, (unsigned long long)expected);
    uint64_t leaves = timetable_dispatch(t, dispatches, dispatch_count, (uint64_t)from);
    expected = model_dispatch(from);
    if (leaves != expected)
        wrong("from %lld: leaves at %llu, not %llu", (long long)from, (unsigned long long)leaves,
              (unsigned long long)expected);
    if (ready < (uint64_t)end_ms) { /* two parts of the work are the whole */
        int64_t more = random_lead();
        if (timetable_spend(t, ready, (uint64_t)more) !=
            timetable_spend(t, (uint64_t)from, (uint64_t)(lead + more)))
            wrong("%lld + %lld ms from %lld are not their sum", (long long)lead, (long long)more,
                  (long long)from);
    }
}

static struct timetable *make(void)
{
    struct timetable *t = timetable_make(&hours, changes, change_count, (uint64_t)made_ms);
    if (!t)
        wrong("no memory");
    return t;
}

static void run_random(void)
{
    int32_t day = random_between(&r, 3, 80000);
    made_ms = day * DAY_MS + random_below(&r, (int)DAY_MS);
    choose_changes();
    choose_hours(day);
    choose_dispatches();
    make_model();
    struct timetable *t = make();
    if (timetable_end(t) != (uint64_t)end_ms)
        wrong("ends at %llu, not %lld", (unsigned long long)timetable_end(t), (long long)end_ms);
    for (int i = 0; i < QUESTIONS; i++)
        ask(t);
    timetable_release(t);
}

/* Changes as no zone has them, minutes apart: an answer is still an answer, and not before its
 * question. */
static void run_wild(void)
{
    made_ms = random_between(&r, 3, 80000) * DAY_MS;
    change_count = (unsigned)random_between(&r, 2, ZONE_CHANGES_MAX);
    int64_t ms = made_ms - DAY_MS;
    for (unsigned i = 0; i < change_count; i++) {
        ms += random_between(&r, 1, 1 << random_between(&r, 1, 28));
        changes[i] = (struct zone_change){ ms, random_between(&r, -90000, 90000) };
    }
    choose_hours((int32_t)(made_ms / DAY_MS));
    choose_dispatches();
    struct timetable *t = make();
    begin_ms = made_ms - DAY_MS;
    end_ms = (int64_t)timetable_end(t);
    for (int i = 0; i < QUESTIONS; i++) {
        uint64_t from = (uint64_t)random_instant(), lead = (uint64_t)random_lead();
        if (timetable_spend(t, from, lead) < from)
            wrong("%llu ms from %llu: ready before", (unsigned long long)lead,
                  (unsigned long long)from);
        if (timetable_dispatch(t, dispatches, dispatch_count, from) < from)
            wrong("from %llu: leaves before", (unsigned long long)from);
    }
    timetable_release(t);
}

int main(int argc, char **argv)
{
    if (!histories_begin(&histories, argc, argv, 3, NULL))
        return 2;
    histories.least = 20;
    while (histories_next(&histories)) {
        r.state = histories.seed;
        run_random();
        run_wild();
    }
    histories_end(&histories);
    return 0;
}
