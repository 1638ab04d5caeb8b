/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/when.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool parse_time(const char *text, uint64_t *ms)
{
    static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm when = { .tm_isdst = -1 };
        const char *end = strptime(text, forms[i], &when);
        if (!end || (*end != '\0' && strcmp(end, "Z") != 0))
            continue;
        struct tm day = { .tm_year = when.tm_year, .tm_mon = when.tm_mon, .tm_mday = when.tm_mday };
        timegm(&day);
        if (day.tm_mday != when.tm_mday) /* February 30 is none */
            return false;
        time_t seconds = *end ? timegm(&when) : mktime(&when);
        *ms = (uint64_t)seconds * 1000;
        return seconds >= 0;
    }
    return false;
}

bool when_parse(const char *option, const char *text, bool *by_time, uint64_t *value)
{
    char *end;
    errno = 0;
    *by_time = false;
    *value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0)
        return true;
    *by_time = true;
    if (parse_time(text, value))
        return true;
    fprintf(stderr,
            "stock-journal: %s: \"%s\" is neither an LSN nor a time like 2025-03-01T14:05:00\n",
            option, text);
    return false;
}
