/* SPDX-License-Identifier: Apache-2.0 */
/* When what is promised of a supply is ready, once its ETA changes. */
#include <criterion/criterion.h>

#include "tests/unit/supply_rig.h"

static void reschedule(const char *id, uint64_t eta_ms)
{
    struct supply_step step = { .id = text_of(id), .all = true, .has_eta = true, .eta_ms = eta_ms };
    cr_assert_eq(ledger_reschedule(ctx, &step, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* In hours from the start: when the last draw of the reservation is ready. */
static int64_t ready_h(const char *id)
{
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &granted), CODE_OK);
    return (int64_t)(granted.draws[granted.draw_count - 1].ready_ms - NOW) / HOUR;
}

Test(supply, what_has_come_keeps_its_time_when_the_rest_is_put_off)
{
    expect("e", 20, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 3);
    reserve("o2", 4);
    reserve("o3", 2);
    arrive("e", 5, 0, false);
    reschedule("e", NOW + 9 * HOUR);
    cr_assert_eq(ready_h("o1"), 1, "all of it has come");
    cr_assert_eq(ready_h("o2"), 9, "two of four have come");
    cr_assert_eq(ready_h("o3"), 9);
    reserve("o4", 1);
    arrive("e", 2, 0, false);
    reschedule("e", NOW + 12 * HOUR);
    reschedule("e", NOW + 11 * HOUR);
    cr_assert_eq(ready_h("o1"), 1);
    cr_assert_eq(ready_h("o2"), 9);
    cr_assert_eq(ready_h("o3"), 11);
    cr_assert_eq(ready_h("o4"), 11);
    arrive("e", 3, 0, false);
    reschedule("e", NOW + 20 * HOUR);
    cr_assert_eq(ready_h("o4"), 11, "all that is promised has come");
    reserve("o5", 1);
    cr_assert_eq(ready_h("o5"), 20);
}

/* In hours from the start: when a draw is ready, as was shown last. */
static int64_t drawn_h(uint32_t draw)
{
    cr_assert_lt(draw, granted.draw_count);
    return (int64_t)(granted.draws[draw].ready_ms - NOW) / HOUR;
}

static void amend(const char *id, int64_t qty)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct amendment asked = { .id = text_of(id), .lines = &line, .line_count = 1 };
    cr_assert_eq(ledger_amend(ctx, &asked, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &granted), CODE_OK);
}

/* What is added is a later promise; what happened before it to the earlier one stays. */
Test(supply, what_is_added_has_its_own_time)
{
    expect("e", 30, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 3);
    reserve("o2", 4);
    arrive("e", 3, 0, false);
    reschedule("e", NOW + 9 * HOUR);
    amend("o1", 5);
    amend("o2", 6);
    cr_assert_eq(drawn_h(0), 9, "it had not come");
    cr_assert_eq(drawn_h(1), 9);
    cr_assert_eq(ready_h("o1"), 9);
    cr_assert_eq(drawn_h(0), 1, "it had come");
    reschedule("e", NOW + 12 * HOUR);
    cr_assert_eq(ready_h("o1"), 12);
    cr_assert_eq(drawn_h(0), 12, "three of five have come");
    arrive("e", 2, 0, false);
    reschedule("e", NOW + 15 * HOUR);
    cr_assert_eq(ready_h("o1"), 12, "all five have come");
    cr_assert_eq(drawn_h(0), 12);
    cr_assert_eq(ready_h("o2"), 15);
    cr_assert_eq(drawn_h(0), 15);
}

/* Each time a part comes and the rest is put off. */
Test(supply, four_times_of_promises_are_told_apart)
{
    expect("e", 20, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    for (char id[] = "p1"; id[1] <= '8'; id[1]++)
        reserve(id, 1);
    for (int i = 1; i <= 6; i++) {
        arrive("e", 1, 0, false);
        reschedule("e", NOW + (uint64_t)(10 + i) * HOUR);
    }
    cr_assert_eq(ready_h("p8"), 16);
    cr_assert_eq(ready_h("p6"), 15);
    cr_assert_eq(ready_h("p4"), 13);
    cr_assert_eq(ready_h("p3"), 1, "its change is forgotten");
    cr_assert_eq(ready_h("p1"), 1);
}

Test(supply, what_is_settled_keeps_its_last_time)
{
    expect("e", 9, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 3);
    reserve("o2", 4);
    reschedule("e", NOW + 9 * HOUR);
    cancel("o2");
    arrive("e", -1, 0, false);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ready_h("o1"), 9);
    cr_assert_eq(ready_h("o2"), 1, "what is cancelled is told as it was promised");
    expect("f", 9, NOW + 5 * HOUR);
    reserve("o3", 8);
    reschedule("f", NOW + 7 * HOUR);
    cr_assert_eq(atomic_load(&rig.ledger->items.incoming_count), 1, "it has the pool now");
    cr_assert_eq(ready_h("o1"), 9);
    reserve("o1", 3);
    cr_assert_eq(granted.draws[0].ready_ms, NOW + HOUR, "as first promised");
}

Test(supply, no_time_is_kept_while_the_eta_is_being_changed)
{
    expect("e", 9, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 3);
    arrive("e", 5, 0, false);
    struct incoming *in = &rig.ledger->items.incoming[1];
    atomic_store(&in->eta_ms, 0);
    cr_assert_eq(try_fulfil("o1"), CODE_DEFERRED);
    atomic_store(&in->eta_ms, NOW + HOUR);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}
