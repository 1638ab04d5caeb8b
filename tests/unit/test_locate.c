/* SPDX-License-Identifier: Apache-2.0 */
/* Which places have a basket, and in which order locate lists them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static struct located located;
static unsigned next_id;

enum { NOW = 1000000 };

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void set_place(struct location_setting s)
{
    uint64_t lsn;
    must(ledger_set_location(ctx, &s, &lsn));
}

static void add_place(const char *code, int64_t priority, double lat, int64_t lead_time_s)
{
    set_place((struct location_setting){ .code = text_of(code),
                                         .has_priority = true,
                                         .priority = priority,
                                         .has_lat = !isnan(lat),
                                         .lat = lat,
                                         .has_lon = !isnan(lat),
                                         .lon = 10,
                                         .has_lead_time = true,
                                         .lead_time_s = lead_time_s });
}

static void set_buffer(int64_t buffer)
{
    uint64_t lsn;
    must(ledger_set_channel(ctx,
                            &(struct channel_setting){
                                .code = text_of("default"), .has_buffer = true, .buffer = buffer },
                            &lsn));
}

static void receive(const char *sku, const char *at, int64_t qty)
{
    char id[16];
    struct movement_result moved;
    snprintf(id, sizeof id, "m%u", ++next_id);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(at), .qty = qty
    };
    must(ledger_receive(ctx, &m, &moved));
}

static void allot(const char *sku, const char *at, const char *channel, int64_t qty)
{
    char id[16];
    struct allot_result result;
    snprintf(id, sizeof id, "a%u", ++next_id);
    struct allotment a = { .id = text_of(id),
                           .sku = text_of(sku),
                           .location = text_of(at),
                           .channel = text_of(channel),
                           .qty = qty };
    must(ledger_allot(ctx, &a, &result));
}

/* Five places with tea; of cups, two at "far", one at "slow". By latitude they are in a row. */
static void set_up(void)
{
    next_id = 0;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 128, .pools = 256, .reservations = 512, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    add_place("far", 5, 20, 0);
    add_place("near", 4, 11, 0);
    add_place("slow", 3, 10.5, 60);
    add_place("lost", 2, NAN, 0);
    receive("tea", "far", 5);
    receive("tea", "near", 4);
    receive("tea", "slow", 3);
    receive("tea", "lost", 2);
    receive("tea", "main", 1);
    receive("cup", "far", 2);
    receive("cup", "slow", 1);
}

