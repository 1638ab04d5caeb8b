/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - records as CSV, or as one JSON object a line. */
#include "tools/stockctl/rows.h"

#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/ctl.h"

#define REAL_DIGITS 15

/* ---- JSON ------------------------------------------------------------------------------------ */

/* DEL, U+0080 to U+009F, U+2028 and U+2029: jansson escapes only what is below a space. */
static size_t control_at(const char *at, unsigned *point)
{
    const unsigned char *byte = (const unsigned char *)at;

    if (byte[0] == 0x7f) {
        *point = 0x7f;
        return 1;
    }
    if (byte[0] == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0) {
        *point = byte[1];
        return 2;
    }
    if (byte[0] == 0xe2 && byte[1] == 0x80 && (byte[2] == 0xa8 || byte[2] == 0xa9)) {
        *point = 0x2000U + byte[2] - 0x80U;
        return 3;
    }
    return 0;
}

void json_put(FILE *out, const json_t *json, size_t flags)
{
    char *text = json_dumps(json, flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
    const char *from = text;
    unsigned point;

    if (text == NULL) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    for (const char *at = text; *at != '\0';) {
        size_t size = control_at(at, &point);
        if (size == 0) {
            at++;
            continue;
        }
        fprintf(out, "%.*s\\u%04x", (int)(at - from), from, point); /* only strings have them */
        at += size;
        from = at;
    }
    fputs(from, out);
    free(text);
}

/* ---- columns --------------------------------------------------------------------------------- */

static void add_column(struct rows *rows, const char *name, size_t len)
{
    json_t *key = json_stringn(name, len);

    if (json_object_get(rows->position, json_string_value(key)) == NULL) {
        json_object_set_new(rows->position, json_string_value(key),
                            json_integer((json_int_t)json_array_size(rows->column)));
        json_array_append(rows->column, key);
    }
    json_decref(key);
}

void rows_begin(struct rows *rows, FILE *out, bool csv, const char *columns)
{
    *rows =
        (struct rows){ .out = out, .csv = csv, .column = json_array(), .position = json_object() };
    while (columns != NULL && *columns != '\0') {
        size_t len = strcspn(columns, " ");
        add_column(rows, columns, len);
        columns += len + (columns[len] == ' ');
    }
    rows->named = json_array_size(rows->column);
}

/* Adds the fields of a map, and of maps within, under their paths. */
static void flatten(json_t *flat, const char *prefix, json_t *map)
{
    const char *key;
    json_t *value;

    json_object_foreach(map, key, value)
    {
        char *path = prefix[0] == '\0' ? text_format("%s", key) : text_format("%s.%s", prefix, key);
        if (json_object_size(value) > 0)
            flatten(flat, path, value);
        else
            json_object_set(flat, path, value);
        free(path);
    }
}

/* A record as a map: a list's fields get the names of the columns, anything else is a "value". */
static json_t *with_names(const struct rows *rows, const json_t *record)
{
    json_t *map = json_object();
    const char *only = json_string_value(json_array_get(rows->column, 0));

    if (json_is_object(record)) {
        json_object_update(map, (json_t *)record);
    } else if (json_is_array(record)) {
        for (size_t i = 0; i < json_array_size(record) && i < rows->named; i++)
            json_object_set(map, json_string_value(json_array_get(rows->column, i)),
                            json_array_get(record, i));
    } else {
        json_object_set(map, only != NULL ? only : "value", (json_t *)record);
    }
    return map;
}

static json_t *flat_of(const struct rows *rows, const json_t *record)
{
    json_t *map = with_names(rows, record);
    json_t *flat = json_object();

    flatten(flat, "", map);
    json_decref(map);
    return flat;
}

static void learn_flat(struct rows *rows, json_t *flat)
{
    const char *key;
    json_t *value;

    json_object_foreach(flat, key, value) add_column(rows, key, strlen(key));
}

void rows_learn(struct rows *rows, const json_t *record)
{
    json_t *flat;

    if (!rows->csv || rows->begun)
        return;
    flat = flat_of(rows, record);
    learn_flat(rows, flat);
    json_decref(flat);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void put_header(struct rows *rows)
{
    size_t i;
    json_t *name;

    rows->begun = true;
    if (json_array_size(rows->column) == 0)
        return;
    json_array_foreach(rows->column, i, name)
    {
        if (i > 0)
            fputc(',', rows->out);
        csv_put(rows->out, json_string_value(name), json_string_length(name));
    }
    fputc('\n', rows->out);
}

static bool has_inner(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        if (json_is_array(element) || json_is_object(element))
            return true;
    }
    return false;
}

/* One scalar as people write it. */
static void put_text(FILE *out, const json_t *value)
{
    if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", out);
    else if (json_is_string(value))
        fwrite(json_string_value(value), 1, json_string_length(value), out);
    else if (!json_is_null(value))
        json_put(out, value, 0);
}

/* Nil and an empty list leave the cell empty; a list of scalars is "a,b,c", any other one JSON. */
static void put_cell(FILE *out, const json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *cell = open_memstream(&text, &size);

    if (cell == NULL) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    if (json_is_object(value) || has_inner(value)) {
        json_put(cell, value, JSON_COMPACT);
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                fputc(',', cell);
            put_text(cell, json_array_get(value, i));
        }
    } else if (value != NULL) {
        put_text(cell, value);
    }
    fclose(cell);
    if (size > 0)
        csv_put(out, text, size);
    free(text);
}

static void put_record(struct rows *rows, json_t *flat)
{
    size_t i;
    json_t *name;

    if (!rows->begun) {
        learn_flat(rows, flat);
        put_header(rows);
    }
    json_array_foreach(rows->column, i, name)
    {
        if (i > 0)
            fputc(',', rows->out);
        put_cell(rows->out, json_object_get(flat, json_string_value(name)));
    }
    fputc('\n', rows->out);
}

void rows_add(struct rows *rows, const json_t *record)
{
    json_t *map = rows->csv ? flat_of(rows, record) : with_names(rows, record);

    if (rows->csv) {
        put_record(rows, map);
    } else {
        json_put(rows->out, map, JSON_COMPACT);
        fputc('\n', rows->out);
    }
    json_decref(map);
}

void rows_end(struct rows *rows)
{
    if (rows->csv && !rows->begun)
        put_header(rows);
    json_decref(rows->column);
    json_decref(rows->position);
    *rows = (struct rows){ .out = rows->out };
}
