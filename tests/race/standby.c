/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger follows the log of another one, batch by batch, while readers ask it all they may. An
 * answer whose LSN is where the follower is, with no batch begun since, must be what the first
 * ledger had there. What only moves is all there at any time. A consumer of changes that has read
 * up to a head misses nothing. At the end both ledgers are the same; then the follower goes on in
 * the first one's place.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/check/check_rules.h"
#include "engine/events/events.h"
#include "engine/figures/figures.h"
#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/gauges.h"
#include "engine/ledger/orders.h"
#include "engine/ledger/shortages.h"
#include "engine/ledger/supply.h"
#include "engine/replay/follow.h"
#include "tests/support/made_log.h"
#include "tests/support/race_rig.h"
#include "tests/support/watchdog.h"

enum { READERS = 3, ITEMS_MOST = 64, CHANNELS_MOST = 16, STEPS = 300 * RACE_SCALE };
enum { BATCHES_MOST = 1 << 16, WORKERS = 2 };

/* What the first ledger has at the end of a batch. */
struct state {
    uint64_t lsn;
    int64_t available[ITEMS_MOST][CHANNELS_MOST];
    int64_t on_hand[ITEMS_MOST], reserved[ITEMS_MOST];
};

static struct made_log made;
static struct state *states; /* by batch; the first is where the follower begins */
static uint32_t batches;
static struct ledger_rig follower;
static _Atomic bool over;
static _Atomic unsigned exact, moving;

/* ---- what the first ledger had ---- */

static void note_state(const struct ledger_rig *rig, struct state *state)
{
    struct ctx *ctx = ledger_ctx(rig->ledger, 1); /* 0 applies */
    uint32_t items = change_index_items(rig->ledger);
    ledger_begin(ctx, made.now_ms, made.now_ms);
    uint16_t channels = ledger_catalogue(ctx)->channel_count;
    RACE_MUST(items <= ITEMS_MOST && channels <= CHANNELS_MOST, "%u items, %u channels", items,
              channels);
    for (uint32_t i = 0; i < items; i++) {
        struct stock_view view = { 0 };
        if (item_version(rig->ledger, i) == 0)
            continue;
        for (uint16_t c = 0; c < channels; c++)
            state->available[i][c] = ledger_item_availability(ctx, i, c);
        RACE_MUST(ledger_stock(ctx, ledger_item_sku(rig->ledger, i), &view) == CODE_OK, "stock: %s",
                  ctx_failure(ctx)->message);
        state->on_hand[i] = view.on_hand;
        state->reserved[i] = view.reserved;
    }
    ledger_end(ctx);
}

static void open_follower(struct ledger_rig *rig, size_t bytes)
{
    char why[256];
    RACE_MUST(ledger_rig_follow_quietly(rig, &made.rig, bytes, why, sizeof why), "%s", why);
    log_start_at(&rig->log, bytes);
    RACE_MUST(ledger_follow(rig->ledger, made.now_ms) == 0, "no memory");
}

static size_t pick_batch(struct random *r, size_t from)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    size_t end = from;
    int records = random_chance(r, 5) ? random_between(r, 1, 200) : random_between(r, 1, 6);
    for (; records > 0 && end < made.rig.length; records--)
        end += ledger_rig_record(&made.rig, end, record);
    return end;
}

static void apply(struct ledger_rig *rig, size_t from, size_t until)
{
    struct follow_batch batch = { .first_lsn = from,
                                  .records = made.rig.records + from,
                                  .length = until - from };
    RACE_MUST(ledger_follow_batch(rig->ledger, &batch) == 0, "%s",
              ctx_failure(ledger_ctx(rig->ledger, 0))->message);
}

/* A ledger that nobody else asks shows what must be so after each batch. */
static void note_states(struct random *r)
{
    struct ledger_rig alone;
    size_t at = made.settled;
    open_follower(&alone, at);
    while (true) {
        states[batches].lsn = at;
        note_state(&alone, &states[batches++]);
        if (at == made.rig.length || batches == BATCHES_MOST)
            break;
        size_t end = pick_batch(r, at);
        apply(&alone, at, end);
        at = end;
    }
    ledger_rig_close(&alone);
}

static const struct state *state_at(uint64_t lsn)
{
    uint32_t low = 0, high = batches;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (states[middle].lsn <= lsn)
            low = middle;
        else
            high = middle;
    }
    RACE_MUST(states[low].lsn == lsn, "LSN %llu is no batch's end", (unsigned long long)lsn);
    return &states[low];
}

/* ---- readers ---- */

struct reader {
    struct ctx *ctx;
    struct random random;
    uint64_t lsn; /* of the last answer */
    uint64_t since;
    bool shown[ITEMS_MOST];
    int64_t available[ITEMS_MOST][CHANNELS_MOST]; /* as a consumer of changes has met it */
};

