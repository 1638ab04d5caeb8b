/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a small ledger against the naive model: every code, every result, whom what
 * comes of an item goes to, all stock at intervals. Then the follower: what the log says must make
 * the same ledger again, after the whole of it and at any record before; and the run goes on with
 * the one that was made.
 *
 *   ledger_model [--seed N] [--steps N] [--seconds S] [--verbose]
 *
 * Without --seed it takes seeds from the clock for a few seconds. The seed of a failure is printed:
 * run it again with --seed, and with --steps to end where it failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/contents_rig.h"
#include "tests/support/histories.h"
#include "tests/support/ledger_driver.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/model_requests.h"
#include "tests/support/model_told.h"

enum { MAX_STEPS = 4000, MAX_IDS = 2 * MAX_STEPS };

struct run {
    struct request_maker maker;
    struct model model;
    struct ledger_rig rig;
    struct told told;
    bool tiny;          /* few slots: ids are forgotten, and tables are full */
    bool aligned;       /* time in whole ticks, so that the wheels alone must expire what is due */
    uint64_t offset_ms; /* engine time is the wall clock's less this */
    uint64_t last_lsn;
    uint64_t remember_ms;
    uint64_t ended_ms[MAX_IDS + 1]; /* engine time; 0: it has not */
    int step;
    bool verbose;
};

static char why[512];

static uint64_t engine_ms(const struct run *run)
{
    return run->maker.wall_ms - run->offset_ms;
}

/* ---- turns ---- */

static unsigned contexts(const struct run *run)
{
    return run->rig.config.contexts;
}

static struct ctx *begin(struct run *run, unsigned index)
{
    struct ctx *ctx = ledger_ctx(run->rig.ledger, index);
    ledger_begin(ctx, engine_ms(run), run->maker.wall_ms);
    return ctx;
}

/* Mail is read, so that what is finished may be forgotten. */
static void begin_all(struct run *run)
{
    for (unsigned i = 0; i < contexts(run); i++)
        ledger_end(begin(run, i));
}

