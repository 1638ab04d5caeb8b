/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stores do all day, in process, without sockets or disk.
 *
 *   bench-stores [--rounds N] [--places N] [--items N] [reject|sold]...
 *
 * reject: confirmed orders of one unit of random items, each of which every place has; then the
 * place that each draws from rejects it, and the engine finds another. Beside it the `reserve` of
 * the same orders. Once with the rule `priority`, once with `balance`. sold: a till's sale of one
 * line beside a `receive` of the same items at the same place.
 *
 * Times are the thread's own processor time, for a machine that others use too. What is compared
 * alternates in short batches; the medians over the batches are shown, and of a reject also the
 * 99th percentile of all single ones.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/measure.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/steps.h"

static const char *const rules[] = { "priority", "balance" };

enum { DRAIN_BYTES = 1 << 20, BATCH = 16, STOCK = 100000, ROUNDS_MAX = 20000 };

static const uint64_t now_ms = UINT64_C(1800000000000);

struct setup {
    uint32_t rounds, places, items;
};

struct bench {
    struct log log;
    struct ledger *ledger;
    struct ctx *ctx;
    const struct setup *setup;
    uint64_t random, ids;
    unsigned char *drained;
};

struct name {
    char at[24];
    uint32_t len;
};

struct samples {
    uint32_t count;
    double at[ROUNDS_MAX * BATCH];
};

static uint32_t random_below(struct bench *b, uint32_t limit)
{
    return (uint32_t)(random_step(&b->random) % limit);
}

static struct text name(struct name *to, const char *kind, uint64_t number)
{
    to->len = (uint32_t)snprintf(to->at, sizeof to->at, "%s%llu", kind, (unsigned long long)number);
    return (struct text){ to->at, to->len };
}

static void fail_with(const char *what)
{
    fprintf(stderr, "bench-stores: %s\n", what);
    exit(1);
}

static void must(const struct bench *b, enum code code)
{
    if (code != CODE_OK)
        fail_with(code == CODE_DEFERRED ? "deferred" : ctx_failure(b->ctx)->message);
}

/* ---- the ledger ---- */

/* As the journal would drain it, but to nowhere. */
static void drain(struct bench *b)
{
    while (log_drain(&b->log, b->drained, DRAIN_BYTES) > 0) {
    }
}

static struct text any_sku(struct bench *b, struct name *to)
{
    return name(to, "S", random_below(b, b->setup->items));
}

static void receive(struct bench *b, struct text sku, uint32_t place, int64_t qty)
{
    struct name id, code;
    struct movement_result result;
    struct movement m = {
        .id = name(&id, "r", b->ids++), .sku = sku, .location = name(&code, "p", place), .qty = qty
    };
    must(b, ledger_receive(b->ctx, &m, &result));
}

/* A channel for each rule, which all places serve. */
static void set_up(struct bench *b)
{
    struct name code, sku;
    uint64_t lsn;
    for (uint32_t p = 0; p < b->setup->places; p++) {
        struct location_setting at = { .code = name(&code, "p", p) };
        must(b, ledger_set_location(b->ctx, &at, &lsn));
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct channel_setting channel = { .code = text_of(rules[i]),
                                           .sourcing = text_of(rules[i]) };
        must(b, ledger_set_channel(b->ctx, &channel, &lsn));
    }
    for (uint32_t i = 0; i < b->setup->items; i++) {
        for (uint32_t p = 0; p < b->setup->places; p++)
            receive(b, name(&sku, "S", i), p, STOCK);
        drain(b);
    }
}

static void open_bench(struct bench *b, const struct setup *setup)
{
    struct ledger_config config = { .items = setup->items,
                                    .pools = setup->items * (setup->places + 4),
                                    .reservations = 1 << 20,
                                    .contexts = 1,
                                    .hash_seed = 12345,
                                    .log = &b->log };
    *b = (struct bench){ .setup = setup, .random = 88172645463325252u };
    if (log_init(&b->log, (size_t)1 << 22, 1, 0) != 0)
        fail_with("no memory");
    b->ledger = ledger_create(&config);
    b->drained = malloc(DRAIN_BYTES);
    if (!b->ledger || !b->drained)
        fail_with("no memory");
    b->ctx = ledger_ctx(b->ledger, 0);
    ledger_begin(b->ctx, now_ms, now_ms);
    set_up(b);
}

static void close_bench(struct bench *b)
{
    char message[256] = "";
    ledger_end(b->ctx);
    if (ledger_check(b->ledger, message, sizeof message) != 0)
        fail_with(message);
    ledger_destroy(b->ledger);
    log_destroy(&b->log);
    free(b->drained);
}

/* ---- figures ---- */