static const struct ledger *ledger_of(const struct reader *reader)
{
    return reader->ctx->ledger;
}

/* No batch has begun since the answer's LSN was the head. */
static bool stood_still(const struct reader *reader, uint64_t lsn)
{
    return atomic_load(&ledger_of(reader)->log->tail) == lsn;
}

static void check_lsn(struct reader *reader, uint64_t lsn)
{
    RACE_MUST(lsn >= reader->lsn, "an answer at LSN %llu, after one at %llu",
              (unsigned long long)lsn, (unsigned long long)reader->lsn);
    state_at(lsn);
    reader->lsn = lsn;
}

static struct text channel_code(const struct reader *reader, uint16_t channel)
{
    return code_text(&ledger_catalogue(reader->ctx)->channels[channel].code);
}

static uint32_t pick_item(struct reader *reader)
{
    return (uint32_t)random_below(&reader->random, (int)change_index_items(ledger_of(reader)));
}

static uint16_t pick_channel(struct reader *reader)
{
    return (uint16_t)random_below(&reader->random, ledger_catalogue(reader->ctx)->channel_count);
}

static void ask_availability(struct reader *reader)
{
    uint32_t item = pick_item(reader);
    uint16_t channel = pick_channel(reader);
    int64_t available;
    uint64_t lsn;
    if (item_version(ledger_of(reader), item) == 0)
        return;
    struct text sku = ledger_item_sku(ledger_of(reader), item);
    enum code code =
        ledger_availability(reader->ctx, channel_code(reader, channel), &sku, 1, &available, &lsn);
    if (code == CODE_DEFERRED)
        return;
    RACE_MUST(code == CODE_OK, "availability: %s", ctx_failure(reader->ctx)->message);
    check_lsn(reader, lsn);
    if (!stood_still(reader, lsn))
        return;
    int64_t wanted = state_at(lsn)->available[item][channel];
    RACE_MUST(available == wanted, "%lld of \"%.*s\" available at LSN %llu, not %lld",
              (long long)available, (int)sku.len, sku.at, (unsigned long long)lsn,
              (long long)wanted);
    atomic_fetch_add_explicit(&exact, 1, memory_order_relaxed);
}

static void ask_stock(struct reader *reader)
{
    uint32_t item = pick_item(reader);
    struct stock_view view;
    if (item_version(ledger_of(reader), item) == 0)
        return;
    enum code code = ledger_stock(reader->ctx, ledger_item_sku(ledger_of(reader), item), &view);
    if (code == CODE_DEFERRED)
        return;
    RACE_MUST(code == CODE_OK, "stock: %s", ctx_failure(reader->ctx)->message);
    check_lsn(reader, view.lsn);
    if (!stood_still(reader, view.lsn))
        return;
    const struct state *s = state_at(view.lsn);
    RACE_MUST(view.on_hand == s->on_hand[item] && view.reserved == s->reserved[item],
              "%lld on hand and %lld reserved of item %u at LSN %llu, not %lld and %lld",
              (long long)view.on_hand, (long long)view.reserved, item, (unsigned long long)view.lsn,
              (long long)s->on_hand[item], (long long)s->reserved[item]);
}

/* Of an item with several pools a sum is that of one instant, and its units only move. */
static void ask_shuttles(struct reader *reader)
{
    int64_t available;
    uint64_t lsn;
    struct text sku = text_of(made_log_shuttle);
    enum code code =
        ledger_availability(reader->ctx, text_of(made_log_hub), &sku, 1, &available, &lsn);
    if (code == CODE_DEFERRED) {
        atomic_fetch_add_explicit(&moving, 1, memory_order_relaxed);
        return;
    }
    RACE_MUST(code == CODE_OK, "availability: %s", ctx_failure(reader->ctx)->message);
    RACE_MUST(available == SHUTTLES_FREE, "%lld of %d shuttles are available", (long long)available,
              SHUTTLES_FREE);
    check_lsn(reader, lsn);
}

/* Whoever shows what it has read waits for this LSN: it must cover all that was read. */
static void ask_shown(struct reader *reader)
{
    uint64_t shown, version = item_version(ledger_of(reader), pick_item(reader));
    RACE_MUST(ledger_shown_until(ledger_of(reader), &shown), "nobody takes anything");
    RACE_MUST(version <= shown, "a version of LSN %llu may be shown at LSN %llu",
              (unsigned long long)version, (unsigned long long)shown);
}

