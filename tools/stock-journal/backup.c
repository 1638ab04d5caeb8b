/* SPDX-License-Identifier: Apache-2.0 */
/* backup and restore. */
#include "tools/stock-journal/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "persistence/backup.h"
#include "persistence/restore.h"
#include "tools/stock-journal/job.h"
#include "tools/stock-journal/when.h"

static const char backup_usage[] =
    "usage: stock-journal backup DIR BACKUP [--json] [--directory-id ID]\n"
    "Backs the data directory DIR up to the directory BACKUP, also beside a running engine (then\n"
    "`stockctl backup BACKUP` does the same). The backup is the state at one LSN, and holds\n"
    "everything that was acknowledged before it began. If BACKUP holds an earlier backup of DIR,\n"
    "only what is new is copied. An interrupted backup leaves the earlier one as it was.\n"
    "BACKUP is created if it is missing. One that holds other files, or what DIR lacks (because\n"
    "DIR was restored to an earlier moment, or repaired), is refused.\n"
    "\n"
    "  --directory-id ID   only if that is the id of the data directory, in hexadecimal\n"
    "  --json              output for programs\n"
    "\n"
    "Example: stock-journal backup /var/lib/stockd /backup/stockd\n"
    "Exit status: 0 done; 1 the journal or the backup is damaged; 2 usage, or anything else.\n";

static const char restore_usage[] =
    "usage: stock-journal restore BACKUP DIR [--to WHEN] [--json]\n"
    "       stock-journal restore BACKUP --check [--to WHEN] [--json]\n"
    "Makes the data directory DIR of a backup, for an engine to start on. DIR must be new or\n"
    "empty. Clients of that engine must read everything anew.\n"
    "\n"
    "  --to WHEN   the state at that LSN, or at a time such as 2025-03-01T14:05:00 (local; UTC\n"
    "              with a Z); without it, the newest that the backup holds\n"
    "  --check     only read what would be restored, and say whether it is whole\n"
    "  --json      output for programs\n"
    "\n"
    "Example: stock-journal restore /backup/stockd /var/lib/stockd --to 2025-03-01T14:05:00\n"
    "Exit status: 0 done; 1 the backup is damaged; 2 usage, or anything else.\n";

struct asked {
    const char *directories[2];
    int directory_count;
    const char *to, *id;
    bool json, check, help;
};

static int misused(const char *what, const char *word, const char *usage)
{
    fprintf(stderr, "stock-journal: %s%s\n%s", what, word, usage);
    return EXIT_USAGE;
}

static bool take(struct asked *asked, const char *word, const char *next, bool *took_next)
{
    const char **text = strcmp(word, "--to") == 0             ? &asked->to
                        : strcmp(word, "--directory-id") == 0 ? &asked->id
                                                              : NULL;
    bool *flag = strcmp(word, "--json") == 0    ? &asked->json
                 : strcmp(word, "--check") == 0 ? &asked->check
                 : strcmp(word, "--help") == 0  ? &asked->help
                 : strcmp(word, "-h") == 0      ? &asked->help
                                                : NULL;
    *took_next = text != NULL;
    if (text)
        *text = next;
    else if (flag)
        *flag = true;
    else if (word[0] != '-' && asked->directory_count < 2)
        asked->directories[asked->directory_count++] = word;
    else
        return false;
    return !text || next;
}

/* EXIT_GOOD: the arguments are taken. */
static int read_arguments(struct asked *asked, int count, char **arguments, const char *usage)
{
    for (int i = 0; i < count; i++) {
        bool took_next;
        if (!take(asked, arguments[i], i + 1 < count ? arguments[i + 1] : NULL, &took_next))
            return misused("unexpected, or without a value: ", arguments[i], usage);
        i += took_next;
    }
    return EXIT_GOOD;
}

static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int failed(int error, const struct error *why)
{
    fprintf(stderr, "stock-journal: %s\n", why->text);
    return error == -EILSEQ ? EXIT_DAMAGED : EXIT_USAGE;
}

/* ---- backup ---- */

static void print_made(const struct backup_made *made, const char *backup, bool json)
{
    const struct journal_position *end = &made->mark.end;
    if (json) {
        printf("{\"lsn\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"first\":%s,\"gap\":%s,"
               "\"bytes\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"snapshots\":%" PRIu64
               ",\"damaged_snapshots\":%" PRIu64 "}\n",
               end->lsn, end->time_ms, made->first ? "true" : "false", made->gap ? "true" : "false",
               made->bytes, made->segments, made->snapshots, made->damaged);
        return;
    }
    printf("%s holds everything up to lsn %" PRIu64 ", %s\n"
           "copied %" PRIu64 " bytes: %" PRIu64 " segments in whole or in part, %" PRIu64
           " snapshots\n",
           backup, end->lsn, time_text(end->time_ms).text, made->bytes, made->segments,
           made->snapshots);
}

