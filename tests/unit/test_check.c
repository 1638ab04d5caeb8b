/* SPDX-License-Identifier: Apache-2.0 */
/* The live check: what is damaged is found and named, what moves is not judged. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/check/check.h"
#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { ITEMS = 16, POOLS = 64, SLOTS = 640, BUDGET = 64, PATIENCE = 100000 };

static struct ledger_rig rig;
static struct ctx *ctx, *other;
static struct check *check;

static void set_up(void)
{
    ledger_rig_open(
        &rig,
        &(struct ledger_config){
            .items = ITEMS, .pools = POOLS, .reservations = SLOTS, .contexts = 2, .hash_seed = 5 });
    ctx = ledger_ctx(rig.ledger, 0);
    other = ledger_ctx(rig.ledger, 1);
    ledger_begin(ctx, 1000000, 1000000);
    check = NULL;
}

static void tear_down(void)
{
    check_end(check);
    ledger_rig_close(&rig);
}

TestSuite(check, .init = set_up, .fini = tear_down);

static void receive(struct ctx *by, const char *id, const char *sku, int64_t qty)
{
    struct movement m = { text_of(id), text_of(sku), text_of("main"), qty, .reason = { 0 } };
    struct movement_result r;
    cr_assert_eq(ledger_receive(by, &m, &r), CODE_OK);
}

static void reserve(struct ctx *by, const char *id, const char *sku, int64_t qty)
{
    struct order_line line = { .sku = text_of(sku), .qty = qty };
    struct order order = {
        .id = text_of(id), .channel = text_of("default"), .lines = &line, .line_count = 1
    };
    struct reservation_view view;
    cr_assert_eq(ledger_reserve(by, &order, &view), CODE_OK, "%s", ctx_failure(by)->message);
}

/* Two items, a live order on each, and one that is over. */
static void fill(void)
{
    struct reservation_view view;
    receive(ctx, "r1", "apple", 10);
    receive(ctx, "r2", "pear", 10);
    reserve(ctx, "o1", "apple", 2);
    reserve(ctx, "o2", "pear", 3);
    reserve(ctx, "o3", "pear", 1);
    struct step all = { .id = text_of("o3") };
    cr_assert_eq(ledger_cancel(ctx, &all, &view), CODE_OK);
}

/* To the end; nothing else happens meanwhile. */
static const struct check_report *run_check(void)
{
    check_end(check);
    check = check_start(rig.ledger);
    enum check_progress progress = CHECK_MORE;
    for (int i = 0; i < PATIENCE && progress == CHECK_MORE; i++)
        progress = check_step(check, ctx, BUDGET);
    cr_assert_eq(progress, CHECK_DONE);
    return check_report(check);
}

static void expect_broken(const char *finding)
{
    const struct check_report *report = run_check();
    cr_assert_eq(report->broken, 1, "%d broken: %s; %s", (int)report->broken, report->findings[0],
                 report->findings[1]);
    cr_assert_str_eq(report->findings[0], finding);
}

static struct pool *pool_of(const char *sku)
{
    struct items *items = &rig.ledger->items;
    int64_t item = items_find(items, text_of(sku), sku_hash(items, text_of(sku)));
    cr_assert_geq(item, 0);
    return pool_find(items, (uint32_t)item, 0, owner_of(POOL_SHARED, 0));
}

/* Owned until entry_put. */
static struct id_entry *take(const char *id, uint64_t *word)
{
    struct id_table *ids = &rig.ledger->ids;
    struct id_entry *entry;
    struct text t = text_of(id);
    cr_assert_eq(id_table_find(ids, t, id_hash(ids, t), &entry, word), ENTRY_FOUND);
    return entry;
}

Test(check, counts_what_it_judged)
{
    fill();
    const struct check_report *report = run_check();
    cr_assert_eq(report->broken, 0, "%s", report->findings[0]);
    cr_assert_eq(report->ids, 5);
    cr_assert_eq(report->reservations, 2);
    cr_assert_eq(report->items, 2);
    cr_assert_eq(report->pools, 2);
    cr_assert_eq(report->moving, 0);
    cr_assert_eq(report->busy, 0);
    cr_assert_eq(report->passes, 1);
}

Test(check, of_an_empty_ledger_is_good)
{
    const struct check_report *report = run_check();
    cr_assert_eq(report->broken, 0);
    cr_assert_eq(report->items, 0);
    cr_assert_eq(report->ids, 0);
}

