/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a small ledger against the naive model: every code, every result, all stock
 * at intervals. Then the follower: what the log says must make the same ledger again, after the
 * whole of it and at any record before; and the run goes on with the one that was made.
 *
 *   ledger_model [--seed N] [--steps N] [--seconds S] [--verbose]
 *
 * Without --seed it takes seeds from the clock for a few seconds. The seed of a failure is printed:
 * run it again with --seed, and with --steps to end where it failed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/seat.h"
#include "tests/support/image_rig.h"
#include "tests/support/ledger_driver.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"

enum { MAX_STEPS = 4000, MAX_IDS = 2 * MAX_STEPS, REMEMBERED = 48, MOST = (1 << 28) - 1 };

struct run {
    struct random random;
    struct model model;
    struct ledger_rig rig;
    bool tiny;    /* few slots: ids are forgotten, and tables are full */
    bool aligned; /* time in whole ticks, so that the wheels alone must expire what is due */
    uint64_t wall_ms, offset_ms; /* engine time is the wall clock's less this */
    int next_id;
    int past_count, order_count;
    struct request *past;   /* all that were asked */
    int orders[REMEMBERED]; /* ids of the latest reserves */
    uint64_t last_lsn;
    uint64_t remember_ms;
    uint64_t ended_ms[MAX_IDS + 1]; /* engine time; 0: it has not */
    int step;
    bool verbose;
};

static char why[512];

static uint64_t engine_ms(const struct run *run)
{
    return run->wall_ms - run->offset_ms;
}

/* ---- making up requests ---- */

static int pick_id(struct run *run)
{
    struct random *r = &run->random;
    if (random_chance(r, 2))
        return random_chance(r, 50) ? BAD_ID_EMPTY : BAD_ID_LONG;
    if (run->next_id > 1 && random_chance(r, 12)) {
        int back = random_between(r, 1, 40);
        return run->next_id - back >= 1 ? run->next_id - back : 1;
    }
    return run->next_id++;
}

/* One of the latest orders, whatever became of it; 0: there is none yet. */
static int pick_known(struct run *run)
{
    int known = run->order_count < REMEMBERED ? run->order_count : REMEMBERED;
    return known == 0 ? 0 : run->orders[random_below(&run->random, known)];
}

static int pick_order(struct run *run)
{
    int known = random_chance(&run->random, 4) ? 0 : pick_known(run);
    return known ? known : pick_id(run);
}

static int64_t pick_quantity(struct run *run, int usual)
{
    struct random *r = &run->random;
    if (random_chance(r, 1))
        return random_chance(r, 50) ? MOST : MOST - random_below(r, 40);
    if (random_chance(r, 1))
        return random_chance(r, 50) ? 0 : (int64_t)MOST + 1;
    return random_between(r, 1, usual);
}

static uint64_t pick_ttl(struct run *run)
{
    struct random *r = &run->random;
    if (random_chance(r, 2))
        return random_chance(r, 50) ? 0 : (uint64_t)UINT32_MAX + 1;
    if (random_chance(r, 10))
        return 1 + random_next(r) % UINT32_MAX;
    return (uint64_t)random_between(r, 1, random_chance(r, 50) ? 300 : 6000);
}

static void pick_movement(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    q->id = pick_id(run);
    q->item = random_below(r, MODEL_ITEMS);
    q->location = random_chance(r, 60) ? random_below(r, 2) : random_below(r, MODEL_LOCATIONS);
    q->qty = pick_quantity(run, 12);
    bool takes =
        q->kind == ASK_ADJUST ? random_chance(r, 60) : q->kind == ASK_ALLOT && random_chance(r, 35);
    if (takes)
        q->qty = -q->qty;
    if (q->kind == ASK_COUNT && random_chance(r, 20))
        q->qty = 0;
    if (q->kind == ASK_ALLOT)
        q->channel = random_below(r, random_chance(r, 70) ? 2 : MODEL_CHANNELS);
    else if (random_chance(r, 20))
        q->ref = random_between(r, 1, 30);
    q->damaged = q->kind == ASK_RETURN && random_chance(r, 30);
    if (q->kind == ASK_RETURN && random_chance(r, 70))
        q->returned = pick_known(run);
    if (q->returned && random_chance(r, 80)) /* mostly one of which something was fulfilled */
        q->returned = model_fulfilled(&run->model, q->returned, &q->item);
    q->has_as_of = q->kind == ASK_COUNT && random_chance(r, 50);
    if (q->has_as_of)
        q->as_of_ms = run->wall_ms - (uint64_t)random_below(r, 2000);
}

