/* SPDX-License-Identifier: Apache-2.0 */
/* Shortages: which promises are told to be short, once, and what a start makes of it. */
#include "tests/unit/shortages_rig.h"

/* ---- supplies ---- */

Test(shortages, less_comes_than_was_promised)
{
    promise_three();
    told("");
    arrive("e", 6, 0, false);
    told(""); /* the rest is still expected */
    arrive("e", 0, 0, true);
    told("o3 store 3, o2 store 1");
    told("");
}

Test(shortages, some_is_withdrawn)
{
    promise_three();
    withdraw("e", 2);
    told("o3 store 2");
    withdraw("e", 3);
    told("o2 store 2"); /* of the third one it was told */
    withdraw("e", 5);
    told("o1 store 4");
}

Test(shortages, some_is_rejected_or_lost)
{
    promise_three();
    arrive("e", 5, 1, false);
    told("o3 store 1");
    arrive("e", 0, 0, true);
    told("o2 store 2");
}

Test(shortages, free_stock_stands_in)
{
    bring("store", 4);
    promise_three();
    cancel("o1");
    arrive("e", 0, 0, true);
    told("o3 store 2");
}

Test(shortages, what_was_lost_is_received_later)
{
    promise_three();
    arrive("e", 4, 0, true);
    told("o3 store 3, o2 store 3");
    bring("store", 3);
    told("");
    count("store", 6);
    told("o2 store 1"); /* it had been covered again; the third one had not */
}

/* ---- on hand ---- */

Test(shortages, a_count_finds_less)
{
    promise_on_hand();
    count("main", 9);
    told("o3 main 1");
    count("main", 8);
    told(""); /* it is still that one */
    count("main", 3);
    told("o2 main 3, o1 main 1");
    count("main", 10);
    told("");
    count("main", 9);
    told("o3 main 1");
}

Test(shortages, an_adjustment_takes_more)
{
    struct movement_result moved;
    struct movement m = movement("main", -8);
    promise_on_hand();
    must(ledger_adjust(ctx, &m, &moved));
    told("o3 main 3, o2 main 3, o1 main 2");
}

Test(shortages, a_till_sells_it)
{
    struct sold_view view_sold;
    struct sale sale = { .id = text_of("s"),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = &(struct order_line){ .sku = text_of("tea"), .qty = 2 },
                         .line_count = 1 };
    promise_on_hand();
    must(ledger_sold(ctx, &sale, &view_sold));
    told("o3 main 2");
}

/* A till has sold more than was there: what comes pays that first. */
Test(shortages, what_is_owed_is_paid_first)
{
    struct sold_view view_sold;
    struct sale sale = { .id = text_of("s"),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = &(struct order_line){ .sku = text_of("tea"), .qty = 13 },
                         .line_count = 1 };
    promise_on_hand();
    must(ledger_sold(ctx, &sale, &view_sold));
    told("o3 main 3, o2 main 3, o1 main 4");
    bring("main", 12);
    told(""); /* three are paid, so the last one is short of one, still */
    bring("main", 1);
    told("");
    count("main", 9);
    told("o3 main 1");
}

Test(shortages, a_place_cannot_find_it)
{
    struct reservation_view r;
    struct rejection reject = { .id = text_of("o1"),
                                .location = text_of("main"),
                                .reason = REJECT_NOT_FOUND,
                                .cancels = true };
    promise_on_hand();
    must(ledger_reject(ctx, &reject, &r));
    told(""); /* what is not found is off the books, along with its promise */
    count("main", 5);
    told("o3 main 1");
}

Test(shortages, of_an_allotment)
{
    struct allot_result result;
    struct allotment allot = { .id = text_of("a"),
                               .sku = text_of("tea"),
                               .location = text_of("main"),
                               .channel = text_of("web"),
                               .qty = 6 };
    must(ledger_allot(ctx, &allot, &result));
    reserve_at("o1", "main", 6);
    reserve_at("o2", "main", 4);
    count("main", 7);
    told("o2 main 3");
    count("main", 4);
    told("o1 main 2");
}

Test(shortages, of_a_transfer_that_is_held)
{
    cr_assert_eq(try_transfer("t", 4, NOW + HOUR, true), CODE_OK);
    reserve_at("o1", "main", 6);
    count("main", 5);
    told("o1 main 5");
    count("main", 3);
    told("t main 1"); /* and the other one still is */
}

/* ---- what cures it ---- */

Test(shortages, a_cancel_cures_the_others)
{
    promise_on_hand();
    count("main", 7);
    told("o3 main 3");
    cancel("o1");
    told("");
    count("main", 5);
    told("o3 main 1");
}

Test(shortages, a_cancel_in_part)
{
    promise_on_hand();
    count("main", 5);
    told("o3 main 3, o2 main 2");
    cancel_some("o3", 2);
    told("");
    count("main", 8); /* covers all */
    told("");
    count("main", 6);
    told("o3 main 1, o2 main 1");
}

Test(shortages, what_is_moved_away_is_short_no_longer)
{
    struct reservation_view r;
    struct move_line line = {
        .sku = text_of("tea"), .from = text_of("main"), .to = text_of("store"), .qty = 3
    };
    struct relocation move = { .id = text_of("o3"), .lines = &line, .line_count = 1 };
    bring("store", 5);
    promise_on_hand();
    count("main", 7);
    told("o3 main 3");
    must(ledger_move(ctx, &move, &r));
    told("");
    count("main", 6);
    told("o2 main 1");
}

/* On hand whoever comes first is served: then it is another one's units that are missing. */
Test(shortages, the_last_one_is_fulfilled)
{
    promise_on_hand();
    count("main", 8);
    told("o3 main 2");
    cr_assert_eq(try_fulfil("o3"), CODE_OK);
    told("o2 main 2");
}

