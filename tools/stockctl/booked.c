/* SPDX-License-Identifier: Apache-2.0 */
/*
 * booked.c - what is booked at one location, now or as of a time.
 *
 * The stock of today is listed in pages. What it was at a time T is the same for every item that
 * has not changed since; the feed of changes from T's LSN on names the others, and those are asked
 * for one by one.
 */
#include "tools/stockctl/booked.h"

#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/stock_list.h"

#define PAGE 10000
#define PAST_WINDOW 16 /* one thread of the engine answers them */

/* ---- now ------------------------------------------------------------------------------------- */

static void add_level(void *context, const struct stock_level *level)
{
    struct booked *booked = context;

    if (booked->count == booked->capacity) {
        booked->capacity = booked->capacity > 0 ? booked->capacity * 2 : 1024;
        booked->item = must_grow(booked->item, booked->capacity, sizeof(*booked->item));
    }
    lookup_add(booked->index, level->sku, level->sku_len, booked->count);
    booked->item[booked->count++] = (struct booked_item){
        .sku = text_copy(level->sku, level->sku_len),
        .len = level->sku_len,
        .on_hand = level->on_hand,
    };
}

int booked_read(struct ctl *ctl, const char *location, struct booked *booked)
{
    *booked = (struct booked){ .location = location, .index = lookup_new() };
    return stock_each(ctl, location, &booked->lsn, add_level, booked);
}

int64_t booked_units(const struct booked *booked, const char *sku, size_t len)
{
    size_t at;

    return lookup_find(booked->index, sku, len, &at) ? booked->item[at].on_hand : 0;
}

void booked_free(struct booked *booked)
{
    for (size_t i = 0; i < booked->count; i++)
        free(booked->item[i].sku);
    free(booked->item);
    lookup_free(booked->index);
}

/* ---- at a time ------------------------------------------------------------------------------- */

struct past {
    struct ctl *ctl;
    struct booked *booked;
    int64_t at_ms;
    uint64_t lsn;  /* of that time */
    size_t *asked; /* the items to ask for, by their places */
    size_t count;
    bool *changed; /* by the item's place */
    int failed;
};

static void pack_stock(const struct past *past, const char *sku, size_t len, stockd_pack *pack)
{
    stockd_pack_array(pack, 2);
    stockd_pack_str_n(pack, sku, len);
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, "at_ms");
    stockd_pack_i64(pack, past->at_ms);
}

/* The LSN of that time. *none: none of the items existed then, because the oldest one did not. */
static int find_lsn(struct past *past, bool *none)
{
    struct ctl *ctl = past->ctl;
    const struct booked_item *oldest = past->booked->item;
    stockd_pack pack;
    stockd_reply reply;

    *none = past->booked->count == 0;
    if (*none)
        return CTL_DONE;
    stockd_pack_init(&pack, NULL, 0);
    pack_stock(past, oldest->sku, oldest->len, &pack);
    int status = stockd_call(ctl->client, "stock", pack.data, pack.len, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    *none = status == STOCKD_REFUSED && strcmp(reply.code, "unknown_sku") == 0;
    if (*none)
        return CTL_DONE;
    if (status == STOCKD_REFUSED)
        return ctl_refused(ctl, &reply);
    if (status != STOCKD_OK)
        return ctl_failed(ctl, status);
    stockd_map_u64(reply.result, "lsn", &past->lsn);
    return CTL_DONE;
}

/* A row: [channel, sku, available, lsn]. */
static void note_change(struct past *past, stockd_value row)
{
    stockd_value field;
    const char *sku;
    size_t len;
    size_t at;

    if (stockd_array_at(row, 1, &field) && stockd_value_str(field, &sku, &len) &&
        lookup_find(past->booked->index, sku, len, &at))
        past->changed[at] = true;
}

/* One page of what has changed; *more if another one follows from *from on. */
static int note_changes(struct past *past, uint64_t *from, bool *more)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value rows = { 0 };
    stockd_value row;
    stockd_value flag;
    uint64_t next = 0;
    uint64_t lsn = 0;
    bool resync = false;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_u64(&pack, *from);
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "limit");
    stockd_pack_u64(&pack, PAGE);
    int failed = ctl_call(past->ctl, "changes", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (stockd_map_find(reply.result, "resync", &flag))
        stockd_value_bool(flag, &resync);
    stockd_map_find(reply.result, "changes", &rows);
    stockd_iter it = stockd_iterate(rows);
    while (stockd_next(&it, NULL, &row))
        note_change(past, row);
    stockd_map_u64(reply.result, "lsn", &lsn);
    stockd_map_u64(reply.result, "next", &next);
    for (size_t i = 0; resync && i < past->booked->count; i++)
        past->changed[i] = true;
    *more = !resync && next > *from && next < lsn;
    *from = next;
    return CTL_DONE;
}

