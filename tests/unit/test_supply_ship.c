/* SPDX-License-Identifier: Apache-2.0 */
/* Supplies that are shipped in parts: their ETAs, and what may be asked for again. */
#include "tests/unit/supply_rig.h"

Test(supply, a_whole_withdrawal_again_gives_the_same)
{
    struct supply_line two = tea(2, 0);
    struct supply_step some = { .id = text_of("t"), .lines = &two, .line_count = 1 };
    struct supply_step all = { .id = text_of("t"), .all = true };
    cr_assert_eq(try_transfer("t", 6, NOW + HOUR, true), CODE_OK);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    uint64_t lsn = view.lsn;
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(view.lsn, lsn);
    cr_assert_str_eq(view.state, "in_transit");
    arrive("t", -1, 0, false);
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "whatever became of the rest");
    cr_assert_str_eq(view.state, "arrived");
}

Test(supply, the_next_lorry_has_an_eta_of_its_own)
{
    struct supply_line two = tea(2, 0);
    struct supply_step some = { .id = text_of("t"), .lines = &two, .line_count = 1 };
    cr_assert_eq(try_transfer("t", 6, NOW + HOUR, true), CODE_OK);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    some.has_eta = true;
    some.eta_ms = NOW + 5 * HOUR;
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_BAD_REQUEST, "the first is under way");
    arrive("t", 2, 0, false);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(row("in_transit").eta_ms, NOW + 5 * HOUR);
}

Test(supply, what_would_be_late_at_once_is_not_shipped)
{
    struct supply_step all = { .id = text_of("t"), .all = true };
    struct supply_line two = tea(2, 0);
    struct supply_step some = { .id = text_of("t"), .lines = &two, .line_count = 1 };
    cr_assert_eq(try_transfer("t", 6, NOW + HOUR, true), CODE_OK);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    at_time(NOW + HOUR);
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_BAD_REQUEST, "a part is late");
    cr_assert(strstr(ctx_failure(ctx)->message, "reschedule"));
    arrive("t", 2, 0, false);
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_BAD_REQUEST);
    cr_assert_str_eq(ctx_failure(ctx)->param, "eta_ms");
    cr_assert_eq(view.lines[0].shipped, 2);
    all.has_eta = true;
    all.eta_ms = NOW + 2 * HOUR;
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    at_time(NOW + 3 * HOUR);
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_OK, "shipped before");
}

Test(supply, an_eta_that_comes_with_a_ship_is_that_of_all_lines)
{
    struct supply_line two[] = { tea(1, 0), { .sku = text_of("coffee"), .qty = 2 } };
    struct supply_order order = { .id = text_of("t"),
                                  .from = text_of("main"),
                                  .location = text_of("store"),
                                  .lines = two,
                                  .line_count = 2,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR,
                                  .hold = true };
    struct supply_step some = { .id = text_of("t"), .lines = two, .line_count = 1 };
    struct movement_result moved;
    struct movement coffee = {
        .id = text_of("r2"), .sku = text_of("coffee"), .location = text_of("main"), .qty = 2
    };
    cr_assert_eq(ledger_receive(ctx, &coffee, &moved), CODE_OK);
    cr_assert_eq(ledger_transfer(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    arrive("t", 1, 0, false);
    some.lines = &two[1];
    some.has_eta = true;
    some.eta_ms = NOW + 5 * HOUR;
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(atomic_load(&rig.ledger->items.incoming[1].eta_ms), NOW + 5 * HOUR);
}
