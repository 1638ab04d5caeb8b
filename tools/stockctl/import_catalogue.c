/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_catalogue.c - `import calendars|places|channels|items|stocking`: each row of a CSV file
 * sets one record.
 *
 * All rows are checked and packed before the first is sent. A row sets the fields that its columns
 * name and keeps the others. Setting an equal value changes nothing, so an import can be repeated.
 */
#include "tools/stockctl/catalogue.h"
#include "tools/stockctl/import.h"

#include <stdlib.h>
#include <string.h>

struct importing {
    struct import import;
    const struct catalogue_kind *kind;
    struct csv_reader reader;
    struct lookup *seen;   /* key -> line */
    struct lookup *places; /* codes and groups; NULL: nothing needs them */
    struct import_rows rows;
};

/* ---- Checks: NULL, or what is wrong ------------------------------------------------------------
 */

static const char *check_code(const char *code, size_t len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    if (len == 0)
        return "is empty";
    if (len > STOCKD_CODE_MAX)
        return "is longer than 32 characters";
    for (size_t i = 0; i < len; i++)
        if (memchr(allowed, code[i], sizeof(allowed) - 1) == NULL)
            return "has a character other than A-Z a-z 0-9 . _ -";
    return NULL;
}

static const char *check_codes(const struct importing *importing, const struct field *field,
                               const struct csv_field *cell)
{
    bool known_only =
        importing->kind->checks != NULL && strcmp(importing->kind->checks, field->name) == 0;
    int64_t count = 0;
    const char *at = cell->text;

    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        const char *problem = check_code(at, len);
        if (problem != NULL)
            return len == 0 ? "has an empty code" : "has an invalid code";
        if (known_only && !lookup_find(importing->places, at, len, NULL))
            return "names an unknown location or group";
        if (++count > field->most)
            return "has too many codes";
        at += len + (at[len] == ',');
    }
    return NULL;
}

static const char *check_text(const struct field *field, const struct csv_field *cell)
{
    if ((int64_t)cell->len > field->most)
        return field->most == STOCKD_CODE_MAX ? "is longer than 32 bytes"
                                              : "is longer than 128 bytes";
    return bytes_are_utf8(cell->text, cell->len) ? NULL : "is not valid UTF-8";
}

static const char *check_rule(const char *text)
{
    static const char *const rules[] = { "priority", "fewest", "nearest", "balance" };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(text, rules[i]) == 0)
            return NULL;
    return "is not priority, fewest, nearest or balance";
}

static const char *check_promise(const char *text)
{
    bool known = strcmp(text, "on_hand") == 0 || strcmp(text, "incoming") == 0;
    return known ? NULL : "is neither on_hand nor incoming";
}

static const char *check_number(const struct field *field, const char *text)
{
    int64_t number;

    if (!parse_int(text, &number))
        return "is not a whole number";
    if (number < field->least)
        return "is too small";
    return number > field->most ? "is too large" : NULL;
}

static const char *check_real(const struct field *field, const char *text)
{
    double real;

    if (!parse_real(text, &real))
        return "is not a number";
    bool inside = real >= (double)field->least && real <= (double)field->most;
    return inside ? NULL : "is out of range";
}

/* Whether the cell sets the field: an empty one does if the field can be empty. */
static bool says_something(const struct field *field, const struct csv_field *cell)
{
    enum hours_form hours;

    if (cell->len > 0 || field->form == FIELD_CODES)
        return true;
    if (field->form == FIELD_TEXT)
        return field->least == 0;
    return field_hours(field->form, &hours) && hours != HOURS_WEEK;
}

