/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to stand in is nobody else's. In each round a supply never comes, so all that was
 * promised of it is short; then as many units become free at its place, one by one: they are
 * received, found, returned, or of another supply and cancelled. Meanwhile thieves try to get one
 * in every way: none of them ever does, nor sees one that is available.
 */
#include <stdio.h>

#include "tests/support/race_rig.h"

enum { OWNER, BRINGER, THIEF, MOVER, CONTEXTS };
enum { MILLISECONDS = 1200, ROUNDS_LEAST = 4, LACKING = 4 };
enum { HOUR_MS = 3600 * 1000 };

static struct text sku(void)
{
    return text_of("unit");
}

static struct text place(void)
{
    return text_of("store");
}

/* Odd: promises are short. Thieves are at work then, and say which one they have seen. */
static _Atomic uint64_t phase, seen[CONTEXTS], to_bring;
static _Atomic bool over;

static void begin_phase(struct racer *racer)
{
    uint64_t next = atomic_fetch_add(&phase, 1) + 1;
    while (atomic_load(&seen[THIEF]) < next || atomic_load(&seen[MOVER]) < next)
        racer_turn(racer);
}

/* ---- the owner ---- */

static void expect(struct racer *racer, uint64_t number, int64_t qty, uint64_t in_ms)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = sku(), .qty = qty };
    struct supply_order order = { .id = race_name(&id, 's', number),
                                  .location = place(),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = race_ms(racer->race) + in_ms };
    RACE_MUST(racer_make_supply(racer, &order, &view) == CODE_OK, "expect: %s",
              ctx_failure(racer->ctx)->message);
}

static void arrive(struct racer *racer, uint64_t number, int64_t accepted, bool close)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = sku(), .qty = accepted };
    struct supply_step step = {
        .id = race_name(&id, 's', number), .lines = &line, .line_count = 1, .close = close
    };
    RACE_MUST(racer_step_supply(racer, ledger_arrive, &step, &view) == CODE_OK, "arrive: %s",
              ctx_failure(racer->ctx)->message);
}

static void promise(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = sku(), .qty = 1 };
    struct order order = { .id = race_name(&id, 'o', number),
                           .channel = text_of("soon"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "promise: %s",
              ctx_failure(racer->ctx)->message);
}

static void cancel(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct step step = { .id = race_name(&id, 'o', number) };
    RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel: %s",
              ctx_failure(racer->ctx)->message);
}

/* Until its unit is there. */
static void hand_over(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct step step = { .id = race_name(&id, 'o', number) };
    enum code code;
    while ((code = racer_fulfil(racer, &step, &view)) == CODE_INSUFFICIENT_STOCK)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "hand over: %s", ctx_failure(racer->ctx)->message);
}

/* Two supplies: of the first nothing comes; of the second two units have come, one of which is
 * cancelled, and one that is promised to nobody is still expected. */
static void own(struct racer *racer)
{
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, ROUNDS_LEAST); i++) {
        uint64_t first = i * (LACKING + 2), second = first + LACKING;
        expect(racer, 2 * i, LACKING, HOUR_MS);
        expect(racer, 2 * i + 1, 3, 2 * HOUR_MS);
        for (unsigned n = 0; n < LACKING + 2; n++)
            promise(racer, first + n);
        arrive(racer, 2 * i, 0, true);
        arrive(racer, 2 * i + 1, 2, false);
        begin_phase(racer);
        atomic_store(&to_bring, LACKING - 1);
        cancel(racer, second);
        for (unsigned n = 0; n < LACKING; n++)
            hand_over(racer, first + n);
        begin_phase(racer);
        arrive(racer, 2 * i + 1, 0, true);
        hand_over(racer, second + 1);
        racer->tally[0]++;
    }
    atomic_store(&over, true);
}

/* ---- the others ---- */

