/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing wheel against a plain list. Whoever takes an entry that is not due links it again, as
 * the ledger does; so what comes up for good must be exactly what a list of deadlines says.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/wheel.h"
#include "tests/support/random.h"

enum { ENTRIES = 3000 };

static struct id_table ids;
static struct wheel wheel;
static uint64_t deadline[ENTRIES]; /* 0: not linked */
static uint64_t link_tick[ENTRIES];

static void set_up(uint64_t now)
{
    cr_assert_eq(id_table_init(&ids, ENTRIES, 0, 1), 0);
    wheel_init(&wheel, now);
    memset(deadline, 0, sizeof deadline);
}

static void link_at(uint32_t i, uint64_t when, uint64_t now)
{
    deadline[i] = when;
    link_tick[i] = now / WHEEL_TICK_MS;
    wheel_link(&wheel, &ids, entry_at(&ids, i), when);
}

/* The tick at which it must come up: that of its deadline, but none that has gone by. */
static uint64_t due_tick(uint32_t i)
{
    uint64_t tick = (deadline[i] + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    return tick > link_tick[i] ? tick : link_tick[i] + 1;
}

/* Takes all that comes up by now. */
static void take_all(uint64_t now)
{
    struct id_entry *entry;
    while ((entry = wheel_take_due(&wheel, &ids, now)) != NULL) {
        uint32_t i = entry_number(&ids, entry);
        cr_assert_neq(deadline[i], 0, "%u came up and is not linked", i);
        if (deadline[i] <= now)
            deadline[i] = 0;
        else
            wheel_link(&wheel, &ids, entry, deadline[i]);
    }
}

static void expect_none_late(uint64_t now)
{
    uint32_t linked = 0;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        if (deadline[i] == 0)
            continue;
        linked++;
        cr_assert_gt(due_tick(i), now / WHEEL_TICK_MS, "%u is late: due at %llu, now is %llu", i,
                     (unsigned long long)deadline[i], (unsigned long long)now);
    }
    cr_assert_eq(wheel.count, linked);
}

/* A deadline on any of the wheel's levels, and beyond the last. */
static uint64_t pick_ahead(struct random *r)
{
    static const unsigned bits[] = { 4, 9, 12, 17, 20, 25, 29, 36, 40 };
    uint64_t most = UINT64_C(1) << bits[random_below(r, 9)];
    return random_next(r) % most;
}

static void run_random(uint64_t seed, uint64_t start, int steps, unsigned step_bits)
{
    struct random r = { seed };
    uint64_t now = start;
    set_up(now);
    for (int step = 0; step < steps; step++) {
        for (int k = random_below(&r, 20); k > 0; k--) {
            uint32_t i = (uint32_t)random_below(&r, ENTRIES);
            if (deadline[i] == 0) {
                link_at(i, now + pick_ahead(&r), now);
            } else if (random_chance(&r, 50)) {
                wheel_unlink(&wheel, &ids, entry_at(&ids, i));
                deadline[i] = 0;
            }
        }
        now += random_next(&r) % (UINT64_C(1) << random_between(&r, 1, (int)step_bits));
        take_all(now);
        expect_none_late(now);
    }
    id_table_destroy(&ids);
}

Test(wheel, nothing_comes_up_late_in_small_steps)
{
    for (uint64_t seed = 1; seed < 20; seed++)
        run_random(seed, seed * 1000003, 300, 9);
}

Test(wheel, nothing_comes_up_late_in_jumps)
{
    for (uint64_t seed = 1; seed < 12; seed++)
        run_random(seed, seed << 30, 60, 28);
}

Test(wheel, a_deadline_that_is_past_comes_up_with_the_next_tick)
{
    set_up(1000000);
    link_at(0, 1, 1000000);
    cr_assert_null(wheel_take_due(&wheel, &ids, 1000000));
    cr_assert_eq(wheel_take_due(&wheel, &ids, 1000000 + WHEEL_TICK_MS), entry_at(&ids, 0));
    id_table_destroy(&ids);
}

