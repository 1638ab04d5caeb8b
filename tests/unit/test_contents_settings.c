/* SPDX-License-Identifier: Apache-2.0 */
/* Images with stockings, details, calendars and dispatch times: they are loaded, and what they
 * cannot say is refused by name. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"
#include "tests/support/fake_zones.h"

static struct fake_zones zones;
static struct ledger_rig rig, copy;
static struct contents contents;
static char why[200];

static const struct week_hours week[] = { { 480, 1080 }, { 1920, 2520 } };
static const int32_t closed[] = { 20600, 20700 };
static const struct date_hours extra[] = { { 20650, 600, 720 } };
static const uint16_t dispatch[] = { 900, 2400 };

#define MUST(call) cr_assert_eq(call, CODE_OK, "%s", ctx_failure(ctx)->message)

static void set_places(struct ctx *ctx)
{
    uint64_t lsn;
    MUST(ledger_set_calendar(ctx,
                             &(struct calendar_setting){ .code = text_of("shop-hours"),
                                                         .has_tz = true,
                                                         .tz = text_of("Test/Half"),
                                                         .has_week = true,
                                                         .week = week,
                                                         .week_count = 2,
                                                         .has_closed = true,
                                                         .closed = closed,
                                                         .closed_count = 2,
                                                         .has_extra = true,
                                                         .extra = extra,
                                                         .extra_count = 1 },
                             &lsn));
    MUST(ledger_set_calendar(ctx, &(struct calendar_setting){ .code = text_of("always") }, &lsn));
    MUST(ledger_set_location(ctx,
                             &(struct location_setting){ .code = text_of("east"),
                                                         .has_safety = true,
                                                         .safety = 1,
                                                         .has_calendar = true,
                                                         .calendar = text_of("shop-hours"),
                                                         .has_dispatch = true,
                                                         .dispatch = dispatch,
                                                         .dispatch_count = 2 },
                             &lsn));
    MUST(ledger_set_channel(ctx,
                            &(struct channel_setting){ .code = text_of("till"),
                                                       .has_ignore_safety = true,
                                                       .ignore_safety = true,
                                                       .has_incoming = true,
                                                       .incoming = true,
                                                       .has_horizon = true,
                                                       .horizon_s = 86400 },
                            &lsn));
}

static void set_tea(struct ctx *ctx)
{
    struct movement_result moved;
    struct allot_result allotted;
    uint64_t lsn;
    MUST(ledger_set_item(ctx,
                         &(struct item_setting){ .sku = text_of("tea"),
                                                 .has_name = true,
                                                 .name = text_of("Assam"),
                                                 .has_safety = true,
                                                 .safety = 2,
                                                 .has_unit = true,
                                                 .unit = text_of("kg"),
                                                 .has_decimals = true,
                                                 .decimals = 3 },
                         &lsn));
    MUST(ledger_receive(
        ctx,
        &(struct movement){
            .id = text_of("m1"), .sku = text_of("tea"), .location = text_of("main"), .qty = 9 },
        &moved));
    MUST(ledger_allot(ctx,
                      &(struct allotment){ .id = text_of("a1"),
                                           .sku = text_of("tea"),
                                           .location = text_of("main"),
                                           .channel = text_of("till"),
                                           .qty = 2 },
                      &allotted));
    MUST(ledger_set_stocking(ctx,
                             &(struct stocking_setting){ .sku = text_of("tea"),
                                                         .location = text_of("main"),
                                                         .has_safety = true,
                                                         .safety = 4,
                                                         .has_lead_time = true,
                                                         .lead_time_s = 60 },
                             &lsn));
    MUST(ledger_set_stocking(ctx,
                             &(struct stocking_setting){ .sku = text_of("tea"),
                                                         .location = text_of("east"),
                                                         .has_stocked = true },
                             &lsn));
}

static void set_up(void)
{
    fake_zones_open(&zones);
    struct ledger_config config = { .items = 8,
                                    .pools = 8,
                                    .reservations = 256,
                                    .contexts = 1,
                                    .hash_seed = 3,
                                    .zones = &zones.source };
    ledger_rig_open(&rig, &config);
    ledger_rig_open(&copy, &config);
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
    set_places(ctx);
    set_tea(ctx);
    ledger_end(ctx);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void tear_down(void)
{
    contents_free(&contents);
    ledger_rig_close(&copy);
    ledger_rig_close(&rig);
}

TestSuite(contents_settings, .init = set_up, .fini = tear_down);

/* ---- the image's bytes ---- */

static struct contents_item *saved_item(void)
{
    for (struct contents_run *run = contents.first; run; run = run->next)
        if (run->kind == CONTENTS_ITEMS)
            return (struct contents_item *)(void *)run->bytes;
    cr_assert_fail("no item");
    return NULL;
}

/* Of three pools: two at main, one at east. */
static struct contents_stocking *saved_stocking(unsigned number)
{
    struct contents_item *item = saved_item();
    cr_assert_eq(item->pool_count, 3);
    cr_assert_eq(item->stocking_count, 3);
    struct contents_pool *pools = (struct contents_pool *)(void *)(item + 1);
    return (struct contents_stocking *)(void *)(pools + item->pool_count) + number;
}

/* The fixed part of the first setting's record of that type. */
static void *saved_setting(enum record_type type)
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        if (run->kind != CONTENTS_SETTINGS)
            continue;
        for (size_t at = 0; at < run->length;) {
            at += sizeof(struct contents_setting);
            struct record_head *head = (struct record_head *)(void *)(run->bytes + at);
            if (head->type == type)
                return head;
            at += head->length;
        }
    }
    cr_assert_fail("no such setting");
    return NULL;
}

