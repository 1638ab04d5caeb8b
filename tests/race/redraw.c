/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order that moves keeps its claim all the time, and takes nobody else's. There is one unit at
 * each of two places. The mover's order has one of them, now here and now there; so at any moment
 * there is one for the buyer, and never are there two. A buyer who gets two was given the mover's
 * while it was under way; one who is refused a single one has met it at both places.
 */
#include "tests/support/race_rig.h"

enum { BUYER, MOVER, CONTEXTS };
enum { MILLISECONDS = 800 };

static const char *const places[] = { "main", "east" };

static struct text nothing(void)
{
    return (struct text){ NULL, 0 };
}

static void amend(struct racer *racer, const char *place)
{
    struct reservation_view view;
    struct order_line line = { .sku = text_of("unit"),
                               .qty = 1,
                               .location = place ? text_of(place) : nothing() };
    struct amendment asked = { .id = text_of("order"), .lines = &line, .line_count = 1 };
    enum code code = racer_amend(racer, &asked, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "amend: %s",
              ctx_failure(racer->ctx)->message);
    racer->tally[1] += code == CODE_OK && place;
}

/* Where the order's unit is. */
static unsigned place_of(struct racer *racer)
{
    struct reservation_view view;
    while (ledger_reservation(racer->ctx, text_of("order"), &view) != CODE_OK)
        racer_turn(racer);
    RACE_MUST(view.draw_count == 1, "the order has a unit at one place");
    RACE_MUST(view.draws[0].qty == 1, "the order has one unit");
    return text_equal(view.draws[0].location, text_of(places[1]));
}

static void move(struct racer *racer)
{
    struct reservation_view view;
    struct order_line line = { .sku = text_of("unit"), .qty = 1 };
    struct order order = { .id = text_of("order"),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "order");
    /* A draw is added each time: so many fit into one reservation. */
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1) && i < DRAWS_MAX - 1; i++) {
        unsigned at = place_of(racer);
        if (i % 3 == 2) {
            amend(racer, places[!at]);
            continue;
        }
        struct move_line moved = { text_of("unit"), text_of(places[at]), text_of(places[!at]), 1 };
        struct relocation asked = { .id = text_of("order"), .lines = &moved, .line_count = 1 };
        enum code code = racer_move(racer, &asked, &view);
        /* The buyer may have the other one for a moment. */
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "move: %s",
                  ctx_failure(racer->ctx)->message);
        racer->tally[0] += code == CODE_OK;
        if (i % 16 == 0)
            racer_turn(racer);
    }
    amend(racer, NULL); /* it is so already */
}

static void buy(struct racer *racer)
{
    place_of(racer); /* once it is there */
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1); i += 2) {
        enum code code = racer_take(racer, i, "default", text_of("unit"), 1);
        RACE_MUST(code == CODE_OK, "refused, but there was a unit at every moment: %s",
                  ctx_failure(racer->ctx)->message);
        RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
        code = racer_take(racer, i + 1, "default", text_of("unit"), 2);
        RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "the buyer was given the order's unit");
        racer->tally[0]++;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void work(struct racer *racer)
{
    if (racer->index == BUYER)
        buy(racer);
    else
        move(racer);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "east");
    for (int i = 0; i < 2; i++)
        race_stock(&race, text_of("unit"), text_of(places[i]), 1);
    race_run(&race, CONTEXTS, work, racers);
    race_close(&race, "redraw");
    return 0;
}
