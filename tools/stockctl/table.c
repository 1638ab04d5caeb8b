/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - aligned columns; the widest cell of a column gives its width.
 *
 * On a terminal that is too narrow the widest texts are cut, and end in an ellipsis. Numbers are
 * never cut, nor is anything that goes to a file or a pipe.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "tools/stockctl/ctl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define TEXT_LEAST 6 /* the least width of a cut text */
#define GAP 2

struct table {
    const char *const *titles;
    size_t columns;
    bool untitled;
    char **cell;
    size_t count;
    size_t capacity;
};

struct table *table_new(const char *const *titles)
{
    struct table *table = must_alloc(1, sizeof(*table));
    table->titles = titles;
    while (titles[table->columns] != NULL)
        table->columns++;
    assert(table->columns > 0);
    return table;
}

struct table *table_untitled(const char *const *titles)
{
    struct table *table = table_new(titles);
    table->untitled = true;
    return table;
}

static void add_owned(struct table *table, char *text)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity > 0 ? table->capacity * 2 : 64;
        table->cell = must_grow(table->cell, table->capacity, sizeof(*table->cell));
    }
    table->cell[table->count++] = text;
}

void table_add(struct table *table, const char *text)
{
    add_owned(table, text_clean(text, strlen(text)));
}

void table_add_format(struct table *table, const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    int len = vasprintf(&text, format, list);
    va_end(list);
    if (len < 0)
        text = text_format("?");
    add_owned(table, text);
}

/* Columns of the terminal; SIZE_MAX: it is no terminal, or does not say. */
static size_t room_of(FILE *out)
{
    struct winsize size = { 0 };
    int fd = fileno(out);

    return fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : SIZE_MAX;
}

/* The widest column of texts that can still be cut; the number of columns: none. */
static size_t widest_text(const struct table *table, const size_t *width)
{
    size_t found = table->columns;

    for (size_t c = 0; c < table->columns; c++) {
        size_t least = text_width(table->titles[c] + 1);
        least = least > TEXT_LEAST ? least : TEXT_LEAST;
        if (table->titles[c][0] != '<' || width[c] <= least)
            continue;
        if (found == table->columns || width[c] > width[found])
            found = c;
    }
    return found;
}

static void fit(const struct table *table, size_t room, size_t *width)
{
    size_t total = (table->columns - 1) * GAP;

    for (size_t c = 0; c < table->columns; c++)
        total += width[c];
    for (; total > room; total--) {
        size_t c = widest_text(table, width);
        if (c == table->columns)
            return;
        width[c]--;
    }
}

static void print_cell(FILE *out, const char *whole, size_t width, bool right, bool last)
{
    char *text = text_cut(whole, width);
    size_t own = text_width(text);
    int gap = own < width ? (int)(width - own) : 0;

    if (right)
        fprintf(out, "%*s%s", gap, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : gap, "");
    fputs(last ? "\n" : "  ", out);
    free(text);
}

void table_print(struct table *table, FILE *out, const char *indent)
{
    size_t columns = table->columns;
    size_t *width = must_alloc(columns, sizeof(*width));

    assert(table->count % columns == 0);
    for (size_t c = 0; c < columns; c++)
        width[c] = text_width(table->titles[c] + 1);
    for (size_t i = 0; i < table->count; i++) {
        size_t own = text_width(table->cell[i]);
        if (own > width[i % columns])
            width[i % columns] = own;
    }
    size_t room = room_of(out);
    size_t margin = strlen(indent);
    if (!table->untitled && room > margin)
        fit(table, room - margin, width);
    if (!table->untitled)
        fputs(indent, out);
    for (size_t c = 0; c < columns && !table->untitled; c++)
        print_cell(out, table->titles[c] + 1, width[c], table->titles[c][0] == '>',
                   c + 1 == columns);
    for (size_t i = 0; i < table->count; i++) {
        size_t c = i % columns;
        if (c == 0)
            fputs(indent, out);
        print_cell(out, table->cell[i], width[c], table->titles[c][0] == '>', c + 1 == columns);
    }
    free(width);
    table_free(table);
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cell[i]);
    free(table->cell);
    free(table);
}
