/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c - `export stock`: every item at every location, as CSV that `import stock` reads.
 *
 * The engine lists its items in pages and in no useful order; they are sorted here. An item that
 * changes meanwhile is as of its own page.
 */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 1000

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

static char *copy_of(const char *bytes, size_t len)
{
    char *copy = must_alloc(len + 1, 1);
    memcpy(copy, bytes, len);
    return copy;
}

/* [location, on_hand, reserved, available] */
static bool add_row(struct export *export, const char *sku, size_t sku_len, stockd_value level)
{
    struct export_row row = { .sku_len = sku_len };
    const char *location;
    size_t len;
    stockd_value field[4];
    stockd_iter it = stockd_iterate(level);

    for (size_t i = 0; i < 4; i++)
        if (!stockd_next(&it, NULL, &field[i]))
            return false;
    if (!stockd_value_str(field[0], &location, &len) || !stockd_value_i64(field[1], &row.on_hand) ||
        !stockd_value_i64(field[2], &row.reserved) || !stockd_value_i64(field[3], &row.available))
        return false;
    if (export->count == export->capacity) {
        export->capacity = export->capacity > 0 ? export->capacity * 2 : 1024;
        export->row = must_grow(export->row, export->capacity, sizeof(*export->row));
    }
    row.sku = copy_of(sku, sku_len);
    row.location = copy_of(location, len);
    export->row[export->count++] = row;
    return true;
}

/* [sku, [level, ...]] */
static bool add_item(struct export *export, stockd_value item)
{
    stockd_value name;
    stockd_value levels;
    stockd_value level;
    const char *sku;
    size_t len;

    if (!stockd_array_at(item, 0, &name) || !stockd_value_str(name, &sku, &len) ||
        !stockd_array_at(item, 1, &levels))
        return false;
    stockd_iter it = stockd_iterate(levels);
    while (stockd_next(&it, NULL, &level))
        if (!add_row(export, sku, len, level))
            return false;
    return true;
}

/* One page. *next is where the next one begins, or 0 at the end. */
static int fetch_page(struct ctl *ctl, struct export *export, uint64_t *next)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value items;
    stockd_value item;
    uint64_t from = *next;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_u64(&pack, from);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "limit");
    stockd_pack_u64(&pack, PAGE);
    int failed = ctl_call(ctl, "items", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    bool good = stockd_map_find(reply.result, "items", &items);
    stockd_iter it = stockd_iterate(items);
    while (good && stockd_next(&it, NULL, &item))
        good = add_item(export, item);
    stockd_map_u64(reply.result, "lsn", &export->lsn);
    if (!stockd_map_u64(reply.result, "next", next))
        *next = 0;
    if (!good || (*next != 0 && *next <= from)) /* or it would loop forever */
        return ctl_error(ctl, CTL_UNREACHABLE, "unreachable",
                         "the engine sent an invalid page of items");
    return CTL_DONE;
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
    uint64_t next = 0;
    int failed;

    (void)args;
    do {
        failed = fetch_page(ctl, &export, &next);
    } while (failed == CTL_DONE && next != 0);
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
