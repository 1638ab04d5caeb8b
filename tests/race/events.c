/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events while others change stock. Of an item on a channel, sold out and back in stock come in
 * turn; and of an item whose only unit moves from place to place, and which is never sold out,
 * whatever one look may see, there are none. Readers meet all events, in order, or hear that they
 * missed some. In the end the levels are what the ledger says, and replay gives the same events.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/events/events.h"
#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/gauges.h"
#include "tests/support/race_rig.h"

enum { CHANGERS = 3, READERS = 2, ITEMS = 24, CHANNELS = 2, PLACES = 2 };
enum { RACE_MS = 400 * RACE_SCALE, INDEXES = ITEMS + 16 };

static const char *const places[PLACES] = { "main", "north" };
static _Atomic unsigned working;
static uint64_t next_id[CHANGERS];

/* ---- changing ---- */

static struct text item_name(struct race_name *name, int item)
{
    return race_name(name, 'S', (uint64_t)item);
}

static struct text new_id(struct racer *racer, struct race_name *name)
{
    return race_name(name, (char)('a' + racer->index), ++next_id[racer->index]);
}

static void move(struct racer *racer)
{
    struct race_name id, sku;
    struct movement_result result;
    struct random *r = &racer->random;
    struct movement m = { .id = new_id(racer, &id),
                          .sku = item_name(&sku, random_below(r, ITEMS)),
                          .location = text_of(places[random_below(r, PLACES)]),
                          .qty = random_below(r, 3) };
    enum code code = racer_count(racer, &m, &result);
    RACE_MUST(code == CODE_OK, "move: %s", ctx_failure(racer->ctx)->message);
}

/* Moves the only unit of "moving" to the other place; it may be there already. */
static void carry(struct racer *racer)
{
    struct race_name id;
    struct supply_view view;
    int to = random_below(&racer->random, PLACES);
    struct supply_line line = { .sku = text_of("moving"), .qty = 1 };
    struct supply_order order = { .id = new_id(racer, &id),
                                  .from = text_of(places[1 - to]),
                                  .location = text_of(places[to]),
                                  .lines = &line,
                                  .line_count = 1 };
    enum code code = racer_make_supply(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "carry: %s",
              ctx_failure(racer->ctx)->message);
}

static void set(struct racer *racer)
{
    struct channel_setting channel = { .code = text_of("few"),
                                       .has_buffer = true,
                                       .buffer = random_below(&racer->random, 4) };
    enum code code = racer_set_channel(racer, &channel);
    RACE_MUST(code == CODE_OK, "set: %s", ctx_failure(racer->ctx)->message);
}

/* Not before something was told, however slow the machine is. */
static bool is_done(const struct racer *racer)
{
    const struct events *events = ledger_events(racer->race->ledger);
    return racer_is_done(racer, RACE_MS) && atomic_load(&events->taken) > 0;
}

static void change(struct racer *racer)
{
    while (!is_done(racer)) {
        int what = random_below(&racer->random, 100);
        if (what < 60)
            move(racer);
        else if (what < 99)
            carry(racer);
        else
            set(racer);
        if (what % 4 == 0) {
            atomic_fetch_add(&racer->race->time_offset, 5); /* so that a look is due */
            racer_turn(racer);
        }
        ledger_tell_crossings(racer->ctx);
    }
    atomic_fetch_sub(&working, 1);
}

/* ---- reading ---- */

struct reader {
    uint64_t at, lsn, read, resyncs;
    bool known[INDEXES][CHANNELS], out[INDEXES][CHANNELS];
};

static struct reader readers[READERS + 1];

static void take(const struct race *race, struct reader *r, const struct event *event)
{
    RACE_MUST(event->item < INDEXES && event->channel < CHANNELS && event->lsn >= r->lsn &&
                  event->type < EVENT_TYPE_COUNT,
              "an event that cannot be, at LSN %llu", (unsigned long long)event->lsn);
    struct text sku = ledger_item_sku(race->ledger, event->item);
    bool constant = sku.at[0] != 'S' && event->channel == 0; /* without a buffer */
    RACE_MUST(!constant, "\"%.*s\" never was sold out, and is told so at LSN %llu", (int)sku.len,
              sku.at, (unsigned long long)event->lsn);
    bool *known = &r->known[event->item][event->channel];
    bool *out = &r->out[event->item][event->channel];
    r->lsn = event->lsn;
    r->read++;
    if (event->type == EVENT_LOW_STOCK)
        return;
    bool now = event->type == EVENT_SOLD_OUT;
    RACE_MUST(!*known || *out != now, "\"%.*s\": %s twice, at LSN %llu", (int)sku.len, sku.at,
              event_type_name(event->type), (unsigned long long)event->lsn);
    *known = true;
    *out = now;
}

/* All that there is now; a slow reader begins anew where it missed some. */
static void read_on(struct race *race, struct reader *r)
{
    const struct events *events = ledger_events(race->ledger);
    struct event event;
    enum event_found found;
    while ((found = events_get(events, r->at, &event)) != EVENT_NOT_YET) {
        if (found == EVENT_FOUND) {
            take(race, r, &event);
            r->at++;
            continue;
        }
        RACE_MUST(events_missed(events, r->lsn), "events were overwritten, and are not missed");
        r->at = events_oldest(events);
        r->resyncs++;
        memset(r->known, 0, sizeof r->known);
    }
}

