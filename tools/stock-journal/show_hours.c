/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/show_hours.h"

#include <stdio.h>
#include <time.h>

#include "engine/log/record.h"

enum { DAY_MINUTES = 24 * 60, SPAN_TEXT = 32 };

static const char *day_of_week(unsigned minute)
{
    static const char *const names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
    unsigned day = minute / DAY_MINUTES;
    return day < 7 ? names[day] : "?";
}

static void put_date(char text[SPAN_TEXT], int32_t day)
{
    time_t at = (time_t)day * 24 * 60 * 60;
    struct tm utc;
    gmtime_r(&at, &utc);
    strftime(text, SPAN_TEXT, "%Y-%m-%d", &utc);
}

static void show_minute(struct sink *sink, const struct minute_record *m)
{
    char text[SPAN_TEXT];
    unsigned minute = m->at % DAY_MINUTES;
    snprintf(text, sizeof text, "%s %02u:%02u", day_of_week(m->at), minute / 60, minute % 60);
    sink_list_text(sink, text_of(text));
}

/* A span ends within the day that it begins in, or at its very end. */
static void show_span(struct sink *sink, const char *day, unsigned from, unsigned to)
{
    char text[SPAN_TEXT + 16];
    snprintf(text, sizeof text, "%s %02u:%02u-%02u:%02u", day, from / 60, from % 60, to / 60,
             to % 60);
    sink_list_text(sink, text_of(text));
}

static void show_week(struct sink *sink, const struct week_record *w)
{
    unsigned begin = w->from - w->from % DAY_MINUTES;
    show_span(sink, day_of_week(w->from), w->from - begin, w->to - begin);
}

static void show_date(struct sink *sink, const struct date_record *d)
{
    char text[SPAN_TEXT];
    put_date(text, d->day);
    sink_list_text(sink, text_of(text));
}

static void show_extra(struct sink *sink, const struct extra_record *e)
{
    char day[SPAN_TEXT];
    put_date(day, e->day);
    show_span(sink, day, e->from, e->to);
}

void show_hours(struct sink *sink, const char *key, enum record_shown shown, const void *array,
                uint32_t count)
{
    if (count == 0)
        return;
    sink_list(sink, key);
    for (uint32_t i = 0; i < count; i++) {
        if (shown == SHOWN_MINUTES)
            show_minute(sink, (const struct minute_record *)array + i);
        else if (shown == SHOWN_WEEK)
            show_week(sink, (const struct week_record *)array + i);
        else if (shown == SHOWN_DATES)
            show_date(sink, (const struct date_record *)array + i);
        else
            show_extra(sink, (const struct extra_record *)array + i);
    }
    sink_list_end(sink);
}
