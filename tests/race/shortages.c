/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shortages while others promise, cancel, count, receive and withdraw. Each of them looks now and
 * then. In the end of each pool that is short those promises were told that are, and no others; a
 * promise was told once for each time that it became so; and replay agrees.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/events/events.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/gauges.h"
#include "engine/ledger/shortages.h"
#include "engine/log/record.h"
#include "engine/ops/shortages.h"
#include "engine/store/supply_lines.h"
#include "tests/support/race_rig.h"

enum { CHANGERS = 3, ITEMS = 3, PLACES = 2, RACE_MS = 400 * RACE_SCALE };

static const char *const places[PLACES] = { "main", "north" };
static uint64_t next_id[CHANGERS];

/* ---- changing ---- */

static struct text new_id(struct racer *racer, struct race_name *name)
{
    return race_name(name, (char)('A' + racer->index), ++next_id[racer->index]);
}

static struct text pick_item(struct racer *racer, struct race_name *name)
{
    return race_name(name, 'S', (uint64_t)random_below(&racer->random, ITEMS));
}

static struct text pick_place(struct racer *racer)
{
    return text_of(places[random_below(&racer->random, PLACES)]);
}

static void take(struct racer *racer)
{
    struct race_name sku;
    uint64_t number = (uint64_t)(racer->tally[0]++);
    enum code code = racer_take_at(racer, number, "web", pick_item(racer, &sku),
                                   random_between(&racer->random, 1, 3), pick_place(racer));
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "take: %s",
              ctx_failure(racer->ctx)->message);
}

/* One of the last ones; perhaps it was refused, or is dropped already. */
static void drop(struct racer *racer)
{
    int64_t made = racer->tally[0];
    int64_t number = made - 1 - random_below(&racer->random, 40);
    enum code code = number < 0 ? CODE_OK : racer_drop(racer, (uint64_t)number);
    RACE_MUST(code == CODE_OK || code == CODE_UNKNOWN_RESERVATION || code == CODE_WRONG_STATE,
              "drop: %s", ctx_failure(racer->ctx)->message);
}

static void move(struct racer *racer, bool count)
{
    struct race_name id, sku;
    struct movement_result result;
    struct movement m = { .id = new_id(racer, &id),
                          .sku = pick_item(racer, &sku),
                          .location = pick_place(racer),
                          .qty = random_between(&racer->random, count ? 0 : 1, count ? 12 : 6) };
    enum code code = count ? racer_count(racer, &m, &result) : racer_receive(racer, &m, &result);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "move: %s", ctx_failure(racer->ctx)->message);
}

/* A transfer that is held promises units, too. */
static void hold(struct racer *racer)
{
    struct race_name id, sku;
    struct supply_view view;
    int from = random_below(&racer->random, PLACES);
    struct supply_line line = { .sku = pick_item(racer, &sku), .qty = 1 };
    struct supply_order order = { .id = new_id(racer, &id),
                                  .from = text_of(places[from]),
                                  .location = text_of(places[1 - from]),
                                  .lines = &line,
                                  .line_count = 1,
                                  .hold = true };
    enum code code = racer_make_supply(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "hold: %s",
              ctx_failure(racer->ctx)->message);
    struct supply_step step = { .id = order.id, .all = true };
    if (!code && random_chance(&racer->random, 70))
        code = racer_step_supply(racer, ledger_withdraw, &step, &view);
    RACE_MUST(code == CODE_OK || code == CODE_INSUFFICIENT_STOCK, "withdraw: %s",
              ctx_failure(racer->ctx)->message);
}

/* Of what is expected, some is sold and then withdrawn, or comes. */
static void expect(struct racer *racer)
{
    struct race_name id, sku;
    struct supply_view view;
    struct supply_line line = { .sku = pick_item(racer, &sku), .qty = 6 };
    struct supply_order order = { .id = new_id(racer, &id),
                                  .location = pick_place(racer),
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = racer->ctx->wall_ms + 3600 * 1000 };
    enum code code = racer_make_supply(racer, &order, &view);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "expect: %s",
              ctx_failure(racer->ctx)->message);
    for (int i = 0; i < 3; i++)
        take(racer);
    line.qty = random_below(&racer->random, 6);
    struct supply_step come = { .id = order.id, .lines = &line, .line_count = 1, .close = true };
    if (!code)
        code = racer_step_supply(racer, ledger_arrive, &come, &view);
    RACE_MUST(code == CODE_OK || code == CODE_LIMIT, "arrive: %s",
              ctx_failure(racer->ctx)->message);
}

/* Not before something was told, however slow the machine is. */
static bool is_done(const struct racer *racer)
{
    return racer_is_done(racer, RACE_MS) &&
           ledger_events_taken(racer->race->ledger, EVENT_SHORT) > 0;
}

static void change(struct racer *racer)
{
    while (!is_done(racer)) {
        int what = random_below(&racer->random, 100);
        if (what < 35)
            take(racer);
        else if (what < 65)
            drop(racer);
        else if (what < 80)
            move(racer, true);
        else if (what < 90)
            move(racer, false);
        else if (what < 95)
            hold(racer);
        else
            expect(racer);
        if (what % 4 == 0) {
            atomic_fetch_add(&racer->race->time_offset, 5); /* so that a look is due */
            racer_turn(racer);
        }
        ledger_tell_shortages(racer->ctx);
    }
}

/* ---- when all is stable ---- */

