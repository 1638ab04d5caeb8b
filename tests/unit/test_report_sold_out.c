/* SPDX-License-Identifier: Apache-2.0 */
/* Times without stock: what the report tells of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report.h"
#include "tests/support/contents_rig.h"
#include "tests/support/ledger_rig.h"

/* Times are milliseconds since a midnight. */
#define MIDNIGHT_MS (UINT64_C(19676) * DAY_MS) /* 2023-11-15 */
#define AT_HOUR(hour) ((uint64_t)((hour)*FIGURES_HOUR_MS))

enum { MANY = 1500, VALUES = 4 };

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t engine_ms, wall_ms;
static unsigned next_id;

static void begin(void)
{
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, engine_ms, wall_ms);
}

static void open_shop(void)
{
    next_id = 0;
    engine_ms = wall_ms = MIDNIGHT_MS;
    ledger_rig_open(&rig, &(struct ledger_config){ .items = MANY + 8,
                                                   .pools = 2 * MANY,
                                                   .reservations = 8192,
                                                   .contexts = 1,
                                                   .figures = FIGURES_LEAST });
    begin();
}

static void close_shop(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(sold_out, .init = open_shop, .fini = close_shop);

static void go_to(uint64_t ms)
{
    ledger_end(ctx);
    wall_ms = MIDNIGHT_MS + ms;
    engine_ms = wall_ms > engine_ms ? wall_ms : engine_ms + 10; /* the one that never goes back */
    ledger_begin(ctx, engine_ms, wall_ms);
}

/* Looks, in no time, until nothing is left to be looked at. */
static void look(void)
{
    do {
        ledger_rig_drain(&rig);
        go_to(wall_ms - MIDNIGHT_MS);
        ledger_tell_crossings(ctx);
    } while (ledger_crossings_due(ctx) != UINT64_MAX);
}

static void count(const char *sku, int64_t qty)
{
    char id[16];
    struct movement_result moved;
    snprintf(id, sizeof id, "m%u", ++next_id);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = qty
    };
    cr_assert_eq(ledger_count(ctx, &m, &moved), CODE_OK);
}

/* From then on so many are there. */
static void stock(uint64_t ms, const char *sku, int64_t qty)
{
    go_to(ms);
    count(sku, qty);
    look();
}

static struct report *ask(struct report_ask asked)
{
    static const _Atomic bool never;
    asked.name = REPORT_SOLD_OUT;
    asked.limit = REPORT_ROWS_MAX;
    struct report *report = report_new(&asked);
    ledger_end(ctx);
    report_run(report, ctx, &never, engine_ms, wall_ms);
    ledger_begin(ctx, engine_ms, wall_ms);
    cr_assert_eq(report->outcome, REPORT_DONE);
    return report;
}

/* All rows, as "key units times seconds still_out, ..." */
static void expect(struct report_ask asked, const char *expected)
{
    char all[1024] = "";
    struct report *report = ask(asked);
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct report_row *row = &report->rows[i];
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%.*s %g %g %.10g %g", used ? ", " : "",
                 (int)row->key_len, row->key, row->values[0], row->values[1], row->values[2],
                 row->values[3]);
    }
    report_free(report);
    cr_assert_str_eq(all, expected);
}

static struct report_ask by(enum report_by key)
{
    return (struct report_ask){ .by = key };
}

static struct report_ask span(enum report_by key, uint64_t from_ms, uint64_t to_ms)
{
    return (struct report_ask){ .by = key,
                                .has_from = true,
                                .from_ms = MIDNIGHT_MS + from_ms,
                                .has_to = true,
                                .to_ms = MIDNIGHT_MS + to_ms };
}

static void channel(const char *code, int64_t buffer)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of(code), .has_buffer = true, .buffer = buffer };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
}

/* ---- what counts ---- */

Test(sold_out, the_first_stock_of_an_item_ends_nothing)
{
    stock(AT_HOUR(1), "tea", 5);
    expect(by(BY_CHANNEL), "");
    expect(by(BY_DAY), "");
}

Test(sold_out, counts_from_the_crossing_to_the_crossing)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2) + 7, "tea", 0);
    stock(AT_HOUR(2) + 1234, "tea", 1);
    stock(AT_HOUR(3), "tea", 0);
    stock(AT_HOUR(3) + 1000, "tea", 1);
    go_to(AT_HOUR(9));
    expect(by(BY_CHANNEL), "default 0 2 2.227 0");
    expect(by(BY_SKU), "tea 0 2 2.227 0");
    expect(by(BY_HOUR), "2023-11-15T02 0 1 1.227 0, 2023-11-15T03 0 1 1 0");
}

