/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stockd: the stock engine. Wires the ledger, the journal and the server, and runs them.
 *
 * Exit status: 0 stopped cleanly; 1 the journal could not be written, or a worker failed:
 * acknowledged changes are safe, but the engine did not stop cleanly; 2 it could not start.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/events/events.h"
#include "engine/ledger/leaps.h"
#include "engine/ledger/ledger.h"
#include "persistence/journal.h"
#include "protocol/clock.h"
#include "protocol/server.h"
#include "telemetry/telemetry.h"
#include "tools/service/manager.h"
#include "tools/service/notice.h"
#include "tools/stockd/announce.h"
#include "tools/stockd/caretaker.h"
#include "tools/stockd/check_config.h"
#include "tools/stockd/compactor.h"
#include "tools/stockd/confinement.h"
#include "tools/stockd/encryption.h"
#include "tools/stockd/history.h"
#include "tools/stockd/limits.h"
#include "tools/stockd/mirroring.h"
#include "tools/stockd/options.h"
#include "tools/stockd/progress.h"
#include "tools/stockd/ready_file.h"
#include "tools/stockd/storage.h"
#include "tools/stockd/tokens.h"
#include "tools/stockd/version.h"
#include "tools/stockd/watch.h"
#include "zones/zones.h"

enum { EXIT_CLEAN = 0, EXIT_UNCLEAN = 1, EXIT_NOT_STARTED = 2 };

/* The `start` functions below set up the parts in this order; each `stop` ends its part. */
struct program {
    struct options options;
    enum durability durability;
    struct log log;
    struct zone_source zones;
    struct ledger *ledger;
    bool ledger_used; /* something was loaded into it */
    struct journal *journal;
    struct journal_opened opened;
    struct storage_port storage;
    struct engine_clock clock;
    bool clock_runs; /* set before there are threads */
    struct mirroring mirroring;
    struct tls *tls; /* NULL: no address is tls:// */
    struct server *server;
    struct history_port history_port;
    struct history_thread *history;
    struct compactor *compactor;
    struct caretaker *caretaker;
    struct watch *watch;
    struct tokens *tokens;
    struct telemetry *telemetry; /* NULL: no ops port */
    bool ready_file_there;       /* it was written, and not removed yet */
    bool announced;              /* the log says that it has started */
    int status;                  /* of the exit */
};

static int cannot_start(const char *why)
{
    notice(LOG_ERR, "start", "%s", why);
    return EXIT_NOT_STARTED;
}

/* For a thread: 0, or -errno as it was started. */
static int thread_started(int error, const char *what)
{
    char why[256];
    if (!error)
        return 0;
    snprintf(why, sizeof why, "cannot start the thread that %s: %s", what, strerror(-error));
    return cannot_start(why);
}

/* ---- the journal's callbacks ---- */

static int apply_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct program *program = context;
    ledger_apply_time(program->ledger, time_ms);
    return ledger_apply(program->ledger, record, lsn);
}

static void leap(void *context, uint64_t from, uint64_t to)
{
    ledger_leap(((const struct program *)context)->ledger, from, to);
}

static void prefetch_record(void *context, const struct record_head *record, unsigned stage)
{
    ledger_apply_prefetch(((const struct program *)context)->ledger, record, stage);
}

/* Batches carry engine time, so that the next start cannot begin before it. */
static uint64_t journal_time_ms(void *context)
{
    const struct program *program = context;
    if (!program->clock_runs)
        return clock_ms(CLOCK_REALTIME);
    return clock_engine_ms(&program->clock, clock_ms(CLOCK_MONOTONIC));
}

/* ---- the tokens ---- */

static int open_tokens(struct program *program)
{
    char why[1024];
    return tokens_open(&program->tokens, &program->options, why, sizeof why) ? 0
                                                                             : cannot_start(why);
}

static void close_tokens(struct program *program)
{
    tokens_close(program->tokens);
}

/* ---- the log and the ledger ---- */

static int make_log(struct program *program)
{
    const struct options *options = &program->options;
    char why[256];
    int error = log_init(&program->log, options->log_bytes, (unsigned)options->workers, 0);
    if (!error)
        return 0;
    snprintf(why, sizeof why, "log-bytes %" PRIu64 " for %" PRIu64 " workers: %s",
             options->log_bytes, options->workers,
             error == -EINVAL ? "too small" : strerror(-error));
    return cannot_start(why);
}

