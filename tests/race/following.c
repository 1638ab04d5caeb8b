/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers that follow the change index while others change stock, orders that fail and are undone
 * among them. Whoever has read a head must have met every change up to it; and once all is stable,
 * what a consumer has gathered walk by walk must be what the ledger says.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "tests/support/race_rig.h"

enum { CHANGERS = 3, CONSUMERS = 2, ITEMS = 40, CHANNELS = 2, PLACES = 2, CATALOGUE = ITEMS };
enum { INDEXES = ITEMS + CHANGERS }; /* a lost race of creation leaves an index over */
enum { ROUNDS = 160, ROUND_MS = 15 };

static const char *const channels[CHANNELS] = { "default", "few" };
static const char *const places[PLACES] = { "main", "north" };

/* Per item, and for the catalogue: the LSN of the last change that a changer was told of. */
static _Atomic uint64_t told[ITEMS + 1];
static _Atomic unsigned working; /* changers of this round */
static uint64_t next_id[CHANGERS];

struct consumer {
    uint64_t since, walks, met;
    int64_t shown[INDEXES][CHANNELS];
    bool seen[INDEXES];
};

static struct consumer consumers[CONSUMERS];

/* ---- changing ---- */

static void tell(unsigned index, uint64_t lsn)
{
    uint64_t was = atomic_load(&told[index]);
    while (was < lsn && !atomic_compare_exchange_weak(&told[index], &was, lsn)) {
    }
}

static struct text item_name(struct race_name *name, int item)
{
    return race_name(name, 'S', (uint64_t)item);
}

static void move(struct racer *racer)
{
    struct race_name id, sku;
    struct movement_result result;
    struct random *r = &racer->random;
    int item = random_below(r, ITEMS), what = random_below(r, 3);
    struct movement m = { .id = race_name(&id, (char)('a' + racer->index), ++next_id[racer->index]),
                          .sku = item_name(&sku, item),
                          .location = text_of(places[random_below(r, PLACES)]),
                          .qty = random_between(r, 1, 3) };
    enum code code;
    if (what == 0)
        code = racer_receive(racer, &m, &result);
    else if (what == 1)
        code = racer_count(racer, &m, &result);
    else
        code = (m.qty = -m.qty, racer_adjust(racer, &m, &result));
    if (code == CODE_OK)
        tell((unsigned)item, result.lsn);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK || code == CODE_UNKNOWN_SKU,
              "move: %s", ctx_failure(racer->ctx)->message);
}

/* Several lines, on a few items that everybody wants: many are undone. Then it is ended. */
static void order(struct racer *racer)
{
    struct race_name id, names[3];
    struct reservation_view view;
    struct order_line lines[3];
    int items[3];
    struct random *r = &racer->random;
    for (int i = 0; i < 3; i++) {
        items[i] = random_below(r, 4);
        lines[i] = (struct order_line){ .sku = item_name(&names[i], items[i]), .qty = 1 };
    }
    struct order o = { .id = race_name(&id, (char)('a' + racer->index), ++next_id[racer->index]),
                       .channel = text_of(channels[random_below(r, CHANNELS)]),
                       .lines = lines,
                       .line_count = 3,
                       .confirm = random_chance(r, 50) };
    enum code code = racer_reserve(racer, &o, &view);
    if (code != CODE_OK)
        return;
    for (int i = 0; i < 3; i++)
        tell((unsigned)items[i], view.lsn);
    struct step step = { .id = o.id };
    code = o.confirm ? racer_fulfil(racer, &step, &view) : racer_cancel(racer, &step, &view);
    if (code == CODE_INSUFFICIENT_STOCK) /* a count found less than was promised */
        code = racer_cancel(racer, &step, &view);
    RACE_MUST(code == CODE_OK, "step: %s", ctx_failure(racer->ctx)->message);
    for (int i = 0; i < 3; i++)
        tell((unsigned)items[i], view.lsn);
}

static void set(struct racer *racer)
{
    struct random *r = &racer->random;
    struct channel_setting channel = { .code = text_of("few"),
                                       .has_buffer = true,
                                       .buffer = random_below(r, 4) };
    struct location_setting location = { .code = text_of("north"),
                                         .has_ships = true,
                                         .ships = random_chance(r, 70) };
    uint64_t lsn;
    enum code code;
    do {
        racer_turn(racer);
        code = random_chance(r, 50) ? ledger_set_channel(racer->ctx, &channel, &lsn)
                                    : ledger_set_location(racer->ctx, &location, &lsn);
    } while (code == CODE_DEFERRED);
    RACE_MUST(code == CODE_OK, "set: %s", ctx_failure(racer->ctx)->message);
    tell(CATALOGUE, lsn);
}

