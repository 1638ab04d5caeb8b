/* SPDX-License-Identifier: Apache-2.0 */
/* What an order may demand of the places that serve it: mode, distance, date, exclusions; and what
 * a partial order takes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static struct reservation_view view;
static unsigned next_id;

enum { NOW = 1000000 };

static void set_up(void)
{
    next_id = 0;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 16, .pools = 64, .reservations = 512, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
}

static void tear_down(void)
{
    char why[256];
    ledger_end(ctx);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(sourcing, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void set_place(struct location_setting s)
{
    uint64_t lsn;
    must(ledger_set_location(ctx, &s, &lsn));
}

static void set_channel(const char *sourcing, int64_t buffer)
{
    uint64_t lsn;
    must(ledger_set_channel(ctx,
                            &(struct channel_setting){ .code = text_of("default"),
                                                       .has_sourcing = true,
                                                       .sourcing = text_of(sourcing),
                                                       .has_buffer = true,
                                                       .buffer = buffer },
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

static void allot(const char *sku, const char *at, int64_t qty)
{
    char id[16];
    struct allot_result result;
    snprintf(id, sizeof id, "a%u", ++next_id);
    struct allotment a = { .id = text_of(id),
                           .sku = text_of(sku),
                           .location = text_of(at),
                           .channel = text_of("default"),
                           .qty = qty };
    must(ledger_allot(ctx, &a, &result));
}

/* Two cities, and a place whose whereabouts nobody knows. */
static void add_cities(void)
{
    set_place((struct location_setting){ .code = text_of("paris"),
                                         .has_lat = true,
                                         .lat = 48.8566,
                                         .has_lon = true,
                                         .lon = 2.3522 });
    set_place((struct location_setting){ .code = text_of("rome"),
                                         .has_lat = true,
                                         .lat = 41.9028,
                                         .has_lon = true,
                                         .lon = 12.4964 });
    set_place((struct location_setting){ .code = text_of("nowhere") });
}

#define LINE(name, units, ...) ((struct order_line){ text_of(name), (units), { __VA_ARGS__ } })
#define FREE NULL, 0

static struct order order_of(const char *id, const struct order_line *lines, uint32_t count)
{
    return (struct order){
        .id = text_of(id), .channel = text_of("default"), .lines = lines, .line_count = count
    };
}

static enum code reserve_under(struct order_terms terms, const char *at, int64_t qty)
{
    char id[16];
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    snprintf(id, sizeof id, "r%u", ++next_id);
    struct order order = order_of(id, &line, 1);
    order.terms = terms;
    if (at)
        order.at = text_of(at);
    return ledger_reserve(ctx, &order, &view);
}

static void expect_from(struct order_terms terms, const char *wanted)
{
    must(reserve_under(terms, NULL, 1));
    cr_assert_eq(view.draw_count, 1);
    struct text got = view.draws[0].location;
    cr_expect(text_equal(got, text_of(wanted)), "from %.*s, not %s", (int)got.len, got.at, wanted);
}

static void expect_refused(struct order_terms terms, const char *at, enum code code,
                           const char *names)
{
    enum code got = reserve_under(terms, at, 1);
    cr_expect_eq(got, code, "%s, not %s", code_name(got), code_name(code));
    const char *message = ctx_failure(ctx)->message;
    cr_expect_not_null(strstr(message, names), "%s: should name %s", message, names);
}

static void expect_draw(uint32_t i, const char *sku, const char *at, int64_t qty)
{
    const struct draw_view *draw = &view.draws[i];
    cr_assert_lt(i, view.draw_count);
    cr_expect(text_equal(draw->sku, text_of(sku)), "draw %u", i);
    cr_expect(text_equal(draw->location, text_of(at)), "draw %u: %.*s", i, (int)draw->location.len,
              draw->location.at);
    cr_expect_eq(draw->qty, qty, "draw %u: %lld", i, (long long)draw->qty);
}

