/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.c - `import stock`: opening stock from a CSV file, all checked before any is sent.
 *
 * Each row is a `count` whose id is made of the file's content and the row's number. So the same
 * file imported again, say after a broken connection, applies each row once, while a file with any
 * byte changed is new.
 */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { COLUMN_SKU, COLUMN_LOCATION, COLUMN_ON_HAND };

struct stock_row {
    char *sku;
    char *location;
    int64_t on_hand;
    size_t line;
};

struct import {
    struct ctl *ctl;
    const char *path;
    struct lookup *locations;
    struct lookup *seen; /* sku NUL location -> line */
    struct stock_row *row;
    size_t count;
    size_t capacity;
    struct bad_rows bad;
    uint64_t hash[2];
    uint64_t lsn; /* the engine's at the start: a reply below it is a repetition */
    size_t skipped;
    size_t applied;
    size_t repeated;
    int failed;
};

static bool check_place(struct import *import, size_t line, const struct csv_field *location)
{
    if (lookup_find(import->locations, location->text, location->len, NULL))
        return true;
    bad_rows_add(&import->bad, line, "location",
                 location->len > 0 ? "unknown location '%.64s'" : "is empty%s", location->text);
    return false;
}

static bool check_unique(struct import *import, size_t line, const struct csv_field *fields)
{
    const struct csv_field *sku = &fields[COLUMN_SKU];
    const struct csv_field *location = &fields[COLUMN_LOCATION];
    size_t len = sku->len + 1 + location->len;
    char *key = must_alloc(len + 1, 1);

    memcpy(key, sku->text, sku->len);
    memcpy(key + sku->len + 1, location->text, location->len);
    size_t first = lookup_add(import->seen, key, len, line);
    free(key);
    if (first == line)
        return true;
    bad_rows_add(&import->bad, line, "sku", "'%s' at %s is already on line %zu", sku->text,
                 location->text, first);
    return false;
}

static void import_row(void *context, size_t line, const struct csv_field *fields)
{
    struct import *import = context;
    struct stock_row row = { .line = line };
    const char *problem = check_sku(fields[COLUMN_SKU].text, fields[COLUMN_SKU].len);
    bool good = problem == NULL;

    if (!good)
        bad_rows_add(&import->bad, line, "sku", "'%.64s' %s", fields[COLUMN_SKU].text, problem);
    good = check_place(import, line, &fields[COLUMN_LOCATION]) && good;
    problem = check_quantity(fields[COLUMN_ON_HAND].text, 0, CTL_QUANTITY_MAX, &row.on_hand);
    if (problem != NULL)
        bad_rows_add(&import->bad, line, "on_hand", "'%.64s' %s", fields[COLUMN_ON_HAND].text,
                     problem);
    if (!good || problem != NULL || !check_unique(import, line, fields)) {
        import->skipped++;
        return;
    }
    if (import->count == import->capacity) {
        import->capacity = import->capacity > 0 ? import->capacity * 2 : 1024;
        import->row = must_grow(import->row, import->capacity, sizeof(*import->row));
    }
    row.sku = text_format("%s", fields[COLUMN_SKU].text);
    row.location = text_format("%s", fields[COLUMN_LOCATION].text);
    import->row[import->count++] = row;
}

static void import_bad(void *context, size_t line, const char *column, const char *problem)
{
    struct import *import = context;
    bad_rows_add(&import->bad, line, column, "%s", problem);
    import->skipped++;
}

static const char *pack_count(void *context, size_t number, stockd_pack *params)
{
    const struct import *import = context;
    const struct stock_row *row = &import->row[number];
    char id[STOCKD_ID_MAX + 1];

    /* 24 digits of the file's hash, and the line: unique, and within the limit of an id. */
    snprintf(id, sizeof(id), "i%016llx%08llx-%zu", (unsigned long long)import->hash[0],
             (unsigned long long)(import->hash[1] & 0xffffffff), row->line);
    stockd_pack_array(params, 4);
    stockd_pack_str(params, id);
    stockd_pack_str(params, row->sku);
    stockd_pack_str(params, row->location);
    stockd_pack_i64(params, row->on_hand);
    return "count";
}