static void pick_lines(struct run *run, struct request *q, int fewest)
{
    struct random *r = &run->random;
    q->line_count = random_between(r, fewest, random_chance(r, 60) ? 2 : 5);
    for (int i = 0; i < q->line_count; i++) {
        q->lines[i].item = random_below(r, MODEL_ITEMS);
        if (i > 0 && random_chance(r, 30))
            q->lines[i].item = q->lines[i - 1].item;
        q->lines[i].qty = pick_quantity(run, 7);
        q->lines[i].location = NOWHERE;
    }
}

static void pick_reserve(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    q->id = pick_id(run);
    q->channel = random_below(r, MODEL_CHANNELS);
    pick_lines(run, q, random_chance(r, 2) ? 0 : 1);
    for (int i = 0; i < q->line_count; i++)
        if (random_chance(r, 20))
            q->lines[i].location = random_below(r, MODEL_LOCATIONS);
    q->at = random_chance(r, 12) ? random_below(r, MODEL_LOCATIONS) : NOWHERE;
    q->confirm = random_chance(r, 25);
    q->has_ttl = random_chance(r, 60);
    if (q->has_ttl)
        q->ttl_ms = pick_ttl(run);
    if (q->id > 0)
        run->orders[run->order_count++ % REMEMBERED] = q->id;
}

/* Items of the order that the step is about, mostly, so that some of it fits. */
static void pick_step(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    q->id = pick_order(run);
    if (random_chance(r, 40))
        q->op = pick_id(run);
    if (random_chance(r, 40))
        return;
    pick_lines(run, q, 1);
    if (q->id < 1)
        return;
    const struct model_id *x = &run->model.ids[q->id];
    for (int i = 0; i < q->line_count && x->draw_count > 0; i++)
        if (random_chance(r, 90)) {
            const struct answer_draw *d = &x->draws[random_below(r, x->draw_count)];
            q->lines[i].item = d->item;
            q->lines[i].qty = random_between(r, 1, d->qty < 8 ? (int)d->qty : 8);
        }
}

static void pick_location_setting(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    q->location = random_below(r, MODEL_LOCATIONS);
    q->has_priority = random_chance(r, 50);
    q->has_lead_time = random_chance(r, 30);
    q->has_ships = random_chance(r, 30);
    q->has_active = random_chance(r, 30);
    q->has_groups = random_chance(r, 40);
    q->priority = q->has_priority ? random_between(r, -1, 2) : 0;
    q->lead_time_s = q->has_lead_time ? random_below(r, 5) : 0;
    q->ships = q->has_ships && random_chance(r, 75);
    q->active = q->has_active && random_chance(r, 75);
    q->groups = q->has_groups ? (unsigned)random_below(r, 1 << MODEL_GROUPS) : 0;
}

static void pick_channel_setting(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    q->channel = random_below(r, MODEL_CHANNELS);
    q->has_buffer = random_chance(r, 30);
    q->has_hold = random_chance(r, 30);
    q->has_sourcing = random_chance(r, 40);
    q->has_places = random_chance(r, 40);
    q->buffer = q->has_buffer ? random_below(r, 6) : 0;
    q->hold_ttl_ms = q->has_hold ? random_between(r, 1, 5000) : 0;
    q->sourcing = q->has_sourcing ? random_below(r, 4) : 0;
    if (q->has_places && random_chance(r, 80))
        for (int i = random_between(r, 1, 4); i > 0; i--)
            q->places[q->place_count++] = random_below(r, MODEL_PLACES);
}

