/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader finds its day by dividing: local midnights are about 24 hours apart, so that the
 * quotient is off by a step at most, unless a zone skips whole days. The day's entry leads to its
 * first interval. Each interval knows how much opening time lies before it, so that a long lead
 * time is a search, not a walk.
 */
#include "engine/store/timetable.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* 1970-01-01 was a Thursday. */
enum { EPOCH_WEEKDAY = 3 };

struct span {
    int64_t from, to; /* from < to < the next one's from */
    uint64_t before;  /* opening time before this one */
};

struct day {
    int64_t begin;       /* of its local 00:00 (W2) */
    uint32_t first_span; /* the first that ends at or after the begin */
    uint16_t settled;    /* plain days from this one on; 0 if the day before is not plain */
    bool plain;          /* no change of offset falls into it: minutes are at begin + minutes */
};

struct timetable {
    uint32_t holders; /* writers of the catalogue only */
    uint32_t span_count;
    uint32_t change_count;
    int32_t first_day; /* days since 1970-01-01 */
    struct zone_change changes[ZONE_CHANGES_MAX];
    struct day days[TIMETABLE_DAYS + 1]; /* the last one's begin is the end of all */
    struct span spans[];
};

static int64_t begin_of(const struct timetable *t)
{
    return t->days[0].begin;
}

static int64_t end_of(const struct timetable *t)
{
    return t->days[TIMETABLE_DAYS].begin;
}

/* 0: Monday. */
static unsigned weekday(int64_t day)
{
    assert(day >= -7); /* tables begin days before they are made */
    return (unsigned)(day + 7 + EPOCH_WEEKDAY) % 7;
}

static int64_t floor_days(int64_t ms)
{
    return ms / DAY_MS - (ms % DAY_MS < 0 ? 1 : 0);
}

/* ---- from wall-clock times to instants ---- */

static int64_t offset_ms(const struct timetable *t, unsigned i)
{
    return (int64_t)t->changes[i].offset_s * 1000;
}

/* The first period of one offset that has not ended at that wall-clock time. */
static unsigned period_at(const struct timetable *t, int64_t wall_ms)
{
    unsigned i = 0;
    while (i + 1 < t->change_count && wall_ms >= t->changes[i + 1].from_ms + offset_ms(t, i))
        i++;
    return i;
}

static bool is_skipped(const struct timetable *t, unsigned period, int64_t wall_ms)
{
    return period > 0 && wall_ms < t->changes[period].from_ms + offset_ms(t, period);
}

/* W2. */
static int64_t instant_of(const struct timetable *t, int64_t wall_ms)
{
    unsigned period = period_at(t, wall_ms);
    return wall_ms - offset_ms(t, is_skipped(t, period, wall_ms) ? period - 1 : period);
}

static int64_t minute_of(const struct timetable *t, int64_t day, unsigned minute)
{
    return instant_of(t, day * DAY_MS + minute * MINUTE_MS);
}

static void lay_out_days(struct timetable *t, int64_t from_ms)
{
    unsigned now = 0;
    while (now + 1 < t->change_count && from_ms >= t->changes[now + 1].from_ms)
        now++;
    t->first_day = (int32_t)(floor_days(from_ms + offset_ms(t, now)) - 1);
    for (unsigned i = 0; i <= TIMETABLE_DAYS; i++) {
        int64_t midnight = (t->first_day + (int64_t)i) * DAY_MS;
        unsigned period = period_at(t, midnight);
        struct day *day = &t->days[i];
        day->begin = instant_of(t, midnight);
        day->plain = period_at(t, midnight + DAY_MS - 1) == period &&
                     day->begin == midnight - offset_ms(t, period);
    }
    uint16_t plain = 0;
    for (unsigned i = TIMETABLE_DAYS; i-- > 0;) {
        plain = t->days[i].plain ? (uint16_t)(plain + 1) : 0;
        t->days[i].settled = i == 0 || t->days[i - 1].plain ? plain : 0;
    }
}

