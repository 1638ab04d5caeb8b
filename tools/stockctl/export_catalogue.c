/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_catalogue.c - `export calendars|places|channels|items|stocking`: CSV for `import`, a
 * column per option.
 *
 * Items are sorted by SKU, stockings by SKU and location. The others stay in the engine's order,
 * that of their creation: of two locations with one priority the older comes first, and so it must
 * in the copy.
 */
#include "tools/stockctl/catalogue.h"

#include <stdlib.h>
#include <string.h>

struct record {
    char *key;
    size_t key_len;
    char *location; /* "": none */
    char *line;     /* of the CSV file, without its end; NULL when JSON is wanted */
    size_t line_len;
    json_t *json;
};

struct exporting {
    const struct catalogue_kind *kind;
    bool json;
    struct record *record;
    size_t count;
    size_t capacity;
};

static int by_key(const void *a, const void *b)
{
    const struct record *x = a;
    const struct record *y = b;
    int order = memcmp(x->key, y->key, x->key_len < y->key_len ? x->key_len : y->key_len);

    if (order == 0)
        order = (x->key_len > y->key_len) - (x->key_len < y->key_len);
    return order != 0 ? order : strcmp(x->location, y->location);
}

/* The fewest digits that read back as the same number. */
static void put_real(FILE *out, double number)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    fputs(text, out);
}

static void put_codes(FILE *out, stockd_value list)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value code;
    const char *bytes;
    size_t len;
    const char *before = "\"";

    while (stockd_next(&it, NULL, &code)) {
        if (!stockd_value_str(code, &bytes, &len))
            continue;
        fprintf(out, "%s%.*s", before, (int)len, bytes); /* no character of a code needs escaping */
        before = ",";
    }
    if (before[0] == ',')
        fputc('"', out);
}

/* Nil and empty values leave the cell empty. */
static void put_cell(FILE *out, stockd_value value)
{
    const char *bytes;
    size_t len;
    bool yes;
    int64_t number;
    double real;

    if (stockd_value_bool(value, &yes))
        fputs(yes ? "yes" : "no", out);
    else if (stockd_value_i64(value, &number))
        fprintf(out, "%lld", (long long)number);
    else if (stockd_value_double(value, &real))
        put_real(out, real);
    else if (stockd_value_kind(value) == STOCKD_KIND_ARRAY)
        put_codes(out, value);
    else if (stockd_value_str(value, &bytes, &len) && len > 0)
        csv_put(out, bytes, len);
}

static void put_hours_cell(FILE *out, enum hours_form form, stockd_value value)
{
    if (stockd_value_kind(value) != STOCKD_KIND_ARRAY)
        return;
    char *text = hours_text(form, value);
    if (text[0] != '\0')
        csv_put(out, text, strlen(text));
    free(text);
}

static void make_line(const struct exporting *exporting, const char *key, size_t len,
                      stockd_value fields, struct record *record)
{
    FILE *out = open_memstream(&record->line, &record->line_len);

    if (out == NULL) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    csv_put(out, key, len);
    if (exporting->kind->location != NULL) {
        stockd_value location = { 0 };
        stockd_map_find(fields, exporting->kind->location, &location);
        fputc(',', out);
        put_cell(out, location);
    }
    for (const struct field *field = exporting->kind->field; field->name != NULL; field++) {
        stockd_value value = { 0 };
        enum hours_form form;
        stockd_map_find(fields, field->name, &value);
        fputc(',', out);
        if (field_hours(field->form, &form))
            put_hours_cell(out, form, value);
        else
            put_cell(out, value);
    }
    fclose(out);
}

static json_t *json_record(const struct exporting *exporting, const char *key, size_t len,
                           stockd_value fields)
{
    json_t *json = json_object();

    json_object_set_new(json, exporting->kind->key, json_stringn(key, len));
    if (exporting->kind->location != NULL) {
        stockd_value location = { 0 };
        stockd_map_find(fields, exporting->kind->location, &location);
        json_object_set_new(json, exporting->kind->location, json_from_value(location));
    }
    for (const struct field *field = exporting->kind->field; field->name != NULL; field++) {
        stockd_value value = { 0 };
        stockd_map_find(fields, field->name, &value);
        json_object_set_new(json, field->name, json_from_value(value));
    }
    return json;
}

static void make_key(const struct exporting *exporting, const char *key, size_t len,
                     stockd_value fields, struct record *record)
{
    const char *location = "";
    size_t location_len = 0;

    if (exporting->kind->location != NULL)
        stockd_map_str(fields, exporting->kind->location, &location, &location_len);
    record->key = text_copy(key, len);
    record->key_len = len;
    record->location = text_copy(location, location_len);
}

static void add_record(void *context, const char *key, size_t len, stockd_value fields)
{
    struct exporting *exporting = context;
    struct record record = { 0 };

    make_key(exporting, key, len, fields, &record);
    if (exporting->json)
        record.json = json_record(exporting, key, len, fields);
    else
        make_line(exporting, key, len, fields, &record);
    if (exporting->count == exporting->capacity) {
        exporting->capacity = exporting->capacity > 0 ? exporting->capacity * 2 : 256;
        exporting->record =
            must_grow(exporting->record, exporting->capacity, sizeof(*exporting->record));
    }
    exporting->record[exporting->count++] = record;
}

static void print_csv(const struct exporting *exporting)
{
    fputs(exporting->kind->key, stdout);
    if (exporting->kind->location != NULL)
        printf(",%s", exporting->kind->location);
    for (const struct field *field = exporting->kind->field; field->name != NULL; field++)
        printf(",%s", field->name);
    putchar('\n');
    for (size_t i = 0; i < exporting->count; i++) {
        fwrite(exporting->record[i].line, 1, exporting->record[i].line_len, stdout);
        putchar('\n');
    }
}

static void print_json(const struct exporting *exporting, uint64_t lsn)
{
    json_t *records = json_array();

    for (size_t i = 0; i < exporting->count; i++)
        json_array_append(records, exporting->record[i].json);
    show_json_value(
        json_pack("{s:I, s:o}", "lsn", (json_int_t)lsn, exporting->kind->name, records));
}

int catalogue_export(struct ctl *ctl, const struct catalogue_kind *kind)
{
    struct exporting exporting = { .kind = kind, .json = ctl->json };
    uint64_t lsn = 0;
    int failed = catalogue_each(ctl, kind, NULL, &lsn, add_record, &exporting);

    if (kind->paged && exporting.count > 0)
        qsort(exporting.record, exporting.count, sizeof(*exporting.record), by_key);
    if (failed == CTL_DONE && ctl->json)
        print_json(&exporting, lsn);
    else if (failed == CTL_DONE)
        print_csv(&exporting);
    for (size_t i = 0; i < exporting.count; i++) {
        free(exporting.record[i].key);
        free(exporting.record[i].location);
        free(exporting.record[i].line);
        json_decref(exporting.record[i].json);
    }
    free(exporting.record);
    return failed;
}
