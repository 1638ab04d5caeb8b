/* SPDX-License-Identifier: Apache-2.0 */
/* Stockings, and what else an item's settings are worth: what is refused changes nothing; what is
 * set is there after a start, from the journal or from a snapshot. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"

enum { POOLS = 8 };

static struct ledger_rig rig;
static struct ctx *ctx;
static char why[200];

static void receive(const char *id, const char *sku, const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(location), .qty = qty
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void allot(const char *id, const char *sku, const char *location, int64_t qty)
{
    struct allot_result result;
    struct allotment a = { .id = text_of(id),
                           .sku = text_of(sku),
                           .location = text_of(location),
                           .channel = text_of("default"),
                           .qty = qty };
    cr_assert_eq(ledger_allot(ctx, &a, &result), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void add_place(const char *code)
{
    uint64_t lsn;
    cr_assert_eq(
        ledger_set_location(ctx, &(struct location_setting){ .code = text_of(code) }, &lsn),
        CODE_OK);
}

static void set_up(void)
{
    struct ledger_config config = {
        .items = 8, .pools = POOLS, .reservations = 256, .contexts = 1, .hash_seed = 5
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
    add_place("east");
    receive("m1", "tea", "main", 10);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(stocking, .init = set_up, .fini = tear_down);

static struct stocking_setting tea_at(const char *place)
{
    return (struct stocking_setting){ .sku = text_of("tea"), .location = text_of(place) };
}

static uint64_t set(struct stocking_setting s)
{
    uint64_t lsn = 0;
    cr_assert_eq(ledger_set_stocking(ctx, &s, &lsn), CODE_OK, "%s", ctx_failure(ctx)->message);
    return lsn;
}

static int64_t available(void)
{
    struct text skus[1] = { text_of("tea") };
    int64_t n;
    uint64_t lsn;
    cr_assert_eq(ledger_availability(ctx, text_of("default"), skus, 1, &n, &lsn), CODE_OK);
    return n;
}

/* ---- what is refused ---- */

static void expect_refused(struct stocking_setting s, enum code wanted, const char *says)
{
    uint64_t before = atomic_load(&rig.log.tail), lsn = 4711;
    uint32_t pools = atomic_load(&rig.ledger->items.pool_count);
    cr_expect_eq(ledger_set_stocking(ctx, &s, &lsn), wanted);
    cr_expect_str_eq(ctx_failure(ctx)->message, says);
    cr_expect_eq(atomic_load(&rig.log.tail), before, "it is in the journal");
    cr_expect_eq(atomic_load(&rig.ledger->items.pool_count), pools);
    cr_expect_eq(stocking_find(&rig.ledger->items, 0, 0), 0);
    cr_expect_not(item_has(item_at(&rig.ledger->items, 0), ITEM_STOCKING));
    cr_expect_eq(available(), 10);
    /* Nothing is held for ever. */
    cr_expect_not(atomic_load(&rig.ledger->catalogue_busy));
}

static void expect_bad_number(bool safety, int64_t n, const char *says)
{
    struct stocking_setting s = tea_at("main");
    s.has_stocked = true; /* not stocked: had the rest been applied, availability would show it */
    s.has_safety = safety;
    s.has_lead_time = !safety;
    s.safety = s.lead_time_s = n;
    expect_refused(s, CODE_BAD_REQUEST, says);
}

Test(stocking, refuses_numbers_out_of_range)
{
    expect_bad_number(true, -1, "safety must be a whole number from 0 to 268435455, not -1");
    expect_bad_number(true, QUANTITY_MAX + 1,
                      "safety must be a whole number from 0 to 268435455, not 268435456");
    expect_bad_number(false, -1, "lead_time_s must be a whole number from 0 to 2147483647, not -1");
    expect_bad_number(false, INT64_C(2147483648),
                      "lead_time_s must be a whole number from 0 to 2147483647, not 2147483648");
}

Test(stocking, refuses_what_is_not_there)
{
    struct stocking_setting s = tea_at("mars");
    s.has_stocked = true;
    expect_refused(s, CODE_UNKNOWN_LOCATION, "no location \"mars\"");
    s = tea_at("main");
    s.has_stocked = true;
    s.sku = text_of("coffee");
    expect_refused(s, CODE_UNKNOWN_SKU, "no item \"coffee\"");
}