/* ---- from rules to intervals ---- */

/* More than the days can have. */
static uint32_t spans_at_most(const struct hours *h)
{
    uint32_t by_week = h->has_week ? h->week_count * (TIMETABLE_DAYS / 7 + 1) : TIMETABLE_DAYS;
    return by_week + h->extra_count;
}

/* Keeps the spans sorted by their begin. They come nearly so: only a change of offset can make a
 * later minute an earlier instant. */
static void add_span(struct timetable *t, int64_t day, unsigned from, unsigned to)
{
    assert(from < to && to <= DAY_MINUTES);
    struct span span = { minute_of(t, day, from), minute_of(t, day, to), 0 };
    if (span.from < begin_of(t))
        span.from = begin_of(t);
    if (span.to > end_of(t))
        span.to = end_of(t);
    if (span.from >= span.to)
        return; /* skipped, or outside */
    uint32_t at = t->span_count++;
    for (; at > 0 && t->spans[at - 1].from > span.from; at--)
        t->spans[at] = t->spans[at - 1];
    t->spans[at] = span;
}

static void add_week_hours(struct timetable *t, const struct hours *h, int64_t day)
{
    unsigned midnight = weekday(day) * DAY_MINUTES;
    for (uint32_t i = 0; i < h->week_count; i++)
        if (h->week[i].from >= midnight && h->week[i].from < midnight + DAY_MINUTES)
            add_span(t, day, h->week[i].from - midnight, h->week[i].to - midnight);
}

/* What a date has of its own comes before `closed`, and that before the week. */
static void lay_out_spans(struct timetable *t, const struct hours *h)
{
    uint32_t closed = 0, extra = 0; /* entries of days before */
    for (int64_t day = t->first_day; day < t->first_day + TIMETABLE_DAYS; day++) {
        while (closed < h->closed_count && h->closed[closed] < day)
            closed++;
        while (extra < h->extra_count && h->extra[extra].day < day)
            extra++;
        if (extra < h->extra_count && h->extra[extra].day == day) {
            for (; extra < h->extra_count && h->extra[extra].day == day; extra++)
                add_span(t, day, h->extra[extra].from, h->extra[extra].to);
        } else if (closed < h->closed_count && h->closed[closed] == day) {
            continue;
        } else if (h->has_week) {
            add_week_hours(t, h, day);
        } else {
            add_span(t, day, 0, DAY_MINUTES);
        }
    }
}

/* W1, and what follows from the spans. */
static void join_spans(struct timetable *t)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->span_count; i++) {
        struct span span = t->spans[i], *last = count > 0 ? &t->spans[count - 1] : NULL;
        if (last && span.from <= last->to) {
            last->to = span.to > last->to ? span.to : last->to;
            continue;
        }
        span.before = last ? last->before + (uint64_t)(last->to - last->from) : 0;
        t->spans[count++] = span;
    }
    t->span_count = count;
    uint32_t first = 0;
    for (unsigned i = 0; i <= TIMETABLE_DAYS; i++) {
        while (first < count && t->spans[first].to < t->days[i].begin)
            first++;
        t->days[i].first_span = first;
    }
}

/* Spans are in order and apart. */
static bool is_sound(const struct timetable *t)
{
    for (uint32_t i = 0; i < t->span_count; i++) {
        const struct span *span = &t->spans[i];
        if (span->from >= span->to || (i > 0 && span[-1].to >= span->from))
            return false;
    }
    return t->span_count == 0 ||
           (t->spans[0].from >= begin_of(t) && t->spans[t->span_count - 1].to <= end_of(t));
}

