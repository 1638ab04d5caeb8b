/* SPDX-License-Identifier: Apache-2.0 */
/* Ship to store: an order is collected at the store, and what is not there is sent from main. */
#include "engine/ledger/orders.h"
#include "engine/log/record_layout.h"
#include "tests/unit/supply_rig.h"

TestSuite(send, .init = set_up, .fini = tear_down);

static struct reservation_view seen;

static void place(const char *code, const char *ships)
{
    uint64_t lsn;
    struct location_setting setting = { .code = text_of(code),
                                        .has_ships = true,
                                        .ships = strcmp(ships, "ships") == 0 };
    cr_assert_eq(ledger_set_location(ctx, &setting, &lsn), CODE_OK);
}

static struct order_line line_of_tea;

static struct order order_of(const char *id, int64_t qty)
{
    line_of_tea = (struct order_line){ .sku = text_of("tea"), .qty = qty };
    return (struct order){ .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = &line_of_tea,
                           .line_count = 1,
                           .confirm = true,
                           .at = text_of("store"),
                           .supply = text_of("any"),
                           .terms = { .mode = text_of("pickup") } };
}

static enum code try_send(const char *id, int64_t qty)
{
    struct order order = order_of(id, qty);
    return ledger_reserve(ctx, &order, &granted);
}