static void tear_down(void)
{
    char why[256];
    ledger_end(ctx);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(locate, .init = set_up, .fini = tear_down);

#define LINE(name, units) ((struct order_line){ .sku = text_of(name), .qty = (units) })

static const struct order_terms here = { .has_lat = true, .lat = 10, .has_lon = true, .lon = 10 };

static struct basket basket_of(const struct order_line *lines, uint32_t count)
{
    return (struct basket){
        .channel = text_of("default"), .lines = lines, .line_count = count, .limit = OPTIONS_MAX
    };
}

/* Places in that order, and nothing else. */
static void expect(const struct basket *basket, const char *wanted)
{
    char got[256] = "";
    size_t length = 0;
    must(ledger_locate(ctx, basket, &located));
    for (uint32_t i = 0; i < located.option_count; i++) {
        struct text at = located.options[i].location;
        length += (size_t)snprintf(got + length, sizeof got - length, "%s%.*s", i ? " " : "",
                                   (int)at.len, at.at);
    }
    cr_expect_str_eq(got, wanted);
}

static uint32_t units(uint32_t option, uint32_t sku)
{
    cr_assert_lt(option, located.option_count);
    return located_units(&located, &located.options[option], sku);
}

Test(locate, the_best_place_comes_first)
{
    struct order_line lines[2] = { LINE("tea", 3), LINE("cup", 1) };
    struct basket basket = basket_of(lines, 1);
    expect(&basket, "near far slow lost main"); /* complete, earliest, then by priority */
    basket.terms = here;
    expect(&basket, "near far slow lost main");
    lines[0].qty = 5;
    expect(&basket, "far near lost main slow"); /* the complete one before the near ones */
    lines[0].qty = 1;
    expect(&basket, "near far lost main slow"); /* the earlier ones before the nearest */
    basket.line_count = 2;
    expect(&basket, "far slow near lost main");
    cr_expect(located.options[0].complete);
    cr_expect(located.options[1].complete);
    cr_expect(!located.options[2].complete);
    cr_expect_eq(located.lsn, log_head(&rig.log));
}

Test(locate, equals_come_by_distance_then_priority)
{
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    add_place("slow", 3, 10.5, 0);
    expect(&basket, "lost slow near far main");
    basket.terms = here;
    expect(&basket, "slow near far lost main");
    add_place("far", 1, 10.5, 0);
    expect(&basket, "far slow near lost main");
    basket.terms.lat = 12;
    expect(&basket, "near far slow lost main");
}

Test(locate, each_option_tells_what_is_there_and_when)
{
    struct order_line lines[4] = { LINE("cup", 1), LINE("tea", 2), LINE("tea", 2), LINE("cup", 1) };
    struct basket basket = basket_of(lines, 4);
    basket.terms = here;
    expect(&basket, "far near lost main slow");
    cr_assert_eq(located.sku_count, 2);
    cr_expect(text_equal(located.skus[0], text_of("cup")));
    cr_expect(text_equal(located.skus[1], text_of("tea")));
    static const uint32_t cups[] = { 2, 0, 0, 0, 1 }, teas[] = { 5, 4, 2, 1, 3 };
    for (uint32_t i = 0; i < 5; i++) {
        cr_expect_eq(units(i, 0), cups[i], "%u", i);
        cr_expect_eq(units(i, 1), teas[i], "%u", i);
        cr_expect_eq(located.options[i].complete, i == 0, "%u", i);
        cr_expect_eq(located.options[i].ready_ms, i == 4 ? NOW + 60000 : NOW, "%u", i);
    }
    cr_expect_float_eq(located.options[1].distance_km, 111.195, 0.001);
    cr_expect(isnan(located.options[2].distance_km));
    basket.terms = (struct order_terms){ .has_lat = false };
    expect(&basket, "far lost near main slow");
    cr_expect(isnan(located.options[0].distance_km));
}

Test(locate, only_places_that_serve)
{
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    set_place((struct location_setting){ .code = text_of("near"), .has_ships = true });
    set_place((struct location_setting){ .code = text_of("lost"), .has_pickup = true });
    set_place((struct location_setting){ .code = text_of("main"), .has_active = true });
    expect(&basket, "lost far slow");
    basket.terms.mode = text_of("ship");
    expect(&basket, "lost far slow");
    basket.terms.mode = text_of("pickup");
    expect(&basket, "near far slow");
    struct text sold_from = text_of("far");
    uint64_t lsn;
    must(ledger_set_channel(ctx,
                            &(struct channel_setting){ .code = text_of("default"),
                                                       .has_places = true,
                                                       .places = &sold_from,
                                                       .place_count = 1 },
                            &lsn));
    expect(&basket, "far");
}

Test(locate, allotments_are_their_channels_own)
{
    struct order_line line = LINE("tea", 5);
    struct basket basket = basket_of(&line, 1);
    uint64_t lsn;
    must(ledger_set_channel(ctx, &(struct channel_setting){ .code = text_of("other") }, &lsn));
    allot("tea", "far", "default", 2);
    allot("tea", "near", "other", 3);
    expect(&basket, "far lost near main slow");
    cr_expect_eq(units(0, 0), 5);
    cr_expect_eq(units(2, 0), 1);
    basket.channel = text_of("other");
    expect(&basket, "lost near far main slow");
    cr_expect_eq(units(1, 0), 4);
    cr_expect_eq(units(2, 0), 3);
}

/* Of 15 teas, the channel shows what is above its buffer, wherever it is. */
Test(locate, no_place_has_more_than_the_buffer_leaves)
{
    struct order_line line = LINE("tea", 4);
    struct basket basket = basket_of(&line, 1);
    set_buffer(11);
    expect(&basket, "near far lost main slow");
    cr_expect_eq(units(0, 0), 4);
    cr_expect_eq(units(1, 0), 4);
    cr_expect_eq(units(2, 0), 2);
    cr_expect(located.options[1].complete);
    set_buffer(13);
    expect(&basket, "lost near far main slow");
    cr_expect_eq(units(1, 0), 2);
    cr_expect(!located.options[1].complete);
    set_buffer(15);
    expect(&basket, "");
}

Test(locate, near_enough_and_early_enough)
{
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    basket.terms = here;
    basket.has_within = true;
    basket.within_km = 111.1;
    expect(&basket, "slow");
    basket.within_km = 111.2;
    expect(&basket, "near slow");
    basket.within_km = 40100; /* all whose whereabouts are known */
    expect(&basket, "near far slow");
    basket.within_km = 0;
    expect(&basket, "");
    basket.has_within = false;
    basket.terms.has_by = true;
    basket.terms.by_ms = NOW + 59999;
    expect(&basket, "near far lost main");
    basket.terms.by_ms = NOW + 60000;
    expect(&basket, "near far lost main slow");
    basket.terms.by_ms = NOW - 1;
    expect(&basket, "");
}

/* What is known of one place must be said of no other: each is as a promise from there says. */
Test(locate, places_leave_at_times_of_their_own)
{
    static const uint16_t early[] = { 300, 4000 }, late[] = { 8000 };
    static const struct {
        const char *at;
        const uint16_t *dispatch;
        uint32_t count;
        int64_t lead_time_s;
    } set[] = { { "far", early, 2, 0 },
                { "near", late, 1, 0 },
                { "slow", early, 2, 250000 },
                { "main", early, 2, 0 },
                { "lost", NULL, 0, 60 } };
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    struct order order = { .channel = text_of("default"), .lines = &line, .line_count = 1 };
    struct reservation_view told;
    for (unsigned i = 0; i < 5; i++)
        set_place((struct location_setting){ .code = text_of(set[i].at),
                                             .has_lead_time = true,
                                             .lead_time_s = set[i].lead_time_s,
                                             .has_dispatch = true,
                                             .dispatch = set[i].dispatch,
                                             .dispatch_count = set[i].count });
    for (int pickup = 0; pickup < 2; pickup++) {
        order.terms.mode = basket.terms.mode = text_of(pickup ? "pickup" : "ship");
        line.location = (struct text){ NULL, 0 };
        expect(&basket, pickup ? "near far main lost slow" : "lost near slow far main");
        for (uint32_t i = 0; i < 5; i++) {
            line.location = located.options[i].location;
            must(ledger_promise(ctx, &order, &told));
            cr_assert_eq(told.draw_count, 1);
            cr_expect_eq(located.options[i].ready_ms, told.draws[0].ready_ms, "%u", i);
        }
    }
}

Test(locate, the_best_so_many)
{
    static const char *const first[] = {
        "", "near", "near far", "near far lost", "near far lost main", "near far lost main slow"
    };
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    basket.terms = here;
    for (int i = 1; i <= 5; i++) {
        basket.limit = i;
        expect(&basket, first[i]);
    }
}

static void expect_refused(const struct basket *basket, enum code code, const char *names)
{
    enum code got = ledger_locate(ctx, basket, &located);
    const char *message = ctx_failure(ctx)->message;
    cr_expect_eq(got, code, "%s, not %s", code_name(got), code_name(code));
    cr_expect_not_null(strstr(message, names), "%s: should name %s", message, names);
}

Test(locate, bad_baskets_are_refused)
{
    static struct order_line lines[LINES_MAX + 1];
    struct order_line line = LINE("tea", 1);
    struct basket basket = basket_of(&line, 1);
    basket.has_within = true;
    expect_refused(&basket, CODE_BAD_REQUEST, "within_km");
    basket.terms = here;
    basket.within_km = NAN;
    expect_refused(&basket, CODE_BAD_REQUEST, "within_km");
    basket.has_within = false;
    basket.terms.has_lon = false;
    expect_refused(&basket, CODE_BAD_REQUEST, "lon");
    basket.terms = (struct order_terms){ .mode = { "fly", 3 } };
    expect_refused(&basket, CODE_BAD_REQUEST, "mode");
    basket.terms = here;
    basket.limit = 0;
    expect_refused(&basket, CODE_BAD_REQUEST, "limit");
    basket.limit = OPTIONS_MAX + 1;
    expect_refused(&basket, CODE_BAD_REQUEST, "limit");
    basket.limit = 1;
    line.qty = 0;
    expect_refused(&basket, CODE_BAD_REQUEST, "qty");
    line = LINE("pot", 1);
    expect_refused(&basket, CODE_UNKNOWN_SKU, "pot");
    basket.channel = text_of("moon");
    expect_refused(&basket, CODE_UNKNOWN_CHANNEL, "moon");
    basket = basket_of(&line, 0);
    expect_refused(&basket, CODE_BAD_REQUEST, "lines");
    for (unsigned i = 0; i <= LINES_MAX; i++)
        lines[i] = LINE("tea", 1);
    basket = basket_of(lines, LINES_MAX);
    must(ledger_locate(ctx, &basket, &located)); /* one sku */
    basket.line_count++;
    expect_refused(&basket, CODE_TOO_LARGE, "lines");
}

/* Else one answer could have a million quantities. */
Test(locate, an_answer_has_an_end)
{
    enum { SKUS = OPTION_LINES_MAX / OPTIONS_MAX + 1 };
    static char names[SKUS][8];
    static struct order_line lines[SKUS];
    for (int i = 0; i < SKUS; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        receive(names[i], "main", 1);
        lines[i] = LINE(names[i], 1);
    }
    struct basket basket = basket_of(lines, SKUS);
    expect_refused(&basket, CODE_TOO_LARGE, "limit");
    basket.limit--;
    basket.line_count--;
    expect(&basket, "main");
    cr_expect(located.options[0].complete);
}
