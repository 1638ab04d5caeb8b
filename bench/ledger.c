/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger alone, in process: reserve and cancel without sockets or disk. The log is drained as
 * the journal would drain it to its buffer, but to nowhere.
 *
 *   bench-ledger [--items N] [--seconds S] [--warmup S] [--threads N] [--workload NAME]
 *                [--places N] [--sourcing RULE] [--figures BYTES] [--json]
 *
 * Workloads: uniform, zipf (exponent 0.99), hot (one item), lines (orders of three lines), promise
 * (the same, `promise` instead of reserve and cancel), sell (fulfils instead of cancelling), wide
 * (every item at --places locations), split (wide, an order takes from each of them), ask (wide,
 * `availability` instead), locate (wide, `locate` of a basket of three, from somewhere).
 *
 * Requests are made in batches as a worker decodes them from one receive: ids and skus first, then
 * prefetches, then the operations. Cancels follow their reserves by a batch. The warm-up is long
 * enough to go through the id table, or nearly, so that the ledger is measured and not the kernel
 * zeroing memory.
 */
#include <getopt.h>
#include <linux/perf_event.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"
#include "engine/ledger/ledger.h"

enum { BATCH = 32, DRAIN_BYTES = 1 << 20, STOCK = 100000000, LINES = 3 };

enum workload {
    UNIFORM,
    ZIPF,
    HOT,
    MANY_LINES,
    PROMISE,
    SELL,
    WIDE,
    SPLIT,
    ASK,
    LOCATE,
    WORKLOADS
};

static const char *const workload_names[WORKLOADS] = { "uniform", "zipf",  "hot",  "lines",
                                                       "promise", "sell",  "wide", "split",
                                                       "ask",     "locate" };

struct setup {
    uint32_t items;
    double seconds, warmup;
    unsigned threads;
    enum workload workload;
    uint32_t places;  /* locations of each item */
    uint64_t figures; /* bytes for figures of reports, as stockd has them; 0: none */
    const char *sourcing;
    bool json;
    double zeta, eta; /* of the Zipf distribution over the items */
};

enum { INSTRUCTIONS, CACHE_MISSES, COUNTERS };

struct text_buffer {
    char bytes[24];
    uint32_t len;
};

struct runner {
    pthread_t thread;
    const struct setup *setup;
    struct ledger *ledger;
    struct log *log;
    unsigned index;
    uint64_t random, ids;
    uint64_t done, deferred, failed; /* operations */
    uint64_t first_ns, second_ns;    /* spent in reserves (or queries), and in cancels */
    int counters[COUNTERS];          /* file descriptors, -1: cannot be counted here */
    uint64_t counted[COUNTERS];
    unsigned char *drained;
    struct text_buffer id[BATCH], sku[BATCH * LINES];
};

static _Atomic bool measuring; /* the warm-up is over */
static _Atomic bool stop;
static _Atomic bool draining;

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct text text_in(const struct text_buffer *b)
{
    return (struct text){ b->bytes, b->len };
}

static void write_number(struct text_buffer *to, char letter, uint64_t number)
{
    char digits[20];
    uint32_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    to->bytes[0] = letter;
    for (uint32_t i = 0; i < n; i++)
        to->bytes[1 + i] = digits[n - 1 - i];
    to->len = n + 1;
}

/* ---- what the processor counts, where it lets us ---- */

static void start_counting(struct runner *r)
{
    static const uint64_t events[COUNTERS] = { PERF_COUNT_HW_INSTRUCTIONS,
                                               PERF_COUNT_HW_CACHE_MISSES };
    for (int i = 0; i < COUNTERS; i++) {
        struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                                        .size = sizeof attr,
                                        .config = events[i],
                                        .exclude_kernel = 1,
                                        .exclude_hv = 1 };
        r->counters[i] = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    }
}

static void stop_counting(struct runner *r)
{
    for (int i = 0; i < COUNTERS; i++) {
        if (r->counters[i] < 0)
            continue;
        if (read(r->counters[i], &r->counted[i], sizeof r->counted[i]) < 0)
            r->counted[i] = 0;
        close(r->counters[i]);
    }
}

