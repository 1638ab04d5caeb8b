/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supply in process, without sockets or disk.
 *
 *   bench-supply [--rounds N] [--waiting N] [--supplies N]
 *                [arrive|part|reserve|open]...
 *
 * arrive: `arrive` of a supply that 1 and --waiting orders drew from. part: `fulfil` while only
 * half of what was promised has come, so that the earlier promises come first. reserve: a reserve
 * and its cancel, on a channel that sells what is on hand and on one that sells what is incoming
 * too; and a draw on supply beside one on stock. open: memory and time of a supply while
 * --supplies are under way at once.
 *
 * Times are the thread's own processor time, for a machine that others use too. What is compared
 * alternates in short batches, and the medians over them are shown.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/measure.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/supply.h"

enum {
    DRAIN_BYTES = 1 << 20,
    DRAIN_EVERY = 32,
    PAGE = 4096,
    BATCH = 32,
    ITEMS = 1024, /* of one kind, for reserves */
    STOCK = 1000000,
    PLACES = 100, /* of the open supplies */
    SAMPLE = 10000,
    SAMPLES_MAX = 4096,
    HOUR_MS = 60 * 60 * 1000,
};

static const uint64_t now_ms = UINT64_C(1800000000000);

struct setup {
    unsigned rounds;
    uint32_t waiting, supplies;
};

struct bench {
    struct log log;
    struct ledger *ledger;
    struct ctx *ctx;
    uint64_t random, ids;
    unsigned char *drained;
};

struct name {
    char bytes[24];
    uint32_t len;
};

static struct name name_of(const char *kind, uint64_t number)
{
    struct name name;
    name.len = (uint32_t)snprintf(name.bytes, sizeof name.bytes, "%s%llu", kind,
                                  (unsigned long long)number);
    return name;
}

static struct text text_in(const struct name *name)
{
    return (struct text){ name->bytes, name->len };
}

static void fail_with(const char *what)
{
    fprintf(stderr, "bench-supply: %s\n", what);
    exit(1);
}

static void must(const struct bench *b, enum code code)
{
    if (code != CODE_OK)
        fail_with(code == CODE_DEFERRED ? "deferred" : ctx_failure(b->ctx)->message);
}

/* ---- the ledger ---- */

/* As the journal would drain it, but to nowhere. Now and then, as a worker does. */
static void drain(struct bench *b)
{
    if (++b->ids % DRAIN_EVERY != 0)
        return;
    while (log_drain(&b->log, b->drained, DRAIN_BYTES) > 0) {
    }
}

static struct bench *open_bench(struct ledger_config config)
{
    struct bench *b = calloc(1, sizeof *b);
    if (!b || log_init(&b->log, (size_t)1 << 22, 1, 0) != 0)
        fail_with("no memory");
    config.contexts = 1;
    config.hash_seed = 12345;
    config.log = &b->log;
    b->ledger = ledger_create(&config);
    b->drained = malloc(DRAIN_BYTES);
    if (!b->ledger || !b->drained)
        fail_with("no memory");
    b->ctx = ledger_ctx(b->ledger, 0);
    b->random = 88172645463325252u;
    ledger_begin(b->ctx, now_ms, now_ms);
    return b;
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
    free(b);
}

static void set_channel(struct bench *b, const char *code, bool incoming)
{
    uint64_t lsn;
    struct channel_setting s = { .code = text_of(code),
                                 .has_incoming = true,
                                 .incoming = incoming };
    must(b, ledger_set_channel(b->ctx, &s, &lsn));
}

static void receive(struct bench *b, struct text sku, int64_t qty)
{
    struct movement_result result;
    struct name id = name_of("r", b->ids);
    struct movement m = { .id = text_in(&id), .sku = sku, .location = text_of("main"), .qty = qty };
    must(b, ledger_receive(b->ctx, &m, &result));
    drain(b);
}

