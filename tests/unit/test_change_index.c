/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes mark which items, and what a walk over the marks meets. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "tests/support/ledger_rig.h"

enum { ITEMS = 3 * VERSIONS_PER_BLOCK };

#define NO_PLACE ((struct text){ NULL, 0 })

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
    ledger_rig_open(&rig, &(struct ledger_config){ .items = ITEMS,
                                                   .pools = 2 * ITEMS,
                                                   .reservations = 8192,
                                                   .contexts = 2,
                                                   .hash_seed = 3 });
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

TestSuite(versions, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static uint64_t receive_by(struct ctx *by, const char *sku, int64_t qty)
{
    char id[16];
    snprintf(id, sizeof id, "m%u", ++next_id);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = qty
    };
    must(ledger_receive(by, &m, &moved));
    return moved.lsn;
}

static uint64_t receive(const char *sku, int64_t qty)
{
    return receive_by(ctx, sku, qty);
}

static uint64_t count(const char *sku, int64_t qty)
{
    char id[16];
    snprintf(id, sizeof id, "c%u", ++next_id);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = qty
    };
    must(ledger_count(ctx, &m, &moved));
    return moved.lsn;
}

static struct order_line line(const char *sku, int64_t qty)
{
    return (struct order_line){ text_of(sku), qty, NO_PLACE };
}

static uint64_t reserve(const char *id, bool confirm, const struct order_line *lines, uint32_t n)
{
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = n,
                           .confirm = confirm };
    must(ledger_reserve(ctx, &order, &view));
    return view.lsn;
}

static uint64_t mark_of(const char *sku)
{
    uint32_t item;
    must(find_item(ctx, text_of(sku), &item));
    return item_version(rig.ledger, item);
}

/* What a walk meets, as "sku sku ..." */
static const char *walk(uint64_t since)
{
    static char met[512];
    uint32_t cursor = 0, item;
    uint64_t lsn;
    met[0] = '\0';
    while (change_index_next(rig.ledger, since, &cursor, &item, &lsn)) {
        struct text sku = ledger_item_sku(rig.ledger, item);
        size_t length = strlen(met);
        cr_assert_gt(lsn, since);
        cr_assert_eq(lsn, item_version(rig.ledger, item));
        snprintf(met + length, sizeof met - length, "%s%.*s", length ? " " : "", (int)sku.len,
                 sku.at);
    }
    return met;
}

Test(versions, a_walk_meets_what_changed_since)
{
    cr_assert_str_eq(walk(0), "");
    uint64_t first = receive("tea", 5), second = receive("cup", 5);
    cr_assert_str_eq(walk(0), "tea cup");
    cr_assert_str_eq(walk(first - 1), "tea cup");
    cr_assert_str_eq(walk(first), "cup");
    cr_assert_str_eq(walk(second), "");
    uint64_t third = receive_by(other, "tea", 1);
    cr_assert_str_eq(walk(second), "tea");
    cr_assert_str_eq(walk(first), "tea cup");
    cr_assert_str_eq(walk(third), "");
}

Test(versions, every_movement_raises_its_item_with_its_lsn)
{
    struct movement m = {
        .id = text_of("a"), .sku = text_of("tea"), .location = text_of("main"), .qty = -2
    };
    cr_assert_eq(receive("tea", 5), mark_of("tea"));
    must(ledger_adjust(ctx, &m, &moved));
    cr_assert_eq(moved.lsn, mark_of("tea"));
    uint64_t found_more = count("tea", 9);
    cr_assert_eq(found_more, mark_of("tea"));
    uint64_t found_less = count("tea", 1);
    cr_assert_eq(found_less, mark_of("tea"));
    m.id = text_of("b");
    m.qty = 1;
    must(ledger_return(ctx, &m, &moved));
    cr_assert_eq(moved.lsn, mark_of("tea"));
    uint64_t before = mark_of("tea");
    must(ledger_return(ctx, &m, &moved)); /* again: nothing changes */
    cr_assert_eq(mark_of("tea"), before);
    struct allotment a = { text_of("c"), m.sku, m.location, text_of("default"), 1 };
    struct allot_result allotted;
    must(ledger_allot(ctx, &a, &allotted));
    cr_assert_gt(allotted.lsn, before);
    cr_assert_eq(mark_of("tea"), allotted.lsn);
}

Test(versions, a_reservation_raises_the_items_of_all_its_draws)
{
    struct order_line lines[2] = { line("tea", 1), line("cup", 1) };
    receive("tea", 5);
    receive("cup", 5);
    receive("pot", 5);
    uint64_t before = log_head(&rig.log), pot = mark_of("pot");
    uint64_t lsn = reserve("r1", false, lines, 2);
    cr_assert_eq(mark_of("tea"), lsn);
    cr_assert_eq(mark_of("cup"), lsn);
    cr_assert_eq(mark_of("pot"), pot);
    struct step step = { .id = text_of("r1") };
    must(ledger_confirm(ctx, step.id, NO_PLACE, &view)); /* no stock changes */
    cr_assert_eq(mark_of("tea"), lsn);
    struct step part = { .id = step.id, .lines = lines, .line_count = 1 };
    must(ledger_fulfil(ctx, &part, &view));
    cr_assert_eq(mark_of("tea"), view.lsn);
    cr_assert_eq(mark_of("cup"), lsn);
    must(ledger_cancel(ctx, &step, &view));
    cr_assert_eq(mark_of("cup"), view.lsn);
    cr_assert_str_eq(walk(before), "tea cup pot");
}

