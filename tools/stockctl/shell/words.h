/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - a line of the shell as words.
 *
 * Blanks separate words. '...' keeps all that it holds; "..." too, but for a backslash before a "
 * or a \; outside quotes a backslash keeps the next character. A word that begins with # begins a
 * comment. "> FILE" and ">> FILE" say where the output goes. Nothing else is special: no variables,
 * no patterns, no pipes.
 */
#ifndef STOCKCTL_SHELL_WORDS_H
#define STOCKCTL_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
    char **word; /* and a NULL behind the last one */
    size_t count;
    char *into; /* the file for the output, or NULL */
    bool append;
};

/* NULL, or what is wrong with the line. What it fills is freed by words_free, in either case. */
const char *words_split(const char *line, struct words *words);

/* The word that ends where the text ends: it may be empty. */
struct last_word {
    char *text;      /* without its quotes */
    char quote;      /* the quote that is open, or 0 */
    bool is_file;    /* it follows a > */
    bool is_comment; /* there is nothing to complete */
};

/* The same for the first len bytes of a line that somebody is typing: the last word apart. */
void words_until(const char *line, size_t len, struct words *before, struct last_word *last);

void words_free(struct words *words);

/* What to type for that text within a word whose quote, or none, is open; new memory. */
char *words_quoted(const char *text, char quote);

#endif
