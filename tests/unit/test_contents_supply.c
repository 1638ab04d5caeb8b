/* SPDX-License-Identifier: Apache-2.0 */
/* Supplies in a snapshot: what was on its way is on its way again, and goes on in the same way. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/steps.h"
#include "engine/ledger/supply.h"
#include "engine/store/supply_lines.h"
#include "tests/support/contents_rig.h"

enum { NOW = 1000000, HOUR = 3600 * 1000, SKUS = 6 };

static const char *const skus[SKUS] = { "tea", "cup", "pot", "jar", "tin", "urn" };
static struct ledger_rig rig, copy;
static struct ctx *ctx;
static struct contents contents;
static struct supply_view view;
static struct reservation_view granted;
static char why[200];

/* ---- requests ---- */

static void receive(const char *id, const char *sku, const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of(location), .qty = qty
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void reserve(const char *id, const char *sku, int64_t qty)
{
    struct order_line line = { .sku = text_of(sku), .qty = qty };
    struct order order = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    cr_assert_eq(ledger_reserve(ctx, &order, &granted), CODE_OK, "%s: %s", id,
                 ctx_failure(ctx)->message);
}

/* From outside; eta_ms 0: not known. */
static void expect(const char *id, const char *sku, int64_t qty, uint64_t eta_ms)
{
    struct supply_line line = { .sku = text_of(sku), .qty = qty };
    struct supply_order order = { .id = text_of(id),
                                  .location = text_of("store"),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = eta_ms > 0,
                                  .eta_ms = eta_ms };
    cr_assert_eq(ledger_expect(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* Of all items, `qty` each, with a ref of that length. */
static void transfer(const char *id, int64_t qty, uint64_t eta_ms, bool hold, uint32_t ref_len)
{
    char ref[NAME_MAX_BYTES];
    struct supply_line lines[SKUS];
    for (unsigned i = 0; i < SKUS; i++)
        lines[i] = (struct supply_line){ .sku = text_of(skus[i]), .qty = qty };
    for (uint32_t i = 0; i < ref_len; i++)
        ref[i] = (char)('a' + i % 26);
    struct supply_order order = { .id = text_of(id),
                                  .from = text_of("main"),
                                  .location = text_of("store"),
                                  .ref = { ref, ref_len },
                                  .lines = lines,
                                  .line_count = SKUS,
                                  .has_eta = eta_ms > 0,
                                  .eta_ms = eta_ms,
                                  .hold = hold };
    cr_assert_eq(ledger_transfer(ctx, &order, &view), CODE_OK, "%s", ctx_failure(ctx)->message);
}

typedef enum code (*step_call)(struct ctx *, const struct supply_step *, struct supply_view *);

/* Without a sku: all that is left. */
static void step(step_call call, struct supply_step asked, const char *sku, int64_t qty)
{
    struct supply_line line = { .sku = text_of(sku), .qty = qty };
    asked.all = sku[0] == '\0';
    asked.lines = asked.all ? NULL : &line;
    asked.line_count = !asked.all;
    cr_assert_eq(call(ctx, &asked, &view), CODE_OK, "%.*s: %s", (int)asked.id.len, asked.id.at,
                 ctx_failure(ctx)->message);
}

static struct supply_step of(const char *id)
{
    return (struct supply_step){ .id = text_of(id) };
}

static void at_time(struct ledger_rig *of_rig, uint64_t ms)
{
    ctx = ledger_ctx(of_rig->ledger, 0);
    ledger_end(ctx);
    ledger_begin(ctx, ms, ms);
    ledger_expire(ctx, 1000);
}

/* ---- a ledger with a supply in each state ---- */

static void make_places(void)
{
    uint64_t lsn;
    struct location_setting store = { .code = text_of("store"),
                                      .has_lead_time = true,
                                      .lead_time_s = 60 };
    struct channel_setting web = { .code = text_of("web"),
                                   .has_incoming = true,
                                   .incoming = true,
                                   .has_horizon = true,
                                   .horizon_s = 48 * 3600 };
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    cr_assert_eq(ledger_set_channel(ctx, &web, &lsn), CODE_OK);
    for (unsigned i = 0; i < SKUS; i++)
        receive(skus[i], skus[i], "main", 100);
}

static void make_transfers(void)
{
    struct supply_step ship = of("part");
    transfer("held", 2, NOW + HOUR, true, 0);
    transfer("part", 3, 0, true, NAME_MAX_BYTES);
    ship.has_eta = true;
    ship.eta_ms = NOW + 5 * HOUR;
    ship.op = text_of("part-ship");
    step(ledger_ship, ship, "tea", 2);
    transfer("at-once", 4, 0, false, 20);
    transfer("back", 5, 0, true, 113);
    step(ledger_withdraw, of("back"), "", 0);
    transfer("way", 6, NOW + 6 * HOUR, false, 0);
    step(ledger_arrive, of("way"), "cup", 6);
}

/* An order of what is on hand, to which units of a supply are added. */
static void make_added(void)
{
    struct order_line lines[] = { { .sku = text_of("tin"), .qty = 1 },
                                  { .sku = text_of("hops"), .qty = 2 } };
    struct amendment asked = { .id = text_of("o-more"), .lines = lines, .line_count = 2 };
    struct supply_step later = of("added");
    expect("added", "hops", 6, NOW + HOUR);
    reserve("o-more", "tin", 1);
    cr_assert_eq(granted.draws[0].ready_ms, NOW, "it has no times yet");
    cr_assert_eq(ledger_amend(ctx, &asked, &granted), CODE_OK, "%s", ctx_failure(ctx)->message);
    later.has_eta = true;
    later.eta_ms = NOW + 9 * HOUR;
    step(ledger_reschedule, later, "", 0);
}

static void make_expected(void)
{
    struct supply_step close = of("lost"), later = of("moved"), gone = of("over");
    expect("some", "leaf", 10, NOW + HOUR);
    reserve("o-some", "leaf", 7);
    step(ledger_arrive, of("some"), "leaf", 4);
    expect("never", "seed", 9, 0);
    expect("off", "weed", 9, NOW + HOUR);
    step(ledger_withdraw, of("off"), "", 0);
    expect("lost", "bean", 8, NOW + HOUR);
    reserve("o-lost", "bean", 8);
    close.close = true;
    step(ledger_arrive, close, "bean", 3);
    later.has_eta = gone.has_eta = true;
    later.eta_ms = gone.eta_ms = NOW + 9 * HOUR;
    later.op = text_of("moved-op");
    expect("moved", "husk", 5, NOW + HOUR);
    reserve("o-moved", "husk", 2);
    step(ledger_reschedule, later, "", 0);
    expect("over", "rice", 5, NOW + HOUR);
    reserve("o-over", "rice", 2);
    step(ledger_reschedule, gone, "", 0);
    step(ledger_arrive, of("over"), "rice", 7);
    expect("late", "corn", 5, NOW + 1000);
    reserve("o-late", "corn", 1);
}

static void set_up(void)
{
    struct ledger_config config = {
        .items = 32, .pools = 128, .reservations = 512, .contexts = 1, .hash_seed = 3
    };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    make_places();
    make_transfers();
    make_expected();
    make_added();
    at_time(&rig, NOW + 2000);
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void tear_down(void)
{
    contents_free(&contents);
    ledger_rig_close(&rig);
}

TestSuite(contents_supply, .init = set_up, .fini = tear_down);

Test(contents_supply, all_of_it_is_loaded)
{
    cr_assert(contents_rig_copies(&rig, NOW + 2000, why, sizeof why), "%s", why);
}

static void expect_state(const char *id, const char *state)
{
    cr_assert_eq(ledger_supply(ctx, text_of(id), &view), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(view.state, state, "%s", id);
}

/* So that the others are about something. */
Test(contents_supply, each_state_is_there)
{
    at_time(&rig, NOW + 2000);
    expect_state("held", "held");
    expect_state("part", "in_transit");
    cr_assert_eq(view.ref.len, NAME_MAX_BYTES);
    expect_state("at-once", "arrived");
    expect_state("back", "withdrawn");
    expect_state("some", "in_transit");
    expect_state("off", "withdrawn");
    expect_state("over", "arrived");
}

/* ---- it goes on ---- */

static uint64_t ready_of(const char *id)
{
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &granted), CODE_OK);
    return granted.draws[0].ready_ms;
}

static void fulfil(const char *id)
{
    struct step all = { .id = text_of(id) };
    cr_assert_eq(ledger_fulfil(ctx, &all, &granted), CODE_OK, "%s: %s", id,
                 ctx_failure(ctx)->message);
}

static void repeat_steps(void)
{
    struct supply_step later = of("moved"), ship = of("part");
    later.has_eta = ship.has_eta = true;
    later.eta_ms = NOW + 9 * HOUR;
    later.op = text_of("moved-op");
    step(ledger_reschedule, later, "", 0);
    cr_assert_null(view.kind, "it was done before");
    ship.eta_ms = NOW + 5 * HOUR;
    ship.op = text_of("part-ship");
    step(ledger_ship, ship, "tea", 2);
    cr_assert_null(view.kind);
    cr_assert_eq(view.lines[0].shipped, 2);
}

/* Every supply to its end, on that ledger. */
static void go_on(struct ledger_rig *of_rig)
{
    struct supply_step later = of("late");
    at_time(of_rig, NOW + 3000);
    cr_assert_eq(ready_of("o-moved"), NOW + 9 * HOUR + 60000);
    cr_assert_eq(ready_of("o-over"), NOW + 9 * HOUR + 60000);
    repeat_steps();
    later.has_eta = true;
    later.eta_ms = NOW + 2 * HOUR;
    step(ledger_reschedule, later, "", 0);
    reserve("o-late2", "corn", 4);
    step(ledger_ship, of("part"), "", 0);
    step(ledger_ship, of("held"), "cup", 1);
    step(ledger_withdraw, of("held"), "pot", 2);
    step(ledger_withdraw, of("moved"), "husk", 3);
    receive("in", "bean", "store", 6); /* stands in for what was lost */
    fulfil("o-lost");
    fulfil("o-over");
    step(ledger_arrive, of("added"), "hops", 2);
    fulfil("o-more");
    cr_assert_eq(granted.draws[1].ready_ms, NOW + 9 * HOUR + 60000, "as it was rescheduled");
    step(ledger_arrive, of("some"), "", 0);
    fulfil("o-some");
    step(ledger_arrive, of("never"), "", 0);
    step(ledger_arrive, of("part"), "", 0);
    step(ledger_arrive, of("way"), "", 0);
    expect("fresh", "rice", 3, NOW + 3 * HOUR);
    reserve("o-fresh", "rice", 8);
    at_time(of_rig, NOW + 4 * HOUR); /* more are late */
    ledger_end(ctx);
    ledger_rig_drain(of_rig);
}

Test(contents_supply, what_was_loaded_goes_on_in_the_same_way)
{
    cr_assert(contents_rig_follow(&copy, &rig, rig.length, NOW + 2000, why, sizeof why), "%s", why);
    go_on(&rig);
    go_on(&copy);
    cr_assert_eq(copy.length, rig.length);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
    cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
    ledger_rig_close(&copy);
}

/* From a snapshot at any point, the rest of the records is the same. */
Test(contents_supply, at_any_point)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    go_on(&rig);
    for (size_t at = 0; at < rig.length; at += ledger_rig_record(&rig, at, record)) {
        cr_assert(contents_rig_follow(&copy, &rig, at, NOW + 4 * HOUR, why, sizeof why), "%s", why);
        cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
        cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
        ledger_rig_close(&copy);
    }
}

static struct contents_entry *entry_of(const char *id)
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        for (size_t at = 0; run->kind == CONTENTS_ENTRIES && at < run->length;) {
            struct contents_entry *entry = (struct contents_entry *)(void *)(run->bytes + at);
            const char *id_at =
                (const char *)(entry + 1) + entry->draw_count * sizeof(struct contents_draw);
            if (entry->id_len == strlen(id) && memcmp(id_at, id, entry->id_len) == 0)
                return entry;
            at += entry->length;
        }
    }
    cr_assert_fail("no entry %s", id);
    return NULL;
}

/* What is live is never left out: not of the smallest table that it fits. */
Test(contents_supply, a_smaller_table_leaves_out_what_is_over)
{
    struct ledger_config small = rig.config;
    struct id_entry *entry;
    uint64_t word;
    at_time(&rig, NOW + 2000);
    for (unsigned i = 0; i < 64; i++) {
        char id[8];
        snprintf(id, sizeof id, "m%u", i);
        receive(id, "tea", "main", 1);
    }
    contents_free(&contents);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
    small.reservations = 64;
    cr_assert_gt(contents.totals.slots - small.reservations, entry_of("at-once")->slot);
    ledger_rig_open(&copy, &small);
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, true, why, sizeof why), "%s", why);
    struct text first = text_of("at-once");
    struct id_table *ids = &copy.ledger->ids;
    cr_assert_eq(id_table_find(ids, first, id_hash(ids, first), &entry, &word), ENTRY_ABSENT);
    cr_assert_geq(id_table_forgotten_ms(ids), NOW);
    ledger_rig_close(&copy);
}

