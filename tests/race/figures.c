/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts that note facts and fold them, and a thread that folds and walks: nothing but the rings
 * and the hold of the store is between them. No fact is lost, none counts twice.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/figures/figures.h"

enum { CONTEXTS = 3, FACTS = 60000, ITEMS = 500, TURN = 64 };

static struct figures *figures;
static _Atomic unsigned noting = CONTEXTS;

static void fail(const char *what)
{
    printf("race/figures: %s\n", what);
    exit(1);
}

static void *note_all(void *argument)
{
    unsigned ctx = (unsigned)(uintptr_t)argument;
    for (uint32_t i = 0; i < FACTS; i++) {
        struct fact fact = { .item = i * 7 % ITEMS,
                             .location = (uint16_t)ctx,
                             .hour = 480000 + i % 5,
                             .measure = MEASURE_SOLD,
                             .units = 3,
                             .count = 1 };
        while (!figures_have_room(figures, ctx))
            figures_tend(figures, ctx);
        figures_note(figures, ctx, &fact);
        if (i % TURN == 0)
            figures_tend(figures, ctx);
    }
    atomic_fetch_sub_explicit(&noting, 1, memory_order_relaxed); /* orders nothing */
    return NULL;
}

/* Units so far; of a fact, three for each count. */
static uint64_t walk(void)
{
    struct figures_walk walk;
    uint64_t units = 0, count = 0;
    figures_walk_start(figures, &walk);
    while (figures_walk_next(figures, &walk)) {
        units += walk.fact.units;
        count += walk.fact.count;
    }
    if (units != 3 * count)
        fail("half a fact was read");
    return units;
}

int main(void)
{
    pthread_t threads[CONTEXTS];
    uint64_t units = 0;
    figures = figures_create(FIGURES_LEAST, CONTEXTS);
    if (!figures)
        fail("no memory");
    for (uintptr_t i = 0; i < CONTEXTS; i++)
        if (pthread_create(&threads[i], NULL, note_all, (void *)i) != 0)
            fail("no thread");
    while (atomic_load_explicit(&noting, memory_order_relaxed) > 0) {
        figures_hold(figures);
        uint64_t now = walk(); /* without folding: the contexts do that */
        figures_put(figures);
        if (now < units)
            fail("units went away");
        units = now;
    }
    for (unsigned i = 0; i < CONTEXTS; i++)
        pthread_join(threads[i], NULL);
    figures_hold(figures);
    figures_fold_all(figures);
    units = walk();
    figures_put(figures);
    if (units != UINT64_C(3) * FACTS * CONTEXTS)
        fail("facts were lost, or counted twice");
    figures_destroy(figures);
    printf("race/figures: %llu units\n", (unsigned long long)units);
    return 0;
}