static void drop_log(struct program *program)
{
    log_destroy(&program->log);
}

static struct ledger *create_ledger(struct program *program)
{
    struct ledger_config config =
        ledger_of_options(&program->options, &program->log, &program->zones);
    program->zones = zones_of_system();
    if (getrandom(&config.hash_seed, sizeof config.hash_seed, 0) != sizeof config.hash_seed)
        return NULL;
    return ledger_create(&config);
}

/* For a snapshot, or for the next one if that is damaged: drops what the ledger holds. */
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
    program->ledger = create_ledger(program);
    if (!program->ledger)
        return cannot_start("no address space for so many items, pools and reservations");
    return 0;
}

static void drop_ledger(struct program *program)
{
    if (program->ledger) /* the next one, for another snapshot, may have failed */
        ledger_destroy(program->ledger);
}

/* ---- the journal ---- */

/* A ready file left by a killed engine would claim that this one is ready. Removed only once no
 * other engine can be running here, because then the file would be that one's. */
static void remove_old_ready_file(void *context)
{
    const struct program *program = context;
    if (program->options.ready_file[0])
        unlink(program->options.ready_file); /* a failure is reported when it is written */
}

static int cannot_open(struct program *program, int error, const struct error *why)
{
    const char *ledger_says =
        program->ledger ? ctx_failure(ledger_ctx(program->ledger, 0))->message : "";
    char line[1024];
    snprintf(line, sizeof line, "%s%s%s", why->text, *ledger_says ? ": " : "", ledger_says);
    program->journal = NULL;
    if (error != -EWOULDBLOCK)
        remove_old_ready_file(program);
    return cannot_start(line);
}

/* Before any order is promised. Later the caretaker does it, day by day, and tries again where a
 * zone could not be read. */
static int lay_out_calendars(struct program *program)
{
    struct lay_out_failure failure;
    if (ledger_lay_out(program->ledger, clock_ms(CLOCK_REALTIME), &failure))
        return 0;
    if (failure.calendars == 0)
        return cannot_start("the opening hours cannot be laid out: no memory");
    caretaker_warn_hours(&failure);
    return 0;
}

static int open_journal(struct program *program)
{
    struct error why = { "" };
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
        .locked = remove_old_ready_file,
        .apply = apply_record,
        .on_prefetch = prefetch_record,
        .on_leap = leap,
        .progress = show_progress,
        .say = say_of_journal,
        .wall_ms = journal_time_ms,
    };
    int error = journal_open(&program->journal, &options, &program->opened, &why);
    if (error)
        return cannot_open(program, error, &why);
    program->clock = clock_start(program->opened.last_time_ms);
    program->clock_runs = true;
    say_forgotten(&program->options, ledger_recovered(program->ledger, program->clock.base_ms));
    program->log.tap = (struct log_tap){ events_take_run, ledger_events(program->ledger) };
    program->storage = storage_of_journal(program->journal);
    return lay_out_calendars(program);
}

static void close_journal(struct program *program)
{
    struct error why = { "" };
    if (journal_close(program->journal, &why)) {
        notice(LOG_ERR, "journal", "not everything is on disk: %s", why.text);
        if (program->status == EXIT_CLEAN)
            program->status = EXIT_UNCLEAN;
    } else if (program->announced && program->status == EXIT_CLEAN) {
        say_stopped(log_head(&program->log));
    }
}

/* ---- the mirror ---- */

static int make_mirror(struct program *program)
{
    char why[1024];
    if (!program->options.redis[0])
        return 0;
    struct mirroring_parts parts = {
        .options = &program->options,
        .ledger = program->ledger,
        .log = &program->log,
        .ctx = (unsigned)program->options.workers + 1,
        .engine_ms = program->clock.base_ms,
        .steady_ms = program->clock.steady_ms,
        .say = say_of_mirror,
    };
    if (mirroring_create(&program->mirroring, &parts, why, sizeof why))
        return 0;
    return cannot_start(why);
}

