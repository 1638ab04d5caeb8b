/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - records as CSV, or as one JSON object a line; each is written as it comes.
 *
 * The columns of CSV are those that were named, then those of the records that rows_learn or the
 * first rows_add saw. A map within a record becomes columns of its own: "mirror.state". A record
 * that is a list has its fields in the order of the named columns.
 */
#ifndef STOCKCTL_ROWS_H
#define STOCKCTL_ROWS_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

struct rows {
    FILE *out;
    bool csv;
    bool begun;       /* the header is written */
    size_t named;     /* how many of the columns the caller named */
    json_t *column;   /* names, in their order */
    json_t *position; /* name to its index */
};

/* columns: names with a space between, or NULL. */
void rows_begin(struct rows *rows, FILE *out, bool csv, const char *columns);

/* Further columns for what that record has, before anything is written. */
void rows_learn(struct rows *rows, const json_t *record);

void rows_add(struct rows *rows, const json_t *record);

/* The header, if no record came; frees what the struct owns. */
void rows_end(struct rows *rows);

/* JSON as text whose control characters are all escaped, so that a terminal can show it; flags are
 * jansson's. Without a line end. */
void json_put(FILE *out, const json_t *json, size_t flags);

#endif
