/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_feed.c - what has changed, and what changes: changes, watch. */
#include "tools/stockctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- changes ------------------------------------------------------------------------------ */

static void show_changes(stockd_value result)
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
        printf("Too much has changed to tell from there: read everything with --since 0,\n"
               "then go on with --since %" PRIu64 ".\n",
               next);
    else if (next < lsn)
        printf("There is more: go on with --since %" PRIu64 ".\n", next);
    else
        printf("That is all up to LSN %" PRIu64 ".\n", next);
}

static int run_changes(struct ctl *ctl, const struct args *args)
{
    const char *since = args_option(args, "since");
    int64_t lsn = 0;
    stockd_pack pack;
    stockd_reply reply;

    if (since != NULL && args_int(args, "--since", since, 0, INT64_MAX, &lsn) != CTL_DONE)
        return CTL_USAGE;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 2);
    stockd_pack_i64(&pack, lsn);
    int failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "changes", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed != CTL_DONE)
        return failed;
    if (ctl->json)
        show_json(reply.result, NULL);
    else
        show_changes(reply.result);
    return CTL_DONE;
}

/* ---- watch -------------------------------------------------------------------------------- */

enum { LOOK_MS = 200 }; /* how long an interrupt may be overlooked */

static volatile sig_atomic_t interrupted; /* by the handler */

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* What was shown last, per channel and sku, to show by how much it changes. */
struct watch {
    bool json;
    const char *sku; /* only this one; NULL: all */
    struct lookup *known;
    int64_t *last;
    size_t capacity;
};

static bool is_watched(const struct watch *watch, const stockd_changed *change)
{
    return watch->sku == NULL || (strlen(watch->sku) == change->sku_len &&
                                  memcmp(watch->sku, change->sku, change->sku_len) == 0);
}

/* What it was before in *before; false if it has not been shown yet. */
static bool swap_last(struct watch *watch, const stockd_changed *change, int64_t *before)
{
    char key[STOCKD_CODE_MAX + 1 + STOCKD_SKU_MAX];
    size_t count = lookup_count(watch->known);

    memcpy(key, change->channel, change->channel_len);
    key[change->channel_len] = '\0'; /* in no channel's code */
    memcpy(key + change->channel_len + 1, change->sku, change->sku_len);
    size_t at = lookup_add(watch->known, key, change->channel_len + 1 + change->sku_len, count);
    if (at >= watch->capacity) {
        watch->capacity = 2 * at + 64;
        watch->last = must_grow(watch->last, watch->capacity, sizeof *watch->last);
    }
    *before = watch->last[at];
    watch->last[at] = change->available;
    return at < count;
}

static void print_json_change(const stockd_changed *change)
{
    json_t *line = json_pack("{s:s%, s:s%, s:I, s:I}", "channel", change->channel,
                             change->channel_len, "sku", change->sku, change->sku_len, "available",
                             (json_int_t)change->available, "lsn", (json_int_t)change->lsn);

    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static void print_change(struct watch *watch, const stockd_changed *change)
{
    char now[32];
    char by[32] = "";
    int64_t before;
    struct timespec t;
    char *channel = text_clean(change->channel, change->channel_len);
    char *sku = text_clean(change->sku, change->sku_len);

    clock_gettime(CLOCK_REALTIME, &t);
    text_time((int64_t)t.tv_sec * 1000, now, sizeof now);
    if (swap_last(watch, change, &before) && before != change->available)
        snprintf(by, sizeof by, "  (%+" PRId64 ")", change->available - before);
    printf("%s  %-12s  %-24s %9" PRId64 "%s\n", now, channel, sku, change->available, by);
    free(channel);
    free(sku);
}

static void on_notify(void *context, const char *method, stockd_value params)
{
    struct watch *watch = context;
    stockd_changed change;

    if (strcmp(method, "changed") != 0 || !stockd_read_changed(params, &change) ||
        !is_watched(watch, &change))
        return;
    if (watch->json)
        print_json_change(&change);
    else
        print_change(watch, &change);
}

/* Only the command line's options go to the engine; which sku is shown is ours to choose. */
static int subscribe(struct ctl *ctl, const struct args *args)
{
    stockd_pack pack;
    stockd_reply reply;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    int failed = args_pack_options(args, &pack);
    if (failed == CTL_DONE)
        failed = ctl_call(ctl, "subscribe", &pack, 0, &reply);
    stockd_pack_free(&pack);
    return failed;
}

static int run_watch(struct ctl *ctl, const struct args *args)
{
    struct watch watch = { .json = ctl->json, .sku = args_option(args, "sku") };
    const struct sigaction action = { .sa_handler = on_signal };

    ctl->notify = on_notify;
    ctl->notify_context = &watch;
    watch.known = lookup_new();
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int failed = subscribe(ctl, args);
    if (failed == CTL_DONE && !ctl->json)
        fprintf(stderr, "Watching %s; Ctrl-C ends it.\n", ctl->server);
    while (failed == CTL_DONE && !interrupted) {
        int heard = stockd_wait_notifications(ctl->client, LOOK_MS);
        if (heard < 0)
            failed = ctl_failed(ctl, heard);
        else if (heard > 0 && fflush(stdout) != 0)
            failed = ctl_error(ctl, CTL_USAGE, "output", "cannot write: %s", strerror(errno));
    }
    lookup_free(watch.known);
    free(watch.last);
    return failed;
}

/* ---- the table ---------------------------------------------------------------------------- */

static const struct option changes_options[] = {
    { "since", "LSN", "what has changed since then (0: everything)", NULL, OPTION_COUNT },
    { "channel", "CODE", "on this channel only", "channel", OPTION_TEXT },
    { "limit", "N", "about so many at once (1000)", "limit", OPTION_COUNT },
    { NULL, NULL, NULL, NULL, OPTION_TEXT },
};

static const struct option watch_options[] = {
    { "channel", "CODE", "on this channel only", "channel", OPTION_TEXT },
    { "sku", "SKU", "this item only", NULL, OPTION_TEXT },
    { "since", "LSN", "begin with what has changed since then", "since_lsn", OPTION_COUNT },
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
        .run = run_changes,
    },
    {
        .name = "watch",
        .summary = "Show availability as it changes, until Ctrl-C",
        .usage = "[--channel CODE] [--sku SKU] [--since LSN]",
        .details = "With --json one line of JSON for each change.",
        .example = "stockctl watch --channel web",
        .options = watch_options,
        .run = run_watch,
    },
    { .name = NULL },
};
