/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supplies from outside and between two places come in parts, are shipped, rescheduled, withdrawn
 * and closed by two contexts at once, while two others promise their units, fulfil and cancel. At
 * the end nothing is open. Then what is on hand is what came less what was fulfilled, and all of it
 * is available: no unit was lost, none came twice, and none was left with a supply.
 *
 * "many": a few units of many supplies, of which the contexts change the latest. "one": one supply
 * of which all draw, and which comes unit by unit: whoever was promised first is served first.
 * "moving": transfers that arrive at once take all units to and fro; orders that always fit are not
 * refused, wherever the units are. "late": a supply that is rescheduled each time it is late; while
 * it is, nothing of it is promised.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/race_rig.h"

enum {
    CONTEXTS = 4,
    MAKERS = 2,     /* the first contexts */
    MOST_LIVE = 6,  /* supplies that are worked on at a time */
    MOST_OPEN = 12, /* reservations of a context */
    SUPPLIES_MAX = 100000,
    MILLISECONDS = 1500,
    ONE = 60 * RACE_SCALE, /* units of the one supply */
};

enum { FULFILLED, STEPS }; /* of a racer's tally */
enum { STEPS_LEAST = 100 * RACE_SCALE, STEPS_MOST = 16000 };

static const char *const places[] = { "main", "store" };
static _Atomic uint64_t next_supply;

/* As long as the ids of all steps have slots: the sums need documents that are over, too. A fast
 * machine comes to that end before the time is up. */
static bool goes_on(const struct racer *racer)
{
    return racer->tally[STEPS] < STEPS_MOST &&
           !racer_has_done(racer, MILLISECONDS, STEPS, STEPS_LEAST);
}

/* ---- supplies ---- */

static struct text supply_name(struct race_name *name, uint64_t number)
{
    return race_name(name, 's', number);
}

static void must_be(const struct racer *racer, enum code code, const char *what)
{
    bool fits = code == CODE_OK || code == CODE_WRONG_STATE || code == CODE_BAD_REQUEST ||
                code == CODE_UNKNOWN_RESERVATION || code == CODE_INSUFFICIENT_STOCK;
    RACE_MUST(fits, "%s: %s", what, ctx_failure(racer->ctx)->message);
}

/* Some are late soon. */
static uint64_t pick_eta(struct racer *racer)
{
    return race_ms(racer->race) + (uint64_t)random_between(&racer->random, 20, 60000);
}

static void make_supply(struct racer *racer)
{
    struct race_name id;
    struct supply_view view;
    int to = random_below(&racer->random, 2);
    struct supply_line line = { .sku = text_of("tea"),
                                .qty = random_between(&racer->random, 1, 12) };
    struct supply_order order = {
        .id = supply_name(&id, atomic_fetch_add(&next_supply, 1)),
        .location = text_of(places[to]),
        .lines = &line,
        .line_count = 1,
        .has_eta = random_chance(&racer->random, 90),
        .eta_ms = pick_eta(racer),
    };
    if (random_chance(&racer->random, 40)) {
        order.from = text_of(places[1 - to]);
        order.hold = random_chance(&racer->random, 50);
    }
    must_be(racer, racer_make_supply(racer, &order, &view), "a new supply");
}

static void step_supply(struct racer *racer, uint64_t number, uint64_t op)
{
    static const struct {
        supply_step_call *call;
        const char *what;
    } steps[] = { { ledger_arrive, "arrive" },     { ledger_arrive, "arrive" },
                  { ledger_arrive, "arrive" },     { ledger_ship, "ship" },
                  { ledger_withdraw, "withdraw" }, { ledger_reschedule, "reschedule" } };
    struct race_name id, op_name;
    struct supply_view view;
    int at = random_below(&racer->random, 6);
    struct supply_line line = { .sku = text_of("tea"),
                                .qty = random_between(&racer->random, 1, 4) };
    struct supply_step step = { .id = supply_name(&id, number),
                                .all = at == 5 || random_chance(&racer->random, 25),
                                .lines = &line,
                                .line_count = 1,
                                .has_eta = at == 5,
                                .eta_ms = pick_eta(racer),
                                .close = at == 0 && random_chance(&racer->random, 30) };
    if (random_chance(&racer->random, 50))
        step.op = race_name(&op_name, (char)('A' + racer->index), op);
    if (at < 3 && random_chance(&racer->random, 20))
        line.rejected = random_between(&racer->random, 1, 2);
    must_be(racer, racer_step_supply(racer, steps[at].call, &step, &view), steps[at].what);
}