static void expect_refused(const char *said)
{
    cr_assert_not(contents_put(&contents, copy.ledger, why, sizeof why));
    cr_assert(strstr(why, said), "%s", why);
}

/* ---- what is loaded ---- */

Test(contents_settings, are_loaded)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
    cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
}

static uint64_t ready_ms(struct ledger *ledger, const char *id)
{
    struct ctx *ctx = ledger_ctx(ledger, 0);
    struct reservation_view view;
    struct movement_result moved;
    uint64_t lsn;
    ledger_begin(ctx, 2000, 2000);
    MUST(ledger_receive(
        ctx,
        &(struct movement){
            .id = text_of("m2"), .sku = text_of("cup"), .location = text_of("east"), .qty = 5 },
        &moved));
    MUST(ledger_set_stocking(ctx,
                             &(struct stocking_setting){ .sku = text_of("cup"),
                                                         .location = text_of("east"),
                                                         .has_lead_time = true,
                                                         .lead_time_s = 3600 },
                             &lsn));
    struct order_line line = { .sku = text_of("cup"), .qty = 1 };
    struct order order = {
        .id = text_of(id), .channel = text_of("default"), .lines = &line, .line_count = 1
    };
    MUST(ledger_reserve(ctx, &order, &view));
    uint64_t ready = view.draws[0].ready_ms;
    ledger_end(ctx);
    return ready;
}

/* Opening hours and dispatch times hold after a start, once they are laid out. */
Test(contents_settings, promise_the_same_times)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledger_lay_out(copy.ledger, 2000, &(struct lay_out_failure){ .error = 0 }));
    uint64_t there = ready_ms(copy.ledger, "r1"), here = ready_ms(rig.ledger, "r1");
    cr_expect_eq(there, here);
    cr_expect_gt(here, 2000 + 3600000, "the place is closed on that day");
}

/* Or each start would have feeds and the mirror read all items. */
Test(contents_settings, a_calendar_set_last_moves_no_feed)
{
    uint64_t lsn;
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
    MUST(ledger_set_calendar(ctx, &(struct calendar_setting){ .code = text_of("last") }, &lsn));
    ledger_end(ctx);
    contents_free(&contents);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_expect_lt(ledger_catalogue_lsn(copy.ledger), lsn);
    cr_expect_eq(ledger_catalogue_lsn(copy.ledger), ledger_catalogue_lsn(rig.ledger));
}

/* ---- what is refused: stockings ---- */

Test(contents_settings, a_stocking_of_a_pool_that_is_not_there)
{
    saved_stocking(2)->pool = 3;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, a_stocking_of_a_pool_far_away)
{
    saved_stocking(0)->pool = UINT32_MAX;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, stockings_that_are_not_in_order)
{
    saved_stocking(0)->pool = 1;
    saved_stocking(1)->pool = 0;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, two_stockings_of_one_pool)
{
    saved_stocking(1)->pool = 0;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, more_stockings_than_pools)
{
    saved_item()->stocking_count = UINT32_MAX;
    expect_refused("item 0 is malformed");
}

Test(contents_settings, a_stocking_with_a_safety_out_of_range)
{
    saved_stocking(1)->safety = (int32_t)QUANTITY_MAX + 1;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, a_stocking_with_a_negative_safety)
{
    saved_stocking(1)->safety = -2;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, a_stocking_with_a_negative_lead_time)
{
    saved_stocking(1)->lead_time_s = -2;
    expect_refused("item 0 has an invalid stocking");
}

Test(contents_settings, a_stocking_that_is_neither_stocked_nor_not)
{
    saved_stocking(1)->stocked = 2;
    expect_refused("item 0 has an invalid stocking");
}

/* ---- details ---- */

Test(contents_settings, details_with_a_safety_out_of_range)
{
    saved_item()->safety = (int32_t)QUANTITY_MAX + 1;
    expect_refused("item 0 has invalid details");
}

Test(contents_settings, details_with_too_many_decimals)
{
    saved_item()->decimals = DECIMALS_MAX + 1;
    expect_refused("item 0 has invalid details");
}

Test(contents_settings, details_with_a_unit_that_is_not_there)
{
    struct contents_item *item = saved_item();
    item->unit_len = UNIT_MAX + 1;
    expect_refused("item 0 is malformed");
}

/* ---- settings ---- */

Test(contents_settings, a_place_whose_calendar_is_not_there)
{
    struct location_record *r = saved_setting(RECORD_LOCATION);
    r->calendar = 3; /* there are two */
    expect_refused("its calendar is unknown");
}

Test(contents_settings, a_place_with_too_many_dispatch_times)
{
    struct location_record *r = saved_setting(RECORD_LOCATION);
    r->dispatch_count = DISPATCH_MAX + 1;
    expect_refused("it is malformed");
}

Test(contents_settings, a_calendar_with_more_hours_than_it_holds)
{
    struct calendar_record *r = saved_setting(RECORD_CALENDAR);
    r->closed_count = 1000;
    expect_refused("it is malformed");
}

Test(contents_settings, a_calendar_that_comes_too_early)
{
    struct calendar_record *r = saved_setting(RECORD_CALENDAR);
    r->calendar = 1;
    expect_refused("it has a different index in the catalogue");
}

Test(contents_settings, a_channel_with_a_negative_horizon)
{
    struct channel_record *r = saved_setting(RECORD_CHANNEL);
    r->horizon_s = -2;
    expect_refused("it is malformed");
}

Test(contents_settings, a_channel_with_a_horizon_out_of_range)
{
    struct channel_record *r = saved_setting(RECORD_CHANNEL);
    r->horizon_s = HORIZON_MAX_S + 1;
    expect_refused("horizon_s must be a whole number from 0 to 315360000");
}
