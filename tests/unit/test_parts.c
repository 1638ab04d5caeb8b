/* SPDX-License-Identifier: Apache-2.0 */
/* What places do with their parts of a reservation: ready, not collected, restock; and steps that
 * settle one part alone. */
#include "tests/unit/supply_rig.h"

TestSuite(parts, .init = set_up, .fini = tear_down);

static struct reservation_view seen;

/* Five units from main, two from the store. */
static void order(const char *id)
{
    struct order_line lines[] = {
        { .sku = text_of("tea"), .qty = 5, .location = text_of("main") },
        { .sku = text_of("tea"), .qty = 2, .location = text_of("store") },
    };
    struct order asked = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = lines,
                           .line_count = 2,
                           .ref = text_of("cart 9"),
                           .confirm = true };
    receive("r2", "store", 3);
    cr_assert_eq(ledger_reserve(ctx, &asked, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static enum code try_ready(const char *id, const char *location, const char *op,
                           uint64_t collect_by_ms)
{
    struct set_aside asked = { .id = text_of(id),
                               .location = text_of(location),
                               .op = op ? text_of(op) : (struct text){ NULL, 0 },
                               .has_collect_by = collect_by_ms > 0,
                               .collect_by_ms = collect_by_ms };
    return ledger_ready(ctx, &asked, &seen);
}

static void ready(const char *id, const char *location, uint64_t collect_by_ms)
{
    cr_assert_eq(try_ready(id, location, NULL, collect_by_ms), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
}

static struct step at(const char *id, const char *location)
{
    return (struct step){ .id = text_of(id), .location = text_of(location) };
}

/* The step of the part there; NULL: it has none. */
static const char *part(const char *id, const char *location)
{
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.part_count; i++)
        if (text_equal(seen.parts[i].location, text_of(location)))
            return seen.parts[i].step;
    return NULL;
}

Test(parts, each_place_works_on_its_own)
{
    order("o");
    cr_assert_str_eq(part("o", "main"), "open");
    cr_assert_eq(seen.part_count, 2);
    ready("o", "store", NOW + HOUR);
    cr_assert_str_eq(part("o", "store"), "ready");
    cr_assert_eq(seen.parts[1].collect_by_ms, NOW + HOUR);
    cr_assert_str_eq(part("o", "main"), "open");
    cr_assert(text_equal(seen.ref, text_of("cart 9")));
    struct step step = at("o", "main");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_str_eq(seen.state, "confirmed");
    cr_assert_str_eq(part("o", "main"), "fulfilled");
    step = at("o", "store");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_str_eq(seen.state, "fulfilled");
    cr_assert_eq(on_hand(), 6);
}

Test(parts, what_is_not_collected_stays_reserved_until_it_is_restocked)
{
    order("o");
    ready("o", "store", NOW + HOUR);
    struct step step = at("o", "store");
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_WRONG_STATE);
    cr_assert_str_eq(ctx_failure(ctx)->message,
                     "the part of \"o\" at \"store\" is ready: it cannot be restocked");
    at_time(NOW + HOUR - 1);
    cr_assert_str_eq(part("o", "store"), "ready");
    at_time(NOW + HOUR + 2 * WHEEL_TICK_MS);
    cr_assert_str_eq(part("o", "store"), "not_collected");
    cr_assert_eq(available("web"), 6);
    uint64_t before = seen.lsn;
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(seen.state, "confirmed");
    cr_assert_gt(seen.lsn, before);
    cr_assert_eq(available("web"), 8);
    cr_assert_str_eq(part("o", "store"), "cancelled");
    uint64_t done = seen.lsn;
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK); /* again */
    cr_assert_eq(seen.lsn, done);
}

Test(parts, a_late_buyer_still_gets_it)
{
    order("o");
    ready("o", "store", NOW + HOUR);
    at_time(NOW + 2 * HOUR);
    struct step step = at("o", "store");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_str_eq(part("o", "store"), "fulfilled");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK); /* again */
    cr_assert_eq(ledger_cancel(ctx, &step, &seen), CODE_WRONG_STATE);
}