static void work_on_supplies(struct racer *racer)
{
    for (uint64_t i = 0; goes_on(racer); i++) {
        racer->tally[STEPS]++;
        uint64_t made = atomic_load(&next_supply);
        if (made < MOST_LIVE || (made < SUPPLIES_MAX && random_chance(&racer->random, 15)))
            make_supply(racer);
        else
            step_supply(racer, made - 1 - (uint64_t)random_below(&racer->random, MOST_LIVE), i);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* Of those that are over, what is refused changes nothing. */
static void close_supplies(struct racer *racer)
{
    uint64_t made = atomic_load(&next_supply);
    for (uint64_t number = 0; number < made; number++) {
        struct race_name id;
        struct supply_view view;
        struct supply_step step = { .id = supply_name(&id, number), .all = true };
        must_be(racer, racer_step_supply(racer, ledger_withdraw, &step, &view), "withdraw");
        step.close = true;
        must_be(racer, racer_step_supply(racer, ledger_arrive, &step, &view), "arrive");
        if (number % 64 == 0)
            racer_turn(racer);
    }
}

/* Units that came from outside; nothing may be under way any more. */
static int64_t units_that_came(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    uint64_t made = atomic_load(&next_supply);
    int64_t sum = 0;
    ledger_begin(ctx, race_ms(race), race_ms(race));
    for (uint64_t number = 0; number < made; number++) {
        struct race_name id;
        struct supply_view view;
        enum code code = ledger_supply(ctx, supply_name(&id, number), &view);
        if (code == CODE_UNKNOWN_RESERVATION)
            continue; /* a transfer of units that were not there */
        RACE_MUST(code == CODE_OK, "supply: %s", ctx_failure(ctx)->message);
        RACE_MUST(strcmp(view.state, "arrived") == 0 || strcmp(view.state, "withdrawn") == 0,
                  "supply %llu is %s", (unsigned long long)number, view.state);
        const struct supply_line_view *line = &view.lines[0];
        int64_t over = line->accepted + line->rejected + line->lost - line->shipped;
        RACE_MUST(over >= 0, "supply %llu: %lld units are nowhere", (unsigned long long)number,
                  (long long)-over);
        bool expect = strcmp(view.kind, "expect") == 0;
        sum += line->accepted - (expect ? 0 : line->shipped);
    }
    ledger_end(ctx);
    return sum;
}

/* ---- orders ---- */

static bool reserve(struct racer *racer, uint64_t number, int64_t qty)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index), number),
                           .channel = text_of("soon"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    racer->tally[STEPS]++;
    return code == CODE_OK;
}

static bool fulfil(struct racer *racer, uint64_t number, int64_t qty)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct step step = { .id = race_name(&id, (char)('a' + racer->index), number),
                         .lines = &line,
                         .line_count = 1 };
    enum code code = racer_fulfil(racer, &step, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK || code == CODE_WRONG_STATE ||
                  code == CODE_UNKNOWN_RESERVATION, /* it was refused */
              "fulfil: %s", ctx_failure(racer->ctx)->message);
    racer->tally[FULFILLED] += code == CODE_OK ? qty : 0;
    return code == CODE_OK;
}

static void cancel(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct step step = { .id = race_name(&id, (char)('a' + racer->index), number) };
    enum code code = racer_cancel(racer, &step, &view);
    RACE_MUST(code == CODE_OK || code == CODE_WRONG_STATE || code == CODE_UNKNOWN_RESERVATION,
              "cancel: %s", ctx_failure(racer->ctx)->message);
}

static void work_on_orders(struct racer *racer)
{
    uint64_t i = 0;
    for (; goes_on(racer); i++) {
        int64_t qty = random_between(&racer->random, 1, 5);
        reserve(racer, i, qty);
        if (i >= MOST_OPEN) {
            uint64_t old = i - 1 - (uint64_t)random_below(&racer->random, MOST_OPEN - 1);
            fulfil(racer, old, random_between(&racer->random, 1, 3));
            if (random_chance(&racer->random, 50))
                cancel(racer, old);
            cancel(racer, i - MOST_OPEN);
        }
        if (i % 8 == 0)
            racer_turn(racer);
    }
    for (uint64_t open = i > MOST_OPEN ? i - MOST_OPEN : 0; open < i; open++)
        cancel(racer, open);
}

static void many(struct racer *racer)
{
    if (racer->index < MAKERS)
        work_on_supplies(racer);
    else
        work_on_orders(racer);
}

/* ---- one supply ---- */

static _Atomic uint64_t promised; /* orders that have had their unit promised */

static struct text turn_name(struct race_name *name, uint64_t number)
{
    return race_name(name, 'o', number);
}

