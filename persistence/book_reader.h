/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers questions to the book (engine/history/book.h) from a journal's files, beside an engine
 * that writes them: it takes no lock, changes nothing, and looks at nothing after the question's
 * `upto`.
 */
#ifndef STOCKD_PERSISTENCE_BOOK_READER_H
#define STOCKD_PERSISTENCE_BOOK_READER_H

#include "engine/history/book.h"
#include "persistence/file.h"
#include "persistence/id_index.h"
#include "persistence/journal_cursor.h"

struct book_reader {
    const struct file_ops *files;
    struct path data;      /* the data directory */
    struct path directory; /* of the segments */
    struct path archive;   /* of those that snapshots cover; the cursor borrows both */
    struct journal_cursor cursor;
    struct id_index index; /* of what questions by an id walked through */
};

/* directory: the data directory. 0 or -errno. */
int book_reader_open(struct book_reader *reader, const struct file_ops *files,
                     const char *directory);
void book_reader_close(struct book_reader *reader);

/* Fills in the answer, whatever becomes of it: outcome says that. One thread at a time. */
void book_reader_answer(struct book_reader *reader, struct book_question *question);

#endif
