/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-etcd ENDPOINTS [--seconds N] [--depth N] [--bytes N] [--chained yes]
 *            [--ca FILE --cert FILE --key FILE]
 *
 * How fast a log can be kept in etcd, the way replication does: each batch is a transaction that
 * compares the term, and that the batch is not there, and if --chained also that the one before it
 * is; --depth of them are under way at once. Behind the log's end, batches are deleted and
 * revisions compacted. Prints one line of JSON. bench/etcd.py starts the members, and makes the
 * table of docs/BENCHMARKS.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/measure.h"
#include "cluster/etcd.h"
#include "tools/stockbench/histogram.h"

enum {
    DEPTH_MAX = 6,    /* two calls are left for deleting and compacting */
    KEPT = 256,       /* batches behind the end of the log */
    TRIM_EVERY = 128, /* batches */
    WITHIN_MS = 10000,
};

static const uint64_t TAG_TERM = UINT64_MAX, TAG_TRIM = UINT64_MAX - 1,
                      TAG_COMPACT = UINT64_MAX - 2;

struct log {
    struct etcd *etcd;
    int64_t term;        /* the revision that appends compare */
    uint64_t next, done; /* batches submitted, and answered */
    uint64_t under_way, depth, again;
    uint64_t sent_ns[DEPTH_MAX * 2]; /* by batch number */
    struct text value;
    bool trims; /* a delete or a compaction is under way */
    uint64_t trimmed;
    struct histogram latencies;
    bool measures;
    bool chained; /* an append compares that the batch before it is there */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_ms(void)
{
    return now_ns() / 1000000;
}

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench-etcd: %s: %s\n", what, why);
    exit(1);
}

static struct text key_of(char to[32], uint64_t number)
{
    int length = snprintf(to, 32, "log/%016" PRIu64, number);
    return (struct text){ to, (uint32_t)length };
}

static void submitted(int error)
{
    if (error)
        give_up("a call", strerror(-error));
}

static void submit_append(struct log *log, uint64_t number)
{
    char key[32], before[32];
    struct etcd_compare compares[] = {
        { text_of("term"), ETCD_MODIFIED, ETCD_EQUAL, log->term },
        { key_of(key, number), ETCD_CREATED, ETCD_EQUAL, 0 },
        { key_of(before, number - 1), ETCD_CREATED, ETCD_NOT_EQUAL, 0 },
    };
    struct etcd_op put = { ETCD_OP_PUT, { .key = compares[1].key }, log->value };
    struct etcd_op look = { ETCD_OP_RANGE, { .key = text_of("term") }, { 0 } };
    struct etcd_txn txn = {
        .compares = compares,
        .then = &put,
        .otherwise = &look,
        .compare_count = log->chained && number > 1 ? 3 : 2,
        .then_count = 1,
        .otherwise_count = 1,
    };
    submitted(etcd_txn(log->etcd, &txn, number, now_ms() + WITHIN_MS));
}

static void append(struct log *log)
{
    uint64_t number = log->next++;
    log->sent_ns[number % (DEPTH_MAX * 2)] = now_ns();
    log->under_way++;
    submit_append(log, number);
}

/* etcd serves the calls of a connection side by side, so a batch may come before the one that it
 * was sent behind. */
static void append_again(struct log *log, const struct etcd_reply *reply)
{
    struct etcd_results results = reply->answer.results;
    struct etcd_result result;
    struct etcd_pair term;
    if (!etcd_next_result(&results, &result) || !etcd_next_pair(&result.found.pairs, &term) ||
        term.modified != log->term)
        give_up("an append", "the term has changed: is something else in this etcd?");
    log->again += log->measures;
    submit_append(log, reply->tag);
}

static void trim(struct log *log)
{
    char first[32], last[32];
    uint64_t until = log->done - KEPT;
    struct etcd_op delete = { ETCD_OP_DELETE,
                              { key_of(first, log->trimmed), key_of(last, until), 0, false },
                              { 0 } };
    struct etcd_txn txn = { .then = &delete, .then_count = 1 };
    log->trims = true;
    log->trimmed = until;
    submitted(etcd_txn(log->etcd, &txn, TAG_TRIM, now_ms() + WITHIN_MS));
}

static void take(struct log *log, const struct etcd_reply *reply)
{
    if (reply->outcome != ETCD_ANSWERED)
        give_up(etcd_error_name(reply->error), reply->why);
    if (reply->tag == TAG_TRIM) {
        submitted(
            etcd_compact(log->etcd, reply->answer.revision, TAG_COMPACT, now_ms() + WITHIN_MS));
        return;
    }
    if (reply->tag == TAG_COMPACT) {
        log->trims = false;
        return;
    }
    if (reply->tag == TAG_TERM) {
        log->term = reply->answer.revision;
        return;
    }
    if (!reply->answer.succeeded) {
        append_again(log, reply);
        return;
    }
    log->under_way--;
    log->done++;
    if (log->measures)
        histogram_add(&log->latencies, now_ns() - log->sent_ns[reply->tag % (DEPTH_MAX * 2)], 1);
}

