/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars are set and laid out again while orders ask when they will be ready. Each order is
 * promised what one of the rules says that were in force meanwhile, never a mixture of two, and no
 * timetable is freed while an order reads it.
 */
#include <stdio.h>

#include "engine/ledger/ctx.h"
#include "tests/support/fake_zones.h"
#include "tests/support/race_rig.h"

enum { SETTER, CONTEXTS = 4 };
enum { MILLISECONDS = 2000, LEAST = 50, LEAVES_AT = 18 * 60, SHIFT_S = 1800, RULES = 3 };
enum tally { ORDERS, SETTINGS };

static struct fake_zones zones; /* written while the setter holds the catalogue, or by it alone */

/* The zones that the calendar has in turn, as it is laid out. */
static const struct rule {
    const char *tz;
    int32_t shift_s;
} rules[RULES] = { { "UTC", 0 }, { "Test/Saving", 0 }, { "Test/Saving", SHIFT_S } };

/* So that lists are made, shared and freed: they change no order. */
static const int32_t long_ago[] = { 1, 2 };

static void read_lists(const struct racer *racer)
{
    const struct calendar *c = &ledger_catalogue(racer->ctx)->calendars[0];
    for (unsigned i = 0; i < c->closed_count; i++)
        RACE_MUST(c->closed[i] == long_ago[i], "date %u is %d", i, (int)c->closed[i]);
}

static uint64_t leaves_ms(const struct rule *rule, uint64_t now_ms)
{
    int64_t ms = (int64_t)(now_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS;
    for (;; ms += MINUTE_MS) {
        int64_t local_ms = ms + (fake_zone_offset_s(rule->tz, ms) + rule->shift_s) * INT64_C(1000);
        if (local_ms / MINUTE_MS % DAY_MINUTES == LEAVES_AT)
            return (uint64_t)ms;
    }
}

static void set_something(struct racer *racer, unsigned step)
{
    const struct rule *rule = &rules[step % RULES];
    struct calendar_setting s = { .code = text_of("hours"),
                                  .has_tz = true,
                                  .tz = text_of(rule->tz),
                                  .has_closed = true,
                                  .closed = long_ago,
                                  .closed_count = 1 + step % 2 };
    uint64_t lsn;
    enum code code;
    zones.shift_s = rule->shift_s;
    while ((code = ledger_set_calendar(racer->ctx, &s, &lsn)) == CODE_DEFERRED)
        racer_turn(racer);
    RACE_MUST(code == CODE_OK, "calendar: %s", ctx_failure(racer->ctx)->message);
    /* For today and for tomorrow in turn: each time it is another day. */
    struct lay_out_failure failure;
    while (!ledger_lay_out(racer->race->ledger, race_ms(racer->race) + step % 2 * DAY_MS, &failure))
        racer_turn(racer);
    racer->tally[SETTINGS]++;
}

static void order(struct racer *racer, uint64_t number)
{
    struct race_name id;
    struct reservation_view view;
    struct order_line line = { .sku = text_of("ball"), .qty = 1 };
    struct order order = { .id = race_name(&id, (char)('a' + racer->index), number),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1 };
    enum code code = racer_reserve(racer, &order, &view);
    RACE_MUST(code == CODE_OK, "order: %s", ctx_failure(racer->ctx)->message);
    uint64_t ready_ms = view.draws[0].ready_ms, now_ms = racer->ctx->wall_ms;
    bool good = false;
    for (unsigned i = 0; i < RULES; i++)
        good |= ready_ms == leaves_ms(&rules[i], now_ms);
    RACE_MUST(good, "at %llu it is ready at %llu, by no rule", (unsigned long long)now_ms,
              (unsigned long long)ready_ms);
    read_lists(racer);
    RACE_MUST(racer_cancel(racer, &(struct step){ .id = order.id }, &view) == CODE_OK, "cancel");
    racer->tally[ORDERS]++;
}

static void play_part(struct racer *racer)
{
    unsigned counted = racer->index == SETTER ? SETTINGS : ORDERS;
    for (unsigned i = 0; !racer_has_done(racer, MILLISECONDS, counted, LEAST); i++) {
        if (racer->index == SETTER)
            set_something(racer, i);
        else
            order(racer, i);
        if (i % 8 == 0)
            racer_turn(racer);
    }
}

static void open_shop(struct racer *racer)
{
    static uint16_t dispatch[7];
    for (unsigned i = 0; i < 7; i++)
        dispatch[i] = (uint16_t)(i * DAY_MINUTES + LEAVES_AT);
    set_something(racer, 0);
    enum code code =
        racer_set_location(racer, &(struct location_setting){ .code = text_of("main"),
                                                              .has_calendar = true,
                                                              .calendar = text_of("hours"),
                                                              .has_dispatch = true,
                                                              .dispatch = dispatch,
                                                              .dispatch_count = 7 });
    RACE_MUST(code == CODE_OK, "location: %s", ctx_failure(racer->ctx)->message);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    fake_zones_open(&zones);
    race_open(&race, CONTEXTS, &(struct race_tables){ .zones = &zones.source }, argc, argv);
    race.forgetful = true;
    race_stock(&race, text_of("ball"), text_of("main"), 1000);
    race_run(&race, 1, open_shop, racers);
    race_run(&race, CONTEXTS, play_part, racers);
    printf("%lld settings\n", (long long)racers[SETTER].tally[SETTINGS]);
    race_close(&race, "opening_hours");
    return 0;
}