static void bring(struct racer *racer)
{
    for (uint64_t i = 0; !atomic_load(&over); i++) {
        struct race_name id;
        struct movement_result r;
        racer_turn(racer);
        if (atomic_load(&to_bring) == 0)
            continue;
        atomic_fetch_sub(&to_bring, 1);
        struct movement m = {
            .id = race_name(&id, 'm', i), .sku = sku(), .location = place(), .qty = 1
        };
        unsigned how = (unsigned)random_below(&racer->random, 3);
        enum code code = how == 0   ? racer_receive(racer, &m, &r)
                         : how == 1 ? racer_adjust(racer, &m, &r)
                                    : racer_return(racer, &m, &r);
        RACE_MUST(code == CODE_OK, "bring: %s", ctx_failure(racer->ctx)->message);
        racer->tally[0]++;
    }
}

static void must_fail(const struct racer *racer, enum code code, const char *who)
{
    RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "%s got a unit that was to stand in (%s)", who,
              code == CODE_OK ? "granted" : ctx_failure(racer->ctx)->message);
}

static void look(struct racer *racer, const char *channel, int64_t most)
{
    struct text item = sku();
    int64_t available = 0;
    uint64_t lsn;
    enum code code = ledger_availability(racer->ctx, text_of(channel), &item, 1, &available, &lsn);
    RACE_MUST(code != CODE_OK || available <= most, "%lld are available on %s, and not %lld",
              (long long)available, channel, (long long)most);
    racer->tally[1] += code == CODE_OK;
}

static void send_away(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = sku(), .qty = 1 };
    struct supply_order order = { .id = race_name(&id, 't', number),
                                  .from = place(),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .hold = random_chance(&racer->random, 50) };
    must_fail(racer, racer_make_supply(racer, &order, &view), "a transfer");
}

static void allot(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct allot_result r;
    struct allotment a = { .id = race_name(&id, 'a', number),
                           .sku = sku(),
                           .location = place(),
                           .channel = text_of("default"),
                           .qty = 1 };
    must_fail(racer, racer_allot(racer, &a, &r), "an allotment");
}

static void steal(struct racer *racer, uint64_t number)
{
    if (racer->index == THIEF) {
        must_fail(racer, racer_take(racer, number, "default", sku(), 1), "an order");
        look(racer, "default", 0);
    } else if (number % 3 == 0) {
        must_fail(racer, racer_take(racer, number, "soon", sku(), 2), "an order of two");
        look(racer, "soon", 1);
    } else if (number % 3 == 1) {
        send_away(racer, number);
    } else {
        allot(racer, number);
    }
    racer->tally[0]++;
}

static void thieve(struct racer *racer)
{
    for (uint64_t i = 0; !atomic_load(&over);) {
        uint64_t now = atomic_load(&phase);
        atomic_store(&seen[racer->index], now);
        if (now % 2 == 1)
            steal(racer, i++);
        if (i % 16 == 0 || now % 2 == 0)
            racer_turn(racer);
    }
}

static void work(struct racer *racer)
{
    if (racer->index == OWNER)
        own(racer);
    else if (racer->index == BRINGER)
        bring(racer);
    else
        thieve(racer);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "store");
    race_set_channel(&race, &(struct channel_setting){
                                .code = text_of("soon"), .has_incoming = true, .incoming = true });
    race_run(&race, CONTEXTS, work, racers);
    RACE_MUST(racers[THIEF].tally[1] > 0, "the thief never looked");
    race_sum(&race, sku(), &on_hand, &reserved);
    RACE_MUST(on_hand == 0 && reserved == 0, "%lld units are left, of which %lld are promised",
              (long long)on_hand, (long long)reserved);
    printf("%lld rounds, %lld attempts to get what is to stand in\n",
           (long long)racers[OWNER].tally[0],
           (long long)racers[THIEF].tally[0] + (long long)racers[MOVER].tally[0]);
    race_close(&race, "stand-ins");
    return 0;
}
