/* SPDX-License-Identifier: Apache-2.0 */
/* A shop with a store, a web channel that sells what is incoming within two days, and tea. Each
 * test file that includes it has its own. */
#ifndef STOCKD_TESTS_UNIT_SUPPLY_RIG_H
#define STOCKD_TESTS_UNIT_SUPPLY_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/steps.h"
#include "engine/ledger/supply.h"
#include "tests/support/ledger_rig.h"

enum { NOW = 1000000, HOUR = 3600 * 1000 };

static struct ledger_rig rig;
static struct ctx *ctx;
static struct supply_view view;
static struct reservation_view granted;
static char why[200];
static bool forgetful; /* the test forgets ids */
static uint32_t slots = 1024, pools = 64;

static inline void receive(const char *id, const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of("tea"), .location = text_of(location), .qty = qty
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static inline void at_time(uint64_t ms)
{
    ledger_end(ctx);
    ledger_begin(ctx, ms, ms);
    ledger_expire(ctx, 1000);
}

static inline void set_up(void)
{
    uint64_t lsn;
    struct ledger_config config = {
        .items = 8, .pools = pools, .reservations = slots, .contexts = 1, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    struct location_setting store = { .code = text_of("store") };
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    struct channel_setting web = { .code = text_of("web"),
                                   .has_incoming = true,
                                   .incoming = true,
                                   .has_horizon = true,
                                   .horizon_s = 48 * 3600 };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK, "%s", ctx_failure(ctx)->message);
    receive("r1", "main", 10);
}

/* Whatever a test did: a replay has the same result, and every invariant holds. */
static inline void tear_down(void)
{
    struct ledger_rig follower;
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, ctx->engine_ms, why, sizeof why), "%s",
              why);
    cr_assert(ledgers_equal(rig.ledger, follower.ledger, forgetful, why, sizeof why), "%s", why);
    cr_assert_eq(ledger_check(follower.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&follower);
    ledger_rig_close(&rig);
}

TestSuite(supply, .init = set_up, .fini = tear_down);

static inline struct supply_line tea(int64_t qty, int64_t rejected)
{
    return (struct supply_line){ .sku = text_of("tea"), .qty = qty, .rejected = rejected };
}

static inline enum code try_transfer(const char *id, int64_t qty, uint64_t eta_ms, bool hold)
{
    struct supply_line line = tea(qty, 0);
    struct supply_order order = { .id = text_of(id),
                                  .from = text_of("main"),
                                  .location = text_of("store"),
                                  .ref = text_of("lorry 7"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = eta_ms > 0,
                                  .eta_ms = eta_ms,
                                  .hold = hold };
    return ledger_transfer(ctx, &order, &view);
}

static inline void expect(const char *id, int64_t qty, uint64_t eta_ms)
{
    struct supply_line line = tea(qty, 0);
    struct supply_order order = { .id = text_of(id),
                                  .location = text_of("store"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = eta_ms > 0,
                                  .eta_ms = eta_ms };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static inline enum code try_arrive(const char *id, int64_t accepted, int64_t rejected, bool close)
{
    struct supply_line line = tea(accepted, rejected);
    struct supply_step step = {
        .id = text_of(id), .all = accepted < 0, .lines = &line, .line_count = 1, .close = close
    };
    return ledger_arrive(ctx, &step, &view);
}

static inline void arrive(const char *id, int64_t accepted, int64_t rejected, bool close)
{
    cr_assert_eq(try_arrive(id, accepted, rejected, close), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
}

static inline enum code try_reserve(const char *id, const char *channel, int64_t qty)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    struct order order = { .id = text_of(id),
                           .channel = text_of(channel),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    return ledger_reserve(ctx, &order, &granted);
}

static inline void reserve(const char *id, int64_t qty)
{
    cr_assert_eq(try_reserve(id, "web", qty), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static inline enum code try_fulfil(const char *id)
{
    struct reservation_view r;
    return ledger_fulfil(ctx, &(struct step){ .id = text_of(id) }, &r);
}

static inline void cancel(const char *id)
{
    struct reservation_view r;
    cr_assert_eq(ledger_cancel(ctx, &(struct step){ .id = text_of(id) }, &r), CODE_OK, "%s",
                 ctx_failure(ctx)->message);
}

static inline int64_t available(const char *channel)
{
    struct text sku = text_of("tea");
    int64_t units;
    uint64_t lsn;
    cr_assert_eq(ledger_availability(ctx, text_of(channel), &sku, 1, &units, &lsn), CODE_OK);
    return units;
}

static inline int64_t on_hand(void)
{
    struct stock_view stock;
    cr_assert_eq(ledger_stock(ctx, text_of("tea"), &stock), CODE_OK);
    return stock.on_hand;
}

/* The one row of that kind at the store; on hand is negative if there is none. */
static inline struct pool_view row(const char *kind)
{
    struct stock_view stock;
    cr_assert_eq(ledger_stock(ctx, text_of("tea"), &stock), CODE_OK);
    for (uint32_t i = 0; i < stock.pool_count; i++)
        if (strcmp(stock.pools[i].kind, kind) == 0 &&
            text_equal(stock.pools[i].location, text_of("store")))
            return stock.pools[i];
    return (struct pool_view){ .on_hand = -1 };
}

#endif
