/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of times without stock beside contexts in which items sell out and come back. Each is of
 * one moment: were its levels later than its facts, or earlier, something would have been sold out
 * since 1970. In the end it is what the levels and the events say.
 */
#include <sched.h>

#include "engine/events/events.h"
#include "engine/ledger/ctx.h"
#include "engine/reports/report.h"
#include "tests/support/race_rig.h"

enum { CONTEXTS = 4, CHANGERS = 3, ITEMS = 24, CHANNELS = 2, PAIRS = ITEMS * CHANNELS };
enum { RACE_MS = 300 * RACE_SCALE, REPORTS = 9, SLACK_MS = 60000 };

static _Atomic unsigned changing = CHANGERS;
static uint64_t next_id[CHANGERS], began_ms;

/* The first values of a report, summed over its rows. */
struct told {
    double times, out_s, still_out;
};

static void move(struct racer *racer)
{
    struct race_name id, sku;
    struct movement_result result;
    struct movement m = {
        .id = race_name(&id, (char)('a' + racer->index), ++next_id[racer->index]),
        .sku = race_name(&sku, 'S', (uint64_t)random_below(&racer->random, ITEMS)),
        .location = text_of("main"),
        .qty = random_below(&racer->random, 2),
    };
    enum code code = racer_count(racer, &m, &result);
    RACE_MUST(code == CODE_OK, "move: %s", ctx_failure(racer->ctx)->message);
}

static void change(struct racer *racer)
{
    const struct events *events = ledger_events(racer->race->ledger);
    while (!racer_is_done(racer, RACE_MS) || atomic_load(&events->taken) == 0) {
        move(racer);
        if (random_chance(&racer->random, 25)) {
            atomic_fetch_add(&racer->race->time_offset, 5); /* so that a look is due */
            racer_turn(racer);
        }
        ledger_tell_crossings(racer->ctx);
    }
    atomic_fetch_sub(&changing, 1);
}

static struct told ask(struct ctx *ctx, enum report_by by)
{
    static const _Atomic bool never;
    struct report_ask asked = { .name = REPORT_SOLD_OUT, .by = by, .limit = 1000 };
    struct report *report = report_new(&asked);
    struct told told = { 0, 0, 0 };
    RACE_MUST(report, "no memory");
    report_run(report, ctx, &never, ctx->engine_ms, ctx->wall_ms);
    RACE_MUST(report->outcome == REPORT_DONE, "outcome %d", report->outcome);
    RACE_MUST(report->since_ms == 0, "figures were given up");
    for (uint32_t i = 0; i < report->row_count; i++) {
        told.times += report->rows[i].values[1];
        told.out_s += report->rows[i].values[2];
        told.still_out += report->rows[i].values[3];
    }
    report_free(report);
    return told;
}

static void ask_and_judge(struct racer *racer, enum report_by by)
{
    ledger_end(racer->ctx);
    struct told told = ask(racer->ctx, by);
    ledger_begin(racer->ctx, racer->ctx->engine_ms, racer->ctx->wall_ms);
    double most_s = PAIRS * (double)(racer->ctx->wall_ms - began_ms + SLACK_MS) / 1000;
    RACE_MUST(told.out_s <= most_s, "%.3f s without stock, of at most %.3f", told.out_s, most_s);
    RACE_MUST(by == BY_HOUR || (told.still_out >= 0 && told.still_out <= PAIRS),
              "%g of %d are sold out", told.still_out, PAIRS);
}

static void work(struct racer *racer)
{
    static const enum report_by keys[] = { BY_CHANNEL, BY_SKU, BY_HOUR };
    if (racer->index < CHANGERS) {
        change(racer);
        return;
    }
    for (unsigned i = 0; i < REPORTS || atomic_load(&changing) > 0; i++) {
        racer_turn(racer);
        ask_and_judge(racer, keys[i % 3]);
    }
}

static double levels_out(const struct ledger *ledger)
{
    double out = 0;
    uint32_t items = atomic_load(&ledger->items.count);
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        for (uint32_t item = 0; item < items; item++)
            out += level_of(&ledger->crossings.levels, item, (uint16_t)channel) == LEVEL_OUT;
    return out;
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    race.log.tap = (struct log_tap){ events_take_run, ledger_events(race.ledger) };
    race.forgetful = true;
    race.never_short = false;
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("web") });
    for (unsigned i = 0; i < ITEMS; i++) {
        struct race_name sku;
        race_stock(&race, race_name(&sku, 'S', i), text_of("main"), 1);
    }
    began_ms = race_ms(&race);
    race_run(&race, CONTEXTS, work, racers);
    while (atomic_load(&race.followed) < log_head(&race.log)) /* then all events are taken */
        sched_yield();
    double events = (double)atomic_load(&ledger_events(race.ledger)->by_type[EVENT_SOLD_OUT]);
    for (unsigned i = 0; i < 2; i++) {
        struct told told = ask(ledger_ctx(race.ledger, 0), i == 0 ? BY_CHANNEL : BY_SKU);
        RACE_MUST(told.times == events, "sold out %g times, not %g", told.times, events);
        RACE_MUST(told.still_out == levels_out(race.ledger), "%g are sold out, not %g",
                  told.still_out, levels_out(race.ledger));
    }
    race_close(&race, "sold_out");
    return 0;
}
