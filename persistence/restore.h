/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a data directory of a backup, as it was at its end or at an earlier LSN or time.
 *
 * It begins at the newest snapshot that is not later than that, and copies what comes after it,
 * batch by batch; the last batch is cut after the last record that belongs to it. What is damaged
 * on the way is refused, and named; then nothing is left. The directory gets its name only once all
 * of it is on disk; a clean-stop mark says where its journal ends.
 */
#ifndef STOCKD_PERSISTENCE_RESTORE_H
#define STOCKD_PERSISTENCE_RESTORE_H

#include "persistence/backup_mark.h"

enum restore_to { RESTORE_END, RESTORE_LSN, RESTORE_TIME };

struct restore_options {
    const struct file_ops *files;
    const char *backup;
    const char *directory; /* new or empty; NULL: only judges what it would read */
    enum restore_to to;
    uint64_t at;   /* that LSN: all records up to there; or engine time: all batches up to then */
    void *context; /* of say */
    void (*say)(void *context,
                const char *line); /* which snapshots were passed over; may be NULL */
};

struct restored {
    struct journal_position end; /* of the restored journal */
    uint64_t snapshot_lsn;       /* where it begins; 0: at the very beginning */
    uint64_t bytes;
};

/* 0; -ENODATA: there is no finished backup; -ERANGE: the backup does not hold that moment; -EEXIST:
 * the directory is not empty; -EILSEQ: the backup is damaged; or another -errno; and why. */
int backup_restore(const struct restore_options *options, struct restored *restored,
                   struct error *why);

#endif
