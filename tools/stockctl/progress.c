/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - a bar on standard error, drawn only if that is a terminal, ten times a second.
 *
 * It is erased before any other output, and when the program ends, even by a signal.
 */
#include "tools/stockctl/ctl.h"

#include <signal.h>
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

#define CLEAR "\r\x1b[K"

static volatile sig_atomic_t on_screen; /* written here only; read by the handler */

static void clear_and_end(int signal)
{
    if (on_screen)
        (void)!write(STDERR_FILENO, CLEAR, sizeof(CLEAR) - 1);
    raise(signal); /* the handler was reset, so this ends the program */
}

static void end_cleanly_on(int signal)
{
    const struct sigaction action = { .sa_handler = clear_and_end, .sa_flags = SA_RESETHAND };
    struct sigaction before;

    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(signal, &action, NULL); /* the parent may have it ignored */
}

void progress_start(struct progress *progress, const char *label, size_t total)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    *progress = (struct progress){ .label = label, .total = total };
    progress->next_ms = terminal && label != NULL && total > 0 ? clock_ms() : 0;
    if (progress->next_ms == 0)
        return;
    end_cleanly_on(SIGINT);
    end_cleanly_on(SIGTERM);
}

static void draw(const struct progress *progress, size_t done)
{
    char bar[BAR_WIDTH + 1];
    size_t full = done >= progress->total ? BAR_WIDTH : done * BAR_WIDTH / progress->total;

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    on_screen = 1;
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
    if (progress->next_ms == 0 || !on_screen)
        return;
    fputs(CLEAR, stderr);
    on_screen = 0;
}