Test(parts, the_time_to_collect_may_change)
{
    order("o");
    ready("o", "store", NOW + HOUR);
    ready("o", "store", NOW + 2 * HOUR);
    at_time(NOW + HOUR + 1000);
    cr_assert_str_eq(part("o", "store"), "ready");
    ready("o", "store", 0);
    at_time(NOW + 3 * HOUR);
    cr_assert_str_eq(part("o", "store"), "ready");
    cr_assert_eq(try_ready("o", "store", NULL, NOW), CODE_BAD_REQUEST);
    cr_assert_str_eq(ctx_failure(ctx)->message, "collect_by_ms must be in the future");
}

Test(parts, a_step_with_an_op_is_done_once)
{
    order("o");
    cr_assert_eq(try_ready("o", "store", "op-1", 0), CODE_OK);
    uint64_t first = seen.lsn;
    cr_assert_eq(try_ready("o", "store", "op-2", 0), CODE_OK); /* it is so already */
    cr_assert_gt(seen.lsn, first);
    struct step step = at("o", "store");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(try_ready("o", "store", "op-1", 0), CODE_OK);
    cr_assert_eq(seen.lsn, first);
    cr_assert_eq(try_ready("o", "store", "op-1", NOW + HOUR), CODE_CONFLICT);
    cr_assert_eq(try_ready("o", "main", "op-1", 0), CODE_CONFLICT);
}

