/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stockd: the stock engine. Wires the ledger, the journal and the server, and runs them.
 *
 * Exit status: 0 stopped cleanly; 1 the journal could not be written, or a worker could not go on:
 * changes that were acknowledged are safe, but the engine did not end as it should; 2 it could not
 * start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/ledger.h"
#include "persistence/journal.h"
#include "protocol/clock.h"
#include "protocol/server.h"
#include "tools/stockd/book.h"
#include "tools/stockd/caretaker.h"
#include "tools/stockd/compactor.h"
#include "tools/stockd/mirroring.h"
#include "tools/stockd/options.h"
#include "tools/stockd/storage.h"

#define STOCKD_VERSION "0.1.0"

enum { EXIT_CLEAN = 0, EXIT_UNCLEAN = 1, EXIT_NOT_STARTED = 2, SPARE_DESCRIPTORS = 64 };

struct program {
    struct options options;
    enum durability durability;
    struct log log;
    struct ledger *ledger;
    bool ledger_used; /* something was loaded into it */
    struct journal *journal;
    struct compactor *compactor;
    struct journal_opened opened;
    struct storage_port storage;
    struct book_port book_port;
    struct book_thread *book; /* NULL: does not run */
    struct mirroring mirroring;
    struct engine_clock clock;
    bool clock_runs; /* set before there are threads */
    struct server *server;
    int ready_error; /* of the ready file */
};

static int cannot_start(const char *why)
{
    fprintf(stderr, "stockd: %s\n", why);
    return EXIT_NOT_STARTED;
}

/* ---- the journal's callbacks ---- */

static int apply_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct program *program = context;
    (void)time_ms;
    return ledger_apply(program->ledger, record, lsn);
}

static void fetch_ahead(void *context, const struct record_head *record, unsigned stage)
{
    ledger_apply_prefetch(((const struct program *)context)->ledger, record, stage);
}

static void say(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "stockd: %s\n", line);
}

/* A line a second, once it takes longer than that. */
static void show_progress(void *context, uint64_t done, uint64_t total)
{
    static uint64_t last_ms;
    uint64_t now = clock_ms(CLOCK_MONOTONIC);
    (void)context;
    if (last_ms == 0)
        last_ms = now;
    if (now - last_ms < 1000 || total == 0)
        return;
    last_ms = now;
    fprintf(stderr, "stockd: recovering: %" PRIu64 " %% of %" PRIu64 " MiB\n", done * 100 / total,
            total >> 20);
}

/* Batches carry engine time, so that the next start cannot begin before it. */
static uint64_t journal_time_ms(void *context)
{
    const struct program *program = context;
    if (!program->clock_runs)
        return clock_ms(CLOCK_REALTIME);
    return clock_engine_ms(&program->clock, clock_ms(CLOCK_MONOTONIC));
}

/* ---- the parts, in the order in which they come to life ---- */

static struct ledger *create_ledger(struct program *program)
{
    const struct options *options = &program->options;
    struct ledger_config config = {
        .items = (uint32_t)options->items,
        .pools = (uint32_t)options->pools,
        .reservations = (uint32_t)options->reservations,
        .remember_ms = options->remember_s * 1000,
        .seats = (unsigned)options->workers,
        .readers = options->redis[0] != '\0',
        .log = &program->log,
    };
    if (getrandom(&config.hash_seed, sizeof config.hash_seed, 0) != sizeof config.hash_seed)
        return NULL;
    return ledger_create(&config);
}

/* For a snapshot, or if one was damaged, the next: what the ledger holds is forgotten. */
static struct ledger *fresh_ledger(void *context)
{
    struct program *program = context;
    if (program->ledger_used) {
        ledger_destroy(program->ledger);
        program->ledger = create_ledger(program);
    }
    program->ledger_used = true;
    return program->ledger;
}

static int make_ledger(struct program *program)
{
    const struct options *options = &program->options;
    char why[256];
    int error = log_init(&program->log, options->log_bytes, (unsigned)options->workers, 0);
    if (error) {
        snprintf(why, sizeof why, "log-bytes %" PRIu64 " for %" PRIu64 " workers: %s",
                 options->log_bytes, options->workers,
                 error == -EINVAL ? "too small" : strerror(-error));
        return cannot_start(why);
    }
    program->ledger = create_ledger(program);
    if (!program->ledger)
        return cannot_start("no address space for so many items, pools and reservations");
    return 0;
}

