/* SPDX-License-Identifier: Apache-2.0 */
/* Several supplies of which less comes to a place than was promised. */
#include "tests/unit/supply_rig.h"

static void cancel_some(const char *id, int64_t qty)
{
    struct reservation_view r;
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct step step = { .id = text_of(id), .lines = &line, .line_count = 1 };
    cr_assert_eq(ledger_cancel(ctx, &step, &r), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void withdraw(const char *id)
{
    struct supply_step all = { .id = text_of(id), .all = true };
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* The pool of "f" is the first; of "e", which comes earlier, are the first and the third promise.
 */
static void promise_three(void)
{
    expect("f", 5, NOW + 2 * HOUR);
    expect("e", 5, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 5);
    reserve("o2", 3);
    cancel_some("o1", 2);
    reserve("o3", 2);
    withdraw("e");
    withdraw("f");
}

static void check_fulfilled(const char *id, bool could)
{
    cr_assert_eq(try_fulfil(id), could ? CODE_OK : CODE_INSUFFICIENT_STOCK, "%s", id);
}

Test(supply, free_units_stand_in_for_the_earliest_promise)
{
    promise_three();
    receive("r2", "store", 3);
    check_fulfilled("o3", false);
    check_fulfilled("o2", false);
    check_fulfilled("o1", true);
    receive("r3", "store", 3);
    check_fulfilled("o3", false);
    check_fulfilled("o2", true);
    receive("r4", "store", 2);
    check_fulfilled("o3", true);
    cr_assert_eq(available("web"), 0);
}

Test(supply, they_stand_in_for_one_after_the_other)
{
    promise_three();
    receive("r2", "store", 7);
    cr_assert_eq(available("web"), 0);
    check_fulfilled("o3", false);
    check_fulfilled("o2", true);
    check_fulfilled("o1", true);
    receive("r3", "store", 2);
    check_fulfilled("o3", true);
    cr_assert_eq(available("web"), 1);
}

Test(supply, one_reservation_may_be_short_of_both)
{
    expect("f", 5, NOW + 2 * HOUR);
    expect("e", 5, NOW + HOUR);
    reserve("o0", 10);
    reserve("o1", 8);
    withdraw("e");
    withdraw("f");
    receive("r2", "store", 7);
    cr_assert_eq(available("web"), 0);
    receive("r3", "store", 2);
    cr_assert_eq(available("web"), 1);
    check_fulfilled("o1", true);
}

/* What is cancelled of one supply stands in for what is short of another. */
Test(supply, what_has_come_and_is_cancelled_stands_in)
{
    struct supply_line line = tea(3, 0);
    struct supply_step some = { .id = text_of("e"), .lines = &line, .line_count = 1 };
    expect("f", 5, NOW + 2 * HOUR);
    expect("e", 5, NOW + HOUR);
    reserve("o0", 10);
    reserve("o1", 5);
    reserve("o2", 5);
    cr_assert_eq(ledger_arrive(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    withdraw("e");
    withdraw("f");
    check_fulfilled("o1", false);
    cancel("o1");
    cr_assert_eq(available("web"), 0);
    receive("r2", "store", 2);
    check_fulfilled("o2", true);
}

/* Many promises: the earliest short one is found by some walks, and no more units move. */
Test(supply, the_earliest_of_many)
{
    char id[16];
    expect("f", 100, NOW + 2 * HOUR);
    expect("e", 100, NOW + HOUR);
    reserve("o0", 10);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "p%d", i);
        reserve(id, 1);
        ledger_rig_drain(&rig);
    }
    withdraw("e");
    withdraw("f");
    receive("r2", "store", 101);
    for (int i = 199; i >= 0; i--) {
        snprintf(id, sizeof id, "p%d", i);
        check_fulfilled(id, i <= 100);
    }
}

/* As when somebody cancels after a sweep has planned, and before its units are there: the cancel's
 * own sweep finds nothing free. */
Test(supply, what_stands_in_too_late_is_free)
{
    expect("e", 5, NOW + HOUR);
    reserve("o1", 15);
    withdraw("e");
    struct pool *own = pool_find(&rig.ledger->items, 0, 1, owner_expected(0));
    receive("s1", "store", 5);
    pool_give(own, (struct pool_change){ .reserved = -2 });
    cr_assert_eq(available("default"), 0);
    at_time(NOW + 1);
    cr_assert_eq(available("default"), 2);
    pool_give(own, (struct pool_change){ .reserved = 2 });
    receive("s2", "store", 1);
    cr_assert_eq(available("default"), 1);
    at_time(NOW + 2);
    cr_assert_eq(ctx->sweep_count, 0, "nothing is left to do");
    check_fulfilled("o1", true);
}

/* ---- what stands in is nobody else's, even before it does ---- */

static enum code try_allot(const char *id, int64_t qty)
{
    struct allot_result r;
    struct allotment allotment = { .id = text_of(id),
                                   .sku = text_of("tea"),
                                   .location = text_of("store"),
                                   .channel = text_of("default"),
                                   .qty = qty };
    return ledger_allot(ctx, &allotment, &r);
}

static enum code try_send_away(const char *id, int64_t qty)
{
    struct supply_line line = tea(qty, 0);
    struct supply_order order = { .id = text_of(id),
                                  .from = text_of("store"),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1 };
    return ledger_transfer(ctx, &order, &view);
}

/* The pool that the supply has at the store, with an undecided take, so that no sweep is sure. */
static struct pool *hold_supply(void)
{
    struct pool *pool = pool_find(&rig.ledger->items, 0, 1, owner_expected(0));
    cr_assert(pool_hold(pool));
    return pool;
}

Test(supply, what_is_to_stand_in_is_nobody_elses)
{
    expect("e", 3, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 3);
    withdraw("e");
    struct pool *held = hold_supply();
    receive("r2", "store", 2);
    cr_assert_eq(row("shared").on_hand, 2, "no sweep can have the units stand in yet");
    cr_assert_eq(available("default"), 0);
    cr_assert_eq(available("web"), 0);
    cr_assert_neq(try_reserve("t1", "default", 1), CODE_OK);
    cr_assert_neq(try_reserve("t2", "web", 1), CODE_OK);
    cr_assert_neq(try_allot("t3", 1), CODE_OK);
    cr_assert_neq(try_send_away("t4", 1), CODE_OK);
    receive("r3", "store", 3); /* one more than o1 lacks */
    cr_assert_eq(available("default"), 2);
    cr_assert_neq(try_reserve("t5", "default", 3), CODE_OK);
    cr_assert_eq(try_reserve("t6", "default", 1), CODE_OK);
    pool_decide(held);
    at_time(NOW + 1);
    check_fulfilled("o1", true);
    cr_assert_eq(available("default"), 1);
    cr_assert_eq(try_allot("t7", 1), CODE_OK);
}
