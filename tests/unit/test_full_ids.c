/* SPDX-License-Identifier: Apache-2.0 */
/* What an order may still do when the id table is full of live reservations. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { IDS = 64, NOW = 1000000 };

static struct ledger_rig rig;
static struct ctx *ctx;
static struct reservation_view seen;

static struct text name(int order)
{
    static char text[16];
    snprintf(text, sizeof text, "r%d", order);
    return text_of(text);
}

static enum code reserve(int order, const char *ref)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order asked = { .id = name(order),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .ref = text_of(ref) };
    return ledger_reserve(ctx, &asked, &seen);
}

static enum code cancel(int order)
{
    struct step step = { .id = name(order) };
    return ledger_cancel(ctx, &step, &seen);
}

static enum code confirm(int order, const char *ref)
{
    return ledger_confirm(ctx, name(order), text_of(ref), &seen);
}

static void must_be(int order, const char *state, const char *ref)
{
    cr_assert_eq(ledger_reservation(ctx, name(order), &seen), CODE_OK);
    cr_assert_str_eq(seen.state, state);
    cr_assert(text_equal(seen.ref, text_of(ref)));
}

/* Orders that are held, as many as there are slots. */
static void set_up(void)
{
    struct ledger_config config = { .items = 4, .pools = 4, .reservations = IDS, .contexts = 1 };
    struct movement m = {
        .id = text_of("in"), .sku = text_of("tea"), .location = text_of("main"), .qty = 1000
    };
    struct movement_result result;
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    cr_assert_eq(ledger_receive(ctx, &m, &result), CODE_OK);
    for (int i = 0; i < IDS; i++)
        cr_assert_eq(reserve(i, ""), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(full_ids, .init = set_up, .fini = tear_down);

Test(full_ids, a_confirm_with_a_ref_needs_slots)
{
    uint64_t before = atomic_load(&rig.log.tail);
    cr_assert_eq(reserve(IDS, ""), CODE_LIMIT);
    cr_assert_eq(confirm(0, "paid"), CODE_LIMIT); /* one for its draw, one for the ref */
    cr_assert_eq(atomic_load(&rig.log.tail), before);
    cr_assert_eq(cancel(1), CODE_OK);
    cr_assert_eq(confirm(0, "paid"), CODE_LIMIT);
    must_be(0, "held", "");
    cr_assert_eq(cancel(2), CODE_OK);
    cr_assert_eq(confirm(0, "paid"), CODE_OK, "%s", ctx_failure(ctx)->message);
    must_be(0, "confirmed", "paid");
}

Test(full_ids, a_confirm_without_one_needs_none)
{
    cr_assert_eq(confirm(0, ""), CODE_OK);
    must_be(0, "confirmed", "");
}

Test(full_ids, a_start_from_the_log_has_room_for_it_too)
{
    struct ledger_rig follower;
    char why[256];
    cr_assert_eq(cancel(1), CODE_OK);
    cr_assert_eq(cancel(2), CODE_OK);
    cr_assert_eq(cancel(3), CODE_OK);
    cr_assert_eq(reserve(IDS, "cart 9"), CODE_OK); /* an id, a draw and a ref: all three */
    cr_assert_eq(cancel(4), CODE_OK);
    cr_assert_eq(confirm(IDS, "paid"), CODE_LIMIT); /* it gives back what it has only then */
    cr_assert_eq(cancel(5), CODE_OK);
    cr_assert_eq(confirm(IDS, "paid"), CODE_OK);
    must_be(IDS, "confirmed", "paid");
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, NOW, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, follower.ledger, true, why, sizeof why), "%s", why);
    ledger_rig_close(&follower);
}