static void say_forgotten(const struct program *program, uint64_t count)
{
    if (count > 0)
        fprintf(stderr,
                "stockd: the table of ids is smaller than what the journal holds of live "
                "reservations and remembered ids: forgot %" PRIu64
                " ids early; --reservations %" PRIu64 " would keep them\n",
                count, program->options.reservations + count);
}

static int open_journal(struct program *program)
{
    struct reason reason = { "" };
    struct snapshot_target snapshots = { .context = program,
                                         .fresh = fresh_ledger,
                                         .progress = show_progress };
    struct journal_options options = {
        .directory = program->options.data,
        .durability = program->durability,
        .segment_bytes = program->options.segment_bytes,
        .init = program->options.init,
        .log = &program->log,
        .context = program,
        .snapshots = &snapshots,
        .apply = apply_record,
        .ahead = fetch_ahead,
        .progress = show_progress,
        .say = say,
        .wall_ms = journal_time_ms,
    };
    if (journal_open(&program->journal, &options, &program->opened, &reason)) {
        const char *ledger_says =
            program->ledger ? seat_failure(ledger_seat(program->ledger, 0))->message : "";
        char why[1024];
        snprintf(why, sizeof why, "%s%s%s", reason.text, *ledger_says ? ": " : "", ledger_says);
        program->journal = NULL;
        return cannot_start(why);
    }
    program->clock = clock_start(program->opened.last_time_ms);
    program->clock_runs = true;
    say_forgotten(program, ledger_recovered(program->ledger, program->clock.base_ms));
    program->storage = storage_of_journal(program->journal);
    int error = compactor_create(&program->compactor, &program->options, program->journal,
                                 &program->opened.start);
    if (error)
        return cannot_start(strerror(-error));
    program->storage.snapshots_self = program->compactor;
    program->storage.snapshot_figures = compactor_figures;
    return 0;
}

static int make_mirror(struct program *program)
{
    char why[1024];
    if (!program->options.redis[0])
        return 0;
    struct mirroring_parts parts = {
        .options = &program->options,
        .ledger = program->ledger,
        .log = &program->log,
        .seat = (unsigned)program->options.workers,
        .engine_ms = program->clock.base_ms,
        .say = say,
    };
    if (mirroring_create(&program->mirroring, &parts, why, sizeof why))
        return 0;
    return cannot_start(why);
}

/* As many descriptors as the system gives, and no more connections than that is good for. */
static uint32_t connections_possible(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return (uint32_t)wanted;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= wanted + SPARE_DESCRIPTORS)
        return (uint32_t)wanted;
    uint64_t possible = limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? limit.rlim_cur - SPARE_DESCRIPTORS
                                                               : SPARE_DESCRIPTORS;
    fprintf(stderr, "stockd: only %" PRIu64 " connections at once: ulimit -n is %" PRIu64 "\n",
            possible, (uint64_t)limit.rlim_cur);
    return (uint32_t)possible;
}

static int start_book(struct program *program)
{
    char why[256];
    int error = book_start(&program->book, program->options.data, program->journal);
    if (!error) {
        program->book_port = book_port_of(program->book);
        return 0;
    }
    snprintf(why, sizeof why, "cannot start the thread that reads the book: %s", strerror(-error));
    return cannot_start(why);
}

static int make_server(struct program *program)
{
    const struct options *options = &program->options;
    char why[512];
    const char *addresses[LISTEN_MAX];
    for (unsigned i = 0; i < options->listen_count; i++)
        addresses[i] = options->listen[i];
    struct server_config config = {
        .listen = addresses,
        .listen_count = options->listen_count,
        .workers = (unsigned)options->workers,
        .limits =
            {
                .message =
                    {
                        .bytes = (uint32_t)options->max_message_bytes,
                        .elements = (uint32_t)options->max_message_elements,
                        .depth = (uint32_t)options->max_nesting,
                    },
                .lines = (uint32_t)options->max_order_lines,
                .skus = (uint32_t)options->max_query_skus,
                .connections = connections_possible(options->max_connections),
                .input_bytes = options->max_input_bytes,
                .message_ms = (uint32_t)options->message_ms,
                .subscriber_ms = (uint32_t)options->subscriber_ms,
            },
        .ledger = program->ledger,
        .log = &program->log,
        .storage = &program->storage,
        .book = &program->book_port,
        .mirror = program->mirroring.mirror ? &program->mirroring.port : NULL,
        .clock = &program->clock,
        .version = STOCKD_VERSION,
    };
    sigemptyset(&config.stop_signals);
    sigaddset(&config.stop_signals, SIGTERM);
    sigaddset(&config.stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &config.stop_signals, NULL);
    program->server = server_create(&config, why, sizeof why);
    return program->server ? 0 : cannot_start(why);
}

