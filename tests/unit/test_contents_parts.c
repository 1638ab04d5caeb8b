/* SPDX-License-Identifier: Apache-2.0 */
/* Parts and refs in a snapshot: what places had begun goes on in the same way. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/orders.h"
#include "engine/ledger/steps.h"
#include "tests/support/contents_rig.h"

enum { NOW = 1000000, HOUR = 3600 * 1000 };

static struct ledger_rig rig, copy;
static struct ctx *ctx;
static struct contents contents;
static struct reservation_view seen;
static char why[200];

static void receive(const char *id, const char *location)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of("tea"), .location = text_of(location), .qty = 100
    };
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK, "%s", ctx_failure(ctx)->message);
}

/* Two units from main, three from the store. */
static void order(const char *id, uint32_t ref_len)
{
    char ref[NAME_MAX_BYTES];
    struct order_line lines[] = {
        { .sku = text_of("tea"), .qty = 2, .location = text_of("main") },
        { .sku = text_of("tea"), .qty = 3, .location = text_of("store") },
    };
    for (uint32_t i = 0; i < ref_len; i++)
        ref[i] = (char)('a' + i % 26);
    struct order asked = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = 2,
                           .ref = { ref_len > 0 ? ref : NULL, ref_len },
                           .confirm = true };
    cr_assert_eq(ledger_reserve(ctx, &asked, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void ready(const char *id, const char *location, uint64_t collect_by_ms)
{
    struct set_aside asked = { .id = text_of(id),
                               .location = text_of(location),
                               .has_collect_by = collect_by_ms > 0,
                               .collect_by_ms = collect_by_ms };
    cr_assert_eq(ledger_ready(ctx, &asked, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
}

static void at_time(uint64_t ms)
{
    ledger_begin(ctx, ms, ms);
    ledger_expire(ctx, 1000);
}

static void set_up(void)
{
    uint64_t lsn;
    struct ledger_config config = {
        .items = 8, .pools = 32, .reservations = 256, .contexts = 1, .hash_seed = 3
    };
    struct location_setting store = { .code = text_of("store"),
                                      .has_lead_time = true,
                                      .lead_time_s = 60 };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, NOW, NOW);
    cr_assert_eq(ledger_set_location(ctx, &store, &lsn), CODE_OK);
    receive("r1", "main");
    receive("r2", "store");
    order("plain", 0);
    order("ref", NAME_MAX_BYTES);
    order("late", 5);
    order("soon", 0);
    order("both", 113);
    ready("late", "store", NOW + 1000);
    ready("soon", "store", NOW + HOUR);
    ready("both", "store", 0);
    ready("both", "main", NOW + 2 * HOUR);
    struct step step = { .id = text_of("both"), .location = text_of("main") };
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK);
    ledger_end(ctx);
    at_time(NOW + 2000);
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    ledger_rig_open(&copy, &config);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void tear_down(void)
{
    contents_free(&contents);
    ledger_rig_close(&copy);
    ledger_rig_close(&rig);
}

TestSuite(contents_parts, .init = set_up, .fini = tear_down);

/* The copy is used from here on. */
static void load(void)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
    ledger_recovered(copy.ledger, NOW + 2000);
    cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
    ctx = ledger_ctx(copy.ledger, 0);
    at_time(NOW + 2000);
}

static const char *step_at(const char *id, const char *location)
{
    cr_assert_eq(ledger_reservation(ctx, text_of(id), &seen), CODE_OK);
    for (uint32_t i = 0; i < seen.part_count; i++)
        if (text_equal(seen.parts[i].location, text_of(location)))
            return seen.parts[i].step;
    return "none";
}

Test(contents_parts, steps_and_refs_are_loaded)
{
    load();
    cr_assert_str_eq(step_at("plain", "store"), "open");
    cr_assert_not(text_given(seen.ref));
    cr_assert_str_eq(step_at("ref", "main"), "open");
    cr_assert_eq(seen.ref.len, NAME_MAX_BYTES);
    cr_assert_eq(seen.ref.at[NAME_MAX_BYTES - 1], 'a' + (NAME_MAX_BYTES - 1) % 26);
    cr_assert_str_eq(step_at("late", "store"), "not_collected");
    cr_assert_str_eq(step_at("late", "main"), "open");
    cr_assert_str_eq(step_at("both", "store"), "ready");
    cr_assert_str_eq(step_at("both", "main"), "fulfilled");
    cr_assert_eq(seen.parts[1].ready_ms, NOW + 60 * 1000);
    cr_assert_eq(seen.ref.len, 113);
    ledger_end(ctx);
}

Test(contents_parts, what_was_begun_goes_on)
{
    load();
    cr_assert_str_eq(step_at("soon", "store"), "ready");
    cr_assert_eq(seen.parts[1].collect_by_ms, NOW + HOUR);
    ledger_end(ctx);
    at_time(NOW + HOUR + 2 * WHEEL_TICK_MS);
    cr_assert_str_eq(step_at("soon", "store"), "not_collected");
    struct step step = { .id = text_of("soon"), .location = text_of("store") };
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    step.id = text_of("late");
    cr_assert_eq(ledger_restock(ctx, &step, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    step.id = text_of("both");
    cr_assert_eq(ledger_fulfil(ctx, &step, &seen), CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_str_eq(seen.state, "fulfilled");
    ledger_end(ctx);
    cr_assert_eq(ledger_check(copy.ledger, why, sizeof why), 0, "%s", why);
}

/* Nine of the store's hundred units are set aside. */
Test(contents_parts, what_is_set_aside_is_not_on_the_shelf)
{
    struct movement_result counted;
    struct movement m = { .id = text_of("c1"),
                          .sku = text_of("tea"),
                          .location = text_of("store"),
                          .qty = 91,
                          .shelf = true };
    load();
    cr_assert_eq(ledger_count(ctx, &m, &counted), CODE_OK);
    cr_assert_eq(counted.delta, 0);
    ledger_end(ctx);
}

Test(contents_parts, a_place_has_its_list)
{
    struct order_filter filter = { .location = text_of("store"), .step = text_of("open") };
    struct order_walk walk;
    uint64_t lsn;
    load();
    unsigned count = 0;
    cr_assert_eq(ledger_orders_begin(ctx, &filter, &walk, &lsn), CODE_OK);
    while (ledger_orders_next(ctx, &filter, &walk, UINT64_MAX, &seen) == ORDER_FOUND)
        count++;
    cr_assert_eq(count, 2); /* plain, ref */
    ledger_end(ctx);
}

/* ---- damaged ---- */

static unsigned char *draws_of(struct contents_entry *entry)
{
    return (unsigned char *)(entry + 1);
}

/* The entry of that id, in the image's bytes. */
static struct contents_entry *entry_of(const char *id)
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        if (run->kind != CONTENTS_ENTRIES)
            continue;
        for (size_t at = 0; at < run->length;) {
            struct contents_entry *entry = (struct contents_entry *)(void *)(run->bytes + at);
            const unsigned char *id_at =
                draws_of(entry) + entry->draw_count * sizeof(struct contents_draw);
            if (entry->id_len == strlen(id) && memcmp(id_at, id, entry->id_len) == 0)
                return entry;
            at += entry->length;
        }
    }
    cr_assert_fail("no entry %s", id);
    return NULL;
}

/* The store's, of a timed order of two draws. */
static struct contents_track *track_of(const char *id)
{
    struct contents_entry *entry = entry_of(id);
    cr_assert_eq(entry->reservation.tracked, 1);
    unsigned char *at = draws_of(entry) + 2 * sizeof(struct contents_draw) + entry->id_len;
    return (struct contents_track *)(void *)(at + 2 * sizeof(struct contents_times)) + 1;
}

static void expect_refused(const char *said)
{
    cr_assert_not(contents_put(&contents, copy.ledger, why, sizeof why));
    cr_assert(strstr(why, said), "%s", why);
}

Test(contents_parts, a_step_that_cannot_be_is_refused)
{
    cr_assert_eq(track_of("late")->step, PART_NOT_COLLECTED);
    track_of("late")->step = PART_STEP_COUNT;
    expect_refused("\"late\" has an invalid step");
}

Test(contents_parts, more_granted_than_a_pool_holds_is_refused)
{
    cr_assert_eq(track_of("soon")->granted, 3);
    track_of("soon")->granted = (uint32_t)QUANTITY_MAX + 1;
    expect_refused("\"soon\" has an invalid step");
}

Test(contents_parts, a_layout_that_is_none_is_refused)
{
    entry_of("late")->reservation.tracked = 2;
    expect_refused("malformed");
}

Test(contents_parts, a_ref_that_is_too_long_is_refused)
{
    entry_of("ref")->reservation.ref_len = NAME_MAX_BYTES + 1;
    expect_refused("malformed");
}

Test(contents_parts, a_ref_behind_the_record_is_refused)
{
    entry_of("plain")->reservation.ref_len = 100;
    expect_refused("invalid lengths or slots");
}

Test(contents_parts, too_many_transfers_are_refused)
{
    entry_of("late")->reservation.sends = SENDS_MAX + 1;
    expect_refused("malformed");
}

Test(contents_parts, who_was_sent_nothing_awaits_nothing)
{
    entry_of("late")->reservation.awaits = 1;
    expect_refused("malformed");
}
