/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction itself, with kinds made for the test: each puts another thread's change where it
 * can hurt most. */
#include <criterion/criterion.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/txn/txn_run.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static uint32_t tea, cup; /* units of their shared pools at "main" */
static const uint64_t now = 1000000;

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static uint32_t receive(const char *sku, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(sku), .sku = text_of(sku), .location = text_of("main"), .qty = qty
    };
    uint32_t item;
    must(ledger_receive(ctx, &m, &moved));
    must(find_item(ctx, text_of(sku), &item));
    struct pool_walk walk = pool_walk_start(&rig.ledger->items, item);
    return pool_unit(&rig.ledger->items, pool_walk_next(&walk));
}

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 12, .reservations = 640, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    tea = receive("tea", 10);
    cup = receive("cup", 10);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(txn, .init = set_up, .fini = tear_down);

static uint64_t word(uint32_t unit)
{
    return pool_read(pool_at(&rig.ledger->items, unit));
}

static void change(uint32_t unit, int64_t on_hand, int tentative)
{
    uint64_t after;
    struct pool_change by_another = { on_hand, 0, tentative };
    cr_assert_eq(pool_apply(pool_at(&rig.ledger->items, unit), by_another, INT64_MIN, &after),
                 POOL_CHANGED);
}

/* ---- the kind: what it posts, and what comes between its steps ---- */

static struct posting wanted[4];
static uint32_t wanted_count;
static int plans, shows, taken_calls;
static void (*after_plan)(void);
static enum code taken_says;
static void (*after_take)(void);
static bool may_undo, stays;

static enum code plan(struct ctx *s, struct txn *t)
{
    plans++;
    t->may_undo = may_undo;
    for (uint32_t i = 0; i < wanted_count; i++) {
        wanted[i].stays = stays;
        post(s->postings, wanted[i]);
    }
    if (after_plan)
        after_plan();
    return CODE_OK;
}

static enum code taken(struct ctx *s, struct txn *t)
{
    (void)s, (void)t;
    taken_calls++;
    if (after_take)
        after_take();
    return taken_says;
}

static uint32_t build(struct ctx *s, struct txn *t)
{
    (void)t;
    struct undone_fields f = { .fixed = { .head = head_of(s, RECORD_UNDONE, 0) } };
    struct record_builder b = undone_begin(s->record, &f);
    return record_end(&b);
}

static void show(struct ctx *s, struct txn *t)
{
    (void)t;
    shows++;
    for (uint32_t i = 0; s->postings->takes > 1 && i < s->postings->takes; i++)
        cr_assert_eq(word_undecided(word(s->postings->at[i].pool)), 1,
                     "undecided until it is shown");
}

static const struct txn_kind kind = {
    .takes = true, .gives = true, .plan = plan, .taken = taken, .record = build, .show = show
};

static enum code run(void)
{
    struct txn t = { .lsn = 0 };
    plans = shows = taken_calls = 0;
    return txn_run(ctx, &t, &kind);
}

static void want(uint32_t pool, int32_t on_hand, int32_t reserved, int32_t needs)
{
    wanted[wanted_count++] = (struct posting){ .pool = pool,
                                               .counted = NOT_COUNTED,
                                               .on_hand = on_hand,
                                               .reserved = reserved,
                                               .needs = needs };
}

static uint64_t records(enum record_type type)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    uint64_t found = 0;
    ledger_rig_drain(&rig);
    for (size_t at = 0; at < rig.length; at += ledger_rig_record(&rig, at, record)) {
        ledger_rig_record(&rig, at, record);
        found += ((const struct record_head *)(const void *)record)->type == type;
    }
    return found;
}

/* ---- what must hold ---- */

Test(txn, takes_come_first_in_the_order_of_pools_and_merged)
{
    struct postings *p = ctx->postings;
    post(p,
         (struct posting){ .pool = 5, .counted = NOT_COUNTED, .on_hand = 3, .needs = NEEDS_NONE });
    post(p, (struct posting){
                .pool = 9, .counted = NOT_COUNTED, .reserved = 2, .needs = 2 + 7, .keeps = 7 });
    post(p, (struct posting){ .pool = 4, .counted = NOT_COUNTED, .reserved = 1, .needs = 1 });
    post(p, (struct posting){
                .pool = 9, .counted = NOT_COUNTED, .reserved = 4, .needs = 4 + 7, .keeps = 7 });
    cr_assert_eq(p->takes, 3);
    postings_order(p);
    cr_assert_eq(p->count, 3);
    cr_assert_eq(p->takes, 2);
    cr_assert_eq(p->at[0].pool, 4);
    cr_assert_eq(p->at[1].pool, 9);
    cr_assert_eq(p->at[1].reserved, 6);
    cr_assert_eq(p->at[1].needs, 6 + 7); /* what must stay is kept once */
    cr_assert_eq(p->at[2].pool, 5);
    p->count = p->takes = 0;
}

Test(txn, long_postings_are_ordered_as_short_ones_are)
{
    struct postings *p = ctx->postings;
    for (uint32_t i = 0; i < 200; i++)
        post(p, (struct posting){
                    .pool = (i * 77) % 100, .counted = NOT_COUNTED, .reserved = 1, .needs = 1 });
    postings_order(p);
    cr_assert_eq(p->count, 100);
    cr_assert_eq(p->takes, 100);
    for (uint32_t i = 0; i < p->count; i++) {
        cr_assert_eq(p->at[i].pool, i);
        cr_assert_eq(p->at[i].reserved, 2);
    }
    p->count = p->takes = 0;
}