static void expect(struct bench *b, struct text id, struct text sku, struct text location,
                   int64_t qty, uint64_t eta_ms)
{
    struct supply_view view;
    struct supply_line line = { .sku = sku, .qty = qty };
    struct supply_order order = { .id = id,
                                  .location = location,
                                  .lines = &line,
                                  .line_count = 1,
                                  .has_eta = true,
                                  .eta_ms = eta_ms };
    must(b, ledger_expect(b->ctx, &order, &view));
    drain(b);
}

static void arrive(struct bench *b, struct text id)
{
    struct supply_view view;
    struct supply_step step = { .id = id, .all = true };
    must(b, ledger_arrive(b->ctx, &step, &view));
}

static void reserve(struct bench *b, struct text id, const char *channel, struct text sku)
{
    struct reservation_view view;
    struct order_line line = { .sku = sku, .qty = 1 };
    struct order order = { .id = id, .channel = text_of(channel), .lines = &line, .line_count = 1 };
    must(b, ledger_reserve(b->ctx, &order, &view));
}

static void cancel(struct bench *b, struct text id)
{
    struct reservation_view view;
    must(b, ledger_cancel(b->ctx, &(struct step){ .id = id }, &view));
}

/* ---- figures ---- */

struct samples {
    unsigned count;
    double at[SAMPLES_MAX];
};

