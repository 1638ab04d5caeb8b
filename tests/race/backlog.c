/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody overtakes those who wait. Orders are promised units before there are any, and as many come
 * as are promised, one by one, while a thief tries to take them all the time: so the thief gets
 * none, and never sees one that is available. The orders are served in their turn.
 *
 * In the second race a place then cannot give a unit, which was the last: its order waits again,
 * for one from elsewhere.
 *
 * In the third a place cannot give what it promised to an order, at the moment at which a unit
 * comes that a younger one waits for. If the log has the older one waiting first, it gets the unit.
 */
#include <stdio.h>

#include "tests/support/race_rig.h"

enum { THIEF, SUPPLIER, WAITER, OTHER, CONTEXTS };
enum { MILLISECONDS = 800, ORDERS = 8, ROUNDS_LEAST = 4 };

static const char *const places[] = { "main", "east" };

/* Units that were promised, and did not come yet. */
static _Atomic unsigned owed[2];
static _Atomic unsigned waiters;
static bool rejecting;

static struct text name(const struct racer *racer, struct race_name *buffer, uint64_t number)
{
    return race_name(buffer, racer->index == WAITER ? 'w' : 'o', number);
}

static void promise(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("unit"), .qty = 1 };
    struct order order = { .id = name(racer, &buffer, number),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true,
                           .backorder = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "promise: %s",
              ctx_failure(racer->ctx)->message);
}

/* Where the order's unit is: at which of the places; or 2: nowhere yet. */
static unsigned place_of(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    while (ledger_reservation(racer->ctx, name(racer, &buffer, number), &view) != CODE_OK)
        racer_turn(racer);
    RACE_MUST(view.draw_count == 1, "the order has one unit, and not %u draws", view.draw_count);
    if (!text_given(view.draws[0].location))
        return 2;
    return text_equal(view.draws[0].location, text_of(places[1]));
}

/* Waits until all of them are served. A later one that is served was not served before those before
 * it, which are read behind it. */
static void wait(struct racer *racer, uint64_t first, unsigned count)
{
    for (unsigned left = count; left > 0;) {
        bool later = false;
        left = 0;
        for (unsigned i = count; i-- > 0;) {
            bool waits = place_of(racer, first + i) == 2;
            RACE_MUST(!waits || !later, "order %llu waits, and a later one was served",
                      (unsigned long long)(first + i));
            later |= !waits;
            left += waits;
        }
        racer_turn(racer);
    }
}

static void hand_over(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    struct step step = { .id = name(racer, &buffer, number) };
    RACE_MUST(racer_fulfil(racer, &step, &view) == CODE_OK, "hand over: %s",
              ctx_failure(racer->ctx)->message);
}

/* The place of the order cannot find its unit. */
static void reject(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    unsigned at = place_of(racer, number);
    struct rejection asked = { .id = name(racer, &buffer, number),
                               .location = text_of(places[at]),
                               .reason = REJECT_NOT_FOUND };
    RACE_MUST(racer_reject(racer, &asked, &view) == CODE_OK, "reject: %s",
              ctx_failure(racer->ctx)->message);
    RACE_MUST(place_of(racer, number) == 2, "there was none, but the order has one");
    atomic_fetch_add(&owed[!at], 1);
}

static void order(struct racer *racer)
{
    uint64_t number = 0;
    for (; !racer_has_done(racer, MILLISECONDS, 0, ROUNDS_LEAST); number += ORDERS) {
        for (unsigned i = 0; i < ORDERS; i++) {
            promise(racer, number + i);
            atomic_fetch_add(&owed[rejecting ? 0 : i % 2], 1);
        }
        wait(racer, number, ORDERS);
        if (rejecting) {
            reject(racer, number);
            wait(racer, number, 1);
        }
        for (unsigned i = 0; i < ORDERS; i++)
            hand_over(racer, number + i);
        racer->tally[0]++;
    }
    atomic_fetch_sub(&waiters, 1);
}

static void supply(struct racer *racer)
{
    for (uint64_t i = 0; atomic_load(&waiters) > 0; i++) {
        unsigned at = (unsigned)random_below(&racer->random, 2);
        struct race_name buffer;
        struct movement_result r;
        racer_turn(racer);
        if (atomic_load(&owed[at]) == 0)
            continue;
        struct movement m = { .id = race_name(&buffer, 's', i),
                              .sku = text_of("unit"),
                              .location = text_of(places[at]),
                              .qty = 1 };
        atomic_fetch_sub(&owed[at], 1);
        RACE_MUST(racer_receive(racer, &m, &r) == CODE_OK, "receive");
        racer->tally[0]++;
    }
}

