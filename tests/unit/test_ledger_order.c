/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one thread does in which order, where another thread would see a wrong one for a moment
 * only: made visible by stopping at that moment, or by holding it open.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static struct reservation_view view;

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void receive(const char *id, const char *sku, const char *at, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(at), .qty = qty
    };
    must(ledger_receive(ctx, &m, &moved));
}

static enum code reserve(const char *id, const struct order_line *lines, uint32_t count)
{
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = count,
                           .has_ttl = true,
                           .ttl_ms = 1000 };
    return ledger_reserve(ctx, &order, &view);
}

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 600, .pools = 600, .reservations = 512, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
}

static void tear_down(void)
{
    char why[256];
    ledger_end(ctx);
    cr_assert_eq(ledger_check(rig.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(ledger_order, .init = set_up, .fini = tear_down);

/* ---- marks before publication ---- */

enum { ITEMS = 3 };

static volatile sig_atomic_t publications, unmarked;

/* The ring is about to be written for the first time since it was closed: a record is published.
 * By then its items are marked, at an LSN that lies behind all that was claimed before. */
static void published(int signal)
{
    (void)signal;
    mprotect(rig.log.bytes, rig.log.capacity, PROT_READ | PROT_WRITE);
    publications++;
    for (uint32_t item = 0; item < ITEMS; item++)
        if (item_version(rig.ledger, item) != atomic_load(&rig.log.tail))
            unmarked++;
}

static void close_ring(void)
{
    ledger_rig_drain(&rig);
    cr_assert_eq(mprotect(rig.log.bytes, rig.log.capacity, PROT_READ), 0);
}

static void expect_raised(const char *what)
{
    cr_assert_eq(publications, 1, "%s", what);
    cr_assert_eq(unmarked, 0, "%s: items were marked after the publication", what);
    publications = 0;
}

Test(ledger_order, a_change_is_marked_before_it_is_published)
{
    static const char *const skus[ITEMS] = { "tea", "cup", "pot" };
    struct order_line lines[ITEMS];
    struct step part = { .id = text_of("r1"), .lines = lines, .line_count = ITEMS };
    struct sigaction action = { .sa_handler = published };
    struct sigaction before;
    for (unsigned i = 0; i < ITEMS; i++) {
        receive(skus[i], skus[i], "main", 10);
        lines[i] = (struct order_line){ .sku = text_of(skus[i]), .qty = 1 };
    }
    cr_assert_eq(sigaction(SIGSEGV, &action, &before), 0);
    close_ring();
    must(reserve("r1", lines, ITEMS));
    expect_raised("reserve");
    close_ring();
    must(ledger_cancel(ctx, &(struct step){ .id = text_of("r1") }, &view));
    expect_raised("cancel");
    must(reserve("r1b", lines, ITEMS));
    part.id = text_of("r1b");
    must(ledger_confirm(ctx, part.id, (struct text){ NULL, 0 }, &view));
    close_ring();
    must(ledger_fulfil(ctx, &part, &view));
    expect_raised("fulfil");
    must(reserve("r2", lines, ITEMS));
    close_ring();
    ledger_end(ctx);
    ledger_begin(ctx, 5000, 5000);
    cr_assert_eq(ledger_expire(ctx, 10), 1);
    expect_raised("expire");
    cr_assert_eq(sigaction(SIGSEGV, &before, NULL), 0);
}

/* ---- a sum that may be of no instant ---- */

/* Two pools, so the buffer is a condition on a sum. While a give is under way, units may be counted
 * twice: what was seen before it moved, and again where it went. */
Test(ledger_order, no_channel_sells_on_a_sum_that_was_not_of_one_instant)
{
    uint64_t lsn;
    uint32_t item;
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    must(ledger_set_location(ctx, &(struct location_setting){ .code = text_of("shop") }, &lsn));
    must(ledger_set_channel(
        ctx,
        &(struct channel_setting){ .code = text_of("default"), .has_buffer = true, .buffer = 2 },
        &lsn));
    receive("m1", "tea", "main", 3);
    receive("m2", "tea", "shop", 3);
    must(find_item(ctx, text_of("tea"), &item));
    gives_begin(item_at(&rig.ledger->items, item)); /* another context gives */
    cr_assert_eq(reserve("r1", &line, 1), CODE_DEFERRED);
    gives_end(item_at(&rig.ledger->items, item));
    must(reserve("r1", &line, 1));
}

/* ---- more than a pool holds, for a moment ---- */

static struct pool *tea_pool(void)
{
    uint32_t item;
    must(find_item(ctx, text_of("tea"), &item));
    return pool_find(&rig.ledger->items, item, 0, owner_of(POOL_SHARED, 0));
}

/* A fulfil over several pools takes all of a full pool; others fill it again, and reserve that;
 * then the fulfil is undone. */
Test(ledger_order, an_undone_fulfil_finds_room_in_a_pool_that_was_filled_and_reserved)
{
    struct order_line all = { .sku = text_of("tea"), .qty = QUANTITY_MAX };
    struct pool_change take = { -QUANTITY_MAX, -QUANTITY_MAX, 1 };
    struct pool_change undo = { QUANTITY_MAX, QUANTITY_MAX, -1 };
    uint64_t after;
    receive("m1", "tea", "main", QUANTITY_MAX);
    must(reserve("r1", &all, 1));
    cr_assert_eq(pool_apply(tea_pool(), take, INT64_MIN, &after), POOL_CHANGED);
    receive("m2", "tea", "main", QUANTITY_MAX);
    must(reserve("r2", &all, 1));
    after = pool_give(tea_pool(), undo);
    cr_assert_eq(word_on_hand(after), 2 * QUANTITY_MAX);
    cr_assert_eq(word_reserved(after), 2 * QUANTITY_MAX);
    cr_assert_eq(word_undecided(after), 0);
}

/* A fulfil is applied, then claims (T): the log may have what was put into the room that it made
 * before it. A start must not refuse that. */
Test(ledger_order, the_log_may_reserve_the_room_that_a_later_fulfil_made)
{
    static unsigned char fulfil[RECORD_MAX];
    struct order_line all = { .sku = text_of("tea"), .qty = QUANTITY_MAX };
    struct ledger_rig follower;
    char why[200];
    receive("m1", "tea", "main", QUANTITY_MAX);
    must(reserve("r1", &all, 1));
    must(ledger_confirm(ctx, text_of("r1"), (struct text){ NULL, 0 }, &view));
    ledger_rig_drain(&rig);
    size_t from = rig.length;
    must(ledger_fulfil(ctx, &(struct step){ .id = text_of("r1") }, &view));
    ledger_rig_drain(&rig);
    size_t length = rig.length - from;
    receive("m2", "tea", "main", QUANTITY_MAX);
    must(reserve("r2", &all, 1));
    ledger_rig_drain(&rig);
    memcpy(fulfil, rig.records + from, length);
    memmove(rig.records + from, rig.records + from + length, rig.length - from - length);
    memcpy(rig.records + rig.length - length, fulfil, length);
    for (size_t upto = rig.length - length; upto <= rig.length; upto += length) {
        cr_assert(ledger_rig_follow(&follower, &rig, upto, 1000, why, sizeof why), "%s", why);
        cr_assert_eq(ledger_check(follower.ledger, why, sizeof why), 0, "%s", why);
        ledger_rig_close(&follower);
    }
}
