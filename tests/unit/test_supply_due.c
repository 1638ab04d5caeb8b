/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever follows changes sees a supply that has come up as it is from then on, though its own
 * iteration began earlier. */
#include <criterion/criterion.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"
#include "tests/support/ledger_rig.h"

enum { NOW = 1000000, ETA = NOW + 60000 };

static struct ledger_rig rig;
static struct ctx *ctx, *follower;
static uint64_t version;

static void set_up(void)
{
    uint64_t lsn;
    struct ledger_config config = {
        .items = 8, .pools = 64, .reservations = 256, .contexts = 2, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    follower = ledger_ctx(rig.ledger, 1);
    ledger_begin(ctx, NOW, NOW);
    struct channel_setting eager = { .code = text_of("default"),
                                     .has_incoming = true,
                                     .incoming = true,
                                     .has_horizon = true,
                                     .horizon_s = 30 };
    cr_assert_eq(ledger_set_channel(ctx, &eager, &lsn), CODE_OK, "%s", ctx_failure(ctx)->message);
    struct supply_view view;
    struct supply_line line = { .sku = text_of("tea"), .qty = 5 };
    struct supply_order order = { .id = text_of("po"),
                                  .location = text_of("main"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = ETA };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    version = item_version(rig.ledger, 0);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_end(follower);
    ledger_rig_close(&rig);
}

TestSuite(supply_due, .init = set_up, .fini = tear_down);

/* The one begins an iteration, and then the other one, which sees the time come. */
static void come_up(uint64_t follower_ms, uint64_t ms)
{
    ledger_end(ctx);
    ledger_begin(follower, follower_ms, follower_ms);
    ledger_begin(ctx, ms, ms);
    ledger_expire(ctx, 1000);
    cr_assert_gt(item_version(rig.ledger, 0), version, "nobody is told");
    version = item_version(rig.ledger, 0);
}

Test(supply_due, the_eta_has_passed)
{
    come_up(ETA - 30000, ETA - 30000 + 100);
    cr_assert_eq(ledger_item_availability(follower, 0, 0), 5);
    ledger_end(follower);
    come_up(ETA - 1, ETA + 100);
    cr_assert_eq(ledger_item_availability(follower, 0, 0), 0);
    cr_assert_eq(follower->wall_ms, ETA - 1, "it keeps its time for all else");
}

Test(supply_due, the_horizon_has_come)
{
    come_up(ETA - 30001, ETA - 30000 + 100);
    cr_assert_eq(ledger_item_availability(follower, 0, 0), 5);
}

/* A wall clock that was put back is not that: the ETA lies ahead again. */
Test(supply_due, a_clock_that_was_put_back)
{
    come_up(ETA - 30001, ETA - 30000 + 100);
    ledger_end(follower);
    come_up(ETA - 1, ETA + 100);
    ledger_end(follower);
    ledger_begin(follower, ETA + 200, ETA - 20000);
    cr_assert_eq(ledger_item_availability(follower, 0, 0), 5);
}