static void steal(struct racer *racer)
{
    struct text sku = text_of("unit");
    for (uint64_t i = 0; atomic_load(&waiters) > 0; i++) {
        int64_t available = 0;
        uint64_t lsn;
        enum code code = racer_take(racer, i, "default", sku, 1);
        RACE_MUST(code == CODE_INSUFFICIENT_STOCK, "the thief took a unit that others wait for");
        code = ledger_availability(racer->ctx, text_of("default"), &sku, 1, &available, &lsn);
        RACE_MUST(code != CODE_OK || available == 0, "a unit that others wait for is available");
        racer->tally[0] += code == CODE_OK;
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void work(struct racer *racer)
{
    if (racer->index == THIEF)
        steal(racer);
    else if (racer->index == SUPPLIER)
        supply(racer);
    else
        order(racer);
}

static void race_backlog(bool rejects, int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct item_setting limit = { .sku = text_of("unit"),
                                  .has_backorder_limit = true,
                                  .backorder_limit = 1000 };
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, "east");
    race_set_item(&race, &limit);
    rejecting = rejects;
    atomic_store(&waiters, rejects ? 1 : 2);
    race_run(&race, rejects ? OTHER : CONTEXTS, work, racers);
    RACE_MUST(racers[THIEF].tally[0] > 0, "the thief never looked");
    race_close(&race, rejects ? "backlog: rejected" : "backlog");
}

/* ---- who begins to wait while another is served ---- */

enum { OLDER, BRINGER, TURNS = 40000 };

static _Atomic uint64_t turn, brought;

static void bring(struct racer *racer, const char *location, char letter, uint64_t number)
{
    struct race_name buffer;
    struct movement_result r;
    struct movement m = { .id = race_name(&buffer, letter, number),
                          .sku = text_of("unit"),
                          .location = text_of(location),
                          .qty = 1 };
    RACE_MUST(racer_receive(racer, &m, &r) == CODE_OK, "receive");
}

static uint64_t last_change(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    while (ledger_reservation(racer->ctx, name(racer, &buffer, number), &view) != CODE_OK)
        racer_turn(racer);
    return view.lsn;
}

static void end(struct racer *racer, uint64_t number)
{
    struct race_name buffer;
    struct reservation_view view;
    struct step step = { .id = name(racer, &buffer, number) };
    RACE_MUST(racer_cancel(racer, &step, &view) == CODE_OK, "cancel");
}

/* The older order's place rejects it; nobody else has a unit, or the one that comes just now. */
static void reject_in_turn(struct racer *racer, uint64_t older)
{
    struct race_name buffer;
    struct reservation_view view;
    struct rejection asked = { .id = name(racer, &buffer, older),
                               .location = text_of(places[0]),
                               .reason = REJECT_NOT_FOUND };
    atomic_fetch_add(&turn, 1);
    RACE_MUST(racer_reject(racer, &asked, &view) == CODE_OK, "reject: %s",
              ctx_failure(racer->ctx)->message);
    uint64_t lsn = view.lsn, younger = older + 1;
    while (atomic_load(&brought) < atomic_load(&turn) ||
           (place_of(racer, older) == 2) == (place_of(racer, younger) == 2))
        racer_turn(racer);
    bool overtaken = place_of(racer, older) == 2;
    RACE_MUST(!overtaken || last_change(racer, younger) < lsn,
              "order %llu has waited since lsn %llu, and a younger one was served at lsn %llu",
              (unsigned long long)older, (unsigned long long)lsn,
              (unsigned long long)last_change(racer, younger));
    racer->tally[overtaken]++;
}

static void take_turns(struct racer *racer)
{
    for (uint64_t i = 0; racer_goes_on(racer, i) && i < TURNS; i++) {
        if (racer->index == BRINGER) {
            while (atomic_load(&turn) <= i)
                racer_turn(racer);
            bring(racer, places[1], 'b', i);
            atomic_fetch_add(&brought, 1);
            continue;
        }
        bring(racer, places[0], 'm', i);
        promise(racer, 2 * i);
        promise(racer, 2 * i + 1);
        reject_in_turn(racer, 2 * i);
        uint64_t served = place_of(racer, 2 * i) == 2 ? 2 * i + 1 : 2 * i;
        hand_over(racer, served);
        end(racer, served ^ 1);
        if (i % 16 == 0)
            racer_turn(racer);
    }
}

static void race_turns(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct item_setting limit = { .sku = text_of("unit"),
                                  .has_backorder_limit = true,
                                  .backorder_limit = 1000 };
    race_open(&race, 2, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race_add_location(&race, places[1]);
    race_set_item(&race, &limit);
    race_run(&race, 2, take_turns, racers);
    printf("%llu older ones were served first, and %llu younger ones\n",
           (unsigned long long)racers[OLDER].tally[0], (unsigned long long)racers[OLDER].tally[1]);
    race_close(&race, "backlog: turns");
}

int main(int argc, char **argv)
{
    race_backlog(false, argc, argv);
    race_backlog(true, argc, argv);
    race_turns(argc, argv);
    return 0;
}
