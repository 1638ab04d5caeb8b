/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers history queries (engine/history/history.h) from a journal's files, beside an engine that
 * writes them: it locks only DIR/snapshot/readers, changes nothing else, and reads nothing after
 * the query's `upto`.
 */
#ifndef STOCKD_PERSISTENCE_HISTORY_READER_H
#define STOCKD_PERSISTENCE_HISTORY_READER_H

#include "engine/history/history.h"
#include "persistence/file.h"
#include "persistence/id_index.h"
#include "persistence/journal_cursor.h"

struct history_reader {
    const struct file_ops *files;
    struct path data;      /* the data directory */
    struct path directory; /* of the segments */
    struct path archive;   /* of those that snapshots cover; the cursor borrows both */
    struct journal_cursor cursor;
    struct id_index index; /* of what queries by id have walked through */
};

/* directory: the data directory. 0 or -errno. */
int history_reader_open(struct history_reader *reader, const struct file_ops *files,
                        const char *directory);
void history_reader_close(struct history_reader *reader);

/* Fills in the answer, and query->outcome in any case. One thread at a time. */
void history_reader_answer(struct history_reader *reader, struct history_query *query);

#endif