Test(check, names_the_pool_with_more_reserved_than_promised)
{
    fill();
    atomic_fetch_add(&pool_of("pear")->word, WORD_RESERVED_ONE);
    expect_broken("I1: \"pear\" at \"main\" (shared) has 4 reserved, but 3 promised");
}

Test(check, names_the_pool_with_less_reserved_than_promised)
{
    fill();
    atomic_fetch_sub(&pool_of("apple")->word, 2 * WORD_RESERVED_ONE);
    expect_broken("I1: \"apple\" at \"main\" (shared) has 0 reserved, but 2 promised");
}

Test(check, finds_a_take_that_was_never_decided)
{
    fill();
    atomic_fetch_add(&pool_of("pear")->word, WORD_UNDECIDED_ONE);
    expect_broken("I2: \"pear\" has an undecided take");
}

Test(check, finds_a_give_that_never_ended)
{
    fill();
    gives_begin(item_at(&rig.ledger->items, 0));
    expect_broken("I2: \"apple\" has a give under way");
}

Test(check, does_not_mind_what_is_on_hand)
{
    fill();
    atomic_fetch_sub(&pool_of("apple")->word, 9 * WORD_ON_HAND_ONE);
    cr_assert_eq(run_check()->broken, 0);
}

Test(check, finds_a_draw_that_settled_too_much)
{
    uint64_t word;
    fill();
    struct id_entry *entry = take("o1", &word);
    entry->draw.cancelled = 3;
    entry_put(entry, word);
    const struct check_report *report = run_check();
    cr_assert_str_eq(report->findings[0], "I3: \"o1\" has settled more than it drew");
}

Test(check, finds_a_live_reservation_that_says_it_is_over)
{
    uint64_t word;
    fill();
    struct id_entry *entry = take("o2", &word);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_CANCELLED, word_id_len(word)));
    expect_broken("I3: \"o2\" is cancelled with 3 left");
}

Test(check, finds_an_id_that_is_not_in_the_index)
{
    fill();
    struct id_table *ids = &rig.ledger->ids;
    uint64_t word;
    struct id_entry *entry = take("o1", &word);
    for (uint32_t i = 0; i < ids->bucket_count; i++)
        for (int j = 0; j < 7; j++)
            if ((uint32_t)ids->buckets[i].words[j] == entry_number(ids, entry) + 1)
                ids->buckets[i].words[j] = 0;
    entry_put(entry, word);
    expect_broken("I4: \"o1\" is not found under its id");
}

Test(check, finds_a_held_reservation_without_a_wheel)
{
    uint64_t word;
    fill();
    struct id_entry *entry = take("o1", &word);
    entry->owner = NO_OWNER;
    entry_put(entry, word);
    expect_broken("I5: \"o1\" is held and in no wheel");
}

Test(check, finds_a_pool_that_is_there_twice)
{
    fill();
    struct pool *pool = pool_of("apple");
    atomic_store(&pool[1].key, atomic_load(&pool->key));
    expect_broken("I6: \"apple\" has a pool twice");
}

Test(check, finds_a_draw_from_what_is_not_sold)
{
    fill();
    struct pool *pool = pool_of("apple");
    uint32_t item = key_item(atomic_load(&pool->key));
    atomic_store(&pool->key, pool_key_word(item, 0, owner_of(POOL_DAMAGED, 0)));
    const struct check_report *report = run_check();
    cr_assert_str_eq(report->findings[0], "I7: \"o1\" draws from a pool that is not its channel's");
}

Test(check, finds_a_pool_at_a_place_that_is_not_there)
{
    fill();
    struct pool *pool = pool_of("apple");
    uint32_t item = key_item(atomic_load(&pool->key));
    cr_assert_not_null(pool_make(&rig.ledger->items, item, 77, owner_of(POOL_SHARED, 0)));
    expect_broken("I8: \"apple\" has a pool with an unknown location, kind or channel");
}