/* ---- which item is next ---- */

/* Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994. */
static const double skew = 0.99;

static void prepare_zipf(struct setup *s)
{
    double n = s->items, zeta_two = 1 + pow(0.5, skew);
    for (uint32_t i = 1; i <= s->items; i++)
        s->zeta += 1 / pow(i, skew);
    s->eta = (1 - pow(2 / n, 1 - skew)) / (1 - zeta_two / s->zeta);
}

static uint64_t zipf_item(const struct setup *s, uint64_t random)
{
    double u = (double)(random >> 11) / (double)(UINT64_C(1) << 53), uz = u * s->zeta;
    double rank = 0;
    if (uz >= 1 + pow(0.5, skew))
        rank = (double)s->items * pow(s->eta * u - s->eta + 1, 1 / (1 - skew));
    else if (uz >= 1)
        rank = 1;
    /* Neighbouring ranks lie apart in memory, like items that sell well. */
    return (uint64_t)rank * 2654435761u % s->items;
}

static uint64_t next_item(struct runner *r)
{
    uint64_t random = random_step(&r->random);
    if (r->setup->workload == HOT)
        return 0;
    return r->setup->workload == ZIPF ? zipf_item(r->setup, random) : random % r->setup->items;
}

/* ---- working ---- */

/* The first thread to get here drains the log, like a worker that finds the device idle. */
static void drain(struct runner *r)
{
    if (atomic_exchange_explicit(&draining, true, memory_order_acquire))
        return;
    while (log_drain(r->log, r->drained, DRAIN_BYTES) > 0) {
    }
    atomic_store_explicit(&draining, false, memory_order_release);
}

static uint32_t lines_of(const struct setup *s)
{
    return s->workload == MANY_LINES || s->workload == PROMISE || s->workload == LOCATE ? LINES : 1;
}

