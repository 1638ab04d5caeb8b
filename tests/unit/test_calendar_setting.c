/* SPDX-License-Identifier: Apache-2.0 */
/* Calendars of a ledger: how they are set, and laid out again day by day. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/fake_zones.h"
#include "tests/support/ledger_rig.h"

/* Noon, 100 days after the epoch: clocks in Test/Saving are two hours to the east. */
static const uint64_t noon_ms = 100 * DAY_MS + DAY_MS / 2;

static struct fake_zones zones;
static struct ledger_rig rig;
static struct ctx *ctx;
static struct lay_out_failure failure;

static void begin(uint64_t now_ms)
{
    ledger_end(ctx);
    ledger_begin(ctx, now_ms, now_ms);
}

static void set_up(void)
{
    fake_zones_open(&zones);
    struct ledger_config config = { .items = 8,
                                    .pools = 8,
                                    .reservations = 256,
                                    .contexts = 1,
                                    .hash_seed = 3,
                                    .zones = &zones.source };
    ledger_rig_open(&rig, &config);
    ctx = ledger_ctx(rig.ledger, 0);
    ledger_begin(ctx, noon_ms, noon_ms);
}

static void tear_down(void)
{
    ledger_end(ctx);
    ledger_rig_close(&rig);
}

TestSuite(calendar_setting, .init = set_up, .fini = tear_down);

static struct calendar_setting of_zone(const char *tz)
{
    return (struct calendar_setting){ .code = text_of("hours"), .has_tz = true, .tz = text_of(tz) };
}

static uint64_t set(struct calendar_setting s)
{
    uint64_t lsn = 0;
    cr_assert_eq(ledger_set_calendar(ctx, &s, &lsn), CODE_OK, "%s", ctx_failure(ctx)->message);
    return lsn;
}

static uint16_t calendars(void)
{
    return ledger_catalogue(ctx)->calendar_count;
}

static void expect_refused(struct calendar_setting s, enum code wanted, const char *says)
{
    uint64_t tail = atomic_load(&rig.log.tail), lsn = 4711;
    uint16_t count = calendars();
    cr_expect_eq(ledger_set_calendar(ctx, &s, &lsn), wanted);
    cr_expect_str_eq(ctx_failure(ctx)->message, says);
    cr_expect_eq(atomic_load(&rig.log.tail), tail, "it is in the journal");
    cr_expect_eq(calendars(), count);
    cr_expect_not(atomic_load(&rig.ledger->catalogue_busy));
}

Test(calendar_setting, refuses_a_zone_that_the_source_does_not_know)
{
    expect_refused(of_zone("Mars/Base"), CODE_BAD_REQUEST,
                   "tz \"Mars/Base\" is no time zone that the system knows");
    set(of_zone("Test/Half"));
    expect_refused(of_zone("Mars/Base"), CODE_BAD_REQUEST,
                   "tz \"Mars/Base\" is no time zone that the system knows");
    cr_expect(text_equal(zone_text(&ledger_catalogue(ctx)->calendars[0].tz), text_of("Test/Half")));
}

Test(calendar_setting, refuses_what_the_table_has_no_room_for)
{
    char code[8];
    for (unsigned i = 0; i < CALENDARS_MAX; i++) {
        snprintf(code, sizeof code, "c%u", i);
        set((struct calendar_setting){ .code = text_of(code) });
        if (i % 64 == 0) {
            begin(noon_ms + i); /* so that old versions are freed */
            ledger_rig_drain(&rig);
        }
    }
    expect_refused(of_zone("UTC"), CODE_LIMIT, "calendars: the table is full (1024)");
    struct calendar_setting there = of_zone("Test/Half");
    there.code = text_of("c5");
    set(there);
}

Test(calendar_setting, that_is_set_again_returns_the_same_lsn)
{
    uint64_t lsn = set(of_zone("Test/Half")), tail = atomic_load(&rig.log.tail);
    cr_expect_eq(set(of_zone("Test/Half")), lsn);
    cr_expect_eq(set((struct calendar_setting){ .code = text_of("hours") }), lsn);
    cr_expect_eq(atomic_load(&rig.log.tail), tail);
    cr_expect_gt(set(of_zone("UTC")), lsn);
}

