/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One context makes a reservation, others extend, confirm, fulfil and cancel it, in part and whole,
 * while its deadline comes. Deadlines are brought forward and put off, so that inbox goes to and
 * fro between the contexts. What was shipped must be what the replies said, and in the end nothing
 * is held.
 */
#include <string.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, ITEMS = 3, STOCK = 30000000, MILLISECONDS = 2500 };

static const char *const items[ITEMS] = { "tea", "milk", "sugar" };

enum tally { SHIPPED, CONFIRMED, CANCELLED, EXTENDED, MISSED };

/* Numbers of orders that may be met: up to here. Older ones are met too, as they end. */
static _Atomic uint64_t made;

static void make_order(struct racer *racer)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line lines[4];
    struct random *r = &racer->random;
    uint64_t number = atomic_fetch_add(&made, 1);
    struct order order = { .id = race_name(&id, 'h', number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = (uint32_t)random_between(r, 1, 4),
                           .has_ttl = true,
                           .ttl_ms = (uint64_t)random_between(r, 1, 60) };
    for (uint32_t i = 0; i < order.line_count; i++)
        lines[i] = (struct order_line){ .sku = text_of(items[random_below(r, ITEMS)]), .qty = 4 };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "reserve: %s",
              ctx_failure(racer->ctx)->message);
}

static int64_t shipped(const struct reservation_view *view)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < view->draw_count; i++)
        sum += view->draws[i].fulfilled;
    return sum;
}

static bool usual(enum code code)
{
    return code == CODE_OK || code == CODE_WRONG_STATE || code == CODE_UNKNOWN_RESERVATION ||
           code == CODE_LIMIT; /* so many are confirmed that an op finds no slot */
}

static _Atomic bool any_shipped;

/* Ships one unit of one item. */
static enum code ship(struct racer *racer, struct text id)
{
    struct race_name op;
    struct reservation_view view;
    static _Atomic uint64_t ops;
    struct order_line line = { .sku = text_of(items[random_below(&racer->random, ITEMS)]),
                               .qty = 1 };
    struct step step = { .id = id,
                         .op = race_name(&op, 'o', atomic_fetch_add(&ops, 1)),
                         .lines = &line,
                         .line_count = 1 };
    enum code code = racer_fulfil(racer, &step, &view);
    if (code == CODE_OK) {
        RACE_MUST(shipped(&view) >= 1, "shipped, but nothing is");
        racer->tally[SHIPPED]++;
        atomic_store(&any_shipped, true);
    }
    return code;
}

static void meet_order(struct racer *racer)
{
    struct race_name name;
    struct reservation_view view;
    struct random *r = &racer->random;
    uint64_t newest = atomic_load(&made);
    if (newest == 0)
        return;
    uint64_t back = 1 + random_next(r) % (random_chance(r, 70) ? 16 : 400);
    uint64_t number = newest > back ? newest - back : 0;
    struct text id = race_name(&name, 'h', number);
    struct step whole = { .id = id };
    enum code code;
    int what = random_below(r, 100);
    if (what < 40) {
        code = racer_extend(racer, id, (uint64_t)random_between(r, 1, 80), &view);
        racer->tally[EXTENDED] += code == CODE_OK;
    } else if (what < 55) {
        code = racer_confirm(racer, id, &view);
        racer->tally[CONFIRMED] += code == CODE_OK;
    } else if (what < 85) {
        code = ship(racer, id);
    } else {
        code = racer_cancel(racer, &whole, &view);
        racer->tally[CANCELLED] += code == CODE_OK;
    }
    RACE_MUST(usual(code), "%s: %s", code_name(code), ctx_failure(racer->ctx)->message);
    racer->tally[MISSED] += code != CODE_OK;
}

static void live(struct racer *racer)
{
    for (unsigned i = 0; !racer_is_done(racer, MILLISECONDS) || !atomic_load(&any_shipped); i++) {
        if (racer->index == 0 || random_chance(&racer->random, 10))
            make_order(racer);
        else
            meet_order(racer);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* Cancels what is confirmed still, so that all is free in the end. */
static void clear(struct racer *racer)
{
    struct race_name name;
    struct reservation_view view;
    uint64_t end = atomic_load(&made);
    for (uint64_t number = racer->index; number < end; number += CONTEXTS) {
        struct step step = { .id = race_name(&name, 'h', number) };
        RACE_MUST(usual(racer_cancel(racer, &step, &view)), "clear: %s",
                  ctx_failure(racer->ctx)->message);
        if (number % 64 == 0)
            racer_turn(racer);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    for (int i = 0; i < ITEMS; i++)
        race_stock(&race, text_of(items[i]), text_of("main"), STOCK);
    race_run(&race, CONTEXTS, live, racers);
    int64_t said = 0, is_on_hand = 0, is_reserved = 0;
    for (unsigned i = 0; i < CONTEXTS; i++)
        said += racers[i].tally[SHIPPED];
    race_run(&race, CONTEXTS, clear, racers);
    for (int i = 0; i < ITEMS; i++) {
        int64_t on_hand, reserved;
        race_sum(&race, text_of(items[i]), &on_hand, &reserved);
        is_on_hand += on_hand;
        is_reserved += reserved;
    }
    RACE_MUST(is_on_hand == (int64_t)ITEMS * STOCK - said, "%lld were shipped, %lld are gone",
              (long long)said, (long long)((int64_t)ITEMS * STOCK - is_on_hand));
    RACE_MUST(is_reserved == 0, "%lld are still reserved", (long long)is_reserved);
    race_close(&race, "handover");
    return 0;
}
