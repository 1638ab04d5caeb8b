/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/announce.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tools/stockd/version.h"

/* Its group may read it, if its owner wants that. */
static void warn_of_mode(const struct options *options)
{
    enum { TOO_WIDE = S_IWGRP | S_IRWXO };
    struct stat status;
    if (stat(options->data, &status) == 0 && (status.st_mode & TOO_WIDE))
        fprintf(stderr,
                "stockd: warning: other users of this machine may %s the data directory %s (mode "
                "%04o): chmod 0700 it\n",
                status.st_mode & (S_IWGRP | S_IWOTH) ? "write to" : "enter", options->data,
                (unsigned)status.st_mode & 07777);
}

void say_started(const struct options *options, const struct journal_opened *opened,
                 const struct server *server, const char *http)
{
    uint64_t workers = options->workers;
    if (!opened->fresh && !opened->stopped)
        fprintf(stderr,
                "stockd: the last run did not stop cleanly: recovered up to lsn %" PRIu64
                ", %" PRIu64 " bytes of unfinished writes cut off\n",
                opened->lsn, opened->cut_bytes);
    fprintf(stderr,
            "stockd " STOCKD_VERSION ": %" PRIu64 " worker%s, durability %s, data %s: "
            "%" PRIu64 " records recovered%s, lsn %" PRIu64 "; listening on",
            workers, workers == 1 ? "" : "s", options->durability, options->data, opened->records,
            opened->base.found ? " after a snapshot" : "", opened->lsn);
    const char *address;
    for (unsigned i = 0; (address = server_address(server, i)); i++)
        fprintf(stderr, " %s", address);
    if (http)
        fprintf(stderr, "; metrics at %s/metrics", http);
    fprintf(stderr, "\n");
    warn_of_mode(options);
}
