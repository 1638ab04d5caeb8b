/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two contexts place orders that are collected in the store and sent there from two other places;
 * cancel some; have the transfers arrive, whole or in parts; and carry the units back. A third one
 * buys from all that the channel sells, supply included, and moves units between the places. A
 * fourth one looks at the stock.
 *
 * At every instant each unit is in one place, or under way to one: a look that no move has
 * disturbed finds all of them. No pool is ever promised beyond what it has, in any prefix of the
 * log: so no unit that was sent for one order was sold to another. And what has come for an order
 * that was not cancelled is made ready.
 */
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/orders.h"
#include "tests/support/race_rig.h"

enum { SENDERS = 2, BUYER = SENDERS, WATCHER, CONTEXTS };
enum { MILLISECONDS = 1500, EACH = 20, ALL = 3 * EACH, MOST = 14 };
enum { POOLS_MOST = 32 };    /* few transfers are under way at a time */
enum { SENT, READY, LOOKS }; /* of a racer's tally */
enum { SENT_LEAST = 40 * RACE_SCALE, SENT_MOST = 6000, LOOKS_LEAST = 100 * RACE_SCALE };

static const char *const places[] = { "main", "north", "store" };
static _Atomic uint64_t next_id;

static struct text fresh_name(struct race_name *name)
{
    return race_name(name, 'x', atomic_fetch_add(&next_id, 1));
}

/* ---- what is sent ---- */

static void arrive(struct racer *racer, struct text id, bool all, int64_t qty)
{
    struct race_name op;
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = qty };
    struct supply_step step = {
        .id = id, .op = fresh_name(&op), .all = all, .lines = &line, .line_count = 1
    };
    RACE_MUST(racer_step_supply(racer, ledger_arrive, &step, &view) == CODE_OK, "arrive: %s",
              ctx_failure(racer->ctx)->message);
}

/* Some come in two parts; the other context may arrive in between. */
static void arrive_all(struct racer *racer, struct text order, uint32_t sends)
{
    for (uint32_t i = 1; i <= sends; i++) {
        char name[ID_MAX];
        struct text id = { name, ledger_send_id(order, i, name) };
        if (random_chance(&racer->random, 30)) {
            arrive(racer, id, false, 1);
            racer_turn(racer);
        }
        arrive(racer, id, true, 0);
    }
}

static void cancel(struct racer *racer, struct text id)
{
    struct reservation_view view;
    struct step step = { .id = id };
    RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel: %s",
              ctx_failure(racer->ctx)->message);
}

static const char *step_of(struct racer *racer, struct text id)
{
    struct reservation_view view;
    enum code code;
    while ((code = ledger_reservation(racer->ctx, id, &view)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "reservation: %s", ctx_failure(racer->ctx)->message);
    return view.parts[0].step;
}

/* Another context may have been looking at the reservation when its units came. */
static void must_be_ready(struct racer *racer, struct text id)
{
    enum { TURNS = 1 << 20 };
    for (int i = 0; strcmp(step_of(racer, id), "ready") != 0; i++) {
        RACE_MUST(i < TURNS, "all has come that was sent, and its part is %s", step_of(racer, id));
        racer_turn(racer);
    }
    racer->tally[READY]++;
}

/* What is in the store goes back to where it can be sent from. */
static void carry_back(struct racer *racer, int64_t qty)
{
    struct race_name id;
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = qty };
    struct supply_order order = { .id = fresh_name(&id),
                                  .from = text_of("store"),
                                  .location = text_of(places[random_below(&racer->random, 2)]),
                                  .lines = &line,
                                  .line_count = 1 };
    enum code code = racer_make_supply(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "transfer: %s",
              ctx_failure(racer->ctx)->message);
}