Test(versions, an_expiry_raises_its_items)
{
    struct order_line lines[1] = { line("tea", 1) };
    receive("tea", 5);
    uint64_t lsn = reserve("r1", false, lines, 1);
    ledger_end(ctx);
    now += DEFAULT_HOLD_MS + 1000;
    ledger_begin(ctx, now, now);
    while (ledger_expire(ctx, 8) == 8) {
    }
    cr_assert_gt(mark_of("tea"), lsn);
    cr_assert_eq(mark_of("tea"), atomic_load(&rig.log.tail));
}

/* What is not there is found before anything is taken, so there is nothing to be undone. */
Test(versions, a_refused_fulfil_raises_nothing)
{
    struct order_line lines[2] = { line("tea", 3), line("cup", 3) };
    struct step all = { .id = text_of("r1") };
    receive("tea", 10);
    receive("cup", 3);
    uint64_t tea = reserve("r1", true, lines, 2);
    uint64_t cup = count("cup", 2);
    cr_assert_eq(ledger_fulfil(ctx, &all, &view), CODE_INSUFFICIENT_STOCK);
    cr_assert_eq(mark_of("tea"), tea);
    cr_assert_eq(mark_of("cup"), cup);
    cr_assert_eq(atomic_load(&rig.log.tail), cup);
}

/* A pool may refuse at the last moment: others have changed it since it was looked at. Then what
 * the pools before it had given was missing for a while, and may have been seen so. */
Test(versions, a_fulfil_that_is_undone_raises_what_it_had_taken)
{
    struct order_line lines[2] = { line("tea", 3), line("cup", 3) };
    struct step all = { .id = text_of("r1") };
    uint32_t cup;
    uint64_t after;
    receive("tea", 10);
    receive("cup", 10);
    uint64_t tea = reserve("r1", true, lines, 2);
    must(find_item(ctx, text_of("cup"), &cup));
    struct pool_walk walk = pool_walk_start(&rig.ledger->items, cup);
    struct pool *pool = pool_walk_next(&walk);
    struct pool_change nothing_promised = { .reserved = -3 }, promised = { .reserved = 3 };
    cr_assert_eq(pool_apply(pool, nothing_promised, INT64_MIN, &after), POOL_CHANGED);
    /* Each plan finds all on hand, and each take fails: so it is never refused, only deferred. */
    cr_assert_eq(ledger_fulfil(ctx, &all, &view), CODE_DEFERRED);
    cr_assert_gt(mark_of("tea"), tea);
    cr_assert_eq(mark_of("tea"), atomic_load(&rig.log.tail));
    cr_assert_eq(mark_of("cup"), tea, "nothing was taken of it");
    cr_assert_eq(pool_apply(pool, promised, INT64_MIN, &after), POOL_CHANGED);
    must(ledger_fulfil(ctx, &all, &view));
}

/* Several draws need a slot more than one does. They are set aside before any stock is taken, so an
 * order that finds none undoes nothing. */
Test(versions, an_order_without_slots_raises_nothing)
{
    struct order_line one[1] = { line("tea", 1) }, two[2] = { line("cup", 1), line("pot", 1) };
    char id[16];
    receive("tea", 100000);
    receive("cup", 5);
    receive("pot", 5);
    enum code code = CODE_OK;
    for (unsigned i = 0; code == CODE_OK; i++) {
        snprintf(id, sizeof id, "r%u", i);
        struct order order = {
            .id = text_of(id), .channel = text_of("default"), .lines = one, .line_count = 1
        };
        code = ledger_reserve(ctx, &order, &view);
        ledger_rig_drain(&rig);
    }
    cr_assert_eq(code, CODE_LIMIT);
    must(ledger_cancel(ctx, &(struct step){ .id = text_of("r0") }, &view));
    struct order order = {
        .id = text_of("last"), .channel = text_of("default"), .lines = two, .line_count = 2
    };
    uint64_t cup = mark_of("cup"), pot = mark_of("pot"), tail = atomic_load(&rig.log.tail);
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_LIMIT);
    cr_assert_eq(mark_of("cup"), cup);
    cr_assert_eq(mark_of("pot"), pot);
    cr_assert_eq(atomic_load(&rig.log.tail), tail);
}

