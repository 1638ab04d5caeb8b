/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a start is, and what it takes: builds a data directory by real operations, replays its
 * journal from the beginning, compacts it, and starts from the snapshot.
 *
 *   bench-recovery DIR [--items N] [--places N] [--orders N] [--live N] [--keep]
 *
 * Each item is received at --places locations; then --orders random orders are reserved and
 * cancelled; then --live reservations of one line stay open. It prints processor time beside wall
 * time, for a machine that others use too.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"
#include "engine/ledger/ctx.h"
#include "persistence/compact.h"
#include "persistence/journal.h"

enum { LAG = 4096, DRIVE_EVERY = 512, PAGE = 4096 };

struct bench {
    const char *directory;
    uint64_t items, places, orders, live;
    struct ledger_config config;
    struct log log;
    struct ledger *ledger;
    struct journal *journal;
    uint64_t random, now_ms;
    double wall, cpu; /* at the last mark */
};

static double clock_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void mark(struct bench *b)
{
    b->wall = clock_seconds(CLOCK_MONOTONIC);
    b->cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Prints how long it took since the mark, and the rate. */
static void tell(const struct bench *b, const char *what, double amount, const char *unit)
{
    double wall = clock_seconds(CLOCK_MONOTONIC) - b->wall;
    double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - b->cpu;
    printf("%-28s %7.2f s (%.2f processor s): %.2f %s\n", what, wall, cpu, amount / wall, unit);
    fflush(stdout);
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench-recovery: %s\n", what);
    exit(1);
}

/* ---- opening ---- */

static struct ledger *fresh(void *context)
{
    struct bench *b = context;
    ledger_destroy(b->ledger);
    b->ledger = ledger_create(&b->config);
    return b->ledger;
}

static int apply(void *context, const struct record_head *record, uint64_t lsn, uint64_t time_ms)
{
    (void)time_ms;
    return ledger_apply(((struct bench *)context)->ledger, record, lsn);
}

static void on_prefetch(void *context, const struct record_head *record, unsigned stage)
{
    ledger_apply_prefetch(((struct bench *)context)->ledger, record, stage);
}

static void open_store(struct bench *b, bool snapshots, struct journal_opened *opened)
{
    struct error why;
    struct snapshot_target target = { .context = b, .fresh = fresh };
    must(log_init(&b->log, 8 << 20, 1, 0) == 0, "no log");
    b->config.log = &b->log;
    struct journal_options options = { .directory = b->directory,
                                       .durability = DURABILITY_NONE,
                                       .log = &b->log,
                                       .context = b,
                                       .snapshots = snapshots ? &target : NULL,
                                       .apply = apply,
                                       .on_prefetch = on_prefetch };
    if (!snapshots)
        must(fresh(b) != NULL, "no ledger");
    int error = journal_open(&b->journal, &options, opened, &why);
    if (error)
        fprintf(stderr, "%s: %s\n", why.text, ctx_failure(ledger_ctx(b->ledger, 0))->message);
    must(error == 0, "the journal does not open");
}

static void close_store(struct bench *b)
{
    struct error why;
    must(journal_close(b->journal, &why) == 0, "the journal does not close");
    log_destroy(&b->log);
    ledger_destroy(b->ledger);
    b->ledger = NULL;
}

/* ---- building ---- */

static void drive(struct bench *b)
{
    struct file_request request;
    bool more = journal_next(b->journal, false, &request);
    while (more)
        more = journal_done(b->journal, &request, file_perform(&file_system, &request), &request);
}

static struct text name_of(char *buffer, size_t size, const char *message, uint64_t number)
{
    int n = snprintf(buffer, size, "%s%llu", message, (unsigned long long)number);
    return (struct text){ buffer, (uint32_t)n };
}

static void turn(struct bench *b, uint64_t n)
{
    if (n % DRIVE_EVERY == 0)
        drive(b);
}

static void receive_all(struct bench *b, struct ctx *ctx)
{
    char id[32], sku[32], place[32];
    uint64_t lsn;
    for (uint64_t p = 0; p < b->places; p++) {
        struct location_setting s = { .code = name_of(place, sizeof place, "place-", p) };
        must(ledger_set_location(ctx, &s, &lsn) == CODE_OK, "location");
    }
    for (uint64_t i = 0; i < b->items * b->places; i++) {
        struct movement m = { .id = name_of(id, sizeof id, "receive-", i),
                              .sku = name_of(sku, sizeof sku, "SKU-", i / b->places),
                              .location = name_of(place, sizeof place, "place-", i % b->places),
                              .qty = 1000 };
        struct movement_result r;
        must(ledger_receive(ctx, &m, &r) == CODE_OK, ctx_failure(ctx)->message);
        turn(b, i);
    }
}

static void reserve(struct bench *b, struct ctx *ctx, const char *message, uint64_t n)
{
    char id[32], sku[32], place[32];
    struct order_line line = {
        .sku = name_of(sku, sizeof sku, "SKU-", random_step(&b->random) % b->items),
        .qty = 1,
        .location = name_of(place, sizeof place, "place-", random_step(&b->random) % b->places),
    };
    struct order order = { .id = name_of(id, sizeof id, message, n),
                           .channel = text_of("default"),
                           .lines = &line,
                           .line_count = 1 };
    struct reservation_view view;
    must(ledger_reserve(ctx, &order, &view) == CODE_OK, ctx_failure(ctx)->message);
}

static void trade(struct bench *b, struct ctx *ctx)
{
    char id[32];
    struct reservation_view view;
    for (uint64_t n = 0; n < b->orders + LAG; n++) {
        if (n < b->orders)
            reserve(b, ctx, "order-", n);
        struct step step = { .id = name_of(id, sizeof id, "order-", n - LAG) };
        if (n >= LAG && n - LAG < b->orders)
            must(ledger_cancel(ctx, &step, &view) == CODE_OK, ctx_failure(ctx)->message);
        turn(b, n);
    }
    for (uint64_t n = 0; n < b->live; n++) {
        reserve(b, ctx, "live-", n);
        turn(b, n);
    }
}

static void build(struct bench *b)
{
    struct journal_opened opened;
    mark(b);
    open_store(b, false, &opened);
    must(opened.fresh, "DIR is not empty");
    ledger_recovered(b->ledger, b->now_ms);
    struct ctx *ctx = ledger_ctx(b->ledger, 0);
    ledger_begin(ctx, b->now_ms, b->now_ms);
    receive_all(b, ctx);
    trade(b, ctx);
    ledger_end(ctx);
    drive(b);
    close_store(b);
    tell(b, "built", 1, "times a second");
}

/* ---- measuring ---- */

static void replay(struct bench *b)
{
    struct journal_opened opened;
    mark(b);
    open_store(b, false, &opened);
    printf("%.1f M records, %.2f GB of them\n", (double)opened.records / 1e6,
           (double)opened.lsn / 1e9);
    tell(b, "replayed", (double)opened.records / 1e6, "M records/s");
    close_store(b);
}

static void make_snapshot(struct bench *b)
{
    struct log log;
    struct ledger_config config = b->config;
    struct compact_result result;
    struct error why = { "" };
    must(log_init(&log, 1 << 20, 1, 0) == 0, "no log");
    config.log = &log;
    struct compact_options options = {
        .files = &file_system, .directory = b->directory, .config = &config, .sized = true
    };
    mark(b);
    int error = compact(&options, &result, &why);
    must(error == 0 && result.written, why.text);
    tell(b, "compacted", (double)result.records / 1e6, "M records/s, in total");
    log_destroy(&log);
}

/* Bytes of that memory that have pages. */
static uint64_t resident(const void *at, size_t bytes)
{
    size_t pages = (bytes + PAGE - 1) / PAGE;
    unsigned char *in = malloc(pages);
    uint64_t count = 0;
    must(in && mincore((void *)(uintptr_t)at, bytes, in) == 0, "mincore");
    for (size_t i = 0; i < pages; i++)
        count += in[i] & 1;
    free(in);
    return count * PAGE;
}

static void tell_memory(const struct bench *b)
{
    const struct items *items = &b->ledger->items;
    const struct id_table *ids = &b->ledger->ids;
    uint64_t pools = atomic_load(&items->pool_count), live = id_table_live(ids);
    uint64_t units = resident(items->units, items->unit_count * sizeof(struct pool));
    uint64_t count = resident(ids->all, (size_t)ids->max * sizeof(struct id_entry)) +
                     resident(ids->buckets, id_table_bucket_bytes(ids));
    printf("%-28s %7.1f bytes a pool, with its part of the item (%llu pools)\n", "resident",
           (double)units / (double)pools, (unsigned long long)pools);
    printf("%-28s %7.1f bytes an id (%u in the table, %llu live)\n", "resident",
           (double)count / (double)ids->max, ids->max, (unsigned long long)live);
}

static void start(struct bench *b)
{
    struct journal_opened opened;
    char message[256] = "";
    mark(b);
    open_store(b, true, &opened);
    must(opened.base.found, "there is no snapshot");
    ledger_recovered(b->ledger, b->now_ms);
    tell(b, "started from the snapshot", (double)opened.base.bytes / 1e9, "GB/s");
    printf("%-28s %7.2f GB, and %llu records after it\n", "it has", (double)opened.base.bytes / 1e9,
           (unsigned long long)opened.records);
    tell_memory(b);
    must(ledger_check(b->ledger, message, sizeof message) == 0, message);
    close_store(b);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "items", required_argument, NULL, 'i' },  { "places", required_argument, NULL, 'p' },
        { "orders", required_argument, NULL, 'o' }, { "live", required_argument, NULL, 'l' },
        { "keep", no_argument, NULL, 'k' },         { NULL, 0, NULL, 0 }
    };
    struct bench b = { .items = 1000000, .places = 4, .orders = 2000000, .live = 1000000 };
    bool keep = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t *to = option == 'i'   ? &b.items
                       : option == 'p' ? &b.places
                       : option == 'o' ? &b.orders
                                       : &b.live;
        must(option != '?', "usage: see the head of bench/recovery.c");
        if (option == 'k')
            keep = true;
        else
            *to = strtoull(optarg, NULL, 10);
    }
    must(optind == argc - 1 && b.items && b.places, "usage: bench-recovery DIR [OPTION]...");
    b.directory = argv[optind];
    b.random = 88172645463325252u;
    b.now_ms = (uint64_t)clock_seconds(CLOCK_REALTIME) * 1000;
    b.config = (struct ledger_config){ .items = (uint32_t)b.items,
                                       .pools = (uint32_t)(b.items * b.places),
                                       .reservations = (uint32_t)(b.live + (64 << 10)),
                                       .contexts = 1,
                                       .hash_seed = 12345 };
    build(&b);
    replay(&b);
    make_snapshot(&b);
    start(&b);
    fflush(stdout);
    if (!keep)
        execlp("rm", "rm", "-r", b.directory, (char *)NULL);
    return keep ? 0 : 1;
}