static void change(struct racer *racer)
{
    while (!racer_is_done(racer, ROUND_MS)) {
        int what = random_below(&racer->random, 100);
        if (what < 60)
            order(racer);
        else if (what < 99)
            move(racer);
        else
            set(racer);
        if (what % 8 == 0)
            racer_turn(racer);
    }
    atomic_fetch_sub(&working, 1);
}

/* ---- consuming ---- */

static void look_at(struct consumer *c, struct ctx *ctx, uint32_t item)
{
    RACE_MUST(item < INDEXES, "item %u does not exist", item);
    c->seen[item] = true;
    c->met++;
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        c->shown[item][channel] = ledger_item_availability(ctx, item, (uint16_t)channel);
}

/* Nothing that was told to be in (since, head] may have been missed. */
static void check_seen(const struct race *race, const struct consumer *c, uint64_t head)
{
    for (uint32_t item = 0; item < change_index_items(race->ledger); item++) {
        if (item_version(race->ledger, item) == 0)
            continue;
        struct text sku = ledger_item_sku(race->ledger, item);
        uint64_t lsn = atomic_load(&told[strtoul(sku.at + 1, NULL, 10)]);
        RACE_MUST(c->seen[item] || lsn <= c->since || lsn > head,
                  "a walk over (%llu, %llu] missed \"%.*s\", changed at %llu",
                  (unsigned long long)c->since, (unsigned long long)head, (int)sku.len, sku.at,
                  (unsigned long long)lsn);
    }
}

static void walk(const struct race *race, struct consumer *c, struct ctx *ctx)
{
    const struct ledger *ledger = race->ledger;
    uint64_t lsn, head = log_head(&race->log), set_at = atomic_load(&told[CATALOGUE]);
    uint64_t catalogue = ledger_catalogue_lsn(ledger);
    RACE_MUST(set_at > head || set_at <= catalogue, "a setting was missed");
    uint32_t cursor = 0, item;
    memset(c->seen, 0, sizeof c->seen);
    while (change_index_next(ledger, c->since < catalogue ? 0 : c->since, &cursor, &item, &lsn)) {
        RACE_MUST(lsn > 0 && lsn == (lsn & ~UINT64_C(7)), "a version that is no LSN");
        look_at(c, ctx, item);
    }
    check_seen(race, c, head);
    c->since = head;
    c->walks++;
}

static void consume(struct racer *racer)
{
    struct consumer *c = &consumers[racer->index - CHANGERS];
    while (atomic_load(&working) > 0) {
        walk(racer->race, c, racer->ctx);
        racer_turn(racer);
        if (racer->index % 2 == 0) /* one of them is slow */
            sched_yield();
    }
}

static void work(struct racer *racer)
{
    if (racer->index < CHANGERS)
        change(racer);
    else
        consume(racer);
}

/* ---- when all is stable ---- */

static void compare_item(const struct consumer *c, struct ctx *ctx, uint32_t item)
{
    struct text sku = ledger_item_sku(ctx->ledger, item);
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        int64_t available;
        uint64_t lsn;
        enum code code =
            ledger_availability(ctx, text_of(channels[channel]), &sku, 1, &available, &lsn);
        RACE_MUST(code == CODE_OK, "availability: %s", ctx_failure(ctx)->message);
        RACE_MUST(c->shown[item][channel] == available,
                  "\"%.*s\" on \"%s\": the follower shows %lld, the ledger has %lld", (int)sku.len,
                  sku.at, channels[channel], (long long)c->shown[item][channel],
                  (long long)available);
    }
}

static void compare(struct race *race, struct consumer *c, unsigned index)
{
    struct ctx *ctx = ledger_ctx(race->ledger, CHANGERS + index);
    ledger_begin(ctx, ctx->engine_ms, ctx->wall_ms);
    walk(race, c, ctx);
    for (uint32_t item = 0; item < change_index_items(race->ledger); item++)
        if (item_version(race->ledger, item) > 0)
            compare_item(c, ctx, item);
    ledger_end(ctx);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    race_open(&race, CHANGERS + CONSUMERS, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    race.never_short = false;
    race_add_location(&race, "north");
    race_set_channel(&race, &(struct channel_setting){ .code = text_of("few") });
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&working, CHANGERS);
        race_run(&race, CHANGERS + CONSUMERS, work, racers);
        while (log_has_claims(&race.log))
            sched_yield();
        for (unsigned i = 0; i < CONSUMERS; i++)
            compare(&race, &consumers[i], i);
    }
    for (unsigned i = 0; i < CONSUMERS; i++)
        printf("consumer %u: %llu walks met %llu items\n", i,
               (unsigned long long)consumers[i].walks, (unsigned long long)consumers[i].met);
    race_close(&race, "following");
    return 0;
}
