/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_history.c - history, and stock as it was. */
#include "tools/stockctl/output.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 1000 /* events in one answer */

/* One history, gathered page by page. */
struct history {
    const char *sku; /* or NULL, and id */
    const char *id;
    int64_t since_lsn;
    int64_t left;      /* events still wanted */
    struct rows *rows; /* NULL: a table, or JSON */
    struct table *table;
    size_t shown;
    json_t *events;
    json_t *answer; /* the last page's, without its events */
};

static const struct column columns[] = {
    { "time_ms", "<TIME" },      { "lsn", ">LSN" },
    { "type", "<TYPE" },         { "sku", "<SKU" },
    { "location", "<PLACE" },    { "kind", "<KIND" },
    { "channel", "<CHANNEL" },   { "allotted_to", "<ALLOTTED TO" },
    { "qty", ">QTY" },           { "on_hand", ">ON HAND" },
    { "reserved", ">RESERVED" }, { "state", "<STATE" },
    { "eta_ms", "<ETA" },        { "id", "<ID" },
    { "client", "<BY" },         { "reason", "<REASON" },
    { "ref", "<REF" },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void pack_question(const struct history *history, stockd_pack *pack)
{
    stockd_pack_array(pack, 2);
    if (history->sku != NULL)
        stockd_pack_str(pack, history->sku);
    else
        stockd_pack_nil(pack);
    stockd_pack_map(pack, history->id != NULL ? 3 : 2);
    if (history->id != NULL) {
        stockd_pack_str(pack, "id");
        stockd_pack_str(pack, history->id);
    }
    stockd_pack_str(pack, "since_lsn");
    stockd_pack_i64(pack, history->since_lsn);
    stockd_pack_str(pack, "limit");
    stockd_pack_i64(pack, history->left < PAGE_MAX ? history->left : PAGE_MAX);
}

static void add_row(struct history *history, stockd_value event)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        stockd_value field = { 0 };
        stockd_map_find(event, columns[c].key, &field);
        char *text = show_text(columns[c].key, field);
        table_add(history->table, text);
        free(text);
    }
    history->shown++;
}

/* Keeps a page's events; true if there is another page, and it is wanted. */
static bool take_page(struct history *history, stockd_value result)
{
    stockd_value events = { 0 };
    stockd_value event;
    stockd_value next = { 0 };

    stockd_map_find(result, "events", &events);
    stockd_iter it = stockd_iterate(events);
    while (stockd_next(&it, NULL, &event)) {
        history->left--;
        if (history->rows != NULL) {
            json_t *row = json_from_value(event);
            rows_add(history->rows, row);
            json_decref(row);
            continue;
        }
        json_array_append_new(history->events, json_from_value(event));
        add_row(history, event);
    }
    if (history->rows != NULL)
        fflush(stdout);
    json_decref(history->answer);
    history->answer = json_from_value(result);
    return stockd_map_find(result, "next", &next) && stockd_value_i64(next, &history->since_lsn) &&
           history->left > 0;
}

static int gather(struct ctl *ctl, struct history *history)
{
    bool more = true;
    while (more) {
        stockd_pack pack;
        stockd_reply reply;
        stockd_pack_init(&pack, NULL, 0);
        pack_question(history, &pack);
        int failed = ctl_call(ctl, "history", &pack, STOCKD_RETRY_SAFE, &reply);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
        more = take_page(history, reply.result);
    }
    return CTL_DONE;
}

static void show_history(struct history *history)
{
    json_int_t begins = json_integer_value(json_object_get(history->answer, "begins_lsn"));
    json_t *next = json_object_get(history->answer, "next");

    if (begins > 0)
        printf("The journal no longer has what came before LSN %lld.\n", (long long)begins);
    if (history->shown > 0) {
        table_print(history->table, stdout, "");
        history->table = NULL;
    } else {
        puts("The journal has nothing about it.");
    }
    if (json_is_integer(next))
        printf("There may be more: continue with --since %lld\n",
               (long long)json_integer_value(next));
}

static void print_history(const struct ctl *ctl, struct history *history)
{
    if (history->rows != NULL)
        return;
    if (!ctl->json) {
        show_history(history);
        return;
    }
    json_object_set(history->answer, "events", history->events);
    show_json_value(json_incref(history->answer));
}

static int take_number(const struct args *args, const char *option, int64_t least, int64_t *number)
{
    const char *text = args_option(args, option);
    return text != NULL ? args_int(args, option, text, least, INT64_MAX, number) : CTL_DONE;
}

static int run_history(struct ctl *ctl, const struct args *args)
{
    const char *titles[COLUMNS + 1] = { NULL };
    struct history history = { .id = args_option(args, "id"), .left = INT64_MAX };
    struct rows rows;

    history.sku = args->count > 0 ? args->positional[0] : NULL;
    if ((history.sku != NULL) == (history.id != NULL))
        return usage_error(args, "give either SKU or --id ID");
    int failed = take_number(args, "since", 0, &history.since_lsn);
    if (failed == CTL_DONE)
        failed = take_number(args, "limit", 1, &history.left);
    if (failed != CTL_DONE)
        return failed;
    for (size_t c = 0; c < COLUMNS; c++)
        titles[c] = columns[c].title;
    history.table = table_new(titles);
    history.events = json_array();
    history.rows = output_rows(ctl, &rows) ? &rows : NULL;
    failed = gather(ctl, &history);
    if (failed == CTL_DONE)
        print_history(ctl, &history);
    if (history.rows != NULL)
        rows_end(&rows);
    table_free(history.table);
    json_decref(history.events);
    json_decref(history.answer);
    return failed;
}

/* {at_lsn: N} or {at_ms: N}: digits alone are an LSN. */
int pack_at(const struct args *args, const char *text, stockd_pack *pack)
{
    int64_t number;
    bool lsn = parse_int(text, &number) && number >= 0;

    if (!lsn && !parse_time(text, &number))
        return usage_error(args, "--at: '%s' is neither an LSN nor a time like 2025-03-01T14:05:00",
                           text);
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, lsn ? "at_lsn" : "at_ms");
    stockd_pack_i64(pack, number);
    return CTL_DONE;
}

static const struct option history_options[] = {
    { "id", "ID", "of an operation, a step, a reservation or a supply", NULL, OPTION_TEXT },
    { "since", "LSN", "only what came after it", NULL, OPTION_COUNT },
    { "limit", "N", "about that many events", NULL, OPTION_COUNT },
    { .name = NULL },
};

const struct command history_commands[] = {
    {
        .name = "history",
        .summary = "Show what happened to an item or an order, and who did it",
        .usage = "SKU|--id ID [OPTION]...",
        .details = "Read from the journal, oldest first. ON HAND and RESERVED are the pool's\n"
                   "after each event; with --id they are not known. Of what is expected or in\n"
                   "transit, ON HAND is what has not come yet.",
        .example = "stockctl history TEE-RED-M --limit 20",
        .options = history_options,
        .list = "events: time_ms lsn type sku location kind channel allotted_to qty"
                " on_hand reserved state",
        .least = 0,
        .most = 1,
        .apart = true,
        .run = run_history,
    },
    { .name = NULL },
};
