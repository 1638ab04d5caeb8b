/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c - `export stock`: every item at every location, as CSV that `import stock` reads.
 *
 * The engine lists its items in no useful order; they are sorted here. An item that changes
 * meanwhile is as of its own page.
 */
#include "tools/stockctl/stock_list.h"

#include <stdlib.h>
#include <string.h>

struct export_row {
    char *sku;
    size_t sku_len;
    char *location;
    int64_t on_hand;
    int64_t reserved;
    int64_t available;
};

struct export
{
    struct export_row *row;
    size_t count;
    size_t capacity;
    uint64_t lsn;
};

static int by_sku_and_location(const void *a, const void *b)
{
    const struct export_row *x = a;
    const struct export_row *y = b;
    size_t len = x->sku_len < y->sku_len ? x->sku_len : y->sku_len;
    int order = memcmp(x->sku, y->sku, len);

    if (order != 0)
        return order;
    if (x->sku_len != y->sku_len)
        return x->sku_len < y->sku_len ? -1 : 1;
    return strcmp(x->location, y->location);
}

static void add_row(void *context, const struct stock_level *level)
{
    struct export *export = context;

    if (export->count == export->capacity) {
        export->capacity = export->capacity > 0 ? export->capacity * 2 : 1024;
        export->row = must_grow(export->row, export->capacity, sizeof(*export->row));
    }
    export->row[export->count++] = (struct export_row){
        .sku = text_copy(level->sku, level->sku_len),
        .sku_len = level->sku_len,
        .location = text_copy(level->location, level->location_len),
        .on_hand = level->on_hand,
        .reserved = level->reserved,
        .available = level->available,
    };
}

static void print_json(const struct export *export)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < export->count; i++) {
        const struct export_row *row = &export->row[i];
        json_array_append_new(
            rows, json_pack("{s:s%, s:s, s:I, s:I, s:I}", "sku", row->sku, row->sku_len, "location",
                            row->location, "on_hand", (json_int_t)row->on_hand, "reserved",
                            (json_int_t)row->reserved, "available", (json_int_t)row->available));
    }
    show_json_value(json_pack("{s:I, s:o}", "lsn", (json_int_t) export->lsn, "stock", rows));
}

static void print_csv(const struct export *export)
{
    puts("sku,location,on_hand,reserved,available");
    for (size_t i = 0; i < export->count; i++) {
        const struct export_row *row = &export->row[i];
        csv_put(stdout, row->sku, row->sku_len);
        printf(",%s,%lld,%lld,%lld\n", row->location, (long long)row->on_hand,
               (long long)row->reserved, (long long)row->available);
    }
}

int run_export_stock(struct ctl *ctl, const struct args *args)
{
    struct export export = { 0 };

    (void)args;
    int failed = stock_each(ctl, NULL, &export.lsn, add_row, &export);
    if (failed == CTL_DONE) {
        if (export.count > 0)
            qsort(export.row, export.count, sizeof(*export.row), by_sku_and_location);
        if (ctl->json)
            print_json(&export);
        else
            print_csv(&export);
    }
    for (size_t i = 0; i < export.count; i++) {
        free(export.row[i].sku);
        free(export.row[i].location);
    }
    free(export.row);
    return failed;
}
