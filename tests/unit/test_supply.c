/* SPDX-License-Identifier: Apache-2.0 */
/* Supply: what is on its way, what is promised of it, and what becomes of both. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/supply_rig.h"

Test(supply, a_transfer_without_eta_arrives_at_once)
{
    cr_assert_eq(try_transfer("t", 4, 0, false), CODE_OK);
    cr_assert_str_eq(view.state, "arrived");
    cr_assert_eq(row("shared").on_hand, 4);
    cr_assert_eq(on_hand(), 10);
    cr_assert_eq(try_transfer("u", 7, 0, false), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(try_transfer("t", 4, 0, false), CODE_OK);
    cr_assert_str_eq(view.state, "arrived", "again");
    reserve("o1", 10);
    cr_assert_eq(try_transfer("v", 1, 0, false), CODE_INSUFFICIENT_STOCK, "all are promised");
}

Test(supply, a_transfer_is_under_way_and_arrives_in_parts)
{
    cr_assert_eq(try_transfer("t", 6, NOW + HOUR, false), CODE_OK);
    cr_assert_str_eq(view.state, "in_transit");
    cr_assert_eq(on_hand(), 4);
    cr_assert_eq(row("in_transit").on_hand, 6);
    cr_assert_eq(row("in_transit").eta_ms, NOW + HOUR);
    cr_assert_eq(available("default"), 4);
    cr_assert_eq(available("web"), 10);
    arrive("t", 2, 1, false);
    cr_assert_eq(view.lines[0].accepted, 2);
    cr_assert_eq(view.lines[0].rejected, 1);
    cr_assert_eq(on_hand(), 6);
    cr_assert_eq(row("damaged").on_hand, 1);
    cr_assert_eq(row("in_transit").on_hand, 3);
    arrive("t", 1, 0, true);
    cr_assert_str_eq(view.state, "arrived");
    cr_assert_eq(view.lines[0].lost, 2);
    cr_assert_eq(on_hand(), 7);
    cr_assert_eq(row("in_transit").on_hand, -1);
}

Test(supply, what_is_held_is_shipped_or_withdrawn)
{
    struct supply_line two = tea(2, 0);
    struct supply_step some = { .id = text_of("t"), .lines = &two, .line_count = 1 };
    struct supply_step all = { .id = text_of("t"), .all = true };
    cr_assert_eq(try_transfer("t", 6, NOW + HOUR, true), CODE_OK);
    cr_assert_str_eq(view.state, "held");
    cr_assert_eq(available("default"), 4);
    cr_assert_eq(ledger_ship(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(view.state, "in_transit");
    cr_assert_eq(available("web"), 6);
    cr_assert_eq(ledger_withdraw(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(view.lines[0].qty, 4);
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_OK);
    cr_assert_eq(view.lines[0].shipped, 4);
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_WRONG_STATE, "all is shipped");
    arrive("t", -1, 0, false);
    cr_assert_str_eq(view.state, "arrived");
    cr_assert_eq(on_hand(), 10);
    cr_assert_eq(view.ref.len, 7);
}

Test(supply, what_has_come_is_handed_over_before_what_has_not)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 3 };
    struct step step = { .id = text_of("o1"), .lines = &line, .line_count = 1 };
    struct reservation_view r;
    expect("e", 3, NOW + HOUR);
    expect("f", 3, NOW + 2 * HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 6);
    arrive("f", -1, 0, false);
    cr_assert_eq(ledger_fulfil(ctx, &step, &r), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_fulfil(ctx, &step, &r), CODE_INSUFFICIENT_STOCK);
    arrive("e", -1, 0, false);
    cr_assert_eq(ledger_fulfil(ctx, &step, &r), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* As if another context were between taking and giving. */
Test(supply, units_that_move_are_not_said_to_be_missing)
{
    struct item *item = item_at(&rig.ledger->items, 0);
    struct text sku = text_of("tea");
    int64_t units;
    uint64_t lsn;
    moves_begin(item);
    cr_assert_eq(ledger_availability(ctx, text_of("web"), &sku, 1, &units, &lsn), CODE_DEFERRED);
    moves_end(item);
    cr_assert_eq(available("web"), 10);
}

Test(supply, promises_are_kept_through_arrival)
{
    expect("e", 5, NOW + HOUR);
    reserve("o1", 13); /* 10 there, 3 to come */
    cr_assert_eq(granted.draw_count, 2);
    cr_assert_eq(granted.draws[1].ready_ms, NOW + HOUR);
    cr_assert_eq(try_fulfil("o1"), CODE_INSUFFICIENT_STOCK);
    arrive("e", -1, 0, false);
    cr_assert_eq(row("shared").on_hand, 5);
    cr_assert_eq(row("shared").reserved, 3);
    cr_assert_eq(available("default"), 2);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(on_hand(), 2);
}

