/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on supplies, and on what is promised from them, against the naive model: every
 * code, every document and reservation, what each channel may take, all stock. At intervals the
 * ledger is checked, and made again from its log.
 *
 *   supply [--seed N] [--steps N] [--seconds S] [--verbose] [--any-order]
 *
 * Without --seed it takes seeds from the clock for a few seconds. The seed of a failure is printed:
 * run it again with --seed, and with --steps to end where it failed. --any-order: of what has come,
 * a later promise may be fulfilled before an earlier one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/shortages.h"
#include "tests/support/contents_rig.h"
#include "tests/support/histories.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/supply_driver.h"
#include "tests/support/supply_requests.h"

enum { MAX_STEPS = 400, CONTEXTS = 3 };

struct run {
    struct depot_maker maker;
    struct ledger_rig rig;
    struct depot_request last;
    int step;
    bool verbose, in_order;
    int short_count; /* promises that were short at the last look */
};

static struct depot_short shorts[DEPOT_SHORTS], shorts_before[DEPOT_SHORTS];
static struct depot depot;
static char why[512];

/* ---- turns ---- */

static struct ctx *begin(struct run *run, unsigned index)
{
    struct ctx *ctx = ledger_ctx(run->rig.ledger, index);
    ledger_begin(ctx, depot.now_ms, depot.now_ms);
    return ctx;
}

static struct ctx *begin_any(struct run *run)
{
    return begin(run, (unsigned)random_below(&run->maker.random, CONTEXTS));
}

/* The model's holds expire in the order of the log. */
static bool follow_expiries(struct run *run)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    size_t offset = run->rig.length;
    ledger_rig_drain(&run->rig);
    while (offset < run->rig.length) {
        offset += ledger_rig_record(&run->rig, offset, record);
        int id = depot_expired((const struct record_head *)(const void *)record);
        if (id == 0)
            continue;
        if (run->verbose)
            printf("%5d hold %d expires\n", run->step, id);
        if (!depot_expire(&depot, id)) {
            snprintf(why, sizeof why, "hold %d expires, which is not due", id);
            return false;
        }
    }
    depot_settle(&depot);
    return true;
}

/*
 * Mail is read, and what is due comes up. Several holds that are due at once may expire in any
 * order: what one context has expired is swept before the next one does so, and what is free by
 * then may stand in for a promise that is short, though another expiry would have done. So the log
 * says which expired together.
 */
static bool come_up(struct run *run)
{
    bool good = true;
    for (unsigned i = 0; good && i < CONTEXTS; i++) {
        struct ctx *ctx = begin(run, i);
        unsigned done = 64;
        while (good && done == 64) {
            done = ledger_expire(ctx, 64);
            good = follow_expiries(run);
        }
        ledger_end(ctx);
    }
    ledger_rig_drain(&run->rig);
    return good;
}