static void prepare(struct runner *r)
{
    const struct setup *s = r->setup;
    uint32_t lines = lines_of(s);
    for (unsigned i = 0; i < BATCH; i++)
        write_number(&r->id[i], (char)('A' + r->index), ++r->ids);
    for (unsigned i = 0; i < BATCH * lines; i++)
        write_number(&r->sku[i], 'S', next_item(r));
    struct ctx *ctx = ledger_ctx(r->ledger, r->index);
    struct prefetch_hint hint[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        hint[i] =
            (struct prefetch_hint){ .id = text_in(&r->id[i]), .sku = text_in(&r->sku[i * lines]) };
    for (unsigned stage = 0; stage < PREFETCH_STAGES; stage++)
        for (unsigned i = 0; i < BATCH; i++)
            ledger_prefetch(ctx, stage, &hint[i]);
}

static void count(struct runner *r, enum code code)
{
    if (code == CODE_OK)
        r->done++;
    else if (code == CODE_DEFERRED)
        r->deferred++;
    else
        r->failed++;
}

static void reserve_batch(struct runner *r)
{
    struct ctx *ctx = ledger_ctx(r->ledger, r->index);
    uint32_t lines = lines_of(r->setup);
    struct reservation_view view;
    struct order_line line[LINES] = { 0 };
    struct order order = { .channel = text_of("default"), .lines = line, .line_count = lines };
    for (unsigned i = 0; i < BATCH; i++) {
        for (uint32_t l = 0; l < lines; l++) {
            line[l].sku = text_in(&r->sku[i * lines + l]);
            line[l].qty = r->setup->workload == SPLIT ? r->setup->places : 1; /* of each place */
        }
        order.id = text_in(&r->id[i]);
        order.confirm = r->setup->workload == SELL;
        enum code code;
        while ((code = ledger_reserve(ctx, &order, &view)) == CODE_DEFERRED) {
            r->deferred++;
            drain(r);
        }
        count(r, code);
    }
}

/* Cancels the orders of the batch, or fulfils them. */
static void end_batch(struct runner *r)
{
    struct ctx *ctx = ledger_ctx(r->ledger, r->index);
    bool sells = r->setup->workload == SELL;
    struct reservation_view view;
    ledger_expect_cancels(ctx, sells ? 0 : BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        struct step step = { .id = text_in(&r->id[i]) };
        enum code code;
        while ((code = sells ? ledger_fulfil(ctx, &step, &view)
                             : ledger_cancel(ctx, &step, &view)) == CODE_DEFERRED) {
            ledger_expect_cancels(ctx, 0); /* or the log might not be drained */
            r->deferred++;
            drain(r);
        }
        count(r, code);
    }
    ledger_expect_cancels(ctx, 0);
}

/* What the workload asks, if it asks and holds nothing; NULL: it reserves and cancels. */
static const char *question_of(const struct setup *s)
{
    if (s->workload == ASK)
        return "availability";
    if (s->workload == LOCATE)
        return "locate";
    return s->workload == PROMISE ? "promise" : NULL;
}

static enum code ask(struct runner *r, const struct order_line *lines, uint32_t line_count)
{
    struct ctx *ctx = ledger_ctx(r->ledger, r->index);
    struct reservation_view view;
    struct located located;
    int64_t available;
    uint64_t lsn;
    if (r->setup->workload == ASK)
        return ledger_availability(ctx, text_of("default"), &lines->sku, 1, &available, &lsn);
    if (r->setup->workload == PROMISE)
        return ledger_promise(ctx,
                              &(struct order){ .channel = text_of("default"),
                                               .lines = lines,
                                               .line_count = line_count },
                              &view);
    struct basket basket = { .channel = text_of("default"),
                             .lines = lines,
                             .line_count = line_count,
                             .terms = { .has_lat = true, .has_lon = true },
                             .limit = 10 };
    basket.terms.lat = (double)(random_step(&r->random) % 180) - 90;
    basket.terms.lon = (double)(random_step(&r->random) % 360) - 180;
    return ledger_locate(ctx, &basket, &located);
}

static void ask_batch(struct runner *r)
{
    uint32_t count_lines = lines_of(r->setup);
    struct order_line lines[LINES] = { 0 };
    for (unsigned i = 0; i < BATCH; i++) {
        for (uint32_t l = 0; l < count_lines; l++)
            lines[l] =
                (struct order_line){ .sku = text_in(&r->sku[i * count_lines + l]), .qty = 1 };
        count(r, ask(r, lines, count_lines));
    }
}

static void run_batch(struct runner *r)
{
    uint64_t start = own_nanoseconds();
    prepare(r);
    bool asks = question_of(r->setup) != NULL;
    if (asks)
        ask_batch(r);
    else
        reserve_batch(r);
    uint64_t middle = own_nanoseconds();
    if (!asks)
        end_batch(r);
    r->first_ns += middle - start;
    r->second_ns += own_nanoseconds() - middle;
}

static void *run(void *argument)
{
    struct runner *r = argument;
    struct ctx *ctx = ledger_ctx(r->ledger, r->index);
    bool counts = false;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (!counts && atomic_load_explicit(&measuring, memory_order_relaxed)) {
            counts = true;
            r->done = r->deferred = r->failed = r->first_ns = r->second_ns = 0;
            start_counting(r);
        }
        uint64_t now = nanoseconds() / 1000000;
        ledger_begin(ctx, now, now);
        for (unsigned i = 0; i < 8; i++)
            run_batch(r);
        drain(r);
        ledger_expire(ctx, 64);
        ledger_end(ctx);
    }
    if (counts)
        stop_counting(r);
    return NULL;
}

static void must(const struct ctx *ctx, enum code code)
{
    if (code == CODE_OK)
        return;
    fprintf(stderr, "bench-ledger: %s\n", ctx_failure(ctx)->message);
    exit(1);
}

/* The first location is main. */
static struct text place_name(struct text_buffer *buffer, uint32_t place)
{
    if (place == 0)
        return text_of("main");
    write_number(buffer, 'L', place);
    return text_in(buffer);
}

