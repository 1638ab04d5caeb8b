/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of supplies: what is damaged is found and named, at rest and by the live check. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/check/check.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"
#include "engine/store/supply_lines.h"
#include "tests/support/ledger_rig.h"

enum { NOW = 1000000, HOUR = 3600 * 1000, BUDGET = 64, PATIENCE = 100000 };

static struct ledger_rig rig;
static struct ctx *ctx;

static void receive(const char *id, const char *sku)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = 10
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
}

/* Two of each item: "held" at main, and "way" between there and the store. */
static void transfer(const char *id, bool hold)
{
    struct supply_view view;
    struct supply_line lines[2] = { { .sku = text_of("tea"), .qty = 2 },
                                    { .sku = text_of("cup"), .qty = 2 } };
    struct supply_order order = { .id = text_of(id),
                                  .from = text_of("main"),
                                  .location = text_of("store"),
                                  .lines = lines,
                                  .line_count = 2,
                                  .has_eta = true,
                                  .eta_ms = NOW + HOUR,
                                  .hold = hold };
    cr_assert_eq(ledger_transfer(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void set_up(void)
{
    uint64_t lsn;
    struct location_setting store = { .code = text_of("store") };
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 32, .reservations = 128, .contexts = 1, .hash_seed = 5 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    receive("r1", "tea");
    receive("r2", "cup");
    transfer("held", true);
    transfer("way", false);
}

static void tear_down(void)
{
    ledger_rig_close(&rig);
}

TestSuite(check_supply, .init = set_up, .fini = tear_down);

/* ---- both checks ---- */

static struct check_report run_live(void)
{
    struct check *check = check_start(rig.ledger);
    enum check_progress progress = CHECK_MORE;
    cr_assert_not_null(check);
    for (int i = 0; i < PATIENCE && progress == CHECK_MORE; i++)
        progress = check_step(check, ctx, BUDGET);
    cr_assert_eq(progress, CHECK_DONE);
    struct check_report report = *check_report(check);
    check_end(check);
    return report;
}

static void found_at_rest(const char *finding)
{
    char message[256] = "nothing";
    ledger_check(rig.ledger, message, sizeof message);
    cr_assert_str_eq(message, finding);
}

static void found(const char *finding)
{
    found_at_rest(finding);
    struct check_report report = run_live();
    cr_assert_geq(report.broken, 1, "the live check misses: %s", finding);
    cr_assert_str_eq(report.findings[0], finding);
}

/* ---- damage ---- */

/* Owned until entry_put. */
static struct id_entry *take(const char *id, uint64_t *word)
{
    struct id_table *ids = &rig.ledger->ids;
    struct id_entry *entry;
    struct text t = text_of(id);
    cr_assert_eq(id_table_find(ids, t, id_hash(ids, t), &entry, word), ENTRY_FOUND);
    return entry;
}

static struct line_entry *line_of(const char *id, unsigned index)
{
    uint64_t word;
    struct id_entry *entry = take(id, &word);
    struct line_walk walk = line_walk_start(&rig.ledger->ids, entry);
    struct line_entry *line = line_walk_next(&walk);
    while (index-- > 0)
        line = line_walk_next(&walk);
    entry_put(entry, word);
    return line;
}

/* Of the first line of "way". */
static struct incoming *incoming_of_way(void)
{
    return incoming_at(&rig.ledger->items, line_of("way", 0)->pool);
}

static void say_state(const char *id, enum supply_state state)
{
    uint64_t word;
    struct id_entry *entry = take(id, &word);
    entry_put(entry, supply_word(ENTRY_SUPPLY, state, word_id_len(word)));
}

Test(check_supply, good_ones_are_good)
{
    char message[256];
    cr_assert_eq(ledger_check(rig.ledger, message, sizeof message), 0, "%s", message);
    struct check_report report = run_live();
    cr_assert_eq(report.broken, 0, "%s", report.findings[0]);
    cr_assert_eq(report.supplies, 2);
    cr_assert_eq(report.reservations, 0);
    cr_assert_eq(report.moving, 0);
}

Test(check_supply, more_reserved_than_is_held)
{
    atomic_fetch_add(&pool_at(&rig.ledger->items, line_of("held", 0)->pool)->word,
                     WORD_RESERVED_ONE);
    found("I1: \"tea\" at \"main\" (shared) has 3 reserved, but 2 promised");
}

Test(check_supply, less_reserved_than_is_held)
{
    line_of("held", 1)->qty = 3;
    found("I1: \"cup\" at \"main\" (shared) has 2 reserved, but 3 promised");
}

Test(check_supply, a_pool_that_expects_too_much)
{
    atomic_store(&incoming_of_way()->mark, 3);
    found("I11: \"way\" has 2 under way, but its pool expects 3");
}

Test(check_supply, a_mark_that_stays_raised)
{
    atomic_fetch_add(&incoming_of_way()->mark, UINT64_C(1) << 32);
    found("I11: \"way\" never gave what its pool expects");
}

Test(check_supply, a_pool_with_too_few)
{
    atomic_fetch_sub(&pool_at(&rig.ledger->items, line_of("way", 0)->pool)->word, WORD_ON_HAND_ONE);
    found("I11: \"way\" has 2 under way, but only 1 in its pool");
}

Test(check_supply, a_pool_with_another_eta)
{
    atomic_store(&incoming_of_way()->eta_ms, NOW + 1);
    found("I11: \"way\" has another ETA than its pool");
}

Test(check_supply, a_pool_of_another_supply)
{
    atomic_store(&incoming_of_way()->supply, 1);
    found("I11: \"way\" names a pool that it does not own");
}

Test(check_supply, units_under_way_in_no_pool)
{
    line_of("way", 0)->pool = line_of("held", 0)->pool;
    found("I11: \"way\" has 2 under way in no pool of its own");
}

Test(check_supply, a_pool_in_two_lines)
{
    line_of("way", 1)->pool = line_of("way", 0)->pool;
    found_at_rest("I11: \"way\" names a pool in two lines");
}

/* A pool that nobody uses, of tea at the store. */
static struct incoming *spare(void)
{
    struct items *items = &rig.ledger->items;
    uint32_t item = key_item(pool_read_key(pool_at(items, line_of("way", 0)->pool)));
    struct pool *pool = pool_make(items, item, 1, owner_expected(7));
    cr_assert_not_null(pool);
    return incoming_at(items, pool_unit(items, pool));
}

Test(check_supply, an_owner_that_does_not_name_its_pool)
{
    struct incoming *in = spare();
    atomic_store(&in->supply, atomic_load(&incoming_of_way()->supply));
    found_at_rest("I11: \"tea\" has a pool whose supply does not name it");
}

Test(check_supply, units_that_no_supply_brings)
{
    atomic_store(&spare()->mark, 1);
    found_at_rest("I11: \"tea\" has a pool that expects 1 of no supply");
}

Test(check_supply, more_has_come_than_was_shipped)
{
    line_of("way", 1)->accepted = 3;
    found("I12: \"way\" has a line that cannot be");
}

Test(check_supply, more_is_shipped_than_there_is)
{
    line_of("way", 1)->shipped = 3;
    found("I12: \"way\" has a line that cannot be");
}

Test(check_supply, what_comes_from_outside_is_not_held)
{
    uint64_t word;
    struct id_entry *entry = take("held", &word);
    entry->from = 0;
    entry_put(entry, word);
    found("I12: \"held\" has a line that cannot be");
}

Test(check_supply, units_held_at_a_place_without_stock)
{
    uint64_t word;
    struct id_entry *entry = take("held", &word);
    entry->from = 9;
    entry_put(entry, word);
    found("I12: \"held\" holds units where there are none");
}

Test(check_supply, states_that_do_not_fit)
{
    say_state("way", SUPPLY_NONE);
    found("I12: \"way\" has no state");
    say_state("way", SUPPLY_HELD);
    found("I12: \"way\" is held, and its lines are not");
    say_state("way", SUPPLY_IN_TRANSIT);
    say_state("held", SUPPLY_WITHDRAWN);
    found("I12: \"held\" is withdrawn, and its lines are not");
}

Test(check_supply, a_supply_that_nobody_watches)
{
    uint64_t word;
    struct id_entry *entry = take("way", &word);
    entry->owner = NO_OWNER;
    entry_put(entry, word);
    found("I12: \"way\" is to come and in no wheel");
}

/* Its owner and its link disagree, as those of a hold would. */
Test(check_supply, a_supply_that_is_linked_and_has_no_owner)
{
    uint64_t word;
    struct id_entry *entry = take("held", &word);
    entry->owner = 0;
    entry_put(entry, word);
    found_at_rest("I5: the owner and the wheel link of \"held\" disagree");
}

/* One that has ended counts among those that are remembered. */
Test(check_supply, a_supply_that_has_ended)
{
    struct supply_step all = { .id = text_of("way"), .all = true };
    struct supply_view view;
    cr_assert_eq(ledger_arrive(ctx, &all, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    found_at_rest("nothing");
    struct check_report report = run_live();
    cr_assert_eq(report.broken, 0, "%s", report.findings[0]);
    cr_assert_eq(report.supplies, 1);
}