/* ---- what cannot be ---- */

static struct contents_line *lines_of(const char *id)
{
    struct contents_entry *entry = entry_of(id);
    return (struct contents_line *)(void *)((char *)(entry + 1) + entry->id_len);
}

/* The record of the item of a supply's first line. */
static struct contents_item *item_of(const char *id)
{
    uint32_t item = lines_of(id)->pool.item;
    for (struct contents_run *run = contents.first; run; run = run->next) {
        for (size_t at = 0; run->kind == CONTENTS_ITEMS && at < run->length;) {
            struct contents_item *saved = (struct contents_item *)(void *)(run->bytes + at);
            if (saved->item == item)
                return saved;
            at += saved->length;
        }
    }
    cr_assert_fail("no item of %s", id);
    return NULL;
}

static struct contents_pool *pools_of(struct contents_item *item)
{
    return (struct contents_pool *)(void *)(item + 1);
}

static struct contents_moved *moved_of(struct contents_item *item)
{
    cr_assert_eq(item->moved_count, 1);
    return (struct contents_moved *)(void *)((char *)(pools_of(item) + item->pool_count) +
                                             item->stocking_count *
                                                 sizeof(struct contents_stocking));
}

static void expect_refused(const char *said)
{
    ledger_rig_open(&copy, &rig.config);
    cr_assert_not(contents_put(&contents, copy.ledger, why, sizeof why), "%s", said);
    cr_assert(strstr(why, said), "%s: %s", said, why);
    ledger_rig_close(&copy);
}

