/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of a channel with a buffer move while others buy. Each of two movers has a unit of an
 * order at one of two places, and draws one more before it gives that back; the buyer has one at
 * most, and one is the buffer. That is what there is in all: so no move is refused, and none waits
 * for itself, nor the movers for each other without end.
 */
#include "tests/support/race_rig.h"

enum { BUYER, MOVERS = 2, CONTEXTS = MOVERS + 1 };
enum { MILLISECONDS = 800, UNITS = MOVERS + 1 };

static const char *const places[] = { "main", "east" };

static void order(struct racer *racer, struct text id)
{
    struct reservation_view view;
    struct order_line line = { .sku = text_of("unit"), .qty = 1, .location = text_of("main") };
    struct order asked = {
        .id = id, .channel = text_of("web"), .lines = &line, .line_count = 1, .confirm = true
    };
    RACE_MUST(racer_reserve(racer, &asked, &view) == CODE_OK, "order: %s",
              ctx_failure(racer->ctx)->message);
}

/* To the other place and back, by a move or by an amend. */
static void move(struct racer *racer)
{
    struct race_name name;
    struct reservation_view view;
    struct text id = race_name(&name, 'o', racer->index);
    order(racer, id);
    /* A draw is added each time: so many fit into one reservation. */
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1) && i < DRAWS_MAX - 1; i++) {
        struct text from = text_of(places[i % 2]), to = text_of(places[(i + 1) % 2]);
        struct move_line moved = { text_of("unit"), from, to, 1 };
        struct order_line line = { .sku = text_of("unit"), .qty = 1, .location = to };
        struct relocation relocation = { .id = id, .lines = &moved, .line_count = 1 };
        struct amendment amendment = { .id = id, .lines = &line, .line_count = 1 };
        enum code code = random_chance(&racer->random, 50) ? racer_move(racer, &relocation, &view)
                                                           : racer_amend(racer, &amendment, &view);
        RACE_MUST(code == CODE_OK, "refused, but there was a unit at every moment: %s",
                  ctx_failure(racer->ctx)->message);
        racer->tally[0]++;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void work(struct racer *racer)
{
    if (racer->index != BUYER) {
        move(racer);
        return;
    }
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1); i++) {
        enum code code = racer_take(racer, i, "default", text_of("unit"), 1);
        RACE_MUST(code == CODE_OK, "the buyer was refused: %s", ctx_failure(racer->ctx)->message);
        RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
        racer->tally[0]++;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct channel_setting web = { .code = text_of("web"), .has_buffer = true, .buffer = 1 };
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "east");
    race_set_channel(&race, &web);
    for (int i = 0; i < 2; i++) /* so many that all may be at one place */
        race_stock(&race, text_of("unit"), text_of(places[i]), UNITS);
    race_run(&race, CONTEXTS, work, racers);
    race_close(&race, "redraw_buffer");
    return 0;
}
