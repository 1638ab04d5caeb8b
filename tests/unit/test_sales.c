/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of sales and promises over hours and days, with a clock that the test moves. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/sale.h"
#include "engine/reports/report.h"
#include "tests/support/ledger_rig.h"

#define NOON (UINT64_C(1700006400000) / 86400000 * 86400000 + 12 * 3600 * 1000)

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now_ms;

static void pass(uint64_t ms)
{
    ledger_end(ctx);
    now_ms += ms;
    ledger_begin(ctx, now_ms, now_ms);
}

static void receive(const char *sku, const char *location)
{
    static int number;
    char id[16];
    struct movement_result result;
    snprintf(id, sizeof id, "in%d", number++);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(location), .qty = 100
    };
    cr_assert_eq(ledger_receive(ctx, &m, &result), CODE_OK);
}

static void open_shop(void)
{
    uint64_t lsn;
    struct location_setting slow = { .code = text_of("depot"),
                                     .has_lead_time = true,
                                     .lead_time_s = 60 };
    ledger_rig_open(&rig, &(struct ledger_config){ .items = 16,
                                                   .pools = 64,
                                                   .reservations = 1000,
                                                   .contexts = 1,
                                                   .figures = FIGURES_LEAST });
    ctx = ledger_ctx(rig.ledger, 0);
    now_ms = NOON;
    ledger_begin(ctx, now_ms, now_ms);
    cr_assert_eq(ledger_set_location(ctx, &slow, &lsn), CODE_OK);
    receive("tea", "main");
    receive("milk", "main");
    receive("tea", "depot");
}

static void close_shop(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(sales, .init = open_shop, .fini = close_shop);

/* Tea and milk, from those places. */
static void order(const char *id, const char *tea_from, const char *milk_from)
{
    struct order_line lines[2] = {
        { .sku = text_of("tea"), .qty = 2, .location = text_of(tea_from) },
        { .sku = text_of("milk"), .qty = 3, .location = text_of(milk_from) },
    };
    struct order asked = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = milk_from ? 2 : 1,
                           .confirm = true };
    struct reservation_view view;
    cr_assert_eq(ledger_reserve(ctx, &asked, &view), CODE_OK);
}

static void hand_over(const char *id, const char *op, const char *sku, int64_t qty)
{
    struct order_line line = { .sku = text_of(sku), .qty = qty };
    struct step step = {
        .id = text_of(id), .op = text_of(op), .lines = &line, .line_count = sku ? 1 : 0
    };
    struct reservation_view view;
    cr_assert_eq(ledger_fulfil(ctx, &step, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static struct report *run_on(struct ledger *ledger, struct report_ask ask)
{
    static const _Atomic bool never;
    struct ctx *reader = ledger_ctx(ledger, 0);
    ask.limit = 100;
    struct report *report = report_new(&ask);
    if (ledger == rig.ledger)
        ledger_end(ctx);
    report_run(report, reader, &never, now_ms, now_ms);
    if (ledger == rig.ledger)
        ledger_begin(ctx, now_ms, now_ms);
    cr_assert_eq(report->outcome, REPORT_DONE);
    return report;
}

/* The row of that key has these values; NULL: there is no such row. */
static void expect(struct report *report, const char *key, unsigned count, const double *values)
{
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct report_row *row = &report->rows[i];
        if (!text_equal((struct text){ row->key, row->key_len }, text_of(key)))
            continue;
        cr_assert(values, "a row %s", key);
        for (unsigned v = 0; v < count; v++)
            cr_assert_eq(row->values[v], values[v], "%s: value %u is %g", key, v, row->values[v]);
        return;
    }
    cr_assert_not(values, "no row %s", key);
}

#define EXPECT(report, key, ...)                                                                   \
    expect(report, key, sizeof((double[]){ __VA_ARGS__ }) / sizeof(double),                        \
           (double[]){ __VA_ARGS__ })

static void two_days(struct ledger *ledger)
{
    struct report *days = run_on(ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_DAY });
    EXPECT(days, "2023-11-15", 1, 1);
    EXPECT(days, "2023-11-16", 4, 0); /* the order was counted */
    report_free(days);
    struct report *hours =
        run_on(ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_HOUR });
    EXPECT(hours, "2023-11-15T12", 1, 1);
    EXPECT(hours, "2023-11-16T12", 4, 0);
    report_free(hours);
    struct report *items =
        run_on(ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_SKU });
    EXPECT(items, "tea", 2, 1);
    EXPECT(items, "milk", 3, 1);
    report_free(items);
    struct report *first = run_on(
        ledger, (struct report_ask){
                    .name = REPORT_SALES, .by = BY_CHANNEL, .has_to = true, .to_ms = NOON + 1 });
    EXPECT(first, "default", 1, 1);
    report_free(first);
    struct report *second = run_on(ledger, (struct report_ask){ .name = REPORT_SALES,
                                                                .by = BY_SKU,
                                                                .has_from = true,
                                                                .from_ms = NOON + 86400000 });
    EXPECT(second, "tea", 1, 0);
    EXPECT(second, "milk", 3, 1);
    report_free(second);
}

Test(sales, an_order_of_two_days_counts_on_the_first)
{
    struct ledger_rig follower;
    char why[200];
    order("o", "main", "main");
    hand_over("o", "p1", "tea", 1);
    pass(86400000);
    hand_over("o", "p2", "tea", 1);
    hand_over("o", "p3", "milk", 3);
    two_days(rig.ledger);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now_ms, why, sizeof why), "%s", why);
    two_days(follower.ledger);
    ledger_rig_close(&follower);
}