static enum request_kind pick_kind(struct random *r)
{
    static const struct {
        enum request_kind kind;
        int weight;
    } mix[] = { { ASK_RECEIVE, 14 },     { ASK_ADJUST, 5 },       { ASK_COUNT, 5 },
                { ASK_RETURN, 4 },       { ASK_RESERVE, 26 },     { ASK_EXTEND, 5 },
                { ASK_CONFIRM, 9 },      { ASK_FULFIL, 9 },       { ASK_CANCEL, 9 },
                { ASK_RESERVATION, 3 },  { ASK_AVAILABILITY, 3 }, { ASK_STOCK, 2 },
                { ASK_SET_LOCATION, 3 }, { ASK_SET_CHANNEL, 3 },  { ASK_SET_ITEM, 2 },
                { ASK_ALLOT, 8 } };
    int at = random_below(r, 110);
    unsigned i = 0;
    for (; at >= mix[i].weight; i++)
        at -= mix[i].weight;
    return mix[i].kind;
}

static void pick_request(struct run *run, struct request *q)
{
    struct random *r = &run->random;
    memset(q, 0, sizeof *q);
    if (run->past_count > 0 && random_chance(r, 8)) { /* the very same again */
        int back = random_between(r, 1, random_chance(r, 80) ? 30 : 1000);
        *q = run->past[back < run->past_count ? run->past_count - back : 0];
        return;
    }
    q->kind = pick_kind(r);
    q->at = NOWHERE;
    if (q->kind <= ASK_ALLOT)
        pick_movement(run, q);
    else if (q->kind == ASK_RESERVE)
        pick_reserve(run, q);
    else if (q->kind == ASK_FULFIL || q->kind == ASK_CANCEL)
        pick_step(run, q);
    else if (q->kind == ASK_SET_LOCATION)
        pick_location_setting(run, q);
    else if (q->kind == ASK_SET_CHANNEL)
        pick_channel_setting(run, q);
    else if (q->kind <= ASK_RESERVATION)
        q->id = pick_order(run);
    q->item = q->kind >= ASK_AVAILABILITY ? random_below(r, MODEL_ITEMS) : q->item;
    if (q->kind == ASK_AVAILABILITY)
        q->channel = random_below(r, MODEL_CHANNELS);
    if (q->kind == ASK_EXTEND)
        q->ttl_ms = pick_ttl(run);
    if (q->kind == ASK_SET_ITEM) {
        q->has_low_stock = random_chance(r, 50);
        q->low_stock = q->has_low_stock ? random_below(r, 3) : 0;
    }
}

/* ---- turns ---- */

static unsigned seats(const struct run *run)
{
    return run->rig.config.seats;
}

static struct seat *begin(struct run *run, unsigned index)
{
    struct seat *seat = ledger_seat(run->rig.ledger, index);
    ledger_begin(seat, engine_ms(run), run->wall_ms);
    return seat;
}

/* Mail is read, so that what is finished may be forgotten. */
static void begin_all(struct run *run)
{
    for (unsigned i = 0; i < seats(run); i++)
        ledger_end(begin(run, i));
}

static bool remembers(struct run *run, int id)
{
    struct entries *entries = &run->rig.ledger->entries;
    struct driver_name name;
    struct text text = driver_id(&name, id);
    struct entry *entry;
    uint64_t word;
    if (entries_find(entries, text, id_hash(entries, text), &entry, &word) != ENTRY_FOUND)
        return false;
    entry_put(entry, word);
    return word_kind(word) != ENTRY_REFUSED;
}

/*
 * The engine may forget what ended long enough ago, when it has no more slots; and when it starts
 * anew its slots may last longer.
 */
static bool forget_as_engine_did(struct run *run, int id)
{
    if (id < 1)
        return true;
    if (remembers(run, id)) {
        model_recall(&run->model, id);
        return true;
    }
    if (!model_finished(&run->model, id))
        return true;
    bool allowed = run->tiny && engine_ms(run) >= run->ended_ms[id] + run->remember_ms;
    model_forget(&run->model, id);
    if (!allowed)
        snprintf(why, sizeof why, "the engine forgot id %d", id);
    return allowed;
}