/* ---- laid out ---- */

/* A parcel leaves each day at 18:00 local time. */
static void open_shop(void)
{
    static uint16_t dispatch[7];
    struct movement_result moved;
    uint64_t lsn;
    for (unsigned i = 0; i < 7; i++)
        dispatch[i] = (uint16_t)(i * DAY_MINUTES + 1080);
    set(of_zone("Test/Saving"));
    cr_assert_eq(ledger_set_location(ctx,
                                     &(struct location_setting){ .code = text_of("main"),
                                                                 .has_calendar = true,
                                                                 .calendar = text_of("hours"),
                                                                 .has_dispatch = true,
                                                                 .dispatch = dispatch,
                                                                 .dispatch_count = 7 },
                                     &lsn),
                 CODE_OK, "%s", ctx_failure(ctx)->message);
    cr_assert_eq(ledger_receive(ctx,
                                &(struct movement){ .id = text_of("m"),
                                                    .sku = text_of("tea"),
                                                    .location = text_of("main"),
                                                    .qty = 100 },
                                &moved),
                 CODE_OK);
}

static uint64_t ready_ms(void)
{
    static unsigned number;
    char id[8];
    struct reservation_view view;
    struct order_line line = { .sku = text_of("tea"), .qty = 1 };
    snprintf(id, sizeof id, "r%u", number++);
    struct order order = {
        .id = text_of(id), .channel = text_of("default"), .lines = &line, .line_count = 1
    };
    cr_assert_eq(ledger_reserve(ctx, &order, &view), CODE_OK);
    return view.draws[0].ready_ms;
}

static uint64_t table_end(void)
{
    return timetable_end(ledger_catalogue(ctx)->calendars[0].timetable);
}

enum { HOUR_MS = 60 * MINUTE_MS };

Test(calendar_setting, is_laid_out_at_once)
{
    open_shop();
    cr_expect_eq(ready_ms(), noon_ms + 4 * HOUR_MS);
    cr_expect_eq(table_end() / DAY_MS, noon_ms / DAY_MS + TIMETABLE_DAYS - 2);
}

Test(calendar_setting, is_laid_out_again_the_next_day_by_the_rules_of_that_day)
{
    open_shop();
    cr_assert(ledger_lay_out(rig.ledger, noon_ms, &failure));
    unsigned asked = zones.asked;
    uint64_t end = table_end(), tail;
    zones.shift_s = 3600;
    cr_assert(ledger_lay_out(rig.ledger, noon_ms + 11 * HOUR_MS, &failure));
    cr_expect_eq(zones.asked, asked, "it was done today");
    cr_expect_eq(ready_ms(), noon_ms + 4 * HOUR_MS);
    tail = atomic_load(&rig.log.tail);
    cr_assert(ledger_lay_out(rig.ledger, noon_ms + 12 * HOUR_MS, &failure));
    cr_expect_eq(atomic_load(&rig.log.tail), tail, "no journal needs to say so");
    cr_expect_gt(zones.asked, asked);
    cr_expect_eq(table_end(), end + DAY_MS - HOUR_MS);
    begin(noon_ms + 24 * HOUR_MS);
    cr_expect_eq(ready_ms(), noon_ms + 27 * HOUR_MS);
}

