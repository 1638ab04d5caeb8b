/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/compact.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/events/events.h"
#include "engine/ledger/ledger.h"
#include "persistence/compact.h"
#include "tools/service/notice.h"
#include "tools/stock-journal/requests.h"

enum { EXIT_DONE = 0, EXIT_DAMAGED = 1, EXIT_USAGE = 2 };

/* stockd's defaults. */
enum {
    ITEMS = 1000000,
    POOLS = 4000000,
    RESERVATIONS = 4000000,
    LOG_BYTES = 1 << 20,
    REPORTS_MEMORY = 256 << 20,
};

struct settings {
    const char *directory;
    bool archive, json, gently, on_request, json_log;
    uint64_t archive_max_bytes, archive_days;
    uint64_t items, pools, reservations, events; /* 0: not given */
    uint64_t reports_memory;
};

static const char usage[] =
    "usage: stock-journal compact DIR [OPTION]...\n"
    "Writes the next snapshot from the newest one and the segments after it, checks every\n"
    "invariant on the way, and removes segments that two snapshots cover. Works beside a running\n"
    "engine, or without one.\n"
    "\n"
    "  --archive               keep those segments, compressed, in DIR/archive\n"
    "  --archive-max-bytes N   ... the newest N bytes of them\n"
    "  --archive-days N        ... for N days\n"
    "  --items N, --pools N, --reservations N\n"
    "                          sizes of the engine's tables; --reservations bounds how many ids\n"
    "                          are remembered (as in the newest snapshot)\n"
    "  --events N              how many of the last events to keep (65536)\n"
    "  --reports-memory N      bytes for the figures of reports, as the engine has them (256 "
    "MiB);\n"
    "                          0: the snapshot has none\n"
    "  --gently                run at the lowest priority for processor and disk\n"
    "  --on-request            for stockd: standard input is a socket; compact once for each "
    "byte,\n"
    "                          and answer with the wait status\n"
    "  --json-log              for stockd: errors and warnings as lines of JSON\n"
    "  --json                  output for programs\n"
    "\n"
    "Example: stock-journal compact /var/lib/stockd --archive --archive-days 400\n"
    "Exit status: 0 done, or there is nothing new; 1 the journal is damaged; 2 usage, another\n"
    "compaction is at work, or a file cannot be read or written.\n";

static int bad_usage(const char *what, const char *word)
{
    fprintf(stderr, "stock-journal: %s: %s\n%s", what, word, usage);
    return EXIT_USAGE;
}

/* ---- the command line ---- */

