/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - an answer as data: the formats of --output.
 *
 * A command makes its answer as JSON and gives it to show_json_value. From that come CSV and lines
 * of JSON, by what the command's row in the table says of the answer:
 *
 *   list   the answer is a list: a row, or a line, for each entry.
 *   lines  the answer has lines: in CSV a row for each, with what they share before it ("lines.sku"
 *          is a field of the line); as JSON the answer is one line.
 *   none   one row, or one line.
 *
 * Errors are JSON where the answer is; beside CSV they are text on standard error.
 */
#ifndef STOCKCTL_OUTPUT_H
#define STOCKCTL_OUTPUT_H

#include "tools/stockctl/ctl.h"
#include "tools/stockctl/rows.h"

/* The fields of what the engine tells as it happens. */
#define CHANGE_COLUMNS "channel sku available lsn"
#define EVENT_COLUMNS "lsn time_ms type channel location sku id qty"

/* False: there is no such format. */
bool output_named(const char *name, enum output *output);
const char *output_name(enum output output);

/* Whether the command has that format. */
bool output_possible(const struct command *command, enum output output);

/* How show_json_value prints from now on, and as the answer of which command. Sets ctl->json. */
void output_begin(struct ctl *ctl, const struct command *command);

/* For a command that writes its list as it comes: rows of its `list`, on standard output. False: it
 * was not asked for rows. */
bool output_rows(const struct ctl *ctl, struct rows *rows);

/* Whether errors are to be JSON. */
bool output_errors_in_json(const struct ctl *ctl);

#endif
