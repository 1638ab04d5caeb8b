/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items and pools that several contexts bring into being at once: each is made once, nothing that
 * was received is lost, and a full table says so and takes what it has room for.
 */
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, ITEMS = 1000 * RACE_SCALE * RACE_SCALE, PLACES = 20 };

static _Atomic int64_t received[ITEMS];

static struct text place(struct race_name *name, int number)
{
    return number == 0 ? text_of("main") : race_name(name, 'L', (uint64_t)number);
}

/* All go through the same items in the same order, and at each through places in orders of their
 * own. */
static void receive_all(struct racer *racer)
{
    struct race_name id, sku, at;
    struct movement_result result;
    uint64_t number = 0;
    for (int item = 0; item < ITEMS && racer_goes_on(racer, (uint64_t)item); item++) {
        for (int i = 0; i < 4; i++) {
            struct movement m = { .id = race_name(&id, (char)('a' + racer->index), ++number),
                                  .sku = race_name(&sku, 'S', (uint64_t)item),
                                  .location = place(
                                      &at, random_below(&racer->random, item % 2 ? PLACES : 3)),
                                  .qty = 1 };
            enum code code = racer_receive(racer, &m, &result);
            RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "receive: %s",
                      ctx_failure(racer->ctx)->message);
            if (code == CODE_OK)
                atomic_fetch_add(&received[item], 1);
        }
        if (item % 4 == 0)
            racer_turn(racer);
    }
}

/* What is on hand must be what was received. Returns the number of items of which something was. */
static int compare(struct race *race)
{
    struct race_name name;
    int items = 0;
    for (int i = 0; i < ITEMS; i++) {
        int64_t on_hand, reserved, wanted = atomic_exchange(&received[i], 0);
        if (wanted == 0)
            continue;
        items++;
        race_sum(race, race_name(&name, 'S', (uint64_t)i), &on_hand, &reserved);
        RACE_MUST(on_hand == wanted, "S%d: %lld received, %lld on hand", i, (long long)wanted,
                  (long long)on_hand);
    }
    return items;
}

static void create(const struct race_tables *tables, int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct race_name name;
    struct ledger_metrics metrics;
    race_open(&race, CONTEXTS, tables, argc, argv);
    race.forgetful = true;
    for (int i = 1; i < PLACES; i++) {
        place(&name, i);
        race_add_location(&race, name.at);
    }
    race_run(&race, CONTEXTS, receive_all, racers);
    int items = compare(&race);
    ledger_metrics(race.ledger, &metrics);
    bool full = race_steps(&race, ITEMS) == ITEMS;
    /* A context that lost the race for an item may sit on an index. */
    int room = full && tables->items < ITEMS ? (int)tables->items - CONTEXTS : 0;
    RACE_MUST(items >= room && items <= (int)tables->items, "%d items, room for %u", items,
              tables->items);
    if (full && tables->pools < ITEMS)
        RACE_MUST(metrics.pools == tables->pools, "%llu pools, room for %u",
                  (unsigned long long)metrics.pools, tables->pools);
    race_close(&race, "creation");
}

int main(int argc, char **argv)
{
    create(&(struct race_tables){ .items = ITEMS / 2, .pools = ITEMS * PLACES }, argc, argv);
    create(&(struct race_tables){ .items = ITEMS, .pools = ITEMS / 3 }, argc, argv);
    return 0;
}
