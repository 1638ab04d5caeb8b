/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes first while part of a supply has come: many promises, and what it costs to find out. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

enum { NOW = 1000000, HOUR = 3600 * 1000, PROMISES = 1000, COME = 500 };
enum { MANY = 8000, SLICE = 34 << 10 }; /* a slice of a walk, and what else a fulfil does */

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

static void arrive(unsigned qty)
{
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = qty };
    struct supply_step some = { .id = text_of("e"), .lines = &line, .line_count = 1 };
    cr_assert_eq(ledger_arrive(ctx, &some, &view), CODE_OK);
}

/* A supply of one unit for each promise; the first ones have come. */
static void begin(unsigned promises)
{
    uint64_t lsn;
    struct supply_view view;
    struct ledger_config config = {
        .items = 8, .pools = 64, .reservations = 32768, .contexts = 1, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    struct channel_setting web = { .code = text_of("web"), .has_incoming = true, .incoming = true };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    struct supply_line line = { .sku = text_of("tea"), .qty = promises };
    struct supply_order order = { .id = text_of("e"),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK);
    for (unsigned i = 0; i < promises; i++)
        promise(i);
    arrive(COME);
}

static void set_up(void)
{
    begin(PROMISES);
}

static void set_up_many(void)
{
    begin(MANY);
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
TestSuite(many_promises, .init = set_up_many, .fini = tear_down);

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
    cr_assert(ledger_rig_take_over(&other, &rig, 0, NOW, &random, why, sizeof why), "%s", why);
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

/* ---- in slices ---- */

static void next_iteration(void)
{
    ledger_rig_drain(&rig);
    ledger_end(ctx);
    ledger_begin(ctx, NOW, NOW);
}

/* Asks in one iteration, which must be short, however many promises there are. */
static enum code fulfil_briefly(unsigned number)
{
    uint64_t before = ctx_work(ctx);
    enum code code = fulfil(number);
    cr_assert_lt(ctx_work(ctx) - before, (uint64_t)SLICE);
    next_iteration();
    return code;
}

/* Until it is decided. */
static enum code fulfil_in_slices(unsigned number, unsigned *slices)
{
    enum code code;
    *slices = 0;
    do {
        cr_assert_lt(*slices, MANY / 100, "it never ends");
        code = fulfil_briefly(number);
        ++*slices;
    } while (code == CODE_DEFERRED);
    return code;
}

Test(many_promises, no_iteration_walks_over_all_of_them)
{
    unsigned slices;
    cr_assert_eq(fulfil_in_slices(MANY - 1, &slices), CODE_INSUFFICIENT_STOCK);
    cr_assert_gt(slices, 2);
    cr_assert_eq(fulfil_in_slices(COME, &slices), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(fulfil_in_slices(COME - 1, &slices), CODE_OK);
    cr_assert_eq(fulfil_in_slices(0, &slices), CODE_OK);
    cr_assert_eq(slices, 1, "who is covered is known by now");
}

Test(many_promises, several_are_decided_side_by_side)
{
    enum { ASKERS = 20 };
    unsigned decided = 0;
    bool over[ASKERS] = { false };
    for (unsigned turn = 0; decided < ASKERS; turn++) {
        cr_assert_lt(turn, MANY / 100, "they never end");
        for (unsigned i = 0; i < ASKERS; i++) {
            if (over[i])
                continue;
            enum code code = fulfil_briefly(MANY - 1 - i);
            over[i] = code != CODE_DEFERRED;
            decided += over[i];
            cr_assert(code == CODE_DEFERRED || code == CODE_INSUFFICIENT_STOCK);
        }
    }
}

Test(many_promises, each_has_a_walk_of_its_own)
{
    unsigned slices;
    cr_assert_eq(fulfil_briefly(MANY - 1), CODE_DEFERRED);
    cr_assert_eq(fulfil_in_slices(COME - 1, &slices), CODE_OK);
    cr_assert_eq(fulfil_in_slices(MANY - 1, &slices), CODE_INSUFFICIENT_STOCK);
}

/* A refusal is of an instant of its own call: the next call begins anew. */
Test(many_promises, what_comes_between_two_slices_counts)
{
    unsigned slices;
    char name[16];
    struct reservation_view view;
    cr_assert_eq(fulfil_briefly(COME), CODE_DEFERRED);
    arrive(1);
    enum code code = fulfil_in_slices(COME, &slices);
    cr_assert(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK);
    if (code == CODE_INSUFFICIENT_STOCK)
        cr_assert_eq(fulfil_in_slices(COME, &slices), CODE_OK);
    cr_assert_eq(fulfil_briefly(COME + 1), CODE_DEFERRED);
    struct step gone = { .id = name_of(name, 3) };
    cr_assert_eq(ledger_cancel(ctx, &gone, &view), CODE_OK);
    code = fulfil_in_slices(COME + 1, &slices);
    cr_assert(code == CODE_OK || fulfil_in_slices(COME + 1, &slices) == CODE_OK);
}

/* The reservation that a walk was for is gone, and so is the whole list, before it goes on. */
Test(many_promises, what_is_gone_between_two_slices_is_not_walked)
{
    char name[16];
    struct reservation_view view;
    cr_assert_eq(fulfil_briefly(MANY - 1), CODE_DEFERRED);
    for (unsigned i = 0; i < MANY; i++) {
        struct step gone = { .id = name_of(name, i) };
        cr_assert_eq(ledger_cancel(ctx, &gone, &view), CODE_OK);
        ledger_rig_drain(&rig);
    }
    cr_assert_eq(fulfil_briefly(MANY - 1), CODE_WRONG_STATE);
}