static void go_on(struct log *log, bool appends)
{
    const struct etcd_reply *reply;
    struct pollfd pollfd;
    uint64_t until;
    while (appends && log->term && log->under_way < log->depth)
        append(log);
    if (!log->trims && log->done > log->trimmed + KEPT + TRIM_EVERY)
        trim(log);
    etcd_run(log->etcd, now_ms());
    bool came = false;
    while ((reply = etcd_take(log->etcd))) {
        take(log, reply);
        came = true;
    }
    if (came)
        return;
    etcd_waits_for(log->etcd, &pollfd, &until);
    uint64_t now = now_ms();
    uint64_t wait = until > now ? until - now : 0;
    if (poll(&pollfd, 1, wait < 1000 ? (int)wait : 1000) < 0 && errno != EINTR)
        give_up("poll", strerror(errno));
}

/* Empties what an earlier run has left, and takes the term. */
static void begin(struct log *log)
{
    struct etcd_op delete = { ETCD_OP_DELETE,
                              { .key = text_of("log/"), .end = text_of("log0") },
                              { 0 } };
    struct etcd_op put = { ETCD_OP_PUT, { .key = text_of("term") }, text_of("bench") };
    struct etcd_op both[] = { delete, put };
    struct etcd_txn txn = { .then = both, .then_count = 2 };
    submitted(etcd_txn(log->etcd, &txn, TAG_TERM, now_ms() + WITHIN_MS));
    while (!log->term)
        go_on(log, false);
}

static void measure(struct log *log, double seconds, double warm_up)
{
    uint64_t end = now_ns() + (uint64_t)(warm_up * 1e9);
    while (now_ns() < end)
        go_on(log, true);
    log->measures = true;
    uint64_t begin_ns = now_ns(), done = log->done, cpu = own_nanoseconds();
    end = begin_ns + (uint64_t)(seconds * 1e9);
    while (now_ns() < end)
        go_on(log, true);
    double took = (double)(now_ns() - begin_ns) / 1e9;
    double batches = (double)(log->done - done);
    cpu = own_nanoseconds() - cpu;
    log->measures = false;
    while (log->under_way > 0)
        go_on(log, false);
    printf("{\"depth\": %" PRIu64 ", \"bytes\": %u, \"batches_s\": %.0f, \"mb_s\": %.1f, "
           "\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.1f, \"cpu_us\": %.1f, \"again\": "
           "%.4f}\n",
           log->depth, log->value.len, batches / took, batches / took * log->value.len / 1e6,
           (double)histogram_at(&log->latencies, 0.5) / 1e6,
           (double)histogram_at(&log->latencies, 0.99) / 1e6, (double)log->latencies.max / 1e6,
           batches > 0 ? (double)cpu / batches / 1e3 : 0,
           batches > 0 ? (double)log->again / batches : 0);
}

int main(int argc, char **argv)
{
    static struct log log = { .depth = 1, .next = 1, .trimmed = 1 };
    struct etcd_config config = { .endpoints = argc > 1 ? argv[1] : "" };
    double seconds = 5;
    uint32_t bytes = 4096;
    char why[ETCD_WHY_MAX];
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seconds"))
            seconds = strtod(argv[i + 1], NULL);
        else if (!strcmp(argv[i], "--depth"))
            log.depth = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--bytes"))
            bytes = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--chained"))
            log.chained = !strcmp(argv[i + 1], "yes");
        else if (!strcmp(argv[i], "--ca"))
            config.ca = argv[i + 1];
        else if (!strcmp(argv[i], "--cert"))
            config.certificate = argv[i + 1];
        else if (!strcmp(argv[i], "--key"))
            config.key = argv[i + 1];
        else
            give_up("unknown option", argv[i]);
    }
    if (log.depth < 1 || log.depth > DEPTH_MAX)
        give_up("--depth", "1 to 6");
    char *value = malloc(bytes);
    if (!value)
        give_up("--bytes", "out of memory");
    uint64_t random = 1;
    for (uint32_t i = 0; i < bytes; i++)
        value[i] = (char)random_step(&random);
    log.value = (struct text){ value, bytes };
    log.etcd = etcd_create(&config, why, sizeof why);
    if (!log.etcd)
        give_up("cannot start", why);
    begin(&log);
    measure(&log, seconds, 0.5);
    etcd_destroy(log.etcd);
    free(value);
    return 0;
}
