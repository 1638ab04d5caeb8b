/* SPDX-License-Identifier: Apache-2.0 */
/* Images that say what cannot be: each is refused by name, and nothing is written past a table. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/history/history.h"
#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"

enum { SLOTS = 256, ORDERS = 20 };

static struct ledger_rig rig, copy;
static struct contents contents;
static char why[200];

static void fill(struct ctx *ctx)
{
    struct movement_result moved;
    struct reservation_view view;
    struct order_line lines[3];
    static const char *const skus[] = { "tea", "cup", "pot" };
    for (unsigned i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "m%u", i);
        struct movement m = {
            .id = text_of(id), .sku = text_of(skus[i]), .location = text_of("main"), .qty = 100
        };
        cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
        lines[i] = (struct order_line){ .sku = text_of(skus[i]), .qty = 1 };
    }
    for (unsigned i = 0; i < ORDERS; i++) {
        char id[8];
        snprintf(id, sizeof id, "r%u", i);
        struct order order = { .id = text_of(id),
                               .channel = text_of("default"),
                               .lines = lines,
                               .line_count = i % 2 ? 3 : 1,
                               .confirm = true };
        cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_OK);
    }
}

static void set_up(void)
{
    struct ledger_config config = {
        .items = 8, .pools = 8, .reservations = SLOTS, .contexts = 2, .hash_seed = 3
    };
    ledger_rig_open(&rig, &config);
    ledger_rig_open(&copy, &config);
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, 1000, 1000);
    fill(ctx);
    ledger_end(ctx);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void tear_down(void)
{
    contents_free(&contents);
    ledger_rig_close(&copy);
    ledger_rig_close(&rig);
}

TestSuite(contents, .init = set_up, .fini = tear_down);

/* The entry of that id, in the image's bytes. */
static struct contents_entry *entry_of(const char *id)
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        if (run->kind != CONTENTS_ENTRIES)
            continue;
        for (size_t at = 0; at < run->length;) {
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

static void expect_refused(const char *said)
{
    cr_assert_not(contents_put(&contents, copy.ledger, why, sizeof why));
    cr_assert(strstr(why, said), "%s", why);
}

Test(contents, what_was_not_touched_is_loaded)
{
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
}

/* However many slots the totals say there are, the oldest are left out until the rest fits: so what
 * is within the totals is within the table. */
Test(contents, a_slot_behind_the_totals_is_refused)
{
    entry_of("r0")->slot = (uint32_t)contents.totals.slots;
    expect_refused("invalid lengths or slots");
}

Test(contents, draws_behind_the_totals_are_refused)
{
    entry_of("r1")->slot = (uint32_t)contents.totals.slots - 1; /* its draws lie behind it */
    expect_refused("invalid lengths or slots");
}

Test(contents, something_live_among_what_is_to_be_forgotten_is_refused)
{
    contents.totals.finished_slots = contents.totals.slots;
    expect_refused("invalid lengths or slots");
}

Test(contents, what_has_ended_among_what_is_live_is_refused)
{
    contents.totals.finished_slots = 0;
    expect_refused("invalid lengths or slots");
}

Test(contents, two_entries_of_one_slot_are_refused)
{
    entry_of("r4")->slot = entry_of("r2")->slot;
    expect_refused("has another entry's slot");
}

Test(contents, an_entry_among_the_draws_of_another_is_refused)
{
    entry_of("r4")->slot = entry_of("r1")->slot + 1;
    expect_refused("has another entry's slot");
}

static struct contents_draw *first_draw(struct contents_entry *entry)
{
    return (struct contents_draw *)(void *)(entry + 1);
}

Test(contents, a_hold_that_was_fulfilled_in_part_is_refused)
{
    struct contents_entry *entry = entry_of("r1");
    entry->state = STATE_HELD;
    first_draw(entry)->qty = 2;
    first_draw(entry)->fulfilled = 1;
    expect_refused("has an invalid draw");
}

/* ---- as a history begins with them ---- */

static int load_history(struct history_filter filter)
{
    struct history history;
    int error = 0;
    history_open(&history, &filter);
    for (const struct contents_run *run = contents.first; run && !error; run = run->next)
        error = history_load(&history, run->kind, run->bytes, run->length);
    history_close(&history);
    return error;
}

static struct history_filter about_id(const char *id)
{
    struct history_filter filter = { .subject = HISTORY_ID, .id_len = (uint8_t)strlen(id) };
    memcpy(filter.id, id, filter.id_len);
    return filter;
}

Test(contents, begin_a_history)
{
    cr_assert_eq(load_history((struct history_filter){ .subject = HISTORY_ALL }), 0);
    cr_assert_eq(load_history((struct history_filter){ .subject = HISTORY_ITEM }), 0);
    cr_assert_eq(load_history(about_id("r1")), 0);
}

Test(contents, a_draw_that_has_settled_more_than_it_holds_begins_no_history)
{
    first_draw(entry_of("r1"))->cancelled = first_draw(entry_of("r1"))->qty + 1;
    cr_assert_eq(load_history((struct history_filter){ .subject = HISTORY_ALL }), -EILSEQ);
}

Test(contents, an_id_that_is_there_twice_begins_no_history)
{
    struct contents_entry *other = entry_of("r3");
    memcpy((char *)(first_draw(other) + other->draw_count), "r1", 2);
    cr_assert_eq(load_history(about_id("r1")), -EILSEQ);
}

Test(contents, an_item_that_is_there_twice_begins_no_history)
{
    for (struct contents_run *run = contents.first; run; run = run->next) {
        if (run->kind != CONTENTS_ITEMS)
            continue;
        for (size_t at = 0; at < run->length;) {
            struct contents_item *item = (struct contents_item *)(void *)(run->bytes + at);
            item->item = 0;
            at += item->length;
        }
    }
    cr_assert_eq(load_history((struct history_filter){ .subject = HISTORY_ITEM }), -EILSEQ);
}

Test(contents, a_change_of_stock_is_no_setting)
{
    struct contents_run *run = contents.first;
    cr_assert_eq(run->kind, CONTENTS_SETTINGS);
    struct record_head head;
    memcpy(&head, run->bytes + sizeof(struct contents_setting), sizeof head);
    head.type = RECORD_MOVEMENT;
    memcpy(run->bytes + sizeof(struct contents_setting), &head, sizeof head);
    expect_refused("is not a setting");
}

/* ---- what is remembered ---- */

static void take_anew(void)
{
    contents_free(&contents);
    cr_assert(contents_take(&contents, rig.ledger, why, sizeof why), "%s", why);
}

static void receive_at(unsigned number, const char *id, uint64_t now_ms)
{
    struct ctx *ctx = ledger_ctx(rig.ledger, number);
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = 1
    };
    ledger_begin(ctx, now_ms, now_ms);
    cr_assert_eq(ledger_receive(ctx, &m, &moved), CODE_OK);
    ledger_end(ctx);
}