static const char *pack_past(void *context, size_t number, stockd_pack *params)
{
    const struct past *past = context;
    const struct booked_item *item = &past->booked->item[past->asked[number]];

    pack_stock(past, item->sku, item->len, params);
    return "stock";
}

/* Pools whose units no count at a location looks at. */
static bool is_apart(const char *kind, size_t len)
{
    static const char *const kinds[] = { "damaged", "quality", "display", "expected",
                                         "in_transit" };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i]) == len && memcmp(kinds[i], kind, len) == 0)
            return true;
    return false;
}

static int64_t units_at(stockd_value result, const char *location)
{
    stockd_value pools = { 0 };
    stockd_value pool;
    const char *text;
    size_t len;
    int64_t sum = 0;
    int64_t on_hand;

    stockd_map_find(result, "pools", &pools);
    stockd_iter it = stockd_iterate(pools);
    while (stockd_next(&it, NULL, &pool)) {
        if (!stockd_map_str(pool, "location", &text, &len) || strlen(location) != len ||
            memcmp(location, text, len) != 0)
            continue;
        if (stockd_map_str(pool, "kind", &text, &len) && !is_apart(text, len) &&
            stockd_map_i64(pool, "on_hand", &on_hand))
            sum += on_hand;
    }
    return sum;
}

static bool take_past(void *context, size_t number, const stockd_reply *reply)
{
    struct past *past = context;
    struct booked_item *item = &past->booked->item[past->asked[number]];

    if (reply->code == NULL) {
        item->on_hand = units_at(reply->result, past->booked->location);
        return true;
    }
    item->on_hand = 0;
    if (strcmp(reply->code, "unknown_sku") == 0) /* it came later */
        return true;
    if (past->failed == CTL_DONE)
        past->failed = ctl_refused(past->ctl, reply);
    return false;
}

static int ask_for_changed(struct past *past)
{
    const struct pipeline plan = {
        .count = past->count,
        .window = PAST_WINDOW,
        .pack = pack_past,
        .done = take_past,
        .context = past,
        .label = "read what was booked",
    };
    int failed = pipeline_run(past->ctl, &plan);

    return failed == CTL_DONE ? past->failed : failed;
}

static int go_back(struct past *past)
{
    uint64_t from;
    bool none;
    bool more = true;
    int failed = find_lsn(past, &none);

    if (failed != CTL_DONE)
        return failed;
    for (size_t i = 0; none && i < past->booked->count; i++)
        past->booked->item[i].on_hand = 0;
    from = past->lsn;
    while (!none && more && failed == CTL_DONE)
        failed = note_changes(past, &from, &more);
    for (size_t i = 0; i < past->booked->count; i++)
        if (past->changed[i])
            past->asked[past->count++] = i;
    return failed == CTL_DONE ? ask_for_changed(past) : failed;
}

int booked_at(struct ctl *ctl, struct booked *booked, int64_t at_ms)
{
    struct past past = { .ctl = ctl, .booked = booked, .at_ms = at_ms };

    past.asked = must_alloc(booked->count, sizeof(*past.asked));
    past.changed = must_alloc(booked->count, sizeof(*past.changed));
    int failed = go_back(&past);
    free(past.asked);
    free(past.changed);
    return failed;
}
