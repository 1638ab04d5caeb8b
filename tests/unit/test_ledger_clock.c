/* SPDX-License-Identifier: Apache-2.0 */
/* Wall clocks that were put back or forward during the run, and a start after that. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/history/history.h"
#include "engine/ledger/ctx.h"
#include "tests/support/ledger_rig.h"

enum { HOUR = 3600 * 1000, HOLD_MS = 900 * 1000 };

static struct ledger_rig rig, started;
static struct ctx *ctx;
static uint64_t engine, wall;
static struct reservation_view view;

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void begin(void)
{
    ledger_end(ctx);
    ledger_begin(ctx, engine, wall);
    ledger_expire(ctx, 100);
}

static void move(const char *id, int64_t qty)
{
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = qty
    };
    must(ledger_adjust(ctx, &m, &moved));
}

static void set_up(void)
{
    engine = wall = 100 * (uint64_t)HOUR;
    ledger_rig_open(
        &rig, &(struct ledger_config){
                  .items = 8, .pools = 8, .reservations = 128, .contexts = 1, .hash_seed = 3 });
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, engine, wall);
    struct movement_result moved;
    struct movement m = {
        .id = text_of("m"), .sku = text_of("tea"), .location = text_of("main"), .qty = 10
    };
    must(ledger_receive(ctx, &m, &moved));
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(ledger_clock, .init = set_up, .fini = tear_down);

static void hold(const char *id)
{
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    struct order order = { .id = text_of(id),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1,
                           .has_ttl = true,
                           .ttl_ms = HOLD_MS };
    must(ledger_reserve(ctx, &order, &view));
}

/* Starts anew from the log, a second later: engine time begins as protocol/clock.h says. */
static void restart(void)
{
    char why[200];
    ledger_end(ctx);
    ledger_rig_drain(&rig);
    engine += 1000;
    wall += 1000;
    if (wall > engine)
        engine = wall;
    cr_assert(ledger_rig_follow(&started, &rig, rig.length, engine, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = started;
    atomic_store(&rig.log.head, atomic_load(&rig.log.tail));
    rig.ledger->log = &rig.log; /* it moved with the rig */
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, engine, wall);
    ledger_expire(ctx, 100);
}

/* It ends when it has lasted as long as it was granted, a second of which the start took. */
static void expect_ends_after(const char *id, uint64_t ms)
{
    engine += ms - 1000;
    wall += ms - 1000;
    begin();
    must(ledger_reservation(ctx, text_of(id), &view));
    cr_assert_str_eq(view.state, "held", "it ended early");
    engine += 1000;
    wall += 1000;
    begin();
    must(ledger_reservation(ctx, text_of(id), &view));
    cr_assert_str_eq(view.state, "expired", "it ends late");
}

Test(ledger_clock, a_hold_made_after_the_clock_was_put_back_outlives_a_start)
{
    wall -= HOUR;
    begin();
    hold("r");
    uint64_t told = view.expires_ms;
    cr_assert_eq(told, wall + HOLD_MS, "clients are told the wall clock's time");
    restart();
    must(ledger_reservation(ctx, text_of("r"), &view));
    hold("r"); /* again */
    cr_assert_eq(view.expires_ms, told, "the first result");
    expect_ends_after("r", HOLD_MS - 1000);
}

Test(ledger_clock, an_extended_hold_outlives_a_start_too)
{
    hold("r");
    wall -= HOUR;
    begin();
    must(ledger_extend(ctx, text_of("r"), 2 * HOLD_MS, &view));
    restart();
    expect_ends_after("r", 2 * HOLD_MS - 1000);
}

Test(ledger_clock, a_clock_that_was_put_forward_ends_no_hold)
{
    wall += HOUR;
    begin();
    hold("r");
    restart(); /* engine time goes with the wall clock */
    cr_assert_eq(engine, wall);
    expect_ends_after("r", HOLD_MS - 1000);
}

static int note_time(void *context, const struct history_event *event)
{
    uint64_t *last = context;
    cr_assert_geq(event->time_ms, *last, "%s", event->type);
    *last = event->time_ms;
    return 0;
}

Test(ledger_clock, the_past_is_told_in_times_that_never_go_back)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    struct history history;
    uint64_t last = 0;
    move("a1", -1);
    wall -= HOUR;
    begin();
    hold("r1");
    move("a2", -1);
    ctx->wall_ms =
        engine - 5; /* another thread whose iteration began earlier, the clock put right */
    move("a3", -1);
    ctx->wall_ms = wall;
    must(ledger_confirm(ctx, text_of("r1"), (struct text){ NULL, 0 }, &view));
    must(ledger_fulfil(ctx, &(struct step){ .id = text_of("r1") }, &view));
    ledger_rig_drain(&rig);
    history_open(&history, &(struct history_filter){ .subject = HISTORY_ITEM, .item = 0 });
    for (size_t at = 0; at < rig.length;) {
        at += ledger_rig_record(&rig, at, record);
        const struct record_head *head = (const struct record_head *)(const void *)record;
        cr_assert_eq(history_take(&history, head, at, engine, note_time, &last), 0);
    }
    history_close(&history);
    cr_assert_eq(last, engine);
}

/* ---- ids that carry their time ---- */

static enum code receive_made_at(uint64_t made_ms)
{
    char id[64];
    snprintf(id, sizeof id, "%08x-%04x-7000-8000-000000000000", (unsigned)(made_ms >> 16),
             (unsigned)(made_ms & 0xffff));
    struct movement_result moved;
    struct movement m = {
        .id = text_of(id), .sku = text_of("tea"), .location = text_of("main"), .qty = 1
    };
    return ledger_receive(ctx, &m, &moved);
}

/* The clock of who makes ids may be ahead by half of what is remembered, a minute at most. */
Test(ledger_clock, an_id_made_soon_after_what_was_forgotten_is_refused)
{
    static const struct {
        uint64_t remember_ms, ahead_ms;
    } cases[] = { { HOUR, 60000 }, { 10000, 5000 }, { 0, 0 } };
    struct id_table *ids = &rig.ledger->ids;
    uint64_t forgotten = engine - HOUR;
    id_table_note_forgotten(ids, forgotten);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ids->remember_ms = cases[i].remember_ms;
        cr_assert_eq(receive_made_at(forgotten + cases[i].ahead_ms), CODE_EXPIRED_ID);
        cr_assert_eq(receive_made_at(forgotten + cases[i].ahead_ms + 1), CODE_OK);
    }
}