static bool count_done(void *context, size_t number, const stockd_reply *reply)
{
    struct import *import = context;
    uint64_t lsn = UINT64_MAX;

    if (reply->code != NULL) {
        if (import->failed == CTL_DONE) {
            fprintf(stderr, "stockctl: %s: line %zu: refused by the engine\n", import->path,
                    import->row[number].line);
            import->failed = ctl_refused(import->ctl, reply);
        }
        return false;
    }
    stockd_map_u64(reply->result, "lsn", &lsn);
    if (lsn <= import->lsn)
        import->repeated++;
    else
        import->applied++;
    return true;
}

static void import_summary(const struct import *import, double seconds)
{
    if (import->ctl->json) {
        show_json_value(json_pack("{s:I, s:I, s:I, s:I, s:f}", "rows", (json_int_t)import->count,
                                  "applied", (json_int_t)import->applied, "repeated",
                                  (json_int_t)import->repeated, "skipped",
                                  (json_int_t)import->skipped, "seconds", seconds));
        return;
    }
    printf("%zu rows set in %.2f s", import->applied, seconds);
    if (import->skipped > 0)
        printf(", %zu bad rows skipped", import->skipped);
    putchar('\n');
    if (import->repeated > 0)
        printf("%zu rows had been set by an earlier import of this file;\n"
               "use --batch NAME to set them again\n",
               import->repeated);
}

/* A second import of a file on purpose: the batch's name changes the ids. */
static void mix_batch(struct import *import, const char *batch)
{
    if (batch == NULL)
        return;
    XXH128_hash_t hash = XXH3_128bits_withSeed(batch, strlen(batch), import->hash[0]);
    import->hash[0] = hash.high64;
    import->hash[1] ^= hash.low64;
}

static int send_rows(struct import *import)
{
    const struct pipeline plan = {
        .count = import->count,
        .pack = pack_count,
        .done = count_done,
        .context = import,
        .label = "import",
    };
    uint64_t start = clock_ms();
    int failed = pipeline_run(import->ctl, &plan);

    if (failed == CTL_DONE)
        failed = import->failed;
    if (failed == CTL_DONE)
        import_summary(import, (double)(clock_ms() - start) / 1000);
    else
        report_stopped(import->path, import->applied + import->repeated, import->count, "rows",
                       import->failed != CTL_DONE);
    return failed;
}

static int read_and_send(struct import *import, const struct args *args)
{
    static const char *const columns[] = { "sku", "location", "on_hand", NULL };
    struct csv_reader reader = {
        .columns = columns,
        .required = 3,
        .row = import_row,
        .bad = import_bad,
        .context = import,
    };
    bool skip_bad = args_option(args, "skip-bad") != NULL;
    int failed = csv_read(import->ctl, import->path, &reader);

    if (failed != CTL_DONE)
        return failed;
    memcpy(import->hash, reader.hash, sizeof(import->hash));
    mix_batch(import, args_option(args, "batch"));
    if (import->bad.count > 0)
        bad_rows_report(&import->bad, import->ctl, import->path,
                        skip_bad ? NULL : "nothing was applied; --skip-bad skips such rows");
    return import->bad.count > 0 && !skip_bad ? CTL_USAGE : send_rows(import);
}

int run_import_stock(struct ctl *ctl, const struct args *args)
{
    struct import import = { .ctl = ctl, .path = args->positional[0] };

    import.locations = lookup_new();
    import.seen = lookup_new();
    int failed = lookup_listing(ctl, "locations", import.locations, &import.lsn);
    if (failed == CTL_DONE)
        failed = read_and_send(&import, args);
    for (size_t i = 0; i < import.count; i++) {
        free(import.row[i].sku);
        free(import.row[i].location);
    }
    free(import.row);
    bad_rows_free(&import.bad);
    lookup_free(import.locations);
    lookup_free(import.seen);
    return failed;
}
