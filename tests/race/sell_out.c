/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More is wanted than there is: exactly all of it is sold, from one pool and from several, down to
 * a channel's buffer; and as long as there is enough for everybody nobody is refused.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, PLACES = 3, UNITS = 5000 * RACE_SCALE, BUFFER = 7 };
enum { WIDE = 64, MILLISECONDS = 1500 };

static const char *const places[PLACES] = { "main", "east", "west" };

/* What a racer counts. */
enum tally { SOLD, REFUSED_ONE };

/* What all of them buy now; set between races. */
static const char *channel, *sku;

static void buy(struct racer *racer, uint64_t number, int64_t qty)
{
    enum code code = racer_take(racer, number, channel, text_of(sku), qty);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "%s: %s", sku,
              ctx_failure(racer->ctx)->message);
    racer->tally[SOLD] += code == CODE_OK ? qty : 0;
    racer->tally[REFUSED_ONE] += code != CODE_OK && qty == 1;
    if (number % 32 == 0)
        racer_turn(racer);
}

/* Numbers are used once in the whole program: ids are remembered. */
static void buy_singles(struct racer *racer)
{
    for (uint64_t i = 0; i < 3 * UNITS / CONTEXTS; i++)
        buy(racer, i, 1);
}

/* One to three units, which may have to come from several places. */
static void buy_split(struct racer *racer)
{
    for (uint64_t i = 0; i < UNITS / CONTEXTS; i++)
        buy(racer, 3 * UNITS + i, random_between(&racer->random, 1, 3));
}

static void buy_down_to_buffer(struct racer *racer)
{
    for (uint64_t i = 0; i < UNITS / CONTEXTS; i++)
        buy(racer, 4 * UNITS + i, random_between(&racer->random, 1, 3));
}

/* ---- enough for everybody ---- */

static struct text wide_place(struct race_name *name, uint64_t number)
{
    return race_name(name, 'W', number);
}

/* Everything is held but for as many units as there are racers, far from each other. */
static void hold_the_rest(struct racer *racer)
{
    struct race_name name;
    for (uint64_t i = 0; i < WIDE; i++)
        if (i % (WIDE / CONTEXTS) != 0)
            RACE_MUST(racer_take_at(racer, 5 * UNITS + i, "default", text_of(sku), 1,
                                    wide_place(&name, i)) == CODE_OK,
                      "hold");
}

/* Nobody has more than one unit, and there is one for each: so there is always one for who asks,
 * though it may lie elsewhere than a moment ago. */
static void take_and_drop(struct racer *racer)
{
    for (uint64_t i = UINT64_C(1) << 32; !racer_is_done(racer, MILLISECONDS); i++) {
        enum code code = racer_take(racer, i, "default", text_of(sku), 1);
        RACE_MUST(code == CODE_OK, "there is a unit for each, but one is refused: %s",
                  ctx_failure(racer->ctx)->message);
        RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* ---- */

static int64_t total(const struct racer racers[RACERS_MAX], enum tally what)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < CONTEXTS; i++)
        sum += racers[i].tally[what];
    return sum;
}

static void sell(struct race *race, int64_t at_each, int at, void (*work)(struct racer *),
                 int64_t stays)
{
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved, stock = at_each * at;
    for (int i = 0; i < at; i++)
        race_stock(race, text_of(sku), text_of(places[i]), at_each);
    race_run(race, CONTEXTS, work, racers);
    int64_t sold = total(racers, SOLD);
    race_sum(race, text_of(sku), &on_hand, &reserved);
    RACE_MUST(on_hand == stock, "%s: %lld on hand", sku, (long long)on_hand);
    RACE_MUST(reserved == sold, "%s: %lld reserved, but %lld sold", sku, (long long)reserved,
              (long long)sold);
    RACE_MUST(total(racers, REFUSED_ONE) > 0, "%s: nobody was refused: too little is wanted", sku);
    RACE_MUST(sold == stock - stays, "%s: of %lld, %lld were sold and %lld should stay", sku,
              (long long)stock, (long long)sold, (long long)stays);
}

static void sell_everything(struct race *race)
{
    channel = "default";
    sku = "single";
    sell(race, UNITS, 1, buy_singles, 0);
    sku = "split";
    sell(race, UNITS / 4, PLACES, buy_split, 0);
    channel = "careful";
    sku = "careful";
    sell(race, UNITS / 4, PLACES, buy_down_to_buffer, BUFFER);
}

static void share_fairly(struct race *race)
{
    struct racer racers[RACERS_MAX];
    sku = "enough";
    for (uint64_t i = 0; i < WIDE; i++) {
        struct race_name name;
        struct text place = wide_place(&name, i);
        race_add_location(race, name.at);
        race_stock(race, text_of(sku), place, 1);
    }
    race_run(race, 1, hold_the_rest, racers);
    race_run(race, CONTEXTS, take_and_drop, racers);
}

int main(int argc, char **argv)
{
    struct race race;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "east");
    race_add_location(&race, "west");
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("careful"),
                                                       .has_buffer = true,
                                                       .buffer = BUFFER,
                                                       .has_sourcing = true,
                                                       .sourcing = text_of("fewest") });
    sell_everything(&race);
    share_fairly(&race);
    race_close(&race, "sell_out");
    return 0;
}
