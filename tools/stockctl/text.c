/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - UTF-8, widths on a terminal, times for people, and allocation that exits on failure. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* wcwidth, vasprintf */
#endif
#include "tools/stockctl/ctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

void *must_grow(void *memory, size_t count, size_t size)
{
    void *grown = reallocarray(memory, count, size);
    if (grown == NULL) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    return grown;
}

void *must_alloc(size_t count, size_t size)
{
    void *memory = must_grow(NULL, count > 0 ? count : 1, size);
    memset(memory, 0, (count > 0 ? count : 1) * size);
    return memory;
}

char *text_copy(const char *bytes, size_t len)
{
    char *copy = must_alloc(len + 1, 1);
    memcpy(copy, bytes, len);
    return copy;
}

char *text_format(const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    int len = vasprintf(&text, format, list);
    va_end(list);
    if (len < 0) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    return text;
}

/* One code point: its length in bytes, or 0 if these bytes are not UTF-8. */
static size_t decode(const unsigned char *at, size_t len, uint32_t *point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (size == 0 || size > len || at[0] > 0xf4)
        return 0;
    *point = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | (at[i] & 0x3fU);
    }
    bool surrogate = *point >= 0xd800 && *point < 0xe000;
    return *point < least[size] || *point > 0x10ffff || surrogate ? 0 : size;
}

bool bytes_are_utf8(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    uint32_t point;

    while (len > 0) {
        size_t size = decode(at, len, &point);
        if (size == 0)
            return false;
        at += size;
        len -= size;
    }
    return true;
}

size_t text_width(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = strlen(text);
    size_t width = 0;
    uint32_t point;

    while (len > 0) {
        size_t size = decode(at, len, &point);
        int columns = size > 0 ? wcwidth((wchar_t)point) : 1;
        width += columns >= 0 ? (size_t)columns : 1;
        size += size == 0;
        at += size;
        len -= size;
    }
    return width;
}

char *text_cut(const char *text, size_t columns)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = strlen(text);
    size_t left = columns > 0 ? columns - 1 : 0; /* the ellipsis is one column */
    uint32_t point;

    if (text_width(text) <= columns)
        return text_format("%s", text);
    while (len > 0) {
        size_t size = decode(at, len, &point);
        int own = size > 0 ? wcwidth((wchar_t)point) : 1;
        size_t needed = own >= 0 ? (size_t)own : 1;
        size += size == 0;
        if (needed > left)
            break;
        left -= needed;
        at += size;
        len -= size;
    }
    return text_format("%.*s\xe2\x80\xa6", (int)(at - (const unsigned char *)text), text);
}

void text_pad(FILE *out, const char *text, size_t columns)
{
    size_t own = text_width(text);

    fprintf(out, "%s%*s", text, own < columns ? (int)(columns - own) : 0, "");
}

/* A name from outside must not move the cursor or end a line. */
static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029;
}

char *text_clean(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    char *clean = must_alloc(len * 3 + 1, 1); /* U+FFFD has three bytes */
    size_t used = 0;
    uint32_t point;

    while (len > 0) {
        size_t size = decode(at, len, &point);
        if (size == 0 || is_control(point)) {
            memcpy(clean + used, "\xef\xbf\xbd", 3);
            used += 3;
            size += size == 0;
        } else {
            memcpy(clean + used, at, size);
            used += size;
        }
        at += size;
        len -= size;
    }
    return clean;
}

void text_time(int64_t ms, char *out, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm when;
    char zone[8];

    if (localtime_r(&seconds, &when) == NULL) {
        snprintf(out, size, "%lld ms", (long long)ms);
        return;
    }
    size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &when);
    size_t zone_len = strftime(zone, sizeof(zone), "%z", &when);
    if (len > 0 && zone_len == 5) /* +0100 to +01:00 */
        snprintf(out + len, size - len, "%.3s:%s", zone, zone + 3);
}

void text_duration(int64_t ms, char *out, size_t size)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms < units[i].ms)
            continue;
        int64_t rest = ms % units[i].ms;
        long long whole = (long long)(ms / units[i].ms);
        if (i + 1 < sizeof(units) / sizeof(units[0]) && rest >= units[i + 1].ms)
            snprintf(out, size, "%lld%s %lld%s", whole, units[i].name,
                     (long long)(rest / units[i + 1].ms), units[i + 1].name);
        else
            snprintf(out, size, "%lld%s", whole, units[i].name);
        return;
    }
    snprintf(out, size, "%lld%s", (long long)ms, ms != 0 ? "ms" : "");
}