/* Promised in the order of their numbers. */
static void promise_all(struct racer *racer)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    for (uint64_t number = 0; number < ONE; number++) {
        struct order order = { .id = turn_name(&id, number),
                               .channel = text_of("soon"),
                               .lines = &line,
                               .line_count = 1,
                               .confirm = true };
        RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
                  ctx_failure(racer->ctx)->message);
        atomic_store(&promised, number + 1);
        racer_turn(racer);
    }
}

/* Units arrive one by one: `coming` is raised before each arrival, `come` after it. */
static _Atomic uint64_t coming, come;

static void arrive_all(struct racer *racer)
{
    struct race_name id, op;
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = 1 };
    for (uint64_t number = 0; number < ONE; number++) {
        struct supply_step step = { .id = supply_name(&id, 0),
                                    .op = race_name(&op, 'p', number),
                                    .lines = &line,
                                    .line_count = 1 };
        while (atomic_load(&promised) <= number) /* or it would come free, into the shared pool */
            racer_turn(racer);
        atomic_store(&coming, number + 1);
        RACE_MUST(racer_step_supply(racer, ledger_arrive, &step, &view) == CODE_OK, "arrive: %s",
                  ctx_failure(racer->ctx)->message);
        atomic_store(&come, number + 1);
        racer_turn(racer);
    }
}

/* A fulfil that should be done must be; one of a later promise must not. */
static void fulfil_in_turn(struct racer *racer)
{
    uint64_t parity = racer->index % 2, number = parity;
    while (number < ONE) {
        struct race_name id;
        struct reservation_view view;
        struct step step = { .id = turn_name(&id, number) };
        bool there = atomic_load(&come) > number && atomic_load(&promised) > number;
        enum code code = racer_fulfil(racer, &step, &view);
        bool could = atomic_load(&coming) > number;
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK ||
                      code == CODE_UNKNOWN_RESERVATION,
                  "fulfil: %s", ctx_failure(racer->ctx)->message);
        RACE_MUST(code != CODE_OK || could, "order %llu has what was promised to those before it",
                  (unsigned long long)number);
        RACE_MUST(code == CODE_OK || !there, "order %llu cannot have what has come for it: %s",
                  (unsigned long long)number, ctx_failure(racer->ctx)->message);
        if (code == CODE_OK)
            number += 2;
        racer_turn(racer);
    }
}

static void one(struct racer *racer)
{
    if (racer->index == 0)
        promise_all(racer);
    else if (racer->index == 1)
        arrive_all(racer);
    else
        fulfil_in_turn(racer);
}

/* ---- units that move ---- */

enum { MOVING = 24, MOST_HELD = 12 }; /* two contexts hold units */

static void move_all(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"),
                                .qty = random_between(&racer->random, 1, MOVING) };
    int to = random_below(&racer->random, 2);
    struct supply_order order = { .id = race_name(&id, (char)('S' + racer->index), number),
                                  .from = text_of(places[1 - to]),
                                  .location = text_of(places[to]),
                                  .lines = &line,
                                  .line_count = 1 };
    enum code code = racer_make_supply(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "transfer: %s",
              ctx_failure(racer->ctx)->message);
}

static void moving(struct racer *racer)
{
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, STEPS, STEPS_LEAST); i++) {
        if (racer->index < MAKERS) {
            racer->tally[STEPS]++;
            move_all(racer, i);
        } else {
            RACE_MUST(reserve(racer, i, random_between(&racer->random, 1, MOST_HELD)),
                      "units that are at either place are at neither: %s",
                      ctx_failure(racer->ctx)->message);
            cancel(racer, i);
        }
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* ---- a supply that is late ---- */

enum { SOON_MS = 30 };

static _Atomic uint64_t latest_eta_ms; /* set before the engine is asked to use it */

static void come_late(struct racer *racer)
{
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        struct race_name id;
        struct supply_view view;
        racer_turn(racer);
        if (race_ms(racer->race) < atomic_load(&latest_eta_ms) + SOON_MS)
            continue;
        atomic_store(&latest_eta_ms, race_ms(racer->race) + SOON_MS);
        struct supply_step step = { .id = supply_name(&id, 0),
                                    .all = true,
                                    .has_eta = true,
                                    .eta_ms = atomic_load(&latest_eta_ms) };
        must_be(racer, racer_step_supply(racer, ledger_reschedule, &step, &view), "reschedule");
    }
}

