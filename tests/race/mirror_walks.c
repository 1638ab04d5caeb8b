/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's reading, without a Redis: a follower reads what has changed, batch by batch, while
 * several contexts change stock. Each change must be met by a batch in the end, without the pass
 * over everything that mends what was missed; and what a batch says of an item must be no older
 * than the LSN that it says it with.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/ledger/change_index.h"
#include "engine/ledger/ctx.h"
#include "mirror/follow.h"
#include "tests/support/race_rig.h"

enum { CHANGERS = 2, ITEMS = 48, ROUNDS = 5 * RACE_SCALE, CHANGES = 250 * RACE_SCALE };
enum { TOLD_MAX = ROUNDS * CHANGES * CHANGERS, SEEN_MAX = 1 << 20 };

/* What a batch said of an item. */
struct sight {
    uint32_t number; /* of the item, as its changers name it */
    uint64_t lsn;
    int64_t units;
};

/* Of each item: the LSN of every change. Each adds one unit. Written by the item's changer alone,
 * and read between the rounds. */
static uint64_t told[ITEMS][TOLD_MAX];
static unsigned told_count[ITEMS];

static _Atomic unsigned working; /* changers of this round */
static struct follow follower;
static struct batch batch;
static struct sight seen[SEEN_MAX];
static unsigned seen_count;
static uint64_t met[ITEMS]; /* the greatest LSN that a batch said of it */

static void change(struct racer *racer)
{
    for (int i = 0; i < CHANGES; i++) {
        struct race_name id, sku;
        struct movement_result result;
        int nth_own = random_chance(&racer->random, 50)
                          ? 0 /* so often that it changes while it is being read */
                          : random_below(&racer->random, ITEMS / CHANGERS);
        int number = nth_own * CHANGERS + (int)racer->index;
        unsigned nth = told_count[number]++;
        struct movement m = { .id = race_name(&id, 'm', (uint64_t)nth * ITEMS + (unsigned)number),
                              .sku = race_name(&sku, 'S', (uint64_t)number),
                              .location = text_of("main"),
                              .qty = 1 };
        enum code code = racer_receive(racer, &m, &result);
        RACE_MUST(code == CODE_OK, "receive: %s", ctx_failure(racer->ctx)->message);
        told[number][nth] = result.lsn;
        if (i % 8 == 0)
            racer_turn(racer);
    }
    atomic_fetch_sub(&working, 1);
}

/* ---- following ---- */

static uint32_t number_of(const struct change *change)
{
    return (uint32_t)strtoul(change->sku.at + 1, NULL, 10);
}

static uint64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_batch(void)
{
    batch_clear(&batch);
    follower.engine_ms = follower.ctx->engine_ms;
    follower.steady_ms = steady_ms();
    follow_read(&follower, &batch, 1);
    for (uint32_t i = 0; i < batch.count; i++) {
        const struct change *change = &batch.changes[i];
        uint32_t number = number_of(change);
        if (met[number] < change->lsn)
            met[number] = change->lsn;
        if (seen_count < SEEN_MAX)
            seen[seen_count++] =
                (struct sight){ number, change->lsn, batch.values[change->values] };
    }
}

static bool is_through(void)
{
    const struct position *at = &follower.at;
    return !log_has_claims(follower.log) && !at->fresh.active && !at->backlog.active &&
           at->fresh.since == log_head(follower.log);
}

static void follow(struct racer *racer)
{
    ledger_end(racer->ctx); /* each batch is an iteration */
    while (atomic_load(&working) > 0) {
        follower.limit = (uint32_t)random_between(&racer->random, ITEMS / 4, 2 * ITEMS);
        read_batch();
    }
    while (!is_through())
        read_batch();
    ledger_begin(racer->ctx, racer->ctx->engine_ms, racer->ctx->engine_ms);
}

static void work(struct racer *racer)
{
    if (racer->index < CHANGERS)
        change(racer);
    else
        follow(racer);
}

/* ---- between the rounds ---- */

static void check_met(void)
{
    for (unsigned number = 0; number < ITEMS; number++) {
        uint64_t last = told_count[number] ? told[number][told_count[number] - 1] : 0;
        RACE_MUST(met[number] == last,
                  "item %u changed last at %llu; the last that was met of it is %llu", number,
                  (unsigned long long)last, (unsigned long long)met[number]);
    }
}

static void check_no_older(const struct sight *sight)
{
    unsigned changes = 0;
    while (changes < told_count[sight->number] && told[sight->number][changes] <= sight->lsn)
        changes++;
    RACE_MUST(sight->units >= (int64_t)changes,
              "item %u was said to have %lld units at %llu; there had been %u", sight->number,
              (long long)sight->units, (unsigned long long)sight->lsn, changes);
}

/* After a change of the catalogue everything may show something else, and says so. */
static void check_catalogue(struct race *race)
{
    race_set_channel(race, &(struct channel_setting){ .code = text_of("few") });
    read_batch(); /* begins to look at all */
    uint64_t lsn = ledger_catalogue_lsn(race->ledger);
    uint32_t items = 0;
    for (unsigned number = 0; number < ITEMS; number++)
        items += told_count[number] > 0;
    follower.limit = 4 * ITEMS;
    batch_clear(&batch);
    follow_choose_checks(&follower, &batch, false);
    follow_read(&follower, &batch, 1);
    RACE_MUST(batch.checks == items, "it looks at %u of %u items", batch.checks, items);
    for (uint32_t i = 0; i < batch.checks; i++)
        RACE_MUST(batch.changes[i].lsn >= lsn, "item %u is shown as of before the catalogue",
                  number_of(&batch.changes[i]));
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    uint64_t sights = 0;
    race_open(&race, CHANGERS + 1, &(struct race_tables){ 0 }, argc, argv);
    race.forgetful = true;
    follower = (struct follow){ .ledger = race.ledger,
                                .log = &race.log,
                                .ctx = ledger_ctx(race.ledger, CHANGERS) };
    follow_start(&follower, 1);
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&working, CHANGERS);
        seen_count = 0;
        race_run(&race, CHANGERS + 1, work, racers);
        for (unsigned i = 0; i < seen_count; i++)
            check_no_older(&seen[i]);
        check_met();
        sights += seen_count;
    }
    check_catalogue(&race);
    printf("%llu sights of %d changes\n", (unsigned long long)sights, TOLD_MAX);
    race_close(&race, "mirror_walks");
    return 0;
}
