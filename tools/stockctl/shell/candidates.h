/* SPDX-License-Identifier: Apache-2.0 */
/* candidates.h - what a word that is being typed may become. */
#ifndef STOCKCTL_SHELL_CANDIDATES_H
#define STOCKCTL_SHELL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

struct candidates {
    const char *typed; /* the part of the word that they continue */
    char **text;       /* each begins with it */
    size_t count;
    size_t capacity;
    bool open; /* more of the word may follow: no blank behind it */
};

/* Keeps the text if it continues what was typed, and can be typed: no control characters. */
void candidates_try(struct candidates *candidates, const char *text, size_t len);

/* Sorts them, and drops what is there twice. */
void candidates_sort(struct candidates *candidates);

/* How many bytes all have in common: at least what was typed. Whole characters. */
size_t candidates_common(const struct candidates *candidates);

void candidates_free(struct candidates *candidates);

#endif
