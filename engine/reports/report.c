/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: their names, and their rows. */
#include "engine/reports/report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report_inside.h"

/* ---- names ---- */

static const struct {
    const char *text;
    unsigned groups;
    enum report_by usual;
    unsigned filters;
} names[] = {
#define X(name, text, groups, usual, filters) [REPORT_##name] = { text, groups, usual, filters },
    REPORTS(X)
#undef X
};

static const struct {
    const char *text;
    enum report_by by;
} keys[] = {
    { "channel", BY_CHANNEL }, { "location", BY_LOCATION }, { "sku", BY_SKU },
    { "day", BY_DAY },         { "hour", BY_HOUR },
};

enum { KEYS = sizeof keys / sizeof *keys };

bool report_name_of(struct text text, enum report_name *name)
{
    for (unsigned i = 0; i < REPORT_COUNT; i++) {
        if (!text_equal(text, text_of(names[i].text)))
            continue;
        *name = (enum report_name)i;
        return true;
    }
    return false;
}

const char *report_name_text(enum report_name name)
{
    return names[name].text;
}

bool report_by_of(struct text text, enum report_by *by)
{
    for (unsigned i = 0; i < KEYS; i++) {
        if (!text_equal(text, text_of(keys[i].text)))
            continue;
        *by = keys[i].by;
        return true;
    }
    return false;
}

const char *report_by_text(enum report_by by)
{
    for (unsigned i = 0; i < KEYS; i++)
        if (keys[i].by == by)
            return keys[i].text;
    return NULL;
}

unsigned report_groups(enum report_name name)
{
    return names[name].groups;
}

unsigned report_filters(enum report_name name)
{
    return names[name].filters;
}

enum report_by report_usual(enum report_name name)
{
    return names[name].usual;
}

/* ---- memory ---- */

struct report *report_new(const struct report_ask *ask)
{
    struct report *report = calloc(1, sizeof *report);
    assert(ask->limit >= 1);
    assert(ask->limit <= REPORT_ROWS_MAX);
    assert(!ask->has_after || ask->after.len <= REPORT_KEY_MAX);
    if (!report)
        return NULL;
    report->ask = *ask;
    if (ask->has_after && ask->after.len > 0)
        memcpy(report->ask.after_text, ask->after.at, ask->after.len);
    report->ask.after.at = report->ask.after_text;
    return report;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    free(report->rows);
    free(report);
}

/* ---- groups ---- */

static struct group *find_in(struct group *at, uint32_t room, uint32_t key)
{
    uint32_t place = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    while (at[place % room].used && at[place % room].key != key)
        place++;
    return &at[place % room];
}

static bool grow(struct groups *groups)
{
    uint32_t room = groups->room ? 2 * groups->room : 256;
    struct group *at = calloc(room, sizeof *at);
    if (!at)
        return false;
    for (uint32_t i = 0; i < groups->room; i++)
        if (groups->at[i].used)
            *find_in(at, room, groups->at[i].key) = groups->at[i];
    free(groups->at);
    groups->at = at;
    groups->room = room;
    return true;
}

struct group *groups_find(struct groups *groups, uint32_t key)
{
    static _Thread_local struct group spare;
    if (groups->count >= groups->room / 4 * 3 && !groups->no_memory)
        groups->no_memory = !grow(groups);
    if (groups->no_memory)
        return &spare;
    struct group *group = find_in(groups->at, groups->room, key);
    groups->count += !group->used;
    group->used = true;
    group->key = key;
    return group;
}

struct group *groups_look(const struct groups *groups, uint32_t key)
{
    struct group *group = groups->room > 0 ? find_in(groups->at, groups->room, key) : NULL;
    return group && group->used ? group : NULL;
}

void groups_empty(struct groups *groups)
{
    if (groups->room > 0)
        memset(groups->at, 0, groups->room * sizeof *groups->at);
    groups->count = 0;
}

void groups_free(struct groups *groups)
{
    free(groups->at);
    *groups = (struct groups){ 0 };
}