Test(sales, places_are_told_apart)
{
    order("o", "depot", "main");
    hand_over("o", "p", NULL, 0);
    struct report *places =
        run_on(rig.ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_LOCATION });
    EXPECT(places, "depot", 2, 1);
    EXPECT(places, "main", 3, 1);
    report_free(places);
    struct report *all =
        run_on(rig.ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_CHANNEL });
    EXPECT(all, "default", 5, 1);
    report_free(all);
}

Test(sales, promises_are_kept_or_late)
{
    order("in-time", "depot", NULL);
    order("late", "depot", "main");
    pass(60000);
    hand_over("in-time", "p1", NULL, 0);
    pass(40000);
    hand_over("late", "p2", NULL, 0); /* tea was promised for 40 s ago; milk was ready at once */
    struct report *promises =
        run_on(rig.ledger, (struct report_ask){ .name = REPORT_PROMISES, .by = BY_LOCATION });
    EXPECT(promises, "depot", 4, 2, 1, 1, 0.5, 40);
    expect(promises, "main", 0, NULL);
    report_free(promises);
}

Test(sales, a_tills_sale_counts_when_it_was_made)
{
    uint16_t location = 0, channel = 0; /* main, default */
    ctx->sale->count = 3;
    for (uint32_t i = 0; i < 3; i++) /* tea, milk, tea */
        ctx->sale->cells[i] =
            (struct sale_cell){ .item = i % 2, .location = location, .now = true, .units = i + 1 };
    sale_note_till(ctx, channel, now_ms - 86400000);
    struct report *days =
        run_on(rig.ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_DAY });
    EXPECT(days, "2023-11-14", 6, 1);
    cr_assert_eq(days->row_count, 1);
    report_free(days);
    struct report *items =
        run_on(rig.ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_SKU });
    EXPECT(items, "tea", 4, 1);
    EXPECT(items, "milk", 2, 1);
    report_free(items);
}

/* What a till that was offline sold a day ago, and what one has sold now. */
static void yesterdays(struct ledger *ledger)
{
    struct report *days = run_on(ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_DAY });
    EXPECT(days, "2023-11-14", 4, 1);
    EXPECT(days, "2023-11-15", 2, 1);
    cr_assert_eq(days->row_count, 2);
    report_free(days);
    struct report *items =
        run_on(ledger, (struct report_ask){ .name = REPORT_SALES, .by = BY_SKU });
    EXPECT(items, "tea", 4, 2);
    EXPECT(items, "milk", 2, 1);
    report_free(items);
}

Test(sales, sold_is_replayed_for_its_time)
{
    struct order_line lines[] = { { .sku = text_of("tea"), .qty = 1 },
                                  { .sku = text_of("milk"), .qty = 2 },
                                  { .sku = text_of("tea"), .qty = 1 } };
    struct sale sale = { .id = text_of("t1"),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = lines,
                         .line_count = 3,
                         .has_at = true,
                         .at_ms = now_ms - 86400000 };
    struct sold_view view;
    cr_assert_eq(ledger_sold(ctx, &sale, &view), CODE_OK);
    cr_assert_eq(ledger_sold(ctx, &sale, &view), CODE_OK); /* told twice, sold once */
    struct sale now = sale;
    now.id = text_of("t2");
    now.line_count = 1;
    now.has_at = false;
    lines[0].qty = 2;
    cr_assert_eq(ledger_sold(ctx, &now, &view), CODE_OK);
    yesterdays(rig.ledger);
    struct ledger_rig follower;
    char why[200];
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now_ms, why, sizeof why), "%s", why);
    yesterdays(follower.ledger);
    ledger_rig_close(&follower);
}

static void all_came_back(struct ledger *ledger)
{
    struct report *report =
        run_on(ledger, (struct report_ask){ .name = REPORT_RETURNS, .by = BY_SKU });
    EXPECT(report, "tea", 8, 2, 0);
    report_free(report);
}

Test(sales, a_return_that_pays_a_debt_came_back_whole)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 105 };
    struct sale sale = { .id = text_of("t"),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = &line,
                         .line_count = 1 };
    struct sold_view view;
    cr_assert_eq(ledger_sold(ctx, &sale, &view), CODE_OK); /* five are owed */
    for (int i = 0; i < 2; i++) {
        char id[8];
        struct movement_result result;
        snprintf(id, sizeof id, "r%d", i);
        struct movement back = {
            .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = 4
        };
        cr_assert_eq(ledger_return(ctx, &back, &result), CODE_OK);
    }
    all_came_back(rig.ledger);
    struct ledger_rig follower;
    char why[200];
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now_ms, why, sizeof why), "%s", why);
    all_came_back(follower.ledger);
    ledger_rig_close(&follower);
}

Test(sales, a_page_has_the_first_rows)
{
    for (int i = 0; i < 9; i++) {
        char sku[8], id[8];
        snprintf(sku, sizeof sku, "%c", 'i' - i);
        snprintf(id, sizeof id, "o%d", i);
        receive(sku, "main");
        struct order_line line = { .sku = text_of(sku), .qty = 1 };
        struct order asked = { .id = text_of(id),
                               .channel = text_of("default"),
                               .lines = &line,
                               .line_count = 1,
                               .confirm = true };
        struct reservation_view view;
        cr_assert_eq(ledger_reserve(ctx, &asked, &view), CODE_OK);
        hand_over(id, NULL, NULL, 0);
    }
    struct report_ask ask = { .name = REPORT_SALES, .by = BY_SKU, .limit = 4 };
    struct report *report = report_new(&ask);
    static const _Atomic bool never;
    ledger_end(ctx);
    report_run(report, ctx, &never, now_ms, now_ms);
    ledger_begin(ctx, now_ms, now_ms);
    cr_assert_eq(report->row_count, 4);
    cr_assert(report->more);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(report->rows[i].key[0], 'a' + i);
    report_free(report);
}