/* The other seats give up what they hoard, as they do when this one asks for it. And it gets a spare
 * slot before it is asked, so that it does not forget an id that the request names between our look
 * and its own. */
static void fill_spare(struct run *run, struct seat *seat)
{
    struct entries *entries = &run->rig.ledger->entries;
    for (unsigned i = 0; i < seats(run); i++) {
        if (i == seat->index)
            continue;
        atomic_store(&entries->wanted, true);
        ledger_end(begin(run, i));
    }
    struct entry *slot = slots_take(entries, &seat->cursor);
    if (slot)
        slots_give_back(entries, &seat->cursor, slot);
}

static bool lsn_fits(struct run *run, const struct request *q, const struct answer *a,
                     uint64_t before)
{
    uint64_t tail = atomic_load(&run->rig.log.tail);
    bool asks = q->kind == ASK_RESERVATION || q->kind == ASK_AVAILABILITY || q->kind == ASK_STOCK;
    snprintf(why, sizeof why, "LSN %llu: the log went from %llu to %llu",
             (unsigned long long)a->lsn, (unsigned long long)before, (unsigned long long)tail);
    if (q->kind == ASK_FULFIL && a->code == CODE_INSUFFICIENT_STOCK)
        return true; /* what it undid has a record that says so */
    if (asks || (a->code != CODE_OK && a->code != CODE_LIMIT))
        return tail == before;
    return a->code == CODE_LIMIT || (tail == before ? a->lsn <= tail : a->lsn == tail);
}

/* When did ids end? The engine may notice later, but not before. */
static void note_ends(struct run *run)
{
    for (int id = 1; id < run->next_id; id++) {
        bool ended = model_finished(&run->model, id);
        if (ended && run->ended_ms[id] == 0)
            run->ended_ms[id] = engine_ms(run);
        if (!ended && run->model.ids[id].use != USE_NOTHING)
            run->ended_ms[id] = 0;
    }
}

/* The table is full, and what is in it must not be forgotten yet: nothing was done. */
static bool may_be_overloaded(struct run *run)
{
    bool may = run->remember_ms > 0 && entries_remembered(&run->rig.ledger->entries) > 0;
    snprintf(why, sizeof why, "the engine is overloaded with nothing remembered");
    return may;
}

static bool ask(struct run *run, const struct request *q)
{
    struct answer engine, model;
    if (run->tiny)
        begin_all(run);
    struct seat *seat = begin(run, (unsigned)random_below(&run->random, (int)seats(run)));
    if (run->tiny)
        fill_spare(run, seat);
    if (run->verbose) {
        printf("%5d %llu seat %u: ", run->step, (unsigned long long)run->wall_ms, seat->index);
        driver_print(q);
    }
    bool good = forget_as_engine_did(run, q->id) && forget_as_engine_did(run, q->op);
    uint64_t before = atomic_load(&run->rig.log.tail);
    driver_ask(&run->rig, seat, q, &engine);
    good = good && lsn_fits(run, q, &engine, before);
    if (engine.code == CODE_OVERLOADED) {
        good = good && may_be_overloaded(run);
    } else {
        model_ask(&run->model, q, engine.lsn, &model);
        good = good && driver_agrees(q, &engine, &model, why, sizeof why);
    }
    note_ends(run);
    if (!good)
        printf("engine: %s; %s\n", code_name(engine.code), seat_failure(seat)->message);
    ledger_end(seat);
    ledger_rig_drain(&run->rig);
    return good;
}

static void expire_all(struct run *run)
{
    for (unsigned i = 0; i < seats(run); i++) {
        struct seat *seat = begin(run, i);
        unsigned budget = (unsigned)random_between(&run->random, 1, 20);
        while (ledger_expire(seat, budget) == budget) {
        }
        ledger_end(seat);
    }
}

