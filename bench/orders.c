/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a place's orders in process, without sockets or disk.
 *
 *   bench-orders [--orders N] [--places N] [--split PERCENT] [--churn ROUNDS] [--remember N]
 *
 * So many confirmed orders of one line are open over so many places, each of which has the same
 * share; --split percent of them draw from two places. --remember further orders have ended and are
 * remembered. Before it measures, --churn rounds cancel every fourth order and make another in its
 * place, so that slots are used again for orders of other places. Then it lists the open orders of
 * one place after another, and tells the medians: of a page of the first 100, and of the whole
 * list; beside them of the whole list if no slot said which places its order draws from.
 *
 * Times are the thread's own processor time, for a machine that others use too.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/measure.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/orders.h"
#include "engine/store/slot_places.h"

enum { DRAIN_BYTES = 1 << 20, DRAIN_EVERY = 32, ITEMS = 1000, STOCK = 10000000, LISTS = 31 };

static const uint64_t start_ms = UINT64_C(1800000000000);

struct setup {
    uint32_t orders, places, split, churn, remember;
};

struct bench {
    struct log log;
    struct ledger *ledger;
    struct ctx *ctx;
    uint64_t random, changes;
    uint32_t next; /* order */
    uint32_t *open;
    unsigned char *drained;
};

static uint32_t random_below(struct bench *b, uint32_t limit)
{
    return (uint32_t)(random_step(&b->random) % limit);
}

static struct text name(char at[24], const char *kind, uint32_t number)
{
    return (struct text){ at, (uint32_t)snprintf(at, 24, "%s%u", kind, number) };
}

static void must(const struct bench *b, enum code code)
{
    if (code == CODE_OK)
        return;
    fprintf(stderr, "bench-orders: %s\n",
            code == CODE_DEFERRED ? "deferred" : ctx_failure(b->ctx)->message);
    exit(1);
}

/* As the journal would drain it, but to nowhere. */
static void drain(struct bench *b)
{
    if (++b->changes % DRAIN_EVERY != 0)
        return;
    while (log_drain(&b->log, b->drained, DRAIN_BYTES) > 0) {
    }
}

static void receive(struct bench *b, uint32_t item, uint32_t place)
{
    char sku[24], code[24], id[24];
    struct movement_result result;
    struct movement m = { .id = name(id, "r", item * LOCATIONS_MAX + place),
                          .sku = name(sku, "S", item),
                          .location = name(code, "p", place),
                          .qty = STOCK };
    must(b, ledger_receive(b->ctx, &m, &result));
    drain(b);
}

static uint32_t reserve(struct bench *b, const struct setup *setup)
{
    char sku[24], id[24], code[2][24];
    struct reservation_view view;
    struct order_line lines[2];
    uint32_t count = random_below(b, 100) < setup->split ? 2 : 1;
    struct text item = name(sku, "S", random_below(b, ITEMS));
    for (uint32_t i = 0; i < count; i++) {
        struct text place = name(code[i], "p", random_below(b, setup->places));
        lines[i] = (struct order_line){ .sku = item, .qty = 1, .location = place };
    }
    struct order order = { .id = name(id, "o", b->next),
                           .channel = text_of("default"),
                           .lines = lines,
                           .line_count = count,
                           .confirm = true };
    must(b, ledger_reserve(b->ctx, &order, &view));
    drain(b);
    return b->next++;
}

static void cancel(struct bench *b, uint32_t order)
{
    char id[24];
    struct reservation_view view;
    must(b, ledger_cancel(b->ctx, &(struct step){ .id = name(id, "o", order) }, &view));
    drain(b);
}

static void fill(struct bench *b, const struct setup *setup)
{
    uint64_t lsn;
    char code[24];
    for (uint32_t p = 0; p < setup->places; p++)
        must(b, ledger_set_location(
                    b->ctx, &(struct location_setting){ .code = name(code, "p", p) }, &lsn));
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint32_t p = 0; p < setup->places; p++)
            receive(b, i, p);
    for (uint32_t i = 0; i < setup->orders; i++)
        b->open[i] = reserve(b, setup);
    for (uint32_t i = 0; i < setup->remember; i++)
        cancel(b, reserve(b, setup));
    for (uint32_t round = 0; round < setup->churn; round++) {
        ledger_end(b->ctx);
        ledger_begin(b->ctx, start_ms + round + 1, start_ms + round + 1);
        for (uint32_t i = round % 4; i < setup->orders; i += 4) {
            cancel(b, b->open[i]);
            b->open[i] = reserve(b, setup);
        }
    }
}