static void send(const char *id, int64_t qty)
{
    cr_assert_eq(try_send(id, qty), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void supply(const char *id)
{
    cr_assert_eq(ledger_supply(ctx, text_of(id), &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static const char *part(const char *id)
{
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.part_count; i++)
        if (text_equal(seen.parts[i].location, text_of("store")))
            return seen.parts[i].step;
    return "none";
}

static void expect_draw(uint32_t at, int64_t qty, uint64_t ready_ms)
{
    cr_assert_lt(at, granted.draw_count);
    cr_expect(text_equal(granted.draws[at].location, text_of("store")));
    cr_expect_eq(granted.draws[at].qty, qty);
    cr_expect_eq(granted.draws[at].ready_ms, ready_ms, "%llu",
                 (unsigned long long)granted.draws[at].ready_ms);
}

Test(send, what_is_not_there_is_sent)
{
    receive("r2", "store", 2);
    send("o-1", 5);
    cr_assert_eq(granted.draw_count, 2);
    expect_draw(0, 2, NOW);
    expect_draw(1, 3, NOW + 1);
    cr_expect_eq(granted.sends, 1);
    supply("o-1/s1");
    cr_expect_str_eq(view.state, "in_transit");
    cr_expect_str_eq(view.kind, "transfer");
    cr_expect(text_equal(view.from, text_of("main")));
    cr_expect(text_equal(view.location, text_of("store")));
    cr_expect(text_equal(view.reservation, text_of("o-1")));
    cr_expect_not(text_given(view.ref) && view.ref.len > 0);
    cr_assert_eq(view.line_count, 1);
    cr_expect_eq(view.lines[0].qty, 3);
    cr_expect_eq(view.lines[0].shipped, 3);
    cr_expect_eq(on_hand(), 9);
    cr_expect_eq(available("web"), 7);
    struct pool_view own = row("in_transit");
    cr_expect_eq(own.on_hand, 3);
    cr_expect_eq(own.reserved, 3);
    cr_expect(text_equal(own.supply, text_of("o-1/s1")));
}

Test(send, what_is_there_is_not_sent)
{
    receive("r2", "store", 5);
    send("o-1", 5);
    cr_assert_eq(granted.draw_count, 1);
    cr_expect_eq(granted.sends, 0);
    cr_expect_eq(ledger_supply(ctx, text_of("o-1/s1"), &view), CODE_UNKNOWN_RESERVATION);
}

Test(send, without_the_option_nothing_is_sent)
{
    struct order order = order_of("o-1", 1);
    order.supply = (struct text){ NULL, 0 };
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_INSUFFICIENT_STOCK);
}

Test(send, its_arrival_makes_the_part_ready)
{
    receive("r2", "store", 2);
    send("o-1", 5);
    cr_expect_str_eq(part("o-1"), "open");
    cr_expect_eq(try_fulfil("o-1"), CODE_INSUFFICIENT_STOCK);
    arrive("o-1/s1", 1, 0, false);
    cr_expect_str_eq(part("o-1"), "open");
    arrive("o-1/s1", 2, 0, false);
    cr_expect_str_eq(part("o-1"), "ready");
    cr_expect_eq(try_fulfil("o-1"), CODE_OK);
    cr_expect_str_eq(part("o-1"), "fulfilled");
    cr_expect_eq(on_hand(), 7);
}

Test(send, a_hold_is_ready_once_it_is_confirmed)
{
    struct order order = order_of("o-1", 3);
    order.confirm = false;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK);
    arrive("o-1/s1", -1, 0, false);
    cr_expect_str_eq(part("o-1"), "open");
    cr_assert_eq(ledger_confirm(ctx, text_of("o-1"), (struct text){ NULL, 0 }, &seen), CODE_OK);
    cr_expect_str_eq(part("o-1"), "ready");
}

Test(send, a_repeat_gets_the_first_result)
{
    receive("r2", "store", 2);
    send("o-1", 5);
    uint64_t lsn = granted.lsn;
    arrive("o-1/s1", -1, 0, false);
    send("o-1", 5);
    cr_expect_eq(granted.lsn, lsn);
    cr_assert_eq(granted.draw_count, 2);
    expect_draw(1, 3, NOW + 1);
    cr_expect_eq(granted.sends, 1);
    struct order plain = order_of("o-1", 5);
    plain.supply = (struct text){ NULL, 0 };
    cr_expect_eq(ledger_reserve(ctx, &plain, &granted), CODE_CONFLICT);
}

Test(send, cancelled_units_are_free_supply_under_way)
{
    send("o-1", 4);
    cr_expect_eq(available("web"), 6);
    cancel("o-1");
    at_time(NOW); /* it is promised until it is late */
    cr_expect_eq(row("in_transit").reserved, 0);
    cr_expect_eq(row("in_transit").on_hand, 4);
    arrive("o-1/s1", -1, 0, false);
    cr_expect_eq(row("shared").on_hand, 4);
    cr_expect_eq(available("web"), 10);
    cr_expect_str_eq(part("o-1"), "cancelled");
}

Test(send, all_or_nothing)
{
    cr_expect_eq(try_send("o-1", 11), CODE_INSUFFICIENT_STOCK);
    cr_expect_eq(ctx_failure(ctx)->shorts[0].available, 10);
    cr_expect_eq(available("web"), 10);
    cr_expect_eq(ledger_supply(ctx, text_of("o-1/s1"), &view), CODE_UNKNOWN_RESERVATION);
    struct order order = order_of("o-1", 11);
    order.partial = true;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK);
    cr_expect_eq(granted.missing_count, 1);
    cr_expect_eq(granted.missing[0].qty, 1);
    cr_expect_eq(available("web"), 0);
}

Test(send, places_that_send_no_parcels_send_nothing)
{
    place("cellar", "keeps");
    receive("r2", "cellar", 5);
    cr_expect_eq(try_send("o-1", 11), CODE_INSUFFICIENT_STOCK);
    place("attic", "ships");
    receive("r3", "attic", 5);
    send("o-1", 11);
    cr_expect_eq(granted.sends, 2);
    supply("o-1/s2");
    cr_expect(text_equal(view.from, text_of("attic")));
    struct text excluded = text_of("main");
    struct order order = order_of("o-2", 2);
    order.terms.exclude = &excluded;
    order.terms.exclude_count = 1;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK);
    supply("o-2/s1");
    cr_expect(text_equal(view.from, text_of("attic")));
}

Test(send, nothing_is_sent_where_the_channel_does_not_sell_or_nobody_collects)
{
    uint64_t lsn;
    struct text places[] = { text_of("main") };
    struct channel_setting near = {
        .code = text_of("near"), .has_places = true, .places = places, .place_count = 1
    };
    cr_assert_eq(ledger_set_channel(ctx, &near, &lsn), CODE_OK);
    struct order order = order_of("o-1", 1);
    order.channel = text_of("near");
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_INSUFFICIENT_STOCK);
    struct location_setting store = { .code = text_of("store"), .has_pickup = true };
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    cr_expect_eq(try_send("o-1", 1), CODE_INSUFFICIENT_STOCK);
}

