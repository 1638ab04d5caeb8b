/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - `watch`: availability as it changes.
 *
 * The engine says up to which LSN it has sent everything; after a lost connection a new
 * subscription begins there. So no change is missed, and only those just before the loss may be
 * shown twice.
 */
#include "tools/stockctl/output.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 200, /* an interrupt is noticed within this time */
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 5000,
    BEHIND_MS = 5000, /* for so long another node may have not yet what this one showed */
};

static volatile sig_atomic_t interrupted; /* set by the handler */

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* The last value shown, per channel and sku, to show by how much it changes. */
struct watch {
    struct ctl *ctl;
    bool data; /* rows, not text */
    struct rows rows;
    const char *sku;     /* only this one; NULL: all */
    const char *channel; /* likewise */
    bool has_lsn;
    uint64_t lsn;        /* everything up to it was shown, or need not be */
    int64_t patience_ms; /* -1: forever */
    const struct args *args;
    bool events;     /* instead of availability */
    unsigned of_lsn; /* events of `lsn` that were shown */
    unsigned skip;   /* of them, those that come again after a lost connection */
    struct lookup *known;
    int64_t *last;
    size_t capacity;
};

static bool is_watched(const struct watch *watch, const stockd_changed *change)
{
    return watch->sku == NULL || (strlen(watch->sku) == change->sku_len &&
                                  memcmp(watch->sku, change->sku, change->sku_len) == 0);
}

/* The previous value in *before; false if none was shown yet. */
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

static void add_change(struct watch *watch, const stockd_changed *change)
{
    json_t *line = json_pack("{s:s%, s:s%, s:I, s:I}", "channel", change->channel,
                             change->channel_len, "sku", change->sku, change->sku_len, "available",
                             (json_int_t)change->available, "lsn", (json_int_t)change->lsn);

    rows_add(&watch->rows, line);
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
    printf("%s  ", now);
    text_pad(stdout, channel, 12);
    fputs("  ", stdout);
    text_pad(stdout, sku, 24);
    printf(" %9" PRId64 "%s\n", change->available, by);
    free(channel);
    free(sku);
}

static void add_event(struct watch *watch, stockd_value event)
{
    json_t *line = json_from_value(event);

    rows_add(&watch->rows, line);
    json_decref(line);
}

/* All events of an LSN come again after a lost connection, in the same order. */
static void on_event(struct watch *watch, stockd_value event)
{
    uint64_t lsn;
    const char *sku;
    size_t len;

    if (!stockd_map_u64(event, "lsn", &lsn))
        return;
    if (lsn != watch->lsn)
        watch->of_lsn = watch->skip = 0;
    watch->lsn = lsn;
    if (watch->skip > 0) {
        watch->skip--;
        return;
    }
    watch->of_lsn++;
    bool other =
        watch->sku != NULL && !(stockd_map_str(event, "sku", &sku, &len) &&
                                strlen(watch->sku) == len && memcmp(watch->sku, sku, len) == 0);
    if (other)
        return;
    if (watch->data)
        add_event(watch, event);
    else
        show_event(event);
}

static void on_notify(void *context, const char *method, stockd_value params)
{
    struct watch *watch = context;
    stockd_changed change;
    stockd_value lsn;

    if (watch->events) {
        stockd_value event;
        if (strcmp(method, "event") == 0 && stockd_array_at(params, 0, &event))
            on_event(watch, event);
        else if (strcmp(method, "resync") == 0)
            fprintf(stderr, "stockctl: %s: too slow, so events are missing here\n",
                    watch->ctl->server);
        return;
    }
    if (strcmp(method, "current") == 0 && stockd_array_at(params, 0, &lsn))
        stockd_value_u64(lsn, &watch->lsn);
    if (strcmp(method, "changed") != 0 || !stockd_read_changed(params, &change) ||
        !is_watched(watch, &change))
        return;
    if (watch->data)
        add_change(watch, &change);
    else
        print_change(watch, &change);
}

/* ---- the subscription ----------------------------------------------------------------------- */

static int pack_event_options(const struct watch *watch, stockd_pack *pack)
{
    const bool all = args_option(watch->args, "types") == NULL;

    stockd_pack_map(pack, args_option_count(watch->args) + all + watch->has_lsn);
    int failed = args_pack_pairs(watch->args, pack);
    if (all) {
        stockd_pack_str(pack, "events");
        stockd_pack_bool(pack, true);
    }
    if (watch->has_lsn) {
        stockd_pack_str(pack, "since_lsn");
        stockd_pack_u64(pack, watch->of_lsn > 0 ? watch->lsn - 1 : watch->lsn);
    }
    return failed;
}