static void add_sample(struct samples *s, double value)
{
    if (s->count < SAMPLES_MAX)
        s->at[s->count++] = value;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(struct samples *s)
{
    qsort(s->at, s->count, sizeof s->at[0], ascending);
    return s->count ? s->at[s->count / 2] : 0;
}

/* ---- arrive ---- */

/* So many confirmed orders of one unit each, from order w`first` on. */
static void place_orders(struct bench *b, uint64_t first, uint32_t count, struct text sku)
{
    struct reservation_view view;
    struct order_line line = { .sku = sku, .qty = 1 };
    struct order order = {
        .channel = text_of("preorder"), .lines = &line, .line_count = 1, .confirm = true
    };
    for (uint64_t i = first; i < first + count; i++) {
        struct name id = name_of("w", i);
        order.id = text_in(&id);
        must(b, ledger_reserve(b->ctx, &order, &view));
        drain(b);
    }
}

/* Over several iterations, if there are many promises. *slowest: of these, in nanoseconds. */
static enum code fulfil(struct bench *b, uint64_t number, uint64_t *slowest)
{
    struct reservation_view view;
    struct name id = name_of("w", number);
    enum code code;
    *slowest = 0;
    do {
        uint64_t start = own_nanoseconds();
        code = ledger_fulfil(b->ctx, &(struct step){ .id = text_in(&id) }, &view);
        uint64_t took = own_nanoseconds() - start;
        *slowest = took > *slowest ? took : *slowest;
        ledger_end(b->ctx);
        ledger_begin(b->ctx, now_ms, now_ms);
        drain(b);
    } while (code == CODE_DEFERRED);
    return code;
}

static void fulfil_orders(struct bench *b, uint64_t first, uint32_t count)
{
    uint64_t slowest;
    for (uint64_t i = first; i < first + count; i++)
        must(b, fulfil(b, i, &slowest));
}

/* Microseconds of the arrival of a supply that so many orders drew from. Before it, `others` draw
 * from another one, so that the caches are as cold. */
static double time_arrival(struct bench *b, uint32_t waiting, uint32_t others)
{
    uint64_t first = ++b->ids * 1000000;
    struct name supply[2], sku[2];
    for (unsigned i = 0; i < 2; i++) {
        supply[i] = name_of("supply", first + i);
        sku[i] = name_of("A", first + i);
        expect(b, text_in(&supply[i]), text_in(&sku[i]), text_of("main"), waiting + others,
               now_ms + HOUR_MS);
    }
    place_orders(b, first + waiting, others, text_in(&sku[1]));
    place_orders(b, first, waiting, text_in(&sku[0]));
    uint64_t start = own_nanoseconds();
    arrive(b, text_in(&supply[0]));
    double took = (double)(own_nanoseconds() - start) / 1000;
    arrive(b, text_in(&supply[1]));
    fulfil_orders(b, first, waiting + others);
    return took;
}

static void measure_arrivals(const struct setup *setup)
{
    struct ledger_config config = { .items = 1024, .pools = 8192 };
    uint32_t many = setup->waiting;
    config.reservations = 4 * many + (64 << 10);
    struct bench *b = open_bench(config);
    struct samples few_waiting = { 0 }, many_waiting = { 0 };
    set_channel(b, "preorder", true);
    time_arrival(b, many, 0); /* the first touch of memory */
    for (unsigned i = 0; i < setup->rounds; i++) {
        add_sample(&many_waiting, time_arrival(b, many, 1));
        add_sample(&few_waiting, time_arrival(b, 1, many));
    }
    double one = median(&few_waiting), all = median(&many_waiting);
    printf("arrive: 1 order waits %.1f us, %u wait %.1f us (slowest %.1f)\n", one, many, all,
           many_waiting.at[many_waiting.count - 1]);
    close_bench(b);
}

/* ---- part of it has come ---- */

/* Microseconds of a fulfil, of as many orders from the one on, one after another. */
static double time_fulfils(struct bench *b, uint64_t from, uint32_t count)
{
    uint64_t start = own_nanoseconds();
    fulfil_orders(b, from, count);
    return (double)(own_nanoseconds() - start) / 1000 / count;
}

static void measure_part(const struct setup *setup)
{
    uint32_t waiting = setup->waiting, few = waiting / 100 + 1;
    struct bench *b = open_bench((struct ledger_config){
        .items = 16, .pools = 256, .reservations = 3 * waiting + (64 << 10) });
    struct text sku = text_of("A"), id = text_of("supply");
    struct supply_view view;
    struct supply_line come = { .sku = sku, .qty = waiting / 2 };
    set_channel(b, "preorder", true);
    expect(b, id, sku, text_of("main"), waiting, now_ms + HOUR_MS);
    place_orders(b, 1, waiting, sku);
    struct supply_step half = { .id = id, .lines = &come, .line_count = 1 };
    must(b, ledger_arrive(b->ctx, &half, &view));
    uint64_t slowest, start = own_nanoseconds();
    if (fulfil(b, waiting, &slowest) != CODE_INSUFFICIENT_STOCK)
        fail_with("the last one is not refused");
    double refused = (double)(own_nanoseconds() - start) / 1000;
    double first = time_fulfils(b, 1, 1), next = time_fulfils(b, 2, few);
    double later = time_fulfils(b, waiting / 2 - few, few);
    arrive(b, id);
    double all = time_fulfils(b, waiting - few, few);
    printf(
        "fulfil that is refused, %u of %u promised have come: %.1f us, its longest iteration %.1f "
        "us\n",
        waiting / 2, waiting, refused, (double)slowest / 1000);
    printf("fulfil, %u of %u promised have come: the first %.1f us, those behind it %.1f us, the "
           "last that may %.1f us; once all have come %.2f us\n",
           waiting / 2, waiting, first, next, later, all);
    close_bench(b);
}

/* ---- reserve ---- */

/* Nanoseconds of each reserve and cancel, over a batch of random items of that kind. */
static double time_reserves(struct bench *b, const char *channel, const char *kind)
{
    struct name id[BATCH], sku[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        id[i] = name_of("o", ++b->ids);
        sku[i] = name_of(kind, random_step(&b->random) % ITEMS);
        struct prefetch_hint hint = { .id = text_in(&id[i]), .sku = text_in(&sku[i]) };
        for (unsigned stage = 0; stage < PREFETCH_STAGES; stage++)
            ledger_prefetch(b->ctx, stage, &hint);
    }
    uint64_t start = own_nanoseconds();
    for (unsigned i = 0; i < BATCH; i++)
        reserve(b, text_in(&id[i]), channel, text_in(&sku[i]));
    for (unsigned i = 0; i < BATCH; i++)
        cancel(b, text_in(&id[i]));
    double each = (double)(own_nanoseconds() - start) / BATCH;
    b->ids |= DRAIN_EVERY - 1;
    drain(b);
    return each;
}

/* Items of a kind: with stock, and so many supplies under way. */
static void make_items(struct bench *b, const char *kind, int64_t stock, unsigned supplies)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        struct name sku = name_of(kind, i);
        if (stock)
            receive(b, text_in(&sku), stock);
        for (unsigned n = 0; n < supplies; n++) {
            struct name id = name_of("s", b->ids);
            expect(b, text_in(&id), text_in(&sku), text_of("main"), STOCK, now_ms + HOUR_MS + n);
        }
    }
}