Test(txn, several_takes_stay_undecided_until_they_are_shown)
{
    want(cup, 0, 3, 3);
    want(tea, 0, 2, 2);
    must(run());
    cr_assert_eq(shows, 1);
    cr_assert_eq(word_reserved(word(tea)), 2);
    cr_assert_eq(word_reserved(word(cup)), 3);
    cr_assert_eq(word_undecided(word(tea)) + word_undecided(word(cup)), 0);
}

static void expect_announced(void)
{
    uint64_t lsn;
    cr_assert_not(ledger_shown_until(rig.ledger, &lsn));
}

/* M2: a thread that has seen a take waits for its claim. */
Test(txn, takes_are_announced_until_they_have_claimed)
{
    struct txn t = { .lsn = 0 };
    uint64_t lsn;
    want(tea, 0, 2, 2);
    after_take = expect_announced;
    must(txn_perform(ctx, &t, &kind));
    cr_assert_eq(taken_calls, 1);
    cr_assert(ledger_shown_until(rig.ledger, &lsn));
    cr_assert_eq(lsn, t.lsn);
}

static void take_the_cups(void)
{
    if (plans == 1)
        change(cup, -10, 0);
    wanted_count = 1; /* the second plan does without */
}

Test(txn, a_pool_that_changed_under_the_plan_is_planned_again)
{
    uint32_t first = tea < cup ? tea : cup;
    cr_assert_eq(first, tea);
    want(tea, 0, 2, 2);
    want(cup, 0, 3, 3);
    after_plan = take_the_cups;
    must(run());
    cr_assert_eq(plans, 2);
    cr_assert_eq(records(RECORD_UNDONE), 1 + 1, "of the undoing, and the transaction's own");
}

static void always_take_a_cup(void)
{
    if (word_on_hand(word(cup)) > 0)
        change(cup, -word_on_hand(word(cup)), 0);
}

Test(txn, a_plan_that_never_fits_is_deferred_and_takes_nothing)
{
    want(tea, 0, 2, 2);
    want(cup, 0, 3, 3);
    after_plan = always_take_a_cup;
    cr_assert_eq(run(), CODE_DEFERRED);
    cr_assert_eq(plans, PLANS_MOST);
    cr_assert_eq(word_reserved(word(tea)), 0);
    cr_assert_eq(word_undecided(word(tea)), 0);
    cr_assert_eq(shows, 0);
}

static void pending_on_the_cups(void)
{
    if (word_on_hand(word(cup)) > 0)
        change(cup, -10, 1);
}

Test(txn, too_little_where_a_take_is_undecided_is_deferred_at_once)
{
    want(cup, 0, 3, 3);
    after_plan = pending_on_the_cups;
    cr_assert_eq(run(), CODE_DEFERRED);
    cr_assert_eq(plans, 1);
    cr_assert_eq(records(RECORD_UNDONE), 0, "nothing was taken");
    change(cup, 10, -1);
}

Test(txn, what_the_last_condition_refuses_is_undone)
{
    want(tea, 0, 2, 2);
    may_undo = true;
    taken_says = CODE_DEFERRED;
    cr_assert_eq(run(), CODE_DEFERRED);
    cr_assert_eq(taken_calls, 1);
    cr_assert_eq(word_reserved(word(tea)), 0);
    cr_assert_eq(word_undecided(word(tea)), 0);
    cr_assert_eq(records(RECORD_UNDONE), 1);
}

static void sums_are_disturbed(void)
{
    uint64_t key = atomic_load(&pool_at(&rig.ledger->items, tea)->key);
    uint32_t stamp;
    cr_assert_not(gives_stable(item_at(&rig.ledger->items, key_item(key)), &stamp),
                  "units are on their way");
    change(cup, QUANTITY_MAX - 10, 0);
}

static uint64_t recent_changes(void)
{
    return atomic_load(&ctx->recent.count);
}

/* A count that knows when it was taken must not run out of memory of changes for allotments. */
Test(txn, what_moves_at_its_place_is_no_recent_change)
{
    uint64_t before = recent_changes();
    stays = true;
    want(tea, -4, 0, 4);
    want(cup, 4, 0, NEEDS_NONE);
    must(run());
    cr_assert_eq(recent_changes(), before);
    taken_says = CODE_DEFERRED;
    cr_assert_eq(run(), CODE_DEFERRED);
    cr_assert_eq(recent_changes(), before);
    taken_says = CODE_OK;
    stays = false;
    must(run());
    cr_assert_eq(recent_changes(), before + 2);
}

/* As allot: what it takes is in no pool until it is given; and the pool may be full by then. */
Test(txn, a_give_that_no_longer_fits_is_void_and_undoes_the_takes)
{
    want(tea, -4, 0, 4);
    want(cup, 4, 0, NEEDS_NONE);
    after_take = sums_are_disturbed;
    uint64_t voids = records(RECORD_VOID);
    cr_assert_eq(run(), CODE_DEFERRED);
    cr_assert_eq(word_on_hand(word(tea)), 10);
    cr_assert_eq(word_undecided(word(tea)), 0);
    cr_assert_eq(records(RECORD_VOID), voids + 1);
    cr_assert_eq(shows, 0);
    cr_assert_eq(ctx->postings->count, 0);
}

Test(txn, an_allotment_is_no_recent_change)
{
    struct allotment a = { .id = text_of("a1"),
                           .sku = text_of("tea"),
                           .location = text_of("main"),
                           .channel = text_of("default"),
                           .qty = 4 };
    struct allot_result result;
    uint64_t before = recent_changes();
    must(ledger_allot(ctx, &a, &result));
    cr_assert_eq(result.allotted, 4);
    cr_assert_eq(recent_changes(), before);
}
