/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the mirror's thread tells others about itself. It alone writes, with one exception; any
 * thread reads. The numbers are relaxed: nothing is concluded from one about another. The text of
 * the last error is a sequence lock: `turn` is odd while it is being written.
 *
 * The exception is `state`: while it is FENCED the mirror's thread waits and leaves it alone, and
 * any thread may move it to CONNECTING by compare-and-swap (mirror_take). So a request to take the
 * fence exists only as the end of FENCED: it cannot come twice, or be left over. It carries nothing
 * else, so it is relaxed too.
 */
#ifndef STOCKD_MIRROR_FIGURES_H
#define STOCKD_MIRROR_FIGURES_H

#include <stdatomic.h>
#include <stdint.h>

#include "mirror/mirror.h"

#define MIRROR_FIGURES(X)                                                                          \
    X(state)                                                                                       \
    X(lsn)                                                                                         \
    X(as_of_ms)                                                                                    \
    X(dirty)                                                                                       \
    X(commands)                                                                                    \
    X(commands_per_s)                                                                              \
    X(batches)                                                                                     \
    X(batch_items)                                                                                 \
    X(round_trip_us)                                                                               \
    X(items_sent)                                                                                  \
    X(resyncs)                                                                                     \
    X(repaired)                                                                                    \
    X(strays)                                                                                      \
    X(connections) X(failures) X(fence_connection) X(fence_batch) X(error_ms)

struct mirror_figures {
#define X(name) _Atomic uint64_t name;
    _Alignas(64) MIRROR_FIGURES(X)
#undef X
        _Atomic uint64_t turn;
    _Atomic uint64_t error[MIRROR_ERROR_MAX / 8];
};

_Static_assert(MIRROR_ERROR_MAX % 8 == 0, "whole words");

/* The mirror's thread. */
static inline void figure_set(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

static inline void figure_more(_Atomic uint64_t *figure, uint64_t amount)
{
    figure_set(figure, atomic_load_explicit(figure, memory_order_relaxed) + amount);
}

void figures_error(struct mirror_figures *figures, const char *text, uint64_t wall_ms);

/* Any thread: a copy of the last error's text; "" if it is being written just now. */
void figures_copy_error(const struct mirror_figures *figures, char text[MIRROR_ERROR_MAX]);

#endif
