/* SPDX-License-Identifier: Apache-2.0 */
/* Crossings: what is recorded, once, and what a start makes of it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/events/events.h"
#include "engine/ledger/ctx.h"
#include "engine/ops/crossings.h"
#include "tests/support/contents_rig.h"
#include "tests/support/ledger_rig.h"

static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now, read_to;
static unsigned next_id;

static void bring_up(void)
{
    rig.log.tap = (struct log_tap){ events_take_run, ledger_events(rig.ledger) };
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
}

static void set_up(void)
{
    now = 1000000;
    next_id = 0;
    read_to = 0;
    ledger_rig_open(
        &rig,
        &(struct ledger_config){
            .items = 2048, .pools = 4096, .reservations = 8192, .contexts = 2, .hash_seed = 3 });
    bring_up();
}

static void tear_down(void)
{
    char why[256];
    ledger_end(ctx);
    cr_assert(contents_rig_copies(&rig, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(crossings, .init = set_up, .fini = tear_down);

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void adjust(const char *sku, int64_t qty)
{
    char id[16];
    struct movement_result moved;
    snprintf(id, sizeof id, "m%u", ++next_id);
    struct movement m = {
        .id = text_of(id), .sku = text_of(sku), .location = text_of("main"), .qty = qty
    };
    must(qty > 0 ? ledger_receive(ctx, &m, &moved) : ledger_adjust(ctx, &m, &moved));
}

static void set_low(const char *sku, int64_t low_stock)
{
    uint64_t lsn;
    struct item_setting s = { .sku = text_of(sku), .has_low_stock = true, .low_stock = low_stock };
    must(ledger_set_item(ctx, &s, &lsn));
}

/* Looks until nothing is left to be looked at. */
static void look(void)
{
    unsigned looks = 0;
    do {
        ledger_rig_drain(&rig);
        ledger_end(ctx);
        now += 10;
        ledger_begin(ctx, now, now);
        ledger_tell_crossings(ctx);
        cr_assert_lt(++looks, 1000, "it never ends");
    } while (ledger_crossings_due(ctx) != UINT64_MAX);
}

/* The next events must be these, and no others: "sold_out S1 default 0, ..." */
static void told(const char *expected)
{
    char all[512] = "";
    struct event event;
    look();
    const struct catalogue *catalogue = ledger_catalogue(ctx);
    while (events_get(ledger_events(rig.ledger), read_to, &event) == EVENT_FOUND) {
        struct text sku = ledger_sku(ctx, event.item);
        struct text channel = code_text(&catalogue->channels[event.channel].code);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s %.*s %.*s %d", used ? ", " : "",
                 event_type_name(event.type), (int)sku.len, sku.at, (int)channel.len, channel.at,
                 (int)event.qty);
        read_to++;
    }
    cr_assert_str_eq(all, expected);
}