/* One side of a comparison. */
struct side {
    const char *channel, *kind;
    struct samples samples;
};

static void compare(struct bench *b, unsigned rounds, const char *what, struct side *one,
                    struct side *other)
{
    for (unsigned i = 0; i < rounds; i++) {
        add_sample(&one->samples, time_reserves(b, one->channel, one->kind));
        add_sample(&other->samples, time_reserves(b, other->channel, other->kind));
    }
    double before = median(&one->samples), after = median(&other->samples);
    printf("%-58s %5.0f ns, %5.0f ns: %.2f times\n", what, before, after, after / before);
    fflush(stdout);
}

static void measure_reserves(const struct setup *setup)
{
    struct ledger_config config = { .items = 8 * ITEMS,
                                    .pools = 64 * ITEMS,
                                    .reservations = 1 << 20 };
    struct bench *b = open_bench(config);
    unsigned rounds = setup->rounds * 100;
    set_channel(b, "stock", false);
    set_channel(b, "preorder", true);
    make_items(b, "none", STOCK, 0);
    make_items(b, "few", STOCK, 3);
    make_items(b, "many", STOCK, 20);
    make_items(b, "due", 0, 3);
    for (unsigned i = 0; i < 4 * rounds; i++) /* goes through the id table */
        time_reserves(b, i % 2 ? "preorder" : "stock", i % 4 < 2 ? "few" : "many");
    printf("reserve and cancel, in nanoseconds:\n");
    compare(b, rounds, "stock: sells what is on hand, incoming too; no supply",
            &(struct side){ .channel = "stock", .kind = "none" },
            &(struct side){ .channel = "preorder", .kind = "none" });
    compare(b, rounds, "the same, 3 supplies of the item under way",
            &(struct side){ .channel = "stock", .kind = "few" },
            &(struct side){ .channel = "preorder", .kind = "few" });
    compare(b, rounds, "the same, 20 supplies of the item under way",
            &(struct side){ .channel = "stock", .kind = "many" },
            &(struct side){ .channel = "preorder", .kind = "many" });
    compare(b, rounds, "sells what is on hand; no supply, 3 supplies",
            &(struct side){ .channel = "stock", .kind = "none" },
            &(struct side){ .channel = "stock", .kind = "few" });
    compare(b, rounds, "3 supplies, incoming: a draw on stock, on supply",
            &(struct side){ .channel = "preorder", .kind = "few" },
            &(struct side){ .channel = "preorder", .kind = "due" });
    close_bench(b);
}

/* ---- many supplies ---- */

/* Bytes of that memory that have pages. */
static uint64_t resident(const void *at, size_t bytes)
{
    size_t pages = (bytes + PAGE - 1) / PAGE;
    unsigned char *in = malloc(pages);
    uint64_t count = 0;
    if (!in || mincore((void *)(uintptr_t)at, bytes, in) != 0)
        fail_with("mincore");
    for (size_t i = 0; i < pages; i++)
        count += in[i] & 1;
    free(in);
    return count * PAGE;
}

static uint64_t memory_of_ids(const struct id_table *ids)
{
    return resident(ids->all, (size_t)ids->max * sizeof(struct id_entry)) +
           resident(ids->buckets, id_table_bucket_bytes(ids));
}

static uint64_t memory_of_pools(const struct items *items)
{
    size_t units = items->unit_count;
    return resident(items->units, units * sizeof(struct pool)) +
           resident(items->stockings, units * sizeof(uint64_t)) +
           resident((const void *)items->incoming_of, units * sizeof(uint32_t)) +
           resident(items->incoming, ((size_t)items->max_pools + 1) * sizeof(struct incoming));
}