/* ---- rows ---- */

/* The key as text, in room for REPORT_KEY_MAX bytes, if it is made; else where it lies. */
static struct text key_text(const struct report *report, const struct ctx *ctx, uint32_t key,
                            char *room)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    const bool hours = report->ask.by == BY_HOUR;
    time_t at = (time_t)key * (hours ? 3600 : 86400);
    struct tm day;
    switch (report->ask.by) {
    case BY_CHANNEL:
        return code_text(&catalogue->channels[key].code);
    case BY_LOCATION:
        return code_text(&catalogue->locations[key].code);
    case BY_SKU:
        return item_sku(item_at(&ctx->ledger->items, key));
    default:
        gmtime_r(&at, &day);
        strftime(room, REPORT_KEY_MAX, hours ? "%Y-%m-%dT%H" : "%Y-%m-%d", &day);
        return text_of(room);
    }
}

static int compare_texts(struct text a, struct text b)
{
    uint32_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.at, b.at, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *left, const void *right)
{
    const struct report_row *a = left, *b = right;
    if (a->no_key != b->no_key)
        return a->no_key ? -1 : 1;
    return compare_texts((struct text){ a->key, a->key_len }, (struct text){ b->key, b->key_len });
}

static bool make_row(const struct report *report, const struct ctx *ctx, const struct group *group,
                     report_values *values, struct report_row *row)
{
    *row = (struct report_row){ .no_key = group->key == GROUP_NO_KEY };
    if (!values(report, group->sums, row->values))
        return false;
    if (row->no_key)
        return !report->ask.has_after;
    char room[REPORT_KEY_MAX];
    struct text key = key_text(report, ctx, group->key, room);
    assert(key.len <= REPORT_KEY_MAX);
    row->key_len = (uint8_t)key.len;
    memcpy(row->key, key.at, key.len);
    return !report->ask.has_after || compare_texts(key, report->ask.after) > 0;
}

/* ---- a page: the first rows of all, in a heap whose root is the last of them ---- */

static void swap_rows(struct report_row *a, struct report_row *b)
{
    struct report_row kept = *a;
    *a = *b;
    *b = kept;
}

static void sink_root(struct report_row *rows, uint32_t count)
{
    for (uint32_t at = 0;;) {
        uint32_t last = at, left = 2 * at + 1;
        for (uint32_t child = left; child < count && child <= left + 1; child++)
            if (compare_rows(&rows[child], &rows[last]) > 0)
                last = child;
        if (last == at)
            return;
        swap_rows(&rows[at], &rows[last]);
        at = last;
    }
}

static void lift_last(struct report_row *rows, uint32_t count)
{
    uint32_t at = count - 1;
    while (at > 0 && compare_rows(&rows[at], &rows[(at - 1) / 2]) > 0) {
        swap_rows(&rows[at], &rows[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void add_row(struct report *report, const struct report_row *row)
{
    if (report->row_count < report->ask.limit) {
        report->rows[report->row_count++] = *row;
        lift_last(report->rows, report->row_count);
        return;
    }
    report->more = true;
    if (compare_rows(row, &report->rows[0]) > 0)
        return;
    report->rows[0] = *row;
    sink_root(report->rows, report->row_count);
}

void report_make_rows(struct report *report, struct ctx *ctx, struct groups *groups,
                      report_values *values)
{
    struct report_row row;
    report->rows = calloc(report->ask.limit, sizeof *report->rows);
    if (groups->no_memory || !report->rows) {
        report->outcome = REPORT_NO_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < groups->room; i++)
        if (groups->at[i].used && make_row(report, ctx, &groups->at[i], values, &row))
            add_row(report, &row);
    if (report->row_count > 1)
        qsort(report->rows, report->row_count, sizeof *report->rows, compare_rows);
}

bool report_metrics(const struct ledger *ledger, struct figures_metrics *metrics)
{
    if (ledger->figures)
        figures_metrics(ledger->figures, metrics);
    return ledger->figures != NULL;
}