Test(wheel, comes_up_at_its_deadline_on_each_side_of_each_level)
{
    const uint64_t on_prefetch[] = {
        1, 255, 256, 257, 65535, 65536, 65537, 1 << 24, (1 << 24) + 1
    };
    const uint64_t starts[] = { 0, 1, 255, 256, 65535, (1 << 24) - 1 };
    for (unsigned s = 0; s < sizeof starts / sizeof starts[0]; s++)
        for (unsigned a = 0; a < sizeof on_prefetch / sizeof on_prefetch[0]; a++) {
            uint64_t now = starts[s] * WHEEL_TICK_MS;
            uint64_t when = now + on_prefetch[a] * WHEEL_TICK_MS;
            set_up(now);
            link_at(0, when, now);
            take_all(when - 1);
            cr_assert_eq(deadline[0], when, "too early: %llu ticks from %llu",
                         (unsigned long long)on_prefetch[a], (unsigned long long)starts[s]);
            take_all(when);
            cr_assert_eq(deadline[0], 0, "too late: %llu ticks from %llu",
                         (unsigned long long)on_prefetch[a], (unsigned long long)starts[s]);
            id_table_destroy(&ids);
        }
}

/* Sleeping until wheel_next_ms each time misses nothing, and wakes seldom. */
Test(wheel, says_when_there_is_something_to_do)
{
    struct random r = { 7 };
    uint64_t now = 5000, last = now;
    unsigned wakes = 0, left = 200;
    set_up(now);
    cr_assert_eq(wheel_next_ms(&wheel), UINT64_MAX);
    for (uint32_t i = 0; i < left; i++)
        link_at(i, now + random_next(&r) % 10000000, now);
    for (; wheel_next_ms(&wheel) != UINT64_MAX; wakes++) {
        now = wheel_next_ms(&wheel);
        cr_assert_gt(now, last, "it does not go on");
        last = now;
        take_all(now);
        expect_none_late(now);
        cr_assert_lt(wakes, 10000);
    }
    for (uint32_t i = 0; i < left; i++)
        cr_assert_eq(deadline[i], 0);
    /* Once for each deadline, and once for each 4 s in which the next slot is spread. */
    cr_assert_leq(wakes, left + 10000000 / (WHEEL_SLOTS * WHEEL_TICK_MS) + 2);
    id_table_destroy(&ids);
}

Test(wheel, budget_may_end_in_the_middle)
{
    set_up(0);
    for (uint32_t i = 0; i < 100; i++)
        link_at(i, 160, 0);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_not_null(wheel_take_due(&wheel, &ids, 200));
        if (i < 99)
            cr_assert_eq(wheel_next_ms(&wheel), 0, "the rest is due now");
    }
    cr_assert_null(wheel_take_due(&wheel, &ids, 200));
    cr_assert_eq(wheel.count, 0);
    id_table_destroy(&ids);
}

Test(wheel, what_is_due_may_be_unlinked)
{
    set_up(0);
    for (uint32_t i = 0; i < 3; i++)
        link_at(i, 16, 0);
    struct id_entry *first = wheel_take_due(&wheel, &ids, 16);
    cr_assert_not_null(first);
    for (uint32_t i = 0; i < 3; i++)
        if (entry_at(&ids, i) != first)
            wheel_unlink(&wheel, &ids, entry_at(&ids, i));
    cr_assert_null(wheel_take_due(&wheel, &ids, 160));
    id_table_destroy(&ids);
}

Test(wheel, inbox_holds_an_entry_once_until_it_is_read)
{
    set_up(0);
    for (uint32_t i = 0; i < 5; i++) {
        uint64_t word;
        cr_assert(entry_take(entry_at(&ids, i), &word));
        cr_assert(wheel_send(&wheel, &ids, entry_at(&ids, i)));
        cr_assert_not(wheel_send(&wheel, &ids, entry_at(&ids, i)), "it is in there");
    }
    bool seen[5] = { false };
    struct id_entry *entry = wheel_take_inbox(&wheel, &ids);
    cr_assert_null(wheel_take_inbox(&wheel, &ids));
    for (unsigned n = 0; n < 5; n++) {
        cr_assert_not_null(entry);
        struct id_entry *next = wheel_inbox_next(&ids, entry);
        uint32_t i = entry_number(&ids, entry);
        cr_assert_not(seen[i]);
        seen[i] = true;
        cr_assert_not(wheel_send(&wheel, &ids, entry), "it has not been read yet");
        entry->in_inbox = i == 3;
        if (i == 2)
            cr_assert(wheel_send(&wheel, &ids, entry), "it has been read");
        if (i == 3)
            wheel_send_again(&wheel, &ids, entry);
        entry = next;
    }
    cr_assert_null(entry);
    cr_assert(wheel_has_messages(&wheel));
    entry = wheel_take_inbox(&wheel, &ids); /* the last comes first */
    cr_assert_eq(entry_number(&ids, entry) + entry_number(&ids, wheel_inbox_next(&ids, entry)),
                 2 + 3);
    cr_assert_not(wheel_has_messages(&wheel));
    id_table_destroy(&ids);
}
