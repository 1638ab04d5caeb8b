/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_report.c - figures as a table, as CSV or as JSON; page by page, whatever the report. */
#include "tools/stockctl/output.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 10000 /* rows in one answer */
#define COLUMNS_MAX 16

/* A report under way. */
struct reporting {
    const struct args *args;
    const char *name;
    int64_t left; /* rows still wanted */
    char *after;  /* the key after which the next page begins; NULL: the first page. Owned */
    size_t after_len;
    size_t columns;
    char *titles[COLUMNS_MAX + 1]; /* as for table_new; owned */
    bool as_rows;                  /* CSV, or a line of JSON each */
    bool csv;
    struct rows rows;
    struct table *table;
    size_t shown;
    int64_t since_ms; /* 0: the figures are whole */
    json_t *list;     /* of rows */
    json_t *answer;   /* the last page's, without its rows */
};

static int pack_question(const struct reporting *r, stockd_pack *pack)
{
    stockd_pack_array(pack, 2);
    stockd_pack_str(pack, r->name);
    stockd_pack_map(pack, args_option_count(r->args) + 1 + (r->after != NULL));
    int failed = args_pack_pairs(r->args, pack);
    stockd_pack_str(pack, "limit");
    stockd_pack_i64(pack, r->left < PAGE_MAX ? r->left : PAGE_MAX);
    if (r->after != NULL) {
        stockd_pack_str(pack, "after");
        stockd_pack_str_n(pack, r->after, r->after_len);
    }
    return failed;
}

/* ---- the rows ---- */

/* "kept_share" becomes "KEPT SHARE"; the key is a text, the others are numbers. */
static char *title_of(size_t column, const char *name, size_t len)
{
    char *title = text_format("%c%.*s", column == 0 ? '<' : '>', (int)len, name);
    for (char *at = title + 1; *at != '\0'; at++) {
        if (*at == '_')
            *at = ' ';
        else if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    }
    return title;
}

static void take_columns(struct reporting *r, stockd_value columns)
{
    stockd_value column;
    char *names = text_format("%s", "");
    stockd_iter it = stockd_iterate(columns);
    while (r->columns < COLUMNS_MAX && stockd_next(&it, NULL, &column)) {
        const char *name;
        size_t len;
        if (!stockd_value_str(column, &name, &len))
            break;
        char *longer = text_format("%s%s%.*s", names, r->columns > 0 ? " " : "", (int)len, name);
        free(names);
        names = longer;
        r->titles[r->columns] = title_of(r->columns, name, len);
        r->columns++;
    }
    if (r->as_rows)
        rows_begin(&r->rows, stdout, r->csv, names);
    else if (r->columns > 0)
        r->table = table_new((const char *const *)r->titles);
    free(names);
}

static void add_row(struct reporting *r, stockd_value row)
{
    stockd_value value;
    size_t column = 0;
    stockd_iter it = stockd_iterate(row);

    if (r->as_rows) {
        json_t *record = json_from_value(row);
        rows_add(&r->rows, record);
        json_decref(record);
        return;
    }
    while (column < r->columns && stockd_next(&it, NULL, &value)) {
        char *text = show_text("", value);
        table_add(r->table, text);
        free(text);
        column++;
    }
    for (; column < r->columns; column++)
        table_add(r->table, "");
    r->shown++;
}

/* Takes a page; true if there is another, and it is wanted. */
static bool take_page(struct reporting *r, bool json, stockd_value result)
{
    stockd_value columns = { 0 }, rows = { 0 }, row;
    const char *next;
    size_t len;

    stockd_map_find(result, "columns", &columns);
    stockd_map_find(result, "rows", &rows);
    if (!json && r->columns == 0)
        take_columns(r, columns);
    stockd_iter it = stockd_iterate(rows);
    while (stockd_next(&it, NULL, &row)) {
        if (json)
            json_array_append_new(r->list, json_from_value(row));
        else
            add_row(r, row);
        r->left--;
    }
    json_decref(r->answer);
    r->answer = json ? json_from_value(result) : NULL;
    stockd_map_i64(result, "since_ms", &r->since_ms);
    free(r->after);
    r->after = NULL;
    if (!stockd_map_str(result, "next", &next, &len))
        return false;
    r->after = text_copy(next, len);
    r->after_len = len;
    return r->left > 0;
}

static int gather(struct ctl *ctl, struct reporting *r)
{
    bool more = true;
    while (more) {
        stockd_pack pack;
        stockd_reply reply;
        stockd_pack_init(&pack, NULL, 0);
        int failed = pack_question(r, &pack);
        if (failed == CTL_DONE)
            failed = ctl_call(ctl, "report", &pack, STOCKD_RETRY_SAFE, &reply);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
        more = take_page(r, ctl->json && !r->as_rows, reply.result);
    }
    return CTL_DONE;
}