/* Since it was told the pool has been filled, so each is told again. */
Test(shortages, covered_and_short_between_two_looks)
{
    promise_on_hand();
    count("main", 8);
    told("o3 main 2");
    bring("main", 5);
    reserve_at("o4", "main", 2);
    count("main", 8);
    told("o4 main 2, o3 main 2");
}

/* The pool is as it was when it was told, but its last promise is another one. */
Test(shortages, covered_and_short_as_before)
{
    promise_on_hand();
    count("main", 8);
    told("o3 main 2");
    bring("main", 5);
    reserve_at("o4", "main", 3);
    cancel("o3");
    count("main", 8);
    told("o4 main 2");
}

/* ---- in the middle of a change ---- */

static void look_in_vain(void)
{
    for (int i = 0; i < 20; i++) {
        ledger_rig_drain(&rig);
        now += 50;
        at_time(now);
        ledger_tell_shortages(ctx);
        cr_assert_neq(ledger_shortages_due(ctx), UINT64_MAX, "it looks again");
    }
    cr_assert_eq(ledger_events_taken(rig.ledger, EVENT_SHORT), 0);
}

Test(shortages, wait_while_a_take_is_undecided)
{
    struct pool *pool = pool_find(&rig.ledger->items, 0, 0, owner_of(POOL_SHARED, 0));
    promise_on_hand();
    count("main", 8);
    pool_give(pool, (struct pool_change){ .tentative = 1 });
    look_in_vain();
    pool_give(pool, (struct pool_change){ .tentative = -1 });
    told("o3 main 2");
}

Test(shortages, wait_for_who_is_being_changed)
{
    struct id_entry *entry;
    uint64_t word;
    struct text id = text_of("o1");
    promise_on_hand();
    count("main", 8);
    cr_assert_eq(id_table_find(&rig.ledger->ids, id, id_hash(&rig.ledger->ids, id), &entry, &word),
                 ENTRY_FOUND);
    look_in_vain();
    entry_put(entry, word);
    told("o3 main 2");
}

/* As when an order has taken its units and is not shown yet. */
Test(shortages, wait_for_who_is_not_found)
{
    struct pool *pool = pool_find(&rig.ledger->items, 0, 0, owner_of(POOL_SHARED, 0));
    promise_on_hand();
    pool_give(pool, (struct pool_change){ .reserved = 1 });
    count("main", 8);
    look_in_vain();
    pool_give(pool, (struct pool_change){ .reserved = -1 });
    told("o3 main 2");
}

/* ---- one draws from a pool several times ---- */

Test(shortages, lines_of_one_order_are_told_together)
{
    struct order_line lines[] = {
        { .sku = text_of("tea"), .qty = 2, .location = text_of("main") },
        { .sku = text_of("tea"), .qty = 3, .location = text_of("main") },
    };
    struct order order = {
        .id = text_of("o2"), .channel = text_of("web"), .lines = lines, .line_count = 2
    };
    reserve_at("o1", "main", 5);
    must(ledger_reserve(ctx, &order, &granted));
    count("main", 6);
    told("o2 main 4"); /* a hold is a promise, too */
}

/* ---- starts ---- */

Test(shortages, of_a_transfer_that_is_held_since_before_a_start)
{
    cr_assert_eq(try_transfer("t", 4, NOW + HOUR, true), CODE_OK);
    ledger_rig_drain(&rig);
    start_from(rig.length);
    count("main", 3);
    told("t main 1");
}

Test(shortages, that_were_told_are_not_told_again_after_a_start)
{
    promise_on_hand();
    count("main", 6);
    told("o3 main 3, o2 main 1");
    start_from(rig.length);
    told("o3 main 3, o2 main 1"); /* replayed */
    count("main", 3);
    told("o1 main 1");
}

Test(shortages, that_a_crash_left_untold_are_told_after_the_start)
{
    promise_on_hand();
    count("main", 6);
    ledger_rig_drain(&rig); /* this much is on disk: the change, and not what tells of it */
    size_t bytes = rig.length;
    told("o3 main 3, o2 main 1");
    start_from(bytes);
    told("o3 main 3, o2 main 1");
}

/* One look records both, and the crash comes between the two records. */
Test(shortages, of_which_a_crash_left_one_untold)
{
    promise_on_hand();
    count("main", 6);
    ledger_rig_drain(&rig);
    size_t bytes = rig.length;
    _Alignas(8) unsigned char record[RECORD_MAX];
    told("o3 main 3, o2 main 1");
    start_from(bytes + ledger_rig_record(&rig, bytes, record));
    told("o3 main 3, o2 main 1");
}

/* What was cured is on disk, what tells of it is not. */
Test(shortages, that_are_cured_may_come_again_after_a_start)
{
    promise_on_hand();
    count("main", 9);
    told("o3 main 1");
    bring("main", 1);
    ledger_rig_drain(&rig);
    size_t bytes = rig.length;
    told("");
    start_from(bytes);
    told("o3 main 1");
    count("main", 9);
    told("o3 main 1");
}

Test(shortages, come_through_a_snapshot)
{
    struct ledger_rig follower;
    cr_assert_eq(try_transfer("t", 1, NOW + HOUR, true), CODE_OK);
    reserve_at("o1", "main", 5);
    reserve_at("o2", "main", 4);
    count("main", 8);
    told("o2 main 2");
    ledger_end(ctx);
    cr_assert(contents_rig_follow(&follower, &rig, rig.length, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.config.log = rig.ledger->log = &rig.log;
    tap();
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    read_to = 0;
    told("o2 main 2"); /* the event is in the snapshot, and there is no other */
    count("main", 2);
    told("o1 main 4");
    count("main", 0);
    told("t main 1");
}