Test(stocking, takes_the_largest_numbers)
{
    struct stocking_setting s = tea_at("main");
    s.has_safety = s.has_lead_time = true;
    s.safety = QUANTITY_MAX;
    s.lead_time_s = INT32_MAX;
    set(s);
    struct stocking there = stocking_of(stocking_find(&rig.ledger->items, 0, 0));
    cr_expect(there.stocked);
    cr_expect_eq(there.safety, QUANTITY_MAX);
    cr_expect_eq(there.lead_time_s, INT32_MAX);
}

Test(stocking, needs_a_pool_and_there_is_none_left)
{
    char code[8], id[8];
    for (int i = 1; i < POOLS; i++) {
        snprintf(code, sizeof code, "p%d", i);
        snprintf(id, sizeof id, "f%d", i);
        add_place(code);
        receive(id, "cup", code, 1);
    }
    struct stocking_setting s = tea_at("east");
    s.has_stocked = true;
    expect_refused(s, CODE_LIMIT, "the table of pools is full (8)");
    s = tea_at("main"); /* where it has a pool */
    s.has_stocked = true;
    set(s);
    cr_expect_eq(available(), 0);
}

/* ---- what is set ---- */

Test(stocking, that_is_set_again_returns_an_lsn_and_changes_nothing)
{
    struct stocking_setting s = tea_at("main");
    s.has_safety = true;
    s.safety = 4;
    uint64_t first = set(s), head = atomic_load(&rig.log.tail);
    cr_expect_eq(first, head);
    cr_expect_eq(set(s), first);
    receive("m2", "tea", "main", 1);
    uint64_t moved = atomic_load(&rig.log.tail);
    uint64_t again = set(s);
    cr_expect_geq(again, first);
    cr_expect_leq(again, moved);
    cr_expect_eq(atomic_load(&rig.log.tail), moved, "it is in the journal twice");
    cr_expect_eq(set(tea_at("main")), again, "nothing given is nothing new");
}

Test(stocking, keeps_what_is_not_given)
{
    struct stocking_setting s = tea_at("main");
    s.has_safety = true;
    s.safety = 4;
    set(s);
    s = tea_at("main");
    s.has_lead_time = true;
    s.lead_time_s = 60;
    set(s);
    s = tea_at("main");
    s.has_stocked = true;
    set(s);
    struct stocking there = stocking_of(stocking_find(&rig.ledger->items, 0, 0));
    cr_expect_not(there.stocked);
    cr_expect_eq(there.safety, 4);
    cr_expect_eq(there.lead_time_s, 60);
    cr_expect_eq(available(), 0);
    s.stocked = true;
    set(s);
    cr_expect_eq(available(), 6);
}

static enum code set_item(struct item_setting s)
{
    uint64_t lsn;
    s.sku = s.sku.at ? s.sku : text_of("tea");
    return ledger_set_item(ctx, &s, &lsn);
}

/* A walk that adds up pools meanwhile must not be believed. */
static void expect_seen(uint32_t stamp)
{
    const struct item *tea = item_at(&rig.ledger->items, 0);
    cr_expect_not(gives_unchanged(tea, stamp));
    cr_expect(gives_stable(tea, &stamp));
}

Test(stocking, is_seen_by_a_walk_that_it_comes_into)
{
    uint32_t stamp;
    struct stocking_setting s = tea_at("main");
    s.has_stocked = true;
    cr_assert(gives_stable(item_at(&rig.ledger->items, 0), &stamp));
    set(s);
    expect_seen(stamp);
    cr_assert(gives_stable(item_at(&rig.ledger->items, 0), &stamp));
    cr_assert_eq(set_item((struct item_setting){ .has_safety = true, .safety = 2 }), CODE_OK);
    expect_seen(stamp);
}

/* ---- an allotment ---- */

static void not_stocked_at_main(void)
{
    struct stocking_setting s = tea_at("main");
    s.has_stocked = true;
    set(s);
}

