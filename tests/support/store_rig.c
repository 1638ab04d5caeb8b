/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_rig.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "persistence/format.h"

enum { ITEMS = 40, PLACES = 6, LINES = 9, LOG_BYTES = 1 << 20 };

/* ---- opening and closing ---- */

static struct ledger *fresh(void *context)
{
    struct store *store = context;
    ledger_destroy(store->ledger);
    store->ledger = ledger_create(&store->config);
    return store->ledger;
}

static int apply(void *context, const struct record_head *record, uint64_t lsn, uint64_t time_ms)
{
    struct store *store = context;
    (void)time_ms;
    return ledger_apply(store->ledger, record, lsn);
}

static void say(void *context, int level, const char *line)
{
    struct store *store = context;
    assert(level == LOG_WARNING || level == LOG_ERR);
    store->lines++;
    snprintf(store->last_line, sizeof store->last_line, "%s", line);
}

static uint64_t time_of(void *context)
{
    return ((const struct store *)context)->now_ms;
}

int store_open(struct store *store)
{
    struct snapshot_target target = { .context = store, .fresh = fresh };
    if (store->now_ms == 0)
        store->now_ms = UINT64_C(1700000000000);
    if (log_init(&store->log, LOG_BYTES, store->config.contexts, 0) != 0)
        abort();
    store->config.log = &store->log;
    struct journal_options options = { .directory = store->directory,
                                       .durability = store->durability,
                                       .segment_bytes = SEGMENT_BYTES_MIN,
                                       .log = &store->log,
                                       .files = store->files,
                                       .context = store,
                                       .snapshots = &target,
                                       .apply = apply,
                                       .say = say,
                                       .wall_ms = time_of,
                                       .steady_ms = time_of };
    int error = journal_open(&store->journal, &options, &store->opened, &store->why);
    if (error) {
        store->journal = NULL;
        log_destroy(&store->log);
        return error;
    }
    if (store->now_ms < store->opened.last_time_ms)
        store->now_ms = store->opened.last_time_ms;
    ledger_recovered(store->ledger, store->now_ms);
    return 0;
}

int store_close(struct store *store)
{
    int error = journal_close(store->journal, &store->why);
    store->journal = NULL;
    log_destroy(&store->log);
    return error;
}

void store_abandon(struct store *store)
{
    journal_abandon(store->journal);
    store->journal = NULL;
    log_destroy(&store->log);
}

void store_forget_ledger(struct store *store)
{
    ledger_destroy(store->ledger);
    store->ledger = NULL;
}

/* ---- business ---- */

static struct text name_of(char *buffer, size_t size, const char *message, int number)
{
    int n = snprintf(buffer, size, "%s%d", message, number);
    return (struct text){ buffer, (uint32_t)n };
}

static void set_something(struct store *store, struct ctx *ctx)
{
    char code[32];
    uint64_t lsn;
    struct random *r = &store->random;
    if (random_chance(r, 50)) {
        struct location_setting s = { .code =
                                          name_of(code, sizeof code, "L", random_below(r, PLACES)),
                                      .has_priority = true,
                                      .priority = random_below(r, 5) };
        ledger_set_location(ctx, &s, &lsn);
        return;
    }
    struct item_setting s = { .sku = name_of(code, sizeof code, "S", random_below(r, ITEMS)),
                              .has_low_stock = true,
                              .low_stock = random_below(r, 9) };
    ledger_set_item(ctx, &s, &lsn);
}

static void receive(struct store *store, struct ctx *ctx)
{
    char id[32], sku[32], place[32];
    struct random *r = &store->random;
    struct movement m = { .id = name_of(id, sizeof id, "m", store->next_id++),
                          .sku = name_of(sku, sizeof sku, "S", random_below(r, ITEMS)),
                          .location = name_of(place, sizeof place, "L", random_below(r, PLACES)),
                          .qty = random_between(r, 1, 50) };
    struct movement_result result;
    ledger_receive(ctx, &m, &result);
}

static void reserve(struct store *store, struct ctx *ctx)
{
    char id[32], skus[LINES][32];
    struct order_line lines[LINES];
    struct random *r = &store->random;
    int count = random_chance(r, 60) ? 1 : random_between(r, 2, LINES);
    for (int i = 0; i < count; i++)
        lines[i] = (struct order_line){ .sku = name_of(skus[i], sizeof skus[i], "S",
                                                       random_below(r, ITEMS)),
                                        .qty = random_between(r, 1, 3) };
    struct order order = { .id = name_of(id, sizeof id, "o", store->next_id++),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = (uint32_t)count,
                           .has_ttl = true,
                           .ttl_ms = (uint64_t)random_between(r, 50, 100000),
                           .confirm = random_chance(r, 40) };
    struct reservation_view view;
    ledger_reserve(ctx, &order, &view);
}

static void go_on(struct store *store, struct ctx *ctx)
{
    char id[32], op[32];
    struct random *r = &store->random;
    int back = random_between(r, 1, random_chance(r, 80) ? 30 : 2000);
    struct reservation_view view;
    struct text name = name_of(id, sizeof id, "o", store->next_id - back);
    struct step step = { .id = name };
    if (random_chance(r, 20))
        step.op = name_of(op, sizeof op, "p", store->next_id++);
    switch (random_below(r, 4)) {
    case 0:
        ledger_extend(ctx, name, 5000, &view);
        break;
    case 1:
        ledger_confirm(ctx, name, text_of("paid"), &view);
        break;
    case 2:
        ledger_fulfil(ctx, &step, &view);
        break;
    default:
        ledger_cancel(ctx, &step, &view);
    }
}

static void drive(struct store *store)
{
    struct file_request request;
    bool more = journal_next(store->journal, false, &request);
    while (more) {
        int result = file_perform(store->files, &request);
        more = journal_done(store->journal, &request, result, &request);
    }
}

void store_trade(struct store *store, int operations)
{
    struct random *r = &store->random;
    for (int i = 0; i < operations; i++) {
        struct ctx *ctx =
            ledger_ctx(store->ledger, (unsigned)random_below(r, (int)store->config.contexts));
        store->now_ms += (uint64_t)random_below(r, 40);
        ledger_begin(ctx, store->now_ms, store->now_ms);
        int dice = random_below(r, 100);
        if (dice < 2)
            set_something(store, ctx);
        else if (dice < 25)
            receive(store, ctx);
        else if (dice < 65)
            reserve(store, ctx);
        else if (dice < 95)
            go_on(store, ctx);
        else
            ledger_expire(ctx, 10);
        ledger_end(ctx);
        if (i % 7 == 0)
            drive(store);
    }
    for (unsigned i = 0; i < store->config.contexts; i++) { /* who ended another's hold tells it */
        ledger_begin(ledger_ctx(store->ledger, i), store->now_ms, store->now_ms);
        ledger_end(ledger_ctx(store->ledger, i));
    }
    drive(store);
}

int store_compact(const struct store *store, bool archive, struct compact_result *result,
                  struct error *why)
{
    struct log log;
    struct ledger_config config = store->config;
    if (log_init(&log, LOG_BYTES, 1, 0) != 0)
        abort();
    config.log = &log;
    config.contexts = 1;
    struct compact_options options = { .files = store->files,
                                       .directory = store->directory,
                                       .threads = 1,
                                       .config = &config,
                                       .sized = true,
                                       .archive = archive,
                                       .now_ms = store->now_ms };
    int error = compact(&options, result, why);
    log_destroy(&log);
    return error;
}
