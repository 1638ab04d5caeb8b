/* SPDX-License-Identifier: Apache-2.0 */
/* Lost demand: what refused orders leave in the log and in the figures. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/refused.h"
#include "engine/store/refusals.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now_ms = UINT64_C(1700000000000);

static void begin(uint64_t later_ms)
{
    ledger_end(ctx);
    now_ms += later_ms;
    ledger_begin(ctx, now_ms, now_ms);
}

static void open_shop(void)
{
    ledger_rig_open(&rig, &(struct ledger_config){ .items = 400,
                                                   .pools = 1000,
                                                   .reservations = 1000,
                                                   .contexts = 1,
                                                   .figures = FIGURES_LEAST });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now_ms, now_ms);
    struct movement_result result;
    struct movement m = {
        .id = text_of("in"), .sku = text_of("tea"), .location = text_of("main"), .qty = 3
    };
    cr_assert_eq(ledger_receive(ctx, &m, &result), CODE_OK);
}

static void close_shop(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(refused, .init = open_shop, .fini = close_shop);

static void refuse_order(const struct order *order)
{
    struct reservation_view view;
    cr_assert_eq(ledger_reserve(ctx, order, &view), CODE_INSUFFICIENT_STOCK);
}

static void refuse_lines(const char *id, const struct order_line *lines, uint32_t count)
{
    refuse_order(&(struct order){
        .id = text_of(id), .channel = text_of("default"), .lines = lines, .line_count = count });
}

static void refuse(const char *id, int64_t qty)
{
    refuse_lines(id, &(struct order_line){ .sku = text_of("tea"), .qty = qty }, 1);
}

struct counted {
    uint64_t units, orders, missing;
};

static struct counted count(const struct ledger *ledger)
{
    struct counted c = { 0 };
    struct figures_walk walk;
    figures_hold(ledger->figures);
    figures_fold_all(ledger->figures);
    figures_walk_start(ledger->figures, &walk);
    while (figures_walk_next(ledger->figures, &walk)) {
        if (walk.fact.measure == MEASURE_REFUSED)
            c.units += walk.fact.units, c.orders += walk.fact.count;
        if (walk.fact.measure == MEASURE_MISSING)
            c.missing += walk.fact.units;
    }
    figures_put(ledger->figures);
    return c;
}

static void expect(const struct ledger *ledger, uint64_t units, uint64_t orders, uint64_t missing)
{
    struct counted c = count(ledger);
    cr_assert_eq(c.units, units, "%llu units", (unsigned long long)c.units);
    cr_assert_eq(c.orders, orders, "%llu orders", (unsigned long long)c.orders);
    cr_assert_eq(c.missing, missing, "%llu missing", (unsigned long long)c.missing);
}

static unsigned records(void)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    unsigned count = 0;
    ledger_rig_drain(&rig);
    for (size_t at = 0; at < rig.length; at += ledger_rig_record(&rig, at, record)) {
        struct record_head head;
        ledger_rig_record(&rig, at, record);
        memcpy(&head, record, sizeof head);
        count += head.type == RECORD_REFUSED;
    }
    return count;
}

Test(refused, counts_once_within_ten_minutes)
{
    refuse("a", 5);
    refuse("a", 5);
    begin(1000);
    refuse("a", 5);
    expect(rig.ledger, 5, 1, 2);
    begin((REFUSED_AGAIN_S - 2) * 1000);
    refuse("a", 5);
    expect(rig.ledger, 5, 1, 2);
    begin(2000);
    refuse("a", 5);
    expect(rig.ledger, 10, 2, 4);
    cr_assert_eq(records(), 2);
}

/* The item's lines want three units together, which is what there is, or more. */
Test(refused, an_item_counts_with_all_of_its_lines)
{
    struct text tea = text_of("tea"), main = text_of("main");
    struct order_line last[] = { { .sku = tea, .qty = 2 }, { .sku = tea, .qty = 3 } };
    refuse_lines("the last line is short", last, 2);
    expect(rig.ledger, 5, 1, 2);
    struct order_line first[] = { { .sku = tea, .qty = 5 }, { .sku = tea, .qty = 1 } };
    refuse_lines("the first line is short", first, 2);
    expect(rig.ledger, 11, 2, 5);
    struct order_line each[] = { { .sku = tea, .qty = 4 }, { .sku = tea, .qty = 6 } };
    refuse_lines("each line is short", each, 2);
    expect(rig.ledger, 21, 3, 12);
    struct order_line bound[] = { { .sku = tea, .qty = 2 },
                                  { .sku = tea, .qty = 2, .location = main } };
    refuse_lines("what is bound comes first", bound, 2);
    expect(rig.ledger, 25, 4, 13);
}