struct timetable *timetable_make(const struct hours *hours, const struct zone_change *changes,
                                 unsigned change_count, uint64_t from_ms)
{
    assert(change_count > 0 && change_count <= ZONE_CHANGES_MAX);
    assert(from_ms <= INT64_MAX / 2);
    uint32_t room = spans_at_most(hours);
    struct timetable *t = malloc(sizeof *t + room * sizeof *t->spans);
    if (!t)
        return NULL;
    t->holders = 1;
    t->span_count = 0;
    t->change_count = change_count;
    memcpy(t->changes, changes, change_count * sizeof *changes);
    for (unsigned i = 1; i < change_count; i++)
        assert(changes[i - 1].from_ms < changes[i].from_ms);
    lay_out_days(t, (int64_t)from_ms);
    lay_out_spans(t, hours);
    assert(t->span_count <= room);
    join_spans(t);
    assert(is_sound(t));
    struct timetable *fitted = realloc(t, sizeof *t + t->span_count * sizeof *t->spans);
    return fitted ? fitted : t;
}

struct timetable *timetable_share(struct timetable *t)
{
    if (t)
        t->holders++;
    return t;
}

void timetable_release(struct timetable *t)
{
    if (!t)
        return;
    assert(t->holders > 0);
    if (--t->holders == 0)
        free(t);
}

uint64_t timetable_end(const struct timetable *t)
{
    return t ? (uint64_t)end_of(t) : READY_NEVER;
}

/* ---- what readers ask ---- */

/* The day into which an instant of the timetable falls. */
static unsigned day_at(const struct timetable *t, int64_t ms)
{
    assert(ms >= begin_of(t) && ms < end_of(t));
    unsigned day = (unsigned)((ms - begin_of(t)) / DAY_MS);
    if (day >= TIMETABLE_DAYS)
        day = TIMETABLE_DAYS - 1;
    while (t->days[day].begin > ms)
        day--;
    while (t->days[day + 1].begin <= ms)
        day++;
    return day;
}

