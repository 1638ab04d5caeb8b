/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order that finds its stock but no slots for its draws is refused, and gives back what it took.
 * It failed itself, so nobody else may be refused because of it.
 */
#include <stdio.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 2, SLOTS = 64, UNITS = 8, MILLISECONDS = 1500, LEAST = 100 };

/* Leaves one free slot to each context: enough for an order of one draw. */
static void fill(struct racer *racer)
{
    for (uint64_t i = 0; i < SLOTS - CONTEXTS; i++)
        RACE_MUST(racer_take(racer, i, "default", text_of("filler"), 1) == CODE_OK, "fill");
}

/* Wants all there is, and needs three slots: its own, and two for its draws. */
static void order_all(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line lines[UNITS];
    for (int i = 0; i < UNITS; i++)
        lines[i] = (struct order_line){ .sku = text_of("rare"), .qty = 1 };
    struct order order = { .id = race_name(&id, 'z', number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = UNITS };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_LIMIT || code == CODE_INSUFFICIENT_STOCK, "all: %s", code_name(code));
    racer->tally[0] += code == CODE_LIMIT;
}

/* One racer wants all units and has no slots for them, the other wants one at a time. */
static void race_on(struct racer *racer)
{
    uint64_t base = UINT64_C(1) << 32;
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, LEAST); i++) {
        if (racer->index == 0) {
            order_all(racer, i);
        } else {
            enum code code = racer_take(racer, base + i, "default", text_of("rare"), 1);
            RACE_MUST(code == CODE_OK || code == CODE_LIMIT,
                      "%s, because of an order that failed itself: %s", code_name(code),
                      ctx_failure(racer->ctx)->message);
            racer->tally[0] += code == CODE_OK;
            if (code == CODE_OK)
                RACE_MUST(racer_drop(racer, base + i) == CODE_OK, "drop");
        }
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ .reservations = SLOTS }, argc, argv);
    race.forgetful = true;
    race_stock(&race, text_of("filler"), text_of("main"), SLOTS);
    race_stock(&race, text_of("rare"), text_of("main"), UNITS);
    race_run(&race, 1, fill, racers);
    race_run(&race, CONTEXTS, race_on, racers);
    printf("%lld orders found the table full, %lld went through\n", (long long)racers[0].tally[0],
           (long long)racers[1].tally[0]);
    race_close(&race, "full_table");
    return 0;
}
