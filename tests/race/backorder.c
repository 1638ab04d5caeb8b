/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No more is promised before it is there than an item's limit: orders for several places, each with
 * a backlog pool of its own, are promised single units and cancelled again, and at no time do they
 * hold more than the limit together.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, MILLISECONDS = 800, PROMISES_LEAST = 20, LIMIT = 1 };

/* Each orders for one of them; NULL: for any. */
static const char *const places[CONTEXTS] = { "main", "east", "north", NULL };

static _Atomic int64_t promised;

static void work(struct racer *racer)
{
    const char *place = places[racer->index];
    struct order_line line = { .sku = text_of("unit"),
                               .qty = 1,
                               .location = place ? text_of(place) : (struct text){ NULL, 0 } };
    for (uint64_t i = 0; !racer_has_done(racer, MILLISECONDS, 0, PROMISES_LEAST); i++) {
        struct race_name buffer;
        struct reservation_view view;
        struct text id = race_name(&buffer, (char)('a' + racer->index), i);
        struct order order = { .id = id,
                               .channel = text_of("default"),
                               .lines = &line,
                               .line_count = 1,
                               .confirm = true,
                               .backorder = true };
        struct step step = { .id = id };
        enum code code = racer_reserve(racer, &order, &view);
        if (code != CODE_OK) {
            RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "promise: %s",
                      ctx_failure(racer->ctx)->message);
            continue;
        }
        int64_t others = atomic_fetch_add(&promised, 1);
        RACE_MUST(others < LIMIT, "%lld are promised, with a limit of %d", (long long)others + 1,
                  LIMIT);
        /* Long enough for others to be promised more meanwhile. */
        for (int turns = random_below(&racer->random, 4); turns > 0; turns--)
            racer_turn(racer);
        atomic_fetch_sub(&promised, 1); /* before it is so */
        RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel: %s",
                  ctx_failure(racer->ctx)->message);
        racer->tally[0]++;
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct item_setting limit = { .sku = text_of("unit"),
                                  .has_backorder_limit = true,
                                  .backorder_limit = LIMIT };
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "east");
    race_add_location(&race, "north");
    race_set_item(&race, &limit);
    race_run(&race, CONTEXTS, work, racers);
    race_close(&race, "backorder");
    return 0;
}