static bool take_number(uint64_t *to, const char *word, uint64_t max)
{
    char *end;
    errno = 0;
    *to = strtoumax(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && !errno && *to <= max;
}

static int read_settings(struct settings *s, int count, char **arguments)
{
    const struct {
        const char *name;
        bool *flag;
        uint64_t *number;
        uint64_t max;
    } options[] = {
        { "--archive", &s->archive, NULL, 0 },
        { "--json", &s->json, NULL, 0 },
        { "--gently", &s->gently, NULL, 0 },
        { "--on-request", &s->on_request, NULL, 0 },
        { "--json-log", &s->json_log, NULL, 0 },
        { "--archive-max-bytes", NULL, &s->archive_max_bytes, UINT64_MAX },
        { "--archive-days", NULL, &s->archive_days, 1000000 },
        { "--items", NULL, &s->items, 1 << 28 },
        { "--pools", NULL, &s->pools, 1 << 28 },
        { "--reservations", NULL, &s->reservations, 1 << 28 },
        { "--events", NULL, &s->events, EVENTS_MOST },
        { "--reports-memory", NULL, &s->reports_memory, UINT64_C(64) << 30 },
    };
    enum { OPTIONS = sizeof options / sizeof *options };
    for (int i = 0; i < count; i++) {
        const char *word = arguments[i];
        unsigned at = 0;
        while (at < OPTIONS && strcmp(options[at].name, word) != 0)
            at++;
        if (at == OPTIONS && (word[0] == '-' || s->directory))
            return bad_usage("unexpected", word);
        if (at == OPTIONS)
            s->directory = word;
        else if (options[at].flag)
            *options[at].flag = true;
        else if (++i == count || !take_number(options[at].number, arguments[i], options[at].max))
            return bad_usage("needs a number", word);
    }
    return s->directory ? EXIT_DONE : bad_usage("DIR is missing", "compact");
}

/* ---- while it works ---- */

static void say(void *context, int level, const char *line)
{
    (void)context;
    notice(level, "compaction", "%s", line);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    static double last;
    (void)context;
    if (seconds() - last < 0.2 && done < total)
        return;
    last = seconds();
    fprintf(stderr, "\r%5.1f %% of %" PRIu64 " MiB ", 100.0 * (double)done / (double)total,
            total >> 20);
}

/* Any other process gets processor and disk first, as soon as it wakes up (with nice alone it would
 * wait for the end of a time slice). A refusal does not matter. */
static void yield_to_all(void)
{
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_IDLE = 3 << 13 };
    sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

/* ---- the outcome ---- */

static void print_json(const struct compact_result *r, double took)
{
    printf("{\"written\":%s,\"lsn\":%" PRIu64 ",\"segment\":%" PRIu64 ",\"from_lsn\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"seconds\":%.3f"
           ",\"segments_removed\":%" PRIu64 ",\"segments_archived\":%" PRIu64
           ",\"archive_removed\":%" PRIu64 "}\n",
           r->written ? "true" : "false", r->lsn, r->sequence, r->from_lsn, r->bytes, r->records,
           took, r->segments_removed, r->segments_archived, r->archive_removed);
}

static void print_words(const struct compact_result *r, double took)
{
    if (r->written)
        printf("snapshot at lsn %" PRIu64 ": %" PRIu64 " bytes, %" PRIu64
               " records after lsn %" PRIu64 ", %.1f s\n",
               r->lsn, r->bytes, r->records, r->from_lsn, took);
    else if (r->lsn > 0)
        printf("nothing new: the snapshot at lsn %" PRIu64 " covers all sealed segments\n", r->lsn);
    else
        printf("nothing to do: no segment is sealed yet\n");
    if (r->segments_removed > 0)
        printf("%" PRIu64 " segments %s\n", r->segments_removed,
               r->segments_archived ? "moved to the archive" : "removed");
    if (r->archive_removed > 0)
        printf("%" PRIu64 " segments removed from the archive\n", r->archive_removed);
    if (r->readers)
        printf("segments are being read: nothing was removed\n");
}

static int run(const struct settings *s, struct compact_options *options)
{
    struct compact_result result;
    struct error why;
    double start = seconds();
    int error = compact(options, &result, &why);
    if (options->progress)
        fprintf(stderr, "\r%30s\r", "");
    if (error) {
        notice(LOG_ERR, "compaction", "%s", why.text);
        return error == -EILSEQ ? EXIT_DAMAGED : EXIT_USAGE;
    }
    if (s->json)
        print_json(&result, seconds() - start);
    else
        print_words(&result, seconds() - start);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_USAGE;
}

static int compact_once(const struct settings *s)
{
    struct log log;
    if (s->gently)
        yield_to_all();
    if (log_init(&log, LOG_BYTES, 1, 0) != 0)
        return bad_usage("no memory", "log");
    struct ledger_config config = {
        .items = s->items ? (uint32_t)s->items : ITEMS,
        .pools = s->pools ? (uint32_t)s->pools : POOLS,
        .reservations = s->reservations ? (uint32_t)s->reservations : RESERVATIONS,
        .events = s->events ? (uint32_t)s->events : EVENTS_USUAL,
        .contexts = 1,
        .figures = s->reports_memory,
        .log = &log,
    };
    getrandom(&config.hash_seed, sizeof config.hash_seed, 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct compact_options options = {
        .files = &file_system,
        .directory = s->directory,
        .threads = s->gently ? 1 : 0,
        .config = &config,
        .sized = s->items && s->pools && s->reservations,
        .archive = s->archive,
        .rules = { s->archive_max_bytes, s->archive_days },
        .now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .say = say,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    int status = run(s, &options);
    log_destroy(&log);
    return status;
}

static int compact_for(const void *context)
{
    return compact_once(context);
}

int compact_command(int count, char **arguments)
{
    struct settings s = { .reports_memory = REPORTS_MEMORY };
    for (int i = 0; i < count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return fputs(usage, stdout), EXIT_DONE;
    int status = read_settings(&s, count, arguments);
    if (status != EXIT_DONE)
        return status;
    notice_begin("stock-journal");
    if (s.json_log)
        notice_set_format("json");
    if (!s.on_request)
        return compact_once(&s);
    return serve_requests(STDIN_FILENO, compact_for, &s) == 0
               ? EXIT_DONE
               : bad_usage("standard input is no socket", "--on-request");
}
