/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations that are amended, and moved between places. */
#include <stdio.h>

#include "engine/store/item.h"
#include "tests/unit/supply_rig.h"

TestSuite(redraw, .init = set_up, .fini = tear_down);

static struct reservation_view seen;

static struct order_line line(int64_t qty, const char *location)
{
    return (struct order_line){ .sku = text_of("tea"),
                                .qty = qty,
                                .location =
                                    location ? text_of(location) : (struct text){ NULL, 0 } };
}

static void order(const char *id, const struct order_line *lines, uint32_t count)
{
    struct order asked = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = lines,
                           .line_count = count,
                           .ref = text_of("cart 9") };
    cr_assert_eq(ledger_reserve(ctx, &asked, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static enum code try_amend(const char *id, const char *op, const struct order_line *lines,
                           uint32_t count)
{
    struct amendment asked = { .id = text_of(id),
                               .op = op ? text_of(op) : (struct text){ NULL, 0 },
                               .lines = lines,
                               .line_count = count };
    return ledger_amend(ctx, &asked, &seen);
}

static enum code try_move(const char *id, const char *from, const char *to, int64_t qty)
{
    struct move_line moved = { text_of("tea"), text_of(from), text_of(to), qty };
    struct relocation asked = { .id = text_of(id), .lines = &moved, .line_count = 1 };
    return ledger_move(ctx, &asked, &seen);
}

/* Units that the reservation draws from there, as its lines say. */
static int64_t drawn(const char *id, const char *location)
{
    int64_t units = 0;
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.draw_count; i++)
        if (text_equal(seen.draws[i].location, text_of(location)))
            units += seen.draws[i].qty;
    return units;
}

Test(redraw, an_order_grows_and_shrinks)
{
    struct order_line lines[] = { line(4, NULL) };
    order("o", lines, 1);
    uint64_t expires_ms = seen.expires_ms;
    lines[0].qty = 9;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(seen.expires_ms, expires_ms);
    cr_assert_eq(drawn("o", "main"), 9);
    cr_assert_eq(available("web"), 1);
    lines[0].qty = 11;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(drawn("o", "main"), 9);
    lines[0].qty = 2;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK);
    cr_assert_eq(drawn("o", "main"), 2);
    cr_assert_eq(available("web"), 8);
    uint64_t lsn = seen.lsn;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK); /* it is so already */
    cr_assert_eq(seen.lsn, lsn);
    cr_assert(text_equal(ledger_reservation(ctx, text_of("o"), &seen) ? (struct text){ NULL, 0 }
                                                                      : seen.ref,
                         text_of("cart 9")));
}

Test(redraw, lines_may_be_bound_to_other_places)
{
    receive("r2", "store", 5);
    struct order_line lines[] = { line(4, "main"), line(2, "store") };
    order("o", lines, 2);
    lines[0].location = text_of("store");
    lines[0].qty = 5;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "store"), 5);
    cr_assert_eq(drawn("o", "main"), 0);
    cr_assert_eq(seen.part_count, 1);
    lines[0] = line(5, NULL); /* from anywhere: so it stays as it is */
    uint64_t lsn = seen.lsn;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK);
    cr_assert_eq(seen.lsn, lsn);
}

Test(redraw, what_was_fulfilled_stays_and_counts)
{
    struct order_line lines[] = { line(6, NULL) };
    struct order_line some = line(4, NULL);
    order("o", lines, 1);
    cr_assert_eq(ledger_confirm(ctx, text_of("o"), (struct text){ NULL, 0 }, &seen), CODE_OK);
    struct step step = { .id = text_of("o"), .lines = &some, .line_count = 1 };
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    lines[0].qty = 5;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK);
    cr_assert_eq(drawn("o", "main"), 5);
    lines[0].qty = 1; /* nothing is left: the order is done */
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK);
    cr_assert_str_eq(seen.state, "fulfilled");
    cr_assert_eq(drawn("o", "main"), 4);
    cr_assert_eq(available("web"), 6);
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_WRONG_STATE);
}