static void expect_missing(uint32_t i, const char *sku, int64_t qty)
{
    cr_assert_lt(i, view.missing_count);
    cr_expect(text_equal(view.missing[i].sku, text_of(sku)), "missing %u", i);
    cr_expect_eq(view.missing[i].qty, qty, "missing %u: %lld", i, (long long)view.missing[i].qty);
}

/* ---- mode ---- */

static const struct order_terms shipped = { .mode = { "ship", 4 } };
static const struct order_terms collected = { .mode = { "pickup", 6 } };
static const struct order_terms usual;

static void add_kinds_of_places(void)
{
    set_place((struct location_setting){ .code = text_of("main"), .has_active = true });
    set_place((struct location_setting){ .code = text_of("store"), .has_ships = true });
    set_place((struct location_setting){ .code = text_of("depot"), .has_pickup = true });
    receive("tea", "store", 20);
    receive("tea", "depot", 20);
}

Test(sourcing, a_mode_that_is_given_decides_who_serves)
{
    add_kinds_of_places();
    expect_from(usual, "depot");
    expect_from(shipped, "depot");
    must(reserve_under(collected, "store", 1));
    expect_refused(collected, "depot", CODE_INSUFFICIENT_STOCK, "tea");
    expect_refused(shipped, "store", CODE_INSUFFICIENT_STOCK, "tea");
    must(reserve_under(shipped, "depot", 1));
}

Test(sourcing, without_a_mode_any_place_serves_a_bound_line)
{
    add_kinds_of_places();
    must(reserve_under(usual, "store", 1));
    must(reserve_under(usual, "depot", 1));
}

Test(sourcing, what_is_collected_is_collected_somewhere)
{
    add_kinds_of_places();
    expect_refused(collected, NULL, CODE_BAD_REQUEST, "mode");
    struct order_line lines[2] = { LINE("tea", 1, "store", 5), LINE("tea", 1, FREE) };
    struct order order = order_of("r", lines, 2);
    order.terms = collected;
    cr_expect_eq(ledger_reserve(ctx, &order, &view), CODE_BAD_REQUEST);
    cr_expect_not_null(strstr(ctx_failure(ctx)->message, "lines[1]"));
    lines[1].location = text_of("store");
    must(ledger_reserve(ctx, &order, &view));
}

Test(sourcing, terms_that_are_no_terms_are_refused)
{
    receive("tea", "main", 5);
    expect_refused((struct order_terms){ .mode = { "fly", 3 } }, NULL, CODE_BAD_REQUEST, "mode");
    expect_refused((struct order_terms){ .has_lat = true }, NULL, CODE_BAD_REQUEST, "lat");
    expect_refused((struct order_terms){ .has_lon = true }, NULL, CODE_BAD_REQUEST, "lon");
    expect_refused((struct order_terms){ .has_lat = true, .has_lon = true, .lat = 90.5 }, NULL,
                   CODE_BAD_REQUEST, "lat");
    expect_refused((struct order_terms){ .has_lat = true, .has_lon = true, .lon = -180.5 }, NULL,
                   CODE_BAD_REQUEST, "lon");
    expect_refused((struct order_terms){ .has_lat = true, .has_lon = true, .lat = NAN }, NULL,
                   CODE_BAD_REQUEST, "lat");
    struct text gone = text_of("gone");
    expect_refused((struct order_terms){ .exclude = &gone, .exclude_count = 1 }, NULL,
                   CODE_UNKNOWN_LOCATION, "gone");
    expect_refused((struct order_terms){ .exclude = &gone, .exclude_count = LOCATIONS_MAX + 1 },
                   NULL, CODE_TOO_LARGE, "exclude");
}

/* ---- exclude ---- */