static void late(struct racer *racer)
{
    if (racer->index == 0) {
        come_late(racer);
        return;
    }
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, STEPS, STEPS_LEAST); i++) {
        uint64_t began_ms = race_ms(racer->race);
        racer_turn(racer);
        if (!reserve(racer, i, 1))
            continue;
        RACE_MUST(began_ms < atomic_load(&latest_eta_ms), "units that were %llu ms late are sold",
                  (unsigned long long)(began_ms - atomic_load(&latest_eta_ms)));
        cancel(racer, i);
    }
}

/* ---- the races ---- */

static void begin(struct race *race, int argc, char **argv)
{
    race_open(race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race_add_location(race, "store");
    race_set_channel(race, &(struct channel_setting){
                               .code = text_of("soon"), .has_incoming = true, .incoming = true });
    atomic_store(&next_supply, 0);
}

/* A sweep that was not sure looks again in its context's next iteration. */
static void sweep_all(struct race *race)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct racer racer = { .race = race, .ctx = ledger_ctx(race->ledger, i) };
        uint64_t now = race_ms(race);
        ledger_begin(racer.ctx, now, now);
        racer_turn(&racer);
        ledger_end(racer.ctx);
    }
}

/* All that is on hand is available to a channel that promises nothing that is on its way. */
static void check_stock(struct race *race, int64_t wanted)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    struct text sku = text_of("tea");
    int64_t available, on_hand, reserved;
    uint64_t lsn;
    sweep_all(race);
    race_sum(race, sku, &on_hand, &reserved);
    RACE_MUST(on_hand == wanted, "%lld on hand, but %lld came and stayed", (long long)on_hand,
              (long long)wanted);
    RACE_MUST(reserved == 0, "%lld are still reserved", (long long)reserved);
    ledger_begin(ctx, race_ms(race), race_ms(race));
    RACE_MUST(ledger_availability(ctx, text_of("default"), &sku, 1, &available, &lsn) == CODE_OK,
              "availability: %s", ctx_failure(ctx)->message);
    RACE_MUST(available == on_hand, "%lld of %lld are available", (long long)available,
              (long long)on_hand);
    ledger_end(ctx);
}

static void race_many(struct race *race, int argc, char **argv)
{
    struct racer racers[RACERS_MAX];
    int64_t fulfilled = 0;
    begin(race, argc, argv);
    race_stock(race, text_of("tea"), text_of("main"), 20);
    race_run(race, CONTEXTS, many, racers);
    for (unsigned i = MAKERS; i < CONTEXTS; i++)
        fulfilled += racers[i].tally[FULFILLED];
    race_run(race, 1, close_supplies, racers);
    check_stock(race, 20 + units_that_came(race) - fulfilled);
    race_close(race, "supply: many");
}

static void expect_one(struct race *race, int64_t qty, uint64_t eta_ms)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = qty };
    struct supply_order order = { .id = supply_name(&id, 0),
                                  .location = text_of("store"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = eta_ms };
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    ledger_begin(ctx, race_ms(race), race_ms(race));
    RACE_MUST(ledger_expect(ctx, &order, &view) == CODE_OK, "expect: %s",
              ctx_failure(ctx)->message);
    ledger_end(ctx);
    atomic_store(&next_supply, 1);
}

static void race_one(struct race *race, int argc, char **argv)
{
    struct racer racers[RACERS_MAX];
    begin(race, argc, argv);
    expect_one(race, ONE, race_ms(race) + UINT64_C(3600000));
    race_run(race, CONTEXTS, one, racers);
    check_stock(race, 0);
    race_close(race, "supply: one");
}

static void race_moving(struct race *race, int argc, char **argv)
{
    struct racer racers[RACERS_MAX];
    begin(race, argc, argv);
    race->forgetful = true; /* more ids than there are slots */
    race_stock(race, text_of("tea"), text_of("main"), MOVING);
    race_run(race, CONTEXTS, moving, racers);
    check_stock(race, MOVING);
    race_close(race, "supply: moving");
}

static void race_late(struct race *race, int argc, char **argv)
{
    struct racer racers[RACERS_MAX];
    begin(race, argc, argv);
    race->forgetful = true; /* likewise */
    atomic_store(&latest_eta_ms, race_ms(race) + SOON_MS);
    expect_one(race, ONE, atomic_load(&latest_eta_ms));
    race_run(race, CONTEXTS, late, racers);
    race_run(race, 1, close_supplies, racers);
    check_stock(race, units_that_came(race));
    race_close(race, "supply: late");
}

int main(int argc, char **argv)
{
    struct race race;
    race_many(&race, argc, argv);
    race_one(&race, argc, argv);
    race_moving(&race, argc, argv);
    race_late(&race, argc, argv);
    return 0;
}