static bool pass_time(struct run *run)
{
    struct random *r = &run->maker.random;
    uint64_t ms = (uint64_t)random_between(r, 1, random_chance(r, 70) ? 800 : 8000);
    ms = (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS * WHEEL_TICK_MS;
    if (run->verbose)
        printf("%5d %llu ms pass\n", run->step, (unsigned long long)ms);
    depot_pass(&depot, depot.now_ms + ms);
    bool good = come_up(run);
    good = good && come_up(run); /* what one context has sent to another */
    int late = depot_overdue(&depot);
    if (good && late)
        snprintf(why, sizeof why, "hold %d is due, and has not expired", late);
    return good && !late;
}

/* ---- comparing ---- */

static bool compare(struct run *run)
{
    struct ctx *ctx = begin_any(run);
    bool good = true;
    for (int item = 0; good && item < DEPOT_ITEMS; item++)
        good = depot_item_agrees(ctx, &depot, item, why, sizeof why);
    for (int id = 1; good && id <= depot.last_id; id++)
        if (depot.ids[id].use == USED_SUPPLY || depot.ids[id].use == USED_RESERVATION)
            good = depot_id_agrees(ctx, &depot, id, why, sizeof why);
    for (int place = 0; good && place < DEPOT_PLACES; place++)
        good = depot_list_agrees(ctx, &depot, place, false, why, sizeof why) &&
               depot_list_agrees(ctx, &depot, place, true, why, sizeof why);
    ledger_end(ctx);
    return good;
}

/* ---- shortages ---- */

static bool is_same(const struct depot_short *a, const struct depot_short *b)
{
    return a->id == b->id && a->item == b->item && a->place == b->place && a->from == b->from;
}

/* One that was not short at the last look, and is told with what is missing to it now; it counts
 * no longer then. */
static bool was_due(struct run *run, int count, const struct depot_short *told)
{
    for (int i = 0; i < count; i++) {
        struct depot_short of = shorts[i];
        of.from = of.from > 0 ? told->from : of.from; /* any supply */
        bool before = false;
        for (int j = 0; j < run->short_count; j++)
            before |= is_same(&shorts[i], &shorts_before[j]);
        if (before || !is_same(&of, told) || of.qty != told->qty)
            continue;
        shorts_before[run->short_count++] = shorts[i];
        return true;
    }
    return false;
}

/* What the look has recorded, from that offset on. */
static bool follow_shorts(struct run *run, struct ctx *ctx, size_t offset, int count)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    struct depot_short told;
    while (offset < run->rig.length) {
        offset += ledger_rig_record(&run->rig, offset, record);
        if (!depot_told_short(ctx, (const struct record_head *)(const void *)record, &told))
            continue;
        if (run->verbose)
            printf("%5d %d is short of %lld of %d at %d\n", run->step, told.id, (long long)told.qty,
                   told.item, told.place);
        if (was_due(run, count, &told))
            continue;
        snprintf(why, sizeof why, "%d is told to be short of %lld of %d at %d", told.id,
                 (long long)told.qty, told.item, told.place);
        return false;
    }
    return true;
}

/* Looks for shortages, of which each is told once. */
static bool look(struct run *run)
{
    struct shortage_watch *watch = &run->rig.ledger->shortages;
    int count = depot_shorts(&depot, shorts);
    bool more = true;
    ledger_rig_drain(&run->rig);
    size_t offset = run->rig.length;
    for (int looks = 0; more && looks < 1000; looks++) {
        struct ctx *ctx = begin_any(run);
        atomic_store(&watch->next_ms, 0);
        ledger_tell_shortages(ctx);
        more = ledger_shortages_due(ctx) != UINT64_MAX;
        ledger_end(ctx);
        ledger_rig_drain(&run->rig);
    }
    if (more)
        snprintf(why, sizeof why, "the look for shortages never ends");
    if (more || !follow_shorts(run, ledger_ctx(run->rig.ledger, 0), offset, count))
        return false;
    int known = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < run->short_count; j++)
            if (is_same(&shorts[i], &shorts_before[j])) {
                known++;
                break;
            }
    if (known < count)
        snprintf(why, sizeof why, "%d promises are short, and %d of them are not told", count,
                 count - known);
    memcpy(shorts_before, shorts, sizeof shorts);
    run->short_count = count;
    return known == count;
}