/* Steps, details, and how far back counts may ask. */
Test(contents, what_was_done_is_loaded)
{
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    struct order_line cup = { .sku = text_of("cup"), .qty = 1 };
    struct step part = { .id = text_of("r1"), .lines = &cup, .line_count = 1 };
    struct step rest = { .id = text_of("r1") }, all = { .id = text_of("r0") };
    struct item_setting name = { .sku = text_of("tea"),
                                 .has_name = true,
                                 .name = text_of("Assam") };
    struct reservation_view view;
    uint64_t lsn;
    ledger_begin(ctx, 2000, 2000);
    cr_assert_eq(ledger_cancel(ctx, &part, &view), CODE_OK);
    cr_assert_eq(ledger_fulfil(ctx, &rest, &view), CODE_OK);
    part.id = text_of("r3");
    cr_assert_eq(ledger_cancel(ctx, &part, &view), CODE_OK);
    cr_assert_eq(ledger_fulfil(ctx, &all, &view), CODE_OK);
    cr_assert_eq(ledger_set_item(ctx, &name, &lsn), CODE_OK);
    ledger_end(ctx);
    recent_forget(&ledger_ctx(rig.ledger, 1)->recent, 1500);
    take_anew();
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    cr_assert(ledgers_equal(rig.ledger, copy.ledger, false, why, sizeof why), "%s", why);
    cr_assert_eq(atomic_load(&ledger_ctx(copy.ledger, 0)->recent.forgotten_ms), 1500);
}

Test(contents, what_ended_is_in_its_order_whichever_context_did_it)
{
    receive_at(1, "second", 2000);
    receive_at(0, "third", 3000);
    take_anew();
    cr_assert_lt(entry_of("m0")->slot, entry_of("second")->slot);
    cr_assert_lt(entry_of("second")->slot, entry_of("third")->slot);
}

Test(contents, a_smaller_table_knows_when_what_it_left_out_had_ended)
{
    for (unsigned i = 0; i < 64; i++) {
        char id[8];
        snprintf(id, sizeof id, "n%u", i);
        receive_at(0, id, 2000 + i);
    }
    take_anew();
    struct ledger_config small = rig.config;
    small.reservations = 64;
    ledger_rig_close(&copy);
    ledger_rig_open(&copy, &small);
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    /* 33 slots are of set_up, 30 of them live: 33 of 67 are left out, the oldest. */
    cr_assert_eq(id_table_forgotten_ms(&copy.ledger->ids), 2000 + 33 - 3 - 1);
}

Test(contents, promised_times_are_loaded)
{
    struct ctx *ctx = ledger_ctx(rig.ledger, 0);
    struct location_setting later = { .code = text_of("main"),
                                      .has_lead_time = true,
                                      .lead_time_s = 60 };
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = { .id = text_of("later"),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    struct reservation_view view;
    uint64_t lsn, word;
    ledger_begin(ctx, 2000, 2000);
    cr_assert_eq(ledger_set_location(ctx, &later, &lsn), CODE_OK);
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_OK);
    ledger_end(ctx);
    take_anew();
    cr_assert(contents_put(&contents, copy.ledger, why, sizeof why), "%s", why);
    struct id_table *ids = &copy.ledger->ids;
    struct id_entry *entry;
    cr_assert_eq(id_table_find(ids, order.id, id_hash(ids, order.id), &entry, &word), ENTRY_FOUND);
    struct draw_walk walk = draw_walk_start(ids, entry);
    cr_assert_eq(draw_ready_ms(entry, draw_walk_next(&walk)), 62000);
    entry_put(entry, word);
}
