/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/figures.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = MIRROR_ERROR_MAX / 8, READS = 4 };

void figures_error(struct mirror_figures *figures, const char *text, uint64_t wall_ms)
{
    uint64_t words[WORDS] = { 0 };
    snprintf((char *)words, sizeof words, "%s", text);
    uint64_t turn = atomic_load_explicit(&figures->turn, memory_order_relaxed);
    figure_set(&figures->turn, turn + 1);
    /* Release on each word: a thread that reads a new word reads the odd turn, or a later one,
     * after it. */
    for (unsigned i = 0; i < WORDS; i++)
        atomic_store_explicit(&figures->error[i], words[i], memory_order_release);
    atomic_store_explicit(&figures->turn, turn + 2, memory_order_release);
    figure_set(&figures->error_ms, wall_ms);
}

void figures_copy_error(const struct mirror_figures *figures, char text[MIRROR_ERROR_MAX])
{
    uint64_t words[WORDS];
    for (unsigned tries = 0; tries < READS; tries++) {
        uint64_t before = atomic_load_explicit(&figures->turn, memory_order_acquire);
        for (unsigned i = 0; i < WORDS; i++)
            words[i] = atomic_load_explicit(&figures->error[i], memory_order_acquire);
        uint64_t after = atomic_load_explicit(&figures->turn, memory_order_relaxed);
        if (before == after && before % 2 == 0) {
            memcpy(text, words, sizeof words);
            return;
        }
    }
    text[0] = '\0';
}