static void make_places(struct bench *b)
{
    uint64_t lsn;
    for (unsigned i = 0; i < PLACES; i++) {
        struct name code = name_of("p", i);
        must(b, ledger_set_location(b->ctx, &(struct location_setting){ .code = text_in(&code) },
                                    &lsn));
    }
}

/* Each item at ten places. Supply n is of one line: ten units of an item to a place. */
static void expect_one(struct bench *b, uint32_t items, uint32_t n)
{
    struct name id = name_of("supply", n), sku = name_of("S", n % items);
    struct name place = name_of("p", (n % items + n / items % 10 * 10) % PLACES);
    uint64_t eta_ms = now_ms + HOUR_MS + random_step(&b->random) % (UINT64_C(720) * HOUR_MS);
    expect(b, text_in(&id), text_in(&sku), text_in(&place), 10, eta_ms);
}

/* Nanoseconds of each of the supplies from `first` on. */
static double time_expects(struct bench *b, uint32_t items, uint32_t first)
{
    uint64_t start = own_nanoseconds();
    for (uint32_t n = first; n < first + SAMPLE; n++)
        expect_one(b, items, n);
    return (double)(own_nanoseconds() - start) / SAMPLE;
}

static double time_arrivals(struct bench *b, uint32_t first)
{
    uint64_t start = own_nanoseconds();
    for (uint32_t n = first; n < first + SAMPLE; n++) {
        struct name id = name_of("supply", n);
        arrive(b, text_in(&id));
        drain(b);
    }
    return (double)(own_nanoseconds() - start) / SAMPLE;
}

static void measure_open(const struct setup *setup)
{
    uint32_t items = setup->supplies / 10, count = setup->supplies;
    struct ledger_config config = { .items = items,
                                    .pools = 3 * count,
                                    .reservations = 2 * count + (64 << 10) };
    struct bench *b = open_bench(config);
    make_places(b);
    set_channel(b, "preorder", true);
    time_expects(b, items, 0);
    double expect_few = time_expects(b, items, SAMPLE), arrive_few = time_arrivals(b, SAMPLE);
    for (uint32_t n = 2 * SAMPLE; n < count; n++)
        expect_one(b, items, n);
    double expect_many = time_expects(b, items, count);
    const struct items *all = &b->ledger->items;
    double ids = (double)memory_of_ids(&b->ledger->ids), pools = (double)memory_of_pools(all);
    printf("%u supplies of one line under way, of %u items:\n", count, items);
    printf("memory: %.0f bytes a supply: %.0f of ids and lines, %.0f of pools, with the items and "
           "shared pools\n",
           (ids + pools) / count, ids / count, pools / count);
    printf("expect: %.2f us, and %.2f with few; arrive: %.2f us, and %.2f with few\n",
           expect_many / 1000, expect_few / 1000, time_arrivals(b, count) / 1000,
           arrive_few / 1000);
    close_bench(b);
}

/* ---- all ---- */

static void measure(const struct setup *setup, const char *what)
{
    bool all = strcmp(what, "all") == 0;
    if (all || strcmp(what, "arrive") == 0)
        measure_arrivals(setup);
    if (all || strcmp(what, "part") == 0)
        measure_part(setup);
    if (all || strcmp(what, "reserve") == 0)
        measure_reserves(setup);
    if (all || strcmp(what, "open") == 0)
        measure_open(setup);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "rounds", required_argument, NULL, 'r' },
                                             { "waiting", required_argument, NULL, 'w' },
                                             { "supplies", required_argument, NULL, 's' },
                                             { NULL, 0, NULL, 0 } };
    struct setup setup = { .rounds = 9, .waiting = 100000, .supplies = 1000000 };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint32_t value = option == '?' ? 0 : (uint32_t)strtoul(optarg, NULL, 10);
        if (value == 0)
            fail_with("usage: see the head of bench/supply.c");
        if (option == 'r')
            setup.rounds = value;
        else if (option == 'w')
            setup.waiting = value;
        else
            setup.supplies = value;
    }
    if (optind == argc)
        measure(&setup, "all");
    for (int i = optind; i < argc; i++)
        measure(&setup, argv[i]);
    return 0;
}
