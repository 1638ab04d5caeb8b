/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's promises, one by one: sourcing, steps, idempotency, deferral, limits. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { ITEMS = 8, POOLS = 12, SLOTS = 640 };

static struct ledger_rig rig;
static struct ctx *ctx, *other;
static uint64_t now;
static struct reservation_view view;
static struct movement_result moved;
static unsigned next_id;

static void set_up(void)
{
    now = 1000000;
    next_id = 0;
    ledger_rig_open(
        &rig,
        &(struct ledger_config){
            .items = ITEMS, .pools = POOLS, .reservations = SLOTS, .contexts = 2, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    other = ledger_ctx(rig.ledger, 1);
    ledger_begin(ctx, now, now);
    ledger_begin(other, now, now);
}

static void tear_down(void)
{
    char why[256];
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(ledger_rules, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void expect(enum code code, enum code wanted)
{
    cr_assert_eq(code, wanted, "%s, not %s: %s", code_name(code), code_name(wanted),
                 ctx_failure(ctx)->message);
}

static struct movement movement_of(const char *id, const char *sku, const char *at, int64_t qty)
{
    return (struct movement){
        .id = text_of(id), .sku = text_of(sku), .location = text_of(at), .qty = qty
    };
}

static void receive(const char *sku, const char *at, int64_t qty)
{
    char id[16];
    snprintf(id, sizeof id, "m%u", ++next_id);
    struct movement m = movement_of(id, sku, at, qty);
    must(ledger_receive(ctx, &m, &moved));
}

static void count(const char *sku, const char *at, int64_t qty)
{
    char id[16];
    snprintf(id, sizeof id, "c%u", ++next_id);
    struct movement m = movement_of(id, sku, at, qty);
    must(ledger_count(ctx, &m, &moved));
}

static void add_location(const char *code)
{
    uint64_t lsn;
    must(ledger_set_location(ctx, &(struct location_setting){ .code = text_of(code) }, &lsn));
}

static struct order order_of(const char *id, const struct order_line *lines, uint32_t count_lines)
{
    return (struct order){
        .id = text_of(id), .channel = text_of("default"), .lines = lines, .line_count = count_lines
    };
}

static enum code reserve(const char *id, const struct order_line *lines, uint32_t count_lines)
{
    struct order order = order_of(id, lines, count_lines);
    return ledger_reserve(ctx, &order, &view);
}

static enum code reserve_confirmed(const char *id, const struct order_line *lines, uint32_t n)
{
    struct order order = order_of(id, lines, n);
    order.confirm = true;
    return ledger_reserve(ctx, &order, &view);
}

static int64_t available(const char *channel, const char *sku)
{
    int64_t n;
    uint64_t lsn;
    struct text text = text_of(sku);
    must(ledger_availability(ctx, text_of(channel), &text, 1, &n, &lsn));
    return n;
}

#define NO_PLACE                                                                                   \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* ---- sourcing ---- */

Test(ledger_rules, lines_of_one_sku_must_be_there_together)
{
    struct order_line lines[2] = { { text_of("tea"), 3, NO_PLACE },
                                   { text_of("tea"), 3, NO_PLACE } };
    receive("tea", "main", 5);
    expect(reserve("r", lines, 2), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(ctx_failure(ctx)->short_count, 1);
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 2);
    lines[1].qty = 2;
    must(reserve("r", lines, 2));
    cr_assert_eq(view.draw_count, 2);
    cr_assert_eq(available("default", "tea"), 0);
}

/* The free line could take what only the bound one can use. */
Test(ledger_rules, bound_lines_choose_first)
{
    struct order_line lines[2] = { { text_of("tea"), 3, NO_PLACE },
                                   { text_of("tea"), 3, text_of("main") } };
    add_location("store");
    receive("tea", "main", 3);
    receive("tea", "store", 3);
    must(reserve("r", lines, 2));
    cr_assert(text_equal(view.draws[0].location, text_of("store")), "in the order of the lines");
    cr_assert(text_equal(view.draws[1].location, text_of("main")));
}

Test(ledger_rules, available_is_what_one_reserve_can_take)
{
    uint64_t lsn;
    add_location("store");
    add_location("cellar");
    receive("tea", "main", 2);
    receive("tea", "store", 3);
    receive("tea", "cellar", 50);
    must(ledger_set_location(
        ctx,
        &(struct location_setting){ .code = text_of("cellar"), .has_ships = true, .ships = false },
        &lsn));
    must(ledger_set_channel(
        ctx, &(struct channel_setting){ .code = text_of("web"), .has_buffer = true, .buffer = 1 },
        &lsn));
    cr_assert_eq(available("default", "tea"), 5, "the cellar does not ship");
    cr_assert_eq(available("web", "tea"), 5, "what stays may lie in the cellar");
    must(ledger_set_location(ctx,
                             &(struct location_setting){
                                 .code = text_of("cellar"), .has_active = true, .active = false },
                             &lsn));
    cr_assert_eq(available("web", "tea"), 4);
    struct order_line line = { text_of("tea"), 5, NO_PLACE };
    struct order order = order_of("r", &line, 1);
    order.channel = text_of("web");
    expect(ledger_reserve(ctx, &order, &view), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 4);
    line.qty = 4;
    must(ledger_reserve(ctx, &order, &view));
    cr_assert_eq(available("web", "tea"), 0);
    cr_assert_eq(available("default", "tea"), 1);
    cr_assert_eq(available("default", "none"), NO_SUCH_SKU);
}

/* ---- steps ---- */

/* One line each, so one draw each, of one pool; and more of them than a pool counts marks. */
Test(ledger_rules, an_order_of_1024_lines_from_one_pool_is_fulfilled)
{
    static struct order_line lines[LINES_MAX];
    struct step all = { .id = text_of("r") };
    for (int i = 0; i < LINES_MAX; i++)
        lines[i] = (struct order_line){ text_of("tea"), 1, NO_PLACE };
    receive("tea", "main", LINES_MAX);
    must(reserve_confirmed("r", lines, LINES_MAX));
    cr_assert_eq(view.draw_count, LINES_MAX);
    must(ledger_fulfil(ctx, &all, &view));
    cr_assert_str_eq(view.state, "fulfilled");
    expect(reserve("s", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1),
           CODE_INSUFFICIENT_STOCK);
}

/* Its own marks on the pool are no reason to wait. */
Test(ledger_rules, a_short_pool_with_several_draws_is_refused_not_deferred)
{
    struct order_line lines[2] = { { text_of("tea"), 3, NO_PLACE },
                                   { text_of("tea"), 2, NO_PLACE } };
    struct step all = { .id = text_of("r") };
    receive("tea", "main", 5);
    must(reserve_confirmed("r", lines, 2));
    count("tea", "main", 4);
    expect(ledger_fulfil(ctx, &all, &view), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(ctx_failure(ctx)->shorts[0].wanted, 5);
    cr_assert_eq(ctx_failure(ctx)->shorts[0].available, 4);
    struct order_line part[2] = { { text_of("tea"), 2, NO_PLACE },
                                  { text_of("tea"), 2, NO_PLACE } };
    must(ledger_fulfil(ctx, &(struct step){ .id = all.id, .lines = part, .line_count = 2 }, &view));
    cr_assert_str_eq(view.state, "confirmed");
}

Test(ledger_rules, an_undone_fulfil_has_not_moved_anything)
{
    struct order_line lines[2] = { { text_of("tea"), 3, NO_PLACE },
                                   { text_of("cup"), 3, NO_PLACE } };
    struct step all = { .id = text_of("r") };
    struct movement m = movement_of("late", "tea", "main", 10);
    receive("tea", "main", 10);
    receive("cup", "main", 3);
    must(reserve_confirmed("r", lines, 2));
    count("cup", "main", 2);
    m.has_as_of = true;
    m.as_of_ms = now;
    ledger_end(ctx);
    now += 5;
    ledger_begin(ctx, now, now);
    expect(ledger_fulfil(ctx, &all, &view), CODE_INSUFFICIENT_STOCK);
    must(ledger_count(ctx, &m, &moved)); /* 10 were counted before it */
    cr_assert_eq(moved.delta, 0);
    cr_assert_eq(moved.on_hand, 10);
}

Test(ledger_rules, a_count_knows_what_has_moved_since_even_after_a_restart)
{
    static struct ledger_rig follower;
    char why[256];
    struct movement m = movement_of("late", "tea", "main", 10);
    receive("tea", "main", 10);
    m.has_as_of = true;
    m.as_of_ms = now;
    now += 5;
    ledger_end(ctx);
    ledger_begin(ctx, now, now);
    receive("tea", "main", 4);
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now, why, sizeof why), "%s", why);
    struct ctx *recovered = ledger_ctx(follower.ledger, 0);
    ledger_begin(recovered, now, now);
    must(ledger_count(recovered, &m, &moved));
    cr_assert_eq(moved.delta, 0, "10 were counted, 4 came since");
    cr_assert_eq(moved.on_hand, 14);
    ledger_rig_close(&follower);
}

static uint32_t pools_made(void)
{
    return atomic_load(&rig.ledger->items.pool_count);
}

Test(ledger_rules, a_count_that_is_deferred_and_then_too_late_leaves_no_pool)
{
    struct movement broken = movement_of("broken", "tea", "main", 1);
    struct movement late = movement_of("late", "tea", "main", 10);
    broken.damaged = true;
    must(ledger_receive(ctx, &broken, &moved));
    struct item *item = item_at(&rig.ledger->items, 0);
    uint32_t before = pools_made();
    late.has_as_of = true;
    late.as_of_ms = now;
    gives_begin(item); /* of another context, on its way */
    expect(ledger_count(ctx, &late, &moved), CODE_DEFERRED);
    gives_end(item);
    cr_assert_eq(pools_made(), before);
    recent_forget(&other->recent, now + 1);
    expect(ledger_count(ctx, &late, &moved), CODE_BAD_REQUEST);
    cr_assert_eq(pools_made(), before);
}

Test(ledger_rules, an_op_is_no_reservation)
{
    struct step s = { .id = text_of("r"), .op = text_of("r") };
    expect(ledger_cancel(ctx, &s, &view), CODE_BAD_REQUEST);
    s.op = text_of("o");
    expect(ledger_cancel(ctx, &s, &view), CODE_UNKNOWN_RESERVATION);
    receive("tea", "main", 5);
    must(reserve("o", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1));
    must(reserve("r", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1));
    expect(ledger_cancel(ctx, &s, &view), CODE_CONFLICT);
}

/* ---- idempotency ---- */

/* Contents that differ by numbers that cancel each other out. */
Test(ledger_rules, other_content_is_a_conflict)
{
    struct order_line line = { text_of("tea"), 1, NO_PLACE };
    struct movement m = movement_of("same", "tea", "main", 10);
    must(ledger_receive(ctx, &m, &moved));
    for (m.qty = 0; m.qty < 64; m.qty++) {
        if (m.qty > 0 && m.qty != 10)
            expect(ledger_receive(ctx, &m, &moved), CODE_CONFLICT);
        expect(ledger_count(ctx, &m, &moved), CODE_CONFLICT);
        if (m.qty > 0)
            expect(ledger_return(ctx, &m, &moved), CODE_CONFLICT);
        if (m.qty > 0)
            expect(ledger_adjust(ctx, &m, &moved), CODE_CONFLICT);
    }
    struct order order = order_of("r", &line, 1);
    order.has_ttl = true;
    order.ttl_ms = 1003;
    must(ledger_reserve(ctx, &order, &view));
    for (order.ttl_ms = 1000; order.ttl_ms < 1008; order.ttl_ms++)
        for (int confirm = 0; confirm < 2; confirm++) {
            order.confirm = confirm;
            bool same = order.ttl_ms == 1003 && !confirm;
            expect(ledger_reserve(ctx, &order, &view), same ? CODE_OK : CODE_CONFLICT);
        }
    order.has_ttl = false;
    expect(ledger_reserve(ctx, &order, &view), CODE_CONFLICT);
}

Test(ledger_rules, a_refused_id_may_be_used_for_something_else)
{
    struct order_line line = { text_of("tea"), 9, NO_PLACE };
    receive("tea", "main", 5);
    expect(reserve("x", &line, 1), CODE_INSUFFICIENT_STOCK);
    line.qty = 2;
    must(reserve("x", &line, 1));
}

Test(ledger_rules, a_refused_adjustment_leaves_nothing_behind)
{
    struct ledger_metrics before, after;
    struct movement m = movement_of("a", "tea", "store", -1);
    add_location("store");
    receive("tea", "main", 5);
    ledger_metrics(rig.ledger, &before);
    uint64_t tail = atomic_load(&rig.log.tail);
    expect(ledger_adjust(ctx, &m, &moved), CODE_INSUFFICIENT_STOCK);
    ledger_metrics(rig.ledger, &after);
    cr_assert_eq(after.pools, before.pools);
    cr_assert_eq(atomic_load(&rig.log.tail), tail);
}

/* ---- deferral ---- */

static enum code try_receive(void)
{
    struct movement m = movement_of("d1", "tea", "main", 1);
    return ledger_receive(ctx, &m, &moved);
}

static enum code try_reserve(void)
{
    return reserve("d2", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1);
}

static enum code try_extend(void)
{
    return ledger_extend(ctx, text_of("r"), 5, &view);
}

static enum code try_cancel(void)
{
    return ledger_cancel(ctx, &(struct step){ .id = text_of("r"), .op = text_of("d3") }, &view);
}

static enum code try_confirm(void)
{
    return ledger_confirm(ctx, text_of("r"), text_of(""), &view);
}

static enum code try_fulfil(void)
{
    return ledger_fulfil(ctx, &(struct step){ .id = text_of("r") }, &view);
}

static enum code try_look(void)
{
    return ledger_reservation(ctx, text_of("r"), &view);
}

static enum code try_location(void)
{
    uint64_t lsn;
    return ledger_set_location(ctx, &(struct location_setting){ .code = text_of("d4") }, &lsn);
}

static enum code try_item(void)
{
    uint64_t lsn;
    return ledger_set_item(ctx, &(struct item_setting){ .sku = text_of("d5") }, &lsn);
}

Test(ledger_rules, a_full_log_defers_and_nothing_is_changed)
{
    enum code (*const attempts[])(void) = { try_receive, try_reserve, try_extend,   try_confirm,
                                            try_fulfil,  try_cancel,  try_location, try_item };
    receive("tea", "main", 5);
    must(reserve("r", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1));
    uint64_t claimed = atomic_load(&rig.log.tail);
    atomic_store(&rig.log.tail, claimed + rig.log.capacity); /* as if nobody drained */
    ctx->claimed = rig.log.spare + 1;                        /* so that it looks */
    for (unsigned i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        expect(attempts[i](), CODE_DEFERRED);
    cr_assert_eq(atomic_load(&rig.log.tail), claimed + rig.log.capacity);
    must(try_look());
    atomic_store(&rig.log.tail, claimed);
    must(try_receive());
    must(try_reserve());
    must(try_extend());
    must(try_confirm());
    must(try_fulfil());
    must(try_location());
    must(try_item());
}

Test(ledger_rules, what_is_busy_defers_and_is_not_waited_for)
{
    enum code (*const on_reservation[])(void) = { try_extend, try_confirm, try_fulfil, try_cancel,
                                                  try_look };
    struct id_entry *entry;
    uint64_t word;
    struct id_table *ids = &rig.ledger->ids;
    receive("tea", "main", 5);
    must(reserve("r", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1));
    struct text id = text_of("r");
    cr_assert_eq(id_table_find(ids, id, id_hash(ids, id), &entry, &word), ENTRY_FOUND);
    for (unsigned i = 0; i < sizeof on_reservation / sizeof on_reservation[0]; i++)
        expect(on_reservation[i](), CODE_DEFERRED);
    expect(reserve("r", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1),
           CODE_DEFERRED);
    entry_put(entry, word);
    must(try_look());

    cr_assert(catalogue_take(rig.ledger));
    expect(try_location(), CODE_DEFERRED);
    expect(try_item(), CODE_DEFERRED);
    must(try_receive());
    catalogue_put(rig.ledger);
    must(try_location());
}

/* Somebody's undecided order holds the last units: nobody knows yet whether they are gone. */
Test(ledger_rules, too_little_where_a_take_is_undecided_is_deferred)
{
    struct items *items = &rig.ledger->items;
    struct movement less = movement_of("less", "tea", "main", -5);
    receive("tea", "main", 2);
    struct pool *pool = pool_find(items, 0, 0, 0);
    uint64_t after;
    cr_assert_eq(pool_apply(pool, (struct pool_change){ .reserved = 2, .tentative = 1 }, 2, &after),
                 POOL_CHANGED);
    expect(try_reserve(), CODE_DEFERRED);
    expect(ledger_adjust(ctx, &less, &moved), CODE_DEFERRED);
    struct movement counted = movement_of("count", "tea", "main", 2);
    expect(ledger_count(ctx, &counted, &moved), CODE_DEFERRED);
    pool_give(pool, (struct pool_change){ .tentative = -1 });
    expect(try_reserve(), CODE_INSUFFICIENT_STOCK);
    expect(ledger_adjust(ctx, &less, &moved), CODE_INSUFFICIENT_STOCK);
    must(ledger_count(ctx, &counted, &moved));
    pool_give(pool, (struct pool_change){ .reserved = -2 });
    must(try_reserve());
}

/* What a count, itself not decided yet, has taken may come back. */
Test(ledger_rules, a_fulfil_of_what_is_undecided_on_hand_is_deferred)
{
    struct step all = { .id = text_of("r") };
    receive("tea", "main", 2);
    must(reserve_confirmed("r", &(struct order_line){ text_of("tea"), 2, NO_PLACE }, 1));
    struct pool *pool = pool_find(&rig.ledger->items, 0, 0, 0);
    pool_give(pool, (struct pool_change){ .on_hand = -1, .tentative = 1 });
    expect(ledger_fulfil(ctx, &all, &view), CODE_DEFERRED);
    pool_give(pool, (struct pool_change){ .tentative = -1 });
    expect(ledger_fulfil(ctx, &all, &view), CODE_INSUFFICIENT_STOCK);
    pool_give(pool, (struct pool_change){ .on_hand = 1 });
    must(ledger_fulfil(ctx, &all, &view));
}

/* A sum over several places is not the truth while something moves between them. */
Test(ledger_rules, too_little_in_several_pools_while_a_give_is_under_way_is_deferred)
{
    struct order_line line = { text_of("tea"), 5, NO_PLACE };
    add_location("store");
    receive("tea", "main", 2);
    receive("tea", "store", 2);
    struct item *item = item_at(&rig.ledger->items, 0);
    gives_begin(item);
    expect(reserve("r", &line, 1), CODE_DEFERRED);
    line.qty = 4;
    must(reserve("enough", &line, 1));
    gives_end(item);
    expect(reserve("r", &line, 1), CODE_INSUFFICIENT_STOCK);
}

/* ---- two contexts ---- */

Test(ledger_rules, a_deadline_brought_forward_by_another_context_is_kept)
{
    receive("tea", "main", 1);
    must(reserve("r", (struct order_line[]){ { text_of("tea"), 1, NO_PLACE } }, 1));
    cr_assert_eq(ctx_take_wakeups(other), 0);
    must(ledger_extend(other, text_of("r"), 20, &view));
    cr_assert_eq(ctx_take_wakeups(other), 1, "the owner's thread should be woken");
    cr_assert_eq(ctx_take_wakeups(other), 0);
    ledger_end(ctx);
    ledger_begin(ctx, now, now); /* reads its inbox */
    cr_assert_leq(ledger_next_deadline(ctx), now + 20 + WHEEL_TICK_MS);
    ledger_end(ctx);
    ledger_begin(ctx, now + 20 + WHEEL_TICK_MS, now + 20 + WHEEL_TICK_MS);
    while (ledger_expire(ctx, 8) == 8) {
    }
    cr_assert_eq(available("default", "tea"), 1);
}

Test(ledger_rules, what_a_iteration_holds_of_the_catalogue_outlives_a_change)
{
    const struct catalogue *held = ledger_catalogue(ctx);
    uint64_t lsn;
    for (int i = 0; i < 4; i++) {
        struct location_setting s = { .code = text_of("main"),
                                      .has_priority = true,
                                      .priority = i };
        cr_assert_eq(ledger_set_location(other, &s, &lsn), CODE_OK);
        ledger_end(other);
        ledger_begin(other, now, now);
    }
    cr_assert_eq(held->locations[0].priority, 100);
    cr_assert_eq(ledger_catalogue(ctx)->locations[0].priority, 3);
}

/* ---- limits ---- */

Test(ledger_rules, full_tables_say_so_and_go_on_with_what_they_have)
{
    char sku[16];
    struct movement m = movement_of("over", "one more", "main", 1);
    for (int i = 0; i < ITEMS; i++) {
        snprintf(sku, sizeof sku, "s%d", i);
        receive(sku, "main", 1);
    }
    expect(ledger_receive(ctx, &m, &moved), CODE_LIMIT);
    add_location("store");
    for (int i = 0; i < POOLS - ITEMS; i++) {
        snprintf(sku, sizeof sku, "s%d", i);
        receive(sku, "store", 1);
    }
    m = movement_of("over", "s7", "store", 1);
    expect(ledger_receive(ctx, &m, &moved), CODE_LIMIT);
    receive("s7", "main", QUANTITY_MAX - 1);
    m = movement_of("over", "s7", "main", 1);
    expect(ledger_receive(ctx, &m, &moved), CODE_LIMIT);
    cr_assert_not_null(strstr(ctx_failure(ctx)->message, "268435455"));
}

Test(ledger_rules, an_order_has_at_most_1024_lines)
{
    static struct order_line lines[LINES_MAX + 1];
    for (int i = 0; i <= LINES_MAX; i++)
        lines[i] = (struct order_line){ text_of("tea"), 1, NO_PLACE };
    receive("tea", "main", LINES_MAX);
    expect(reserve("r", lines, LINES_MAX + 1), CODE_TOO_LARGE);
    must(reserve_confirmed("r", lines, LINES_MAX));
    struct step s = { .id = text_of("r"), .lines = lines, .line_count = LINES_MAX + 1 };
    expect(ledger_fulfil(ctx, &s, &view), CODE_TOO_LARGE);
    s.line_count = LINES_MAX;
    must(ledger_fulfil(ctx, &s, &view));
    cr_assert_str_eq(view.state, "fulfilled");
}

/* ---- recovery ---- */

Test(ledger_rules, a_channel_that_names_a_group_that_is_gone_is_recovered)
{
    static struct ledger_rig follower;
    char why[256];
    uint64_t lsn;
    struct text group = text_of("north");
    struct location_setting in = {
        .code = text_of("store"), .has_groups = true, .groups = &group, .group_count = 1
    };
    must(ledger_set_location(ctx, &in, &lsn));
    struct channel_setting web = {
        .code = text_of("web"), .has_places = true, .places = &group, .place_count = 1
    };
    must(ledger_set_channel(ctx, &web, &lsn));
    in.group_count = 0;
    must(ledger_set_location(ctx, &in, &lsn));
    must(ledger_set_channel(
        ctx, &(struct channel_setting){ .code = text_of("web"), .has_buffer = true, .buffer = 1 },
        &lsn));
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&follower, &rig, rig.length, now, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, follower.ledger, false, why, sizeof why), "%s", why);
    ledger_rig_close(&follower);
}