static void expect_one_stocking(void)
{
    const struct items *items = &rig.ledger->items;
    struct pool_walk walk = pool_walk_start(items, 0);
    const struct pool *pool;
    uint64_t main_word = stocking_find(items, 0, 0);
    cr_expect_neq(main_word, 0);
    unsigned count = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        bool at_main = key_location(pool_read_key(pool)) == 0;
        cr_expect_eq(stocking_at(items, pool_unit(items, pool)), at_main ? main_word : 0);
        count += at_main;
    }
    cr_expect_eq(count, 2);
    cr_expect_eq(available(), 3);
}

/* Replays each prefix of the journal, and starts from a snapshot at each; the whole is the same. */
static void expect_recovered(void)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    ledger_rig_drain(&rig);
    for (size_t at = 0; at <= rig.length; at += ledger_rig_record(&rig, at, record)) {
        struct ledger_rig copy;
        cr_assert(ledger_rig_follow(&copy, &rig, at, 1000, why, sizeof why), "%s", why);
        cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
        cr_assert(at < rig.length || ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why),
                  "%s", why);
        ledger_rig_close(&copy);
        cr_assert(contents_rig_follow(&copy, &rig, at, 1000, why, sizeof why), "at %zu: %s", at,
                  why);
        cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "at %zu: %s", at,
                  why);
        ledger_rig_close(&copy);
        if (at == rig.length)
            break;
    }
}

Test(stocking, holds_for_an_allotment_that_was_there_before)
{
    receive("m2", "tea", "east", 3);
    allot("a1", "tea", "main", 5);
    not_stocked_at_main();
    expect_one_stocking();
    expect_recovered();
}

Test(stocking, holds_for_an_allotment_that_comes_after)
{
    receive("m2", "tea", "east", 3);
    not_stocked_at_main();
    allot("a1", "tea", "main", 5);
    expect_one_stocking();
    expect_recovered();
}

Test(stocking, of_an_item_without_stock_there_makes_its_pool)
{
    struct stocking_setting s = tea_at("east");
    s.has_safety = true;
    s.safety = 3;
    set(s);
    receive("m2", "tea", "east", 5);
    cr_expect_eq(available(), 12);
    expect_recovered();
}

/* ---- details ---- */

Test(stocking, yields_to_nothing_but_its_own_safety)
{
    uint64_t lsn;
    struct location_setting place = { .code = text_of("main"), .has_safety = true, .safety = 1 };
    cr_assert_eq(ledger_set_location(ctx, &place, &lsn), CODE_OK);
    cr_expect_eq(available(), 9);
    cr_assert_eq(set_item((struct item_setting){ .has_safety = true, .safety = 2 }), CODE_OK);
    cr_expect_eq(available(), 8);
    struct stocking_setting s = tea_at("main");
    s.has_lead_time = true;
    set(s); /* says nothing of safety */
    cr_expect_eq(available(), 8);
    s.has_safety = true;
    s.safety = 3;
    set(s);
    cr_expect_eq(available(), 7);
    s.safety = 0;
    set(s);
    cr_expect_eq(available(), 10);
    expect_recovered();
}

Test(stocking, details_are_recovered)
{
    cr_assert_eq(set_item((struct item_setting){ .sku = text_of("sugar"),
                                                 .has_safety = true,
                                                 .safety = 2,
                                                 .has_unit = true,
                                                 .unit = text_of("kg"),
                                                 .has_decimals = true,
                                                 .decimals = 3 }),
                 CODE_OK);
    receive("m2", "sugar", "east", 5);
    expect_recovered();
}

/* ---- decimals ---- */

static void expect_fixed(struct ctx *of, enum code wanted)
{
    uint64_t lsn;
    struct item_setting s = { .sku = text_of("tea"), .has_decimals = true, .decimals = 2 };
    cr_expect_eq(ledger_set_item(of, &s, &lsn), wanted, "%s", ctx_failure(of)->message);
    if (!wanted)
        return;
    cr_expect_str_eq(ctx_failure(of)->message,
                     "decimals of \"tea\" are 0, and cannot change: units of it have moved");
    cr_expect_str_eq(ctx_failure(of)->state, "moved");
    s.decimals = 0; /* what they are */
    s.has_unit = true;
    s.unit = text_of("box");
    cr_expect_eq(ledger_set_item(of, &s, &lsn), CODE_OK);
}