/* Refused while one field has that value. */
#define REFUSED_WITH(field, value, said)                                                           \
    do {                                                                                           \
        __typeof__(field) kept_ = (field);                                                         \
        (field) = (__typeof__(field))(value);                                                      \
        expect_refused(said);                                                                      \
        (field) = kept_;                                                                           \
    } while (0)

Test(contents_supply, malformed_entries_are_refused)
{
    struct contents_entry *some = entry_of("some"), *op = entry_of("part-ship");
    const char *malformed = "an entry is malformed";
    REFUSED_WITH(some->state, SUPPLY_NONE, malformed);
    REFUSED_WITH(some->state, SUPPLY_STATE_COUNT, malformed);
    REFUSED_WITH(some->supply.line_count, 0, malformed);
    REFUSED_WITH(some->supply.line_count, LINES_MAX + 1, malformed);
    REFUSED_WITH(some->supply.ref_len, NAME_MAX_BYTES + 1, malformed);
    REFUSED_WITH(some->draw_count, 1, malformed);
    REFUSED_WITH(some->timed, 1, malformed);
    REFUSED_WITH(op->supply.ref_len, 1, malformed);
    REFUSED_WITH(op->supply.from, 1, malformed);
    REFUSED_WITH(some->supply.line_count, 2, "invalid lengths or slots");
    REFUSED_WITH(some->supply.sent, 1, "malformed"); /* from outside */
    REFUSED_WITH(entry_of("held")->supply.sent, 2, "malformed");
    REFUSED_WITH(entry_of("part")->supply.line_count, SKUS + 1, "invalid lengths or slots");
    REFUSED_WITH(some->state, SUPPLY_ARRIVED, "invalid lengths or slots");
    REFUSED_WITH(some->slot, contents.totals.slots - 1, "invalid lengths or slots");
    REFUSED_WITH(some->slot, entry_of("part")->slot + 1, "has another entry's slot");
}

