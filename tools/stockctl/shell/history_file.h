/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_file.h - the lines that were typed, in a file for the next time.
 *
 * $XDG_STATE_HOME/stockd/history, or ~/.local/state/stockd/history: one line each, oldest first,
 * with mode 0600. Several shells append to it; each reads it when it starts. Only the last lines
 * are kept. Lines that hold a token never get there, nor do those that begin with a blank.
 */
#ifndef STOCKCTL_SHELL_HISTORY_FILE_H
#define STOCKCTL_SHELL_HISTORY_FILE_H

#include <stdbool.h>

#define HISTORY_LINES 1000

/* New memory; NULL: nobody says where it would be. */
char *history_path(void);

/* Whether the line may be remembered at all. */
bool history_may_keep(const char *line);

typedef void history_line_fn(void *context, const char *line);

/* The last HISTORY_LINES lines, oldest first. A file that is not ours, or none, has none. A file
 * that has grown to twice as many is cut down to them. */
void history_read_lines(const char *path, history_line_fn *each, void *context);

/* Makes the file and its folders, if need be. Failing to is no failure of the shell. */
void history_add_line(const char *path, const char *line);

#endif