static void follow_changes(struct reader *reader)
{
    const struct ledger *ledger = ledger_of(reader);
    uint64_t lsn, head = log_head(ledger->log), catalogue = ledger_catalogue_lsn(ledger);
    uint64_t since = reader->since < catalogue ? 0 : reader->since;
    uint32_t cursor = 0, item;
    uint16_t channels = ledger_catalogue(reader->ctx)->channel_count;
    while (change_index_next(ledger, since, &cursor, &item, &lsn)) {
        reader->shown[item] = true;
        for (uint16_t c = 0; c < channels; c++)
            reader->available[item][c] = ledger_item_availability(reader->ctx, item, c);
    }
    reader->since = head;
}

static void ask_events(struct reader *reader)
{
    struct events *events = ledger_events(reader->ctx->ledger);
    uint64_t until = log_final(ledger_of(reader)->log), last = 0;
    struct event event;
    for (uint64_t at = events_oldest(events); events_get(events, at, &event) == EVENT_FOUND; at++) {
        RACE_MUST(event.lsn >= last, "an event of LSN %llu after one of LSN %llu",
                  (unsigned long long)event.lsn, (unsigned long long)last);
        last = event.lsn;
        if (last > until)
            break;
    }
}

static void check_order(const struct reservation_view *view)
{
    RACE_MUST(view->draw_count >= 1 || view->lsn > 0, "an order without draws");
    for (uint32_t i = 0; i < view->draw_count; i++)
        RACE_MUST(view->draws[i].fulfilled + view->draws[i].cancelled <= view->draws[i].qty,
                  "a draw of %lld has settled more", (long long)view->draws[i].qty);
}

/* Each order as it was found, too: it is whole, and of before or after a record. */
static void ask_orders(struct reader *reader)
{
    struct order_filter filter = { .late = false };
    struct order_walk walk;
    struct reservation_view view;
    uint64_t lsn;
    int most = 20;
    RACE_MUST(ledger_orders_begin(reader->ctx, &filter, &walk, &lsn) == CODE_OK, "orders: %s",
              ctx_failure(reader->ctx)->message);
    check_lsn(reader, lsn);
    walk.at = (uint32_t)random_below(&reader->random, 2048);
    while (most-- > 0 && ledger_orders_next(reader->ctx, &filter, &walk,
                                            ctx_work(reader->ctx) + 4096, &view) == ORDER_FOUND) {
        check_order(&view);
        if (ledger_reservation(reader->ctx, (struct text){ walk.id, walk.id_len }, &view) ==
            CODE_OK)
            check_order(&view);
    }
}

static void ask_promise(struct reader *reader)
{
    uint32_t item = pick_item(reader);
    struct reservation_view view;
    struct located located;
    if (item_version(ledger_of(reader), item) == 0)
        return;
    struct order_line line = { .sku = ledger_item_sku(ledger_of(reader), item), .qty = 2 };
    struct text channel = channel_code(reader, pick_channel(reader));
    struct order order = { .channel = channel, .lines = &line, .line_count = 1 };
    struct basket basket = { .channel = channel, .lines = &line, .line_count = 1, .limit = 10 };
    ledger_promise(reader->ctx, &order, &view);
    if (ledger_locate(reader->ctx, &basket, &located) == CODE_OK)
        check_lsn(reader, located.lsn);
}

/* What a report does, and the metrics. */
static void hold_figures(struct reader *reader)
{
    struct figures *figures = reader->ctx->ledger->figures;
    struct level_counts counts;
    figures_hold(figures);
    figures_fold_all(figures);
    figures_put(figures);
    ledger_count_levels(reader->ctx->ledger, pick_channel(reader), &counts);
}

static void ask_item(struct reader *reader)
{
    struct details_view details;
    uint32_t item = pick_item(reader);
    if (item_version(ledger_of(reader), item) > 0)
        ledger_details(reader->ctx, ledger_item_sku(ledger_of(reader), item), &details);
    ledger_lookup(reader->ctx, text_of("barcode"), &details);
}

static void (*const questions[])(struct reader *) = {
    ask_availability, ask_availability, ask_stock,  ask_shuttles, ask_shuttles, ask_shown,
    follow_changes,   ask_events,       ask_orders, ask_promise,  hold_figures, ask_item,
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    enum { QUESTIONS = 8 };
    while (!atomic_load(&over)) {
        ledger_begin(reader->ctx, made.now_ms, made.now_ms);
        for (int i = 0; i < QUESTIONS; i++) {
            int count = sizeof questions / sizeof *questions;
            questions[random_below(&reader->random, count)](reader);
        }
        ledger_end(reader->ctx);
    }
    ledger_begin(reader->ctx, made.now_ms, made.now_ms);
    follow_changes(reader);
    ledger_end(reader->ctx);
    return NULL;
}