Test(stocking, decimals_are_fixed_by_the_first_movement)
{
    struct ledger_rig copy;
    expect_fixed(ctx, CODE_WRONG_STATE);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&copy, &rig, rig.length, 1000, why, sizeof why), "%s", why);
    ledger_begin(ledger_ctx(copy.ledger, 0), 1000, 1000);
    expect_fixed(ledger_ctx(copy.ledger, 0), CODE_WRONG_STATE);
    ledger_end(ledger_ctx(copy.ledger, 0));
    ledger_rig_close(&copy);
    cr_assert(contents_rig_follow(&copy, &rig, rig.length, 1000, why, sizeof why), "%s", why);
    ledger_begin(ledger_ctx(copy.ledger, 0), 1000, 1000);
    expect_fixed(ledger_ctx(copy.ledger, 0), CODE_WRONG_STATE);
    ledger_end(ledger_ctx(copy.ledger, 0));
    ledger_rig_close(&copy);
}

/* The first movement of an item, of each kind. */
Test(stocking, decimals_are_fixed_by_any_movement)
{
    static enum code (*const movements[])(
        struct ctx *, const struct movement *,
        struct movement_result *) = { ledger_receive, ledger_adjust, ledger_count, ledger_return };
    for (unsigned i = 0; i < 4; i++) {
        char sku[8], id[8];
        struct movement_result moved;
        snprintf(sku, sizeof sku, "new%u", i);
        snprintf(id, sizeof id, "n%u", i);
        struct item_setting item = { .sku = text_of(sku), .has_decimals = true, .decimals = 2 };
        struct movement m = {
            .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = 3
        };
        cr_assert_eq(set_item(item), CODE_OK);
        cr_assert_eq(movements[i](ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
        item.decimals = 3;
        cr_expect_eq(set_item(item), CODE_WRONG_STATE, "movement %u", i);
    }
}

Test(stocking, decimals_are_free_until_then)
{
    cr_expect_eq(set_item((struct item_setting){
                     .sku = text_of("sugar"), .has_decimals = true, .decimals = 3 }),
                 CODE_OK);
    struct stocking_setting s = tea_at("main");
    s.sku = text_of("sugar");
    s.has_safety = true;
    set(s); /* a pool, but no units */
    cr_expect_eq(set_item((struct item_setting){
                     .sku = text_of("sugar"), .has_decimals = true, .decimals = 1 }),
                 CODE_OK);
    cr_expect_eq(set_item((struct item_setting){
                     .sku = text_of("sugar"), .has_decimals = true, .decimals = 7 }),
                 CODE_BAD_REQUEST);
}

/* ---- a journal that says what cannot be ---- */

static void expect_unreadable(const struct record_head *record)
{
    struct ledger_rig other;
    ledger_rig_open(&other, &rig.config);
    cr_expect_eq(ledger_apply(other.ledger, record, 4096), -EINVAL);
    cr_expect(strstr(ctx_failure(ledger_ctx(other.ledger, 0))->message, "malformed"), "%s",
              ctx_failure(ledger_ctx(other.ledger, 0))->message);
    ledger_rig_close(&other);
}

/* It would not fit where it is kept, and say something else there. */
Test(stocking, with_a_safety_out_of_range_is_not_replayed)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    struct item_fields item = { .fixed = { .head = { .type = RECORD_ITEM },
                                           .low_stock = -1,
                                           .backorder_limit = -1,
                                           .safety = (int32_t)QUANTITY_MAX + 1,
                                           .detailed = 1 },
                                .sku = text_of("tea") };
    struct record_builder b = item_begin(record, &item);
    record_end(&b);
    expect_unreadable((const struct record_head *)(const void *)record);
    struct stocking_fields stocking = { .fixed = { .head = { .type = RECORD_STOCKING },
                                                   .safety = (int32_t)QUANTITY_MAX + 1,
                                                   .lead_time_s = -1 } };
    b = stocking_begin(record, &stocking);
    record_end(&b);
    expect_unreadable((const struct record_head *)(const void *)record);
}
