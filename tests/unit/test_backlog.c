/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that wait for units, and places that cannot give what was promised from them. */
#include <stdio.h>

#include "engine/base/limits.h"
#include "tests/unit/supply_rig.h"

static struct reservation_view seen;

static void set_limit(int64_t limit)
{
    uint64_t lsn;
    struct item_setting s = { .sku = text_of("tea"),
                              .has_backorder_limit = true,
                              .backorder_limit = limit };
    cr_assert_eq(ledger_set_item(ctx, &s, &lsn), CODE_OK);
}

static void set_up_backlog(void)
{
    slots = 8192; /* an order with very many draws moves them to other slots */
    pools = 256;
    set_up();
    set_limit(5000);
}

TestSuite(backlog, .init = set_up_backlog, .fini = tear_down);

static struct order_line line(int64_t qty, const char *location)
{
    return (struct order_line){ .sku = text_of("tea"),
                                .qty = qty,
                                .location =
                                    location ? text_of(location) : (struct text){ NULL, 0 } };
}

static void backorder(const char *id, const char *channel, const struct order_line *lines,
                      uint32_t count)
{
    struct order order = { .id = text_of(id),
                           .channel = text_of(channel),
                           .lines = lines,
                           .line_count = count,
                           .confirm = true,
                           .backorder = true };
    cr_assert_eq(ledger_reserve(ctx, &order, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void reject(const char *id, const char *location, enum reject_reason reason)
{
    struct rejection rejection = { .id = text_of(id),
                                   .location = text_of(location),
                                   .reason = reason };
    cr_assert_eq(ledger_reject(ctx, &rejection, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* Units that the order draws from there; NULL: that it waits for. */
static int64_t drawn(const char *id, const char *location)
{
    struct text place = location ? text_of(location) : (struct text){ NULL, 0 };
    int64_t units = 0;
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.draw_count; i++)
        if (text_equal(seen.draws[i].location, place))
            units += seen.draws[i].qty;
    return units;
}

/* Such an order would stand in everybody's way for ever. */
Test(backlog, who_can_draw_no_more_is_passed_over)
{
    enum { TOO_MANY = DRAWS_MAX + 10 };
    struct order_line lines[] = { line(10 + TOO_MANY, NULL) }, few[] = { line(3, NULL) };
    backorder("wholesale", "web", lines, 1);
    backorder("later", "web", few, 1);
    for (int i = 0; i < TOO_MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "come %d", i);
        receive(id, "main", 1);
    }
    int64_t over = TOO_MANY - (DRAWS_MAX - 2);
    cr_assert_eq(drawn("wholesale", NULL), over);
    cr_assert_eq(drawn("later", "main"), 3);
    cr_assert_eq(available("web"), over - 3);
    reserve("retail", 1);
    cr_assert_eq(drawn("retail", "main"), 1);
}

/* What is bound to a place has no choice. */
Test(backlog, of_one_order_bound_lines_are_served_first)
{
    struct order_line lines[] = { line(14, NULL), line(4, "main") };
    backorder("o", "web", lines, 2);
    cr_assert_eq(drawn("o", NULL), 8);
    cr_assert_eq(drawn("o", "main"), 10);
    receive("r2", "main", 4);
    receive("r3", "store", 4);
    cr_assert_eq(drawn("o", NULL), 0);
    cr_assert_eq(drawn("o", "main"), 14);
    cr_assert_eq(drawn("o", "store"), 4);
}

/* A look keeps only the first few of those who wait. */
Test(backlog, an_order_that_waits_for_many_places)
{
    enum { PLACES = 80 };
    static char codes[PLACES][8];
    struct order_line lines[PLACES];
    uint64_t lsn;
    for (int i = 0; i < PLACES; i++) {
        snprintf(codes[i], sizeof codes[i], "s%d", i);
        struct location_setting place = { .code = text_of(codes[i]) };
        cr_assert_eq(ledger_set_location(ctx, &place, &lsn), CODE_OK);
        lines[i] = line(1, codes[i]);
    }
    backorder("o", "web", lines, PLACES);
    for (int i = PLACES - 1; i >= 0; i--) {
        char id[16];
        snprintf(id, sizeof id, "come %d", i);
        receive(id, codes[i], 1);
        cr_assert_eq(drawn("o", codes[i]), 1, "place %d", i);
    }
    cr_assert_eq(drawn("o", NULL), 0);
}

/* An amend that gives something back, and draws what others wait for in vain. */
Test(backlog, an_amend_leaves_visible_what_is_free)
{
    uint64_t lsn;
    struct text store = text_of("store");
    struct channel_setting outlet = {
        .code = text_of("outlet"), .has_places = true, .places = &store, .place_count = 1
    };
    struct movement_result moved;
    struct movement m = {
        .id = text_of("r2"), .sku = text_of("coffee"), .location = text_of("main"), .qty = 5
    };
    cr_assert_eq(ledger_set_channel(ctx, &outlet, &lsn), CODE_OK);
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
    struct order_line waits[] = { line(3, NULL) };
    backorder("waits", "outlet", waits, 1);
    struct order_line before[] = { { .sku = text_of("coffee"), .qty = 2 } };
    struct order order = {
        .id = text_of("o"), .channel = text_of("web"), .lines = before, .line_count = 1
    };
    cr_assert_eq(ledger_reserve(ctx, &order, &seen), CODE_OK);
    cr_assert_eq(available("web"), 10);
    struct order_line after[] = { line(4, NULL) };
    struct amendment amend = { .id = text_of("o"), .lines = after, .line_count = 1 };
    cr_assert_eq(ledger_amend(ctx, &amend, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(drawn("waits", NULL), 3);
    cr_assert_eq(available("web"), 6);
}

/* What a late count must know of is known after a start, too. */
Test(backlog, a_start_knows_when_units_were_rejected)
{
    struct ledger_rig follower;
    struct movement_result counted;
    reserve("o", 2);
    at_time(NOW + 1000);
    receive("r2", "main", 5);
    at_time(NOW + 2000);
    reject("o", "main", REJECT_NOT_FOUND);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, ctx->engine_ms, why, sizeof why), "%s",
              why);
    struct ctx *other = ledger_ctx(follower.ledger, 0);
    ledger_begin(other, NOW + 3000, NOW + 3000);
    struct movement count = { .id = text_of("c"),
                              .sku = text_of("tea"),
                              .location = text_of("main"),
                              .qty = 10,
                              .has_as_of = true,
                              .as_of_ms = NOW + 500 };
    cr_assert_eq(ledger_count(other, &count, &counted), CODE_OK);
    cr_assert_eq(counted.on_hand, 10 + 5 - 2);
    ledger_end(other);
    ledger_rig_close(&follower);
}
