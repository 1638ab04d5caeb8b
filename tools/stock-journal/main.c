/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock-journal: works on a data directory with no engine running.
 *
 * Exit status: 0 all is well, 1 the journal is damaged, 2 usage, or it could not be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "persistence/follower.h"
#include "persistence/segment.h"
#include "tools/stock-journal/show.h"

enum { EXIT_GOOD = 0, EXIT_DAMAGED = 1, EXIT_USAGE = 2 };
enum { TYPES_MAX = 256 };

struct job {
    const char *directory;
    bool json;
    int lock_fd;
    struct shower shower;
    uint64_t batches;
    uint64_t record_bytes;
    uint64_t file_bytes;
    uint64_t unreadable;
    uint64_t count_of[TYPES_MAX];
    uint64_t bytes_of[TYPES_MAX];
};

static const char usage[] =
    "usage: stock-journal COMMAND DIR [--json]\n"
    "Works on the data directory of an engine that is not running. Changes nothing.\n"
    "\n"
    "  verify DIR    checks every byte; says what is wrong, and where\n"
    "  dump DIR      writes every record, one a line\n"
    "  stat DIR      counts records and bytes by type\n"
    "\n"
    "  --json        dump, stat: for programs\n"
    "\n"
    "Example: stock-journal verify /var/lib/stockd\n"
    "Exit status: 0 all is well, 1 the journal is damaged, 2 usage, or it cannot be read.\n";

/* Shared: many may look at once, but no engine may write. A copy without the lock is nobody's. */
static int lock_directory(struct job *job)
{
    struct path path;
    job->lock_fd = -1;
    if (path_join(&path, job->directory, "lock") != 0)
        return -ENAMETOOLONG;
    int fd = file_system.open(NULL, path.text, O_RDONLY);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fd;
    job->lock_fd = fd;
    return file_system.lock(NULL, fd, FILE_LOCK_SHARED);
}

static int follow(struct job *job, struct follow_options *options, struct follow_result *result)
{
    struct path path;
    struct reason reason = { "" };
    int error = lock_directory(job);
    if (error == -EWOULDBLOCK) {
        fprintf(stderr, "stock-journal: an engine is running on %s\n", job->directory);
        return EXIT_USAGE;
    }
    if (!error)
        error = path_join(&path, job->directory, "journal");
    if (error) {
        fprintf(stderr, "stock-journal: %s: %s\n", job->directory, strerror(-error));
        return EXIT_USAGE;
    }
    options->files = &file_system;
    options->directory = path.text;
    options->context = job;
    error = journal_follow(options, result, &reason);
    if (job->lock_fd >= 0)
        file_system.close(NULL, job->lock_fd);
    if (error)
        fprintf(stderr, "stock-journal: %s\n", reason.text);
    return !error ? EXIT_GOOD : error == -EILSEQ ? EXIT_DAMAGED : EXIT_USAGE;
}

/* ---- verify ---- */

static int count_batch(void *context, const struct batch_header *batch, uint64_t sequence,
                       uint64_t offset)
{
    struct job *job = context;
    (void)sequence;
    (void)offset;
    job->batches++;
    job->record_bytes += batch->length;
    job->file_bytes += batch_span(batch->length);
    return 0;
}

static void print_tail(const struct follow_result *result)
{
    static const char *const tails[] = {
        [TAIL_CLEAN] = "clean",
        [TAIL_TORN] = "torn: the next start will cut it off",
        [TAIL_UNPROMISED] = "never promised to be on disk: the next start will cut it off",
    };
    printf("tail      %s\n", tails[result->tail]);
    if (result->tail != TAIL_CLEAN)
        printf("          %" PRIu64 " bytes, %" PRIu64 " whole batches\n", result->tail_bytes,
               result->tail_batches);
    if (result->file_bytes < result->segment_bytes)
        printf("          the last segment was cut short: it has %" PRIu64 " of %" PRIu64
               " bytes\n",
               result->file_bytes, result->segment_bytes);
}

static int verify(struct job *job)
{
    struct follow_result result;
    struct follow_options options = { .on_batch = count_batch };
    int status = follow(job, &options, &result);
    if (status != EXIT_GOOD)
        return status;
    printf("segments  %" PRIu64 "\n", result.last_sequence);
    printf("batches   %" PRIu64 "\n", job->batches);
    printf("records   %" PRIu64 "\n", result.records);
    printf("lsn       %" PRIu64 "\n", result.lsn);
    if (result.last_sequence > 0)
        printf("ends in   %s: offset %" PRIu64 "\n", segment_name(result.end_sequence).text,
               result.end_offset);
    print_tail(&result);
    return EXIT_GOOD;
}