static const char *check_cell(const struct importing *importing, const struct field *field,
                              const struct csv_field *cell)
{
    bool yes;
    enum hours_form hours;

    switch (field->form) {
    case FIELD_TEXT:
        return check_text(field, cell);
    case FIELD_CODES:
        return check_codes(importing, field, cell);
    case FIELD_RULE:
        return check_rule(cell->text);
    case FIELD_PROMISE:
        return check_promise(cell->text);
    case FIELD_NUMBER:
        return check_number(field, cell->text);
    case FIELD_REAL:
        return check_real(field, cell->text);
    default:
        break;
    }
    if (field_hours(field->form, &hours))
        return hours_check(hours, cell->text);
    return parse_bool(cell->text, &yes) ? NULL : "is neither yes nor no";
}

static bool check_key(struct importing *importing, size_t line, const struct csv_field *key)
{
    const char *column = importing->kind->key;
    const char *problem =
        importing->kind->paged ? check_sku(key->text, key->len) : check_code(key->text, key->len);

    if (problem != NULL) {
        bad_rows_add(&importing->import.bad, line, column, "'%.64s' %s", key->text, problem);
        return false;
    }
    if (importing->kind->location != NULL) {
        problem = check_known(importing->places, &key[1]);
        if (problem != NULL) {
            bad_rows_add(&importing->import.bad, line, importing->kind->location, "'%.64s' %s",
                         key[1].text, problem);
            return false;
        }
    }
    size_t first = import_first_line(importing->seen, line, key,
                                     importing->kind->location != NULL ? &key[1] : NULL);
    if (first != line)
        bad_rows_add(&importing->import.bad, line, column, "'%s' is already on line %zu", key->text,
                     first);
    return first == line;
}

/* ---- Rows -------------------------------------------------------------------------------------
 */

/* Whether the row sets field number i; its cells follow the key's. */
static bool is_set(const struct importing *importing, size_t i, const struct csv_field *fields)
{
    size_t column = catalogue_keys(importing->kind) + i;

    return importing->reader.present[column] &&
           says_something(&importing->kind->field[i], &fields[column]);
}

static bool check_row(struct importing *importing, size_t line, const struct csv_field *fields)
{
    bool good = check_key(importing, line, &fields[0]);
    const struct csv_field *cells = fields + catalogue_keys(importing->kind);

    for (size_t i = 0; importing->kind->field[i].name != NULL; i++) {
        const struct field *field = &importing->kind->field[i];
        const char *problem =
            is_set(importing, i, fields) ? check_cell(importing, field, &cells[i]) : NULL;
        if (problem == NULL)
            continue;
        bad_rows_add(&importing->import.bad, line, field->name, "'%.64s' %s", cells[i].text,
                     problem);
        good = false;
    }
    return good;
}

static void pack_cell(stockd_pack *pack, const struct field *field, const struct csv_field *cell)
{
    int64_t number = 0;
    double real = 0;
    bool yes = false;
    enum hours_form hours;

    switch (field->form) {
    case FIELD_TEXT:
    case FIELD_RULE:
    case FIELD_PROMISE:
        stockd_pack_str_n(pack, cell->text, cell->len);
        break;
    case FIELD_CODES:
        pack_list(pack, cell->text);
        break;
    case FIELD_NUMBER:
        (void)parse_int(cell->text, &number);
        stockd_pack_i64(pack, number);
        break;
    case FIELD_REAL:
        (void)parse_real(cell->text, &real);
        stockd_pack_double(pack, real);
        break;
    case FIELD_BOOL:
        (void)parse_bool(cell->text, &yes);
        stockd_pack_bool(pack, yes);
        break;
    default:
        if (field_hours(field->form, &hours))
            hours_pack(hours, cell->text, pack);
    }
}

/* [key, location?, {options}] */
static void pack_row(const struct importing *importing, const struct csv_field *fields,
                     stockd_pack *pack)
{
    size_t options = 0;
    size_t keys = catalogue_keys(importing->kind);

    for (size_t i = 0; importing->kind->field[i].name != NULL; i++)
        options += is_set(importing, i, fields);
    stockd_pack_array(pack, keys + 1);
    for (size_t i = 0; i < keys; i++)
        stockd_pack_str_n(pack, fields[i].text, fields[i].len);
    stockd_pack_map(pack, options);
    for (size_t i = 0; importing->kind->field[i].name != NULL; i++) {
        if (!is_set(importing, i, fields))
            continue;
        stockd_pack_str(pack, importing->kind->field[i].name);
        pack_cell(pack, &importing->kind->field[i], &fields[keys + i]);
    }
}

