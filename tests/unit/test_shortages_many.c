/* SPDX-License-Identifier: Apache-2.0 */
/* Shortages of many pools at once: more than one walk looks for, of items at several places. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/events/events.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/gauges.h"
#include "engine/ledger/shortages.h"
#include "tests/support/contents_rig.h"
#include "tests/support/ledger_rig.h"

enum { NOW = 1000000, ITEMS = SHORTAGE_POOLS, PLACES = 3, BUYERS = 3 };

static const char *const places[PLACES] = { "main", "north", "south" };
static struct ledger_rig rig;
static struct ctx *ctx;
static uint64_t now;
static unsigned next_id;

static struct text name_of(char name[16], char letter, unsigned number)
{
    return (struct text){ name, (uint32_t)snprintf(name, 16, "%c%u", letter, number) };
}

static void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static void count(unsigned item, const char *place, int64_t qty)
{
    char id[16], sku[16];
    struct movement_result moved;
    struct movement m = { .id = name_of(id, 'm', ++next_id),
                          .sku = name_of(sku, 'S', item),
                          .location = text_of(place),
                          .qty = qty };
    must(ledger_count(ctx, &m, &moved));
    ledger_rig_drain(&rig);
}

static void promise(unsigned item, const char *place)
{
    char id[16], sku[16];
    struct reservation_view view;
    struct order_line line = { .sku = name_of(sku, 'S', item),
                               .qty = 1,
                               .location = text_of(place) };
    struct order order = { .id = name_of(id, 'o', ++next_id),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1 };
    must(ledger_reserve(ctx, &order, &view));
    ledger_rig_drain(&rig);
}

static void set_up(void)
{
    uint64_t lsn;
    struct ledger_config config = {
        .items = 1024, .pools = 4096, .reservations = 16384, .contexts = 1, .hash_seed = 5
    };
    now = NOW;
    next_id = 0;
    ledger_rig_open(&rig, &config);
    rig.log.tap = (struct log_tap){ events_take_run, ledger_events(rig.ledger) };
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    for (int place = 1; place < PLACES; place++) {
        struct location_setting setting = { .code = text_of(places[place]) };
        must(ledger_set_location(ctx, &setting, &lsn));
    }
    for (unsigned item = 0; item < ITEMS; item++)
        for (int place = 0; place < PLACES; place++)
            count(item, places[place], BUYERS);
    for (int buyer = 0; buyer < BUYERS; buyer++)
        for (unsigned item = 0; item < ITEMS; item++)
            for (int place = 0; place < PLACES; place++)
                promise(item, places[place]);
}

static void tear_down(void)
{
    char why[256];
    ledger_end(ctx);
    cr_assert(contents_rig_copies(&rig, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
}

TestSuite(shortages_many, .init = set_up, .fini = tear_down);

static uint64_t told(void)
{
    unsigned looks = 0;
    do {
        ledger_rig_drain(&rig);
        ledger_end(ctx);
        now += 50;
        ledger_begin(ctx, now, now);
        uint64_t before = ctx->work;
        ledger_tell_shortages(ctx);
        cr_assert_lt(ctx->work - before, 40 << 10, "a slice has an end");
        cr_assert_lt(++looks, 5000, "it never ends");
    } while (ledger_shortages_due(ctx) != UINT64_MAX);
    ledger_rig_drain(&rig);
    return ledger_events_taken(rig.ledger, EVENT_SHORT);
}

Test(shortages_many, of_one_place)
{
    for (unsigned item = 0; item < ITEMS; item++)
        count(item, "north", 1);
    cr_assert_eq(told(), ITEMS * (BUYERS - 1));
    for (unsigned item = 0; item < ITEMS; item += 2)
        count(item, "north", 0);
    cr_assert_eq(told(), ITEMS * (BUYERS - 1) + ITEMS / 2);
}

Test(shortages_many, of_all_places)
{
    for (unsigned item = 0; item < ITEMS; item++)
        for (int place = 0; place < PLACES; place++)
            count(item, places[place], 1);
    cr_assert_eq(told(), ITEMS * PLACES * (BUYERS - 1));
    for (unsigned item = 0; item < ITEMS; item++)
        for (int place = 0; place < PLACES; place++)
            count(item, places[place], BUYERS);
    for (unsigned item = 0; item < ITEMS; item++)
        count(item, "south", 0);
    cr_assert_eq(told(), ITEMS * PLACES * (BUYERS - 1) + ITEMS,
                 "of two at each place it was known");
}
