/* SPDX-License-Identifier: Apache-2.0 */
/* candidates.c - what a word that is being typed may become. */
#include "tools/stockctl/shell/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/ctl.h"

/* A hostile name would run its escape codes when it is shown; and nobody can type it. */
static bool can_be_typed(const char *text, size_t len)
{
    char *clean = text_clean(text, len);
    bool same = strlen(clean) == len && memcmp(clean, text, len) == 0;

    free(clean);
    return same && len > 0;
}

void candidates_try(struct candidates *candidates, const char *text, size_t len)
{
    size_t typed = strlen(candidates->typed);

    if (len < typed || memcmp(text, candidates->typed, typed) != 0 || !can_be_typed(text, len))
        return;
    if (candidates->count == candidates->capacity) {
        candidates->capacity = 2 * candidates->capacity + 64;
        candidates->text =
            must_grow(candidates->text, candidates->capacity, sizeof(*candidates->text));
    }
    candidates->text[candidates->count++] = text_format("%.*s", (int)len, text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void candidates_sort(struct candidates *candidates)
{
    size_t kept = 0;

    if (candidates->count == 0)
        return;
    qsort(candidates->text, candidates->count, sizeof(*candidates->text), by_text);
    for (size_t i = 1; i < candidates->count; i++) {
        if (strcmp(candidates->text[i], candidates->text[kept]) == 0)
            free(candidates->text[i]);
        else
            candidates->text[++kept] = candidates->text[i];
    }
    candidates->count = kept + 1;
}

size_t candidates_common(const struct candidates *candidates)
{
    const char *first = candidates->text[0];
    size_t common = strlen(first);

    for (size_t i = 1; i < candidates->count; i++) {
        size_t same = 0;
        while (same < common && candidates->text[i][same] == first[same])
            same++;
        common = same;
    }
    while (common > 0 && ((unsigned char)first[common] & 0xc0) == 0x80)
        common--;
    return common;
}

void candidates_free(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++)
        free(candidates->text[i]);
    free(candidates->text);
    candidates->text = NULL;
    candidates->count = candidates->capacity = 0;
}
