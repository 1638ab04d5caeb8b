/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c - a bar on standard error, drawn only if that is a terminal, ten times a second. */
#include "tools/stockctl/ctl.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define DRAW_EVERY_MS 100

uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_start(struct progress *progress, const char *label, size_t total)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    *progress = (struct progress){ .label = label, .total = total };
    progress->next_ms = terminal && label != NULL && total > 0 ? clock_ms() : 0;
}

static void draw(const struct progress *progress, size_t done)
{
    char bar[BAR_WIDTH + 1];
    size_t full = done >= progress->total ? BAR_WIDTH : done * BAR_WIDTH / progress->total;

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %zu/%zu\x1b[K", progress->label, bar, done, progress->total);
}

void progress_show(struct progress *progress, size_t done)
{
    if (progress->next_ms == 0)
        return;
    uint64_t now = clock_ms();
    if (now < progress->next_ms)
        return;
    progress->next_ms = now + DRAW_EVERY_MS;
    draw(progress, done);
}

void progress_clear(const struct progress *progress)
{
    if (progress->next_ms != 0)
        fputs("\r\x1b[K", stderr);
}