/* Counts what the channels are out of, beside those who record that. */
static void count_levels(const struct race *race)
{
    struct level_counts counts;
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        if (ledger_count_levels(race->ledger, (uint16_t)channel, &counts))
            RACE_MUST(counts.out + counts.low <= INDEXES, "more levels than items");
}

static void work(struct racer *racer)
{
    if (racer->index < CHANGERS) {
        change(racer);
        return;
    }
    while (atomic_load(&working) > 0) {
        read_on(racer->race, &readers[racer->index - CHANGERS]);
        count_levels(racer->race);
        racer_turn(racer);
        if (racer->index % 2 == 0) /* one of them is slow */
            sched_yield();
    }
}

/* ---- when all is stable ---- */

static void look_at_all(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    do {
        while (log_has_claims(&race->log))
            sched_yield();
        ledger_begin(ctx, race_ms(race), race_ms(race));
        ledger_tell_crossings(ctx);
        ledger_end(ctx);
    } while (ledger_crossings_due(ctx) != UINT64_MAX);
}

static void compare(const struct race *race, const struct reader *r)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    ledger_begin(ctx, ctx->engine_ms, ctx->wall_ms);
    for (uint32_t item = 0; item < change_index_items(race->ledger); item++) {
        for (uint16_t i = 0; i < CHANNELS && item_version(race->ledger, item) > 0; i++) {
            int64_t available = ledger_item_availability(ctx, item, i);
            unsigned level = level_of(&race->ledger->crossings.levels, item, i);
            bool none = available <= 0;
            RACE_MUST(level == LEVEL_NONE ? none : (level == LEVEL_OUT) == none,
                      "item %u has %lld, and the level %u", item, (long long)available, level);
            RACE_MUST(!r->known[item][i] || r->out[item][i] == none,
                      "item %u has %lld, and was told otherwise", item, (long long)available);
        }
    }
    ledger_end(ctx);
}

static void compare_gauges(const struct race *race)
{
    const struct levels *levels = &race->ledger->crossings.levels;
    uint64_t taken = 0;
    for (unsigned i = 0; i < CHANNELS; i++) {
        uint16_t channel = (uint16_t)i;
        struct level_counts counts;
        uint64_t out = 0, low = 0;
        for (uint32_t item = 0; item < change_index_items(race->ledger); item++) {
            out += level_of(levels, item, channel) == LEVEL_OUT;
            low += level_of(levels, item, channel) == LEVEL_LOW;
        }
        RACE_MUST(ledger_count_levels(race->ledger, channel, &counts), "the watch is held");
        RACE_MUST(counts.out == out && counts.low == low, "other levels were counted");
    }
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++)
        taken += ledger_events_taken(race->ledger, type);
    RACE_MUST(taken == atomic_load(&ledger_events(race->ledger)->taken),
              "the types' events are not all");
}

/* Replay has made the same events. */
static void compare_replayed(struct race *race)
{
    struct events *live = ledger_events(race->ledger);
    const struct events *replayed = ledger_events(race->follower);
    while (atomic_load(&race->followed) < log_head(&race->log))
        sched_yield();
    uint64_t count = atomic_load(&live->taken);
    RACE_MUST(count == atomic_load(&replayed->taken), "replay has another number of events");
    struct event a, b;
    for (uint64_t at = events_oldest(live); at < count; at++) {
        RACE_MUST(events_get(live, at, &a) == EVENT_FOUND &&
                      events_get(replayed, at, &b) == EVENT_FOUND && a.lsn == b.lsn &&
                      a.type == b.type && a.item == b.item && a.channel == b.channel &&
                      a.qty == b.qty,
                  "event %llu is another in replay", (unsigned long long)at);
    }
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CHANGERS + READERS, &(struct race_tables){ 0 }, argc, argv);
    race.log.tap = (struct log_tap){ events_take_run, ledger_events(race.ledger) };
    race.forgetful = true;
    race.never_short = false;
    race_add_location(&race, "north");
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("few") });
    race_stock(&race, text_of("moving"), text_of("main"), 1);
    look_at_all(&race);
    atomic_store(&working, CHANGERS);
    race_run(&race, CHANGERS + READERS, work, racers);
    look_at_all(&race);
    for (unsigned i = 0; i <= READERS; i++) /* the last one reads what is left in the end */
        read_on(&race, &readers[i]);
    for (unsigned i = 0; i <= READERS; i++)
        compare(&race, &readers[i]);
    compare_gauges(&race);
    compare_replayed(&race);
    RACE_MUST(readers[0].read > 0, "nothing was told");
    printf("told %llu, %llu resyncs\n", (unsigned long long)readers[0].read,
           (unsigned long long)readers[0].resyncs + (unsigned long long)readers[1].resyncs);
    race_close(&race, "events");
    return 0;
}