static void pack_options(const struct watch *watch, stockd_pack *pack)
{
    stockd_pack_map(pack, 1 + (watch->channel != NULL) + watch->has_lsn);
    stockd_pack_str(pack, "progress");
    stockd_pack_bool(pack, true);
    if (watch->channel != NULL) {
        stockd_pack_str(pack, "channel");
        stockd_pack_str(pack, watch->channel);
    }
    if (watch->has_lsn) {
        stockd_pack_str(pack, "since_lsn");
        stockd_pack_u64(pack, watch->lsn);
    }
}

/* Another node, which has not yet the LSN up to which we know everything. */
static bool is_behind(const struct watch *watch, stockd_value result)
{
    uint64_t lsn;

    return ctl_has_several(watch->ctl) && watch->has_lsn && stockd_map_u64(result, "lsn", &lsn) &&
           lsn < watch->lsn;
}

/* A client library status. *resync: the engine does not know the LSN, and sends all anew. */
static int subscribe(struct watch *watch, bool *resync, bool *behind)
{
    stockd_client *client = watch->ctl->client;
    stockd_pack pack;
    stockd_reply reply;
    stockd_value again;

    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    if (watch->events)
        (void)pack_event_options(watch, &pack); /* take_options tried it */
    else
        pack_options(watch, &pack);
    watch->skip = watch->of_lsn;
    int status = stockd_call(client, "subscribe", pack.data, pack.len, 0, &reply);
    stockd_pack_free(&pack);
    if (status != STOCKD_OK)
        return status;
    *resync = stockd_map_find(reply.result, "resync", &again) && stockd_value_bool(again, resync) &&
              *resync;
    *behind = *resync && is_behind(watch, reply.result);
    if (!watch->has_lsn)
        watch->has_lsn = stockd_map_u64(reply.result, "lsn", &watch->lsn);
    return STOCKD_OK;
}

/* A refusal, say by an engine with too many connections, is no reason to stop. */
static bool may_come_back(int status, const stockd_client *client)
{
    if (status == STOCKD_REFUSED)
        return strcmp(stockd_last_reply(client)->code, "overloaded") == 0;
    return status == STOCKD_E_CLOSED || status == STOCKD_E_TIMEOUT || status == STOCKD_E_CONNECT;
}

static int say_failed(struct watch *watch, int status)
{
    if (status == STOCKD_REFUSED)
        return ctl_refused(watch->ctl, stockd_last_reply(watch->ctl->client));
    return ctl_failed(watch->ctl, status);
}

/* Doubled each time, the second half random: watchers must not reconnect all at once. */
static void back_off(int attempt)
{
    int64_t pause = attempt < 6 ? FIRST_PAUSE_MS << attempt : LONGEST_PAUSE_MS;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pause = pause / 2 + now.tv_nsec % (pause / 2);
    for (; pause > 0 && !interrupted; pause -= LOOK_MS) {
        int64_t part = pause < LOOK_MS ? pause : LOOK_MS;
        struct timespec left = { .tv_sec = 0, .tv_nsec = part * 1000000 };
        nanosleep(&left, NULL);
    }
}

/* An engine whose journal does not have our LSN sends everything again. */
static void forget(struct watch *watch)
{
    watch->of_lsn = watch->skip = 0;
    if (watch->events) {
        fprintf(stderr, "stockctl: %s: the engine does not keep all events since then\n",
                watch->ctl->server);
        return;
    }
    lookup_free(watch->known);
    watch->known = lookup_new();
    watch->lsn = 0;
    fprintf(stderr, "stockctl: %s: the engine has another journal; showing everything again\n",
            watch->ctl->server);
}

/* The connection is lost: reconnects, and reports it once. */
static int resume(struct watch *watch, int status)
{
    const struct ctl *ctl = watch->ctl;
    uint64_t began = clock_ms();
    bool resync = false;
    bool behind = false;

    fprintf(stderr,
            "stockctl: %s: connection lost; reconnecting, to continue from LSN %" PRIu64 "\n",
            ctl->server, watch->lsn);
    for (int attempt = 0; !interrupted; attempt++) {
        if (watch->patience_ms >= 0 && clock_ms() - began >= (uint64_t)watch->patience_ms)
            return say_failed(watch, status);
        back_off(attempt);
        status = stockd_reconnect(ctl->client);
        if (status == STOCKD_OK)
            status = subscribe(watch, &resync, &behind);
        if (status == STOCKD_OK && behind && clock_ms() - began < BEHIND_MS)
            continue;
        if (status == STOCKD_OK)
            break;
        if (!may_come_back(status, ctl->client))
            return say_failed(watch, status);
    }
    if (resync)
        forget(watch);
    else if (!interrupted)
        fprintf(stderr, "stockctl: %s: reconnected\n", ctl->server);
    return CTL_DONE;
}