/* ---- dump ---- */

static int dump_record(void *context, const struct record_head *record, uint64_t lsn,
                       uint64_t time_ms)
{
    struct job *job = context;
    if (!show_record(&job->shower, record, lsn, time_ms))
        job->unreadable++;
    return ferror(stdout) ? -EPIPE : 0;
}

static int dump(struct job *job)
{
    struct follow_result result;
    struct follow_options options = { .on_record = dump_record };
    int status = EXIT_USAGE;
    if (shower_init(&job->shower, job->json))
        status = follow(job, &options, &result);
    shower_free(&job->shower);
    if (status == EXIT_GOOD && job->unreadable > 0) {
        fprintf(stderr, "stock-journal: %" PRIu64 " records are not what their type says\n",
                job->unreadable);
        status = EXIT_DAMAGED;
    }
    return status;
}

/* ---- stat ---- */

static int count_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct job *job = context;
    (void)lsn;
    (void)time_ms;
    job->count_of[record->type]++;
    job->bytes_of[record->type] += record->length;
    return 0;
}

static const char *type_name(unsigned type)
{
    const char *name = record_type_name(type);
    return name ? name : "unknown";
}

static void print_table(const struct job *job, const struct follow_result *result)
{
    printf("%-10s %14s %16s\n", "type", "records", "bytes");
    for (unsigned type = 0; type < TYPES_MAX; type++) {
        if (job->count_of[type] > 0)
            printf("%-10s %14" PRIu64 " %16" PRIu64 "\n", type_name(type), job->count_of[type],
                   job->bytes_of[type]);
    }
    printf("%-10s %14" PRIu64 " %16" PRIu64 "\n", "all", result->records, job->record_bytes);
    printf("in %" PRIu64 " batches of %" PRIu64 " bytes, in %" PRIu64 " segments\n", job->batches,
           job->file_bytes, result->last_sequence);
}

static void print_json(const struct job *job, const struct follow_result *result)
{
    const char *between = "";
    printf("{\"lsn\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"batches\":%" PRIu64
           ",\"records\":%" PRIu64 ",\"record_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64
           ",\"types\":{",
           result->lsn, result->last_sequence, job->batches, result->records, job->record_bytes,
           job->file_bytes);
    for (unsigned type = 0; type < TYPES_MAX; type++) {
        if (job->count_of[type] == 0)
            continue;
        printf("%s\"%s\":{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", between, type_name(type),
               job->count_of[type], job->bytes_of[type]);
        between = ",";
    }
    printf("}}\n");
}

static int stat_journal(struct job *job)
{
    struct follow_result result;
    struct follow_options options = { .on_batch = count_batch, .on_record = count_record };
    int status = follow(job, &options, &result);
    if (status != EXIT_GOOD)
        return status;
    if (job->json)
        print_json(job, &result);
    else
        print_table(job, &result);
    return EXIT_GOOD;
}

/* ---- the command line ---- */

static const struct {
    const char *name;
    int (*run)(struct job *job);
} commands[] = { { "verify", verify }, { "dump", dump }, { "stat", stat_journal } };

static int run(const char *command, struct job *job)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, command) == 0)
            return commands[i].run(job);
    }
    fprintf(stderr, "stock-journal: no such command: %s\n%s", command, usage);
    return EXIT_USAGE;
}

int main(int count, char **arguments)
{
    static struct job job;
    const char *command = NULL;
    for (int i = 1; i < count; i++) {
        const char *word = arguments[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(usage, stdout);
            return EXIT_GOOD;
        }
        if (strcmp(word, "--json") == 0)
            job.json = true;
        else if (word[0] == '-' || (command && job.directory))
            return fprintf(stderr, "stock-journal: unexpected: %s\n%s", word, usage), EXIT_USAGE;
        else if (command)
            job.directory = word;
        else
            command = word;
    }
    if (!command || !job.directory)
        return fputs(usage, stderr), EXIT_USAGE;
    int status = run(command, &job);
    if (fflush(stdout) != 0 || ferror(stdout))
        return EXIT_USAGE;
    return status;
}
