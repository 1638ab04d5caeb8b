/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders over several pools that cross each other, and never an echo of one that failed.
 *
 * The doomed: orders for one of the wanted units, and for one more of another item than is ever
 * free, though what is free moves about between its places so that a careless look sees enough.
 * They take the wanted unit tentatively, and always fail. Meanwhile others buy these units one by
 * one: each of them must get its unit, for at every instant there is one for it.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, PLACES = 20, UNITS = 4000, FEW = 2, MILLISECONDS = 2000 };

static _Atomic int buyers_left;
static _Atomic bool moving;   /* one of the units is taken */
static uint64_t wanted_units; /* of which each of the two buyers may have half */
static const char *wanted;    /* their sku; set between races */
static uint64_t base;         /* numbers start there; set between races */

static enum code order_two(struct racer *racer, uint64_t number, const struct order_line lines[2],
                           struct reservation_view *view)
{
    struct race_name id;
    struct order order = { .id = race_name(&id, (char)('A' + racer->index), base + number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = 2,
                           .confirm = number % 2 == 0 };
    return racer_reserve(racer, &order, view);
}

static void swap(struct order_line lines[2])
{
    struct order_line first = lines[0];
    lines[0] = lines[1];
    lines[1] = first;
}

static struct text place(struct race_name *name, int number)
{
    return race_name(name, 'L', (uint64_t)number);
}

/* Takes a unit at any place, then drops the one it had. */
static void move_about(struct racer *racer)
{
    struct race_name name;
    struct text sku = text_of("moving");
    uint64_t number = base, held = base;
    RACE_MUST(racer_take(racer, held, "default", sku, 1) == CODE_OK, "first");
    atomic_store(&moving, true);
    while (atomic_load(&buyers_left) > 0) {
        struct text at = place(&name, random_below(&racer->random, PLACES));
        if (racer_take_at(racer, ++number, "default", sku, 1, at) == CODE_OK) {
            RACE_MUST(racer_drop(racer, held) == CODE_OK, "drop");
            held = number;
        }
        if (number % 16 == 0)
            racer_turn(racer);
    }
    RACE_MUST(racer_drop(racer, held) == CODE_OK, "last");
}

static void order_doomed(struct racer *racer)
{
    struct reservation_view view;
    struct order_line lines[2] = { { .sku = text_of(wanted), .qty = 1 },
                                   { .sku = text_of("moving"), .qty = PLACES } };
    while (!atomic_load(&moving))
        racer_turn(racer);
    for (uint64_t i = 0; atomic_load(&buyers_left) > 0; i++) {
        enum code code = order_two(racer, i, lines, &view);
        RACE_MUST(code == CODE_INSUFFICIENT_STOCK || atomic_load(&buyers_left) == 0,
                  "a doomed order: %s", code_name(code));
        swap(lines);
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* Each of the two buyers may have half of the units, and has them all in the end. */
static void buy_singles(struct racer *racer)
{
    uint64_t bought = 0, dropped = 0, share = wanted_units / 2;
    while (bought - dropped < share) {
        enum code code = racer_take(racer, base + bought, "default", text_of(wanted), 1);
        RACE_MUST(code == CODE_OK, "%s, because of an order that failed itself: %s",
                  code_name(code), ctx_failure(racer->ctx)->message);
        bought++;
        if (bought % 16 == 0)
            racer_turn(racer);
        bool again = bought - dropped == share && !racer_is_done(racer, MILLISECONDS);
        for (; again && dropped < bought; dropped++)
            RACE_MUST(racer_drop(racer, base + dropped) == CODE_OK, "drop");
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
        struct order_line lines[2] = {
            { .sku = text_of("left"), .qty = random_between(&racer->random, 1, 5) },
            { .sku = text_of("right"), .qty = random_between(&racer->random, 1, 5) }
        };
        if (racer->index % 2)
            swap(lines);
        enum code code = order_two(racer, i, lines, &view);
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "cross: %s", code_name(code));
        struct step step = { .id = race_name(&id, (char)('A' + racer->index), base + i) };
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

static void buy_among_the_doomed(struct race *race, const char *sku, uint64_t units)
{
    struct racer racers[RACERS_MAX];
    wanted = sku;
    wanted_units = units;
    base += UINT64_C(1) << 32;
    race_stock(race, text_of(sku), text_of("main"), (int64_t)units);
    atomic_store(&buyers_left, 2);
    atomic_store(&moving, false);
    race_run(race, CONTEXTS, play_part, racers);
    expect(race, sku, (int64_t)units, (int64_t)units);
    expect(race, "moving", PLACES, 0);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true; /* more ids than there are slots */
    for (int i = 0; i < PLACES; i++) {
        struct race_name name;
        struct text at = place(&name, i);
        race_add_location(&race, name.at);
        race_stock(&race, text_of("moving"), at, 1);
    }
    buy_among_the_doomed(&race, "few", FEW);
    buy_among_the_doomed(&race, "many", UNITS);

    for (int side = 0; side < 2; side++) {
        race_stock(&race, text_of(side ? "left" : "right"), text_of("main"), 6);
        race_stock(&race, text_of(side ? "right" : "left"), text_of("L1"), 6);
    }
    base += UINT64_C(1) << 32;
    race_run(&race, CONTEXTS, cross, racers);
    expect(&race, "left", 12, 0);
    expect(&race, "right", 12, 0);
    race_close(&race, "crossing_orders");
    return 0;
}