Test(redraw, units_move_between_places)
{
    struct order_line lines[] = { line(4, NULL) };
    order("o", lines, 1);
    cr_assert_eq(try_move("o", "main", "store", 1), CODE_INSUFFICIENT_STOCK);
    receive("r2", "store", 3);
    cr_assert_eq(try_move("o", "main", "store", 3), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "main"), 1);
    cr_assert_eq(drawn("o", "store"), 3);
    cr_assert_eq(available("web"), 9);
    cr_assert_eq(try_move("o", "main", "store", 2), CODE_WRONG_STATE);
    cr_assert_str_eq(ctx_failure(ctx)->message,
                     "only 1 of \"tea\" are left at \"main\" to be moved");
    cr_assert_eq(try_move("o", "store", "store", 1), CODE_BAD_REQUEST);
    cr_assert_eq(try_move("o", "store", "nowhere", 1), CODE_UNKNOWN_LOCATION);
}

/* The sum that a buffer is checked against is of an instant, though the order itself gives back. */
Test(redraw, a_channel_with_a_buffer)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of("web"), .has_buffer = true, .buffer = 3 };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    receive("r2", "store", 10);
    struct order_line lines[] = { line(4, "main") };
    order("o", lines, 1);
    cr_assert_eq(try_move("o", "main", "store", 4), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "store"), 4);
    struct order_line others[] = { line(6, "main"), line(2, "store") };
    cr_assert_eq(try_amend("o", NULL, others, 2), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "main"), 6);
    cr_assert_eq(available("web"), 9);
    others[0].qty = 10; /* as long as the other two are held, four are too many */
    others[1].qty = 9;
    cr_assert_eq(try_amend("o", NULL, others, 2), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(drawn("o", "main"), 6);
}

/* What changes nothing looks at no stock: not even at what another order was planned with. */
Test(redraw, an_op_that_finds_its_work_done)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of("web"), .has_buffer = true, .buffer = 3 };
    struct movement lost = {
        .id = text_of("lost"), .sku = text_of("tea"), .location = text_of("main"), .qty = -12
    };
    struct movement_result moved;
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    receive("r2", "store", 10);
    struct order_line lines[] = { line(7, NULL) };
    order("o", lines, 1);
    cr_assert_eq(ledger_adjust(ctx, &lost, &moved), CODE_INSUFFICIENT_STOCK);
    lost.qty = -10;
    cr_assert_eq(ledger_adjust(ctx, &lost, &moved), CODE_OK);
    lost.id = text_of("lost too");
    lost.location = text_of("store");
    cr_assert_eq(ledger_adjust(ctx, &lost, &moved), CODE_OK);
    cr_assert_eq(try_amend("o", "op-1", lines, 1), CODE_OK);
    cr_assert_eq(drawn("o", "main"), 7);
}

/* In a full table an order may still become smaller. */
Test(redraw, giving_back_needs_no_room)
{
    struct order_line lines[] = { line(4, NULL) }, unit = line(1, NULL);
    enum code code = CODE_OK;
    receive("r2", "main", 4000);
    order("o", lines, 1);
    lines[0].qty = 6;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK);
    for (int i = 0; code == CODE_OK; i++) {
        char id[32];
        snprintf(id, sizeof id, "filler %d", i);
        struct order asked = {
            .id = text_of(id), .channel = text_of("web"), .lines = &unit, .line_count = 1
        };
        cr_assert_lt(i, 2000);
        code = ledger_reserve(ctx, &asked, &seen);
    }
    cr_assert_eq(code, CODE_LIMIT);
    lines[0].qty = 7;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_LIMIT);
    lines[0].qty = 5;
    cr_assert_eq(try_amend("o", NULL, lines, 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "main"), 5);
}

/* The same order again is told what it was granted, wherever its units are now. */
Test(redraw, the_first_result_stays)
{
    struct order_line lines[] = { line(4, NULL) };
    receive("r2", "store", 3);
    order("o", lines, 1);
    uint64_t lsn = seen.lsn;
    cr_assert_eq(try_move("o", "main", "store", 3), CODE_OK);
    struct order_line more[] = { line(7, NULL) };
    cr_assert_eq(try_amend("o", "op-1", more, 1), CODE_OK);
    uint64_t amended = seen.lsn;
    order("o", lines, 1);
    cr_assert_eq(seen.lsn, lsn);
    cr_assert_eq(seen.draw_count, 1);
    cr_assert_eq(seen.draws[0].qty, 4);
    cr_assert_eq(try_amend("o", "op-1", more, 1), CODE_OK);
    cr_assert_eq(seen.lsn, amended);
    cr_assert_eq(try_amend("o", "op-1", lines, 1), CODE_CONFLICT);
}

