/* SPDX-License-Identifier: Apache-2.0 */
/* The figures: rings, cells, and what happens when the store is too small. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/figures/figures.h"

enum { DAY = 24, ITEMS = 5000, CELLS = 8 * ITEMS };

static struct figures *figures;

static void open_figures(void)
{
    figures = figures_create(FIGURES_LEAST, 2);
    cr_assert_not_null(figures);
}

static void close_figures(void)
{
    figures_destroy(figures);
}

TestSuite(figures, .init = open_figures, .fini = close_figures);

static struct fact sold(uint32_t day, uint32_t hour, uint32_t cell, uint32_t units)
{
    return (struct fact){ .item = cell % ITEMS,
                          .location = (uint16_t)(cell / ITEMS),
                          .channel = (uint16_t)(cell % 3),
                          .hour = day * DAY + hour,
                          .measure = MEASURE_SOLD,
                          .units = units,
                          .count = 1 };
}

/* As the store is told: held. */
static void add(const struct fact *fact)
{
    figures_hold(figures);
    figures_add(figures, fact);
    figures_put(figures);
}

struct sums {
    uint64_t facts, units, count, coarse_hours, coarse_items;
};

/* Of the facts that a report without items would take, and of those by item alone. */
static struct sums sum(uint32_t from_hour)
{
    struct sums s = { 0 };
    struct figures_walk walk;
    figures_hold(figures);
    figures_fold_all(figures);
    figures_walk_start(figures, &walk);
    while (figures_walk_next(figures, &walk)) {
        if (walk.fact.hour < from_hour)
            continue;
        s.facts++;
        if (!walk.coarse) {
            s.units += walk.fact.units;
            s.count += walk.fact.count;
        }
        if (walk.coarse && walk.fact.item == FACT_NO_ITEM)
            s.coarse_hours += walk.fact.units;
        if (walk.coarse && walk.fact.item != FACT_NO_ITEM)
            s.coarse_items += walk.fact.units;
    }
    figures_put(figures);
    return s;
}

Test(figures, facts_of_a_cell_are_one)
{
    struct fact fact = sold(20000, 3, 5, 2);
    for (int i = 0; i < 10; i++)
        figures_note(figures, 0, &fact);
    fact.units = 1;
    figures_note(figures, 1, &fact);
    fact.channel++;
    figures_note(figures, 1, &fact);
    struct sums s = sum(0);
    cr_assert_eq(s.facts, 2);
    cr_assert_eq(s.units, 22);
    cr_assert_eq(s.count, 12);
}

Test(figures, a_sum_beyond_32_bits_is_exact)
{
    struct fact fact = sold(20000, 3, 5, UINT32_MAX);
    fact.count = UINT32_MAX / 2;
    for (int i = 0; i < 5; i++)
        add(&fact);
    struct sums s = sum(0);
    cr_assert_eq(s.units, 5 * (uint64_t)UINT32_MAX);
    cr_assert_eq(s.count, 5 * (uint64_t)(UINT32_MAX / 2));
}

Test(figures, a_full_ring_has_no_room_until_it_is_folded)
{
    struct fact fact = sold(20000, 3, 5, 1);
    uint64_t noted = 0;
    for (; figures_have_room(figures, 0); noted++)
        figures_note(figures, 0, &fact);
    cr_assert_geq(noted, FIGURES_RING - FIGURES_HEADROOM);
    cr_assert(figures_have_room(figures, 1));
    figures_tend(figures, 0);
    cr_assert(figures_have_room(figures, 0));
    cr_assert_eq(sum(0).units, noted);
}

Test(figures, a_context_folds_only_if_there_is_much_and_nobody_holds_the_store)
{
    struct fact fact = sold(20000, 3, 5, 1);
    struct figures_metrics m;
    for (int i = 0; i < FIGURES_FOLD_FROM - 1; i++)
        figures_note(figures, 0, &fact);
    figures_tend(figures, 0);
    figures_metrics(figures, &m);
    cr_assert_eq(m.facts, 0);
    figures_note(figures, 0, &fact);
    figures_hold(figures);
    figures_tend(figures, 0);
    figures_metrics(figures, &m);
    cr_assert_eq(m.facts, 0);
    figures_put(figures);
    figures_tend(figures, 0);
    figures_metrics(figures, &m);
    cr_assert_eq(m.facts, 1);
}

static void keep_back(bool back)
{
    figures_hold(figures);
    figures_keep_crossings_back(figures, back);
    figures_put(figures);
}

static uint64_t facts_in_store(void)
{
    struct figures_metrics m;
    figures_metrics(figures, &m);
    return m.facts;
}

Test(figures, crossings_that_are_kept_back_stay_in_their_ring)
{
    struct fact fact = sold(20000, 3, 5, 1);
    keep_back(true);
    for (int i = 0; i < FIGURES_FOLD_FROM; i++) {
        figures_note(figures, FIGURES_CROSSINGS, &fact);
        figures_note(figures, 1, &fact);
    }
    figures_tend(figures, FIGURES_CROSSINGS);
    cr_assert_eq(facts_in_store(), 0);
    cr_assert_eq(sum(0).units, FIGURES_FOLD_FROM, "all others are folded");
    keep_back(false);
    cr_assert_eq(sum(0).units, 2 * FIGURES_FOLD_FROM);
    for (int i = 0; i < FIGURES_FOLD_FROM; i++)
        figures_note(figures, FIGURES_CROSSINGS, &fact);
    figures_tend(figures, FIGURES_CROSSINGS);
    cr_assert_lt(sum(0).facts, 2);
    cr_assert_eq(sum(0).units, 3 * FIGURES_FOLD_FROM);
}