Test(sourcing, an_excluded_place_serves_no_line)
{
    struct text out[2] = { text_of("main"), text_of("rome") };
    struct order_terms terms = { .exclude = out, .exclude_count = 1 };
    add_cities();
    receive("tea", "main", 20);
    expect_refused(terms, NULL, CODE_INSUFFICIENT_STOCK, "0 available");
    receive("tea", "paris", 20);
    receive("tea", "rome", 20);
    expect_from(usual, "main");
    expect_from(terms, "paris");
    expect_refused(terms, "main", CODE_INSUFFICIENT_STOCK, "tea");
    must(reserve_under(terms, "rome", 1));
    terms.exclude_count = 2;
    expect_refused(terms, "rome", CODE_INSUFFICIENT_STOCK, "tea");
    terms.mode = text_of("pickup");
    expect_refused(terms, "rome", CODE_INSUFFICIENT_STOCK, "tea");
    must(reserve_under(terms, "paris", 1));
}

/* What is excluded still counts for the buffer, which is over all places. */
Test(sourcing, an_excluded_place_counts_for_the_buffer)
{
    struct text out = text_of("main");
    struct order_terms terms = { .exclude = &out, .exclude_count = 1 };
    add_cities();
    set_channel("priority", 5);
    receive("tea", "main", 5);
    receive("tea", "paris", 3);
    must(reserve_under(terms, NULL, 3));
    cr_expect_eq(view.draws[0].qty, 3);
}

/* ---- by when ---- */

static struct order_terms by(uint64_t ms)
{
    return (struct order_terms){ .has_by = true, .by_ms = ms };
}

Test(sourcing, only_what_is_ready_by_then)
{
    set_place((struct location_setting){
        .code = text_of("main"), .has_lead_time = true, .lead_time_s = 60 });
    add_cities();
    receive("tea", "main", 20);
    expect_refused(by(NOW + 59999), NULL, CODE_INSUFFICIENT_STOCK, "tea");
    expect_from(by(NOW + 60000), "main");
    cr_expect_eq(view.draws[0].ready_ms, NOW + 60000);
    expect_refused(by(NOW + 59999), "main", CODE_INSUFFICIENT_STOCK, "tea");
    must(reserve_under(by(NOW + 60000), "main", 1));
    receive("tea", "paris", 20);
    expect_from(by(NOW + 59999), "paris");
    expect_from(by(NOW), "paris");
    expect_refused(by(NOW - 1), NULL, CODE_INSUFFICIENT_STOCK, "tea");
    expect_refused(by(0), NULL, CODE_INSUFFICIENT_STOCK, "tea");
}

/* Sets the lead time of the item at a place. */
static void set_lead_time(const char *sku, const char *at, int64_t lead_time_s)
{
    struct items *items = &ctx->ledger->items;
    uint32_t item;
    const struct location *location;
    const struct pool *pool;
    catalogue_pin(ctx);
    must(find_item(ctx, text_of(sku), &item));
    must(find_location(ctx, "location", text_of(at), &location));
    struct pool_walk walk = pool_walk_start(items, item);
    while ((pool = pool_walk_next(&walk)) != NULL)
        if (key_location(pool_read_key(pool)) == location_index(ctx->catalogue, location))
            atomic_store(&items->stockings[pool_unit(items, pool)],
                         stocking_word((struct stocking){
                             .stocked = true, .safety = -1, .lead_time_s = lead_time_s }));
    item_set(item_at(items, item), ITEM_STOCKING);
}

Test(sourcing, an_items_own_lead_time_counts_before_the_places)
{
    set_place((struct location_setting){
        .code = text_of("main"), .has_lead_time = true, .lead_time_s = 60 });
    receive("tea", "main", 20);
    set_lead_time("tea", "main", 5);
    expect_from(by(NOW + 5000), "main");
    cr_expect_eq(view.draws[0].ready_ms, NOW + 5000);
    expect_refused(by(NOW + 4999), NULL, CODE_INSUFFICIENT_STOCK, "tea");
    set_lead_time("tea", "main", 0);
    expect_from(by(NOW), "main");
}

/* ---- nearest ---- */

