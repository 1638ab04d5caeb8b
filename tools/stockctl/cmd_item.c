/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_item.c - items in the catalogue: item, lookup, item list. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include "tools/stockctl/catalogue.h"

#include <stdlib.h>
#include <string.h>

/* ---- item SKU, lookup CODE ------------------------------------------------------------------ */

/* Nil; or 0 decimals, which is the same as none. */
static bool is_unset(const char *key, stockd_value value)
{
    int64_t number;

    return stockd_value_kind(value) == STOCKD_KIND_NIL ||
           (strcmp(key, "decimals") == 0 && stockd_value_i64(value, &number) && number == 0);
}

/* Only what is set: most items have no limits. */
static void show_item(stockd_value result)
{
    static const char *const titles[] = { "<", "<", NULL };
    static const char *const keys[] = { "sku",    "name", "barcode", "low_stock", "backorder_limit",
                                        "safety", "unit", "decimals" };
    struct table *table = table_untitled(titles);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        stockd_value value;
        if (!stockd_map_find(result, keys[i], &value) || (i > 2 && is_unset(keys[i], value)))
            continue;
        char *text = show_text(keys[i], value);
        table_add(table, keys[i]);
        table_add(table, text);
        free(text);
    }
    table_print(table, stdout, "");
}

/* METHOD [the command's one argument] */
static int show_answer(struct ctl *ctl, const struct args *args, const char *method)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, args->positional[0]);
    int failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->json)
        show_json(reply.result, NULL);
    else
        show_item(reply.result);
    return CTL_DONE;
}

int run_item_show(struct ctl *ctl, const struct args *args)
{
    return show_answer(ctl, args, "item");
}

int run_lookup(struct ctl *ctl, const struct args *args)
{
    return show_answer(ctl, args, "lookup");
}

/* ---- item list ------------------------------------------------------------------------------ */

struct listed {
    char *sku;
    size_t len;
    char *name; /* for people */
    char *barcode;
    json_t *json;
};

struct list {
    const char *wanted; /* in the SKU, the name or the barcode; NULL: all */
    bool json;
    struct listed *item;
    size_t count;
    size_t capacity;
};

static int by_sku(const void *a, const void *b)
{
    const struct listed *x = a;
    const struct listed *y = b;
    int order = memcmp(x->sku, y->sku, x->len < y->len ? x->len : y->len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static char *field_text(stockd_value fields, const char *key)
{
    stockd_value value = { 0 };

    stockd_map_find(fields, key, &value);
    return show_text(key, value);
}

static bool is_wanted(const struct list *list, const struct listed *item)
{
    return list->wanted == NULL || strcasestr(item->sku, list->wanted) != NULL ||
           strcasestr(item->name, list->wanted) != NULL ||
           strcasestr(item->barcode, list->wanted) != NULL;
}

static void free_item(struct listed *item)
{
    free(item->sku);
    free(item->name);
    free(item->barcode);
    json_decref(item->json);
}

static void add_item(void *context, const char *sku, size_t len, stockd_value fields)
{
    struct list *list = context;
    struct listed item = { .sku = must_alloc(len + 1, 1), .len = len };

    memcpy(item.sku, sku, len);
    item.name = field_text(fields, "name");
    item.barcode = field_text(fields, "barcode");
    if (!is_wanted(list, &item)) {
        free_item(&item);
        return;
    }
    if (list->json) {
        item.json = json_from_value(fields);
        json_object_set_new(item.json, "sku", json_stringn(sku, len));
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 256;
        list->item = must_grow(list->item, list->capacity, sizeof(*list->item));
    }
    list->item[list->count++] = item;
}

static void print_table(const struct list *list)
{
    static const char *const titles[] = { "<SKU", "<NAME", "<BARCODE", NULL };
    struct table *table = table_new(titles);

    for (size_t i = 0; i < list->count; i++) {
        table_add(table, list->item[i].sku);
        table_add(table, list->item[i].name);
        table_add(table, list->item[i].barcode);
    }
    table_print(table, stdout, "");
}

static void print_json(const struct list *list, uint64_t lsn)
{
    json_t *items = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append(items, list->item[i].json);
    show_json_value(json_pack("{s:I, s:o}", "lsn", (json_int_t)lsn, "items", items));
}

int run_item_list(struct ctl *ctl, const struct args *args)
{
    struct list list = { .json = ctl->json };
    uint64_t lsn = 0;

    if (args->count > 0)
        list.wanted = args->positional[0];
    int failed = catalogue_each(ctl, &catalogue_items, NULL, &lsn, add_item, &list);
    if (list.count > 0)
        qsort(list.item, list.count, sizeof(*list.item), by_sku);
    if (failed == CTL_DONE && ctl->json)
        print_json(&list, lsn);
    else if (failed == CTL_DONE)
        print_table(&list);
    for (size_t i = 0; i < list.count; i++)
        free_item(&list.item[i]);
    free(list.item);
    return failed;
}
