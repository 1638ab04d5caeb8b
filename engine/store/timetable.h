/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a place is open, and when its parcels leave, laid out as instants for the coming days.
 *
 * A timetable is made from the rules of a calendar and the UTC offsets of its time zone, away from
 * the path of an order, and is immutable from then on: any thread may ask it, in some nanoseconds
 * and without allocation. It covers the TIMETABLE_DAYS local days from the day before the one that
 * it was made for. Before these days it answers as if the place were closed until they begin;
 * after them, and where the answer lies after them, READY_NEVER.
 *
 *  W1  Opening hours are half-open: [from, to). Those that touch or overlap, also across midnight,
 *      are one interval.
 *  W2  A wall-clock time that a change of offset skips is taken with the offset before the change,
 *      and one that occurs twice means its first occurrence (RFC 5545, section 3.3.5). A day begins
 *      at its local 00:00, to which this applies too.
 *  W3  Work is ready at the first instant at which the place has been open for that long and is
 *      open, or closes at just that instant: what is done at closing time is ready at closing time.
 *
 * Times are milliseconds since 1970-01-01T00:00Z.
 */
#ifndef STOCKD_ENGINE_STORE_TIMETABLE_H
#define STOCKD_ENGINE_STORE_TIMETABLE_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMETABLE_DAYS = 400, ZONE_CHANGES_MAX = 64 };
enum { DAY_MINUTES = 1440, WEEK_MINUTES = 7 * DAY_MINUTES };

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (DAY_MINUTES * MINUTE_MS)
#define READY_NEVER UINT64_MAX

/* The UTC offset from that instant on. The first of several also holds before its instant. */
struct zone_change {
    int64_t from_ms;
    int32_t offset_s;
};

/* Port: where the rules of time zones come from. Only writers of the catalogue call it, one at a
 * time. */
struct zone_source {
    void *context;
    /* Writes the offsets of the zone (an IANA name) over [from_ms, to_ms), by time: the first is
     * the one at from_ms. Returns how many; -ENOENT: there is no such zone; -EIO: its data cannot
     * be read, or changes more than max times. */
    int (*changes)(void *context, const char *tz, int64_t from_ms, int64_t to_ms,
                   struct zone_change *to, unsigned max);
};

/* Minutes of the local week, 0 is Monday 00:00; within one day: to is at most its midnight. */
struct week_hours {
    uint16_t from, to;
};

/* Minutes of the local day; day: days since 1970-01-01. */
struct date_hours {
    int32_t day;
    uint16_t from, to;
};

/* The rules of a calendar; borrowed. Each list is sorted. */
struct hours {
    bool has_week; /* false: open on every day that is not closed */
    const struct week_hours *week;
    uint32_t week_count;
    const int32_t *closed; /* days since 1970-01-01 */
    uint32_t closed_count;
    const struct date_hours *extra; /* a date's entries replace its week's, even if it is closed */
    uint32_t extra_count;
};

struct timetable;

/* For the days from the local one before from_ms. Changes: at least one, at most ZONE_CHANGES_MAX;
 * by time; those of TIMETABLE_DAYS + 3 days from two days before from_ms. The timetable has one
 * holder. NULL: no memory. */
struct timetable *timetable_make(const struct hours *hours, const struct zone_change *changes,
                                 unsigned change_count, uint64_t from_ms);

/* Holders share a timetable; the last to release it frees it. Writers of the catalogue only. NULL
 * stays NULL. */
struct timetable *timetable_share(struct timetable *t);
void timetable_release(struct timetable *t);

/* The instant at which the timetable ends; READY_NEVER for none. */
uint64_t timetable_end(const struct timetable *t);

/* What follows takes NULL for the timetable of a place that has none: always open, in UTC, without
 * an end. */

/* The instant at which open_ms of opening time have passed since from_ms (W3). */
uint64_t timetable_spend(const struct timetable *t, uint64_t from_ms, uint64_t open_ms);

/* The first dispatch at or after from_ms; minutes of the local week, sorted. Without any, nothing
 * is waited for: from_ms. */
uint64_t timetable_dispatch(const struct timetable *t, const uint16_t *minutes, unsigned count,
                            uint64_t from_ms);

#endif
