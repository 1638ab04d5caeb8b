/* SPDX-License-Identifier: Apache-2.0 */
/* bad_rows.c - the bad rows of a file: collected until all are known, then reported by line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "tools/stockctl/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 20  /* nobody reads more on a terminal */
#define LABEL_MAX 128 /* bytes of a ref or a reason */

void bad_rows_add(struct bad_rows *bad, size_t line, const char *column, const char *format, ...)
{
    va_list list;

    if (bad->count == bad->capacity) {
        bad->capacity = bad->capacity > 0 ? bad->capacity * 2 : 16;
        bad->row = must_grow(bad->row, bad->capacity, sizeof(*bad->row));
    }
    struct bad_row *row = &bad->row[bad->count++];
    row->line = line;
    row->column = text_clean(column, strlen(column));
    va_start(list, format);
    int len = vasprintf(&row->problem, format, list);
    va_end(list);
    if (len < 0)
        row->problem = text_format("?");
    char *clean = text_clean(row->problem, strlen(row->problem));
    free(row->problem);
    row->problem = clean;
}

static int by_line(const void *a, const void *b)
{
    const struct bad_row *x = a;
    const struct bad_row *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

static void report_json(const struct bad_rows *bad, const char *path, const char *outcome)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < bad->count; i++)
        json_array_append_new(rows, json_pack("{s:I, s:s, s:s}", "line",
                                              (json_int_t)bad->row[i].line, "column",
                                              bad->row[i].column, "problem", bad->row[i].problem));
    show_json_value(json_pack("{s:{s:s, s:s, s:{s:s, s:o}}}", "error", "code", "bad_rows",
                              "message", outcome, "details", "file", path, "rows", rows));
}

void bad_rows_report(struct bad_rows *bad, const struct ctl *ctl, const char *path,
                     const char *outcome)
{
    size_t shown = bad->count < SHOWN_MAX ? bad->count : SHOWN_MAX;

    qsort(bad->row, bad->count, sizeof(*bad->row), by_line);
    if (output_errors_in_json(ctl) && outcome != NULL) {
        report_json(bad, path, outcome);
        return;
    }
    for (size_t i = 0; i < shown; i++)
        fprintf(stderr, "stockctl: %s: line %zu, column %s: %s\n", path, bad->row[i].line,
                bad->row[i].column, bad->row[i].problem);
    if (shown < bad->count)
        fprintf(stderr, "stockctl: %s: and %zu more\n", path, bad->count - shown);
    if (outcome != NULL)
        fprintf(stderr, "stockctl: %s: %s\n", path, outcome);
}

void bad_rows_free(struct bad_rows *bad)
{
    for (size_t i = 0; i < bad->count; i++) {
        free(bad->row[i].column);
        free(bad->row[i].problem);
    }
    free(bad->row);
    *bad = (struct bad_rows){ 0 };
}

const char *check_sku(const char *sku, size_t len)
{
    if (len == 0)
        return "is empty";
    if (len > STOCKD_SKU_MAX)
        return "is longer than 64 bytes";
    return bytes_are_utf8(sku, len) ? NULL : "is not valid UTF-8";
}

const char *check_known(const struct lookup *locations, const struct csv_field *location)
{
    if (location->len == 0)
        return "is empty";
    return lookup_find(locations, location->text, location->len, NULL) ? NULL
                                                                       : "is no known location";
}

const char *check_label(const struct csv_field *label)
{
    if (label->len > LABEL_MAX)
        return "is longer than 128 bytes";
    return bytes_are_utf8(label->text, label->len) ? NULL : "is not valid UTF-8";
}

/* A time relative to now would be another one when the import is repeated. */
const char *check_moment(const struct csv_field *moment, int64_t *ms)
{
    *ms = 0;
    if (moment->len == 0)
        return NULL;
    return moment->text[0] != '+' && parse_time(moment->text, ms) && *ms > 0
               ? NULL
               : "is not a time like 2025-03-01T14:05:00 or milliseconds since the epoch";
}

const char *check_quantity(const char *text, int64_t least, int64_t most, int64_t *out)
{
    if (text[0] == '\0')
        return "is empty";
    if (!parse_int(text, out))
        return "is not a whole number";
    if (*out < least)
        return least == 0 ? "is negative" : "is too small";
    return *out > most ? "is more than a pool can hold (268435455)" : NULL;
}
