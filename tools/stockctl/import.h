/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import.h - what all imports share: a file is read and checked whole, then its requests are sent.
 *
 * Each request can be repeated: it carries an id of its own, or sets what may be set again. So an
 * import that was interrupted is run again as it is.
 */
#ifndef STOCKCTL_IMPORT_H
#define STOCKCTL_IMPORT_H

#include "tools/stockctl/ctl.h"

/* How an import speaks of what it does. */
struct import_words {
    const char *things; /* "rows", "supplies": what there are so many of */
    const char *total;  /* the key of their number in JSON */
    const char *done;   /* "set" or "booked" */
    const char *known;  /* the key of the number of those that changed nothing */
    const char *before; /* the same for people: "had been booked before" */
    const char *bad;    /* "bad rows skipped" */
    const char *again;  /* what to do to have them done again; or NULL */
};

struct import {
    struct ctl *ctl;
    const char *path;
    const struct import_words *words;
    const char *(*pack)(void *context, size_t number, stockd_pack *params); /* as of a pipeline */
    size_t (*line)(const void *context, size_t number); /* of the file, where that one begins */
    void *context;
    size_t window;  /* as of a pipeline */
    json_t *within; /* with --json: the figures become its "booked"; or NULL: they stand alone */
    uint64_t lsn;   /* the engine's before the first was sent: a reply up to it changed nothing */
    size_t count;   /* what is to be sent */
    size_t skipped; /* rows, or whatever is skipped as a whole */
    struct bad_rows bad;
    const char *unskippable; /* why a bad file is refused with --skip-bad, too; or NULL */
    /* What became of them. */
    uint64_t start_ms;
    size_t applied;
    size_t repeated;
    size_t refused;
    struct bad_rows refusal; /* the first ones: a code for the column */
    int failed;
};

/* Reads the file. CTL_DONE: it is good, or its bad rows are to be skipped. The bad rows of others
 * were reported. */
int import_read(struct import *import, const struct args *args, struct csv_reader *reader);

/* For a reader's `bad`, with an import as its context. */
void import_bad_row(void *context, size_t line, const char *column, const char *problem);

/* Sends what was read, and tells how it went. */
int import_send(struct import *import);

void import_free(struct import *import);

/* The id of what a row books: the letter names the operation, and a file with any byte changed is
 * another one. out has room for STOCKD_ID_MAX + 1. */
void import_id(char *out, char letter, const uint64_t hash[2], size_t line);

/* A second import of a file on purpose: the batch's name changes the ids. NULL: no batch. */
void import_mix_batch(uint64_t hash[2], const char *batch);

/* ---- requests that are packed while the file is read ------------------------------------------
 */

struct import_row {
    size_t at; /* in the pack */
    size_t line;
};

struct import_rows {
    stockd_pack pack;
    struct import_row *row;
    size_t count;
    size_t capacity;
};

void import_rows_init(struct import_rows *rows);
void import_rows_free(struct import_rows *rows);

/* Begins a row: what is then packed into rows->pack is its own. */
void import_rows_add(struct import_rows *rows, size_t line);

stockd_value import_rows_at(const struct import_rows *rows, size_t number);

/* That line if no row before has the same key, else that of the first such row. Both texts were
 * checked; location may be NULL. */
size_t import_first_line(struct lookup *seen, size_t line, const struct csv_field *key,
                         const struct csv_field *location);

#endif
