/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_supplies.c - `import supplies`: what is on its way, from a CSV file.
 *
 * The rows of one id are the lines of one supply, wherever they stand in the file. All rows are
 * checked before any supply is sent, and a supply is sent whole or not at all. Each carries its own
 * id, so an import can be repeated.
 */
#include "tools/stockctl/import.h"
#include "tools/stockctl/supplies.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMN_ID, COLUMN_LOCATION, COLUMN_SKU, COLUMN_QTY, COLUMN_ETA, COLUMN_REF, COLUMN_FROM };

static const char *const columns[] = {
    "id", "location", "sku", "qty", "eta_ms", "ref", "from", NULL
};

/* One supply. */
struct document {
    char *id;
    char *common[3]; /* location, ref, from */
    int64_t eta_ms;  /* 0: not known */
    size_t line;     /* of the file, where it begins */
    size_t line_count;
    stockd_pack lines; /* [sku, qty], one after the other */
    bool bad;          /* one of its rows is */
};

struct importing {
    struct import import;
    struct lookup *locations;
    struct lookup *ids; /* id -> index of its document */
    struct document *document;
    size_t count;
    size_t capacity;
};

/* Nobody knows whose row it is. */
static const char unreadable[] = "nothing was applied; a row names no supply";

/* ---- rows ------------------------------------------------------------------------------------ */

static const char *check_id(const struct csv_field *id)
{
    if (id->len == 0)
        return "is empty";
    return id->len > STOCKD_ID_MAX ? "is longer than 40 bytes" : NULL;
}

static const char *check_from(const struct importing *importing, const struct csv_field *from,
                              const struct csv_field *to)
{
    if (from->len == 0)
        return NULL;
    if (strcmp(from->text, to->text) == 0)
        return "is the location that it goes to";
    return check_known(importing->locations, from);
}

/* False: the cells of a row are bad; says which. */
static bool check_cells(struct importing *importing, size_t line, const struct csv_field *fields,
                        int64_t *qty, int64_t *eta_ms)
{
    const struct csv_field *sku = &fields[COLUMN_SKU];
    const char *problems[] = {
        [COLUMN_ID] = check_id(&fields[COLUMN_ID]),
        [COLUMN_LOCATION] = check_known(importing->locations, &fields[COLUMN_LOCATION]),
        [COLUMN_SKU] = check_sku(sku->text, sku->len),
        [COLUMN_QTY] = check_quantity(fields[COLUMN_QTY].text, 1, CTL_QUANTITY_MAX, qty),
        [COLUMN_ETA] = check_moment(&fields[COLUMN_ETA], eta_ms),
        [COLUMN_REF] = check_label(&fields[COLUMN_REF]),
        [COLUMN_FROM] = check_from(importing, &fields[COLUMN_FROM], &fields[COLUMN_LOCATION]),
    };
    bool good = true;

    for (size_t i = 0; columns[i] != NULL; i++) {
        if (problems[i] == NULL)
            continue;
        bad_rows_add(&importing->import.bad, line, columns[i], "'%.64s' %s", fields[i].text,
                     problems[i]);
        good = false;
    }
    return good;
}

static struct document *add_document(struct importing *importing, size_t line,
                                     const struct csv_field *fields, int64_t eta_ms)
{
    if (importing->count == importing->capacity) {
        importing->capacity = importing->capacity > 0 ? importing->capacity * 2 : 256;
        importing->document =
            must_grow(importing->document, importing->capacity, sizeof(*importing->document));
    }
    struct document *d = &importing->document[importing->count++];
    *d = (struct document){ .id = text_format("%s", fields[COLUMN_ID].text),
                            .common = { text_format("%s", fields[COLUMN_LOCATION].text),
                                        text_format("%s", fields[COLUMN_REF].text),
                                        text_format("%s", fields[COLUMN_FROM].text) },
                            .eta_ms = eta_ms,
                            .line = line };
    stockd_pack_init(&d->lines, NULL, 0);
    return d;
}

/* What the rows of one supply have in common must be the same in all of them. */
static bool check_same(struct importing *importing, size_t line, const struct csv_field *fields,
                       int64_t eta_ms, const struct document *d)
{
    static const int common[] = { COLUMN_LOCATION, COLUMN_REF, COLUMN_FROM };
    bool good = eta_ms == d->eta_ms;

    if (!good)
        bad_rows_add(&importing->import.bad, line, columns[COLUMN_ETA],
                     "'%.64s' is not what line %zu says of '%s'", fields[COLUMN_ETA].text, d->line,
                     d->id);
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(fields[common[i]].text, d->common[i]) == 0)
            continue;
        bad_rows_add(&importing->import.bad, line, columns[common[i]],
                     "'%.64s' is not what line %zu says of '%s'", fields[common[i]].text, d->line,
                     d->id);
        good = false;
    }
    return good;
}

