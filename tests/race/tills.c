/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tills that sell what others receive, count, allot and promise at the same moment, and what is
 * promised before it comes. What is on hand in the end, less what is owed, is the sum of what the
 * replies said; and no place both owes units and has some, of whichever kind. Then everybody
 * corrects the same figure: each one of its values is corrected once.
 */
#include "engine/ledger/ctx.h"
#include "engine/ledger/gauges.h"
#include "tests/support/race_rig.h"

enum { UNITS_SOLD = 15 }; /* a tally */
enum { CONTEXTS = 4, ITEMS = 2, ROUNDS = 60, MILLISECONDS = 40, STEPS = 20000 * RACE_SCALE };

static const char *const items[ITEMS] = { "lamp", "vase" };
static uint64_t next_id[CONTEXTS];
static _Atomic unsigned won[STEPS];
static uint64_t promised[CONTEXTS]; /* what each has promised last; 0: nothing */
static _Atomic bool counting; /* then no sale is late: one that a count has missed takes nothing */

static struct text own_id(struct racer *racer, struct race_name *name)
{
    return race_name(name, (char)('a' + racer->index), ++next_id[racer->index]);
}

static void sell(struct racer *racer)
{
    struct race_name name;
    struct sold_view view;
    struct order_line lines[3];
    struct random *r = &racer->random;
    struct sale sale = { .id = own_id(racer, &name),
                         .channel = text_of(random_chance(r, 50) ? "default" : "till"),
                         .location = text_of("main"),
                         .lines = lines,
                         .line_count = (uint32_t)random_between(r, 1, 3) };
    sale.has_at = !atomic_load(&counting) && random_chance(r, 30);
    sale.at_ms = race_ms(racer->race) - (uint64_t)random_below(r, 50);
    int sold[ITEMS] = { 0 };
    for (uint32_t i = 0; i < sale.line_count; i++) {
        int item = random_below(r, ITEMS);
        lines[i] =
            (struct order_line){ .sku = text_of(items[item]), .qty = random_between(r, 1, 6) };
        sold[item] += (int)lines[i].qty;
    }
    RACE_MUST(racer_sold(racer, &sale, &view) == CODE_OK, "sold: %s",
              ctx_failure(racer->ctx)->message);
    for (int i = 0; i < ITEMS; i++)
        racer->tally[i] -= sold[i];
    for (int i = 0; i < ITEMS; i++)
        racer->tally[UNITS_SOLD] += sold[i];
}

static void move(struct racer *racer)
{
    struct race_name name;
    struct movement_result result;
    struct random *r = &racer->random;
    int item = random_below(r, ITEMS), what = random_below(r, 20);
    struct movement m = { .id = own_id(racer, &name),
                          .sku = text_of(items[item]),
                          .location = text_of("main"),
                          .qty = random_between(r, 1, 9) };
    enum code code;
    if (what < 14) {
        code = racer_receive(racer, &m, &result);
    } else if (what < 17) {
        m.qty = -m.qty;
        code = racer_adjust(racer, &m, &result);
    } else if (what < 18 && atomic_load(&counting)) {
        m.qty = random_below(r, 8);
        code = racer_count(racer, &m, &result);
    } else {
        code = racer_return(racer, &m, &result);
    }
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "move: %s",
              ctx_failure(racer->ctx)->message);
    if (code == CODE_OK)
        racer->tally[item] += result.delta;
}

/* What all sold is what their channels' counters say. */
static void compare_units(const struct race *race, int64_t sold_in_all)
{
    uint64_t sold = (uint64_t)sold_in_all, counted = 0;
    for (uint16_t channel = 0; channel < 2; channel++)
        counted += ledger_units(race->ledger, MEASURE_SOLD, channel);
    RACE_MUST(sold == counted, "%llu units were sold, and %llu counted", (unsigned long long)sold,
              (unsigned long long)counted);
    RACE_MUST(ledger_units(race->ledger, MEASURE_SOLD, FACT_NO_CODE) == 0, "sold by no channel");
}

static void allot(struct racer *racer)
{
    struct race_name name;
    struct allot_result result;
    struct random *r = &racer->random;
    struct allotment a = { .id = own_id(racer, &name),
                           .sku = text_of(items[random_below(r, ITEMS)]),
                           .location = text_of("main"),
                           .channel = text_of("till"),
                           .qty = random_chance(r, 50) ? 2 : -1 };
    enum code code = racer_allot(racer, &a, &result);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "allot: %s",
              ctx_failure(racer->ctx)->message);
}

/* Brings units that are promised already when they come; and gives up what was promised of those
 * that it brought before. */