/* ---- being ready ---- */

static int write_addresses(const struct server *server, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return errno;
    const char *address;
    for (unsigned i = 0; (address = server_address(server, i)); i++)
        fprintf(file, "%s\n", address);
    bool bad = ferror(file);
    return fclose(file) != 0 || bad ? EIO : 0;
}

static int write_ready_file(const struct server *server, const char *path)
{
    char temporary[VALUE_MAX + 32];
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    int error = write_addresses(server, temporary);
    if (!error && rename(temporary, path) < 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

static void say_started(const struct program *program)
{
    const struct journal_opened *opened = &program->opened;
    uint64_t workers = program->options.workers;
    fprintf(stderr,
            "stockd " STOCKD_VERSION ": %" PRIu64 " worker%s, durability %s, data %s: "
            "%" PRIu64 " records recovered%s, lsn %" PRIu64 "; listening on",
            workers, workers == 1 ? "" : "s", durability_name(program->durability),
            program->options.data, opened->records, opened->start.found ? " after a snapshot" : "",
            opened->lsn);
    const char *address;
    for (unsigned i = 0; (address = server_address(program->server, i)); i++)
        fprintf(stderr, " %s", address);
    fprintf(stderr, "\n");
}

static void on_ready(void *context)
{
    struct program *program = context;
    const char *path = program->options.ready_file;
    if (*path)
        program->ready_error = write_ready_file(program->server, path);
    if (!program->ready_error) {
        say_started(program);
        return;
    }
    fprintf(stderr, "stockd: cannot write the ready file %s: %s\n", path,
            strerror(program->ready_error));
    kill(getpid(), SIGTERM); /* whoever waits for the file would wait for ever */
}

static int run(struct program *program)
{
    int status = EXIT_CLEAN;
    if (!mirroring_start(&program->mirroring))
        return cannot_start("no thread for the Redis mirror");
    if (compactor_start(program->compactor) != 0)
        return cannot_start("no thread that looks after snapshots");
    struct caretaker *caretaker;
    if (caretaker_start(&caretaker, program->ledger, &program->clock) != 0)
        return cannot_start("cannot start the thread that looks after the ledger's tables");
    int error = server_run(program->server, on_ready, program);
    caretaker_stop(caretaker);
    book_stop(program->book);
    compactor_stop(program->compactor);
    program->compactor = NULL;
    if (error) {
        fprintf(stderr, "stockd: a worker could not go on: %s\n", strerror(-error));
        status = EXIT_UNCLEAN;
    }
    mirroring_stop(&program->mirroring); /* it may still show what the last replies told */
    server_destroy(program->server);
    struct reason reason = { "" };
    if (journal_close(program->journal, &reason)) {
        fprintf(stderr, "stockd: not everything is on disk: %s\n", reason.text);
        status = EXIT_UNCLEAN;
    }
    program->journal = NULL;
    return program->ready_error ? EXIT_NOT_STARTED : status;
}

static int start_and_run(struct program *program)
{
    int status = make_ledger(program);
    if (status == 0)
        status = open_journal(program);
    if (status == 0)
        status = make_mirror(program);
    if (status == 0)
        status = make_server(program);
    if (status == 0)
        status = start_book(program);
    if (status == 0)
        status = run(program);
    struct reason reason = { "" };
    mirroring_stop(&program->mirroring);
    compactor_stop(program->compactor);
    if (program->journal)
        journal_close(program->journal, &reason);
    if (program->ledger)
        ledger_destroy(program->ledger);
    if (program->log.bytes)
        log_destroy(&program->log);
    return status;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct options *options = &program.options;
    char why[1024];
    if (!options_read(options, argc, argv, why, sizeof why))
        return cannot_start(why);
    if (options->help) {
        options_print_help();
        return EXIT_CLEAN;
    }
    if (options->version) {
        printf("stockd " STOCKD_VERSION "\n");
        return EXIT_CLEAN;
    }
    if (!durability_parse(options->durability, &program.durability)) {
        snprintf(why, sizeof why, "durability must be always, everysec or none, not \"%.100s\"",
                 options->durability);
        return cannot_start(why);
    }
    signal(SIGPIPE, SIG_IGN); /* these two come back as errors of the call */
    signal(SIGXFSZ, SIG_IGN);
    return start_and_run(&program);
}