Test(sold_out, splits_at_hours_and_days)
{
    stock(AT_HOUR(21), "tea", 5);
    stock(AT_HOUR(22) + 600000, "tea", 0);
    stock(AT_HOUR(50) + 500, "tea", 5);
    go_to(AT_HOUR(90));
    expect(by(BY_DAY), "2023-11-15 0 1 6600 1, 2023-11-16 0 0 86400 1, 2023-11-17 0 0 7200.5 0");
    expect(span(BY_HOUR, AT_HOUR(22), AT_HOUR(24)),
           "2023-11-15T22 0 1 3000 1, 2023-11-15T23 0 0 3600 1");
    expect(span(BY_HOUR, AT_HOUR(49), AT_HOUR(60)),
           "2023-11-17T01 0 0 3600 1, 2023-11-17T02 0 0 0.5 0");
}

Test(sold_out, goes_on_until_now)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2), "tea", 0);
    go_to(AT_HOUR(2) + 1500);
    expect(by(BY_CHANNEL), "default 0 1 1.5 1");
    go_to(AT_HOUR(26));
    expect(by(BY_CHANNEL), "default 0 1 86400 1");
    expect(by(BY_DAY), "2023-11-15 0 1 79200 1, 2023-11-16 0 0 7200 1");
}

Test(sold_out, of_a_span_is_what_lies_in_it)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2), "tea", 0);
    stock(AT_HOUR(30), "tea", 5);
    stock(AT_HOUR(40), "tea", 0);
    go_to(AT_HOUR(50));
    expect(span(BY_CHANNEL, AT_HOUR(3), AT_HOUR(5)), "default 0 0 7200 1");
    expect(span(BY_SKU, AT_HOUR(24), AT_HOUR(48)), "tea 0 1 50400 1");
    expect(span(BY_DAY, AT_HOUR(24), AT_HOUR(48)), "2023-11-16 0 1 50400 1");
    expect(span(BY_DAY, AT_HOUR(25), AT_HOUR(42)), "2023-11-16 0 1 25200 1");
    expect(span(BY_SKU, AT_HOUR(31), AT_HOUR(39)), "");
    expect(span(BY_SKU, AT_HOUR(45), AT_HOUR(100)), "tea 0 0 18000 1");
    expect(span(BY_HOUR, AT_HOUR(60), AT_HOUR(100)), ""); /* not yet */
    expect(span(BY_CHANNEL, 0, AT_HOUR(1)), "");
}

Test(sold_out, is_of_each_channel_by_itself)
{
    channel("web", 3);
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2), "tea", 2);
    stock(AT_HOUR(3), "tea", 0);
    stock(AT_HOUR(1), "ink", 9); /* the clock was set back */
    go_to(AT_HOUR(4));
    expect(by(BY_CHANNEL), "default 0 1 3600 1, web 0 1 7200 1");
    expect(by(BY_SKU), "tea 0 2 10800 2");
    struct report_ask web = { .by = BY_SKU, .has_channel = true, .channel = 1 };
    expect(web, "tea 0 1 7200 1");
    struct report_ask ink = { .by = BY_CHANNEL, .has_item = true, .item = 1 };
    expect(ink, "");
}

Test(sold_out, has_the_units_that_orders_missed)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 4 };
    struct order order = {
        .id = text_of("o"), .channel = text_of("default"), .lines = &line, .line_count = 1
    };
    struct reservation_view view;
    stock(AT_HOUR(1), "tea", 1);
    go_to(AT_HOUR(2));
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_INSUFFICIENT_STOCK);
    expect(by(BY_SKU), "tea 3 0 0 0"); /* it is not sold out */
    stock(AT_HOUR(3), "tea", 0);
    order.id = text_of("p");
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_INSUFFICIENT_STOCK);
    go_to(AT_HOUR(4));
    expect(by(BY_SKU), "tea 7 1 3600 1");
    expect(by(BY_HOUR), "2023-11-15T02 3 0 0 0, 2023-11-15T03 4 1 3600 1");
}

Test(sold_out, is_never_less_than_nothing)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(5), "tea", 0);
    stock(AT_HOUR(3), "tea", 5);
    expect(by(BY_CHANNEL), "default 0 1 0 0"); /* not yet */
    go_to(AT_HOUR(6));
    expect(by(BY_CHANNEL), "default 0 1 0 0"); /* two hours less than nothing */
    stock(AT_HOUR(6), "tea", 0);
    go_to(AT_HOUR(9));
    expect(by(BY_DAY), "2023-11-15 0 2 3600 1"); /* three, less those two */
}

/* ---- starts ---- */

