/* SPDX-License-Identifier: Apache-2.0 */
/* What counts, damage and buffers leave of an item's stock. */
#include <criterion/criterion.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now;
static struct movement_result moved;

static void set_up(void)
{
    now = 1000000;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 16, .reservations = 640, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
}

static void tear_down(void)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(ledger_stock, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static struct movement movement_of(const char *id, int64_t qty)
{
    return (struct movement){
        .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = qty
    };
}

/* Less was found than has been sold since: there is nothing, not less than that. */
Test(ledger_stock, a_count_as_of_earlier_leaves_nothing_at_least)
{
    struct movement came = movement_of("came", 5), sold = movement_of("sold", -3);
    struct movement found = movement_of("found", 1);
    must(ledger_receive(ctx, &came, &moved));
    found.has_as_of = true;
    found.as_of_ms = now;
    now += 5;
    ledger_end(ctx);
    ledger_begin(ctx, now, now);
    must(ledger_adjust(ctx, &sold, &moved));
    must(ledger_count(ctx, &found, &moved));
    cr_assert_eq(moved.delta, -2);
    cr_assert_eq(moved.on_hand, 0);
}

Test(ledger_stock, damaged_units_are_none_that_could_be_sold)
{
    struct stock_view stock;
    struct movement came = movement_of("came", 5), broken = movement_of("broken", 2);
    broken.damaged = true;
    must(ledger_receive(ctx, &came, &moved));
    must(ledger_receive(ctx, &broken, &moved));
    must(ledger_stock(ctx, text_of("tea"), &stock));
    cr_assert_eq(stock.pool_count, 2);
    cr_assert_eq(stock.on_hand, 5);
    cr_assert_eq(stock.available, 5);
}

/* While units move between two pools, one may be counted twice: what the sum says is no promise. */
Test(ledger_stock, a_sum_that_moves_leaves_no_buffer)
{
    uint64_t lsn;
    struct reservation_view view;
    struct movement main = movement_of("main", 5), store = movement_of("store", 5);
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = {
        .id = text_of("o"), .channel = text_of("web"), .lines = &line, .line_count = 1
    };
    must(ledger_set_location(ctx, &(struct location_setting){ .code = text_of("store") }, &lsn));
    must(ledger_set_channel(
        ctx, &(struct channel_setting){ .code = text_of("web"), .has_buffer = true, .buffer = 2 },
        &lsn));
    store.location = text_of("store");
    must(ledger_receive(ctx, &main, &moved));
    must(ledger_receive(ctx, &store, &moved));
    struct item *item = item_at(&rig.ledger->items, 0);
    gives_begin(item); /* of another context, on its way */
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_DEFERRED);
    gives_end(item);
    must(ledger_reserve(ctx, &order, &view));
}