/* What it has met last is what there is: nothing was missed. */
static void check_consumer(const struct reader *reader)
{
    const struct state *s = &states[batches - 1];
    uint32_t items = change_index_items(ledger_of(reader));
    uint16_t channels = catalogue_now(reader->ctx)->channel_count;
    for (uint32_t i = 0; i < items; i++)
        for (uint16_t c = 0; reader->shown[i] && c < channels; c++)
            RACE_MUST(reader->available[i][c] == s->available[i][c],
                      "a consumer has met %lld of item %u on channel %u, there are %lld",
                      (long long)reader->available[i][c], i, c, (long long)s->available[i][c]);
}

static void follow(struct random *r)
{
    static struct reader readers[READERS];
    pthread_t threads[READERS];
    open_follower(&follower, made.settled);
    for (unsigned i = 0; i < READERS; i++) { /* context 0 applies, 1 is the second worker's */
        readers[i].ctx = ledger_ctx(follower.ledger, 1 + i);
        readers[i].random.state = random_next(r);
        RACE_MUST(pthread_create(&threads[i], NULL, read_all, &readers[i]) == 0, "no thread");
    }
    for (uint32_t i = 1; i < batches; i++) {
        apply(&follower, states[i - 1].lsn, states[i].lsn);
        for (int waits = random_below(r, 4); waits > 0; waits--)
            sched_yield();
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < READERS; i++)
        check_consumer(&readers[i]);
}

/* ---- in its place ---- */

static _Atomic uint64_t next_id;

/* Takes up its share, and then sells what there is, and looks after what comes up. */
static void *work(void *argument)
{
    struct ctx *ctx = argument;
    struct text sku = text_of(made_log_shuttle);
    struct order_line line = { .sku = sku, .qty = 1 };
    for (int i = 0; i < 400; i++) {
        struct race_name id, counted;
        struct movement_result moved;
        struct reservation_view view;
        uint64_t number = atomic_fetch_add(&next_id, 1);
        struct order order = { .id = race_name(&id, 'w', number),
                               .channel = text_of(made_log_hub),
                               .lines = &line,
                               .line_count = 1,
                               .has_ttl = true,
                               .ttl_ms = 1 };
        struct movement m = { .id = race_name(&counted, 'x', number),
                              .sku = sku,
                              .location = text_of("hub-b"),
                              .qty = 1 };
        ledger_begin(ctx, made.now_ms + 1 + (uint64_t)i, made.now_ms + 1 + (uint64_t)i);
        ledger_take_up(ctx, 50);
        while (ledger_expire(ctx, 16) == 16) {
        }
        ledger_receive(ctx, &m, &moved);
        enum code code = ledger_reserve(ctx, &order, &view);
        if (code == CODE_OK && i % 2 == 0)
            ledger_cancel(ctx, &(struct step){ .id = order.id }, &view);
        ledger_tell_crossings(ctx);
        ledger_tell_shortages(ctx);
        ledger_end(ctx);
        sched_yield();
    }
    return NULL;
}

static void finish(struct ctx *ctx)
{
    bool done = false;
    while (!done) {
        ledger_begin(ctx, made.now_ms + 100000, made.now_ms + 100000);
        done = ledger_take_up(ctx, 1000);
        while (ledger_expire(ctx, 16) == 16) {
        }
        ledger_end(ctx);
    }
}

static void take_over(void)
{
    char why[256];
    pthread_t threads[WORKERS];
    follower.log.tap = (struct log_tap){ events_take_run, ledger_events(follower.ledger) };
    ledger_promote(follower.ledger, made.now_ms);
    for (unsigned i = 0; i < WORKERS; i++)
        RACE_MUST(pthread_create(&threads[i], NULL, work, ledger_ctx(follower.ledger, i)) == 0,
                  "no thread");
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        finish(ledger_ctx(follower.ledger, i % WORKERS));
    RACE_MUST(ledger_check(follower.ledger, why, sizeof why) == 0, "in its place: %s", why);
}

int main(int argc, char **argv)
{
    struct random random = { argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL) };
    char why[256];
    printf("seed %llu\n", (unsigned long long)random.state);
    fflush(stdout);
    watchdog_start(NULL, NULL);
    watchdog_waits_for("the log to be made");
    made_log_open(&made, random_next(&random), STEPS);
    states = calloc(BATCHES_MOST, sizeof *states);
    RACE_MUST(states, "no memory");
    note_states(&random);
    watchdog_waits_for("the batches to be applied");
    follow(&random);
    RACE_MUST(batches == BATCHES_MOST ||
                  ledgers_equal(made.rig.ledger, follower.ledger, true, why, sizeof why),
              "the first and the follower: %s", why);
    RACE_MUST(ledger_check(follower.ledger, why, sizeof why) == 0, "the follower: %s", why);
    printf("%u batches, %u answers compared, %u times units were moving\n", batches,
           atomic_load(&exact), atomic_load(&moving));
    watchdog_waits_for("the workers to go on");
    take_over();
    ledger_rig_close(&follower);
    made_log_close(&made);
    free(states);
    return 0;
}