/* The first span that ends at or after the instant, or span_count. */
static uint32_t span_at(const struct timetable *t, int64_t ms)
{
    unsigned day = day_at(t, ms);
    uint32_t low = t->days[day].first_span, high = t->days[day + 1].first_span;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->spans[middle].to < ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last span, from this one on, before which there is less opening time than that: steps that
 * double, then halve, because most lead times are days. */
static uint32_t span_with(const struct timetable *t, uint32_t at, uint64_t open_ms)
{
    uint32_t step = 1;
    for (; at + step < t->span_count && t->spans[at + step].before < open_ms; step *= 2)
        at += step;
    for (; step > 0; step /= 2)
        if (at + step < t->span_count && t->spans[at + step].before < open_ms)
            at += step;
    return at;
}

static uint64_t plus(uint64_t ms, uint64_t more)
{
    return more < READY_NEVER - ms ? ms + more : READY_NEVER;
}

uint64_t timetable_spend(const struct timetable *t, uint64_t from_ms, uint64_t open_ms)
{
    if (!t)
        return plus(from_ms, open_ms);
    if (from_ms >= (uint64_t)end_of(t))
        return READY_NEVER;
    int64_t from = (int64_t)from_ms < begin_of(t) ? begin_of(t) : (int64_t)from_ms;
    uint32_t at = span_at(t, from);
    if (at == t->span_count)
        return READY_NEVER;
    const struct span *span = &t->spans[at];
    if (from < span->from)
        from = span->from;
    uint64_t target = plus(span->before + (uint64_t)(from - span->from), open_ms);
    span = &t->spans[span_with(t, at, target)];
    uint64_t left = target - span->before;
    if (left > (uint64_t)(span->to - span->from))
        return READY_NEVER; /* the last one is too short */
    return (uint64_t)span->from + left;
}

/* The first of the minutes at or after that one; count if there is none. No branch depends on the
 * minutes: no processor could predict it. */
static unsigned minute_index(const uint16_t *minutes, unsigned count, int64_t minute)
{
    unsigned low = 0;
    for (unsigned left = count; left > 0;) {
        unsigned half = (left + 1) / 2;
        low += minutes[low + half - 1] < minute ? half : 0;
        left -= half;
    }
    return low;
}

static int64_t minutes_up(int64_t ms)
{
    return (ms + MINUTE_MS - 1) / MINUTE_MS;
}

/* The first dispatch of the day at or after the instant; INT64_MAX: none. */
static int64_t dispatch_of_day(const struct timetable *t, const uint16_t *minutes, unsigned count,
                               unsigned day, int64_t from)
{
    const struct day *d = &t->days[day];
    int64_t midnight = weekday(t->first_day + (int64_t)day) * DAY_MINUTES;
    int64_t after = d->plain && from > d->begin ? minutes_up(from - d->begin) : 0;
    int64_t first = INT64_MAX;
    for (unsigned i = minute_index(minutes, count, midnight + after);
         i < count && minutes[i] < midnight + DAY_MINUTES; i++) {
        if (d->plain)
            return d->begin + (minutes[i] - midnight) * MINUTE_MS;
        int64_t at = minute_of(t, t->first_day + (int64_t)day, (unsigned)(minutes[i] - midnight));
        if (at >= from && at < first)
            first = at;
    }
    return first;
}

/* The first dispatch at or after that minute of the week, in minutes of this week, or the next. */
static int64_t next_minute(const uint16_t *minutes, unsigned count, int64_t minute)
{
    unsigned i = minute_index(minutes, count, minute);
    return i < count ? minutes[i] : minutes[0] + WEEK_MINUTES;
}

static uint64_t dispatch_in_utc(const uint16_t *minutes, unsigned count, uint64_t from_ms)
{
    const uint64_t day_ms = (uint64_t)DAY_MS;
    if (from_ms > INT64_MAX)
        return READY_NEVER;
    int64_t midnight = weekday((int64_t)(from_ms / day_ms)) * DAY_MINUTES;
    int64_t after = minutes_up((int64_t)(from_ms % day_ms));
    int64_t minute = next_minute(minutes, count, midnight + after);
    return from_ms / day_ms * day_ms + (uint64_t)((minute - midnight) * MINUTE_MS);
}

/* Around a change of offset, minutes of one day can be instants of the next, and minutes of the
 * next can be earlier instants. After a plain day all is later. */
static int64_t dispatch_by_day(const struct timetable *t, const uint16_t *minutes, unsigned count,
                               unsigned day, int64_t from)
{
    int64_t first = INT64_MAX;
    if (day > 0 && !t->days[day - 1].plain)
        day--;
    for (; day < TIMETABLE_DAYS; day++) {
        int64_t at = dispatch_of_day(t, minutes, count, day, from);
        if (at < first)
            first = at;
        if (first != INT64_MAX && t->days[day].plain)
            break;
    }
    return first;
}

uint64_t timetable_dispatch(const struct timetable *t, const uint16_t *minutes, unsigned count,
                            uint64_t from_ms)
{
    if (count == 0)
        return from_ms;
    if (!t)
        return dispatch_in_utc(minutes, count, from_ms);
    if (from_ms >= (uint64_t)end_of(t))
        return READY_NEVER;
    int64_t from = (int64_t)from_ms < begin_of(t) ? begin_of(t) : (int64_t)from_ms;
    unsigned day = day_at(t, from);
    const struct day *d = &t->days[day];
    int64_t midnight = weekday(t->first_day + (int64_t)day) * DAY_MINUTES;
    int64_t after = minutes_up(from - d->begin);
    if (after > DAY_MINUTES)
        after = DAY_MINUTES; /* the day's last hour came twice */
    int64_t minute = next_minute(minutes, count, midnight + after) - midnight;
    unsigned days = (unsigned)minute / DAY_MINUTES;
    if (days < d->settled)
        return (uint64_t)(d[days].begin + minute % DAY_MINUTES * MINUTE_MS);
    int64_t first = dispatch_by_day(t, minutes, count, day, from);
    return first < end_of(t) ? (uint64_t)first : READY_NEVER;
}