/* ---- watch ---------------------------------------------------------------------------------- */

/* A mistyped item would never change. */
static int check_sku_known(struct watch *watch, bool wait)
{
    stockd_pack pack;
    stockd_reply reply;

    if (watch->sku == NULL || wait)
        return CTL_DONE;
    stockd_pack_init(&pack, NULL, 0);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, watch->sku);
    int failed = ctl_call(watch->ctl, "item", &pack, STOCKD_RETRY_SAFE, &reply);
    stockd_pack_free(&pack);
    if (failed == CTL_REFUSED && !watch->data)
        fputs("stockctl: use --wait to watch an item that does not exist yet\n", stderr);
    return failed;
}

static int take_options(struct watch *watch, const struct args *args)
{
    const char *since = args_option(args, "since");
    const char *patience = args_option(args, "patience");
    int64_t lsn = 0;

    watch->args = args;
    watch->events = args_option(args, "events") != NULL;
    watch->sku = args_option(args, "sku");
    watch->channel = args_option(args, "channel");
    watch->patience_ms = -1;
    watch->has_lsn = since != NULL;
    if (since != NULL && args_int(args, "--since", since, 0, INT64_MAX, &lsn) != CTL_DONE)
        return CTL_USAGE;
    watch->lsn = (uint64_t)lsn;
    if (!watch->events &&
        (args_option(args, "types") != NULL || args_option(args, "location") != NULL))
        return usage_error(args, "--types and --location need --events");
    if (watch->events) {
        stockd_pack pack;
        stockd_pack_init(&pack, NULL, 0);
        int failed = pack_event_options(watch, &pack);
        stockd_pack_free(&pack);
        if (failed != CTL_DONE)
            return failed;
    }
    if (patience != NULL && !parse_duration(patience, &watch->patience_ms))
        return usage_error(args, "--patience: '%s' is not a duration like 30s", patience);
    return CTL_DONE;
}

/* The node that answers may be a moment behind what --since names. */
static int subscribe_at_first(struct watch *watch, bool *resync)
{
    uint64_t began = clock_ms();
    bool behind;

    for (;;) {
        int status = subscribe(watch, resync, &behind);

        if (status != STOCKD_OK || !behind || interrupted || clock_ms() - began >= BEHIND_MS)
            return status;
        back_off(0);
        status = stockd_reconnect(watch->ctl->client);
        if (status != STOCKD_OK)
            return status;
    }
}

static int begin(struct watch *watch)
{
    bool resync = false;
    int failed = ctl_connect(watch->ctl);

    if (failed != CTL_DONE)
        return failed;
    int status = subscribe_at_first(watch, &resync);
    if (status != STOCKD_OK)
        return say_failed(watch, status);
    if (resync)
        forget(watch);
    if (!watch->data)
        fprintf(stderr, "Watching %s; Ctrl-C stops.\n", watch->ctl->server);
    return CTL_DONE;
}

static int go_on(struct watch *watch)
{
    int failed = CTL_DONE;

    while (failed == CTL_DONE && !interrupted) {
        int heard = stockd_wait_notifications(watch->ctl->client, LOOK_MS);
        if (heard < 0)
            failed = may_come_back(heard, watch->ctl->client) ? resume(watch, heard)
                                                              : ctl_failed(watch->ctl, heard);
        else if (heard > 0 && fflush(stdout) != 0)
            failed =
                ctl_error(watch->ctl, CTL_USAGE, "output", "cannot write: %s", strerror(errno));
    }
    return failed;
}

int run_watch(struct ctl *ctl, const struct args *args)
{
    struct watch watch = { .ctl = ctl, .data = ctl->json };
    const struct sigaction action = { .sa_handler = on_signal };
    int failed = take_options(&watch, args);

    if (failed != CTL_DONE)
        return failed;
    ctl->notify = on_notify;
    ctl->notify_context = &watch;
    watch.known = lookup_new();
    rows_begin(&watch.rows, stdout, ctl->output == OUTPUT_CSV,
               watch.events ? EVENT_COLUMNS : CHANGE_COLUMNS);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    failed = check_sku_known(&watch, args_option(args, "wait") != NULL);
    if (failed == CTL_DONE)
        failed = begin(&watch);
    if (failed == CTL_DONE)
        failed = go_on(&watch);
    rows_end(&watch.rows);
    lookup_free(watch.known);
    free(watch.last);
    return failed;
}