static void look_at_all(struct race *race)
{
    struct ctx *ctx = ledger_ctx(race->ledger, 0);
    do {
        while (log_has_claims(&race->log))
            sched_yield();
        atomic_fetch_add(&race->time_offset, 5);
        ledger_begin(ctx, race_ms(race), race_ms(race));
        ledger_expire(ctx, 1000);
        ledger_tell_shortages(ctx);
        ledger_end(ctx);
    } while (ledger_shortages_due(ctx) != UINT64_MAX);
}

struct due {
    uint64_t lsn;
    int64_t qty;
};

static int by_lsn(const void *a, const void *b)
{
    const struct due *left = a, *right = b;
    return left->lsn < right->lsn ? -1 : left->lsn > right->lsn;
}

/* Promises of the pool, in their order: those that are not covered by what is on hand are short.
 * Returns the LSN of the first; 0: none is. */
static uint64_t first_short(const struct race *race, uint32_t unit)
{
    const struct items *items = &race->ledger->items;
    struct id_table *ids = &race->ledger->ids;
    static struct due due[1 << 16];
    uint32_t count = 0;
    for (uint32_t i = 0; i < id_table_used(ids); i++) {
        struct id_entry *entry = entry_at(ids, i);
        uint64_t word = atomic_load(&entry->state), lsn = entry->lsn_first;
        int64_t qty = 0;
        if (word_kind(word) == ENTRY_RESERVATION && !state_final(word_state(word))) {
            struct draw_walk walk = draw_walk_start(ids, entry);
            const struct draw *draw;
            while ((draw = draw_walk_next(&walk)) != NULL)
                qty += draw->pool == unit ? draw_left(draw) : 0;
        } else if (word_kind(word) == ENTRY_SUPPLY && !entry_over(word)) {
            struct line_walk walk = line_walk_start(ids, entry);
            const struct line_entry *line;
            while (entry->from && (line = line_walk_next(&walk)) != NULL)
                qty += line_source(items, entry, line) == unit ? line_held(line) : 0;
        }
        if (qty > 0 && count < sizeof due / sizeof due[0])
            due[count++] = (struct due){ lsn, qty };
    }
    qsort(due, count, sizeof due[0], by_lsn);
    int64_t there = word_on_hand(pool_read(pool_at(items, unit)));
    for (uint32_t i = 0; i < count; i++)
        if ((there -= due[i].qty) < 0)
            return due[i].lsn;
    return 0;
}

/* What was told last of each pool. */
static unsigned compare(const struct race *race)
{
    const struct items *items = &race->ledger->items;
    unsigned pools = 0;
    for (uint32_t item = 0; item < atomic_load(&items->count); item++) {
        struct pool_walk walk = pool_walk_start(items, item);
        const struct pool *pool;
        while ((pool = pool_walk_next(&walk)) != NULL) {
            uint32_t unit = pool_unit(items, pool);
            uint64_t since = race->ledger->shortages.of_pools[unit].since;
            uint64_t first = first_short(race, unit);
            RACE_MUST(since == first, "item %u: short since LSN %llu, and told since %llu", item,
                      (unsigned long long)first, (unsigned long long)since);
            pools += first != 0;
        }
    }
    return pools;
}

/* ---- what was recorded ---- */

struct known {
    struct pool_key pool;
    uint64_t since, until;
};

/* Each record tells of one promise more, or all anew, or of fewer. */
static void follow(struct known *known, const struct shortage_fields *f, uint64_t lsn)
{
    const struct shortage_record *r = &f->fixed;
    bool anew = known->since == 0 || r->until_lsn != known->until;
    bool good = f->id.len == 0 ? r->since_lsn == 0 || r->since_lsn > known->since
                               : anew || r->since_lsn < known->since;
    RACE_MUST(good, "at LSN %llu \"%.*s\" is told twice", (unsigned long long)lsn, (int)f->id.len,
              f->id.at);
    known->since = r->since_lsn;
    known->until = r->until_lsn;
}

static unsigned read_records(const struct race *race)
{
    static struct known known[4096];
    unsigned pools = 0, records = 0;
    for (uint64_t at = 0; at < log_head(&race->log);) {
        const struct record_head *head =
            (const struct record_head *)(const void *)(race->kept + at);
        struct shortage_fields f;
        unsigned i = 0;
        at += head->length;
        if (head->type != RECORD_SHORT)
            continue;
        RACE_MUST(shortage_decode(head, &f), "a record is malformed");
        while (i < pools && memcmp(&known[i].pool, &f.fixed.pool, sizeof known[i].pool) != 0)
            i++;
        if (i == pools && pools < sizeof known / sizeof known[0])
            known[pools++].pool = f.fixed.pool;
        follow(&known[i], &f, at);
        records++;
    }
    return records;
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    struct race_name sku;
    race_open(&race, CHANGERS, &(struct race_tables){ .keep_records = true }, argc, argv);
    race.log.tap = (struct log_tap){ events_take_run, ledger_events(race.ledger) };
    race.forgetful = true;
    race.never_short = false;
    race_add_location(&race, "north");
    race_set_channel(&race, &(struct channel_setting){
                                .code = text_of("web"), .has_incoming = true, .incoming = true });
    for (uint64_t item = 0; item < ITEMS; item++)
        for (int place = 0; place < PLACES; place++)
            race_stock(&race, race_name(&sku, 'S', item), text_of(places[place]), 10);
    race_run(&race, CHANGERS, change, racers);
    look_at_all(&race);
    while (atomic_load(&race.followed) < log_head(&race.log))
        sched_yield();
    unsigned pools = compare(&race), records = read_records(&race);
    printf("%u records, %u pools are short\n", records, pools);
    RACE_MUST(records > 0, "nothing was told");
    race_close(&race, "shortages");
    return 0;
}