Test(calendar_setting, keeps_its_timetable_while_the_zones_cannot_be_read)
{
    open_shop();
    cr_assert(ledger_lay_out(rig.ledger, noon_ms, &failure));
    uint64_t end = table_end();
    zones.broken = true;
    begin(noon_ms + DAY_MS);
    cr_expect_not(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    cr_expect_eq(table_end(), end);
    cr_expect_eq(ready_ms(), noon_ms + DAY_MS + 4 * HOUR_MS);
    cr_expect_not(atomic_load(&rig.ledger->catalogue_busy));
    zones.broken = false;
    cr_expect(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    cr_expect_eq(table_end(), end + DAY_MS);
}

/* The calendars "hours", "more" and "late", of two zones; main is open by "hours". */
static void open_three(void)
{
    struct calendar_setting more = of_zone("Test/Saving"), late = of_zone("Test/Half");
    open_shop();
    more.code = text_of("more");
    late.code = text_of("late");
    set(more);
    set(late);
}

static uint64_t end_of(const struct ledger *ledger, unsigned calendar)
{
    return timetable_end(atomic_load(&ledger->catalogue)->calendars[calendar].timetable);
}

Test(calendar_setting, that_has_no_zone_any_more_does_not_keep_others_from_being_laid_out)
{
    open_three();
    uint64_t end = end_of(rig.ledger, 0), late_end = end_of(rig.ledger, 2);
    zones.missing = "Test/Saving";
    begin(noon_ms + DAY_MS);
    cr_expect_not(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    cr_expect_eq(failure.error, -ENOENT);
    cr_expect_eq(failure.calendars, 2);
    cr_expect(text_equal(code_text(&failure.calendar), text_of("hours")));
    cr_expect(text_equal(zone_text(&failure.tz), text_of("Test/Saving")));
    cr_expect_eq(end_of(rig.ledger, 0), end);
    cr_expect_eq(end_of(rig.ledger, 2), late_end + DAY_MS);
    unsigned asked = zones.asked;
    const struct catalogue *before = atomic_load(&rig.ledger->catalogue);
    cr_expect_not(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    cr_expect_eq(zones.asked, asked + 1, "one zone is left, and two calendars share it");
    cr_expect_eq(atomic_load(&rig.ledger->catalogue), before, "nothing has changed");
    zones.missing = NULL;
    cr_expect(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    cr_expect_eq(failure.error, 0);
    for (unsigned i = 0; i < 2; i++)
        cr_expect_eq(end_of(rig.ledger, i), end + DAY_MS, "%u", i);
}

/* As after a start on a machine without tzdata. */
Test(calendar_setting, that_never_had_its_zone_is_never_open)
{
    struct ledger_rig other;
    char why[200];
    open_three();
    ledger_rig_drain(&rig);
    cr_assert(ledger_rig_follow(&other, &rig, rig.length, noon_ms, why, sizeof why), "%s", why);
    zones.missing = "Test/Saving";
    cr_expect_not(ledger_lay_out(other.ledger, noon_ms, &failure));
    const struct catalogue *c = atomic_load(&other.ledger->catalogue);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_not_null(c->calendars[i].timetable, "%u: it is always open", i);
    cr_expect_eq(timetable_spend(c->calendars[0].timetable, noon_ms, 0), READY_NEVER);
    cr_expect_eq(timetable_spend(c->calendars[1].timetable, noon_ms, 0), READY_NEVER);
    cr_expect_eq(timetable_spend(c->calendars[2].timetable, noon_ms, 0), noon_ms);
    zones.missing = NULL;
    cr_expect(ledger_lay_out(other.ledger, noon_ms, &failure));
    c = atomic_load(&other.ledger->catalogue);
    cr_expect_eq(timetable_spend(c->calendars[0].timetable, noon_ms, 0), noon_ms);
    ledger_rig_close(&other);
}

Test(calendar_setting, is_not_laid_out_while_another_thread_sets_something)
{
    open_shop();
    cr_assert(catalogue_take(rig.ledger));
    cr_expect_not(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
    catalogue_put(rig.ledger);
    cr_expect(ledger_lay_out(rig.ledger, noon_ms + DAY_MS, &failure));
}

Test(calendar_setting, is_replayed_without_zones_and_never_laid_out)
{
    struct ledger_rig other;
    char why[200];
    open_shop();
    ledger_rig_drain(&rig);
    struct ledger_rig without = rig;
    without.config.zones = NULL;
    cr_assert(ledger_rig_follow(&other, &without, rig.length, noon_ms, why, sizeof why), "%s", why);
    cr_expect(ledger_lay_out(other.ledger, noon_ms, &failure));
    cr_expect_null(atomic_load(&other.ledger->catalogue)->calendars[0].timetable);
    cr_expect(ledgers_equal(rig.ledger, other.ledger, false, why, sizeof why), "%s", why);
    ledger_rig_close(&other);
}
