/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_feed.c - what has changed, and what happened: `changes`, `events`; `watch` is in watch.c. */
#include "tools/stockctl/output.h"

#include <inttypes.h>

/* Why there may be a gap behind the LSN that was asked for. */
static const char *gap(int64_t since, uint64_t lsn, const char *passed)
{
    return (uint64_t)since > lsn ? "This journal has not reached that LSN" : passed;
}

static void show_changes(stockd_value result, int64_t since)
{
    static const struct column columns[] = {
        { "channel", "<CHANNEL" },
        { "sku", "<SKU" },
        { "available", ">AVAILABLE" },
        { "lsn", ">LSN" },
    };
    stockd_value list = { 0 };
    stockd_value resync = { 0 };
    uint64_t next = 0;
    uint64_t lsn = 0;
    bool again = false;

    (void)stockd_map_find(result, "changes", &list);
    (void)stockd_map_u64(result, "next", &next);
    (void)stockd_map_u64(result, "lsn", &lsn);
    if (stockd_map_find(result, "resync", &resync))
        (void)stockd_value_bool(resync, &again);
    if (stockd_value_count(list) > 0) {
        show_records(list, columns, sizeof(columns) / sizeof(columns[0]), "", stdout);
        putchar('\n');
    }
    if (again)
        printf("%s: read everything with --since 0,\nthen continue with --since %" PRIu64 ".\n",
               gap(since, lsn, "Too much has changed since then"), next);
    else if (next < lsn)
        printf("There is more: continue with --since %" PRIu64 ".\n", next);
    else
        printf("This is everything up to LSN %" PRIu64 ".\n", next);
}

static void show_events(stockd_value result, int64_t since)
{
    stockd_value list = { 0 };
    stockd_value event = { 0 };
    stockd_value resync = { 0 };
    uint64_t next = 0;
    uint64_t lsn = 0;
    bool again = false;

    (void)stockd_map_find(result, "events", &list);
    (void)stockd_map_u64(result, "next", &next);
    (void)stockd_map_u64(result, "lsn", &lsn);
    if (stockd_map_find(result, "resync", &resync))
        (void)stockd_value_bool(resync, &again);
    for (size_t i = 0; stockd_array_at(list, i, &event); i++)
        show_event(event);
    if (stockd_value_count(list) > 0)
        putchar('\n');
    if (again)
        printf("%s.\n",
               gap(since, lsn, "Events are missing: the engine does not keep any that old"));
    if (next < lsn)
        printf("There is more: continue with --since %" PRIu64 ".\n", next);
    else
        printf("This is everything up to LSN %" PRIu64 ".\n", next);
}

/* METHOD [since, {options}] */
static int ask(struct ctl *ctl, const struct args *args, const char *method, int64_t since,
               stockd_reply *reply)
{
    stockd_pack pack;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_i64(&pack, since);
    int failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, method, &pack, STOCKD_RETRY_SAFE, reply);
    stockd_pack_free(&pack);
    return failed;
}

/* The page's rows. True if there is another page; *gap: what came before it is missing. */
static bool add_page(struct rows *rows, const char *method, stockd_value result, int64_t *next,
                     bool *gap)
{
    stockd_value list = { 0 };
    stockd_value record;
    stockd_value resync;
    int64_t lsn = 0;
    int64_t since = *next;
    bool again;

    (void)stockd_map_find(result, method, &list);
    stockd_iter it = stockd_iterate(list);
    while (stockd_next(&it, NULL, &record)) {
        json_t *row = json_from_value(record);
        rows_add(rows, row);
        json_decref(row);
    }
    (void)stockd_map_i64(result, "next", next);
    (void)stockd_map_i64(result, "lsn", &lsn);
    if (stockd_map_find(result, "resync", &resync) && stockd_value_bool(resync, &again))
        *gap = *gap || again;
    return *next<lsn && * next> since; /* or it would loop forever */
}

/* Page after page, unless the number of rows is limited. */
static int run_rows(struct ctl *ctl, const struct args *args, const char *method, int64_t since,
                    struct rows *rows)
{
    const bool one = args_option(args, "limit") != NULL;
    bool gap = false;
    bool more = true;
    int failed = CTL_DONE;
    stockd_reply reply;

    while (more && !gap && failed == CTL_DONE) {
        failed = ask(ctl, args, method, since, &reply);
        if (failed == CTL_DONE)
            more = add_page(rows, method, reply.result, &since, &gap) && !one;
        fflush(stdout);
    }
    if (failed == CTL_DONE && gap)
        failed = ctl_error(ctl, CTL_REFUSED, "resync",
                           "%s are missing since that LSN: the engine does not keep them", method);
    return failed;
}

