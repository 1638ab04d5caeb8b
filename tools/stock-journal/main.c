/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock-journal: works on the data directory of a stopped engine.
 *
 * Exit status: 0 all is well, 1 the journal is damaged, 2 usage, or it could not be read.
 */
#include <stdio.h>
#include <string.h>

#include "tools/stock-journal/backup.h"
#include "tools/stock-journal/compact.h"
#include "tools/stock-journal/job.h"

#define STOCK_JOURNAL_VERSION "0.1.0"

static const char usage[] =
    "usage: stock-journal COMMAND DIR [OPTION]...\n"
    "Works on the data directory of a stopped engine.\n"
    "\n"
    "  verify DIR    check every byte; list everything that is wrong, and where\n"
    "  repair DIR    show where a damaged journal can be cut off before the damage, and what that\n"
    "                gives up; change nothing without --yes\n"
    "  dump DIR      write every record, one per line\n"
    "  stat DIR      count records and bytes by type and by hour\n"
    "  compact DIR   write the next snapshot; also beside a running engine (see compact --help)\n"
    "  backup DIR BACKUP    back DIR up, also beside a running engine (see backup --help)\n"
    "  restore BACKUP DIR   make a data directory of a backup, as it was at an LSN or a time\n"
    "                       (see restore --help)\n"
    "\n"
    "  --json        output for programs\n"
    "  --csv         dump: what each record did to each pool, one per line, with on hand "
    "afterwards\n"
    "  --sku SKU     dump: only what concerns that item\n"
    "  --since WHEN  dump: only what came after an LSN, or since a time such as "
    "2025-03-01T14:05:00\n"
    "                (local; UTC with a Z)\n"
    "  --version     print the version\n"
    "  --yes         repair: do it; keep all that is changed or given up in DIR/damaged-TIME/\n"
    "\n"
    "Only repair --yes and compact change DIR.\n"
    "Example: stock-journal verify /var/lib/stockd\n"
    "Exit status: 0 all is well, 1 the journal is damaged, 2 usage, or it cannot be read.\n";

static const struct command {
    const char *name;
    int (*run)(struct job *job);
    bool csv, filter, yes; /* options that it takes besides --json */
} commands[] = {
    { "verify", verify_journal, false, false, false },
    { "repair", repair_journal_of, false, false, true },
    { "dump", dump_journal, true, true, false },
    { "stat", stat_journal, false, false, false },
};

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Takes the option at *at, and its value; false if the command has no such option. */
static bool take_option(struct job *job, const struct command *command, int count, char **arguments,
                        int *at)
{
    const char *word = arguments[*at];
    bool *flag = strcmp(word, "--json") == 0                  ? &job->json
                 : command->csv && strcmp(word, "--csv") == 0 ? &job->csv
                 : command->yes && strcmp(word, "--yes") == 0 ? &job->yes
                                                              : NULL;
    const char **text = command->filter && strcmp(word, "--sku") == 0     ? &job->sku
                        : command->filter && strcmp(word, "--since") == 0 ? &job->since
                                                                          : NULL;
    if (flag)
        *flag = true;
    else if (text && *at + 1 < count)
        *text = arguments[++*at];
    else
        return false;
    return true;
}

static int misused(const char *what, const char *word)
{
    fprintf(stderr, "stock-journal: %s%s\n%s", what, word, usage);
    return EXIT_USAGE;
}

static bool is_given(const char *option, int count, char **arguments)
{
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], option) == 0)
            return true;
    return false;
}

int main(int count, char **arguments)
{
    static struct job job = { .lock_fd = -1 };
    if (is_given("--version", count, arguments))
        return puts("stock-journal " STOCK_JOURNAL_VERSION), EXIT_GOOD;
    if (count > 1 && strcmp(arguments[1], "compact") == 0)
        return compact_command(count - 2, arguments + 2);
    if (count > 1 && strcmp(arguments[1], "backup") == 0)
        return backup_command(count - 2, arguments + 2);
    if (count > 1 && strcmp(arguments[1], "restore") == 0)
        return restore_command(count - 2, arguments + 2);
    if (is_given("--help", count, arguments) || is_given("-h", count, arguments))
        return fputs(usage, stdout), EXIT_GOOD;
    if (count < 2)
        return fputs(usage, stderr), EXIT_USAGE;
    const struct command *command = command_named(arguments[1]);
    if (!command)
        return misused("no such command: ", arguments[1]);
    for (int i = 2; i < count; i++) {
        if (arguments[i][0] != '-' && !job.directory)
            job.directory = arguments[i];
        else if (arguments[i][0] != '-' || !take_option(&job, command, count, arguments, &i))
            return misused("unexpected: ", arguments[i]);
    }
    if (!job.directory)
        return misused("DIR is missing: ", command->name);
    if (job.csv && job.json)
        return misused("--csv and --json exclude each other", "");
    int status = command->run(&job);
    if (fflush(stdout) != 0 || ferror(stdout))
        return EXIT_USAGE;
    return status;
}
