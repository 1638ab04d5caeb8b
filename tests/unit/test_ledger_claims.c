/* SPDX-License-Identifier: Apache-2.0 */
/* Cancels that claim their places in the log together. */
#include <criterion/criterion.h>

#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx, *other;
static struct reservation_view view;
static const uint64_t now = 1000000;

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 12, .reservations = 640, .contexts = 2, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    other = ledger_ctx(rig.ledger, 1);
    ledger_begin(ctx, now, now);
    ledger_begin(other, now, now);
}

static void tear_down(void)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(ledger_claims, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static const char *const orders[] = { "r0", "r1", "r2", "r3" };

enum { ORDERS = sizeof orders / sizeof *orders };

static void reserve_all(void)
{
    struct movement_result moved;
    struct movement ten = {
        .id = text_of("ten"), .sku = text_of("tea"), .location = text_of("main"), .qty = 10
    };
    struct order_line one = { .sku = text_of("tea"), .qty = 1 };
    must(ledger_receive(ctx, &ten, &moved));
    for (unsigned i = 0; i < ORDERS; i++) {
        struct order order = {
            .id = text_of(orders[i]), .channel = text_of("default"), .lines = &one, .line_count = 1
        };
        must(ledger_reserve(ctx, &order, &view));
    }
}

static uint64_t cancel_at(const char *id, const char *op)
{
    struct step step = { .id = text_of(id), .op = text_of(op) };
    must(ledger_cancel(ctx, &step, &view));
    return view.lsn;
}

/* What is followed is the same, and nothing is missing in between. */
static void follow_all(void)
{
    struct ledger_rig follower;
    char why[256];
    ledger_rig_drain(&rig);
    cr_assert_not(log_has_claims(&rig.log), "a claim was neither used nor given up");
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, follower.ledger, false, why, sizeof why), "%s", why);
    ledger_rig_close(&follower);
}

Test(ledger_claims, expected_cancels_lie_together_in_the_log)
{
    reserve_all();
    uint64_t before = atomic_load(&rig.log.tail);
    ledger_expect_cancels(ctx, ORDERS);
    uint64_t first = cancel_at(orders[0], NULL), length = first - before;
    cr_assert_eq(atomic_load(&rig.log.tail), before + ORDERS * length, "all of them claimed");
    must(ledger_extend(other, text_of("r3"), 5000, &view)); /* somebody else claims behind them */
    cr_assert_eq(cancel_at(orders[1], NULL), first + length);
    cr_assert_eq(cancel_at(orders[2], NULL), first + 2 * length);
    ledger_expect_cancels(ctx, 0);
    follow_all();
}

/* Another change of the same reservation has come in between: it must not follow the cancel. */
Test(ledger_claims, a_cancel_never_takes_a_place_before_the_last_change)
{
    reserve_all();
    ledger_expect_cancels(ctx, ORDERS);
    cancel_at(orders[0], NULL);
    must(ledger_extend(other, text_of("r1"), 5000, &view));
    uint64_t extended = view.lsn;
    cr_assert_gt(cancel_at(orders[1], NULL), extended);
    cancel_at(orders[2], NULL);
    ledger_expect_cancels(ctx, 0);
    follow_all();
}

/* What its op stood for before, and was forgotten, may lie behind a place claimed ahead. */
Test(ledger_claims, a_cancel_with_an_op_takes_no_place_that_was_claimed_ahead)
{
    reserve_all();
    ledger_expect_cancels(ctx, ORDERS);
    cancel_at(orders[0], NULL);
    must(ledger_extend(other, text_of("r3"), 5000, &view));
    uint64_t extended = view.lsn;
    cr_assert_gt(cancel_at(orders[1], "op"), extended);
    ledger_expect_cancels(ctx, 0);
    follow_all();
}

Test(ledger_claims, what_is_claimed_for_cancels_that_do_not_come_is_given_up)
{
    struct step nobody = { .id = text_of("nobody") };
    reserve_all();
    ledger_expect_cancels(ctx, 100);
    cancel_at(orders[0], NULL);
    cr_assert_eq(ledger_cancel(ctx, &nobody, &view), CODE_UNKNOWN_RESERVATION);
    cancel_at(orders[1], "an id of its own");
    cancel_at(orders[2], NULL);
    ledger_expect_cancels(ctx, 0);
    uint64_t end = atomic_load(&rig.log.tail);
    cr_assert_gt(cancel_at(orders[3], NULL), end, "as if nothing had been said");
    follow_all();
}
