/* SPDX-License-Identifier: Apache-2.0 */
/* editor.h - a line from the terminal, edited; the only face of libedit. */
#ifndef STOCKCTL_SHELL_EDITOR_H
#define STOCKCTL_SHELL_EDITOR_H

#include <stddef.h>

#include "tools/stockctl/shell/candidates.h"

/* What the first len bytes of the line may go on with: candidates->typed is a part of the text that
 * it returns, which is freed after the candidates. *quote: the quote that is open there, or 0. */
typedef char *editor_complete_fn(void *context, const char *line, size_t len,
                                 struct candidates *candidates, char *quote);

struct editor;

/* There is one, until the program ends. NULL: the terminal is none that it can use. The prompt
 * stays the caller's. */
struct editor *editor_open(const char *prompt, editor_complete_fn *complete, void *context);
void editor_close(struct editor *editor); /* NULL is fine */

/* For the arrow keys. */
void editor_remember(struct editor *editor, const char *line);

enum editor_result {
    EDITOR_LINE,
    EDITOR_ABANDONED, /* Ctrl-C */
    EDITOR_END,       /* Ctrl-D, or the terminal is gone */
};

/* *line, new memory, has no line end. */
enum editor_result editor_read(struct editor *editor, char **line);

#endif