/* What is due, but not by a whole tick, is expired by who touches it. */
static void touch_late(struct run *run)
{
    struct driver_name name;
    struct reservation_view view;
    struct seat *seat = begin(run, (unsigned)random_below(&run->random, (int)seats(run)));
    for (int id = 1; id < run->next_id; id++) {
        const struct model_id *x = &run->model.ids[id];
        if (x->use == USE_RESERVATION && strcmp(x->state, "held") == 0 &&
            x->expires_ms <= run->wall_ms)
            ledger_reservation(seat, driver_id(&name, id), &view);
    }
    ledger_end(seat);
}

static void pass_time(struct run *run)
{
    struct random *r = &run->random;
    uint64_t ms = (uint64_t)random_between(r, 1, random_chance(r, 70) ? 200 : 5000);
    if (random_below(r, 200) == 0)
        ms = random_next(r) % (UINT64_C(50) * 24 * 3600 * 1000) >> random_below(r, 8);
    if (run->aligned)
        ms = ms / WHEEL_TICK_MS * WHEEL_TICK_MS;
    run->wall_ms += ms;
    expire_all(run);
    if (!run->aligned)
        touch_late(run);
    model_pass(&run->model, run->wall_ms);
    note_ends(run);
    ledger_rig_drain(&run->rig);
}

/* ---- comparing everything ---- */

static bool check(struct run *run, const struct ledger_rig *rig)
{
    (void)run;
    return ledger_check(rig->ledger, why, sizeof why) == 0;
}

static bool compare_stock(struct run *run)
{
    struct request q = { .kind = ASK_STOCK, .at = NOWHERE };
    for (q.item = 0; q.item < MODEL_ITEMS; q.item++)
        if (!ask(run, &q))
            return false;
    q.kind = ASK_AVAILABILITY;
    for (q.item = 0; q.item < MODEL_ITEMS; q.item++)
        for (q.channel = 0; q.channel < MODEL_CHANNELS; q.channel++)
            if (!ask(run, &q))
                return false;
    return true;
}

/* The offset of a record, at random. */
static size_t pick_prefix(struct run *run)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    size_t wanted = (size_t)(random_next(&run->random) % (run->rig.length + 1)), offset = 0;
    while (offset < wanted)
        offset += ledger_rig_record(&run->rig, offset, record);
    return offset;
}

static bool follow_prefix(struct run *run)
{
    struct ledger_rig follower;
    begin_all(run);
    ledger_rig_drain(&run->rig);
    if (!image_rig_copies(&run->rig, run->wall_ms, why, sizeof why))
        return false;
    if (!ledger_rig_follow(&follower, &run->rig, pick_prefix(run), run->wall_ms, why, sizeof why))
        return false;
    bool good = check(run, &follower);
    ledger_rig_close(&follower);
    return good;
}

/* Starts anew from the log, or an image and the rest of the log, compares, and goes on with the new
 * one. */
static bool restart(struct run *run)
{
    struct ledger_rig follower;
    begin_all(run); /* who expires late does so before the comparison */
    expire_all(run);
    ledger_rig_drain(&run->rig);
    bool compacted = random_chance(&run->random, 50);
    if (compacted ? !image_rig_follow(&follower, &run->rig, pick_prefix(run), run->wall_ms, why,
                                      sizeof why)
                  : !ledger_rig_follow(&follower, &run->rig, run->rig.length, run->wall_ms, why,
                                       sizeof why))
        return false;
    bool same_clock = run->offset_ms == 0;
    bool good = check(run, &follower);
    if (same_clock)
        good = good && ledgers_equal(run->rig.ledger, follower.ledger, run->tiny, why, sizeof why);
    ledger_rig_close(&run->rig);
    run->rig = follower;
    run->rig.ledger->log = &run->rig.log; /* it has moved with the struct */
    run->offset_ms = 0;
    return good;
}

/* ---- runs ---- */

