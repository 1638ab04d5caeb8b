/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/made_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/shortages.h"
#include "engine/ledger/steps.h"
#include "engine/ledger/supply.h"
#include "tests/support/ledger_driver.h"
#include "tests/support/model_requests.h"
#include "tests/support/model_told.h"
#include "tests/support/random.h"
#include "tests/support/supply_driver.h"
#include "tests/support/supply_requests.h"

enum { CONTEXTS = 2, HUBS = 3, MOST_STEPS = 4000, EXTENDED = 60000 };

const char made_log_shuttle[] = "shuttle", made_log_hub[] = "hub";

static const char *const hubs[HUBS] = { "hub-a", "hub-b", "hub-c" };

static void must(bool good, struct ctx *ctx, const char *what)
{
    if (good)
        return;
    printf("made_log: %s: %s\n", what, ctx_failure(ctx)->message);
    exit(1);
}

static struct ctx *begin(struct made_log *made, unsigned index)
{
    struct ctx *ctx = ledger_ctx(made->rig.ledger, index);
    ledger_begin(ctx, made->now_ms, made->now_ms);
    return ctx;
}

/* What comes up, and what a worker looks for in each iteration. */
static void come_up(struct made_log *made)
{
    for (unsigned i = 0; i < 2 * CONTEXTS; i++) {
        struct ctx *ctx = begin(made, i % CONTEXTS);
        while (ledger_expire(ctx, 64) == 64) {
        }
        ledger_tell_crossings(ctx);
        ledger_tell_shortages(ctx);
        ledger_end(ctx);
    }
    ledger_rig_drain(&made->rig);
}

/* ---- shuttles ---- */

static void set_up_hubs(struct made_log *made)
{
    struct ctx *ctx = begin(made, 0);
    struct text places[HUBS];
    uint64_t lsn;
    struct movement_result result;
    struct reservation_view view;
    for (int i = 0; i < HUBS; i++) {
        places[i] = text_of(hubs[i]);
        must(ledger_set_location(ctx, &(struct location_setting){ .code = places[i] }, &lsn) ==
                 CODE_OK,
             ctx, "location");
    }
    struct channel_setting channel = {
        .code = text_of(made_log_hub), .has_places = true, .places = places, .place_count = HUBS
    };
    must(ledger_set_channel(ctx, &channel, &lsn) == CODE_OK, ctx, "channel");
    struct movement m = { .id = text_of("shuttles"),
                          .sku = text_of(made_log_shuttle),
                          .location = places[0],
                          .qty = SHUTTLES };
    must(ledger_receive(ctx, &m, &result) == CODE_OK, ctx, "receive");
    struct order_line line = { .sku = text_of(made_log_shuttle), .qty = SHUTTLES_PROMISED };
    struct order order = { .id = text_of("shuttles-promised"),
                           .channel = text_of(made_log_hub),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    must(ledger_reserve(ctx, &order, &view) == CODE_OK, ctx, "reserve");
    ledger_end(ctx);
    ledger_rig_drain(&made->rig);
    made->settled = made->rig.length;
}

struct label {
    char at[ID_MAX];
};

static struct text number_name(struct label *name, const char *what, int number)
{
    int length = snprintf(name->at, sizeof name->at, "shuttle-%s-%d", what, number);
    return (struct text){ name->at, (uint32_t)length };
}

static void transfer(struct ctx *ctx, struct random *r, int step)
{
    struct label id;
    struct supply_view view;
    int from = random_below(r, HUBS);
    struct supply_line line = { .sku = text_of(made_log_shuttle),
                                .qty = random_between(r, 1, SHUTTLES / 2) };
    struct supply_order order = { .id = number_name(&id, "t", step),
                                  .from = text_of(hubs[from]),
                                  .location = text_of(hubs[(from + 1) % HUBS]),
                                  .lines = &line,
                                  .line_count = 1 };
    ledger_transfer(ctx, &order, &view);
}

static void allot(struct ctx *ctx, struct random *r, int step)
{
    struct label id;
    struct allot_result result;
    int64_t qty = random_between(r, 1, SHUTTLES / 4);
    struct allotment a = { .id = number_name(&id, "a", step),
                           .sku = text_of(made_log_shuttle),
                           .location = text_of(hubs[random_below(r, HUBS)]),
                           .channel = text_of(made_log_hub),
                           .qty = random_chance(r, 50) ? qty : -qty };
    ledger_allot(ctx, &a, &result);
}

static void move(struct ctx *ctx, struct random *r)
{
    struct reservation_view view;
    int from = random_below(r, HUBS);
    struct move_line line = { .sku = text_of(made_log_shuttle),
                              .qty = random_between(r, 1, SHUTTLES_PROMISED),
                              .from = text_of(hubs[from]),
                              .to = text_of(hubs[(from + 1) % HUBS]) };
    struct relocation asked = { .id = text_of("shuttles-promised"),
                                .lines = &line,
                                .line_count = 1 };
    ledger_move(ctx, &asked, &view);
}

/* Some of it is refused, because the units are elsewhere. */
static void shuttle(struct made_log *made, struct random *r, int step)
{
    struct ctx *ctx = begin(made, (unsigned)random_below(r, CONTEXTS));
    int what = random_below(r, 10);
    if (what < 4)
        transfer(ctx, r, step);
    else if (what < 8)
        allot(ctx, r, step);
    else
        move(ctx, r);
    ledger_end(ctx);
    ledger_rig_drain(&made->rig);
}

/* ---- shops ---- */

static void ask_shop(struct made_log *made, struct model *model, const struct request *q,
                     struct random *r)
{
    static struct answer engine, answer;
    enum { TRIES = 100 };
    uint64_t before = made->rig.length;
    struct ctx *ctx = begin(made, (unsigned)random_below(r, CONTEXTS));
    driver_ask(&made->rig, ctx, q, &engine);
    for (int i = 0; engine.code == CODE_DEFERRED && i < TRIES; i++) {
        ledger_expire(ctx, 0);
        driver_ask(&made->rig, ctx, q, &engine);
    }
    for (int i = 0; ctx->sweep_count > 0 && i < TRIES; i++)
        ledger_expire(ctx, 0);
    ledger_end(ctx);
    ledger_rig_drain(&made->rig);
    told_order(&made->rig, before, model);
    model_ask(model, q, engine.lsn, &answer);
}

static void pass_in_shops(struct made_log *made, struct model *model, struct random *r)
{
    char why[256];
    size_t before = made->rig.length;
    made->now_ms +=
        (uint64_t)random_between(r, 1, random_chance(r, 70) ? 200 : 5000) * WHEEL_TICK_MS;
    come_up(made);
    model_set_time(model, made->now_ms);
    told_expiries(&made->rig, before, model, why, sizeof why);
    model_pass(model, made->now_ms);
}

static void make_shops(struct made_log *made, uint64_t seed, int steps)
{
    static struct request_maker maker;
    static struct model model;
    struct model_limits limits = { .items = MODEL_ITEMS, .pools = 1 << 13 };
    maker = (struct request_maker){ .random = { seed },
                                    .next_id = 1,
                                    .wall_ms = made->now_ms,
                                    .waits = true,
                                    .model = &model,
                                    .past = calloc(MOST_STEPS, sizeof *maker.past) };
    struct random r = { seed + 1 };
    model_init(&model, &limits, 2 * MOST_STEPS, MOST_STEPS * MODEL_DRAWS);
    model_pass(&model, made->now_ms);
    for (int step = 0; step < steps && step < MOST_STEPS; step++) {
        struct request q;
        if (random_chance(&r, 8))
            pass_in_shops(made, &model, &r);
        maker.wall_ms = made->now_ms;
        pick_request(&maker, &q);
        maker.past[maker.past_count++] = q;
        ask_shop(made, &model, &q, &r);
        for (int i = random_below(&r, 7); i > 0; i--)
            shuttle(made, &r, step * 8 + i);
        if (step % 16 == 0)
            come_up(made);
    }
    model_destroy(&model);
    free(maker.past);
}

/* ---- depots ---- */

static void ask_depot(struct made_log *made, struct depot *depot, const struct depot_request *q,
                      struct random *r)
{
    static struct depot_answer engine, answer;
    struct ctx *ctx = begin(made, (unsigned)random_below(r, CONTEXTS));
    depot_drive(ctx, q, &engine);
    depot_ask(depot, q, engine.lsn, &answer);
    ledger_end(ctx);
    ledger_rig_drain(&made->rig);
}

static void follow_expiries(struct made_log *made, struct depot *depot, size_t offset)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    while (offset < made->rig.length) {
        offset += ledger_rig_record(&made->rig, offset, record);
        int id = depot_expired((const struct record_head *)(const void *)record);
        if (id != 0)
            depot_expire(depot, id);
    }
    depot_settle(depot);
}