Test(supply, what_is_cancelled_after_arrival_is_free)
{
    expect("e", 5, NOW + HOUR);
    reserve("o1", 14);
    arrive("e", 4, 0, false);
    cr_assert_eq(available("default"), 0);
    cr_assert_eq(available("web"), 1);
    cancel("o1");
    cr_assert_eq(available("default"), 14);
    cr_assert_eq(available("web"), 15);
}

Test(supply, what_expires_after_arrival_is_free)
{
    struct order_line line = { text_of("tea"), 4, text_of("store") };
    struct order order = { .id = text_of("o"),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .has_ttl = true,
                           .ttl_ms = 1000 };
    expect("e", 4, NOW + HOUR);
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    arrive("e", -1, 0, false);
    cr_assert_eq(available("default"), 10);
    at_time(NOW + 2000);
    cr_assert_eq(available("default"), 14);
}

Test(supply, free_stock_stands_in_for_what_is_lost)
{
    expect("e", 5, NOW + HOUR);
    reserve("o1", 15);
    receive("r2", "store", 1);
    arrive("e", 2, 0, true);
    cr_assert_eq(row("shared").on_hand, 3);
    cr_assert_eq(row("shared").reserved, 5, "two are short");
    cr_assert_eq(available("web"), 0);
    receive("r3", "store", 1);
    cr_assert_eq(available("web"), 0, "it stands in");
    receive("r4", "store", 4);
    cr_assert_eq(available("web"), 3);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(supply, late_supply_is_not_promised)
{
    struct supply_step later = {
        .id = text_of("e"), .all = true, .has_eta = true, .eta_ms = NOW + 3 * HOUR
    };
    expect("e", 5, NOW + HOUR);
    reserve("o1", 11);
    cr_assert_eq(available("web"), 4);
    at_time(NOW + HOUR);
    cr_assert_eq(available("web"), 0);
    cr_assert_eq(ledger_reschedule(ctx, &later, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(available("web"), 4);
    cr_assert_eq(ledger_reservation(ctx, text_of("o1"), &granted), CODE_OK);
    cr_assert_eq(granted.draws[1].ready_ms, NOW + 3 * HOUR);
    reserve("o1", 11);
    cr_assert_eq(granted.draws[1].ready_ms, NOW + HOUR, "as first promised");
}

Test(supply, the_horizon_limits_what_is_promised)
{
    expect("e", 5, NOW + 72 * HOUR);
    cr_assert_eq(available("web"), 10);
    at_time(NOW + 24 * HOUR);
    cr_assert_eq(available("web"), 15);
}

Test(supply, a_pool_is_used_again)
{
    expect("e", 5, NOW + HOUR);
    arrive("e", -1, 0, false);
    expect("f", 5, NOW + HOUR);
    cr_assert_eq(atomic_load(&rig.ledger->items.incoming_count), 1);
}

Test(supply, an_overage_is_taken_in)
{
    expect("e", 5, NOW + HOUR);
    arrive("e", 7, 0, false);
    cr_assert_eq(view.lines[0].accepted, 7);
    cr_assert_str_eq(view.state, "arrived");
    cr_assert_eq(on_hand(), 17);
    cr_assert_eq(try_arrive("e", 1, 0, false), CODE_WRONG_STATE);
}

Test(supply, a_step_with_an_op_is_done_once)
{
    struct supply_line two = tea(2, 0);
    struct supply_step some = {
        .id = text_of("e"), .op = text_of("a1"), .lines = &two, .line_count = 1
    };
    struct supply_step later = {
        .id = text_of("e"), .all = true, .has_eta = true, .eta_ms = NOW + 2 * HOUR
    };
    expect("e", 5, NOW + HOUR);
    cr_assert_eq(ledger_arrive(ctx, &some, &view), CODE_OK);
    uint64_t lsn = view.lsn;
    cr_assert_eq(ledger_reschedule(ctx, &later, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    arrive("e", -1, 0, false);
    cr_assert_eq(ledger_arrive(ctx, &some, &view), CODE_OK);
    cr_assert_eq(view.lsn, lsn);
    cr_assert_eq(view.eta_ms, NOW + HOUR);
    cr_assert_eq(view.lines[0].accepted, 2);
    cr_assert_str_eq(view.state, "in_transit");
    expect("e", 5, NOW + HOUR);
    cr_assert_str_eq(view.state, "in_transit", "as it was at first");
    cr_assert_eq(on_hand(), 15);
}

Test(supply, a_withdrawn_expectation_leaves_promises_short)
{
    struct movement_result moved;
    struct movement one = {
        .id = text_of("r2"), .sku = text_of("tea"), .location = text_of("store"), .qty = 1
    };
    struct supply_step all = { .id = text_of("e"), .all = true };
    expect("e", 5, NOW + HOUR);
    reserve("o1", 12);
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(view.state, "withdrawn");
    cr_assert_eq(available("web"), 0);
    cr_assert_eq(try_fulfil("o1"), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(ledger_receive(ctx, &one, &moved), CODE_OK);
    cr_assert_eq(moved.on_hand, 1);
    cr_assert_eq(moved.available, -1, "one is still short");
    receive("r3", "store", 2);
    cr_assert_eq(available("web"), 1);
    cr_assert_eq(try_fulfil("o1"), CODE_OK);
}

Test(supply, a_count_sees_what_has_come)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of("c1"), .sku = text_of("tea"), .location = text_of("store"), .qty = 4
    };
    expect("e", 5, NOW + HOUR);
    reserve("o1", 13);
    arrive("e", -1, 0, false);
    cr_assert_eq(ledger_count(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(moved.on_hand, 4);
    cr_assert_eq(moved.available, 1);
    m.id = text_of("c2");
    m.qty = 2;
    cr_assert_eq(ledger_count(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(moved.on_hand, 2);
    cr_assert_eq(moved.available, -1);
}

/* Goes on with what a start makes of the log. */
static void start_anew(void)
{
    struct ledger_rig follower;
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, NOW, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.ledger->log = &rig.log; /* it has moved with the struct */
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    ledger_expire(ctx, 1000); /* sweeps what the crash may have left */
}

Test(supply, what_a_count_left_short_is_made_up_for_after_a_start)
{
    struct movement_result moved;
    struct movement none = {
        .id = text_of("c1"), .sku = text_of("tea"), .location = text_of("store"), .qty = 0
    };
    expect("e", 5, NOW + HOUR);
    reserve("o1", 15);
    arrive("e", -1, 0, false);
    cr_assert_eq(ledger_count(ctx, &none, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
    start_anew();
    receive("r2", "store", 5);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static enum code fulfil_some(const char *id, int64_t qty)
{
    struct reservation_view r;
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct step step = { .id = text_of(id), .lines = &line, .line_count = 1 };
    return ledger_fulfil(ctx, &step, &r);
}

Test(supply, what_has_come_belongs_to_the_earliest_promises)
{
    expect("e", 12, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 4);
    reserve("o2", 4);
    reserve("o3", 4);
    arrive("e", 5, 0, false);
    cr_assert_eq(try_fulfil("o2"), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 1);
    cr_assert_eq(fulfil_some("o2", 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(fulfil_some("o3", 1), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
    arrive("e", 2, 0, true);
    cr_assert_eq(fulfil_some("o3", 1), CODE_INSUFFICIENT_STOCK, "o2 is not served yet");
    cancel("o2");
    cr_assert_eq(try_fulfil("o3"), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(fulfil_some("o3", 2), CODE_OK);
}

Test(supply, a_pool_that_is_empty_keeps_no_list)
{
    expect("e", 20, NOW + HOUR);
    reserve("o0", 10);
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        reserve(id, 1);
    }
    uint64_t taken = id_table_taken(&rig.ledger->ids);
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        cancel(id);
    }
    arrive("e", -1, 0, false);
    cr_assert_eq(id_table_taken(&rig.ledger->ids) + 2,
                 taken + rig.ledger->contexts[0]->cursor.stash_count, "two blocks");
}

/* Ids are forgotten at once here, so the later reservations, and their ops, get
 * slots of earlier ones that the list still names. */
Test(supply, a_slot_of_an_earlier_promise_is_no_obstacle)
{
    forgetful = true;
    expect("e", 20, NOW + HOUR);
    reserve("o0", 10); /* what is on hand */
    reserve("o1", 8);
    arrive("e", 4, 0, false);
    for (int i = 0; i < 400; i++) {
        char id[8], op[8];
        struct reservation_view r;
        snprintf(id, sizeof id, "p%d", i);
        snprintf(op, sizeof op, "q%d", i);
        reserve(id, 1);
        struct step step = { .id = text_of(id), .op = text_of(op) };
        cr_assert_eq(ledger_fulfil(ctx, &step, &r), CODE_INSUFFICIENT_STOCK, "%d", i);
        cancel(id);
    }
}

Test(supply, a_pool_whose_list_is_freed_shows_no_supply)
{
    expect("e", 5, NOW + HOUR);
    struct incoming *in = &rig.ledger->items.incoming[1];
    uint32_t supply = atomic_load(&in->supply);
    cr_assert_eq(row("expected").supply.len, 1);
    atomic_store(&in->supply, INCOMING_TIDIED);
    cr_assert_eq(row("expected").supply.len, 0);
    atomic_store(&in->supply, supply);
}

/* Promises five units of tea that never come to the store; two of them are
 * there. */
static void leave_three_short(void)
{
    struct supply_step all = { .id = text_of("e"), .all = true };
    expect("e", 5, NOW + HOUR);
    reserve("o1", 15);
    receive("s1", "store", 2);
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    receive("m1", "main", 8);
}

Test(supply, what_a_transfer_brings_at_once_stands_in)
{
    leave_three_short();
    cr_assert_eq(try_transfer("t", 3, 0, false), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(supply, what_is_shipped_without_eta_stands_in)
{
    struct supply_step all = { .id = text_of("t"), .all = true };
    leave_three_short();
    cr_assert_eq(try_transfer("t", 3, 0, true), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_ship(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(supply, what_is_withdrawn_where_it_was_held_stands_in)
{
    struct supply_step all = { .id = text_of("t"), .all = true };
    struct supply_line line = tea(3, 0);
    struct supply_order back = { .id = text_of("t"),
                                 .from = text_of("store"),
                                 .location = text_of("main"),
                                 .lines = &line,
                                 .line_count = 1,
                                 .hold = true };
    receive("s0", "store", 3);
    cr_assert_eq(ledger_transfer(ctx, &back, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    leave_three_short();
    cr_assert_eq(ledger_withdraw(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(supply, what_a_channel_gives_back_stands_in)
{
    struct allot_result moved;
    struct allotment a = { .id = text_of("a1"),
                           .sku = text_of("tea"),
                           .location = text_of("store"),
                           .channel = text_of("default"),
                           .qty = 3 };
    receive("s0", "store", 3);
    cr_assert_eq(ledger_allot(ctx, &a, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
    leave_three_short();
    a.id = text_of("a2");
    a.qty = -3;
    cr_assert_eq(ledger_allot(ctx, &a, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(try_fulfil("o1"), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* An order that has taken a unit and is undone. */
static const struct pool_change taken = { .reserved = 1, .tentative = 1 };
static const struct pool_change undone = { .reserved = -1, .tentative = -1 };

Test(supply, what_an_undone_order_held_stands_in)
{
    struct items *items = &rig.ledger->items;
    leave_three_short();
    struct pool *shared = pool_find(items, 0, 1, owner_of(POOL_SHARED, 0));
    pool_give(shared, taken);
    receive("s2", "store", 1);
    pool_give(shared, undone);
    at_time(NOW + 1);
    cr_assert_eq(fulfil_some("o1", 13), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(supply, the_pool_that_an_arrival_changes_is_swept)
{
    struct items *items = &rig.ledger->items;
    struct supply_line two[] = { tea(5, 0), { .sku = text_of("coffee"), .qty = 5 } };
    struct supply_order order = { .id = text_of("e"),
                                  .location = text_of("store"),
                                  .lines = two,
                                  .line_count = 2,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR };
    struct supply_step some = {
        .id = text_of("e"), .op = text_of("a1"), .lines = &two[1], .line_count = 1
    };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    struct pool *own = pool_find(items, 1, 1, owner_expected(0));
    pool_give(own, taken);
    cr_assert_eq(ledger_arrive(ctx, &some, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    pool_give(own, undone);
    at_time(NOW + 1);
    cr_assert_eq(pool_read(own), 0, "all is in the shared pool");
}

Test(supply, pools_that_are_busy_hide_no_other_note)
{
    struct items *items = &rig.ledger->items;
    struct supply_line coffee = { .sku = text_of("coffee"), .qty = 1 };
    struct supply_order order = {
        .id = text_of("c"), .location = text_of("store"), .lines = &coffee, .line_count = 1
    };
    struct supply_step e = { .id = text_of("e"), .all = true }, f = e, c = e;
    f.id = text_of("f");
    c.id = text_of("c");
    expect("e", 5, NOW + HOUR);
    expect("f", 5, NOW + HOUR);
    reserve("o1", 20);
    cr_assert_eq(ledger_withdraw(ctx, &e, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_withdraw(ctx, &f, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    struct pool *shared = pool_find(items, 0, 1, owner_of(POOL_SHARED, 0));
    struct pool *own = pool_find(items, 1, 1, owner_expected(0));
    pool_give(own, taken);
    cr_assert_eq(ledger_arrive(ctx, &c, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    pool_give(own, undone);
    pool_give(shared, taken);
    ctx->sweep_count = 2;
    ctx->sweeps[0] = pool_unit(items, shared); /* two pools are short, and have to wait */
    ctx->sweeps[1] = pool_unit(items, own);
    at_time(NOW + 1);
    cr_assert_eq(ctx->sweep_count, 2, "both are tried again");
    cr_assert_eq(pool_read(own), 0, "all is in the shared pool");
    pool_give(shared, undone);
}

/* A sweep moves what it sees, and looks again for what an order may have hidden from it. */
Test(supply, what_an_undone_order_hid_from_a_sweep_is_free)
{
    expect("e", 5, NOW + HOUR);
    reserve("o1", 14);
    arrive("e", 4, 0, false);
    struct pool *own = pool_find(&rig.ledger->items, 0, 1, owner_expected(0));
    pool_give(own, taken);
    cancel("o1");
    cr_assert_eq(available("default"), 13);
    pool_give(own, undone);
    at_time(NOW + 1);
    cr_assert_eq(available("default"), 14);
    cr_assert_eq(ctx->sweep_count, 0, "nothing is left to do");
}

/* Of the draws, two are of the same supply: the later is passed over only once it has all that
 * has come. */
Test(supply, draws_of_one_supply_are_fulfilled_in_their_order)
{
    struct text store = text_of("store");
    struct order_line lines[] = { { text_of("tea"), 2, store }, { text_of("tea"), 2, store } };
    struct order order = { .id = text_of("o"),
                           .channel = text_of("web"),
                           .lines = lines,
                           .line_count = 2,
                           .confirm = true };
    struct order_line part = { .sku = text_of("tea"), .qty = 3 };
    struct step step = { .id = text_of("o"), .lines = &part, .line_count = 1 };
    struct reservation_view r;
    expect("e", 3, NOW + HOUR);
    expect("f", 1, NOW + 2 * HOUR);
    cr_assert_eq(ledger_reserve(ctx, &order, &r), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(r.draw_count, 3);
    arrive("e", -1, 0, false);
    arrive("f", -1, 0, false);
    cr_assert_eq(ledger_fulfil(ctx, &step, &r), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(r.draws[0].fulfilled, 2);
    cr_assert_eq(r.draws[1].fulfilled, 1);
    cr_assert_eq(r.draws[2].fulfilled, 0, "it is last");
}

/* One line has come before the other is shipped, with another ETA; and of that other, one more than
 * was ever under way. */
Test(supply, lines_are_shipped_with_different_etas)
{
    struct movement_result moved;
    struct stock_view stock;
    struct movement milk = {
        .id = text_of("r2"), .sku = text_of("milk"), .location = text_of("main"), .qty = 5
    };
    cr_assert_eq(ledger_receive(ctx, &milk, &moved), CODE_OK);
    struct supply_line lines[] = { tea(3, 0), { .sku = text_of("milk"), .qty = 2 } };
    struct supply_order order = { .id = text_of("t"),
                                  .from = text_of("main"),
                                  .location = text_of("store"),
                                  .lines = lines,
                                  .line_count = 2,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR,
                                  .hold = true };
    struct supply_step ship = { .id = text_of("t"), .lines = &lines[0], .line_count = 1 };
    cr_assert_eq(ledger_transfer(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_ship(ctx, &ship, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    ship.lines = &(struct supply_line){ .sku = text_of("milk"), .qty = 1 };
    cr_assert_eq(ledger_arrive(ctx, &ship, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_stock(ctx, text_of("milk"), &stock), CODE_OK);
    cr_assert_eq(stock.on_hand, 6, "what is free elsewhere does not come along");
    arrive("t", 3, 0, false);
    ship.lines = &lines[1];
    ship.has_eta = true;
    ship.eta_ms = NOW + 2 * HOUR;
    cr_assert_eq(ledger_ship(ctx, &ship, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(view.eta_ms, NOW + 2 * HOUR);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
}

Test(supply, what_is_not_given_yet_is_not_shown)
{
    expect("e", 5, NOW + HOUR);
    struct incoming *in = &rig.ledger->items.incoming[1];
    incoming_raise(in, NOW + HOUR, 3);
    cr_assert_eq(row("expected").on_hand, 5);
    incoming_abandon(in, 3);
}