static void send_once(struct racer *racer, uint64_t number)
{
    struct race_name name;
    struct reservation_view view;
    struct text id = race_name(&name, (char)('a' + racer->index), number);
    struct order_line line = { .sku = text_of("tea"),
                               .qty = random_between(&racer->random, 1, MOST) };
    struct order order = { .id = id,
                           .channel = text_of("soon"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true,
                           .at = text_of("store"),
                           .supply = text_of("any"),
                           .terms = { .mode = text_of("pickup") } };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    if (code)
        return;
    uint32_t sends = view.sends;
    racer->tally[SENT] += sends > 0;
    if (random_chance(&racer->random, 40)) { /* on the way, the units are free then */
        cancel(racer, id);
        arrive_all(racer, id, sends);
    } else {
        arrive_all(racer, id, sends);
        if (sends > 0)
            must_be_ready(racer, id);
        cancel(racer, id);
    }
    carry_back(racer, line.qty);
}

static void send(struct racer *racer)
{
    for (uint64_t i = 0;
         racer->tally[SENT] < SENT_MOST && !racer_has_done(racer, MILLISECONDS, SENT, SENT_LEAST);
         i++) {
        send_once(racer, i);
        if (i % 4 == 0)
            racer_turn(racer);
    }
}

/* ---- the others ---- */

static bool senders_are_done(const struct racer *racer)
{
    return atomic_load(&racer->race->racing) <= CONTEXTS - SENDERS;
}

static void buy(struct racer *racer)
{
    for (uint64_t i = 0; !senders_are_done(racer); i++) {
        struct race_name id;
        struct supply_view view;
        int from = random_below(&racer->random, 2);
        struct supply_line line = { .sku = text_of("tea"),
                                    .qty = random_between(&racer->random, 1, EACH) };
        struct supply_order order = { .id = fresh_name(&id),
                                      .from = text_of(places[from]),
                                      .location = text_of(places[1 - from]),
                                      .lines = &line,
                                      .line_count = 1 };
        enum code code = racer_take(racer, i, "soon", text_of("tea"), line.qty);
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "take");
        if (code == CODE_OK)
            RACE_MUST(racer_drop(racer, i) == CODE_OK, "drop");
        code = racer_make_supply(racer, &order, &view);
        RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "transfer");
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

/* Units on hand, and under way; negative: they moved meanwhile, or a pool was made. */
static int64_t look(struct racer *racer)
{
    const struct item *item = item_at(&racer->race->ledger->items, 0);
    struct stock_view stock;
    uint16_t stamp;
    bool none = moves_none(item, &stamp);
    int64_t sum = 0;
    enum code code = ledger_stock(racer->ctx, text_of("tea"), &stock);
    RACE_MUST(code == CODE_OK || code == CODE_DEFERRED, "stock");
    if (code == CODE_DEFERRED)
        return -1; /* a supply is being changed */
    for (uint32_t i = 0; i < stock.pool_count; i++)
        sum += stock.pools[i].on_hand;
    return none && stock.pool_count > 0 && moves_unchanged(item, stamp) ? sum : -1;
}

static void watch(struct racer *racer)
{
    while (!senders_are_done(racer) || racer->tally[LOOKS] < LOOKS_LEAST) {
        int64_t sum = look(racer);
        RACE_MUST(sum < 0 || sum == ALL, "%lld units are there or under way, of %d", (long long)sum,
                  ALL);
        racer->tally[LOOKS] += sum >= 0;
        racer_turn(racer);
    }
}

static void work(struct racer *racer)
{
    if (racer->index < SENDERS)
        send(racer);
    else if (racer->index == BUYER)
        buy(racer);
    else
        watch(racer);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t on_hand, reserved;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race.never_short = true;
    race_add_location(&race, "north");
    race_add_location(&race, "store");
    race_set_channel(&race, &(struct channel_setting){
                                .code = text_of("soon"), .has_incoming = true, .incoming = true });
    for (int i = 0; i < 3; i++)
        race_stock(&race, text_of("tea"), text_of(places[i]), EACH);
    race_run(&race, CONTEXTS, work, racers);
    race_sum(&race, text_of("tea"), &on_hand, &reserved);
    RACE_MUST(on_hand == ALL && reserved == 0, "%lld on hand and %lld reserved in the end",
              (long long)on_hand, (long long)reserved);
    unsigned pools = atomic_load(&race.ledger->items.pool_count);
    RACE_MUST(pools <= POOLS_MOST, "%u pools: those of transfers that are over have no other use",
              pools);
    RACE_MUST(racers[0].tally[READY] + racers[1].tally[READY] > 0, "nothing was made ready");
    race_close(&race, "send");
    return 0;
}