static void warn_of(const struct backup_made *made)
{
    if (made->gap)
        fprintf(
            stderr,
            "stock-journal: warning: compactions have removed segments since the last backup: "
            "what lies in between cannot be restored. Back up more often, or keep an archive\n");
    if (made->damaged > 0)
        fprintf(stderr,
                "stock-journal: warning: %" PRIu64 " damaged snapshots were left out: see "
                "stock-journal verify\n",
                made->damaged);
}

/* The directory, or the one in which it will be, as the kernel names it. False: there is none. */
static bool real_directory(const char *directory, char real[PATH_MAX])
{
    char path[PATH_MAX];
    if (realpath(directory, real))
        return true;
    snprintf(path, sizeof path, "%s", directory);
    return realpath(dirname(path), real);
}

/* The directory itself, too. */
static bool lies_within(const char *outer, const char *inner)
{
    char a[PATH_MAX], b[PATH_MAX];
    if (!realpath(outer, a) || !real_directory(inner, b))
        return false; /* what is wrong with it is said where it is used */
    size_t length = strlen(a);
    return strncmp(a, b, length) == 0 && (b[length] == '/' || b[length] == '\0');
}

int backup_command(int count, char **arguments)
{
    struct asked asked = { .directory_count = 0 };
    struct backup_made made;
    struct error why = { "" };
    int status = read_arguments(&asked, count, arguments, backup_usage);
    if (status != EXIT_GOOD)
        return status;
    if (asked.help)
        return fputs(backup_usage, stdout), EXIT_GOOD;
    if (asked.directory_count < 2 || asked.to || asked.check)
        return misused("backup takes DIR and BACKUP", "", backup_usage);
    struct backup_options options = {
        .files = &file_system,
        .directory = asked.directories[0],
        .backup = asked.directories[1],
        .directory_id = asked.id ? strtoull(asked.id, NULL, 16) : 0,
        .now_ms = wall_ms(),
    };
    if (lies_within(options.directory, options.backup)) {
        fprintf(stderr,
                "stock-journal: %s lies in the data directory: a backup in it is lost with it\n",
                options.backup);
        return EXIT_USAGE;
    }
    int error = backup_make(&options, &made, &why);
    if (error)
        return failed(error, &why);
    warn_of(&made);
    print_made(&made, options.backup, asked.json);
    return EXIT_GOOD;
}

/* ---- restore ---- */

static void say(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "stock-journal: %s\n", line);
}

static void print_restored(const struct restored *restored, const struct asked *asked)
{
    const struct journal_position *end = &restored->end;
    if (asked->json)
        printf("{\"lsn\":%" PRIu64 ",\"time_ms\":%" PRIu64 ",\"snapshot_lsn\":%" PRIu64
               ",\"bytes\":%" PRIu64 "}\n",
               end->lsn, end->time_ms, restored->snapshot_lsn, restored->bytes);
    else if (asked->check)
        printf("%s is whole up to lsn %" PRIu64 ", %s\n", asked->directories[0], end->lsn,
               time_text(end->time_ms).text);
    else
        printf("%s is as it was at lsn %" PRIu64 ", %s\n"
               "Start: stockd --data %s\n",
               asked->directories[1], end->lsn, time_text(end->time_ms).text,
               asked->directories[1]);
}

int restore_command(int count, char **arguments)
{
    struct asked asked = { .directory_count = 0 };
    struct restored restored;
    struct error why = { "" };
    bool by_time = false;
    int status = read_arguments(&asked, count, arguments, restore_usage);
    if (status != EXIT_GOOD)
        return status;
    if (asked.help)
        return fputs(restore_usage, stdout), EXIT_GOOD;
    if (asked.directory_count != (asked.check ? 1 : 2) || asked.id)
        return misused("restore takes BACKUP and DIR, or BACKUP and --check", "", restore_usage);
    struct restore_options options = {
        .files = &file_system,
        .backup = asked.directories[0],
        .directory = asked.directories[1],
        .say = say,
    };
    if (asked.to && !when_parse("--to", asked.to, &by_time, &options.at))
        return EXIT_USAGE;
    options.to = !asked.to ? RESTORE_END : by_time ? RESTORE_TIME : RESTORE_LSN;
    int error = backup_restore(&options, &restored, &why);
    if (error)
        return failed(error, &why);
    print_restored(&restored, &asked);
    return EXIT_GOOD;
}