Test(figures, replay_makes_room_for_crossings)
{
    struct fact fact = sold(20000, 3, 5, 1);
    for (int i = 0; i < FIGURES_FOLD_FROM; i++)
        figures_note(figures, FIGURES_CROSSINGS, &fact);
    figures_replaying(figures);
    cr_assert_eq(facts_in_store(), 1);
}

Test(figures, the_last_days_are_kept_however_far_apart)
{
    for (uint32_t i = 0; i < FIGURES_DAYS + 3; i++) {
        struct fact fact = sold(20000 + 10 * i, 0, 1, 1);
        add(&fact);
    }
    struct figures_extent extent = figures_extent(figures);
    cr_assert_eq(extent.whole_from, (20000 + 20 + 1) * DAY);
    cr_assert_eq(sum(extent.whole_from).units, FIGURES_DAYS);
    struct fact late = sold(20000 + 15, 0, 1, 1), forgotten = sold(19000, 0, 1, 1);
    add(&late);
    add(&forgotten);
    cr_assert_eq(sum(0).units, FIGURES_DAYS);
}

/* More cells than there is room for: each of them once, over some days. */
static uint64_t overfill(uint32_t days)
{
    uint64_t units = 0;
    for (uint32_t day = 0; day < days; day++)
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            struct fact fact = sold(20000 + day, cell % 24, cell, 1 + cell % 3);
            add(&fact);
            units += fact.units;
        }
    return units;
}

Test(figures, old_days_lose_detail_but_no_unit)
{
    uint64_t units = overfill(4);
    struct figures_extent extent = figures_extent(figures);
    struct figures_metrics m;
    cr_assert_eq(extent.whole_from, 0);
    cr_assert_gt(extent.detail_from, 20000 * DAY);
    cr_assert_leq(extent.detail_from, 20004 * DAY);
    struct sums s = sum(0);
    cr_assert_eq(s.units + s.coarse_hours, units, "by hour, channel and place");
    cr_assert_eq(s.units + s.coarse_items, units, "by item");
    figures_metrics(figures, &m);
    cr_assert_leq(m.facts, m.facts_max);
}

Test(figures, a_fact_of_a_day_without_detail_is_coarse)
{
    overfill(4);
    struct figures_extent extent = figures_extent(figures);
    struct sums before = sum(0);
    struct fact late = sold(20000, 3, 7, 1000);
    cr_assert_lt(late.hour, extent.detail_from);
    add(&late);
    struct sums after = sum(0);
    cr_assert_eq(after.coarse_hours, before.coarse_hours + 1000);
    cr_assert_eq(after.coarse_items, before.coarse_items + 1000);
    cr_assert_eq(after.units, before.units);
}

Test(figures, what_does_not_fit_at_all_is_given_up_from_the_oldest_day)
{
    overfill(30);
    struct figures_extent extent = figures_extent(figures);
    struct figures_metrics m;
    cr_assert_gt(extent.whole_from, 20000 * DAY);
    cr_assert_lt(extent.whole_from, 20030 * DAY);
    cr_assert_leq(extent.whole_from, extent.detail_from);
    uint64_t day = 0;
    for (uint32_t cell = 0; cell < CELLS; cell++)
        day += 1 + cell % 3;
    struct sums s = sum(extent.whole_from);
    uint64_t days = 20030 - extent.whole_from / DAY;
    cr_assert_eq(s.units + s.coarse_hours, days * day);
    cr_assert_eq(s.units + s.coarse_items, days * day);
    figures_metrics(figures, &m);
    cr_assert_leq(m.facts, m.facts_max);
}

Test(figures, a_walk_goes_on_unless_facts_were_removed)
{
    struct figures_walk walk;
    struct fact fact = sold(20000, 3, 5, 1);
    add(&fact);
    figures_walk_start(figures, &walk);
    cr_assert(figures_walk_next(figures, &walk));
    fact.item++;
    add(&fact);
    cr_assert(figures_walk_holds(figures, &walk));
    cr_assert(figures_walk_next(figures, &walk));
    cr_assert_not(figures_walk_next(figures, &walk));
    overfill(4);
    cr_assert_not(figures_walk_holds(figures, &walk));
}

Test(figures, no_figures_are_fine)
{
    struct fact fact = sold(20000, 3, 5, 1);
    cr_assert(figures_have_room(NULL, 0));
    figures_note(NULL, 0, &fact);
    figures_tend(NULL, 0);
    figures_replaying(NULL);
    figures_destroy(NULL);
    fact.hour = FIGURES_HOURS_MAX;
    figures_note(figures, 0, &fact);
    cr_assert_eq(sum(0).facts, 0);
}
