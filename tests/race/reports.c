/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports beside contexts that sell: each has at least what was sold before it was asked for, and
 * at most what was asked for by its end. Facts reach the store through the reporter and through the
 * contexts themselves, which meet there. In the end the figures are exact.
 */
#include "engine/ledger/ctx.h"
#include "engine/reports/report.h"
#include "tests/support/race_rig.h"

/* Between two reports, so that contexts have enough to fold themselves. */
enum { PAUSE = 2400 * RACE_SCALE };

enum { CONTEXTS = 4, SELLERS = 3, LINES = 6, ORDERS = 2000 * RACE_SCALE };

static _Atomic int64_t begun, sold, orders; /* units asked for; units and orders sold */
static _Atomic unsigned selling = SELLERS;

static void sell(struct racer *racer, uint64_t number)
{
    struct race_name id, skus[LINES];
    struct reservation_view view;
    struct order_line lines[LINES];
    int64_t units = 0;
    for (unsigned i = 0; i < LINES; i++) {
        uint64_t item = random_next(&racer->random) % LINES;
        lines[i] = (struct order_line){ .sku = race_name(&skus[i], 'i', item),
                                        .qty = 1 + (int64_t)(item % 3) };
        units += lines[i].qty;
    }
    struct order order = { .id = race_name(&id, (char)('A' + racer->index), number),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = LINES,
                           .confirm = true };
    RACE_MUST(racer_reserve(racer, &order, &view) == CODE_OK, "reserve: %s",
              ctx_failure(racer->ctx)->message);
    struct step step = { .id = order.id };
    atomic_fetch_add(&begun, units);
    RACE_MUST(racer_fulfil(racer, &step, &view) == CODE_OK, "fulfil: %s",
              ctx_failure(racer->ctx)->message);
    atomic_fetch_add(&sold, units);
    atomic_fetch_add(&orders, 1);
}

/* The report's first two values, summed over its rows. */
static void ask(struct ctx *ctx, enum report_by by, int64_t *units, int64_t *counted)
{
    static const _Atomic bool never;
    struct report_ask asked = { .name = REPORT_SALES, .by = by, .limit = 100 };
    struct report *report = report_new(&asked);
    RACE_MUST(report, "no memory");
    report_run(report, ctx, &never, ctx->engine_ms, ctx->engine_ms);
    RACE_MUST(report->outcome == REPORT_DONE, "outcome %d", report->outcome);
    *units = *counted = 0;
    for (uint32_t i = 0; i < report->row_count; i++) {
        *units += (int64_t)report->rows[i].values[0];
        *counted += (int64_t)report->rows[i].values[1];
    }
    report_free(report);
}

static void report_on(struct racer *racer)
{
    static const enum report_by keys[] = { BY_CHANNEL, BY_SKU, BY_LOCATION, BY_HOUR };
    int64_t units, counted;
    bool last = false;
    int64_t next = PAUSE;
    for (unsigned i = 0; !last || i < 100; i++) {
        while (atomic_load(&selling) > 0 && atomic_load(&orders) < next)
            racer_turn(racer);
        next += PAUSE;
        last = atomic_load(&selling) == 0;
        int64_t least = atomic_load(&sold), orders_least = atomic_load(&orders);
        ledger_end(racer->ctx);
        ask(racer->ctx, keys[i % 4], &units, &counted);
        ledger_begin(racer->ctx, racer->ctx->engine_ms, racer->ctx->wall_ms);
        int64_t most = atomic_load(&begun);
        RACE_MUST(units >= least && units <= most, "%lld units, not %lld to %lld", (long long)units,
                  (long long)least, (long long)most);
        RACE_MUST(counted >= orders_least, "%lld orders, not %lld", (long long)counted,
                  (long long)orders_least);
        racer_turn(racer);
    }
    racer->tally[0] = 1;
}

static void work(struct racer *racer)
{
    if (racer->index == SELLERS) {
        atomic_store(&racer->race->pace[racer->index], UINT64_MAX); /* nobody waits for it */
        report_on(racer);
        return;
    }
    for (uint64_t number = 0; number < ORDERS && racer_goes_on(racer, number); number++) {
        sell(racer, number);
        if (number % 8 == 0)
            racer_turn(racer);
    }
    atomic_fetch_sub(&selling, 1);
}

int main(int argc, char **argv)
{
    struct race race;
    struct racer racers[RACERS_MAX];
    int64_t units, counted;
    race_open(&race, CONTEXTS, &(struct race_tables){ 0 }, argc, argv);
    for (unsigned i = 0; i < LINES; i++) {
        struct race_name sku;
        race_stock(&race, race_name(&sku, 'i', i), text_of("main"), 1 << 24);
    }
    race_run(&race, CONTEXTS, work, racers);
    ask(ledger_ctx(race.ledger, 0), BY_CHANNEL, &units, &counted);
    RACE_MUST(units == atomic_load(&sold) && counted == atomic_load(&orders),
              "%lld units and %lld orders, not %lld and %lld", (long long)units, (long long)counted,
              (long long)atomic_load(&sold), (long long)atomic_load(&orders));
    race_close(&race, "reports");
    return 0;
}