static bool check(const struct ledger_rig *rig)
{
    return ledger_check(rig->ledger, why, sizeof why) == 0;
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

/* Starts anew from the log, or from contents and the rest of the log, or has another ledger follow
 * and take over; and goes on with that. */
static bool restart(struct run *run)
{
    struct ledger_rig follower;
    if (!come_up(run))
        return false;
    size_t prefix = pick_prefix(run);
    int how = random_below(&run->maker.random, 3);
    bool made =
        how == 0 ? contents_rig_follow(&follower, &run->rig, prefix, depot.now_ms, why, sizeof why)
        : how == 1 ? ledger_rig_take_over(&follower, &run->rig, prefix, depot.now_ms,
                                          &run->maker.random, why, sizeof why)
                   : ledger_rig_follow(&follower, &run->rig, run->rig.length, depot.now_ms, why,
                                       sizeof why);
    if (!made)
        return false;
    bool good =
        check(&follower) && ledgers_equal(run->rig.ledger, follower.ledger, false, why, sizeof why);
    ledger_rig_close(&run->rig);
    run->rig = follower;
    run->rig.ledger->log = &run->rig.log; /* it has moved with the struct */
    depot_restart(&depot);
    return good && come_up(run);
}

/* ---- runs ---- */

static bool ask(struct run *run)
{
    static struct depot_answer engine, model;
    const struct depot_request *r = &run->last;
    struct ctx *ctx = begin_any(run);
    if (run->verbose) {
        printf("%5d ", run->step);
        depot_print(r);
    }
    depot_drive(ctx, r, &engine);
    depot_ask(&depot, r, engine.lsn, &model);
    bool good = depot_answers_agree(r, &engine, &model, why, sizeof why);
    if (good && !engine.code && engine.lsn != model.lsn) {
        snprintf(why, sizeof why, "LSN %llu, not %llu", (unsigned long long)engine.lsn,
                 (unsigned long long)model.lsn);
        good = false;
    }
    if (!good && engine.code)
        printf("engine: %s\n", ctx_failure(ctx)->message);
    ledger_end(ctx);
    ledger_rig_drain(&run->rig);
    return good;
}

static bool take_step(struct run *run)
{
    if (random_chance(&run->maker.random, 12) && !pass_time(run))
        return false;
    depot_pick(&run->maker, &run->last);
    if (!ask(run) || !compare(run) || !look(run))
        return false;
    if (run->step % 10 == 0) {
        if (!come_up(run) || !check(&run->rig)) /* mail is read before the check */
            return false;
    }
    return !random_chance(&run->maker.random, 2) || (restart(run) && compare(run) && look(run));
}

static void set_up(struct run *run, uint64_t seed, bool in_order)
{
    struct random *r = &run->maker.random;
    memset(&depot, 0, sizeof depot);
    r->state = seed;
    run->maker.depot = &depot;
    run->maker.next_id = 1;
    run->short_count = 0;
    depot.in_order = in_order;
    depot.now_ms = UINT64_C(1700000000000) / WHEEL_TICK_MS * WHEEL_TICK_MS;
    depot_pick_settings(&run->maker, &depot);
    struct ledger_config config = { .items = DEPOT_ITEMS,
                                    .pools = 4096,
                                    .reservations = 16 * DEPOT_IDS,
                                    .contexts = CONTEXTS,
                                    .hash_seed = random_next(r) };
    ledger_rig_open(&run->rig, &config);
    struct ctx *ctx = begin(run, 0);
    depot_set_up(ctx, &depot);
    ledger_end(ctx);
    ledger_rig_drain(&run->rig);
}

static bool run_seed(struct run *run, uint64_t seed, int steps)
{
    if (run->verbose)
        setvbuf(stdout, NULL, _IONBF, 0); /* an assertion may end it */
    set_up(run, seed, run->in_order);
    int usual = random_between(&run->maker.random, 30, MAX_STEPS);
    steps = steps > 0 ? steps : usual;
    bool good = true;
    for (run->step = 1; good && run->step <= steps; run->step++)
        good = take_step(run);
    good = good && check(&run->rig) && restart(run) && compare(run);
    if (!good) {
        printf("seed %llu, step %d: %s\n", (unsigned long long)seed, run->step - 1, why);
        printf("to see it: --seed %llu --steps %d --verbose%s; the last request was:\n",
               (unsigned long long)seed, run->step - 1, run->in_order ? "" : " --any-order");
        depot_print(&run->last);
    }
    ledger_rig_close(&run->rig);
    return good;
}

int main(int argc, char **argv)
{
    static struct run run;
    struct histories histories;
    int steps = 0, verbose = 0, any_order = 0;
    const struct histories_option own[] = { { "steps", MAX_STEPS, &steps },
                                            { "verbose", 0, &verbose },
                                            { "any-order", 0, &any_order },
                                            { 0 } };
    if (!histories_begin(&histories, argc, argv, 9, own))
        return 2;
    run.verbose = verbose != 0;
    run.in_order = any_order == 0;
    while (histories_next(&histories))
        if (!run_seed(&run, histories.seed, steps))
            return 1;
    histories_end(&histories);
    return 0;
}
