/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of the shelf while what was set aside is handed over: that changes what is on hand and
 * what is set aside, and nothing on the shelf. So every count finds what the one before did, and
 * not one unit appears or is lost.
 */
#include "engine/ledger/steps.h"
#include "tests/support/race_rig.h"

enum { SELLERS = 2, NUMBERS = 4000 * RACE_SCALE, SHELF = 50, UNITS = 2 };

static _Atomic unsigned selling;
static _Atomic bool counting;

static struct text id_of(struct race_name *name, unsigned seller, uint64_t number)
{
    return race_name(name, (char)('A' + seller), number);
}

static void set_aside(struct racer *racer, struct text id)
{
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = UNITS };
    struct order order = {
        .id = id, .channel = text_of("default"), .lines = &line, .line_count = 1, .confirm = true
    };
    struct set_aside asked = { .id = id, .location = text_of("main") };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    enum code code;
    while ((code = ledger_ready(racer->ctx, &asked, &view)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "ready: %s", ctx_failure(racer->ctx)->message);
}

static void prepare(struct racer *racer)
{
    struct race_name name;
    for (unsigned s = 0; s < SELLERS; s++)
        for (uint64_t n = 0; n < NUMBERS; n++) {
            set_aside(racer, id_of(&name, s, n));
            racer_turn(racer);
        }
}

static void hand_over(struct racer *racer)
{
    struct race_name name, op;
    struct reservation_view view;
    struct order_line one = { .sku = text_of("tea"), .qty = 1 };
    while (!atomic_load(&counting))
        racer_turn(racer);
    for (uint64_t n = 0; n < NUMBERS; n++) {
        struct step step = { .id = id_of(&name, racer->index, n) };
        if (random_chance(&racer->random, 30)) { /* a unit first */
            struct step part = { .id = step.id,
                                 .op = race_name(&op, (char)('a' + racer->index), n),
                                 .lines = &one,
                                 .line_count = 1 };
            RACE_MUST(racer_fulfil(racer, &part, &view) == CODE_OK, "fulfil: %s",
                      ctx_failure(racer->ctx)->message);
        }
        RACE_MUST(racer_fulfil(racer, &step, &view) == CODE_OK, "fulfil: %s",
                  ctx_failure(racer->ctx)->message);
        racer_turn(racer);
    }
    atomic_fetch_sub(&selling, 1);
}

static void count(struct racer *racer, uint64_t number)
{
    struct race_name name;
    struct movement_result result;
    struct movement m = { .id = race_name(&name, 'c', number),
                          .sku = text_of("tea"),
                          .location = text_of("main"),
                          .qty = SHELF,
                          .shelf = true };
    RACE_MUST(racer_count(racer, &m, &result) == CODE_OK, "count: %s",
              ctx_failure(racer->ctx)->message);
    RACE_MUST(result.delta == 0, "count %llu: %lld units appeared", (unsigned long long)number,
              (long long)result.delta);
}

static void work(struct racer *racer)
{
    if (racer->index < SELLERS) {
        hand_over(racer);
        return;
    }
    atomic_store(&counting, true);
    for (uint64_t n = 0; atomic_load(&selling) > 0; n++) {
        count(racer, n);
        racer_turn(racer);
        racer->tally[0]++;
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved;
    race_open(&race, SELLERS + 1, &(struct race_tables){ .keep_records = false }, argc, argv);
    race_stock(&race, text_of("tea"), text_of("main"), SELLERS * NUMBERS * UNITS + SHELF);
    race_run(&race, 1, prepare, racers);
    atomic_store(&selling, SELLERS);
    race_run(&race, SELLERS + 1, work, racers);
    RACE_MUST(racers[SELLERS].tally[0] > 0, "nothing was counted");
    race_sum(&race, text_of("tea"), &on_hand, &reserved);
    RACE_MUST(on_hand == SHELF && reserved == 0, "%lld on hand, %lld reserved", (long long)on_hand,
              (long long)reserved);
    race_close(&race, "shelf");
    return 0;
}