/* ---- the list ---- */

static double list(struct bench *b, uint32_t place, uint32_t limit, uint32_t *found)
{
    char code[24];
    struct order_walk walk;
    struct reservation_view view;
    uint64_t lsn, start = own_nanoseconds();
    struct order_filter filter = { .location = name(code, "p", place), .step = text_of("open") };
    must(b, ledger_orders_begin(b->ctx, &filter, &walk, &lsn));
    for (*found = 0; *found < limit; (*found)++)
        if (ledger_orders_next(b->ctx, &filter, &walk, UINT64_MAX, &view) == ORDER_END)
            break;
    return (double)(own_nanoseconds() - start) / 1e6;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(struct bench *b, const struct setup *setup, uint32_t limit, const char *what)
{
    double ms[LISTS];
    uint32_t found = 0, sum = 0;
    for (uint32_t i = 0; i < LISTS; i++) {
        ms[i] = list(b, i * 7 % setup->places, limit, &found);
        sum += found;
    }
    qsort(ms, LISTS, sizeof *ms, compare_times);
    printf("%-34s %6u orders  median %7.3f ms  most %7.3f ms\n", what, sum / LISTS, ms[LISTS / 2],
           ms[LISTS - 1]);
}

/* What a place's list reads in vain: slots that may be its own, and are not. */
static void forget_places(struct bench *b)
{
    struct id_table *ids = &b->ledger->ids;
    for (uint32_t i = 0; i < ids->max; i++)
        if (atomic_load(&ids->places[i]) != 0)
            atomic_store(&ids->places[i], UINT32_MAX);
}

static void take_options(struct setup *setup, int argc, char **argv)
{
    static const struct option options[] = {
        { "orders", required_argument, NULL, 'o' },   { "places", required_argument, NULL, 'p' },
        { "split", required_argument, NULL, 's' },    { "churn", required_argument, NULL, 'c' },
        { "remember", required_argument, NULL, 'r' }, { NULL, 0, NULL, 0 }
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint32_t number = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (c == 'o' && number > 0)
            setup->orders = number;
        else if (c == 'p' && number > 0 && number < LOCATIONS_MAX)
            setup->places = number;
        else if (c == 's' && number <= 100)
            setup->split = number;
        else if (c == 'c')
            setup->churn = number;
        else if (c == 'r')
            setup->remember = number;
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct setup setup = { .orders = 1000000, .places = 1000, .split = 10, .churn = 8 };
    take_options(&setup, argc, argv);
    struct bench b = { .random = 88172645463325252u };
    struct ledger_config config = { .items = ITEMS,
                                    .pools = ITEMS * (setup.places + 4),
                                    .reservations = setup.orders * 2 + setup.remember,
                                    .remember_ms = 0,
                                    .contexts = 1,
                                    .hash_seed = 12345,
                                    .log = &b.log };
    if (log_init(&b.log, (size_t)1 << 22, 1, 0) != 0)
        exit(1);
    b.ledger = ledger_create(&config);
    b.drained = malloc(DRAIN_BYTES);
    b.open = calloc(setup.orders, sizeof *b.open);
    if (!b.ledger || !b.drained || !b.open)
        exit(1);
    b.ctx = ledger_ctx(b.ledger, 0);
    ledger_begin(b.ctx, start_ms, start_ms);
    fill(&b, &setup);
    printf("%u orders open at %u places, %u %% of them at two; %u slots used\n", setup.orders,
           setup.places, setup.split, id_table_used(&b.ledger->ids));
    show(&b, &setup, 100, "the first page");
    show(&b, &setup, UINT32_MAX, "the whole list");
    forget_places(&b);
    show(&b, &setup, UINT32_MAX, "the same without the slots' places");
    ledger_end(b.ctx);
    ledger_destroy(b.ledger);
    log_destroy(&b.log);
    free(b.drained);
    free(b.open);
    return 0;
}