static struct order_terms near(double lat, double lon)
{
    return (struct order_terms){ .has_lat = true, .lat = lat, .has_lon = true, .lon = lon };
}

static void receive_in_cities(void)
{
    add_cities();
    receive("tea", "nowhere", 20);
    receive("tea", "rome", 20);
    receive("tea", "paris", 20);
}

Test(sourcing, the_nearest_place_comes_first)
{
    receive_in_cities();
    set_channel("nearest", 0);
    expect_from(near(45.764, 4.8357), "paris");  /* Lyon */
    expect_from(near(40.8518, 14.2681), "rome"); /* Naples */
    expect_from(near(-90, 0), "rome");
    expect_from(near(90, 123), "paris");
    expect_from(near(0, 180), "paris"); /* over the pole */
    expect_from(usual, "paris");        /* by priority, then age */
    must(reserve_under(near(40.8518, 14.2681), NULL, 50));
    expect_draw(0, "tea", "rome", 18);
    expect_draw(1, "tea", "paris", 16);
    expect_draw(2, "tea", "nowhere", 16);
}

Test(sourcing, places_equally_far_come_by_rank)
{
    receive_in_cities();
    set_channel("nearest", 0);
    set_place((struct location_setting){ .code = text_of("rome"),
                                         .has_lat = true,
                                         .lat = 48.8566,
                                         .has_lon = true,
                                         .lon = 2.3522,
                                         .has_priority = true,
                                         .priority = 1 });
    expect_from(near(45, 5), "rome");
    set_place(
        (struct location_setting){ .code = text_of("paris"), .has_priority = true, .priority = 0 });
    expect_from(near(45, 5), "paris");
}

Test(sourcing, the_channels_own_units_come_before_the_nearest)
{
    receive_in_cities();
    set_channel("nearest", 0);
    allot("tea", "rome", 2);
    allot("tea", "nowhere", 2);
    must(reserve_under(near(48, 2), NULL, 5));
    expect_draw(0, "tea", "rome", 2);
    expect_draw(1, "tea", "nowhere", 2);
    expect_draw(2, "tea", "paris", 1);
}

Test(sourcing, the_other_rules_do_not_ask_where)
{
    static const char *const rules[] = { "priority", "fewest", "balance" };
    receive_in_cities();
    receive("tea", "nowhere", 20);
    for (unsigned i = 0; i < 3; i++) {
        set_channel(rules[i], 0);
        expect_from(near(41.9, 12.5), i == 2 ? "nowhere" : "paris");
    }
}

/* ---- partial ---- */

static enum code reserve_partly(const char *id, const struct order_line *lines, uint32_t count)
{
    struct order order = order_of(id, lines, count);
    order.partial = true;
    return ledger_reserve(ctx, &order, &view);
}

Test(sourcing, a_partial_order_takes_what_is_there)
{
    struct order_line lines[3] = { LINE("tea", 5, FREE), LINE("cup", 2, FREE),
                                   LINE("pot", 1, FREE) };
    add_cities();
    receive("tea", "main", 2);
    receive("tea", "rome", 1);
    receive("cup", "main", 2);
    receive("pot", "main", 1);
    must(reserve_under(usual, NULL, 1)); /* one tea less */
    struct order_line pot = LINE("pot", 1, FREE);
    must(reserve_partly("all", &pot, 1));
    cr_expect_eq(view.missing_count, 0);
    for (int i = 0; i < 2; i++) { /* and the same again */
        must(reserve_partly("r", lines, 3));
        cr_assert_eq(view.draw_count, 3);
        expect_draw(0, "tea", "main", 1);
        expect_draw(1, "tea", "rome", 1);
        expect_draw(2, "cup", "main", 2);
        cr_assert_eq(view.missing_count, 2);
        expect_missing(0, "tea", 3);
        expect_missing(1, "pot", 1);
        receive("tea", "main", 7);
    }
    struct order order = order_of("r", lines, 3);
    cr_expect_eq(ledger_reserve(ctx, &order, &view), CODE_CONFLICT);
}