static void set_up(struct runner *r)
{
    struct ctx *ctx = ledger_ctx(r->ledger, 0);
    struct text_buffer code;
    uint64_t lsn;
    for (uint32_t i = 1; i < r->setup->places; i++) {
        struct location_setting s = { .code = place_name(&code, i),
                                      .has_lat = true,
                                      .has_lon = true };
        s.lat = (double)(random_step(&r->random) % 180) - 90; /* somewhere */
        s.lon = (double)(random_step(&r->random) % 360) - 180;
        must(ctx, ledger_set_location(ctx, &s, &lsn));
        drain(r);
    }
    must(ctx,
         ledger_set_channel(ctx,
                            &(struct channel_setting){ .code = text_of("default"),
                                                       .has_sourcing = true,
                                                       .sourcing = text_of(r->setup->sourcing) },
                            &lsn));
}

static void fill(struct runner *r)
{
    const struct setup *s = r->setup;
    struct ctx *ctx = ledger_ctx(r->ledger, 0);
    /* If an order takes from each location, each has one unit, for one order at a time. */
    int64_t stock = s->workload == SPLIT ? 1 : STOCK;
    ledger_begin(ctx, 1, 1);
    set_up(r);
    for (uint64_t i = 0; i < (uint64_t)s->items * s->places; i++) {
        struct text_buffer id, sku, at;
        struct movement_result result;
        write_number(&id, 'r', i);
        write_number(&sku, 'S', i / s->places);
        struct movement m = { .id = text_in(&id),
                              .sku = text_in(&sku),
                              .location = place_name(&at, (uint32_t)(i % s->places)),
                              .qty = stock };
        must(ctx, ledger_receive(ctx, &m, &result));
        if (i % 64 == 0)
            drain(r);
    }
    drain(r);
    ledger_end(ctx);
}

static bool is_wide(const struct setup *s)
{
    return s->workload >= WIDE;
}

static bool take_workload(struct setup *s, const char *name)
{
    for (unsigned i = 0; i < WORKLOADS; i++)
        if (strcmp(name, workload_names[i]) == 0) {
            s->workload = (enum workload)i;
            return true;
        }
    return false;
}

static bool parse(int argc, char **argv, struct setup *s)
{
    static const struct option options[] = {
        { "items", required_argument, NULL, 'i' },   { "seconds", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' }, { "workload", required_argument, NULL, 'w' },
        { "places", required_argument, NULL, 'p' },  { "figures", required_argument, NULL, 'f' },
        { "json", no_argument, NULL, 'j' },          { "sourcing", required_argument, NULL, 'r' },
        { "warmup", required_argument, NULL, 'u' },  { NULL, 0, NULL, 0 }
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'i')
            s->items = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            s->seconds = strtod(optarg, NULL);
        else if (option == 'u')
            s->warmup = strtod(optarg, NULL);
        else if (option == 't')
            s->threads = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'p')
            s->places = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'f')
            s->figures = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            s->sourcing = optarg;
        else if (option == 'j')
            s->json = true;
        else if (option != 'w' || !take_workload(s, optarg))
            return false;
    }
    if (s->items == 0)
        s->items = is_wide(s) ? 1000 : 1000000;
    if (s->places == 0)
        s->places = is_wide(s) ? 500 : 1;
    return s->threads > 0 && s->threads <= 16 && s->places <= DRAWS_MAX;
}

static void report_counted(const struct setup *s, const struct runner *runners, uint64_t done)
{
    static const char *const names[COUNTERS] = { "instructions", "cache_misses" };
    for (int i = 0; i < COUNTERS; i++) {
        uint64_t sum = 0;
        bool counted = done > 0;
        for (unsigned t = 0; t < s->threads; t++) {
            counted &= runners[t].counters[i] >= 0;
            sum += runners[t].counted[i];
        }
        if (s->json && counted)
            printf(",\"%s_per_operation\":%.1f", names[i], (double)sum / (double)done);
        else if (s->json)
            printf(",\"%s_per_operation\":null", names[i]);
        else if (counted)
            printf("         %s: %.1f an operation\n", names[i], (double)sum / (double)done);
    }
}