static void read_row(void *context, size_t line, const struct csv_field *fields)
{
    struct importing *importing = context;
    const struct csv_field *id = &fields[COLUMN_ID];
    int64_t qty = 0;
    int64_t eta_ms = 0;
    bool good = check_cells(importing, line, fields, &qty, &eta_ms);

    if (check_id(id) != NULL) {
        importing->import.unskippable = unreadable;
        return;
    }
    size_t at = lookup_add(importing->ids, id->text, id->len, importing->count);
    bool fresh = at == importing->count;
    struct document *d =
        fresh ? add_document(importing, line, fields, eta_ms) : &importing->document[at];
    if (good && !fresh && !d->bad)
        good = check_same(importing, line, fields, eta_ms, d);
    d->bad = d->bad || !good;
    if (!good)
        return;
    d->line_count++;
    stockd_pack_array(&d->lines, 2);
    stockd_pack_str_n(&d->lines, fields[COLUMN_SKU].text, fields[COLUMN_SKU].len);
    stockd_pack_i64(&d->lines, qty);
}

static void read_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct importing *importing = context;

    bad_rows_add(&importing->import.bad, line, column, "%s", problem);
    importing->import.unskippable = unreadable;
}

/* Takes the supplies with a bad row out. */
static void drop_bad(struct importing *importing)
{
    size_t kept = 0;

    for (size_t i = 0; i < importing->count; i++) {
        struct document d = importing->document[i];
        importing->document[i] = importing->document[kept];
        importing->document[kept] = d;
        kept += !d.bad;
    }
    importing->import.skipped = importing->count - kept;
    importing->import.count = kept;
}

/* ---- sending --------------------------------------------------------------------------------- */

static const char *pack_document(void *context, size_t number, stockd_pack *params)
{
    const struct importing *importing = context;
    const struct document *d = &importing->document[number];
    const char *location = d->common[0];
    const char *ref = d->common[1];
    const char *from = d->common[2];

    stockd_pack_array(params, from[0] != '\0' ? 5 : 4);
    stockd_pack_str(params, d->id);
    if (from[0] != '\0')
        stockd_pack_str(params, from);
    stockd_pack_str(params, location);
    stockd_pack_array(params, d->line_count);
    stockd_pack_value(params, (stockd_value){ d->lines.data, d->lines.len });
    stockd_pack_map(params, (d->eta_ms > 0) + (size_t)(ref[0] != '\0'));
    if (d->eta_ms > 0) {
        stockd_pack_str(params, "eta_ms");
        stockd_pack_i64(params, d->eta_ms);
    }
    if (ref[0] != '\0') {
        stockd_pack_str(params, "ref");
        stockd_pack_str(params, ref);
    }
    return from[0] != '\0' ? "transfer" : "expect";
}

static size_t line_of(const void *context, size_t number)
{
    const struct importing *importing = context;
    return importing->document[number].line;
}

static int read_and_send(struct importing *importing, const struct args *args)
{
    struct import *import = &importing->import;
    struct csv_reader reader = {
        .columns = columns,
        .required = COLUMN_ETA,
        .texts = 1 << COLUMN_SKU,
        .row = read_row,
        .bad = read_bad,
        .context = importing,
    };
    int failed = lookup_listing(import->ctl, "locations", importing->locations, &import->lsn);

    if (failed == CTL_DONE)
        failed = import_read(import, args, &reader);
    if (failed != CTL_DONE)
        return failed;
    drop_bad(importing);
    return import_send(import);
}

int run_import_supplies(struct ctl *ctl, const struct args *args)
{
    static const struct import_words words = {
        .things = "supplies",
        .total = "supplies",
        .done = "set",
        .known = "repeated",
        .before = "had been set before",
        .bad = "with bad rows skipped",
    };
    struct importing importing = { .import = { .ctl = ctl,
                                               .path = args->positional[0],
                                               .words = &words,
                                               .pack = pack_document,
                                               .line = line_of } };

    importing.import.context = &importing;
    importing.locations = lookup_new();
    importing.ids = lookup_new();
    int failed = read_and_send(&importing, args);
    for (size_t i = 0; i < importing.count; i++) {
        struct document *d = &importing.document[i];
        free(d->id);
        for (size_t c = 0; c < 3; c++)
            free(d->common[c]);
        stockd_pack_free(&d->lines);
    }
    free(importing.document);
    import_free(&importing.import);
    lookup_free(importing.locations);
    lookup_free(importing.ids);
    return failed;
}