Test(versions, details_version_their_item_and_the_catalogue_moves_a_number_of_its_own)
{
    uint64_t lsn, tea = receive("tea", 5);
    cr_assert_eq(ledger_catalogue_lsn(rig.ledger), 0);
    must(ledger_set_item(
        ctx,
        &(struct item_setting){ .sku = text_of("tea"), .has_name = true, .name = text_of("Assam") },
        &lsn));
    cr_assert_eq(mark_of("tea"), lsn);
    cr_assert_gt(lsn, tea);
    uint64_t named = lsn;
    must(ledger_set_item(ctx,
                         &(struct item_setting){ .sku = text_of("tea"),
                                                 .has_barcode = true,
                                                 .barcode = text_of("4006381333931") },
                         &lsn));
    cr_assert_gt(lsn, named, "a barcode is a detail, too");
    cr_assert_eq(mark_of("tea"), lsn);
    must(ledger_set_location(ctx, &(struct location_setting){ .code = text_of("store") }, &lsn));
    cr_assert_eq(ledger_catalogue_lsn(rig.ledger), lsn);
    must(ledger_set_channel(ctx, &(struct channel_setting){ .code = text_of("web") }, &lsn));
    cr_assert_eq(ledger_catalogue_lsn(rig.ledger), lsn);
    uint64_t again;
    must(ledger_set_channel(ctx, &(struct channel_setting){ .code = text_of("web") }, &again));
    cr_assert_eq(again, lsn);
    cr_assert_eq(ledger_catalogue_lsn(rig.ledger), lsn);
    must(ledger_set_calendar(ctx, &(struct calendar_setting){ .code = text_of("hours") }, &again));
    cr_assert_gt(again, lsn);
    cr_assert_eq(ledger_catalogue_lsn(rig.ledger), lsn, "no calendar changes availability");
    cr_assert_str_eq(walk(lsn), "");
}

Test(versions, a_walk_passes_over_blocks_in_which_nothing_changed)
{
    char sku[16];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(sku, sizeof sku, "s%d", i);
        receive(sku, 1);
        ledger_rig_drain(&rig);
    }
    uint64_t before = atomic_load(&rig.log.tail);
    receive_by(other, "s3", 1);
    receive("s1535", 1);
    receive_by(other, "s512", 1);
    cr_assert_str_eq(walk(before), "s3 s512 s1535");
    /* A walk may be left and gone on with. */
    uint32_t cursor = 0, item;
    uint64_t lsn;
    cr_assert(change_index_next(rig.ledger, before, &cursor, &item, &lsn));
    cr_assert_eq(item, 3);
    cr_assert_eq(cursor, 4);
    receive("s2", 1); /* behind the cursor: for the next walk */
    cr_assert(change_index_next(rig.ledger, before, &cursor, &item, &lsn));
    cr_assert_eq(item, 512);
    uint64_t *row = (uint64_t *)(uintptr_t)ctx->blocks;
    memset(row, 0, rig.ledger->block_count * sizeof *row); /* the block of s1535 is passed over */
    cr_assert_not(change_index_next(rig.ledger, before, &cursor, &item, &lsn));
}

Test(versions, availability_by_index_is_that_of_the_channel)
{
    uint64_t lsn;
    uint32_t item;
    receive("tea", 5);
    struct channel_setting s = { .code = text_of("web"), .has_buffer = true, .buffer = 2 };
    must(ledger_set_channel(ctx, &s, &lsn));
    must(find_item(ctx, text_of("tea"), &item));
    cr_assert_eq(ledger_item_availability(ctx, item, 0), 5);
    cr_assert_eq(ledger_item_availability(ctx, item, 1), 3);
}

Test(versions, recovery_leaves_the_raises_of_what_is_recovered)
{
    struct ledger_rig recovered;
    char why[256];
    uint64_t lsn;
    struct order_line lines[2] = { line("tea", 1), line("cup", 1) };
    receive("tea", 5);
    receive("cup", 5);
    must(ledger_set_location(ctx, &(struct location_setting){ .code = text_of("store") }, &lsn));
    must(ledger_set_calendar(ctx, &(struct calendar_setting){ .code = text_of("hours") }, &lsn));
    reserve("r1", true, lines, 2);
    must(ledger_fulfil(ctx, &(struct step){ .id = text_of("r1"), .lines = lines, .line_count = 1 },
                       &view));
    must(ledger_set_item(
        ctx,
        &(struct item_setting){ .sku = text_of("pot"), .has_name = true, .name = text_of("Pot") },
        &lsn));
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&recovered, &rig, rig.length, now, why, sizeof why), "%s", why);
    for (uint32_t item = 0; item < 3; item++)
        cr_assert_eq(item_version(recovered.ledger, item), item_version(rig.ledger, item));
    cr_assert_eq(ledger_catalogue_lsn(recovered.ledger), ledger_catalogue_lsn(rig.ledger));
    uint32_t cursor = 0, item;
    cr_assert(change_index_next(recovered.ledger, view.lsn - 1, &cursor, &item, &lsn));
    cr_assert_eq(item, 0);
    ledger_rig_close(&recovered);
}

Test(versions, a_mark_that_is_restored_is_met)
{
    receive("tea", 5);
    item_version_restore(rig.ledger, 0, 4096);
    cr_assert_str_eq(walk(4000), "tea");
    item_version_restore(rig.ledger, 0, 8); /* never falls */
    cr_assert_eq(mark_of("tea"), 4096);
}