Test(check, finds_everything_in_a_large_ledger)
{
    char sku[16], id[16];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(sku, sizeof sku, "s%d", i);
        snprintf(id, sizeof id, "r%d", i);
        receive(ctx, id, sku, 1000);
    }
    for (int i = 0; i < SLOTS / 2; i++) {
        snprintf(sku, sizeof sku, "s%d", i % ITEMS);
        snprintf(id, sizeof id, "o%d", i);
        reserve(ctx, id, sku, 1 + i % 3);
    }
    for (int i = 0; i < ITEMS; i++) {
        snprintf(sku, sizeof sku, "s%d", i);
        atomic_fetch_add(&pool_of(sku)->word, WORD_RESERVED_ONE);
    }
    cr_assert_eq(run_check()->broken, ITEMS);
}

/* ---- beside others ---- */

static enum check_progress step_until(enum check_progress wanted)
{
    enum check_progress progress = CHECK_MORE;
    for (int i = 0; i < PATIENCE && progress != wanted && progress != CHECK_DONE; i++)
        progress = check_step(check, ctx, 1);
    return progress;
}

Test(check, waits_for_iterations_and_judges_nothing_that_moved)
{
    fill();
    ledger_begin(other, 1000000, 1000000);
    check = check_start(rig.ledger);
    cr_assert_eq(step_until(CHECK_WAIT), CHECK_WAIT); /* for the iteration that other is in */
    reserve(other, "o4", "apple", 1);
    ledger_begin(other, 1000000, 1000000);
    cr_assert_eq(step_until(CHECK_WAIT), CHECK_WAIT); /* entries were visited, items compared */
    reserve(other, "o5", "pear", 1); /* in this iteration: it may have been seen in part */
    ledger_end(other);
    cr_assert_eq(step_until(CHECK_DONE), CHECK_DONE);
    const struct check_report *report = check_report(check);
    cr_assert_eq(report->broken, 0, "%s", report->findings[0]);
    cr_assert_eq(report->passes, 2);
    cr_assert_eq(report->moving, 0);
    cr_assert_eq(report->reservations, 4);
}

Test(check, says_what_never_stood_still)
{
    char id[16];
    fill();
    check = check_start(rig.ledger);
    atomic_fetch_add(&pool_of("apple")->word, WORD_RESERVED_ONE); /* damage that it cannot see */
    enum check_progress progress = CHECK_MORE;
    for (int i = 0; i < 200 && progress != CHECK_DONE; i++) {
        snprintf(id, sizeof id, "m%d", i);
        receive(ctx, id, "apple", 1);
        progress = check_step(check, ctx, 4);
    }
    cr_assert_eq(progress, CHECK_DONE);
    cr_assert_eq(check_report(check)->broken, 0);
    cr_assert_eq(check_report(check)->moving, 1);
    cr_assert_eq(check_report(check)->passes, CHECK_PASSES);
}

Test(check, comes_back_to_what_is_busy)
{
    uint64_t word;
    fill();
    struct id_entry *entry = take("o1", &word);
    check = check_start(rig.ledger);
    cr_assert_eq(step_until(CHECK_WAIT), CHECK_WAIT);
    entry_put(entry, word);
    cr_assert_eq(step_until(CHECK_DONE), CHECK_DONE);
    cr_assert_eq(check_report(check)->broken, 0);
    cr_assert_eq(check_report(check)->busy, 0);
    cr_assert_eq(check_report(check)->reservations, 2);
}

Test(check, judges_no_sum_that_lacks_a_busy_reservation)
{
    uint64_t word;
    fill();
    struct id_entry *entry = take("o1", &word);
    check = check_start(rig.ledger);
    while (check_step(check, ctx, 1) != CHECK_DONE)
        continue;
    const struct check_report *report = check_report(check);
    cr_assert_eq(report->broken, 0, "%s", report->findings[0]);
    cr_assert_eq(report->busy, 1);
    cr_assert_eq(report->moving, 1);
    entry_put(entry, word);
}

Test(check, sees_what_recovery_made)
{
    struct ledger_rig recovered;
    char why[256];
    fill();
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&recovered, &rig, rig.length, 1000000, why, sizeof why), "%s", why);
    struct check *second = check_start(recovered.ledger);
    struct ctx *its = ledger_ctx(recovered.ledger, 0);
    ledger_begin(its, 1000000, 1000000);
    while (check_step(second, its, BUDGET) == CHECK_MORE)
        continue;
    cr_assert_eq(check_report(second)->broken, 0);
    cr_assert_eq(check_report(second)->items, 2);
    cr_assert_eq(check_report(second)->reservations, 2);
    check_end(second);
    ledger_rig_close(&recovered);
}
