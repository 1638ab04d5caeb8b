/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.c - suggests the name that a mistyped one may have meant. */
#include "tools/stockctl/ctl.h"

#include <string.h>

#define NAME_MAX_LEN 40

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many characters must be added, left out, replaced, or swapped with their neighbour. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[3][NAME_MAX_LEN + 1]; /* of the prefix of a that is two shorter, one shorter, this */

    for (size_t j = 0; j <= b_len; j++)
        row[1][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[2][0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = row[1][j - 1] + (a[i - 1] != b[j - 1]);
            best = least_of(best, least_of(row[1][j], row[2][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least_of(best, row[0][j - 2] + 1);
            row[2][j] = best;
        }
        memcpy(row[0], row[1], sizeof(row[0]));
        memcpy(row[1], row[2], sizeof(row[1]));
    }
    return row[1][b_len];
}

void nearest_try(struct nearest *nearest, const char *name, size_t len)
{
    size_t typed = strlen(nearest->typed);

    if (typed > NAME_MAX_LEN || len > NAME_MAX_LEN)
        return;
    size_t away = distance(nearest->typed, typed, name, len);
    if (away > (typed + 1) / 3 || (nearest->name != NULL && away >= nearest->away))
        return;
    nearest->name = name;
    nearest->len = len;
    nearest->away = away;
}
