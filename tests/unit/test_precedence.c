/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes first while part of a supply has come: many promises, and what it costs to find out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

enum { NOW = 1000000, HOUR = 3600 * 1000, PROMISES = 1000, COME = 500 };

static struct ledger_rig rig;
static struct ctx *ctx;

static struct text name_of(char name[16], unsigned number)
{
    return (struct text){ name, (uint32_t)snprintf(name, 16, "o%u", number) };
}

static void promise(unsigned number)
{
    char name[16];
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = { .id = name_of(name, number),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    ledger_rig_drain(&rig);
}

static enum code fulfil(unsigned number)
{
    char name[16];
    struct reservation_view view;
    return ledger_fulfil(ctx, &(struct step){ .id = name_of(name, number) }, &view);
}

/* A supply of one unit for each promise; the first ones have come. */
static void set_up(void)
{
    uint64_t lsn;
    struct supply_view view;
    struct ledger_config config = {
        .items = 8, .pools = 64, .reservations = 4096, .contexts = 1, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    struct channel_setting web = { .code = text_of("web"), .has_incoming = true, .incoming = true };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    struct supply_line line = { .sku = text_of("tea"), .qty = PROMISES };
    struct supply_order order = { .id = text_of("e"),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK);
    for (unsigned i = 0; i < PROMISES; i++)
        promise(i);
    line.qty = COME;
    struct supply_step half = { .id = text_of("e"), .lines = &line, .line_count = 1 };
    cr_assert_eq(ledger_arrive(ctx, &half, &view), CODE_OK);
}

static void tear_down(void)
{
    char why[200] = "";
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(precedence, .init = set_up, .fini = tear_down);

Test(precedence, those_that_are_covered_and_no_others)
{
    for (unsigned i = PROMISES - 1; i >= COME; i--)
        cr_assert_eq(fulfil(i), CODE_INSUFFICIENT_STOCK, "%u", i);
    for (unsigned i = COME; i-- > 0;)
        cr_assert_eq(fulfil(i), CODE_OK, "%u", i);
}

/* The first walk finds who is covered, but for the range in which that ends. */
Test(precedence, few_fulfils_walk_the_list)
{
    uint64_t before = ctx_work(ctx);
    cr_assert_eq(fulfil(0), CODE_OK);
    cr_assert_geq(ctx_work(ctx) - before, (uint64_t)PROMISES, "it looks at all of them");
    unsigned walks = 0;
    for (unsigned i = 1; i < COME; i++) {
        before = ctx_work(ctx);
        cr_assert_eq(fulfil(i), CODE_OK, "%u", i);
        walks += ctx_work(ctx) - before > PROMISES / 4;
    }
    cr_assert_lt(walks, 2u * PROMISES / 128);
}

/* Promises whose LSNs lie far behind most of the log: the ranges fit them, not the log. */
Test(precedence, a_long_log_makes_no_difference)
{
    struct movement_result moved;
    for (unsigned i = 0; i < 2000; i++) {
        char name[16];
        struct movement m = { .id = name_of(name, PROMISES + i),
                              .sku = text_of("milk"),
                              .location = text_of("main"),
                              .qty = 1 };
        cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
        ledger_rig_drain(&rig);
    }
    cr_assert_eq(fulfil(0), CODE_OK);
    uint64_t before = ctx_work(ctx);
    cr_assert_eq(fulfil(COME - PROMISES / 50), CODE_OK);
    cr_assert_lt(ctx_work(ctx) - before, (uint64_t)PROMISES / 4);
}

/* One that has followed lists each promise as it comes, and goes on with that. */
Test(precedence, in_the_place_of_the_ledger_that_promised)
{
    char why[200] = "";
    struct random random = { 11 };
    struct ledger_rig other;
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_take_over(&other, &rig, rig.length / 3, NOW, &random, why, sizeof why),
              "%s", why);
    ledger_rig_close(&rig);
    rig = other;
    rig.ledger->log = &rig.log; /* it has moved with the struct */
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    for (unsigned i = PROMISES - 1; i >= COME; i--)
        cr_assert_eq(fulfil(i), CODE_INSUFFICIENT_STOCK, "%u", i);
    for (unsigned i = COME; i-- > 0;)
        cr_assert_eq(fulfil(i), CODE_OK, "%u", i);
}