Test(send, what_has_not_come_elsewhere_is_not_sent)
{
    place("attic", "ships");
    struct supply_line line = tea(5, 0);
    struct supply_order order = { .id = text_of("po-1"),
                                  .location = text_of("attic"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK);
    cr_expect_eq(try_send("o-1", 11), CODE_INSUFFICIENT_STOCK);
    cr_expect_eq(ctx_failure(ctx)->shorts[0].available, 10);
    send("o-1", 10);
}

Test(send, one_parcel_if_one_place_can_send_all)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of("web"),
                                   .has_sourcing = true,
                                   .sourcing = text_of("fewest") };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    place("attic", "ships");
    receive("r2", "attic", 12);
    receive("r3", "store", 1);
    send("o-1", 12);
    cr_expect_eq(granted.sends, 1);
    supply("o-1/s1");
    cr_expect(text_equal(view.from, text_of("attic")));
    cr_expect_eq(view.lines[0].qty, 11);
}

/* What nobody can send is served where it is collected. */
Test(send, what_is_short_then_may_be_backordered)
{
    uint64_t lsn;
    struct item_setting tea = { .sku = text_of("tea"),
                                .has_backorder_limit = true,
                                .backorder_limit = 5 };
    cr_assert_eq(ledger_set_item(ctx, &tea, &lsn), CODE_OK);
    struct order order = order_of("o-1", 14);
    order.backorder = true;
    receive("r2", "store", 1);
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(granted.draw_count, 3);
    expect_draw(0, 1, NOW);
    expect_draw(1, 10, NOW + 1);
    cr_expect_eq(granted.draws[2].qty, 3);
    cr_expect_eq(granted.draws[2].location.len, 0);
    arrive("o-1/s1", -1, 0, false);
    cr_expect_str_eq(part("o-1"), "ready");
    receive("r3", "main", 5);
    at_time(NOW);
    cr_expect_eq(available("web"), 5);
    receive("r4", "store", 3);
    at_time(NOW);
    cr_assert_eq(ledger_reservation(ctx, text_of("o-1"), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.draw_count; i++)
        cr_expect(text_equal(seen.draws[i].location, text_of("store")));
    cr_expect_eq(try_fulfil("o-1"), CODE_OK);
}

Test(send, on_hand_elsewhere_comes_before_what_is_expected_there)
{
    expect("po-1", 50, NOW + HOUR);
    receive("r2", "store", 1);
    send("o-1", 15);
    cr_assert_eq(granted.draw_count, 3);
    expect_draw(0, 1, NOW);
    expect_draw(1, 10, NOW + 1);
    expect_draw(2, 4, NOW + HOUR);
    arrive("o-1/s1", -1, 0, false);
    cr_expect_str_eq(part("o-1"), "open");
    arrive("po-1", -1, 0, false);
    cr_expect_str_eq(part("o-1"), "open"); /* nobody sent that */
}

Test(send, its_id_belongs_to_it)
{
    cr_assert_eq(try_transfer("o-1/s1", 1, NOW + HOUR, false), CODE_OK);
    cr_expect_eq(try_send("o-1", 3), CODE_CONFLICT);
    cr_expect_eq(available("web"), 10); /* the transfer's unit is sold as well */
    send("o-2", 3);
    cr_expect_eq(try_transfer("o-2/s1", 3, NOW + HOUR, false), CODE_CONFLICT);
}

Test(send, long_ids_have_transfers_too)
{
    char id[ID_MAX];
    struct text of = { id, ID_MAX };
    memset(id, 'x', sizeof id);
    line_of_tea = (struct order_line){ .sku = text_of("tea"), .qty = 1 };
    struct order order = order_of("", 1);
    order.id = of;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    char name[ID_MAX];
    struct text sent = { name, ledger_send_id(of, 1, name) };
    cr_assert_eq(ledger_supply(ctx, sent, &view), CODE_OK);
    cr_expect(text_equal(view.reservation, of));
    struct supply_step step = { .id = sent, .all = true };
    cr_assert_eq(ledger_arrive(ctx, &step, &view), CODE_OK);
    cr_assert_eq(ledger_reservation(ctx, of, &seen), CODE_OK);
    cr_expect_str_eq(seen.parts[0].step, "ready");
}

static void expect_bad(struct order order)
{
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_BAD_REQUEST);
    cr_assert(ctx_failure(ctx)->param != NULL);
    cr_expect_str_eq(ctx_failure(ctx)->param, "supply");
}

