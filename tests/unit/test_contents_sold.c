/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot contents of sales: what they answered, what is owed, late changes and counts. */
#include <criterion/criterion.h>

#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"

static struct ledger_rig rig, copy;
static struct contents contents;
static char why[200];
static const char *const skus[] = { "tea", "cup", "pot" };

static void sell(struct ctx *ctx, const char *id, uint32_t lines, uint64_t at_ms)
{
    struct order_line line[3];
    struct sold_view view;
    for (uint32_t i = 0; i < lines; i++)
        line[i] = (struct order_line){ .sku = text_of(skus[i]), .qty = 4 };
    struct sale sale = { .id = text_of(id),
                         .channel = text_of("default"),
                         .location = text_of("main"),
                         .lines = line,
                         .line_count = lines,
                         .has_at = true,
                         .at_ms = at_ms };
    cr_assert_eq(ledger_sold(ctx, &sale, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void set_up(void)
{
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 24, .reservations = 128, .contexts = 2, .hash_seed = 3 });
    ledger_rig_open(&copy, &rig.config);
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    struct movement_result moved;
    ledger_begin(ctx, 5000, 5000);
    for (unsigned i = 0; i < 3; i++) {
        struct movement m = {
            .id = text_of(skus[i]), .sku = text_of(skus[i]), .location = text_of("main"), .qty = 6
        };
        cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
    }
    struct movement counted = { .id = text_of("counted"),
                                .sku = text_of("pot"),
                                .location = text_of("main"),
                                .qty = 6,
                                .has_as_of = true,
                                .as_of_ms = 4000 };
    cr_assert_eq(ledger_count(ctx, &counted, &moved), CODE_OK);
    sell(ctx, "one", 1, 6000);
    sell(ctx, "late", 2, 3000);
    sell(ctx, "many", 3, 3500);
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void tear_down(void)
{
    contents_free(&contents);
    ledger_rig_close(&copy);
    ledger_rig_close(&rig);
}

TestSuite(contents_sold, .init = set_up, .fini = tear_down);

/* The first record of that kind that `is` picks. */
static void *record_of(enum contents_kind kind, bool (*is)(const void *record))
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        uint32_t length = sizeof(struct contents_recent);
        for (size_t at = 0; run->kind == kind && at < run->length; at += length) {
            if (kind == CONTENTS_ENTRIES)
                memcpy(&length, run->bytes + at, sizeof length);
            if (is(run->bytes + at))
                return run->bytes + at;
        }
    }
    cr_assert(false, "there is none");
    return NULL;
}

static bool has_outcomes(const void *record)
{
    return contents_outcomes(record) > 1;
}

static bool is_late(const void *record)
{
    return ((const struct contents_recent *)record)->kind == RECENT_BOOKED_LATE;
}

static void expect_refused(const char *said)
{
    cr_assert_not(contents_put(&contents, copy.ledger, why, sizeof why));
    cr_assert(strstr(why, said), "%s", why);
}

Test(contents_sold, are_loaded)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
    cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
    int64_t pot = items_find(&copy.ledger->items, text_of("pot"),
                             sku_hash(&copy.ledger->items, text_of("pot")));
    const struct pool *shared =
        pool_find(&copy.ledger->items, (uint32_t)pot, 0, owner_of(POOL_SHARED, 0));
    cr_assert_eq(item_counted(&copy.ledger->items, pool_unit(&copy.ledger->items, shared)), 4000);
    /* 6 were there as of 4000, and 6 came since; what was sold before that was missing then. */
    cr_assert_eq(word_on_hand(pool_read(shared)), 12);
}

/* Tea: 6 came, 4 were sold now, 4 at 3000, 4 at 3500: the ring knows when. */
Test(contents_sold, late_changes_keep_their_times)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    const struct items *items = &copy.ledger->items;
    uint32_t units[] = { pool_unit(items, pool_find(items, 0, 0, owner_of(POOL_SHARED, 0))) };
    const struct recent *recent = &ledger_ctx(copy.ledger, 0)->recent;
    int64_t since_2999 = 0, since_3000 = 0, since_3500 = 0;
    recent_since(recent, 2999, units, 1, &since_2999);
    recent_since(recent, 3000, units, 1, &since_3000);
    recent_since(recent, 3500, units, 1, &since_3500);
    cr_assert_eq(since_2999, 6 - 12);
    cr_assert_eq(since_3000, 6 - 8);
    cr_assert_eq(since_3500, 6 - 4);
}

Test(contents_sold, one_outcome_needs_no_block)
{
    struct contents_entry *entry = record_of(CONTENTS_ENTRIES, has_outcomes);
    entry->draw_count = 1;
    expect_refused("malformed");
}

Test(contents_sold, more_outcomes_than_a_sale_has_lines_are_refused)
{
    struct contents_entry *entry = record_of(CONTENTS_ENTRIES, has_outcomes);
    entry->draw_count = LINES_MAX + 1;
    expect_refused("malformed");
}

Test(contents_sold, outcomes_behind_the_end_of_their_record_are_refused)
{
    struct contents_entry *entry = record_of(CONTENTS_ENTRIES, has_outcomes);
    entry->draw_count = 7;
    expect_refused("invalid lengths");
}

Test(contents_sold, a_recent_change_of_an_unknown_kind_is_refused)
{
    struct contents_recent *recent = record_of(CONTENTS_RECENT, is_late);
    recent->kind = RECENT_COUNT + 1;
    expect_refused("malformed");
}
