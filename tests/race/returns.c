/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Returns that name one reservation, from several contexts at once, with evidence that the others
 * make stale all the while: in all exactly what was fulfilled comes back, of each reservation. One
 * context fulfils the reservation in parts meanwhile, so that what is fulfilled grows, too.
 */
#include <time.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 3, NUMBERS = 60 * RACE_SCALE, UNITS = 6 };

static _Atomic int64_t came_back[NUMBERS];

static struct text reservation(struct race_name *name, uint64_t number)
{
    return race_name(name, 's', number);
}

static void fulfil_one(struct racer *racer, uint64_t number, unsigned part)
{
    struct race_name id, op;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct step step = { .id = reservation(&id, number),
                         .op = race_name(&op, 'f', number * UNITS + part),
                         .lines = &line,
                         .line_count = 1 };
    RACE_MUST(racer_fulfil(racer, &step, &view) == CODE_OK, "fulfil: %s",
              ctx_failure(racer->ctx)->message);
}

/* A refusal must be true: so much had not been fulfilled, or had come back, when it was asked. */
static void give_one_back(struct racer *racer, uint64_t number, unsigned try)
{
    struct race_name id, to;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, (char)('A' + racer->index), number * 1000 + try),
                          .sku = text_of("tea"),
                          .location = text_of("main"),
                          .qty = 1,
                          .ref = reservation(&to, number) };
    enum code code = racer_return(racer, &m, &result);
    RACE_MUST(code == CODE_OK || code == CODE_WRONG_STATE, "return: %s",
              ctx_failure(racer->ctx)->message);
    if (code == CODE_OK) {
        int64_t back = atomic_fetch_add(&came_back[number], 1) + 1;
        RACE_MUST(back <= UNITS, "reservation %llu: %lld of %d units came back",
                  (unsigned long long)number, (long long)back, UNITS);
    }
}

static void reserve(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = UNITS };
    struct order order = { .id = reservation(&id, number),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
}

/* Who got the last unit back may be kept from counting it, on a busy machine for long. */
static void wait_for_others(unsigned tries)
{
    enum { MOST_MS = 100 };
    const struct timespec pause = { 0, 1000000L * (tries < MOST_MS ? tries : MOST_MS) };
    nanosleep(&pause, NULL);
}

static void sell_and_return(struct racer *racer)
{
    for (uint64_t number = 0; number < NUMBERS && racer_goes_on(racer, 2 * number); number++) {
        reserve(racer, number); /* one does it; for the others it is a repeat */
        for (unsigned i = 0; i < UNITS; i++) {
            fulfil_one(racer, number, i); /* likewise */
            give_one_back(racer, number, i);
            racer_turn(racer);
        }
        racer_keep_pace(racer, 2 * number + 1);
        for (unsigned i = UNITS; atomic_load(&came_back[number]) < UNITS; i++) {
            RACE_MUST(i < 1000, "reservation %llu: units that never come back",
                      (unsigned long long)number);
            give_one_back(racer, number, i);
            wait_for_others(i);
        }
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved;
    race_open(&race, CONTEXTS, &(struct race_tables){ .keep_records = true }, argc, argv);
    race_stock(&race, text_of("tea"), text_of("main"), UNITS * NUMBERS);
    race_run(&race, CONTEXTS, sell_and_return, racers);
    uint64_t numbers = (race_steps(&race, 2 * NUMBERS) + 1) / 2;
    for (uint64_t number = 0; number < numbers; number++)
        RACE_MUST(atomic_load(&came_back[number]) == UNITS, "reservation %llu: %lld came back",
                  (unsigned long long)number, (long long)atomic_load(&came_back[number]));
    race_sum(&race, text_of("tea"), &on_hand, &reserved);
    RACE_MUST(on_hand == UNITS * NUMBERS && reserved == 0, "%lld on hand, %lld reserved",
              (long long)on_hand, (long long)reserved);
    race_close(&race, "returns");
    return 0;
}