Test(contents_supply, unknown_places_are_refused)
{
    REFUSED_WITH(entry_of("some")->supply.location, 2, "has unknown places");
    REFUSED_WITH(entry_of("held")->supply.from, 3, "has unknown places");
    REFUSED_WITH(entry_of("held")->supply.from, 2, "has unknown places"); /* to itself */
}

Test(contents_supply, invalid_lines_are_refused)
{
    struct contents_line *some = lines_of("some"), *held = lines_of("held");
    struct contents_line *off = lines_of("off"), *op = lines_of("moved-op");
    const char *invalid = "has an invalid line";
    REFUSED_WITH(some->pool.item, 9999, invalid);
    REFUSED_WITH(some->pool.location, 0, invalid);
    REFUSED_WITH(some->pool.owner, owner_of(POOL_SHARED, 0), invalid); /* with units under way */
    REFUSED_WITH(some->qty, QUANTITY_MAX + 1, invalid);
    REFUSED_WITH(some->qty, some->qty + 1, invalid); /* held, from outside */
    REFUSED_WITH(some->shipped, some->qty + 1, invalid);
    REFUSED_WITH(some->accepted, some->qty + 1, invalid);
    REFUSED_WITH(some->rejected, UINT32_MAX, invalid);
    REFUSED_WITH(some->lost, some->qty, invalid);
    REFUSED_WITH(some->over, some->accepted + 1, invalid);
    REFUSED_WITH(held->pool.location, 1, invalid); /* held where it goes */
    REFUSED_WITH(off->pool.owner, owner_of(POOL_DAMAGED, 0), invalid);
    REFUSED_WITH(op->accepted, 6, invalid);
}

