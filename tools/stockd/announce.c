/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/announce.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/stockd/version.h"

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
}