/* Who asks for more of a supply stands behind those who asked before. */
Test(redraw, what_is_added_comes_later)
{
    expect("po", 10, NOW + HOUR);
    struct order_line mine[] = { line(2, "store") }, others[] = { line(6, "store") };
    order("first", mine, 1);
    order("second", others, 1);
    mine[0].qty = 4;
    cr_assert_eq(try_amend("first", NULL, mine, 1), CODE_OK);
    ledger_confirm(ctx, text_of("first"), (struct text){ NULL, 0 }, &seen);
    ledger_confirm(ctx, text_of("second"), (struct text){ NULL, 0 }, &seen);
    arrive("po", 6, 0, false);
    cr_assert_eq(try_fulfil("first"), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(try_fulfil("second"), CODE_OK, "%s", ctx_failure(ctx)->message);
    arrive("po", 4, 0, false);
    cr_assert_eq(try_fulfil("first"), CODE_OK);
}

/* An order of what is on hand has one time; what is added to it may be a supply's. */
Test(redraw, what_is_added_of_a_supply_waits_for_it)
{
    expect("po", 10, NOW + HOUR);
    struct order_line lines[] = { line(4, "main") };
    order("o", lines, 1);
    struct order_line more[] = { line(4, "main"), line(3, "store") };
    cr_assert_eq(try_amend("o", NULL, more, 2), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(seen.draws[1].ready_ms, NOW + HOUR);
    struct supply_step later = {
        .id = text_of("po"), .all = true, .has_eta = true, .eta_ms = NOW + 5 * (uint64_t)HOUR
    };
    cr_assert_eq(ledger_reschedule(ctx, &later, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "store"), 3);
    cr_expect_eq(seen.draws[1].ready_ms, NOW + 5 * (uint64_t)HOUR);
    ledger_confirm(ctx, text_of("o"), (struct text){ NULL, 0 }, &seen);
    cr_expect_eq(try_fulfil("o"), CODE_INSUFFICIENT_STOCK, "it has not come");
    arrive("po", 3, 0, false);
    cr_expect_eq(try_fulfil("o"), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "store"), 3);
    cr_expect_eq(seen.draws[1].ready_ms, NOW + 5 * (uint64_t)HOUR);
}

/* ---- orders that are collected ---- */

static void collected(const char *id, const char *at, int64_t qty, uint32_t lead_time_s)
{
    uint64_t lsn;
    struct location_setting slow = { .code = text_of(at),
                                     .has_lead_time = true,
                                     .lead_time_s = lead_time_s };
    cr_assert_eq(ledger_set_location(ctx, &slow, &lsn), CODE_OK);
    struct order_line lines[] = { line(qty, NULL) };
    struct order asked = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = lines,
                           .line_count = 1,
                           .at = text_of(at) };
    cr_assert_eq(ledger_reserve(ctx, &asked, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

Test(redraw, what_is_collected_grows_where_it_is_collected)
{
    receive("r2", "store", 5);
    collected("o", "store", 2, 3600);
    struct order_line more[] = { line(4, NULL) };
    cr_assert_eq(try_amend("o", NULL, more, 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "store"), 4);
    more[0].qty = 6;
    cr_assert_eq(try_amend("o", NULL, more, 1), CODE_INSUFFICIENT_STOCK, "main has some");
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 1);
}

Test(redraw, what_is_collected_at_two_places_grows_where_it_is_told_to)
{
    receive("r2", "store", 5);
    collected("o", "store", 2, 3600);
    cr_assert_eq(try_move("o", "store", "main", 1), CODE_OK, "%s", ctx_failure(ctx)->message);
    struct order_line more[] = { line(4, NULL) };
    cr_assert_eq(try_amend("o", NULL, more, 1), CODE_BAD_REQUEST);
    cr_assert_str_eq(ctx_failure(ctx)->param, "lines");
    struct order_line bound[] = { line(1, "store"), line(3, "main") };
    cr_assert_eq(try_amend("o", NULL, bound, 2), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("o", "main"), 3);
}