static bool take_step(struct run *run)
{
    struct random *r = &run->random;
    struct request q;
    if (random_chance(r, 8))
        pass_time(run);
    if (random_chance(r, 1) && (!follow_prefix(run) || (random_chance(r, 40) && !restart(run))))
        return false;
    pick_request(run, &q);
    run->past[run->past_count++] = q;
    if (!ask(run, &q))
        return false;
    if (run->step % 40 == 0 && !compare_stock(run))
        return false;
    return run->step % 20 != 0 || check(run, &run->rig);
}

static void set_up(struct run *run, uint64_t seed)
{
    struct random *r = &run->random;
    memset(run, 0, sizeof *run);
    r->state = seed;
    run->tiny = random_chance(r, 50);
    run->aligned = random_chance(r, 50);
    run->next_id = 1;
    run->offset_ms = random_chance(r, 50) ? 0 : 1600000;
    run->wall_ms = UINT64_C(1700000000000);
    run->past = calloc(MAX_STEPS, sizeof *run->past);
    struct model_limits limits = { .items = MODEL_ITEMS,
                                   .pools = MODEL_ITEMS * MODEL_LOCATIONS * MODEL_KINDS };
    if (run->tiny) {
        limits.items = random_between(r, 3, MODEL_ITEMS);
        limits.pools = random_between(r, 3, 40);
        limits.slots = 64 * random_between(r, 1, 2);
        run->remember_ms = random_chance(r, 50) ? (uint64_t)random_between(r, 1, 2000) : 0;
    }
    struct ledger_config config = {
        .items = (uint32_t)limits.items,
        .pools = (uint32_t)limits.pools,
        .reservations = run->tiny ? (uint32_t)limits.slots : 4 * MAX_STEPS,
        .seats = (unsigned)random_between(r, 1, 3),
        .remember_ms = run->remember_ms,
        .hash_seed = random_next(r),
    };
    ledger_rig_open(&run->rig, &config);
    model_init(&run->model, &limits, MAX_IDS, MAX_STEPS * MODEL_DRAWS);
    model_pass(&run->model, run->wall_ms);
}

static void tear_down(struct run *run)
{
    ledger_rig_close(&run->rig);
    model_destroy(&run->model);
    free(run->past);
}

static bool run_seed(uint64_t seed, int steps, bool verbose)
{
    static struct run run;
    set_up(&run, seed);
    run.verbose = verbose;
    if (steps == 0)
        steps = random_between(&run.random, 100, random_chance(&run.random, 20) ? MAX_STEPS : 800);
    else
        random_between(&run.random, 100, random_chance(&run.random, 20) ? MAX_STEPS : 800);
    bool good = true;
    for (run.step = 1; good && run.step <= steps; run.step++)
        good = take_step(&run);
    good = good && compare_stock(&run) && check(&run, &run.rig) && restart(&run) &&
           compare_stock(&run);
    if (!good) {
        printf("seed %llu, step %d: %s\n", (unsigned long long)seed, run.step - 1, why);
        printf("to see it: --seed %llu --steps %d --verbose; the last request was:\n",
               (unsigned long long)seed, run.step - 1);
        driver_print(&run.past[run.past_count > 0 ? run.past_count - 1 : 0]);
    }
    tear_down(&run);
    return good;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seed", required_argument, NULL, 's' },
                                             { "steps", required_argument, NULL, 'n' },
                                             { "seconds", required_argument, NULL, 't' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { NULL, 0, NULL, 0 } };
    uint64_t seed = (uint64_t)time(NULL) * 1000000, runs = 0;
    bool one = false, verbose = false;
    double seconds = 9;
    int steps = 0, option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        one |= option == 's';
        if (option == 'n')
            steps = (int)strtol(optarg, NULL, 10);
        if (option == 't')
            seconds = strtod(optarg, NULL);
        verbose |= option == 'v';
        if (option == '?' || steps < 0 || steps > MAX_STEPS)
            return 2;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    for (double end = now() + seconds; runs == 0 || (!one && now() < end); runs++)
        if (!run_seed(seed + runs, steps, verbose))
            return 1;
    printf("%llu runs\n", (unsigned long long)runs);
    return 0;
}
