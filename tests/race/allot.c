/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units go to and fro between what is shared and what is one channel's own, while orders run.
 *
 * "steady": all units are the channel's in either pool, and its orders never hold more than there
 * is. So not one may be refused, wherever the units are at that moment. Another channel sees only
 * what is shared: what it gets, it gets once. "brim": the shared pool is full, so giving back is
 * often impossible, and sometimes turns out to be so only after the claim. "rival": two channels
 * with allotments of their own; what is one's must never be taken by the other.
 */
#include <string.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, STEADY = 24, MOST_HELD = 8, PROMISED = 6, OTHERS = 60, MILLISECONDS = 1500 };

static const int64_t full = QUANTITY_MAX;

static enum code allot(struct racer *racer, uint64_t number, const char *sku, const char *channel,
                       int64_t qty)
{
    struct race_name id;
    struct allot_result result;
    struct allotment a = { .id = race_name(&id, (char)('A' + racer->index), number),
                           .sku = text_of(sku),
                           .location = text_of("main"),
                           .channel = text_of(channel),
                           .qty = qty };
    enum code code = racer_allot(racer, &a, &result);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK || code == CODE_LIMIT, "allot: %s",
              ctx_failure(racer->ctx)->message);
    return code;
}

static int64_t to_or_fro(struct racer *racer, int most)
{
    int64_t qty = random_between(&racer->random, 1, most);
    return random_chance(&racer->random, 50) ? qty : -qty;
}

/* Racers 0 and 1 move the units, 2 and 3 order them. */
static void steady(struct racer *racer)
{
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index < 2) {
            allot(racer, i, "steady", "web", to_or_fro(racer, 16));
        } else {
            int64_t qty = random_between(&racer->random, 1, MOST_HELD);
            enum code code = racer_take(racer, i, "web", text_of("steady"), qty);
            RACE_MUST(code == CODE_OK, "%lld of %d were refused: %s", (long long)qty, STEADY,
                      ctx_failure(racer->ctx)->message);
            RACE_MUST(racer_drop(racer, i) == CODE_OK, "cancel");
        }
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* Racer 0 fills the shared pool, 1 takes from it; 2 and 3 move what they can. */
static void brim(struct racer *racer)
{
    struct race_name id;
    struct movement_result result;
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index >= 2) {
            allot(racer, i, "brim", "web", to_or_fro(racer, 5));
        } else {
            int64_t qty = random_between(&racer->random, 1, 5);
            struct movement m = { .id = race_name(&id, (char)('a' + racer->index), i),
                                  .sku = text_of("brim"),
                                  .location = text_of("main"),
                                  .qty = racer->index == 0 ? qty : -qty };
            enum code code = racer_adjust(racer, &m, &result);
            RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "adjust: %s",
                      ctx_failure(racer->ctx)->message);
            racer->tally[0] += code == CODE_OK ? result.delta : 0;
        }
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

/* Racers 0 and 1 each own a channel, whose allotment never goes below what they keep there; 2 and 3
 * order on the other channels what is shared, all of it if they can. */
static void rival(struct racer *racer)
{
    static const char *const own[] = { "web", "shop" };
    for (uint64_t i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        if (racer->index < 2) {
            const char *channel = own[racer->index];
            if (random_chance(&racer->random, 50) &&
                allot(racer, 2 * i, "rival", channel, 1) == CODE_OK)
                RACE_MUST(allot(racer, 2 * i + 1, "rival", channel, -1) == CODE_OK,
                          "what was allotted to %s is gone", channel);
            enum code code = racer_take(racer, i, channel, text_of("rival"), PROMISED);
            RACE_MUST(code == CODE_OK, "%s cannot have its own: %s", channel,
                      ctx_failure(racer->ctx)->message);
            RACE_MUST(racer_drop(racer, i) == CODE_OK, "cancel");
        } else {
            const char *channel = racer->index == 2 ? "default" : "market";
            int64_t qty = random_between(&racer->random, 1, 4);
            enum code code = racer_take(racer, i, channel, text_of("rival"), qty);
            RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s",
                      ctx_failure(racer->ctx)->message);
            if (code == CODE_OK)
                RACE_MUST(racer_drop(racer, i) == CODE_OK, "cancel");
        }
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void begin(struct race *race, int argc, char **argv)
{
    static const char *const channels[] = { "web", "shop", "market" };
    race_open(race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race->forgetful = true;
    race->never_short = true; /* before there is a record: the drainer reads it with the first */
    for (int i = 0; i < 3; i++)
        race_set_channel(race, &(struct channel_setting){ .code = text_of(channels[i]) });
}

static void check_sum(struct race *race, const char *sku, int64_t wanted)
{
    int64_t on_hand, reserved;
    race_sum(race, text_of(sku), &on_hand, &reserved);
    RACE_MUST(on_hand == wanted, "%s: %lld on hand, not %lld", sku, (long long)on_hand,
              (long long)wanted);
    RACE_MUST(reserved == 0, "%s: %lld are still reserved", sku, (long long)reserved);
}

static void allot_before(struct race *race, const char *sku, const char *channel, int64_t qty)
{
    static uint64_t next;
    struct racer racer = { .race = race, .ctx = ledger_ctx(race->ledger, 0), .index = 25 };
    racer_turn(&racer);
    RACE_MUST(allot(&racer, next++, sku, channel, qty) == CODE_OK, "allot before the race");
    ledger_end(racer.ctx);
}

/* Pools of other channels, empty again, between the shared pool and the one that is made next: a
 * look at both takes longer, and more comes in between. */
static void widen(struct race *race, const char *sku)
{
    for (uint64_t i = 0; i < OTHERS; i++) {
        struct race_name name;
        struct text code = race_name(&name, 'c', i);
        race_set_channel(race, &(struct channel_setting){ .code = code });
        name.at[code.len] = '\0';
        allot_before(race, sku, name.at, 1);
        allot_before(race, sku, name.at, -1);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];

    begin(&race, argc, argv);
    race_stock(&race, text_of("steady"), text_of("main"), STEADY);
    widen(&race, "steady");
    race_run(&race, CONTEXTS, steady, racers);
    check_sum(&race, "steady", STEADY);
    race_close(&race, "allot: steady");

    begin(&race, argc, argv);
    race_stock(&race, text_of("brim"), text_of("main"), full);
    allot_before(&race, "brim", "web", 100);
    race_stock(&race, text_of("brim"), text_of("main"), 100);
    race_run(&race, CONTEXTS, brim, racers);
    check_sum(&race, "brim", full + 100 + racers[0].tally[0] + racers[1].tally[0]);
    race_close(&race, "allot: brim");

    begin(&race, argc, argv);
    race_stock(&race, text_of("rival"), text_of("main"), 2 * PROMISED + 4);
    allot_before(&race, "rival", "web", PROMISED);
    allot_before(&race, "rival", "shop", PROMISED);
    race_run(&race, CONTEXTS, rival, racers);
    check_sum(&race, "rival", 2 * PROMISED + 4);
    race_close(&race, "allot: rival");
    return 0;
}
