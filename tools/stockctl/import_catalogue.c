/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_catalogue.c - `import calendars|places|channels|items|stocking`: each row of a CSV file
 * sets one record.
 *
 * All rows are checked and packed before the first is sent. A row sets the fields that its columns
 * name and keeps the others. Setting an equal value changes nothing, so an import can be repeated.
 */
#include "tools/stockctl/catalogue.h"

#include <stdlib.h>
#include <string.h>

/* A request, packed. */
struct row {
    unsigned char *params;
    size_t len;
    size_t line;
};

struct importing {
    struct ctl *ctl;
    const struct catalogue_kind *kind;
    const char *path;
    struct csv_reader reader;
    struct lookup *seen;   /* key -> line */
    struct lookup *places; /* codes and groups; NULL: nothing needs them */
    struct row *row;
    size_t count;
    size_t capacity;
    struct bad_rows bad;
    size_t skipped;
    uint64_t lsn; /* the engine's at the start: a reply below it changed nothing */
    size_t applied;
    size_t unchanged;
    int failed;
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
    return text_is_utf8(cell->text, cell->len) ? NULL : "is not valid UTF-8";
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

/* The location of a stocking. */
static const char *check_location(const struct importing *importing, const struct csv_field *cell)
{
    const char *problem = check_code(cell->text, cell->len);

    if (problem != NULL)
        return problem;
    return lookup_find(importing->places, cell->text, cell->len, NULL) ? NULL
                                                                       : "is no known location";
}

/* That line if no row before has the same key, else that of the first such row. */
static size_t first_line(struct importing *importing, size_t line, const struct csv_field *key)
{
    size_t len = key[0].len;
    size_t more = importing->kind->location != NULL ? key[1].len + 1 : 0;
    char *whole = must_alloc(len + more + 1, 1); /* "SKU NUL LOCATION" */

    memcpy(whole, key[0].text, len);
    if (more > 0)
        memcpy(whole + len + 1, key[1].text, key[1].len);
    size_t first = lookup_add(importing->seen, whole, len + more, line);
    free(whole);
    return first;
}

static bool check_key(struct importing *importing, size_t line, const struct csv_field *key)
{
    const char *column = importing->kind->key;
    const char *problem =
        importing->kind->paged ? check_sku(key->text, key->len) : check_code(key->text, key->len);

    if (problem != NULL) {
        bad_rows_add(&importing->bad, line, column, "'%.64s' %s", key->text, problem);
        return false;
    }
    if (importing->kind->location != NULL) {
        problem = check_location(importing, &key[1]);
        if (problem != NULL) {
            bad_rows_add(&importing->bad, line, importing->kind->location, "'%.64s' %s",
                         key[1].text, problem);
            return false;
        }
    }
    size_t first = first_line(importing, line, key);
    if (first != line)
        bad_rows_add(&importing->bad, line, column, "'%s' is already on line %zu", key->text,
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
        bad_rows_add(&importing->bad, line, field->name, "'%.64s' %s", cells[i].text, problem);
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
    stockd_pack pack;

    if (!check_row(importing, line, fields)) {
        importing->skipped++;
        return;
    }
    if (importing->count == importing->capacity) {
        importing->capacity = importing->capacity > 0 ? importing->capacity * 2 : 256;
        importing->row = must_grow(importing->row, importing->capacity, sizeof(*importing->row));
    }
    stockd_pack_init(&pack, NULL, 0);
    pack_row(importing, fields, &pack);
    struct row row = { .params = must_alloc(pack.len, 1), .len = pack.len, .line = line };
    if (pack.len > 0)
        memcpy(row.params, pack.data, pack.len);
    stockd_pack_free(&pack);
    importing->row[importing->count++] = row;
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct importing *importing = context;

    bad_rows_add(&importing->bad, line, column, "%s", problem);
    importing->skipped++;
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

static const char *give_row(void *context, size_t number, stockd_pack *params)
{
    const struct importing *importing = context;
    const struct row *row = &importing->row[number];

    stockd_pack_value(params, (stockd_value){ row->params, row->len });
    return importing->kind->set;
}

static bool row_done(void *context, size_t number, const stockd_reply *reply)
{
    struct importing *importing = context;
    uint64_t lsn = UINT64_MAX;

    if (reply->code != NULL) {
        if (importing->failed == CTL_DONE) {
            fprintf(stderr, "stockctl: %s: line %zu: refused by the engine\n", importing->path,
                    importing->row[number].line);
            importing->failed = ctl_refused(importing->ctl, reply);
        }
        return false;
    }
    stockd_map_u64(reply->result, "lsn", &lsn);
    if (lsn <= importing->lsn)
        importing->unchanged++;
    else
        importing->applied++;
    return true;
}

static void summary(const struct importing *importing, double seconds)
{
    if (importing->ctl->json) {
        show_json_value(json_pack("{s:I, s:I, s:I, s:I, s:f}", "rows", (json_int_t)importing->count,
                                  "applied", (json_int_t)importing->applied, "unchanged",
                                  (json_int_t)importing->unchanged, "skipped",
                                  (json_int_t)importing->skipped, "seconds", seconds));
        return;
    }
    printf("%zu %s set in %.2f s", importing->applied, importing->kind->name, seconds);
    if (importing->unchanged > 0)
        printf(", %zu were already so", importing->unchanged);
    if (importing->skipped > 0)
        printf(", %zu bad rows skipped", importing->skipped);
    putchar('\n');
}

/* Locations and channels one by one: the engine must have them in the order of the file. */
static int send_rows(struct importing *importing)
{
    const struct pipeline plan = {
        .count = importing->count,
        .window = importing->kind->paged ? 0 : 1,
        .pack = give_row,
        .done = row_done,
        .context = importing,
        .label = "import",
    };
    uint64_t start = clock_ms();
    int failed = pipeline_run(importing->ctl, &plan);

    if (failed == CTL_DONE)
        failed = importing->failed;
    if (failed == CTL_DONE)
        summary(importing, (double)(clock_ms() - start) / 1000);
    else
        report_stopped(importing->path, importing->applied + importing->unchanged, importing->count,
                       "rows", importing->failed != CTL_DONE);
    return failed;
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

static int read_and_send(struct importing *importing, bool skip_bad)
{
    int failed = listing_each(importing->ctl, "locations", &importing->lsn, add_place, importing);

    if (failed == CTL_DONE)
        failed = csv_read(importing->ctl, importing->path, &importing->reader);
    if (failed != CTL_DONE)
        return failed;
    if (importing->bad.count > 0)
        bad_rows_report(&importing->bad, importing->ctl, importing->path,
                        skip_bad ? NULL : "nothing was applied; --skip-bad skips such rows");
    return importing->bad.count > 0 && !skip_bad ? CTL_USAGE : send_rows(importing);
}

int catalogue_import(struct ctl *ctl, const struct args *args, const struct catalogue_kind *kind)
{
    const char *columns[CATALOGUE_FIELDS_MAX + CATALOGUE_KEYS_MAX + 1] = { kind->key,
                                                                           kind->location };
    struct importing importing = { .ctl = ctl, .kind = kind, .path = args->positional[0] };

    for (size_t i = 0; kind->field[i].name != NULL; i++)
        columns[catalogue_keys(kind) + i] = kind->field[i].name;
    importing.reader = (struct csv_reader){ .columns = columns,
                                            .required = catalogue_keys(kind),
                                            .row = read_row,
                                            .bad = read_bad,
                                            .context = &importing };
    importing.seen = lookup_new();
    importing.places = kind->checks != NULL || kind->location != NULL ? lookup_new() : NULL;
    int failed = read_and_send(&importing, args_option(args, "skip-bad") != NULL);
    for (size_t i = 0; i < importing.count; i++)
        free(importing.row[i].params);
    free(importing.row);
    bad_rows_free(&importing.bad);
    lookup_free(importing.places);
    lookup_free(importing.seen);
    return failed;
}