Test(send, what_the_option_needs)
{
    struct order order = order_of("o-1", 1);
    order.supply = text_of("some");
    expect_bad(order);
    order = order_of("o-1", 1);
    order.supply = text_of("");
    expect_bad(order);
    order = order_of("o-1", 1);
    order.terms.mode = (struct text){ NULL, 0 };
    expect_bad(order);
    order = order_of("o-1", 1);
    order.terms.mode = text_of("ship");
    expect_bad(order);
    order = order_of("o-1", 1);
    order.at = (struct text){ NULL, 0 };
    expect_bad(order);
    order = order_of("o-1", 1);
    line_of_tea.location = text_of("main");
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_BAD_REQUEST);
    cr_expect_str_eq(ctx_failure(ctx)->param, "location");
    line_of_tea.location = text_of("store");
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_OK);
}

Test(send, a_promise_says_the_same)
{
    receive("r2", "store", 2);
    struct order order = order_of("", 13);
    order.id = (struct text){ NULL, 0 };
    cr_assert_eq(ledger_promise(ctx, &order, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(granted.draw_count, 2);
    expect_draw(0, 2, NOW);
    expect_draw(1, 10, NOW + 1);
    cr_expect_eq(granted.missing_count, 1);
    cr_expect_eq(granted.missing[0].qty, 1);
    cr_expect_eq(available("web"), 12);
}

Test(send, lead_times_of_both_places_count)
{
    uint64_t lsn;
    struct location_setting setting = { .code = text_of("main"),
                                        .has_lead_time = true,
                                        .lead_time_s = 3600 };
    cr_assert_eq(ledger_set_location(ctx, &setting, &lsn), CODE_OK);
    setting = (struct location_setting){ .code = text_of("store"),
                                         .has_lead_time = true,
                                         .lead_time_s = 1800 };
    cr_assert_eq(ledger_set_location(ctx, &setting, &lsn), CODE_OK);
    struct order order = order_of("o-1", 3);
    order.terms.has_by = true;
    order.terms.by_ms = NOW + HOUR + HOUR / 2 - 1;
    cr_expect_eq(ledger_reserve(ctx, &order, &granted), CODE_INSUFFICIENT_STOCK);
    order.terms.by_ms++;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK);
    expect_draw(0, 3, NOW + HOUR + HOUR / 2);
    supply("o-1/s1");
    cr_expect_eq(view.eta_ms, NOW + HOUR);
}

Test(send, allotted_units_are_sent_first_and_safety_stock_stays)
{
    uint64_t lsn;
    struct allot_result allotted;
    struct allotment a = { .id = text_of("a1"),
                           .sku = text_of("tea"),
                           .location = text_of("main"),
                           .channel = text_of("web"),
                           .qty = 4 };
    cr_assert_eq(ledger_allot(ctx, &a, &allotted), CODE_OK);
    struct location_setting setting = { .code = text_of("main"), .has_safety = true, .safety = 2 };
    cr_assert_eq(ledger_set_location(ctx, &setting, &lsn), CODE_OK);
    cr_expect_eq(try_send("o-1", 9), CODE_INSUFFICIENT_STOCK);
    send("o-1", 6);
    cr_expect_eq(granted.sends, 1);
    supply("o-1/s1");
    cr_assert_eq(view.line_count, 1);
    cr_expect_eq(view.lines[0].qty, 6);
    arrive("o-1/s1", -1, 0, false);
    cr_expect_str_eq(part("o-1"), "ready");
}

Test(send, a_buffer_is_left)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of("web"), .has_buffer = true, .buffer = 3 };
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    receive("r2", "store", 2);
    cr_expect_eq(try_send("o-1", 10), CODE_INSUFFICIENT_STOCK);
    send("o-1", 9);
    cr_expect_eq(granted.sends, 1);
    cr_expect_eq(try_send("o-2", 1), CODE_INSUFFICIENT_STOCK);
}

