/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - numbers, durations and times as people type them. Nothing here prints. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* timegm, strptime */
#endif
#include "tools/stockctl/ctl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool parse_int(const char *text, int64_t *out)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    char *end;

    if (!is_digit(*digits)) /* strtoll would take spaces */
        return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = number;
    return true;
}

bool parse_real(const char *text, double *out)
{
    char *end;

    if (!is_digit(text[0]) && strchr("+-.", text[0]) == NULL)
        return false;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(number))
        return false;
    *out = number;
    return true;
}

bool parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = { "yes", "true", "on", "1" };
    static const char *const no[] = { "no", "false", "off", "0" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        *out = strcmp(text, yes[i]) == 0;
        if (*out || strcmp(text, no[i]) == 0)
            return true;
    }
    return false;
}

bool parse_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    char *end;

    if (!is_digit(text[0]))
        return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0)
            return errno == 0 && !__builtin_mul_overflow(number, units[i].ms, ms);
    return false;
}

/* ".123" of a second, in milliseconds; advances the text. */
static int64_t take_fraction(const char **at)
{
    int64_t ms = 0;
    int64_t weight = 100;

    if (**at != '.')
        return 0;
    for ((*at)++; is_digit(**at); (*at)++, weight /= 10)
        ms += weight * (**at - '0');
    return ms;
}

/* "Z", "+01:00", "-0330": seconds east of Greenwich. */
static bool parse_zone(const char *text, long *seconds)
{
    struct tm zone = { 0 };

    *seconds = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (text[0] != '+' && text[0] != '-')
        return false;
    const char *end = strptime(text + 1, strchr(text, ':') != NULL ? "%H:%M" : "%H%M", &zone);
    if (end == NULL || *end != '\0')
        return false;
    *seconds = (zone.tm_hour * 60L + zone.tm_min) * 60L;
    if (text[0] == '-')
        *seconds = -*seconds;
    return true;
}

bool parse_time(const char *text, int64_t *ms)
{
    struct tm when = { .tm_isdst = -1 };
    struct timespec now;
    long zone;

    if (text[0] == '+') {
        clock_gettime(CLOCK_REALTIME, &now);
        return parse_duration(text + 1, ms) &&
               !__builtin_add_overflow(*ms, now.tv_sec * 1000 + now.tv_nsec / 1000000, ms);
    }
    if (parse_int(text, ms))
        return *ms >= 0;
    const char *at = strptime(text, "%Y-%m-%d", &when);
    struct tm day = when;
    timegm(&day);
    if (day.tm_mday != when.tm_mday) /* February 30 is none */
        return false;
    if (at != NULL && (*at == 'T' || *at == ' ')) {
        const char *clock = at + 1;
        at = strptime(clock, "%H:%M:%S", &when);
        if (at == NULL)
            at = strptime(clock, "%H:%M", &when);
    }
    if (at == NULL)
        return false;
    int64_t fraction = take_fraction(&at);
    if (*at == '\0') { /* without a zone it is the local time */
        *ms = (int64_t)mktime(&when) * 1000 + fraction;
        return *ms >= 0;
    }
    if (!parse_zone(at, &zone))
        return false;
    *ms = ((int64_t)timegm(&when) - zone) * 1000 + fraction;
    return *ms >= 0;
}
