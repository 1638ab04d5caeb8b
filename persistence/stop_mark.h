/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clean-stop mark, DIR/journal/stopped: it says where the journal ends, because nothing in a
 * segment can show that nothing is missing after it.
 *
 * F14  It is written once everything before it is durable, and the next start durably removes it
 *      before it writes its first batch. It gets its name only after it is synced: so it is whole,
 *      or is damaged. While it exists the chain must reach the batch that it names.
 */
#ifndef STOCKD_PERSISTENCE_STOP_MARK_H
#define STOCKD_PERSISTENCE_STOP_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "persistence/error.h"
#include "persistence/file.h"

#define STOP_MARK_NAME "stopped"
#define STOP_MARK_UNFINISHED "stopped.tmp"
#define STOP_MARK_MAGIC "SDSTOPD1"

enum { STOP_MARK_VERSION = 1 };

/* The whole file. */
struct stop_mark {
    char magic[8];
    uint32_t version;
    uint32_t zero;
    uint64_t directory_id;
    uint64_t sequence; /* of the last batch's segment */
    uint64_t offset;   /* where that batch ends */
    uint64_t lsn;
    uint64_t number;         /* of the last batch; never 0 */
    uint64_t batch_checksum; /* of the last batch */
    uint64_t time_ms;        /* engine time of the stop */
    uint64_t checksum;       /* XXH3-64 of the 72 bytes before */
};

_Static_assert(sizeof(struct stop_mark) == 80, "as in the file");

/* directory: of the segments. Without a mark, mark->number is 0. 0; -EILSEQ: it is damaged;
 * -ENOTSUP: a later version wrote it; or another -errno; and why, which names the file. */
int stop_mark_read(struct stop_mark *mark, const struct file_ops *files, const char *directory,
                   struct error *why);

/* Fills in magic, version and checksum; returns once it is durable. There must be no mark yet. */
int stop_mark_write(const struct stop_mark *mark, const struct file_ops *files,
                    const char *directory, struct error *why);

/* Returns once it is durably gone; 0 also if there was none. */
int stop_mark_remove(const struct file_ops *files, const char *directory, struct error *why);

#endif