Test(send, what_is_lost_is_short)
{
    send("o-1", 4);
    arrive("o-1/s1", 2, 1, true);
    cr_expect_str_eq(part("o-1"), "open");
    cr_expect_eq(try_fulfil("o-1"), CODE_INSUFFICIENT_STOCK);
    receive("r2", "store", 2);
    cr_expect_eq(try_fulfil("o-1"), CODE_OK);
}

/* Two draws of one pool: each alone would be covered. */
Test(send, all_of_a_pool_must_have_come)
{
    struct order_line lines[] = { { .sku = text_of("tea"), .qty = 3 },
                                  { .sku = text_of("tea"), .qty = 3 } };
    struct order order = order_of("o-1", 3);
    order.lines = lines;
    order.line_count = 2;
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_expect_eq(granted.sends, 1);
    arrive("o-1/s1", 4, 0, false);
    cr_expect_str_eq(part("o-1"), "open");
    arrive("o-1/s1", 2, 0, false);
    cr_expect_str_eq(part("o-1"), "ready");
}

Test(send, a_start_makes_ready_what_a_crash_left)
{
    struct ledger_rig follower;
    send("o-1", 4);
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    size_t before = rig.length, arrived;
    ledger_begin(ctx, NOW, NOW);
    arrive("o-1/s1", -1, 0, false);
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    arrived = before + ledger_rig_record(&rig, before, (uint64_t[RECORD_MAX / 8]){ 0 });
    cr_assert_lt(arrived, rig.length); /* the ready record is behind it */
    cr_assert(ledger_rig_follow(&follower, &rig, arrived, NOW, why, sizeof why), "%s", why);
    struct ctx *other = ledger_ctx(follower.ledger, 0);
    ledger_begin(other, NOW, NOW);
    ledger_expire(other, 1000);
    cr_assert_eq(ledger_reservation(other, text_of("o-1"), &seen), CODE_OK);
    cr_expect_str_eq(seen.parts[0].step, "ready");
    ledger_end(other);
    ledger_rig_drain(&follower);
    cr_assert_eq(ledger_check(follower.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&follower);
    ledger_begin(ctx, NOW, NOW);
}

/* Whatever the place has said of it since. */
Test(send, a_later_start_leaves_alone_what_was_made_ready)
{
    struct ledger_rig follower;
    send("o-1", 4);
    arrive("o-1/s1", -1, 0, false);
    struct set_aside until = { .id = text_of("o-1"),
                               .location = text_of("store"),
                               .has_collect_by = true,
                               .collect_by_ms = NOW + HOUR };
    cr_assert_eq(ledger_ready(ctx, &until, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, NOW, why, sizeof why), "%s", why);
    struct ctx *other = ledger_ctx(follower.ledger, 0);
    ledger_begin(other, NOW, NOW);
    ledger_expire(other, 1000);
    cr_assert_eq(ledger_reservation(other, text_of("o-1"), &seen), CODE_OK);
    cr_expect_eq(seen.parts[0].collect_by_ms, NOW + HOUR);
    ledger_end(other);
    ledger_rig_drain(&follower);
    cr_expect_eq(follower.length, rig.length); /* it has written nothing */
    ledger_rig_close(&follower);
}

/* So a history query finds the record in a sealed segment by a transfer's id, too. */
Test(send, its_record_is_found_by_the_ids_of_its_transfers)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    struct text ids[RECORD_IDS];
    send("o-1", 3);
    ledger_rig_drain(&rig);
    int found = 0;
    for (size_t at = 0; at < rig.length;) {
        at += ledger_rig_record(&rig, at, record);
        int count = record_ids((const struct record_head *)(const void *)record, ids);
        for (int i = 0; i < count; i++)
            found += text_equal(ids[i], text_of("o-1/s1"));
    }
    cr_expect_eq(found, 1);
}
