/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of shortages share: a ledger whose looks are made at once, and what they told. */
#ifndef STOCKD_TESTS_UNIT_SHORTAGES_RIG_H
#define STOCKD_TESTS_UNIT_SHORTAGES_RIG_H

#include "engine/events/events.h"
#include "engine/ledger/gauges.h"
#include "engine/ledger/shortages.h"
#include "tests/support/contents_rig.h"
#include "tests/unit/supply_rig.h"

static uint64_t now, read_to;
static unsigned next_id;

static inline void tap(void)
{
    rig.log.tap = (struct log_tap){ events_take_run, ledger_events(rig.ledger) };
}

static inline void begin(void)
{
    now = NOW;
    read_to = 0;
    next_id = 0;
    set_up();
    tap();
}

static inline void end(void)
{
    ledger_rig_drain(&rig);
    ledger_end(ctx);
    cr_assert(contents_rig_copies(&rig, now, why, sizeof why), "%s", why);
    ledger_begin(ctx, now, now);
    tear_down();
}

TestSuite(shortages, .init = begin, .fini = end);

/* Looks until nothing is left to be looked at. */
static inline void look(void)
{
    unsigned looks = 0;
    do {
        ledger_rig_drain(&rig);
        now += 50;
        at_time(now);
        ledger_tell_shortages(ctx);
        cr_assert_lt(++looks, 2000, "it never ends");
    } while (ledger_shortages_due(ctx) != UINT64_MAX);
    ledger_rig_drain(&rig);
}

/* The next ones told must be these, and no others: "o2 store 3, ..." */
static inline void told(const char *expected)
{
    char all[1024] = "";
    struct event event;
    look();
    const struct catalogue *catalogue = ledger_catalogue(ctx);
    for (; events_get(ledger_events(rig.ledger), read_to, &event) == EVENT_FOUND; read_to++) {
        if (event.type != EVENT_SHORT)
            continue;
        struct text place = code_text(&catalogue->locations[event.location].code);
        size_t used = strlen(all);
        cr_assert_eq(event.item, 0);
        bool held = event.id[0] == 't';
        cr_assert_eq(event.channel, held ? EVENT_NO_CHANNEL : 1, "of web");
        snprintf(all + used, sizeof all - used, "%s%.*s %.*s %d", used ? ", " : "", event.id_len,
                 event.id, (int)place.len, place.at, (int)event.qty);
    }
    cr_assert_str_eq(all, expected);
}

static inline struct movement movement(const char *location, int64_t qty)
{
    static char id[16];
    snprintf(id, sizeof id, "m%u", ++next_id);
    return (struct movement){
        .id = text_of(id), .sku = text_of("tea"), .location = text_of(location), .qty = qty
    };
}

static inline void must(enum code code)
{
    cr_assert_eq(code, CODE_OK, "%s: %s", code_name(code), ctx_failure(ctx)->message);
}

static inline void bring(const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = movement(location, qty);
    must(ledger_receive(ctx, &m, &moved));
}

static inline void count(const char *location, int64_t qty)
{
    struct movement_result moved;
    struct movement m = movement(location, qty);
    must(ledger_count(ctx, &m, &moved));
}

static inline void reserve_at(const char *id, const char *location, int64_t qty)
{
    struct order_line line = { .sku = text_of("tea"), .qty = qty, .location = text_of(location) };
    struct order order = { .id = text_of(id),
                           .channel = text_of("web"),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    must(ledger_reserve(ctx, &order, &granted));
}

static inline void cancel_some(const char *id, int64_t qty)
{
    struct reservation_view r;
    struct order_line line = { .sku = text_of("tea"), .qty = qty };
    must(ledger_cancel(ctx, &(struct step){ .id = text_of(id), .lines = &line, .line_count = 1 },
                       &r));
}

static inline void withdraw(const char *id, int64_t qty)
{
    struct supply_line line = tea(qty, 0);
    struct supply_step some = { .id = text_of(id), .lines = &line, .line_count = 1 };
    must(ledger_withdraw(ctx, &some, &view));
}

/* A start from the first bytes of what was drained. */
static inline void start_from(size_t bytes)
{
    struct ledger_rig follower;
    ledger_end(ctx);
    cr_assert(ledger_rig_follow(&follower, &rig, bytes, now, why, sizeof why), "%s", why);
    ledger_rig_close(&rig);
    rig = follower;
    rig.config.log = rig.ledger->log = &rig.log;
    tap();
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, now, now);
    read_to = 0;
}

/* Three promises of a supply of ten. */
static inline void promise_three(void)
{
    expect("e", 10, NOW + HOUR);
    reserve_at("o1", "store", 4);
    reserve_at("o2", "store", 3);
    reserve_at("o3", "store", 3);
}

/* Three promises of the ten that are on hand. */
static inline void promise_on_hand(void)
{
    reserve_at("o1", "main", 4);
    reserve_at("o2", "main", 3);
    reserve_at("o3", "main", 3);
}

#endif