static void read_row(void *context, size_t line, const struct csv_field *fields)
{
    struct importing *importing = context;

    if (!check_row(importing, line, fields)) {
        importing->import.skipped++;
        return;
    }
    import_rows_add(&importing->rows, line);
    pack_row(importing, fields, &importing->rows.pack);
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct importing *importing = context;
    import_bad_row(&importing->import, line, column, problem);
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

static const char *give_row(void *context, size_t number, stockd_pack *params)
{
    const struct importing *importing = context;

    stockd_pack_value(params, import_rows_at(&importing->rows, number));
    return importing->kind->set;
}

static size_t line_of(const void *context, size_t number)
{
    const struct importing *importing = context;
    return importing->rows.row[number].line;
}

static void add_place(void *context, const char *code, size_t len, stockd_value record)
{
    struct importing *importing = context;
    stockd_value groups = { 0 };
    stockd_value group;
    const char *name;
    size_t name_len;

    if (importing->places == NULL)
        return;
    lookup_add(importing->places, code, len, 0);
    if (importing->kind->location != NULL)
        return;
    stockd_map_find(record, "groups", &groups);
    stockd_iter it = stockd_iterate(groups);
    while (stockd_next(&it, NULL, &group))
        if (stockd_value_str(group, &name, &name_len))
            lookup_add(importing->places, name, name_len, 0);
}

static int read_and_send(struct importing *importing, const struct args *args)
{
    struct import *import = &importing->import;
    int failed = listing_each(import->ctl, "locations", &import->lsn, add_place, importing);

    if (failed == CTL_DONE)
        failed = import_read(import, args, &importing->reader);
    import->count = importing->rows.count;
    return failed == CTL_DONE ? import_send(import) : failed;
}

int catalogue_import(struct ctl *ctl, const struct args *args, const struct catalogue_kind *kind)
{
    const char *columns[CATALOGUE_FIELDS_MAX + CATALOGUE_KEYS_MAX + 1] = { kind->key,
                                                                           kind->location };
    const struct import_words words = {
        .things = kind->name,
        .total = "rows",
        .done = "set",
        .known = "unchanged",
        .before = "were already so",
        .bad = "bad rows skipped",
    };
    struct importing importing = { .kind = kind };
    uint32_t texts = kind->paged ? 1 : 0; /* a SKU */

    /* Locations and channels one by one: the engine must have them in the order of the file. */
    importing.import = (struct import){ .ctl = ctl,
                                        .path = args->positional[0],
                                        .words = &words,
                                        .pack = give_row,
                                        .line = line_of,
                                        .context = &importing,
                                        .window = kind->paged ? 0 : 1 };
    for (size_t i = 0; kind->field[i].name != NULL; i++) {
        columns[catalogue_keys(kind) + i] = kind->field[i].name;
        texts |= (uint32_t)(kind->field[i].form == FIELD_TEXT) << (catalogue_keys(kind) + i);
    }
    importing.reader = (struct csv_reader){ .columns = columns,
                                            .required = catalogue_keys(kind),
                                            .texts = texts,
                                            .row = read_row,
                                            .bad = read_bad,
                                            .context = &importing };
    importing.seen = lookup_new();
    importing.places = kind->checks != NULL || kind->location != NULL ? lookup_new() : NULL;
    import_rows_init(&importing.rows);
    int failed = read_and_send(&importing, args);
    import_rows_free(&importing.rows);
    import_free(&importing.import);
    lookup_free(importing.places);
    lookup_free(importing.seen);
    return failed;
}
