/* SPDX-License-Identifier: Apache-2.0 */
/* Shortages of a pool with many promises: more than one slice, or one walk, looks at. */
#include "tests/unit/shortages_rig.h"

static void promise_many(unsigned promises)
{
    char id[16];
    for (unsigned i = 0; i < promises; i++) {
        snprintf(id, sizeof id, "p%u", i);
        reserve_at(id, "store", 1);
        if (i % 16 == 0)
            ledger_rig_drain(&rig);
    }
}

/* How many short ones were told since; the id of each is the one before. */
static unsigned told_downwards(unsigned from)
{
    char id[16];
    struct event event;
    unsigned told = 0;
    look();
    for (; events_get(ledger_events(rig.ledger), read_to, &event) == EVENT_FOUND; read_to++) {
        if (event.type != EVENT_SHORT)
            continue;
        snprintf(id, sizeof id, "p%u", from - ++told);
        cr_assert(text_equal((struct text){ event.id, event.id_len }, text_of(id)), "%s", id);
    }
    return told;
}

Test(shortages, of_many_promises)
{
    enum { MANY = 300 };
    expect("e", MANY, NOW + HOUR);
    promise_many(MANY);
    withdraw("e", 100);
    cr_assert_eq(told_downwards(MANY), 100);
    withdraw("e", MANY - 100);
    cr_assert_eq(told_downwards(MANY - 100), MANY - 100);
    bring("store", 200); /* stands in for the earliest */
    cr_assert_eq(told_downwards(0), 0);
    count("store", 100);
    cr_assert_eq(told_downwards(200), 100);
}

static void begin_anew_large(void)
{
    end();
    slots = 16384;
    begin();
}

/* More than a walk has room for; and more looks than one. */
Test(shortages, of_more_promises_than_one_walk_keeps)
{
    enum { MORE = SHORTAGE_PROMISES / 2 + 500, FEW = 200 };
    begin_anew_large();
    bring("store", MORE);
    promise_many(MORE);
    count("store", FEW);
    look();
    cr_assert_eq(ledger_events_taken(rig.ledger, EVENT_SHORT), MORE - FEW);
    count("store", MORE - 1); /* all but the last are covered again */
    read_to = 0;
    look();
    cr_assert_eq(ledger_events_taken(rig.ledger, EVENT_SHORT), MORE - FEW);
    count("store", 0);
    look();
    cr_assert_eq(ledger_events_taken(rig.ledger, EVENT_SHORT), MORE - FEW + MORE - 1);
}

/* It is covered after a part of the look. */
Test(shortages, covered_while_somebody_looks)
{
    enum { MORE = SHORTAGE_PROMISES / 2 };
    begin_anew_large();
    bring("store", MORE);
    promise_many(MORE);
    count("store", 1);
    now += 50;
    at_time(now);
    ledger_tell_shortages(ctx);
    cr_assert_neq(ledger_shortages_due(ctx), UINT64_MAX, "the look is not over");
    count("store", MORE);
    look();
    cr_assert_eq(ledger_events_taken(rig.ledger, EVENT_SHORT), 0);
}