Test(sourcing, a_partial_order_takes_at_least_one_unit)
{
    struct order_line lines[2] = { LINE("tea", 5, FREE), LINE("cup", 2, FREE) };
    receive("tea", "main", 1);
    receive("cup", "main", 2);
    must(reserve_under(usual, NULL, 1));
    struct order order = order_of("cups", &lines[1], 1);
    must(ledger_reserve(ctx, &order, &view));
    cr_expect_eq(reserve_partly("r", lines, 2), CODE_INSUFFICIENT_STOCK);
    cr_expect_eq(ctx_failure(ctx)->short_count, 2);
    receive("cup", "main", 1);
    must(reserve_partly("r", lines, 2));
    cr_expect_eq(view.draw_count, 1);
}

Test(sourcing, a_partial_order_leaves_the_buffer)
{
    struct order_line line = LINE("tea", 9, FREE);
    set_channel("priority", 3);
    receive("tea", "main", 5);
    must(reserve_partly("one", &line, 1));
    expect_draw(0, "tea", "main", 2);
    expect_missing(0, "tea", 7);
    cr_expect_eq(reserve_partly("none", &line, 1), CODE_INSUFFICIENT_STOCK);
    add_cities();
    receive("tea", "rome", 4);
    receive("tea", "paris", 4);
    must(reserve_partly("many", &line, 1)); /* 11 are there */
    expect_missing(0, "tea", 1);
}

/* Another channel, without a buffer, may have sold them. */
Test(sourcing, what_is_below_the_buffer_is_missing_and_stops_nothing)
{
    struct order_line lines[2] = { LINE("tea", 2, FREE), LINE("cup", 1, FREE) };
    add_cities();
    set_channel("priority", 3);
    receive("tea", "main", 5);
    receive("tea", "rome", 5);
    receive("cup", "main", 1);
    receive("cup", "rome", 1);
    must(reserve_partly("r", lines, 2));
    cr_expect_eq(view.draw_count, 1);
    expect_missing(0, "cup", 1);
}

Test(sourcing, lines_of_one_sku_share_what_is_there)
{
    struct order_line lines[3] = { LINE("tea", 4, FREE), LINE("tea", 3, "rome", 4),
                                   LINE("tea", 4, FREE) };
    add_cities();
    receive("tea", "main", 5);
    receive("tea", "rome", 2);
    for (int i = 0; i < 2; i++) {
        must(reserve_partly("r", lines, 3));
        cr_assert_eq(view.draw_count, 3);
        expect_draw(0, "tea", "main", 4);
        expect_draw(1, "tea", "rome", 2); /* which is bound, and so chooses first */
        expect_draw(2, "tea", "main", 1);
        cr_assert_eq(view.missing_count, 1);
        expect_missing(0, "tea", 4);
    }
}

Test(sourcing, the_first_result_is_known_after_a_restart)
{
    struct order_line lines[3] = { LINE("cup", 4, FREE), LINE("tea", 3, FREE),
                                   LINE("cup", 4, FREE) };
    struct ledger_rig again;
    char why[256];
    receive("tea", "main", 5);
    receive("cup", "main", 5);
    must(reserve_partly("r", lines, 3));
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&again, &rig, rig.length, NOW, why, sizeof why), "%s", why);
    struct ctx *before = ctx;
    ctx = ledger_ctx(again.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    must(reserve_partly("r", lines, 3));
    cr_assert_eq(view.missing_count, 1);
    expect_missing(0, "cup", 3);
    ledger_end(ctx);
    ledger_rig_close(&again);
    ctx = before;
}