static void bring(struct racer *racer)
{
    struct race_name name;
    struct supply_view view;
    struct random *r = &racer->random;
    struct text sku = text_of(items[random_below(r, ITEMS)]);
    struct supply_line line = { .sku = sku, .qty = random_between(r, 1, 6) };
    struct supply_order order = { .id = own_id(racer, &name),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = race_ms(racer->race) + 3600000 };
    struct supply_step come = { .id = order.id, .all = true };
    uint64_t *kept = &promised[racer->index];
    RACE_MUST(racer_make_supply(racer, &order, &view) == CODE_OK, "expect: %s",
              ctx_failure(racer->ctx)->message);
    if (*kept > 0)
        racer_drop(racer, *kept);
    *kept = ++next_id[racer->index];
    if (racer_take(racer, *kept, "early", sku, line.qty) != CODE_OK)
        *kept = 0;
    RACE_MUST(racer_step_supply(racer, ledger_arrive, &come, &view) == CODE_OK, "arrive: %s",
              ctx_failure(racer->ctx)->message);
    racer->tally[text_equal(sku, text_of(items[1]))] += line.qty;
}

static void trade(struct racer *racer)
{
    for (int i = 0; !racer_is_done(racer, MILLISECONDS); i++) {
        int what = random_below(&racer->random, 100);
        if (what < 45)
            sell(racer);
        else if (what < 80)
            move(racer);
        else if (what < 86)
            bring(racer);
        else if (what < 92)
            allot(racer);
        else if (racer_take(racer, next_id[racer->index], "default", text_of("lamp"), 1) == CODE_OK)
            racer_drop(racer, next_id[racer->index]);
        next_id[racer->index]++;
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* What was too busy to be swept is swept in later iterations. */
static void settle(struct racer *racer)
{
    for (int i = 0; i < 16; i++)
        racer_turn(racer);
}

static void correct(struct racer *racer)
{
    for (uint64_t step = 0; racer_goes_on(racer, step) && step < STEPS; step++) {
        struct race_name name;
        struct movement_result result;
        struct movement m = { .id = own_id(racer, &name),
                              .sku = text_of("figure"),
                              .location = text_of("main"),
                              .qty = 1,
                              .has_if_on_hand = true,
                              .if_on_hand = (int64_t)step };
        enum code code = racer_adjust(racer, &m, &result);
        RACE_MUST(code == CODE_OK || code == CODE_STALE, "correct: %s", code_name(code));
        if (code == CODE_OK)
            atomic_fetch_add(&won[step], 1);
        if (step % 16 == 0)
            racer_turn(racer);
    }
}

/* What is on hand in the item's pools that can be sold, and what is owed. */
static int64_t on_hand(struct race *race, const char *sku, int64_t *owed)
{
    const struct items *all = &race->ledger->items;
    struct text name = text_of(sku);
    struct pool_walk walk =
        pool_walk_start(all, (uint32_t)items_find(all, name, sku_hash(all, name)));
    const struct pool *pool;
    int64_t units = 0;
    *owed = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint16_t owner = key_owner(pool_read_key(pool));
        if (owner_kind(owner) == POOL_OWED)
            *owed += word_on_hand(pool_read(pool));
        else if (owner_kind(owner) == POOL_EXPECTED)
            units += incoming_look(all, pool).come;
        else if (owner_sellable(owner))
            units += word_on_hand(pool_read(pool));
    }
    return units;
}

/* In short rounds: what one leaves behind by mistake the next may put right. */
static void trade_and_settle(struct race *race, struct racer racers[RACERS_MAX],
                             int64_t wanted[ITEMS], int64_t *sold)
{
    race_run(race, CONTEXTS, trade, racers);
    for (unsigned s = 0; s < CONTEXTS; s++)
        *sold += racers[s].tally[UNITS_SOLD];
    for (unsigned s = 0; s < CONTEXTS; s++)
        for (int i = 0; i < ITEMS; i++)
            wanted[i] += racers[s].tally[i];
    race_run(race, CONTEXTS, settle, racers);
    for (int i = 0; i < ITEMS; i++) {
        int64_t owed, units = on_hand(race, items[i], &owed);
        RACE_MUST(units - owed == wanted[i], "%s: %lld on hand, but the replies add up to %lld",
                  items[i], (long long)(units - owed), (long long)wanted[i]);
        RACE_MUST(units == 0 || owed == 0, "%s: %lld on hand, and %lld owed", items[i],
                  (long long)units, (long long)owed);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race.never_short = false;
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("till") });
    race_set_channel(&race, &(struct channel_setting){
                                .code = text_of("early"), .has_incoming = true, .incoming = true });
    for (int i = 0; i < ITEMS; i++)
        race_stock(&race, text_of(items[i]), text_of("main"), 20);
    race_stock(&race, text_of("figure"), text_of("main"), 1);
    atomic_store(&won[0], 1);
    int64_t wanted[ITEMS] = { 20, 20 }, sold = 0;
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&counting, round >= ROUNDS / 2);
        trade_and_settle(&race, racers, wanted, &sold);
    }
    compare_units(&race, sold);
    race_run(&race, CONTEXTS, correct, racers);
    int64_t steps = (int64_t)race_steps(&race, STEPS), figure, reserved;
    race_sum(&race, text_of("figure"), &figure, &reserved);
    for (int64_t i = 0; i < steps; i++)
        RACE_MUST(atomic_load(&won[i]) <= 1, "%lld was corrected %u times", (long long)i,
                  atomic_load(&won[i]));
    RACE_MUST(figure == steps, "%lld steps led to %lld", (long long)steps, (long long)figure);
    race_close(&race, "tills");
    return 0;
}