static int run_since(struct ctl *ctl, const struct args *args, const char *method,
                     void (*show)(stockd_value result, int64_t since))
{
    const char *text = args_option(args, "since");
    int64_t since = 0;
    stockd_reply reply;
    struct rows rows;

    if (text != NULL && args_int(args, "--since", text, 0, INT64_MAX, &since) != CTL_DONE)
        return CTL_USAGE;
    if (output_rows(ctl, &rows)) {
        int failed = run_rows(ctl, args, method, since, &rows);
        rows_end(&rows);
        return failed;
    }
    int failed = ask(ctl, args, method, since, &reply);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->json)
        show_json(reply.result, NULL);
    else
        show(reply.result, since);
    return CTL_DONE;
}

static int run_changes(struct ctl *ctl, const struct args *args)
{
    return run_since(ctl, args, "changes", show_changes);
}

static int run_events(struct ctl *ctl, const struct args *args)
{
    return run_since(ctl, args, "events", show_events);
}

/* ---- the table ---------------------------------------------------------------------------- */

static const struct option changes_options[] = {
    { "since", "LSN", "what has changed since then (0: everything)", NULL, OPTION_COUNT },
    { "channel", "CODE", "on this channel only", "channel", OPTION_TEXT },
    { "limit", "N", "about that many per page (1000)", "limit", OPTION_COUNT },
    { NULL, NULL, NULL, NULL, OPTION_TEXT },
};

static const struct option events_options[] = {
    { "since", "LSN", "what happened since then (0: all that is kept)", NULL, OPTION_COUNT },
    { "types", "TYPE,...", "only these types: sold_out, late, ...", "types", OPTION_LIST },
    { "channel", "CODE", "on this channel only", "channel", OPTION_TEXT },
    { "location", "CODE", "at this location only", "location", OPTION_TEXT },
    { "limit", "N", "about that many per page (1000)", "limit", OPTION_COUNT },
    { NULL, NULL, NULL, NULL, OPTION_TEXT },
};

static const struct option watch_options[] = {
    { "events", NULL, "what happens, instead of how much is available", NULL, OPTION_FLAG },
    { "types", "TYPE,...", "with --events: only these types", "events", OPTION_LIST },
    { "location", "CODE", "with --events: at this location only", "location", OPTION_TEXT },
    { "channel", "CODE", "on this channel only", "channel", OPTION_TEXT },
    { "sku", "SKU", "this item only", NULL, OPTION_TEXT },
    { "since", "LSN", "start with what has changed since then", NULL, OPTION_COUNT },
    { "wait", NULL, "watch an item that does not exist yet", NULL, OPTION_FLAG },
    { "patience", "DURATION", "how long to retry an unreachable engine (forever)", NULL,
      OPTION_MILLIS },
    { NULL, NULL, NULL, NULL, OPTION_TEXT },
};

const struct command feed_commands[] = {
    {
        .name = "changes",
        .summary = "List the items whose availability has changed since an LSN",
        .usage = "[--since LSN] [--channel CODE] [--limit N]",
        .details = "Each item once per channel, with what is available now.",
        .example = "stockctl changes --since 4711 --channel web",
        .options = changes_options,
        .list = "changes: " CHANGE_COLUMNS,
        .run = run_changes,
    },
    {
        .name = "events",
        .summary = "List what happened since an LSN: sold out, late, expired, ...",
        .usage = "[--since LSN] [--types TYPE,...] [--channel CODE] [--location CODE] [--limit N]",
        .details =
            "Types: sold_out, back_in_stock, low_stock, short, late, overage, lost, sourced,\n"
            "unsourced, moved, ready, rejected, not_collected, expired.",
        .example = "stockctl events --since 4711 --types sold_out,low_stock --channel web",
        .options = events_options,
        .list = "events: " EVENT_COLUMNS,
        .run = run_events,
    },
    {
        .name = "watch",
        .summary = "Show availability as it changes, or events, until Ctrl-C",
        .usage = "[--events] [OPTION]...",
        .details =
            "With --output json or ndjson, one line of JSON for each change or event. When the\n"
            "engine goes away, watch says so, reconnects, and continues where it was.",
        .example = "stockctl watch --channel web",
        .options = watch_options,
        .apart = true,
        .run = run_watch,
    },
    { .name = NULL },
};