static bool remembers(struct run *run, int id)
{
    struct id_table *ids = &run->rig.ledger->ids;
    struct driver_name name;
    struct text text = driver_id(&name, id);
    struct id_entry *entry;
    uint64_t word;
    if (id_table_find(ids, text, id_hash(ids, text), &entry, &word) != ENTRY_FOUND)
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

/* The other contexts give up what they hoard, as they do when this one asks for it. And this one
 * gets a spare slot before it is asked, so that it does not forget an id that the request names
 * between our look and its own. */
static void fill_spare(struct run *run, struct ctx *ctx)
{
    struct id_table *ids = &run->rig.ledger->ids;
    for (unsigned i = 0; i < contexts(run); i++) {
        if (i == ctx->index)
            continue;
        atomic_store(&ids->contexts[i].asked, true);
        ledger_end(begin(run, i));
    }
    struct id_entry *slot = slots_take(ids, &ctx->cursor);
    if (slot)
        slots_give_back(ids, &ctx->cursor, slot);
}

static bool lsn_fits(struct run *run, const struct request *q, const struct answer *a,
                     uint64_t before)
{
    uint64_t tail = told_by_request(&run->rig, before);
    bool asks = q->kind == ASK_RESERVATION || q->kind == ASK_AVAILABILITY || q->kind == ASK_STOCK;
    snprintf(why, sizeof why, "LSN %llu: the log went from %llu to %llu",
             (unsigned long long)a->lsn, (unsigned long long)before, (unsigned long long)tail);
    if (q->kind == ASK_FULFIL && a->code == CODE_INSUFFICIENT_STOCK)
        return true; /* what it undid has a record that says so */
    if (q->kind == ASK_RESERVE && a->code == CODE_INSUFFICIENT_STOCK)
        return true; /* lost demand, for reports */
    if (asks || (a->code != CODE_OK && a->code != CODE_LIMIT))
        return tail == before;
    /* What it found done may have been served just now, because it asked. */
    return a->code == CODE_LIMIT ||
           (tail == before ? a->lsn <= atomic_load(&run->rig.log.tail) : a->lsn == tail);
}

/* When did ids end? The engine may notice later, but not before. */
static void note_ends(struct run *run)
{
    for (int id = 1; id < run->maker.next_id; id++) {
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
    bool may = run->remember_ms > 0 && id_table_remembered(&run->rig.ledger->ids) > 0;
    snprintf(why, sizeof why, "the engine is overloaded with nothing remembered");
    return may;
}

/* What a sweep is not sure of, it looks at again in the next iteration. */
static void sweep(struct ctx *ctx)
{
    enum { TRIES = 10 };
    for (int i = 0; ctx->sweep_count > 0 && i < TRIES; i++)
        ledger_expire(ctx, 0);
}

/* Also after what it waits for: a backlog that is to be served first. */
static void ask_engine(struct run *run, struct ctx *ctx, const struct request *q, struct answer *a)
{
    enum { TRIES = 1000 };
    driver_ask(&run->rig, ctx, q, a);
    for (int i = 0; a->code == CODE_DEFERRED && i < TRIES; i++) {
        ledger_expire(ctx, 0); /* as in the next iteration of a worker */
        driver_ask(&run->rig, ctx, q, a);
    }
    sweep(ctx);
    ledger_rig_drain(&run->rig);
}

/* No order may promise more of an item before it is there than its limit. */
static bool within_limits(struct run *run, struct ctx *ctx, const struct request *q,
                          const struct answer *a)
{
    for (int i = 0; q->kind == ASK_RESERVE && a->code == CODE_OK && i < a->draw_count; i++) {
        int item = a->draws[i].item;
        int64_t limit = run->model.items[item].backorder_limit;
        bool again = a->lsn <= run->last_lsn; /* and what is so since, the limit may be lower */
        if (again || a->draws[i].location != NOWHERE || driver_backlog(ctx, item) <= limit)
            continue;
        snprintf(why, sizeof why, "item %d: %lld wait, with a limit of %lld", item,
                 (long long)driver_backlog(ctx, item), (long long)limit);
        return false;
    }
    return true;
}

/* The model counts the most slots that orders may take: one that was rejected or amended may take
 * fewer. So if the engine does not complain of a small table, it had room. */
static void ask_model(struct run *run, const struct request *q, const struct answer *engine,
                      struct answer *answer)
{
    int slots = run->model.limits.slots;
    model_ask(&run->model, q, engine->lsn, answer);
    if (!run->tiny || answer->code != CODE_LIMIT || engine->code == CODE_LIMIT)
        return;
    run->model.limits.slots = 0;
    model_ask(&run->model, q, engine->lsn, answer);
    run->model.limits.slots = slots;
}

static bool ask(struct run *run, const struct request *q)
{
    static struct answer engine, model;
    if (run->tiny)
        begin_all(run);
    struct ctx *ctx = begin(run, (unsigned)random_below(&run->maker.random, (int)contexts(run)));
    if (run->tiny)
        fill_spare(run, ctx);
    if (run->verbose) {
        printf("%5d %llu context %u: ", run->step, (unsigned long long)run->maker.wall_ms,
               ctx->index);
        driver_print(q);
    }
    bool good = forget_as_engine_did(run, q->id) && forget_as_engine_did(run, q->op);
    uint64_t before = run->last_lsn = atomic_load(&run->rig.log.tail);
    ask_engine(run, ctx, q, &engine);
    good = good && lsn_fits(run, q, &engine, before) && within_limits(run, ctx, q, &engine);
    if (engine.code == CODE_OVERLOADED) {
        good = good && may_be_overloaded(run);
    } else {
        told_order(&run->rig, before, &run->model);
        ask_model(run, q, &engine, &model);
        good = good && driver_agrees(q, &engine, &model, why, sizeof why) &&
               told_agrees(&run->told, &run->rig, &run->model, why, sizeof why);
    }
    note_ends(run);
    if (!good)
        printf("engine: %s; %s\n", code_name(engine.code), ctx_failure(ctx)->message);
    ledger_end(ctx);
    ledger_rig_drain(&run->rig);
    return good;
}

static void expire_all(struct run *run)
{
    for (unsigned i = 0; i < contexts(run); i++) {
        struct ctx *ctx = begin(run, i);
        unsigned budget = (unsigned)random_between(&run->maker.random, 1, 20);
        while (ledger_expire(ctx, budget) == budget) {
        }
        sweep(ctx);
        ledger_end(ctx);
    }
}

/* What is due, but not by a whole tick, is expired by who touches it. */
static void touch_late(struct run *run)
{
    struct driver_name name;
    struct reservation_view view;
    struct ctx *ctx = begin(run, (unsigned)random_below(&run->maker.random, (int)contexts(run)));
    for (int id = 1; id < run->maker.next_id; id++) {
        const struct model_id *x = &run->model.ids[id];
        if (x->use == USE_RESERVATION && strcmp(x->state, "held") == 0 &&
            x->expires_ms <= run->maker.wall_ms)
            ledger_reservation(ctx, driver_id(&name, id), &view);
    }
    ledger_end(ctx);
}

static bool pass_time(struct run *run)
{
    size_t before;
    struct random *r = &run->maker.random;
    uint64_t ms = (uint64_t)random_between(r, 1, random_chance(r, 70) ? 200 : 5000);
    if (random_below(r, 200) == 0)
        ms = random_next(r) % (UINT64_C(50) * 24 * 3600 * 1000) >> random_below(r, 8);
    if (run->aligned)
        ms = ms / WHEEL_TICK_MS * WHEEL_TICK_MS;
    begin_all(run); /* so that each knows of the deadlines that others gave its orders */
    ledger_rig_drain(&run->rig);
    before = run->rig.length;
    run->maker.wall_ms += ms;
    expire_all(run);
    if (!run->aligned)
        touch_late(run);
    expire_all(run); /* whoever freed anything serves backlogs in its next iteration */
    ledger_rig_drain(&run->rig);
    model_set_time(&run->model, run->maker.wall_ms);
    bool good = told_expiries(&run->rig, before, &run->model, why, sizeof why);
    model_pass(&run->model, run->maker.wall_ms);
    note_ends(run);
    return good && told_agrees(&run->told, &run->rig, &run->model, why, sizeof why);
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
    size_t wanted = (size_t)(random_next(&run->maker.random) % (run->rig.length + 1)), offset = 0;
    while (offset < wanted)
        offset += ledger_rig_record(&run->rig, offset, record);
    return offset;
}

static bool follow_prefix(struct run *run)
{
    struct ledger_rig follower;
    begin_all(run);
    ledger_rig_drain(&run->rig);
    if (!contents_rig_copies(&run->rig, run->maker.wall_ms, why, sizeof why))
        return false;
    if (!ledger_rig_follow(&follower, &run->rig, pick_prefix(run), run->maker.wall_ms, why,
                           sizeof why))
        return false;
    bool good = check(run, &follower);
    ledger_rig_close(&follower);
    return good;
}

/* Starts anew from the log, or snapshot contents and the rest of the log, or has another ledger
 * follow and take over; compares, and goes on with the new one. */
static bool restart(struct run *run)
{
    struct ledger_rig follower;
    begin_all(run); /* who expires late does so before the comparison */
    expire_all(run);
    ledger_rig_drain(&run->rig);
    uint64_t now_ms = run->maker.wall_ms;
    size_t prefix = pick_prefix(run);
    int how = random_below(&run->maker.random, 3);
    if (run->verbose)
        printf("%5d start %d from LSN %zu\n", run->step, how, prefix);
    bool made =
        how == 0 ? contents_rig_follow(&follower, &run->rig, prefix, now_ms, why, sizeof why)
        : how == 1
            ? ledger_rig_take_over(&follower, &run->rig, prefix, now_ms, &run->maker.random, why,
                                   sizeof why)
            : ledger_rig_follow(&follower, &run->rig, run->rig.length, now_ms, why, sizeof why);
    if (!made)
        return false;
    bool same_clock = run->offset_ms == 0;
    bool good = check(run, &follower);
    if (same_clock)
        good = good && ledgers_equal(run->rig.ledger, follower.ledger, run->tiny, why, sizeof why);
    ledger_rig_close(&run->rig);
    run->rig = follower;
    run->rig.ledger->log = &run->rig.log; /* it has moved with the struct */
    run->offset_ms = 0;
    model_forget_unused(&run->model);
    for (unsigned i = 0; i < contexts(run); i++) { /* a start looks at all backlogs */
        sweep(begin(run, i));
        ledger_end(ledger_ctx(run->rig.ledger, i));
    }
    size_t before = run->rig.length;
    ledger_rig_drain(&run->rig);
    told_order(&run->rig, before, &run->model);
    model_serve_all(&run->model);
    return good && told_agrees(&run->told, &run->rig, &run->model, why, sizeof why);
}

/* ---- runs ---- */

static bool take_step(struct run *run)
{
    struct random *r = &run->maker.random;
    struct request q;
    if (random_chance(r, 8) && !pass_time(run))
        return false;
    if (random_chance(r, 1) && (!follow_prefix(run) || (random_chance(r, 40) && !restart(run))))
        return false;
    pick_request(&run->maker, &q);
    run->maker.past[run->maker.past_count++] = q;
    if (!ask(run, &q))
        return false;
    if (run->step % 40 == 0 && !compare_stock(run))
        return false;
    return run->step % 20 != 0 || check(run, &run->rig);
}

static void set_up(struct run *run, uint64_t seed)
{
    struct random *r = &run->maker.random;
    memset(run, 0, sizeof *run);
    r->state = seed;
    run->tiny = random_chance(r, 50);
    run->aligned = random_chance(r, 50);
    run->maker.next_id = 1;
    run->offset_ms = random_chance(r, 50) ? 0 : 1600000;
    run->maker.wall_ms = UINT64_C(1700000000000);
    run->maker.past = calloc(MAX_STEPS, sizeof *run->maker.past);
    struct model_limits limits = { .items = MODEL_ITEMS,
                                   .pools = MODEL_ITEMS *
                                            (MODEL_LOCATIONS * MODEL_KINDS + 1 + MODEL_LOCATIONS) };
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
        .contexts = (unsigned)random_between(r, 1, 3),
        .remember_ms = run->remember_ms,
        .figures = 4 << 20,
        .hash_seed = random_next(r),
    };
    ledger_rig_open(&run->rig, &config);
    told_init(&run->told);
    run->maker.waits = !run->tiny; /* the model does not know which slots a backlog takes */
    run->maker.model = &run->model;
    model_init(&run->model, &limits, MAX_IDS, MAX_STEPS * MODEL_DRAWS);
    model_pass(&run->model, run->maker.wall_ms);
}

static void tear_down(struct run *run)
{
    ledger_rig_close(&run->rig);
    told_destroy(&run->told);
    model_destroy(&run->model);
    free(run->maker.past);
}

static bool run_seed(uint64_t seed, int steps, bool verbose)
{
    static struct run run;
    set_up(&run, seed);
    run.verbose = verbose;
    if (steps == 0)
        steps = random_between(&run.maker.random, 100,
                               random_chance(&run.maker.random, 20) ? MAX_STEPS : 800);
    else
        random_between(&run.maker.random, 100,
                       random_chance(&run.maker.random, 20) ? MAX_STEPS : 800);
    bool good = true;
    for (run.step = 1; good && run.step <= steps; run.step++)
        good = take_step(&run);
    good = good && compare_stock(&run) && check(&run, &run.rig) && restart(&run) &&
           compare_stock(&run);
    if (!good) {
        printf("seed %llu, step %d: %s\n", (unsigned long long)seed, run.step - 1, why);
        printf("to see it: --seed %llu --steps %d --verbose; the last request was:\n",
               (unsigned long long)seed, run.step - 1);
        driver_print(&run.maker.past[run.maker.past_count > 0 ? run.maker.past_count - 1 : 0]);
    }
    tear_down(&run);
    return good;
}

int main(int argc, char **argv)
{
    struct histories histories;
    int steps = 0, verbose = 0;
    const struct histories_option own[] = { { "steps", MAX_STEPS, &steps },
                                            { "verbose", 0, &verbose },
                                            { 0 } };
    if (!histories_begin(&histories, argc, argv, 9, own))
        return 2;
    while (histories_next(&histories))
        if (!run_seed(histories.seed, steps, verbose != 0))
            return 1;
    histories_end(&histories);
    return 0;
}
