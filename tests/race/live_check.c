/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live check beside contexts that reserve, cancel, fulfil, receive and let expire: it must
 * never find anything broken, although everything moves. In the middle one pool of an item that
 * nobody touches is damaged: that it must find each time, by name, and nothing else.
 */
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, BUSY_ITEMS = 3, CALM_ITEMS = 200, MILLISECONDS = 2500, KEPT = 16 };

static _Atomic bool checker_done;

static struct text item_name(struct race_name *name, int item)
{
    return race_name(name, 'i', (uint64_t)item);
}

/* ---- those who work ---- */

static void order(struct racer *racer, uint64_t number)
{
    struct race_name id, names[3];
    struct reservation_view view;
    struct order_line lines[3];
    struct random *r = &racer->random;
    struct order o = { .id = race_name(&id, (char)('a' + racer->index), number),
                       .channel = text_of("default"),
                       .lines = lines,
                       .line_count = (uint32_t)random_between(r, 1, 3),
                       .has_ttl = true,
                       .ttl_ms = (uint64_t)random_between(r, 1, 40),
                       .confirm = random_chance(r, 30) };
    for (uint32_t i = 0; i < o.line_count; i++) {
        int item = random_chance(r, 60) ? random_below(r, BUSY_ITEMS)
                                        : BUSY_ITEMS + random_below(r, CALM_ITEMS);
        lines[i] = (struct order_line){ .sku = item_name(&names[i], item),
                                        .qty = random_between(r, 1, 3) };
    }
    enum code code = racer_reserve(racer, &o, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s", code_name(code));
}

static void settle(struct racer *racer, uint64_t number, bool last)
{
    struct race_name id;
    struct reservation_view view;
    struct step all = { .id = race_name(&id, (char)('a' + racer->index), number) };
    if (last || random_chance(&racer->random, 40))
        racer_cancel(racer, &all, &view);
    else if (random_chance(&racer->random, 50))
        racer_fulfil(racer, &all, &view);
    else
        racer_extend(racer, all.id, 20, &view);
}

static void receive(struct racer *racer, uint64_t number)
{
    struct race_name id, name;
    struct movement_result r;
    struct movement m = { .id = race_name(&id, (char)('A' + racer->index), number),
                          .sku = item_name(&name, random_below(&racer->random, BUSY_ITEMS)),
                          .location = text_of("main"),
                          .qty = 3 };
    RACE_MUST(racer_receive(racer, &m, &r) == CODE_OK, "receive");
}

static void work(struct racer *racer)
{
    for (uint64_t i = 0; !atomic_load(&checker_done); i++) {
        order(racer, i);
        if (i >= KEPT)
            settle(racer, i - KEPT, false);
        if (i >= 2 * KEPT)
            settle(racer, i - 2 * KEPT, true);
        if (i % 4 == 0)
            receive(racer, i);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* ---- who checks ---- */

static void check_once(struct racer *racer, const char *damaged)
{
    struct check_report report;
    racer_check(racer, damaged, &report);
    racer->tally[0]++;
    racer->tally[1] += (int64_t)report.moving;
    racer->tally[2] += (int64_t)(report.items - report.moving);
    racer->tally[3] += (int64_t)report.reservations;
}

static struct pool *still_pool(struct racer *racer)
{
    struct items *items = &racer->race->ledger->items;
    struct text sku = text_of("still");
    int64_t item = items_find(items, sku, sku_hash(items, sku));
    return pool_find(items, (uint32_t)item, 0, owner_of(POOL_SHARED, 0));
}

static void check_live(struct racer *racer)
{
    RACE_MUST(racer_take(racer, 1, "default", text_of("still"), 7) == CODE_OK, "still");
    /* On a busy machine it goes on until it has judged items at rest and live reservations. */
    while (!racer_is_done(racer, MILLISECONDS) || racer->tally[2] <= racer->tally[0] ||
           racer->tally[3] == 0) {
        check_once(racer, NULL);
        atomic_fetch_add(&still_pool(racer)->word, WORD_RESERVED_ONE);
        check_once(racer, "\"still\" at \"main\" (shared) has 8 reserved, but 7 promised");
        atomic_fetch_sub(&still_pool(racer)->word, WORD_RESERVED_ONE);
    }
    RACE_MUST(racer_drop(racer, 1) == CODE_OK, "drop");
    atomic_store(&checker_done, true);
}

static void race_on(struct racer *racer)
{
    if (racer->index == CONTEXTS - 1)
        check_live(racer);
    else
        work(racer);
}

int main(int argc, char **argv)
{
    struct race race;
    struct race_name name;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ .reservations = 1 << 13 }, argc, argv);
    race.forgetful = true;
    race_stock(&race, text_of("still"), text_of("main"), 10);
    for (int i = 0; i < BUSY_ITEMS + CALM_ITEMS; i++)
        race_stock(&race, item_name(&name, i), text_of("main"), i < BUSY_ITEMS ? 60 : 100000);
    race_run(&race, CONTEXTS, race_on, racers);
    const int64_t *tally = racers[CONTEXTS - 1].tally;
    printf("%lld checks judged %lld items beside %lld that moved; %lld live reservations\n",
           (long long)tally[0], (long long)tally[2], (long long)tally[1], (long long)tally[3]);
    race_close(&race, "live_check");
    return 0;
}