static void add_sample(struct samples *s, uint64_t ns)
{
    if (s->count < sizeof s->at / sizeof s->at[0])
        s->at[s->count++] = (double)ns;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(struct samples *s, double share)
{
    qsort(s->at, s->count, sizeof s->at[0], ascending);
    return s->count ? s->at[(uint32_t)(share * (s->count - 1))] : 0;
}

/* ---- reject ---- */

/* An order of one unit. The place that it is drawn from. */
static struct text reserve(struct bench *b, const char *channel, uint64_t number)
{
    struct name id, sku;
    struct reservation_view view;
    struct order_line line = { .sku = any_sku(b, &sku), .qty = 1 };
    struct order order = { .id = name(&id, "o", number),
                           .channel = text_of(channel),
                           .lines = &line,
                           .line_count = 1,
                           .confirm = true };
    must(b, ledger_reserve(b->ctx, &order, &view));
    return view.draws[0].location;
}

static void reject(struct bench *b, uint64_t number, struct text location,
                   enum reject_reason reason)
{
    struct name id, op;
    struct reservation_view view;
    struct rejection rejection = { .id = name(&id, "o", number),
                                   .op = name(&op, "j", number),
                                   .location = location,
                                   .reason = reason };
    must(b, ledger_reject(b->ctx, &rejection, &view));
    if (view.draw_count == 0 || !text_given(view.draws[view.draw_count - 1].location))
        fail_with("a place rejected an order, and no other was found");
}

/* A batch of orders; each is then rejected, and cancelled. Returns what all the reserves took. */
static uint64_t reject_batch(struct bench *b, const char *channel, struct samples *single,
                             uint64_t *all)
{
    struct text location[BATCH];
    uint64_t first = b->ids, start = own_nanoseconds(), last;
    for (uint32_t i = 0; i < BATCH; i++)
        location[i] = reserve(b, channel, first + i);
    uint64_t reserves = own_nanoseconds() - start;
    start = last = own_nanoseconds();
    for (uint32_t i = 0; i < BATCH; i++) {
        reject(b, first + i, location[i], (enum reject_reason)(i % 3));
        uint64_t now = own_nanoseconds();
        add_sample(single, now - last);
        last = now;
    }
    *all = last - start;
    for (uint32_t i = 0; i < BATCH; i++) {
        struct name id;
        struct reservation_view view;
        must(b, ledger_cancel(b->ctx, &(struct step){ .id = name(&id, "o", first + i) }, &view));
    }
    b->ids += BATCH;
    drain(b);
    return reserves;
}

static void measure_rejects(const struct setup *setup)
{
    static struct bench b;
    static struct samples reserves, rejects, single;
    open_bench(&b, setup);
    for (uint32_t c = 0; c < 2; c++) {
        reserves.count = rejects.count = single.count = 0;
        for (uint32_t i = 0; i < setup->rounds; i++) {
            uint64_t all;
            add_sample(&reserves, reject_batch(&b, rules[c], &single, &all) / BATCH);
            add_sample(&rejects, all / BATCH);
        }
        double reserve = quantile(&reserves, 0.5), reject = quantile(&rejects, 0.5);
        printf("%u places, %-8s  reserve %5.2f us, reject %5.2f us: %.2f times; p99 of a reject "
               "%.2f us\n",
               setup->places, rules[c], reserve / 1e3, reject / 1e3, reject / reserve,
               quantile(&single, 0.99) / 1e3);
        fflush(stdout);
    }
    close_bench(&b);
}

/* ---- sold ---- */

static void sell(struct bench *b, struct text sku)
{
    struct name id;
    struct sold_view view;
    struct order_line line = { .sku = sku, .qty = 1 };
    struct sale sale = { .id = name(&id, "k", b->ids++),
                         .channel = text_of(rules[0]),
                         .location = text_of("p0"),
                         .lines = &line,
                         .line_count = 1 };
    must(b, ledger_sold(b->ctx, &sale, &view));
}

static uint64_t movement_batch(struct bench *b, bool selling)
{
    struct name sku[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        struct prefetch_hint hint = { .sku = any_sku(b, &sku[i]) };
        for (unsigned stage = 0; stage < PREFETCH_STAGES; stage++)
            ledger_prefetch(b->ctx, stage, &hint);
    }
    uint64_t start = own_nanoseconds();
    for (uint32_t i = 0; i < BATCH; i++) {
        struct text item = { sku[i].at, sku[i].len };
        if (selling)
            sell(b, item);
        else
            receive(b, item, 0, 1);
    }
    uint64_t took = own_nanoseconds() - start;
    drain(b);
    return took / BATCH;
}

static void measure_sales(const struct setup *setup)
{
    static struct bench b;
    static struct samples receives, sales;
    struct setup one = { .rounds = setup->rounds, .places = 1, .items = setup->items };
    open_bench(&b, &one);
    for (uint32_t i = 0; i < setup->rounds; i++) {
        add_sample(&receives, movement_batch(&b, false));
        add_sample(&sales, movement_batch(&b, true));
    }
    double receive = quantile(&receives, 0.5), sale = quantile(&sales, 0.5);
    printf("one place: receive %.0f ns, sold %.0f ns: %.2f times\n", receive, sale, sale / receive);
    close_bench(&b);
}

static void take_options(struct setup *setup, int argc, char **argv)
{
    static const struct option options[] = { { "rounds", required_argument, NULL, 'r' },
                                             { "places", required_argument, NULL, 'p' },
                                             { "items", required_argument, NULL, 'i' },
                                             { NULL, 0, NULL, 0 } };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint32_t number = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (c == 'r' && number > 0 && number <= ROUNDS_MAX)
            setup->rounds = number;
        else if (c == 'p' && number > 1 && number < LOCATIONS_MAX)
            setup->places = number;
        else if (c == 'i' && number > 0)
            setup->items = number;
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct setup setup = { .rounds = 2000, .places = 500, .items = 1000 };
    take_options(&setup, argc, argv);
    bool all = optind == argc;
    for (int i = optind; i < argc; i++)
        if (strcmp(argv[i], "reject") != 0 && strcmp(argv[i], "sold") != 0)
            exit(2);
    for (int i = all ? 0 : optind; i < (all ? 1 : argc); i++) {
        if (all || strcmp(argv[i], "reject") == 0)
            measure_rejects(&setup);
        if (all || strcmp(argv[i], "sold") == 0)
            measure_sales(&setup);
    }
    return 0;
}
