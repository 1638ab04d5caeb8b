/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A calendar: when the places that name it are open, as the catalogue holds it.
 *
 * A calendar belongs to a version of the catalogue. Copies share the lists and the timetable, which
 * are immutable and counted; so only writers of the catalogue copy, change and release calendars.
 * The timetable is the only thing that the path of an order reads of a calendar.
 */
#ifndef STOCKD_ENGINE_STORE_CALENDAR_H
#define STOCKD_ENGINE_STORE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/store/code_text.h"
#include "engine/store/timetable.h"

struct zone_text {
    uint8_t len;
    char at[ZONE_MAX];
};

struct calendar {
    struct code_text code;
    struct zone_text tz; /* an IANA name */
    bool has_week;       /* false: open on every day that is not closed */
    uint16_t week_count, closed_count, extra_count;
    const struct week_hours *week; /* the lists are shared, sorted, and NULL when empty */
    const int32_t *closed;         /* days since 1970-01-01, each once */
    const struct date_hours *extra;
    struct timetable *timetable; /* NULL until laid out; a holder of it */
    uint64_t laid_out;           /* the day since 1970, + 1, that it was laid out for; 0: none */
    uint64_t lsn;                /* of its last change */
};

/* What calendar_set sets; what is not given keeps its value (or gets the default). The lists need
 * not be sorted. */
struct calendar_setting {
    struct text code;
    bool has_tz, has_week, has_closed, has_extra;
    struct text tz;
    const struct week_hours *week;
    const int32_t *closed;
    const struct date_hours *extra;
    uint32_t week_count, closed_count, extra_count;
    bool recorded; /* from the journal: the system may no longer know its zone */
};

/* As it is before anything is set: in UTC, always open, not laid out. */
struct calendar calendar_new(struct text code);
/* Shares the lists and the timetable; needs no memory. */
struct calendar calendar_copy(const struct calendar *from);
void calendar_release(struct calendar *c);

/* CODE_OK, or the code and message of the first thing that is wrong with the setting. Without zones
 * no zone is looked up. */
enum code calendar_check(const struct calendar_setting *s, const struct zone_source *zones,
                         char *message, size_t size);

/* Applies a setting that was checked. The timetable is of the old rules, and is released. False: no
 * memory; then the calendar is good for nothing but its release. */
bool calendar_change(struct calendar *c, const struct calendar_setting *s);

/* Do both say the same, whatever they are called? */
bool calendars_equal(const struct calendar *a, const struct calendar *b);

/* Gives the calendar a fresh timetable, for the days around that time, by today's rules of its
 * zone. False: no memory, or the zone is not known or cannot be read; the old timetable stays. */
bool calendar_lay_out(struct calendar *c, const struct zone_source *zones, uint64_t wall_ms);

/* The same in two steps, for calendars that share a zone: asks for the zone's offsets, up to
 * ZONE_CHANGES_MAX, and returns what the source returns; then lays out by them. */
int calendar_ask_zone(const struct calendar *c, const struct zone_source *zones, uint64_t wall_ms,
                      struct zone_change *changes);
bool calendar_lay_out_by(struct calendar *c, const struct zone_change *changes, unsigned count,
                         uint64_t wall_ms);

/* For a calendar without a timetable, while its zone cannot be read: one by which it is never open.
 * It does not count as laid out. False: no memory. */
bool calendar_shut(struct calendar *c, uint64_t wall_ms);

/* What `laid_out` is after it was laid out for the days around that time. */
static inline uint64_t laid_out_for(uint64_t wall_ms)
{
    return wall_ms / DAY_MS + 1;
}

/* ---- dates, as days since 1970-01-01 ---- */

enum { DATE_DAY_MAX = 84005, DATE_TEXT_SIZE = 11 }; /* 2199-12-31 */

/* False if it is not "YYYY-MM-DD", not in the calendar, or not from 1970 to 2199. */
bool date_day(struct text date, int32_t *day);
/* From 0 to DATE_DAY_MAX. */
void date_text(int32_t day, char to[DATE_TEXT_SIZE]);

static inline struct text zone_text(const struct zone_text *z)
{
    return (struct text){ z->at, z->len };
}

#endif