static void report(const struct setup *s, const struct runner *runners, double seconds)
{
    uint64_t done = 0, deferred = 0, failed = 0, first = 0, last = 0;
    for (unsigned i = 0; i < s->threads; i++) {
        done += runners[i].done;
        deferred += runners[i].deferred;
        failed += runners[i].failed;
        first += runners[i].first_ns;
        last += runners[i].second_ns;
    }
    double rate = (double)done / seconds;
    const char *question = question_of(s);
    double of_each = (double)(done + failed) / (question ? 1 : 2);
    double first_each = (double)first / of_each, second_each = (double)last / of_each;
    const char *name = workload_names[s->workload];
    const char *second = s->workload == SELL ? "fulfil" : "cancel";
    if (s->json)
        printf("{\"workload\":\"%s\",\"items\":%u,\"places\":%u,\"threads\":%u,"
               "\"operations_per_second\":%.0f,\"operations_per_second_per_core\":%.0f,"
               "\"%s_ns\":%.0f,\"%s_ns\":%.0f,\"deferred\":%llu,\"failed\":%llu",
               name, s->items, s->places, s->threads, rate, rate / s->threads,
               question ? question : "reserve", first_each, second, second_each,
               (unsigned long long)deferred, (unsigned long long)failed);
    else
        printf("%-8s %9u items at %u places, %2u threads: %6.2f M operations/s, %.2f M/s a core; "
               "%s %.0f ns, %s %.0f ns; %llu deferred, %llu failed\n",
               name, s->items, s->places, s->threads, rate / 1e6, rate / 1e6 / s->threads,
               question ? question : "reserve", first_each, second, second_each,
               (unsigned long long)deferred, (unsigned long long)failed);
    report_counted(s, runners, done);
    if (s->json)
        printf("}\n");
}

static void nap(double seconds)
{
    struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    struct setup setup = {
        .seconds = 3, .warmup = 2, .threads = 1, .figures = 256 << 20, .sourcing = "priority"
    };
    if (!parse(argc, argv, &setup)) {
        fprintf(stderr,
                "usage: bench-ledger [--items N] [--seconds S] [--warmup S] [--threads N]\n"
                "                    [--places N] [--sourcing RULE] [--figures BYTES] [--json]\n"
                "                    [--workload uniform|zipf|hot|lines|promise|sell|wide|split|\n"
                "                     ask|locate]\n");
        return 2;
    }
    if (setup.workload == ZIPF)
        prepare_zipf(&setup);
    struct log log;
    struct ledger_config config = { .items = setup.items,
                                    .pools = setup.items * setup.places,
                                    .reservations = 4000000,
                                    .contexts = setup.threads,
                                    .figures = setup.figures,
                                    .hash_seed = 12345,
                                    .log = &log };
    if (log_init(&log, (size_t)1 << 22, setup.threads, 0) != 0)
        return 1;
    struct ledger *ledger = ledger_create(&config);
    struct runner *runners = calloc(setup.threads, sizeof *runners);
    if (!ledger || !runners) {
        fprintf(stderr, "bench-ledger: no memory\n");
        free(runners);
        return 1;
    }
    for (unsigned i = 0; i < setup.threads; i++)
        runners[i] = (struct runner){ .setup = &setup,
                                      .ledger = ledger,
                                      .log = &log,
                                      .index = i,
                                      .random = 88172645463325252u + i,
                                      .counters = { -1, -1 },
                                      .drained = malloc(DRAIN_BYTES) };
    fill(&runners[0]);
    for (unsigned i = 0; i < setup.threads; i++)
        pthread_create(&runners[i].thread, NULL, run, &runners[i]);
    nap(setup.warmup);
    atomic_store(&measuring, true);
    uint64_t start = nanoseconds();
    nap(setup.seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < setup.threads; i++)
        pthread_join(runners[i].thread, NULL);
    report(&setup, runners, (double)(nanoseconds() - start) / 1e9);
    for (unsigned i = 0; i < setup.threads; i++)
        free(runners[i].drained);
    free(runners);
    ledger_destroy(ledger);
    log_destroy(&log);
    return 0;
}