static int start_mirror(struct program *program)
{
    return thread_started(mirroring_start(&program->mirroring), "mirrors to Redis");
}

/* Also ends its thread, which may first mirror the changes of the last replies. */
static void drop_mirror(struct program *program)
{
    mirroring_stop(&program->mirroring);
}

/* ---- the ready file ---- */

static void remove_ready_file(struct program *program)
{
    if (program->ready_file_there)
        unlink(program->options.ready_file);
    program->ready_file_there = false;
}

/* ---- the server ---- */

/* Worker 0 is the main thread. Other reasons to stop are reported where they occur. */
static void on_stopping(void *context, int signal, pid_t from)
{
    struct program *program = context;
    if (from != getpid())
        notice(LOG_INFO, "engine", "stopping on SIG%s", sigabbrev_np(signal));
    manager_stopping();
    remove_ready_file(program);
    telemetry_stopping(program->telemetry);
}

static int read_certificates(struct program *program)
{
    char why[VALUE_MAX + 256];
    bool good = encryption_start(&program->tls, &program->options, why, sizeof why);
    return good ? 0 : cannot_start(why);
}

static void drop_certificates(struct program *program)
{
    tls_destroy(program->tls);
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
        .tls = program->tls,
        .workers = (unsigned)options->workers,
        .limits = limits_of_options(options),
        .ledger = program->ledger,
        .log = &program->log,
        .storage = &program->storage,
        .history = &program->history_port,
        .mirror = program->mirroring.mirror ? &program->mirroring.port : NULL,
        .clock = &program->clock,
        .access = tokens_access(program->tokens),
        .version = STOCKD_VERSION,
        .stopping = on_stopping,
        .say = say_of_server,
        .context = program,
    };
    sigemptyset(&config.stop_signals);
    sigaddset(&config.stop_signals, SIGTERM);
    sigaddset(&config.stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &config.stop_signals, NULL);
    program->server = server_create(&config, why, sizeof why);
    if (program->server && exposure_good(program->server, options, why, sizeof why))
        return 0;
    if (program->server)
        server_destroy(program->server);
    return cannot_start(why);
}

static void drop_server(struct program *program)
{
    server_destroy(program->server);
}

/* ---- the threads beside the workers ---- */

static int start_history(struct program *program)
{
    struct ctx *ctx = ledger_ctx(program->ledger, (unsigned)program->options.workers);
    struct history_parts parts = { program->options.data, program->journal, ctx, &program->clock };
    int error = history_start(&program->history, &parts);
    if (!error)
        program->history_port = history_port_of(program->history);
    return thread_started(error, "reads the journal's history");
}

static void stop_history(struct program *program)
{
    history_stop(program->history);
}

static int start_compactor(struct program *program)
{
    int error = compactor_create(&program->compactor, &program->options, program->journal,
                                 &program->opened.base);
    if (error)
        return cannot_start(strerror(-error));
    program->storage.snapshots_self = program->compactor;
    program->storage.snapshot_metrics = compactor_metrics;
    error = compactor_start(program->compactor);
    if (error)
        compactor_stop(program->compactor);
    return thread_started(error, "starts compactions");
}

static void stop_compactor(struct program *program)
{
    compactor_stop(program->compactor);
}

static int start_caretaker(struct program *program)
{
    int error = caretaker_start(&program->caretaker, program->ledger, &program->clock);
    return thread_started(error, "looks after the ledger's tables");
}

static void stop_caretaker(struct program *program)
{
    caretaker_stop(program->caretaker);
}

static int start_watch(struct program *program)
{
    struct watch_task tasks[2];
    unsigned count = 0;
    if (program->tokens)
        tasks[count++] = (struct watch_task){ tokens_look, program->tokens };
    if (program->tls)
        tasks[count++] = (struct watch_task){ encryption_look, program->tls };
    tokens_serve(program->tokens, program->server);
    return thread_started(watch_start(&program->watch, program->ledger, tasks, count),
                          "watches the tables and files");
}

static void stop_watch(struct program *program)
{
    watch_stop(program->watch);
}

/* ---- the ops port ---- */