/* What is missing is as final as a refusal: it must be true of one instant. */
Test(sourcing, nothing_is_missing_on_a_doubt)
{
    struct order_line line = LINE("tea", 9, FREE);
    uint64_t word;
    uint32_t item;
    add_cities();
    receive("tea", "main", 5);
    receive("tea", "rome", 2);
    must(find_item(ctx, text_of("tea"), &item));
    struct item *tea = item_at(&ctx->ledger->items, item);
    struct pool *pool = &tea->pools[1];
    struct pool_change take = { .reserved = 1, .tentative = 1 };
    cr_assert_eq(pool_apply(pool, take, 1, &word), POOL_CHANGED); /* another context takes */
    cr_expect_eq(reserve_partly("r", &line, 1), CODE_DEFERRED);
    pool_give(pool, (struct pool_change){ .reserved = -1, .tentative = -1 });
    gives_begin(tea);
    cr_expect_eq(reserve_partly("r", &line, 1), CODE_DEFERRED);
    gives_end(tea);
    must(reserve_partly("r", &line, 1));
    expect_missing(0, "tea", 2);
}

/* ---- promise ---- */

static enum code promise(const struct order_line *lines, uint32_t count)
{
    struct order order = order_of("", lines, count);
    return ledger_promise(ctx, &order, &view);
}

Test(sourcing, a_promise_holds_nothing)
{
    struct order_line lines[3] = { LINE("tea", 5, FREE), LINE("tea", 1, "rome", 4),
                                   LINE("cup", 2, FREE) };
    add_cities();
    set_place((struct location_setting){
        .code = text_of("main"), .has_lead_time = true, .lead_time_s = 60 });
    receive("tea", "main", 2);
    receive("tea", "rome", 2);
    receive("cup", "main", 9);
    uint64_t end = log_head(&rig.log);
    for (int i = 0; i < 2; i++) {
        must(promise(lines, 3));
        cr_expect_eq(view.lsn, end);
        cr_assert_eq(view.draw_count, 4);
        expect_draw(0, "tea", "main", 2);
        expect_draw(1, "tea", "rome", 1);
        expect_draw(2, "tea", "rome", 1);
        expect_draw(3, "cup", "main", 2);
        cr_expect_eq(view.draws[0].ready_ms, NOW + 60000);
        cr_expect_eq(view.draws[1].ready_ms, NOW);
        cr_assert_eq(view.missing_count, 1);
        expect_missing(0, "tea", 2);
    }
    cr_expect_eq(log_head(&rig.log), end, "it has written to the log");
    must(promise(&lines[2], 1));
    cr_expect_eq(view.missing_count, 0);
}

Test(sourcing, nothing_at_all_can_be_promised_too)
{
    struct order_line lines[2] = { LINE("tea", 5, FREE), LINE("cup", 2, FREE) };
    receive("tea", "main", 1);
    receive("cup", "main", 2);
    must(reserve_under(usual, NULL, 1));
    set_channel("priority", 2);
    must(promise(lines, 2));
    cr_expect_eq(view.draw_count, 0);
    cr_assert_eq(view.missing_count, 2);
    expect_missing(0, "tea", 5);
    expect_missing(1, "cup", 2);
    lines[1].sku = text_of("pot");
    cr_expect_eq(promise(lines, 2), CODE_UNKNOWN_SKU);
    cr_expect_eq(promise(lines, 0), CODE_BAD_REQUEST);
}

Test(sourcing, no_promise_says_no_on_a_doubt)
{
    struct order_line line = LINE("tea", 9, FREE);
    uint64_t word;
    receive("tea", "main", 9);
    struct pool *pool = item_at(&ctx->ledger->items, 0)->pools;
    struct pool_change take = { .reserved = 1, .tentative = 1 };
    cr_assert_eq(pool_apply(pool, take, 1, &word), POOL_CHANGED); /* another context takes */
    cr_expect_eq(promise(&line, 1), CODE_DEFERRED);
    line.qty = 8;
    must(promise(&line, 1)); /* enough, whatever becomes of it */
    pool_give(pool, (struct pool_change){ .reserved = -1, .tentative = -1 });
}