Test(refused, an_item_counts_once_beyond_its_backorder_limit)
{
    uint64_t lsn;
    struct item_setting limit = { .sku = text_of("tea"),
                                  .has_backorder_limit = true,
                                  .backorder_limit = 1 };
    struct order_line lines[] = { { .sku = text_of("tea"), .qty = 2 },
                                  { .sku = text_of("tea"), .qty = 4 } };
    cr_assert_eq(ledger_set_item(ctx, &limit, &lsn), CODE_OK);
    refuse_order(&(struct order){ .id = text_of("a"),
                                  .channel = text_of("default"),
                                  .lines = lines,
                                  .line_count = 2,
                                  .backorder = true });
    expect(rig.ledger, 6, 1, 2);
}

Test(refused, replay_counts_the_same_and_remembers)
{
    struct ledger_rig follower;
    char why[200];
    refuse("a", 5);
    refuse("b", 7);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now_ms, why, sizeof why), "%s", why);
    expect(follower.ledger, 12, 2, 6);
    cr_assert(ledgers_equal(rig.ledger, follower.ledger, false, why, sizeof why), "%s", why);
    struct ctx *live = ctx;
    ctx = ledger_ctx(follower.ledger, 0);
    ledger_begin(ctx, now_ms, now_ms);
    refuse("a", 5);
    expect(follower.ledger, 12, 2, 6);
    refuse("c", 4);
    expect(follower.ledger, 16, 3, 7);
    ledger_end(ctx);
    ctx = live;
    ledger_rig_close(&follower);
}

Test(refused, a_flood_is_bounded_in_the_log_and_loses_no_unit_of_an_item)
{
    enum { FLOOD = 1000 };
    char id[16];
    for (int i = 0; i < FLOOD; i++) {
        snprintf(id, sizeof id, "o%d", i);
        refuse(id, 5);
    }
    cr_assert_eq(records(), REFUSED_BURST);
    cr_assert(refused_waits(ctx));
    cr_assert_leq(ledger_next_deadline(ctx), now_ms + 100, "nothing wakes it");
    begin(1);
    cr_assert_not(refused_waits(ctx));
    cr_assert_eq(records(), REFUSED_BURST + 1);
    expect(rig.ledger, 5 * FLOOD, FLOOD, 2 * FLOOD);
    for (int i = 0; i < FLOOD; i++) {
        snprintf(id, sizeof id, "p%d", i);
        refuse(id, 5);
    }
    cr_assert_leq(records(), REFUSED_BURST + 2, "it may write one a millisecond");
}

Test(refused, nothing_is_kept_without_figures)
{
    struct ledger_rig without;
    ledger_rig_open(&without, &(struct ledger_config){
                                  .items = 8, .pools = 8, .reservations = 64, .contexts = 1 });
    struct ctx *live = ctx;
    struct order_line line = { .sku = text_of("tea"), .qty = 5 };
    struct order order = {
        .id = text_of("a"), .channel = text_of("default"), .lines = &line, .line_count = 1
    };
    struct movement_result result;
    struct movement m = {
        .id = text_of("in"), .sku = text_of("tea"), .location = text_of("main"), .qty = 3
    };
    struct reservation_view view;
    ctx = ledger_ctx(without.ledger, 0);
    ledger_begin(ctx, now_ms, now_ms);
    cr_assert_eq(ledger_receive(ctx, &m, &result), CODE_OK);
    uint64_t before = atomic_load(&without.log.tail);
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(atomic_load(&without.log.tail), before);
    ledger_end(ctx);
    ctx = live;
    ledger_rig_close(&without);
}

Test(refused, a_full_bucket_forgets_the_oldest)
{
    struct refusals table;
    cr_assert_eq(refusals_init(&table), 0);
    for (uint64_t i = 0; i <= REFUSAL_WAYS; i++) /* all in one bucket */
        cr_assert(refusals_remember(&table, i << 40 | 5, 1000 + i));
    for (uint64_t i = 1; i <= REFUSAL_WAYS; i++)
        cr_assert_not(refusals_remember(&table, i << 40 | 5, 1100));
    cr_assert(refusals_remember(&table, 5, 1100));
    refusals_destroy(&table);
}
