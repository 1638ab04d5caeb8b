/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/announce.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/service/notice.h"
#include "tools/stockd/version.h"

/* Its group may read it, if its owner wants that. */
static void warn_of_mode(const struct options *options)
{
    enum { TOO_WIDE = S_IWGRP | S_IRWXO };
    struct stat status;
    if (stat(options->data, &status) == 0 && (status.st_mode & TOO_WIDE))
        notice(LOG_WARNING, "data",
               "other users of this machine may %s the data directory %s (mode %04o): chmod 0700 "
               "it",
               status.st_mode & (S_IWGRP | S_IWOTH) ? "write to" : "enter", options->data,
               (unsigned)status.st_mode & 07777);
}

static void say_recovered(const struct journal_opened *opened)
{
    const struct notice_field fields[] = {
        { .name = "lsn", .number = opened->recovered_lsn },
        { .name = "cut_bytes", .number = opened->cut_bytes },
        { .name = NULL },
    };
    notice_with(LOG_WARNING, "journal", fields,
                "the last run did not stop cleanly: recovered up to lsn %" PRIu64 ", %" PRIu64
                " bytes of unfinished writes cut off",
                opened->recovered_lsn, opened->cut_bytes);
}

/* " ADDRESS ADDRESS"; what does not fit is left out. */
static void list_addresses(const struct server *server, char *list, size_t size)
{
    const char *address;
    size_t length = 0;
    list[0] = '\0';
    for (unsigned i = 0; (address = server_address(server, i)); i++)
        if (length + strlen(address) + 2 <= size)
            length += (size_t)snprintf(list + length, size - length, " %s", address);
}

void say_started(const struct options *options, const struct journal_opened *opened,
                 const struct server *server, const char *http)
{
    char addresses[2048];
    uint64_t workers = options->workers;
    if (!opened->fresh && !opened->stopped)
        say_recovered(opened);
    list_addresses(server, addresses, sizeof addresses);
    const struct notice_field fields[] = {
        { .name = "version", .text = STOCKD_VERSION },
        { .name = "workers", .number = workers },
        { .name = "durability", .text = options->durability },
        { .name = "data", .text = options->data },
        { .name = "records", .number = opened->records },
        { .name = "lsn", .number = opened->lsn },
        { .name = NULL },
    };
    notice_with(LOG_INFO, "engine", fields,
                "version " STOCKD_VERSION ", %" PRIu64 " worker%s, durability %s, data %s: %" PRIu64
                " records recovered%s, lsn %" PRIu64 "; listening on%s%s%s%s",
                workers, workers == 1 ? "" : "s", options->durability, options->data,
                opened->records, opened->base.found ? " after a snapshot" : "", opened->lsn,
                addresses, http ? "; metrics at " : "", http ? http : "", http ? "/metrics" : "");
    warn_of_mode(options);
}

void say_stopped(uint64_t lsn)
{
    const struct notice_field fields[] = { { .name = "lsn", .number = lsn }, { .name = NULL } };
    notice_with(LOG_INFO, "engine", fields, "stopped cleanly, lsn %" PRIu64, lsn);
}

void say_forgotten(const struct options *options, uint64_t count)
{
    const struct notice_field fields[] = { { .name = "forgotten", .number = count },
                                           { .name = NULL } };
    if (count > 0)
        notice_with(LOG_WARNING, "ids", fields,
                    "the id table is too small for the journal's live reservations and "
                    "remembered ids: forgot %" PRIu64 " ids early; --reservations %" PRIu64
                    " would keep them",
                    count, options->reservations + count);
}

/* ---- other parts ---- */

void say_of_journal(void *context, int level, const char *line)
{
    (void)context;
    notice(level, "journal", "%s", line);
}

void say_of_server(void *context, int level, const char *line)
{
    (void)context;
    notice(level, "server", "%s", line);
}

void say_of_mirror(void *context, int level, const char *line)
{
    (void)context;
    notice(level, "mirror", "%s", line);
}
