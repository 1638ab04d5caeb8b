/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger alone, in process: reserve and cancel without sockets and disk. The log is drained to
 * nowhere, as the journal would drain it to its buffer.
 *
 *   bench-ledger [--items N] [--seconds S] [--threads N] [--workload uniform|hot|lines] [--json]
 *
 * Requests are made in batches as a worker decodes them from one receive: ids and skus first, then
 * fetching ahead, then the operations. Cancels follow their reserves by a batch.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/ledger.h"

enum { BATCH = 32, DRAIN_BYTES = 1 << 20, STOCK = 100000000, LINES = 3 };

enum workload { UNIFORM, HOT, MANY_LINES };

struct setup {
    uint32_t items;
    double seconds;
    unsigned threads;
    enum workload workload;
    bool json, spread; /* spread: each thread its own part of the items */
};

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
    unsigned char *drained;
    struct text_buffer id[BATCH], sku[BATCH * LINES];
};

static _Atomic bool stop;
static _Atomic bool draining;

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
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

/* Whoever gets there empties the log, as a worker that finds the device idle would. */
static void drain(struct runner *r)
{
    if (atomic_exchange_explicit(&draining, true, memory_order_acquire))
        return;
    while (log_drain(r->log, r->drained, DRAIN_BYTES) > 0) {
    }
    atomic_store_explicit(&draining, false, memory_order_release);
}

static void prepare(struct runner *r)
{
    const struct setup *s = r->setup;
    uint32_t lines = s->workload == MANY_LINES ? LINES : 1;
    for (unsigned i = 0; i < BATCH; i++)
        write_number(&r->id[i], (char)('A' + r->index), ++r->ids);
    for (unsigned i = 0; i < BATCH * lines; i++) {
        uint64_t item = next_random(&r->random) % s->items;
        write_number(&r->sku[i], 'S', s->workload == HOT ? 0 : item);
    }
    struct seat *seat = ledger_seat(r->ledger, r->index);
    for (unsigned stage = 0; stage < PREFETCH_STAGES; stage++)
        for (unsigned i = 0; i < BATCH; i++)
            ledger_prefetch(seat, stage, text_in(&r->id[i]), text_in(&r->sku[i * lines]));
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

static void run_batch(struct runner *r)
{
    struct seat *seat = ledger_seat(r->ledger, r->index);
    uint32_t lines = r->setup->workload == MANY_LINES ? LINES : 1;
    struct reservation_view view;
    prepare(r);
    for (unsigned i = 0; i < BATCH; i++) {
        struct order_line line[LINES];
        for (uint32_t l = 0; l < lines; l++)
            line[l] = (struct order_line){ text_in(&r->sku[i * lines + l]), 1, { NULL, 0 } };
        struct order order = { .id = text_in(&r->id[i]),
                               .channel = text_of("default"),
                               .lines = line,
                               .line_count = lines };
        enum code code;
        while ((code = ledger_reserve(seat, &order, &view)) == CODE_DEFERRED) {
            r->deferred++;
            drain(r);
        }
        count(r, code);
    }
    for (unsigned i = 0; i < BATCH; i++) {
        struct step step = { .id = text_in(&r->id[i]) };
        enum code code;
        while ((code = ledger_cancel(seat, &step, &view)) == CODE_DEFERRED) {
            r->deferred++;
            drain(r);
        }
        count(r, code);
    }
}

static void *run(void *argument)
{
    struct runner *r = argument;
    struct seat *seat = ledger_seat(r->ledger, r->index);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        uint64_t now = nanoseconds() / 1000000;
        ledger_begin(seat, now, now);
        for (unsigned i = 0; i < 8; i++)
            run_batch(r);
        drain(r);
        ledger_expire(seat, 64);
        ledger_end(seat);
    }
    return NULL;
}

static void fill(struct runner *r)
{
    struct seat *seat = ledger_seat(r->ledger, 0);
    ledger_begin(seat, 1, 1);
    for (uint32_t i = 0; i < r->setup->items; i++) {
        struct text_buffer id, sku;
        struct movement_result result;
        write_number(&id, 'r', i);
        write_number(&sku, 'S', i);
        struct movement m = {
            .id = text_in(&id), .sku = text_in(&sku), .location = text_of("main"), .qty = STOCK
        };
        if (ledger_receive(seat, &m, &result) != CODE_OK) {
            fprintf(stderr, "bench-ledger: %s\n", seat_failure(seat)->message);
            exit(1);
        }
        if (i % 64 == 0)
            drain(r);
    }
    drain(r);
    ledger_end(seat);
}

static bool parse(int argc, char **argv, struct setup *s)
{
    static const struct option options[] = {
        { "items", required_argument, NULL, 'i' },   { "seconds", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' }, { "workload", required_argument, NULL, 'w' },
        { "json", no_argument, NULL, 'j' },          { NULL, 0, NULL, 0 }
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'i')
            s->items = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            s->seconds = strtod(optarg, NULL);
        else if (option == 't')
            s->threads = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'j')
            s->json = true;
        else if (option == 'w' && strcmp(optarg, "uniform") == 0)
            s->workload = UNIFORM;
        else if (option == 'w' && strcmp(optarg, "hot") == 0)
            s->workload = HOT;
        else if (option == 'w' && strcmp(optarg, "lines") == 0)
            s->workload = MANY_LINES;
        else
            return false;
    }
    return s->items > 0 && s->threads > 0 && s->threads <= 16;
}

static void report(const struct setup *s, const struct runner *runners, double seconds)
{
    static const char *const names[] = { "uniform", "hot", "lines" };
    uint64_t done = 0, deferred = 0, failed = 0;
    for (unsigned i = 0; i < s->threads; i++) {
        done += runners[i].done;
        deferred += runners[i].deferred;
        failed += runners[i].failed;
    }
    double rate = (double)done / seconds;
    if (s->json)
        printf("{\"workload\":\"%s\",\"items\":%u,\"threads\":%u,\"operations_per_second\":%.0f,"
               "\"deferred\":%llu,\"failed\":%llu}\n",
               names[s->workload], s->items, s->threads, rate, (unsigned long long)deferred,
               (unsigned long long)failed);
    else
        printf("%-8s %9u items %2u threads: %6.2f M operations/s (%.2f M reserve+cancel pairs/s), "
               "%.0f ns each, %llu deferred, %llu failed\n",
               names[s->workload], s->items, s->threads, rate / 1e6, rate / 2e6,
               1e9 * s->threads / rate, (unsigned long long)deferred, (unsigned long long)failed);
}

int main(int argc, char **argv)
{
    struct setup setup = { .items = 1000000, .seconds = 3, .threads = 1 };
    if (!parse(argc, argv, &setup)) {
        fprintf(stderr, "usage: bench-ledger [--items N] [--seconds S] [--threads N]"
                        " [--workload uniform|hot|lines] [--json]\n");
        return 2;
    }
    struct log log;
    struct ledger_config config = { .items = setup.items,
                                    .pools = setup.items,
                                    .reservations = 4000000,
                                    .seats = setup.threads,
                                    .hash_seed = 12345,
                                    .log = &log };
    if (log_init(&log, 1 << 24, setup.threads, 0) != 0)
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
                                      .drained = malloc(DRAIN_BYTES) };
    fill(&runners[0]);
    uint64_t start = nanoseconds();
    for (unsigned i = 0; i < setup.threads; i++)
        pthread_create(&runners[i].thread, NULL, run, &runners[i]);
    struct timespec nap = { (time_t)setup.seconds,
                            (long)((setup.seconds - (double)(time_t)setup.seconds) * 1e9) };
    nanosleep(&nap, NULL);
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