static void become(struct ledger_rig *follower)
{
    char why[256];
    cr_assert(ledgers_equal(rig.ledger, follower->ledger, false, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = *follower;
    rig.config.log = rig.ledger->log = &rig.log;
    begin();
}

/* As after a start from the first record, or from a snapshot of the first `imaged` bytes. */
static void start(bool from_snapshot, size_t imaged)
{
    char why[256];
    struct ledger_rig follower;
    ledger_rig_drain(&rig);
    ledger_end(ctx);
    bool good = from_snapshot
                    ? contents_rig_follow(&follower, &rig, imaged, engine_ms, why, sizeof why)
                    : ledger_rig_follow(&follower, &rig, rig.length, engine_ms, why, sizeof why);
    cr_assert(good, "%s", why);
    become(&follower);
}

/* Two times: the snapshot is made within the first one. */
static size_t two_times(void)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2), "tea", 0);
    ledger_rig_drain(&rig);
    size_t imaged = rig.length;
    stock(AT_HOUR(3), "tea", 5);
    stock(AT_HOUR(4), "tea", 0);
    return imaged;
}

Test(sold_out, is_the_same_after_a_start_from_the_records)
{
    two_times();
    start(false, 0);
    go_to(AT_HOUR(5));
    expect(by(BY_HOUR), "2023-11-15T02 0 1 3600 1, 2023-11-15T04 0 1 3600 1");
    stock(AT_HOUR(5) + 1000, "tea", 1);
    expect(by(BY_CHANNEL), "default 0 2 7201 0");
}

Test(sold_out, is_the_same_after_a_start_from_a_snapshot)
{
    size_t imaged = two_times();
    start(true, imaged);
    go_to(AT_HOUR(5));
    expect(by(BY_HOUR), "2023-11-15T02 0 1 3600 1, 2023-11-15T04 0 1 3600 1");
    start(true, rig.length);
    expect(by(BY_HOUR), "2023-11-15T02 0 1 3600 1, 2023-11-15T04 0 1 3600 1");
    stock(AT_HOUR(5) + 1000, "tea", 1);
    expect(by(BY_CHANNEL), "default 0 2 7201 0");
}

/* As after a start from a snapshot of now; an old one is from before crossings were facts. */
static void load_copy(bool old)
{
    char why[256];
    struct contents contents;
    struct ledger_rig copy;
    ledger_rig_drain(&rig);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
    for (struct contents_run *run = contents.first; run && old; run = run->next) {
        struct contents_fact *first = (void *)run->bytes;
        if (run->kind == CONTENTS_FIGURES && first->measure == MEASURE_NONE)
            first->count = first->units = 0;
    }
    ledger_end(ctx);
    ledger_rig_open(&copy, &rig.config);
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    contents_free(&contents);
    ledger_rig_adopt(&copy, &rig, rig.length, engine_ms);
    become(&copy);
}

/* Then only the levels tell what is sold out. */
Test(sold_out, begins_after_a_snapshot_without_crossings)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(2), "tea", 0);
    load_copy(true);
    go_to(AT_HOUR(2) + 5000);
    expect(by(BY_CHANNEL), ""); /* of the hour of the snapshot, not all is known */
    go_to(AT_HOUR(4));
    expect(by(BY_CHANNEL), "default 0 0 3600 1");
    struct report *report = ask(by(BY_CHANNEL));
    cr_assert_eq(report->since_ms, MIDNIGHT_MS + AT_HOUR(3));
    report_free(report);
    stock(AT_HOUR(5), "tea", 5);
    load_copy(false);
    expect(by(BY_CHANNEL), "default 0 0 7200 0");
}

/* ---- what is kept ---- */

static void add_sold(uint64_t ms, uint32_t item, uint32_t facts)
{
    figures_hold(rig.ledger->figures);
    for (uint32_t i = 0; i < facts; i++) {
        struct fact fact = { .item = item + i,
                             .hour = figures_hour(MIDNIGHT_MS + ms),
                             .measure = MEASURE_SOLD,
                             .units = 1,
                             .count = 1 };
        figures_add(rig.ledger->figures, &fact);
    }
    figures_put(rig.ledger->figures);
}

Test(sold_out, before_all_that_is_kept_counts_from_there)
{
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(1), "ink", 5);
    stock(AT_HOUR(2), "tea", 0);
    stock(AT_HOUR(2), "ink", 0);
    uint32_t days = FIGURES_DAYS + 10;
    for (uint32_t day = 0; day < days; day++)
        add_sold(AT_HOUR((uint64_t)day * 24 + 12), 0, 1);
    uint64_t since = AT_HOUR((uint64_t)(days - FIGURES_DAYS) * 24);
    stock(AT_HOUR((uint64_t)(days - 1) * 24 + 12), "ink", 5);
    go_to(AT_HOUR((uint64_t)(days - 1) * 24 + 13));
    struct report *report = ask(by(BY_CHANNEL));
    cr_assert_eq(report->since_ms, MIDNIGHT_MS + since);
    report_free(report);
    char expected[64];
    uint64_t tea_s = (wall_ms - MIDNIGHT_MS - since) / 1000;
    snprintf(expected, sizeof expected, "ink 0 0 %llu 0, tea 0 0 %llu 1",
             (unsigned long long)tea_s - 3600, (unsigned long long)tea_s);
    expect(by(BY_SKU), expected);
    report = ask(by(BY_DAY));
    cr_assert_eq(report->row_count, FIGURES_DAYS);
    cr_assert_eq(report->rows[0].values[2], 2 * 86400);
    report_free(report);
    ledger_rig_drain(&rig);
}