Test(contents_supply, pools_that_do_not_fit_are_refused)
{
    struct contents_line *some = lines_of("some"), *never = lines_of("never");
    struct contents_line *held = lines_of("held");
    struct contents_pool *pools = pools_of(item_of("never"));
    uint16_t shared = owner_of(POOL_SHARED, 0);
    REFUSED_WITH(never->pool, some->pool, "has another one's pool");
    some->shipped = some->qty += 100;
    expect_refused("expects 106 units in a pool that has fewer");
    some->shipped = some->qty -= 100;
    REFUSED_WITH(held->qty, 3, "I1: \"tea\" has 3 reserved, but 4 promised");
    cr_assert_eq(pools[0].owner, shared);
    REFUSED_WITH(pools[0].owner, owner_of(POOL_DAMAGED, 0), "without a shared pool at its places");
    pools = pools_of(item_of("over")); /* its reservation draws from a pool that no supply owns */
    cr_assert_eq(pools[0].owner, shared);
    REFUSED_WITH(pools[0].owner, owner_of(POOL_DAMAGED, 0), "to where its item has no stock");
}

Test(contents_supply, a_state_that_does_not_fit_is_refused)
{
    REFUSED_WITH(entry_of("some")->state, SUPPLY_HELD, "is held, and its lines are not");
    REFUSED_WITH(entry_of("off")->state, SUPPLY_ARRIVED, "is arrived, and its lines are not");
    lines_of("back")->qty = 1; /* held, and withdrawn */
    expect_refused("is withdrawn, and its lines are not");
    lines_of("back")->qty = 0;
    REFUSED_WITH(entry_of("over")->state, SUPPLY_WITHDRAWN, "is withdrawn, and its lines are not");
}

Test(contents_supply, an_invalid_change_of_eta_is_refused)
{
    struct contents_item *husk = item_of("moved");
    struct contents_moved *moved = moved_of(husk);
    REFUSED_WITH(moved->pool, 77, "has an invalid change of ETA");
    REFUSED_WITH(moved->pool, 0, "has an invalid change of ETA"); /* the shared pool */
    REFUSED_WITH(moved->lsn, 0, "has an invalid change of ETA");
    REFUSED_WITH(husk->moved_count, 3, "is malformed");
}
