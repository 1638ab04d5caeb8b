/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An item stops being stocked at a place while new pools of it come into being there. Each pool,
 * shared or allotted, old or new, must have the stocking of its place: once the setting has
 * returned, no order that begins later may take from there, and none may be refused once the item
 * is stocked again.
 *
 * Each step has an item of its own. The racers are in step, so what one did several steps ago has
 * returned before another one's step begins.
 */
#include "engine/ledger/ctx.h"
#include "tests/support/race_rig.h"

enum { SETTER, ALLOTTER, BUYERS, CONTEXTS = 4 };
enum { STEPS = 200 * RACE_SCALE, SETTLED = 4, AHEAD = 8, CHANNELS = 3, TRIES = 4 };

static struct text item(struct race_name *name, uint64_t step)
{
    return race_name(name, 'i', step);
}

static struct text channel(struct race_name *name, uint64_t number)
{
    return race_name(name, 'c', number);
}

/* Every other item is not stocked any more when its pools come; the others stop meanwhile. */
static bool stops_early(uint64_t step)
{
    return step >= AHEAD && step % 2 == 1;
}

/* ---- the setter ---- */

static void set(struct racer *racer, uint64_t step, bool stocked)
{
    struct race_name sku;
    enum code code =
        racer_set_stocking(racer, &(struct stocking_setting){ .sku = item(&sku, step),
                                                              .location = text_of("main"),
                                                              .has_stocked = true,
                                                              .stocked = stocked,
                                                              .has_safety = true,
                                                              .safety = (int64_t)step % 3 });
    RACE_MUST(code == CODE_OK, "stocking: %s", ctx_failure(racer->ctx)->message);
}

static void set_some(struct racer *racer, uint64_t step)
{
    if (!stops_early(step))
        set(racer, step, false);
    if (step + AHEAD < STEPS && stops_early(step + AHEAD))
        set(racer, step + AHEAD, false);
    if (step >= AHEAD)
        set(racer, step - AHEAD, true);
}

/* ---- who brings units there ---- */

static void allot_some(struct racer *racer, uint64_t step)
{
    struct race_name id, sku, to;
    struct allot_result result;
    for (uint64_t i = 0; i < CHANNELS; i++) {
        struct allotment a = { .id = race_name(&id, 'A', step * CHANNELS + i),
                               .sku = item(&sku, step),
                               .location = text_of("main"),
                               .channel = channel(&to, i),
                               .qty = 5 };
        RACE_MUST(racer_allot(racer, &a, &result) == CODE_OK, "allot: %s",
                  ctx_failure(racer->ctx)->message);
    }
}

static void bring_some(struct racer *racer, uint64_t step)
{
    struct race_name id, sku;
    struct movement_result result;
    struct movement m = { .id = race_name(&id, 'R', step),
                          .sku = item(&sku, step),
                          .location = text_of("main"),
                          .qty = 1 };
    allot_some(racer, step);
    RACE_MUST(racer_receive(racer, &m, &result) == CODE_OK, "receive: %s",
              ctx_failure(racer->ctx)->message);
}

/* ---- the buyers ---- */

static enum code buy(struct racer *racer, uint64_t step, struct text from)
{
    struct race_name id, sku;
    struct reservation_view view;
    struct order_line line = { .sku = item(&sku, step), .qty = 1 };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index),
                                           (uint64_t)++racer->tally[0]),
                           .channel = from,
                           .lines = &line,
                           .line_count = 1 };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "buy: %s",
              ctx_failure(racer->ctx)->message);
    if (code == CODE_OK)
        RACE_MUST(racer_cancel(racer, &(struct step){ .id = order.id }, &view) == CODE_OK, "drop");
    return code;
}

/* A shared or an allotted pool. */
static struct text some_channel(struct racer *racer, struct race_name *name)
{
    return random_chance(&racer->random, 25)
               ? text_of("default")
               : channel(name, (uint64_t)random_below(&racer->random, CHANNELS));
}

static void must_not_buy(struct racer *racer, uint64_t step)
{
    struct race_name name;
    struct text from = some_channel(racer, &name);
    RACE_MUST(buy(racer, step, from) == CODE_INSUFFICIENT_STOCK,
              "item %llu is not stocked, but was sold on %.*s", (unsigned long long)step,
              (int)from.len, from.at);
}

/* The step has settled. */
static void must_have(struct racer *racer, uint64_t step, bool some)
{
    struct race_name name, sku;
    struct text from = some_channel(racer, &name), skus[1] = { item(&sku, step) };
    int64_t available;
    uint64_t lsn;
    enum code code = ledger_availability(racer->ctx, from, skus, 1, &available, &lsn);
    RACE_MUST(code == CODE_OK && (available > 0) == some, "item %llu on %.*s: %lld available",
              (unsigned long long)step, (int)from.len, from.at, (long long)available);
    if (!some)
        must_not_buy(racer, step);
    else
        RACE_MUST(buy(racer, step, from) == CODE_OK, "item %llu is stocked again: %s",
                  (unsigned long long)step, ctx_failure(racer->ctx)->message);
}

static void buy_some(struct racer *racer, uint64_t step)
{
    struct race_name to;
    for (int i = 0; i < TRIES; i++) {
        if (stops_early(step))
            must_not_buy(racer, step);
        else
            buy(racer, step, channel(&to, (uint64_t)i % CHANNELS));
        if (step >= SETTLED)
            must_have(racer, step - SETTLED, false);
        if (step >= AHEAD + SETTLED)
            must_have(racer, step - AHEAD - SETTLED, true);
    }
}

static void play_part(struct racer *racer)
{
    for (uint64_t step = 0; step < STEPS && racer_goes_on(racer, step); step++) {
        racer_turn(racer);
        if (racer->index == SETTER)
            set_some(racer, step);
        else if (racer->index == ALLOTTER)
            bring_some(racer, step);
        else
            buy_some(racer, step);
    }
}

/* ---- at rest ---- */

static void compare_pools(const struct items *items, uint32_t index)
{
    struct pool_walk walk = pool_walk_start(items, index);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL)
        RACE_MUST(stocking_at(items, pool_unit(items, pool)) ==
                      stocking_find(items, index, key_location(pool_read_key(pool))),
                  "item %u: a pool has not the stocking of its place", index);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct race_name name;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    for (uint64_t i = 0; i < CHANNELS; i++)
        race_set_channel(&race, &(struct channel_setting){ .code = channel(&name, i) });
    for (uint64_t i = 0; i < STEPS; i++)
        race_stock(&race, item(&name, i), text_of("main"), 25);
    race_run(&race, CONTEXTS, play_part, racers);
    race_steps(&race, STEPS);
    for (uint32_t i = 0; i < STEPS; i++)
        compare_pools(&race.ledger->items, i);
    race_close(&race, "stocking");
    return 0;
}