/* A start from the first bytes of what was drained. */
static void start_from(size_t bytes)
{
    char why[256];
    struct ledger_rig follower;
    ledger_end(ctx);
    cr_assert(ledger_rig_follow(&follower, &rig, bytes, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.config.log = rig.ledger->log = &rig.log;
    bring_up();
}

Test(crossings, are_told_once)
{
    adjust("S1", 5);
    told("");
    adjust("S1", -4);
    told("");
    adjust("S1", -1);
    told("sold_out S1 default 0");
    told("");
    adjust("S1", 2);
    told("back_in_stock S1 default 2");
    told("");
}

Test(crossings, that_are_undone_before_a_look_are_not_told)
{
    adjust("S1", 5);
    look();
    adjust("S1", -5);
    adjust("S1", 5);
    told("");
}

Test(crossings, know_low_stock)
{
    adjust("S1", 10);
    set_low("S1", 3);
    told("");
    adjust("S1", -6);
    told("");
    adjust("S1", -1);
    told("low_stock S1 default 3");
    adjust("S1", -1);
    told("");
    adjust("S1", 5);
    told("");
    adjust("S1", -7); /* over both at once */
    told("low_stock S1 default 0, sold_out S1 default 0");
    adjust("S1", 1);
    told("back_in_stock S1 default 1");
    set_low("S1", 0);
    told("");
    set_low("S1", 1); /* a setting crosses, too */
    told("low_stock S1 default 1");
}

Test(crossings, of_a_buffer_and_of_a_catalogue_that_changes)
{
    uint64_t lsn;
    struct channel_setting web = { .code = text_of("web"), .has_buffer = true, .buffer = 3 };
    must(ledger_set_channel(ctx, &web, &lsn));
    adjust("S1", 4);
    told("");
    adjust("S1", -1);
    told("sold_out S1 web 0");
    web.buffer = 1;
    must(ledger_set_channel(ctx, &web, &lsn));
    told("back_in_stock S1 web 2");
    struct location_setting closed = { .code = text_of("main"),
                                       .has_active = true,
                                       .active = false };
    must(ledger_set_location(ctx, &closed, &lsn));
    told("sold_out S1 default 0, sold_out S1 web 0");
}

Test(crossings, wait_while_a_take_is_undecided)
{
    adjust("S1", 1);
    look();
    struct pool *pool = &item_at(&rig.ledger->items, 0)->pools[0];
    uint64_t after;
    struct pool_change take = { .reserved = 1, .tentative = 1 };
    struct pool_change undo = { .reserved = -1, .tentative = -1 };
    cr_assert_eq(pool_apply(pool, take, 1, &after), POOL_CHANGED);
    set_low("S1", 0); /* so that it looks at the item */
    for (int i = 0; i < 5; i++) {
        struct event event;
        ledger_rig_drain(&rig);
        ledger_end(ctx);
        now += 10;
        ledger_begin(ctx, now, now);
        ledger_tell_crossings(ctx);
        ledger_rig_drain(&rig);
        cr_assert_eq(events_get(ledger_events(rig.ledger), read_to, &event), EVENT_NOT_YET);
        cr_assert_neq(ledger_crossings_due(ctx), UINT64_MAX); /* it looks again */
    }
    pool_give(pool, undo);
    told("");
}

Test(crossings, that_a_crash_left_untold_are_told_after_the_start)
{
    adjust("S1", 5);
    look();
    adjust("S1", -5);
    ledger_rig_drain(&rig); /* this much is on disk: the change, and not what tells of it */
    size_t bytes = rig.length;
    told("sold_out S1 default 0");
    read_to = 0;
    start_from(bytes);
    told("sold_out S1 default 0");
}

/* One look records both, and the crash comes between the two records. */
Test(crossings, of_which_a_crash_left_one_untold)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    adjust("S1", 5);
    adjust("S2", 5);
    look();
    adjust("S1", -5);
    adjust("S2", -5);
    ledger_rig_drain(&rig);
    size_t bytes = rig.length;
    told("sold_out S1 default 0, sold_out S2 default 0");
    read_to = 0;
    start_from(bytes + ledger_rig_record(&rig, bytes, record));
    told("sold_out S1 default 0, sold_out S2 default 0");
}

Test(crossings, that_were_told_are_events_after_a_start_and_not_told_again)
{
    adjust("S1", 5);
    look();
    adjust("S1", -5);
    told("sold_out S1 default 0");
    read_to = 0;
    start_from(rig.length);
    told("sold_out S1 default 0");
    cr_assert_eq(read_to, 1);
}

Test(crossings, need_only_look_at_what_changed_since_the_last_one)
{
    adjust("S1", 1);
    look();
    adjust("S1", -1);
    told("sold_out S1 default 0");
    uint64_t seen = crossings_seen_lsn(rig.ledger);
    ledger_rig_drain(&rig);
    start_from(rig.length);
    uint64_t after = crossings_seen_lsn(rig.ledger);
    cr_assert_gt(after, 0);
    cr_assert_leq(after, seen);
    read_to = 1;
    told("");
}

/* A start from a snapshot, after the crash of an engine that had not told all. */
Test(crossings, go_on_from_a_snapshot)
{
    char why[256];
    struct ledger_rig follower;
    adjust("S1", 5);
    adjust("S2", 5);
    look();
    adjust("S1", -5);
    told("sold_out S1 default 0");
    ledger_rig_drain(&rig);
    size_t imaged = rig.length;
    adjust("S1", 1);
    adjust("S2", -5);
    ledger_rig_drain(&rig);
    ledger_end(ctx);
    cr_assert(contents_rig_follow(&follower, &rig, imaged, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.config.log = rig.ledger->log = &rig.log;
    bring_up();
    read_to = 0;
    told("sold_out S1 default 0, back_in_stock S1 default 1, sold_out S2 default 0");
}

Test(crossings, of_many_items_are_told_in_slices)
{
    enum { MANY = 1500 };
    char sku[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(sku, sizeof sku, "S%d", i);
        adjust(sku, 1);
        if (i % 64 == 0)
            ledger_rig_drain(&rig);
    }
    look();
    for (int i = 0; i < MANY; i++) {
        snprintf(sku, sizeof sku, "S%d", i);
        adjust(sku, -1);
        if (i % 64 == 0)
            ledger_rig_drain(&rig);
    }
    look();
    cr_assert_eq(atomic_load(&ledger_events(rig.ledger)->taken), MANY);
    start_from(rig.length);
    look();
    cr_assert_eq(atomic_load(&ledger_events(rig.ledger)->taken), MANY);
}