/* The days of these times lose detail: what is left tells of items, and of channels and hours. */
Test(sold_out, without_detail_is_exact)
{
    channel("web", 3);
    stock(AT_HOUR(1), "tea", 5);
    stock(AT_HOUR(1), "ink", 5);
    stock(AT_HOUR(22) + 1, "tea", 0);
    stock(AT_HOUR(23) + 2, "ink", 0);
    stock(AT_HOUR(26) + 3, "tea", 2);
    stock(AT_HOUR(27) + 4, "tea", 5);
    stock(AT_HOUR(27) + 5, "ink", 5);
    for (uint32_t i = 0; i < 8; i++)
        add_sold(AT_HOUR(48 + i), 1000, 40000);
    go_to(AT_HOUR(48 + 8));
    struct figures_metrics metrics;
    figures_metrics(rig.ledger->figures, &metrics);
    cr_assert_geq(metrics.extent.detail_from, figures_hour(MIDNIGHT_MS + AT_HOUR(48)));
    cr_assert_eq(metrics.extent.whole_from, 0);
    expect(by(BY_SKU), "ink 0 2 28800.006 0, tea 0 2 32400.005 0");
    expect(by(BY_CHANNEL), "default 0 2 28800.005 0, web 0 2 32400.006 0");
    expect(span(BY_SKU, AT_HOUR(24), AT_HOUR(48)), "ink 0 0 21600.01 0, tea 0 0 18000.007 0");
    expect(span(BY_CHANNEL, AT_HOUR(27), AT_HOUR(48)), "default 0 0 0.005 0, web 0 0 0.009 0");
    expect(span(BY_HOUR, AT_HOUR(26), AT_HOUR(28)),
           "2023-11-16T02 0 0 10800.003 3, 2023-11-16T03 0 0 0.014 0");
}

Test(sold_out, of_many_items)
{
    char sku[16];
    go_to(AT_HOUR(1));
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(sku, sizeof sku, "i%u", i);
            count(sku, turn == 0);
            if (i % 64 == 0)
                ledger_rig_drain(&rig);
        }
        look();
        go_to(AT_HOUR(2 + turn));
    }
    struct report *report = ask(by(BY_SKU));
    cr_assert_eq(report->row_count, MANY);
    for (unsigned i = 0; i < MANY; i++)
        cr_assert_eq(report->rows[i].values[2], 3600);
    report_free(report);
    expect(by(BY_CHANNEL), "default 0 1500 5400000 1500");
}

/* ---- the ring of their facts ---- */

static void fill_ring(uint32_t facts)
{
    struct fact other = { .item = 1,
                          .location = FACT_NO_CODE,
                          .channel = 0,
                          .hour = figures_hour(MIDNIGHT_MS),
                          .measure = MEASURE_BACK_IN_STOCK };
    for (uint32_t i = 0; i < facts && figures_have_room(rig.ledger->figures, FIGURES_CROSSINGS);
         i++)
        figures_note(rig.ledger->figures, FIGURES_CROSSINGS, &other);
}

Test(sold_out, facts_are_folded_by_who_looks)
{
    struct figures_metrics metrics;
    fill_ring(FIGURES_FOLD_FROM);
    stock(AT_HOUR(1), "tea", 5);
    figures_metrics(rig.ledger->figures, &metrics);
    cr_assert_gt(metrics.facts, 0);
}

Test(sold_out, is_recorded_later_if_there_is_no_room_for_the_fact)
{
    struct figures *figures = rig.ledger->figures;
    stock(AT_HOUR(1), "tea", 5);
    figures_hold(figures);
    figures_fold_all(figures);
    figures_keep_crossings_back(figures, true);
    figures_put(figures);
    fill_ring(UINT32_MAX);
    go_to(AT_HOUR(2));
    count("tea", 0);
    ledger_rig_drain(&rig);
    size_t before = rig.length;
    for (unsigned i = 0; i < 5; i++) {
        go_to(AT_HOUR(2));
        ledger_tell_crossings(ctx);
        ledger_rig_drain(&rig);
    }
    cr_assert_eq(rig.length, before);
    figures_hold(figures);
    figures_keep_crossings_back(figures, false);
    figures_fold_all(figures);
    figures_put(figures);
    look();
    cr_assert_gt(rig.length, before);
    go_to(AT_HOUR(3));
    expect(by(BY_SKU), "tea 0 1 3600 1");
}
