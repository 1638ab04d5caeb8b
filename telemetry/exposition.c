/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/exposition.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 16 << 10 };

void exposition_init(struct exposition *e, bool open_metrics)
{
    *e = (struct exposition){ .open_metrics = open_metrics };
}

void exposition_free(struct exposition *e)
{
    free(e->text);
    e->text = NULL;
}

static bool make_room(struct exposition *e, size_t length)
{
    size_t room = e->room ? e->room : ROOM_FIRST;
    if (e->failed)
        return false;
    while (room - e->length <= length)
        room *= 2;
    if (room == e->room)
        return true;
    char *text = realloc(e->text, room);
    e->failed = !text;
    if (!text)
        return false;
    e->text = text;
    e->room = room;
    return true;
}

__attribute__((format(printf, 2, 3))) static void add(struct exposition *e, const char *format, ...)
{
    char line[512];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    assert(length >= 0 && (size_t)length < sizeof line);
    if (!make_room(e, (size_t)length))
        return;
    memcpy(e->text + e->length, line, (size_t)length + 1);
    e->length += (size_t)length;
}

/* ---- families ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), of_end = strlen(end);
    return length > of_end && strcmp(name + length - of_end, end) == 0;
}

/* The family's base unit, which is in its name; NULL: it has none. */
static const char *unit_of(const char *name)
{
    return ends_in(name, "_seconds") ? "seconds" : ends_in(name, "_bytes") ? "bytes" : NULL;
}

void expose_family(struct exposition *e, enum family_type type, const char *name, const char *help)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    e->family = name;
    e->counter = type == FAMILY_COUNTER;
    const char *end = e->counter && !e->open_metrics ? "_total" : "";
    add(e, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, end, help, name, end, types[type]);
    if (e->open_metrics && unit_of(name))
        add(e, "# UNIT %s %s\n", name, unit_of(name));
}

/* ---- samples ---- */

static void add_name(struct exposition *e, const char *end, const struct label *labels,
                     unsigned count)
{
    assert(e->family && count <= LABELS_MAX);
    add(e, "%s%s%s", e->family, e->counter ? "_total" : end, count > 0 ? "{" : "");
    for (unsigned i = 0; i < count; i++)
        add(e, "%s%s=\"%.*s\"", i > 0 ? "," : "", labels[i].name, (int)labels[i].value.len,
            labels[i].value.at);
    add(e, "%s ", count > 0 ? "}" : "");
}

static void add_real(struct exposition *e, double value)
{
    if (isinf(value))
        add(e, "%sInf\n", value < 0 ? "-" : "+");
    else
        add(e, "%.15g\n", value);
}

void expose_number(struct exposition *e, const struct label *labels, unsigned count, uint64_t value)
{
    add_name(e, "", labels, count);
    add(e, "%" PRIu64 "\n", value);
}

void expose_real(struct exposition *e, const struct label *labels, unsigned count, double value)
{
    add_name(e, "", labels, count);
    add_real(e, value);
}

void expose_counter(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    expose_family(e, FAMILY_COUNTER, name, help);
    expose_number(e, NULL, 0, value);
}

void expose_gauge(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    expose_family(e, FAMILY_GAUGE, name, help);
    expose_number(e, NULL, 0, value);
}

void expose_gauge_ms(struct exposition *e, const char *name, const char *help, uint64_t ms)
{
    expose_family(e, FAMILY_GAUGE, name, help);
    expose_real(e, NULL, 0, (double)ms / 1e3);
}

/* A bound in seconds is shown as OpenMetrics wants a float: with a point, and exact. */
static struct text bound_text(char *text, size_t size, uint64_t us)
{
    int length = us % 1000000 == 0 ? snprintf(text, size, "%" PRIu64 ".0", us / 1000000)
                                   : snprintf(text, size, "%.15g", (double)us / 1e6);
    return (struct text){ text, (uint32_t)length };
}

void expose_histogram(struct exposition *e, const struct label *labels, unsigned count,
                      const struct exposed_histogram *histogram)
{
    struct label all[LABELS_MAX];
    uint64_t sum = 0;
    assert(count < LABELS_MAX);
    for (unsigned i = 0; i < count; i++)
        all[i] = labels[i];
    for (unsigned i = 0; i <= histogram->bounds; i++) {
        char text[32];
        bool last = i == histogram->bounds;
        all[count] =
            (struct label){ "le", last ? text_of("+Inf")
                                       : bound_text(text, sizeof text, histogram->bound_us(i)) };
        sum += histogram->buckets[i];
        add_name(e, "_bucket", all, count + 1);
        add(e, "%" PRIu64 "\n", sum);
    }
    add_name(e, "_sum", labels, count);
    add_real(e, (double)histogram->sum_ns / 1e9);
    add_name(e, "_count", labels, count);
    add(e, "%" PRIu64 "\n", sum);
}

void exposition_end(struct exposition *e)
{
    if (e->open_metrics)
        add(e, "# EOF\n");
}
