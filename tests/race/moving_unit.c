/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sum over two places is never less than what was there at every moment of it. There is one
 * unit at each of two places; the mover holds one of them, now here and now there, and never both.
 * So at any moment there is one for the buyer. A buyer who is refused has added up two moments: he
 * saw the first place while its unit was held, and the second after the mover had gone over to it.
 */
#include "tests/support/race_rig.h"

enum { BUYER, MOVER, CONTEXTS };
enum { MILLISECONDS = 800 };

static const char *const places[] = { "main", "east" };

/* Does something else while it holds the unit, so that it mostly holds one. */
static void dawdle(struct racer *racer, uint64_t number)
{
    for (int i = 0; i < 3; i++) {
        RACE_MUST(racer_take(racer, number + i, "default", text_of("other"), 1) == CODE_OK,
                  "other");
        RACE_MUST(racer_drop(racer, number + i) == CODE_OK, "drop the other");
    }
}

static void move(struct racer *racer)
{
    struct text sku = text_of("unit");
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1); i += 4) {
        /* The buyer may have it for a moment. */
        enum code code = racer_take_at(racer, i, "default", sku, 1, text_of(places[i / 4 % 2]));
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "take");
        dawdle(racer, i + 1);
        if (code == CODE_OK)
            RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
        racer->tally[0] += code == CODE_OK;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void buy(struct racer *racer)
{
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, 1); i++) {
        enum code code = racer_take(racer, i, "default", text_of("unit"), 1);
        RACE_MUST(code == CODE_OK, "refused, but there was a unit at every moment: %s",
                  ctx_failure(racer->ctx)->message);
        RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
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
    /* So that every order adds up its places; by priority the first one may be enough. */
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("default"),
                                                       .has_sourcing = true,
                                                       .sourcing = text_of("fewest") });
    race_stock(&race, text_of("other"), text_of("main"), 1);
    for (int i = 0; i < 2; i++)
        race_stock(&race, text_of("unit"), text_of(places[i]), 1);
    race_run(&race, CONTEXTS, work, racers);
    race_close(&race, "moving_unit");
    return 0;
}