static int open_ops_port(struct program *program)
{
    char why[512];
    struct telemetry_config config = { .address = program->options.http,
                                       .exposed = program->options.insecure,
                                       .version = STOCKD_VERSION };
    if (!program->options.http[0])
        return 0;
    program->telemetry = telemetry_create(&config, why, sizeof why);
    return program->telemetry ? 0 : cannot_start(why);
}

static void close_ops_port(struct program *program)
{
    telemetry_destroy(program->telemetry);
}

static int attach_ops_port(struct program *program)
{
    unsigned ctx = (unsigned)program->options.workers + 1 + (program->options.redis[0] != '\0');
    if (!program->telemetry)
        return 0;
    struct telemetry_engine engine = {
        .service = server_service(program->server),
        .ctx = ledger_ctx(program->ledger, ctx),
        .clock = &program->clock,
        .directory = program->options.data,
        .refused_calls = confinement_refused,
    };
    telemetry_attach(program->telemetry, &engine);
    return 0;
}

static void detach_ops_port(struct program *program)
{
    telemetry_detach(program->telemetry);
}

/* ---- the filter of system calls ---- */

/* The last part: what the others do to start is more than what they do to serve. */
static int confine_itself(struct program *program)
{
    char why[256];
    return confine(&program->options, why, sizeof why) ? 0 : cannot_start(why);
}

/* ---- being ready ---- */

/* Logs the start before the ready file appears, so that a program that waits for the file finds the
 * line in the log; but not if the contents of the file cannot be written. */
static void on_ready(void *context)
{
    struct program *program = context;
    const char *path = program->options.ready_file;
    const char *http = telemetry_address(program->telemetry);
    int error = *path ? ready_file_prepare(path, program->server, http) : 0;
    if (!error) {
        program->announced = true;
        say_started(&program->options, &program->opened, program->server, http);
        exposure_warn(program->server, &program->options);
    }
    if (!error && *path)
        error = ready_file_show(path);
    program->ready_file_there = *path && !error;
    if (!error) {
        manager_ready("serving");
        return;
    }
    notice(LOG_ERR, "start", "cannot write the ready file %s: %s", path, strerror(error));
    program->status = EXIT_NOT_STARTED;
    kill(getpid(), SIGTERM); /* a program that waits for the file would wait for ever */
}

/* ---- from the first part to the last, and back ---- */

static const struct part {
    int (*start)(struct program *program); /* 0, or the exit status; then it left nothing */
    void (*stop)(struct program *program); /* NULL: there is nothing to stop */
} parts[] = {
    { open_ops_port, close_ops_port },
    { open_tokens, close_tokens },
    { make_log, drop_log },
    { make_ledger, drop_ledger },
    { open_journal, close_journal },
    { make_mirror, drop_mirror },
    { read_certificates, drop_certificates },
    { make_server, drop_server },
    { start_history, stop_history },
    { start_compactor, stop_compactor },
    { start_caretaker, stop_caretaker },
    { start_watch, stop_watch },
    { start_mirror, drop_mirror },
    { attach_ops_port, detach_ops_port },
    { confine_itself, NULL },
};

enum { PARTS = sizeof parts / sizeof *parts };

static void run(struct program *program)
{
    int error = server_run(program->server, on_ready, program);
    remove_ready_file(program);
    if (!error)
        return;
    notice(LOG_ERR, "server", "a worker failed: %s", strerror(-error));
    program->status = EXIT_UNCLEAN;
}

static int start_and_run(struct program *program)
{
    unsigned started = 0;
    while (started < PARTS && program->status == EXIT_CLEAN) {
        program->status = parts[started].start(program);
        started += program->status == EXIT_CLEAN;
    }
    if (program->status == EXIT_CLEAN)
        run(program);
    while (started-- > 0)
        if (parts[started].stop)
            parts[started].stop(program);
    return program->status;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct options *options = &program.options;
    char why[1024];
    notice_begin("stockd");
    bool good = options_read(options, argc, argv, why, sizeof why);
    options_apply_log(options); /* also to what is wrong with the others */
    if (!good)
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
    if (options->check_config)
        return check_config(options);
    manager_find();
    confine_first(options);
    signal(SIGPIPE, SIG_IGN); /* these two come back as errors of the call */
    signal(SIGXFSZ, SIG_IGN);
    watch_block_signals();
    return start_and_run(&program);
}
