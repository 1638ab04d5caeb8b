/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locations and channels are set and come into being while orders run. The stock that an order may
 * have is there under every setting that is ever in force, so no order may be refused: not because
 * it looked into two versions of the catalogue, and not because a version was freed under it.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, PLACES = 40, MILLISECONDS = 2500, LEAST = 100 };

enum tally { ORDERS, SETTINGS };

static struct text place(struct race_name *name, int number)
{
    return number == 0 ? text_of("main") : race_name(name, 'L', (uint64_t)number);
}

/* Locations change places in the order of asking, and go in and out of the channels' lists; but
 * main is always among them, and active. */
static void set_something(struct racer *racer, int step)
{
    struct race_name name, other;
    struct random *r = &racer->random;
    struct text places[3] = { place(&name, random_below(r, 3)), text_of("main"), text_of("group") };
    struct text group = text_of("group");
    enum code code;
    if (step % 2 == 0) {
        /* Most settings are of those that are there; now and then one comes into being. */
        int number = random_below(r, 1 + (step / 64 < PLACES ? 1 + step / 64 : PLACES));
        code = racer_set_location(
            racer, &(struct location_setting){ .code = place(&other, number),
                                               .has_priority = true,
                                               .priority = random_below(r, 50),
                                               .has_lead_time = true,
                                               .lead_time_s = random_below(r, 50),
                                               .has_groups = number > 0,
                                               .groups = &group,
                                               .group_count = random_chance(r, 50) });
    } else {
        bool any = random_chance(r, 50);
        code = racer_set_channel(
            racer, &(struct channel_setting){ .code = text_of("shop"),
                                              .has_places = true,
                                              .places = places + 1,
                                              .place_count = any ? 0 : 1,
                                              .has_sourcing = true,
                                              .sourcing = text_of(any ? "fewest" : "balance") });
    }
    RACE_MUST(code == CODE_OK, "setting: %s", ctx_failure(racer->ctx)->message);
    racer->tally[SETTINGS]++;
}

static void order(struct racer *racer, uint64_t number)
{
    struct race_name id, where;
    struct reservation_view view;
    struct random *r = &racer->random;
    struct order_line lines[2] = { { .sku = text_of("ball"), .qty = 1 },
                                   { .sku = text_of("rope"), .qty = 1 } };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index), number),
                           .channel = text_of(random_chance(r, 70) ? "shop" : "default"),
                           .lines = lines,
                           .line_count = (uint32_t)random_between(r, 1, 2) };
    if (random_chance(r, 50))
        lines[0].location = place(&where, 0);
    if (random_chance(r, 20))
        order.at = text_of("main");
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK, "order: %s", ctx_failure(racer->ctx)->message);
    struct step step = { .id = order.id };
    RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel");
    racer->tally[ORDERS]++;
}

/* Receives at places that come into being; reads what others do there. */
static void receive(struct racer *racer, uint64_t number)
{
    struct race_name id, where;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, (char)('A' + racer->index), number),
                          .sku = text_of("rope"),
                          .location = place(&where, random_below(&racer->random, PLACES)),
                          .qty = 1 };
    enum code code = racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK || code == CODE_UNKNOWN_LOCATION, "receive: %s",
              ctx_failure(racer->ctx)->message);
    struct text skus[2] = { text_of("ball"), text_of("rope") };
    int64_t available[2];
    uint64_t lsn;
    code = ledger_availability(racer->ctx, text_of("shop"), skus, 2, available, &lsn);
    RACE_MUST(code == CODE_OK && available[0] >= 1 && available[1] >= 1, "%lld and %lld available",
              (long long)available[0], (long long)available[1]);
}

static void play_part(struct racer *racer)
{
    unsigned counted = racer->index == 0 ? SETTINGS : ORDERS;
    for (int i = 0; !racer_has_done(racer, MILLISECONDS, counted, LEAST); i++) {
        if (racer->index == 0)
            set_something(racer, i);
        else if (racer->index == 1 && i % 8 == 0)
            receive(racer, (uint64_t)i);
        else
            order(racer, (uint64_t)i);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("shop") });
    race_stock(&race, text_of("ball"), text_of("main"), 1000);
    race_stock(&race, text_of("rope"), text_of("main"), 1000);
    race_run(&race, CONTEXTS, play_part, racers);
    race_close(&race, "settings");
    return 0;
}