static void pass_in_depots(struct made_log *made, struct depot *depot, struct random *r)
{
    size_t before = made->rig.length;
    uint64_t ms = (uint64_t)random_between(r, 1, random_chance(r, 70) ? 80 : 800);
    made->now_ms += ms * WHEEL_TICK_MS;
    depot_pass(depot, made->now_ms);
    come_up(made);
    follow_expiries(made, depot, before);
}

static void make_depots(struct made_log *made, uint64_t seed, int steps)
{
    static struct depot_maker maker;
    static struct depot depot;
    struct random r = { seed + 1 };
    memset(&depot, 0, sizeof depot);
    memset(&maker, 0, sizeof maker);
    maker.random.state = seed;
    maker.depot = &depot;
    maker.next_id = 1;
    depot.in_order = true;
    depot.now_ms = made->now_ms;
    depot_pick_settings(&maker, &depot);
    depot_set_up(begin(made, 0), &depot);
    ledger_end(ledger_ctx(made->rig.ledger, 0));
    for (int step = 0; step < steps && maker.next_id < DEPOT_IDS - 40; step++) {
        struct depot_request q;
        if (random_chance(&r, 12))
            pass_in_depots(made, &depot, &r);
        depot_pick(&maker, &q);
        ask_depot(made, &depot, &q, &r);
        for (int i = random_below(&r, 7); i > 0; i--)
            shuttle(made, &r, MOST_STEPS * 8 + step * 8 + i);
        if (step % 16 == 0)
            come_up(made);
    }
}

/* ---- both ---- */

void made_log_open(struct made_log *made, uint64_t seed, int steps)
{
    memset(made, 0, sizeof *made);
    made->now_ms = UINT64_C(1700000000000) / WHEEL_TICK_MS * WHEEL_TICK_MS;
    struct ledger_config config = { .items = MODEL_ITEMS + DEPOT_ITEMS + 8,
                                    .pools = 1 << 14,
                                    .reservations = EXTENDED,
                                    .contexts = CONTEXTS,
                                    .readers = 4,
                                    .figures = 4 << 20,
                                    .hash_seed = seed };
    ledger_rig_open(&made->rig, &config);
    made->rig.log.tap = (struct log_tap){ events_take_run, ledger_events(made->rig.ledger) };
    set_up_hubs(made);
    make_shops(made, seed, steps);
    make_depots(made, seed, steps);
    come_up(made);
}

void made_log_close(struct made_log *made)
{
    ledger_rig_close(&made->rig);
}
