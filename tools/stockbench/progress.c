/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/stockbench/result.h"

enum { EVERY_NS = 250000000 };

void progress_begin(struct progress *progress, size_t run, size_t runs)
{
    *progress = (struct progress){
        .on = isatty(STDERR_FILENO) == 1, .run = run, .runs = runs, .last_time = result_now()
    };
}

void progress_tick(struct progress *progress, const char *phase, uint64_t messages, uint64_t now)
{
    if (!progress->on || now - progress->last_time < EVERY_NS)
        return;
    double seconds = (double)(now - progress->last_time) / 1e9;
    double rate = (double)(messages - progress->last_messages) / seconds;

    fprintf(stderr, "\rrun %zu of %zu, %s: %.0f/s\033[K", progress->run + 1, progress->runs, phase,
            rate);
    progress->last_time = now;
    progress->last_messages = messages;
}

void progress_end(struct progress *progress)
{
    if (progress->on)
        fprintf(stderr, "\r\033[K");
}
