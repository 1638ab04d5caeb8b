/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of ids so small that slots are reused all the time, while others look at what stood
 * there: reservations with and without further draws, movements, steps, refusals; ids that come
 * again after they were forgotten. Units must not be lost with the slots.
 */
#include <stdio.h>

#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, SLOTS = 192, UNITS = 60, IDS = 400, MILLISECONDS = 2500, LEAST_TAKEN = 250 };

static const char *const items[] = { "pin", "nut", "cog" };

enum tally { TAKEN, REFUSED, FULL, GONE, RECEIVED };

static void reserve(struct racer *racer)
{
    struct race_name id;
    struct reservation_view view;
    struct random *r = &racer->random;
    struct order_line lines[12];
    struct order order = { .id = race_name(&id, 'x', (uint64_t)random_below(r, IDS)),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count =
                               (uint32_t)random_between(r, 1, random_chance(r, 70) ? 1 : 12),
                           .has_ttl = true,
                           .ttl_ms = (uint64_t)random_between(r, 1, 40) };
    for (uint32_t i = 0; i < order.line_count; i++)
        lines[i] = (struct order_line){ .sku = text_of(items[random_below(r, 3)]), .qty = 1 };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK || code == CODE_LIMIT ||
                  code == CODE_CONFLICT,
              "reserve: %s", ctx_failure(racer->ctx)->message);
    racer->tally[code == CODE_OK ? TAKEN : code == CODE_LIMIT ? FULL : REFUSED]++;
}

static bool usual(enum code code)
{
    return code == CODE_OK || code == CODE_UNKNOWN_RESERVATION || code == CODE_WRONG_STATE ||
           code == CODE_CONFLICT || code == CODE_LIMIT;
}

static void end_one(struct racer *racer)
{
    struct race_name id, op;
    struct reservation_view view;
    struct random *r = &racer->random;
    struct text name = race_name(&id, 'x', (uint64_t)random_below(r, IDS));
    struct order_line line = { .sku = text_of(items[random_below(r, 3)]), .qty = 1 };
    struct step step = { .id = name, .lines = &line };
    enum code code = CODE_OK;
    if (random_chance(r, 30)) {
        step.op = race_name(&op, 'o', (uint64_t)random_below(r, IDS));
        step.line_count = 1;
    }
    if (random_chance(r, 30))
        code = racer_confirm(racer, name, &view);
    else if (random_chance(r, 20))
        code = racer_extend(racer, name, (uint64_t)random_between(r, 1, 40), &view);
    else
        code = racer_cancel(racer, &step, &view);
    RACE_MUST(usual(code), "%s: %s", code_name(code), ctx_failure(racer->ctx)->message);
    racer->tally[GONE] += code == CODE_UNKNOWN_RESERVATION;
}

/* One unit in, one out, under ids that come again. */
static void move(struct racer *racer)
{
    struct race_name id;
    struct movement_result result;
    struct random *r = &racer->random;
    struct movement m = { .id = race_name(&id, 'm', (uint64_t)random_below(r, IDS)),
                          .sku = text_of("scrap"),
                          .location = text_of("main"),
                          .qty = 1 };
    enum code code = racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "receive: %s",
              ctx_failure(racer->ctx)->message);
    racer->tally[RECEIVED] += code == CODE_OK;
}

static void live(struct racer *racer)
{
    for (int i = 0; !racer_has_done(racer, MILLISECONDS, TAKEN, LEAST_TAKEN); i++) {
        int what = random_below(&racer->random, 10);
        if (what < 5)
            reserve(racer);
        else if (what < 9)
            end_one(racer);
        else
            move(racer);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* Ends what is confirmed. */
static void clear(struct racer *racer)
{
    struct race_name id;
    struct reservation_view view;
    for (uint64_t number = racer->index; number < IDS; number += CONTEXTS) {
        struct step step = { .id = race_name(&id, 'x', number) };
        RACE_MUST(usual(racer_cancel(racer, &step, &view)), "clear: %s",
                  ctx_failure(racer->ctx)->message);
    }
}

static int64_t total(const struct racer racers[RACERS_MAX], enum tally what)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < CONTEXTS; i++)
        sum += racers[i].tally[what];
    return sum;
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ .reservations = SLOTS }, argc, argv);
    race.forgetful = true;
    for (int i = 0; i < 3; i++)
        race_stock(&race, text_of(items[i]), text_of("main"), UNITS);
    race_run(&race, CONTEXTS, live, racers);
    printf("taken %lld, refused %lld, table full %lld, gone %lld\n",
           (long long)total(racers, TAKEN), (long long)total(racers, REFUSED),
           (long long)total(racers, FULL), (long long)total(racers, GONE));
    race_run(&race, CONTEXTS, clear, racers);
    for (int i = 0; i < 3; i++) {
        int64_t on_hand, reserved;
        race_sum(&race, text_of(items[i]), &on_hand, &reserved);
        RACE_MUST(on_hand == UNITS && reserved == 0, "%s: %lld on hand, %lld reserved", items[i],
                  (long long)on_hand, (long long)reserved);
    }
    race_close(&race, "slot_reuse");
    return 0;
}
