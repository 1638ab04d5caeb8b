/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - results of the engine for people: "key  value" lines, and tables. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>

#define COLUMNS_MAX 16
#define DEPTH_MAX 8

static void add_map(struct table *table, const char *prefix, stockd_value map, int depth)
{
    stockd_iter it = stockd_iterate(map);
    stockd_value key;
    stockd_value element;

    while (stockd_next(&it, &key, &element)) {
        char *name = show_text("", key);
        char *path =
            prefix[0] == '\0' ? text_format("%s", name) : text_format("%s.%s", prefix, name);
        if (stockd_value_kind(element) == STOCKD_KIND_MAP && depth < DEPTH_MAX) {
            add_map(table, path, element, depth + 1);
        } else {
            char *text = show_text(path, element);
            table_add(table, path);
            table_add(table, text);
            free(text);
        }
        free(path);
        free(name);
    }
}

void show_map(stockd_value map, const char *id)
{
    static const char *const titles[] = { "<", "<", NULL };
    struct table *table = table_untitled(titles);

    if (id != NULL) {
        table_add(table, "id");
        table_add(table, id);
    }
    if (stockd_value_kind(map) == STOCKD_KIND_MAP) {
        add_map(table, "", map, 0);
    } else {
        char *text = show_text("", map);
        table_add(table, "result");
        table_add(table, text);
        free(text);
    }
    table_print(table, stdout, "");
}

void show_result(const struct ctl *ctl, stockd_value result, const char *id)
{
    if (ctl->json)
        show_json(result, id);
    else
        show_map(result, id);
}

/* Field number `place` of a record: by key in a map, by index in an array. */
static bool record_field(stockd_value record, const char *key, size_t place, stockd_value *out)
{
    if (stockd_value_kind(record) == STOCKD_KIND_MAP)
        return stockd_map_find(record, key, out);
    if (stockd_value_kind(record) == STOCKD_KIND_ARRAY)
        return stockd_array_at(record, place, out);
    *out = record;
    return place == 0;
}

static bool is_optional(const struct column *column)
{
    return column->title[0] == '?';
}

static bool says_something(stockd_value value)
{
    bool yes;
    int64_t number;

    if (stockd_value_bool(value, &yes))
        return yes;
    if (stockd_value_i64(value, &number))
        return number != 0;
    if (stockd_value_kind(value) == STOCKD_KIND_ARRAY)
        return stockd_value_count(value) > 0;
    return stockd_value_kind(value) != STOCKD_KIND_NIL;
}

/* Which columns any record has at all; of the optional ones, with something in them. */
static void columns_used(stockd_value list, const struct column *columns, size_t count, bool *used)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value record;
    stockd_value field;

    while (stockd_next(&it, NULL, &record))
        for (size_t c = 0; c < count; c++)
            used[c] = used[c] || (record_field(record, columns[c].key, c, &field) &&
                                  (!is_optional(&columns[c]) || says_something(field)));
}

void show_records(stockd_value list, const struct column *columns, size_t count, const char *indent,
                  FILE *out)
{
    const char *titles[COLUMNS_MAX + 1] = { NULL };
    bool used[COLUMNS_MAX] = { false };
    size_t shown = 0;

    columns_used(list, columns, count, used);
    for (size_t c = 0; c < count; c++)
        if (used[c])
            titles[shown++] = columns[c].title + is_optional(&columns[c]);
    if (shown == 0)
        return;
    struct table *table = table_new(titles);
    stockd_iter it = stockd_iterate(list);
    stockd_value record;
    while (stockd_next(&it, NULL, &record)) {
        for (size_t c = 0; c < count; c++) {
            stockd_value field = { 0 };
            if (!used[c])
                continue;
            record_field(record, columns[c].key, c, &field);
            char *text = show_text(columns[c].key, field);
            table_add(table, text);
            free(text);
        }
    }
    table_print(table, out, indent);
}

void show_list(stockd_value result, const char *key, const struct column *columns, size_t count)
{
    stockd_value list;

    if (!stockd_map_find(result, key, &list) || stockd_value_count(list) == 0)
        return;
    putchar('\n');
    show_records(list, columns, count, "", stdout);
}

void show_missing(stockd_value result)
{
    static const struct column columns[] = { { "sku", "<MISSING" }, { "qty", ">QTY" } };

    show_list(result, "missing", columns, sizeof(columns) / sizeof(columns[0]));
}