Test(parts, bad_steps)
{
    order("o");
    try_reserve("held", "web", 1);
    cr_assert_eq(try_ready("o", "nowhere", NULL, 0), CODE_UNKNOWN_LOCATION);
    cr_assert_eq(try_ready("ghost", "main", NULL, 0), CODE_UNKNOWN_RESERVATION);
    cr_assert_eq(try_ready("held", "store", NULL, 0), CODE_WRONG_STATE);
    cr_assert_str_eq(ctx_failure(ctx)->message,
                     "location: nothing of \"held\" is drawn from \"store\"");
    struct step step = at("held", "store");
    cr_assert_eq(ledger_cancel(ctx, &step, &seen), CODE_WRONG_STATE);
    struct order_line more = { .sku = text_of("tea"), .qty = 3 };
    step = (struct step){
        .id = text_of("o"), .location = text_of("store"), .lines = &more, .line_count = 1
    };
    cr_assert_eq(ledger_cancel(ctx, &step, &seen), CODE_WRONG_STATE); /* there are two */
    more.qty = 1;
    cr_assert_eq(ledger_cancel(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(available("web"), 6);
}

/* Of what is on its way, only what has come can be set aside. */
Test(parts, what_has_not_come_is_not_ready)
{
    expect("po", 6, NOW + HOUR);
    struct order_line line = { .sku = text_of("tea"), .qty = 4, .location = text_of("store") };
    struct order asked = { .id = text_of("o"),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    cr_assert_eq(ledger_reserve(ctx, &asked, &seen), CODE_OK);
    cr_assert_eq(try_ready("o", "store", NULL, 0), CODE_INSUFFICIENT_STOCK);
    arrive("po", 3, 0, false);
    cr_assert_eq(try_ready("o", "store", NULL, 0), CODE_INSUFFICIENT_STOCK);
    arrive("po", 3, 0, false);
    ready("o", "store", 0);
    cr_assert_str_eq(part("o", "store"), "ready");
}

/* ---- counting the shelf ---- */

static struct movement_result counted;

static void at_rest(void)
{
    uint64_t now = ctx->engine_ms;
    ledger_end(ctx);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_begin(ctx, now, now);
}

static enum code try_count(const char *id, const char *location, int64_t qty, bool shelf)
{
    struct movement m = { .id = text_of(id),
                          .sku = text_of("tea"),
                          .location = text_of(location),
                          .qty = qty,
                          .shelf = shelf };
    return ledger_count(ctx, &m, &counted);
}

static int64_t count_shelf(const char *id, const char *location, int64_t qty)
{
    cr_assert_eq(try_count(id, location, qty, true), CODE_OK, "%s", ctx_failure(ctx)->message);
    return counted.delta;
}

/* The store has three units; two of them are the order's. */
Test(parts, what_is_set_aside_is_not_on_the_shelf)
{
    order("o");
    cr_assert_eq(count_shelf("c1", "store", 3), 0);
    ready("o", "store", NOW + HOUR);
    cr_assert_eq(count_shelf("c2", "store", 1), 0);
    cr_assert_eq(counted.on_hand, 3);
    ready("o", "store", NOW + 2 * HOUR); /* it is set aside once */
    cr_assert_eq(count_shelf("c3", "store", 4), 3);
    cr_assert_eq(counted.on_hand, 6);
    cr_assert_eq(count_shelf("c4", "store", 0), -4);
    cr_assert_eq(counted.on_hand, 2);
    cr_assert_eq(count_shelf("c5", "main", 10), 0); /* another place */
    cr_assert_eq(try_count("c6", "store", 2, false), CODE_OK);
    cr_assert_eq(counted.delta, 0);
    at_rest();
}

Test(parts, what_was_not_collected_is_not_on_the_shelf_until_it_is_restocked)
{
    order("o");
    ready("o", "store", NOW + HOUR);
    at_time(NOW + HOUR + 2 * WHEEL_TICK_MS);
    cr_assert_str_eq(part("o", "store"), "not_collected");
    cr_assert_eq(count_shelf("c1", "store", 1), 0);
    at_rest();
    struct step step = at("o", "store");
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(count_shelf("c2", "store", 3), 0);
    at_rest();
}

/* What an order draws since it was made ready has not been set aside, so nobody failed to collect
 * it: it is on the shelf, and no restock gives it back. */
Test(parts, what_was_added_to_a_ready_part_is_not_left_behind)
{
    struct order_line lines[] = {
        { .sku = text_of("tea"), .qty = 5, .location = text_of("main") },
        { .sku = text_of("tea"), .qty = 6, .location = text_of("store") },
    };
    struct amendment more = { .id = text_of("o"), .lines = lines, .line_count = 2 };
    order("o");
    receive("r3", "store", 7);
    ready("o", "store", NOW + HOUR);
    cr_assert_eq(ledger_amend(ctx, &more, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(part("o", "store"), "open");
    at_time(NOW + HOUR + 2 * WHEEL_TICK_MS);
    cr_assert_str_eq(part("o", "store"), "open");
    cr_assert_eq(count_shelf("c1", "store", 8), 0);
    struct step step = at("o", "store");
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(part("o", "store"), "open");
    cr_assert_eq(count_shelf("c2", "store", 10), 0);
    ready("o", "store", NOW + 2 * HOUR);
    cr_assert_str_eq(part("o", "store"), "ready");
    cr_assert_eq(count_shelf("c3", "store", 6), 0);
    at_rest();
}

Test(parts, what_is_settled_is_set_aside_no_longer)
{
    struct order_line one = { .sku = text_of("tea"), .qty = 1 };
    order("o");
    ready("o", "store", 0);
    ready("o", "main", 0);
    cr_assert_eq(count_shelf("c1", "main", 5), 0);
    struct step step = at("o", "store");
    step.lines = &one;
    step.line_count = 1;
    step.op = text_of("op-1");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(count_shelf("c2", "store", 1), 0);
    cr_assert_eq(counted.on_hand, 2);
    step.op = text_of("op-2");
    cr_assert_eq(ledger_cancel(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(count_shelf("c3", "store", 2), 0);
    step = (struct step){ .id = text_of("o") };
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    cr_assert_eq(count_shelf("c4", "main", 5), 0);
    cr_assert_eq(counted.on_hand, 5);
    at_rest();
}

Test(parts, a_count_of_the_shelf_is_another_count)
{
    struct movement m = { .id = text_of("c1"),
                          .sku = text_of("tea"),
                          .location = text_of("store"),
                          .qty = 1,
                          .shelf = true,
                          .has_as_of = true,
                          .as_of_ms = NOW };
    order("o");
    cr_assert_eq(ledger_count(ctx, &m, &counted), CODE_BAD_REQUEST);
    cr_assert_str_eq(ctx_failure(ctx)->message, "shelf and as_of cannot be given together");
    cr_assert_eq(try_count("c1", "store", 1, true), CODE_OK);
    cr_assert_eq(try_count("c1", "store", 1, false), CODE_CONFLICT);
    cr_assert_eq(try_count("c1", "store", 1, true), CODE_OK);
    cr_assert_eq(counted.delta, -2);
}
