/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders over several pools that cross each other, and never an echo of one that failed.
 *
 * The doomed: orders for the last units and for two of an item of which there is never more than
 * one free, though it moves between two places so that a careless look sees two. They take the last
 * units tentatively, and always fail. Meanwhile others buy these units one by one: each of them
 * must get its unit, for at every instant there is one for it.
 */
#include "tests/support/race_rig.h"

enum { SEATS = 4, UNITS = 4000, MILLISECONDS = 2500 };

static _Atomic int buyers_left;
static _Atomic bool moving; /* one of the two units is taken */

static enum code order_two(struct racer *racer, uint64_t number, const struct order_line lines[2],
                           struct reservation_view *view)
{
    struct race_name id;
    struct order order = { .id = race_name(&id, (char)('A' + racer->index), number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = 2,
                           .confirm = number % 2 == 0 };
    return racer_reserve(racer, &order, view);
}

/* Moves the only free unit of `moving` between its two places: takes it where it is, then drops the
 * one taken before. */
static void move_about(struct racer *racer)
{
    uint64_t number = 0;
    RACE_MUST(racer_take(racer, number, "default", text_of("moving"), 1) == CODE_OK, "first");
    atomic_store(&moving, true);
    while (atomic_load(&buyers_left) > 0) {
        number++;
        RACE_MUST(racer_take(racer, number, "default", text_of("moving"), 1) == CODE_OK, "move");
        RACE_MUST(racer_drop(racer, number - 1) == CODE_OK, "drop");
        if (number % 16 == 0)
            racer_turn(racer);
    }
}

static void order_doomed(struct racer *racer)
{
    struct reservation_view view;
    /* One item lies before the wanted one in the order of pools, one behind it. */
    struct order_line lines[2] = { { .sku = text_of("wanted"), .qty = 1 },
                                   { .sku = text_of("moving"), .qty = 2 } };
    while (!atomic_load(&moving))
        racer_turn(racer);
    for (uint64_t i = 0; atomic_load(&buyers_left) > 0; i++) {
        enum code code = order_two(racer, i, lines, &view);
        RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "a doomed order: %s", code_name(code));
        racer->tally[0]++;
        struct order_line swapped = lines[0];
        lines[0] = lines[1];
        lines[1] = swapped;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* Each of the two buyers may have half of the units, and has them all in the end. */
static void buy_singles(struct racer *racer)
{
    uint64_t bought = 0, dropped = 0, share = UNITS / 2;
    while (bought - dropped < share) {
        enum code code = racer_take(racer, bought, "default", text_of("wanted"), 1);
        RACE_MUST(code == CODE_OK, "%s, because of an order that failed itself: %s",
                  code_name(code), seat_failure(racer->seat)->message);
        bought++;
        if (bought % 16 == 0)
            racer_turn(racer);
        bool again = bought - dropped == share && !racer_is_done(racer, MILLISECONDS);
        for (; again && dropped < bought; dropped++)
            RACE_MUST(racer_drop(racer, dropped) == CODE_OK, "drop");
    }
    atomic_fetch_sub(&buyers_left, 1);
}

static void play_part(struct racer *racer)
{
    if (racer->index < 2)
        buy_singles(racer);
    else if (racer->index == 2)
        order_doomed(racer);
    else
        move_about(racer);
}

/* Orders for two items in both orders of their lines, and for more than one place of each; what is
 * got is given back. */
static void cross(struct racer *racer)
{
    struct reservation_view view;
    struct race_name id;
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS / 2); i++) {
        uint64_t number = UINT64_C(1) << 32 | i;
        struct order_line lines[2] = {
            { .sku = text_of("left"), .qty = random_between(&racer->random, 1, 5) },
            { .sku = text_of("right"), .qty = random_between(&racer->random, 1, 5) }
        };
        if (racer->index % 2) {
            struct order_line swapped = lines[0];
            lines[0] = lines[1];
            lines[1] = swapped;
        }
        enum code code = order_two(racer, number, lines, &view);
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "cross: %s", code_name(code));
        racer->tally[code == CODE_OK]++;
        struct step step = { .id = race_name(&id, (char)('A' + racer->index), number) };
        if (code == CODE_OK)
            RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel");
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void expect(struct race *race, const char *sku, int64_t on_hand, int64_t reserved)
{
    int64_t is_on_hand, is_reserved;
    race_sum(race, text_of(sku), &is_on_hand, &is_reserved);
    RACE_MUST(is_on_hand == on_hand && is_reserved == reserved, "%s: %lld on hand, %lld reserved",
              sku, (long long)is_on_hand, (long long)is_reserved);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, SEATS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true; /* more ids than there are slots */
    race_add_location(&race, "east");
    race_stock(&race, text_of("moving"), text_of("main"), 1);
    race_stock(&race, text_of("wanted"), text_of("main"), UNITS);
    race_stock(&race, text_of("moving"), text_of("east"), 1);
    for (int side = 0; side < 2; side++) {
        race_stock(&race, text_of(side ? "left" : "right"), text_of("main"), 6);
        race_stock(&race, text_of(side ? "right" : "left"), text_of("east"), 6);
    }
    atomic_store(&buyers_left, 2);
    race_run(&race, SEATS, play_part, racers);
    expect(&race, "wanted", UNITS, UNITS);
    expect(&race, "moving", 2, 1);

    race_run(&race, SEATS, cross, racers);
    expect(&race, "left", 12, 0);
    expect(&race, "right", 12, 0);
    race_close(&race, "crossing_orders");
    return 0;
}