/* ---- what is printed ---- */

static void print_report(const struct ctl *ctl, struct reporting *r)
{
    char since[32];
    if (ctl->output == OUTPUT_JSON) {
        json_object_set(r->answer, "rows", r->list);
        show_json_value(json_incref(r->answer));
        return;
    }
    if (r->as_rows)
        return;
    if (r->shown > 0) {
        table_print(r->table, stdout, "");
        r->table = NULL;
    } else {
        puts("There are no figures for that.");
    }
    if (r->since_ms > 0) {
        text_time(r->since_ms, since, sizeof(since));
        printf("The figures begin at %s.\n", since);
    }
    if (r->after != NULL)
        printf("There is more: continue with --after '%s'\n", r->after);
}

static int run_report(struct ctl *ctl, const struct args *args)
{
    struct reporting r = { .args = args, .name = args->positional[0], .left = INT64_MAX };
    const char *limit = args_option(args, "limit");
    const char *after = args_option(args, "after");
    int failed = CTL_DONE;

    if (args_option(args, "csv") != NULL && ctl->output == OUTPUT_JSON)
        return usage_error(args, "give either --csv or --json");
    if (args_option(args, "csv") != NULL)
        ctl->output = OUTPUT_CSV;
    r.csv = ctl->output == OUTPUT_CSV;
    r.as_rows = r.csv || ctl->output == OUTPUT_NDJSON;
    if (limit != NULL)
        failed = args_int(args, "limit", limit, 1, INT64_MAX, &r.left);
    if (failed != CTL_DONE)
        return failed;
    r.after = after != NULL ? text_format("%s", after) : NULL;
    r.after_len = after != NULL ? strlen(after) : 0;
    r.list = json_array();
    failed = gather(ctl, &r);
    if (failed == CTL_DONE)
        print_report(ctl, &r);
    for (size_t i = 0; i < r.columns; i++)
        free(r.titles[i]);
    table_free(r.table);
    if (r.as_rows && r.columns > 0)
        rows_end(&r.rows);
    json_decref(r.list);
    json_decref(r.answer);
    free(r.after);
    return failed;
}

static const struct option report_options[] = {
    { "by", "KEY", "channel, location, sku, day or hour", "by", OPTION_TEXT },
    { "from", "TIME", "from the hour of then on", "from_ms", OPTION_TIME },
    { "to", "TIME", "up to the end of the hour before then", "to_ms", OPTION_TIME },
    { "channel", "CODE", "only of that channel", "channel", OPTION_TEXT },
    { "location", "CODE", "only at that location", "location", OPTION_TEXT },
    { "sku", "SKU", "only of that item", "sku", OPTION_TEXT },
    { "after", "KEY", "only rows after the one with that key", NULL, OPTION_TEXT },
    { "limit", "N", "at most that many rows", NULL, OPTION_COUNT },
    { "csv", NULL, "the same as --output csv", NULL, OPTION_FLAG },
    { .name = NULL },
};

const struct command report_commands[] = {
    {
        .name = "report",
        .summary = "Show what is there, was sold, came back, ran out, is late or short",
        .usage = "NAME [OPTION]...",
        .details =
            "NAME is one of:\n"
            "  stock         on hand, reserved, available, damaged, expected; by location or sku\n"
            "  sales         units and orders fulfilled\n"
            "  returns       units that came back, and how many of them are damaged\n"
            "  refused       lost demand: what orders wanted that was not there; an order that is\n"
            "                tried again within ten minutes counts once\n"
            "  sell_through  units sold, of those and what is on hand now\n"
            "  sold_out      how often items on channels sold out, and for how long in all\n"
            "  holds         reservations that are held, by their age; by channel\n"
            "  parts         confirmed orders that places have to do with, by how far they are;\n"
            "                by location or channel\n"
            "  late          expected units whose ETA has passed; by location or sku\n"
            "  short         units promised that are not on hand; by location or sku\n"
            "  promises      lines handed over by the time that was promised, or later\n"
            "TIME is like 2026-12-01T14:00, milliseconds since the epoch, or +2d: so long from\n"
            "now. Days and hours are those of UTC.",
        .example = "stockctl report sales --by sku --channel web --csv",
        .options = report_options,
        .writes_csv = true,
        .least = 1,
        .most = 1,
        .run = run_report,
    },
    { .name = NULL },
};
