/* SPDX-License-Identifier: Apache-2.0 */
/* The rings of facts, and who holds the store. */
#include "engine/figures/figures.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/figures/figures_inside.h"

_Static_assert((FIGURES_RING & (FIGURES_RING - 1)) == 0, "positions in a ring are masked");
_Static_assert((int)FIGURES_HEADROOM > 5 * (int)DRAWS_MAX, "a step notes at most five per draw");

enum {
    AHEAD = 12,       /* facts: memory latency is what folding costs */
    UNITS_SHIFT = 11, /* room for the channels, and for none */
};

static const size_t ring_bytes = FIGURES_RING * sizeof(struct fact);
static const size_t units_bytes = ((size_t)MEASURES << UNITS_SHIFT) * sizeof(uint64_t);

static bool ring_init(struct fact_ring *ring)
{
    ring->facts = memory_reserve(ring_bytes);
    ring->units = memory_reserve(units_bytes);
    return ring->facts && ring->units;
}

static void ring_destroy(struct fact_ring *ring)
{
    memory_release(ring->facts, ring_bytes);
    memory_release((void *)ring->units, units_bytes);
}

struct figures *figures_create(size_t memory, unsigned contexts)
{
    assert(contexts <= CONTEXTS_MAX);
    struct figures *figures = memory_reserve(sizeof *figures);
    if (!figures)
        return NULL;
    figures->context_count = contexts;
    bool good = store_init(&figures->store, memory) == 0;
    for (unsigned i = 0; i < contexts; i++)
        good = ring_init(&figures->rings[i]) && good;
    if (ring_init(&figures->rings[FIGURES_CROSSINGS]) && good)
        return figures;
    figures_destroy(figures);
    return NULL;
}

void figures_destroy(struct figures *figures)
{
    if (!figures)
        return;
    for (unsigned i = 0; i < figures->context_count; i++)
        ring_destroy(&figures->rings[i]);
    ring_destroy(&figures->rings[FIGURES_CROSSINGS]);
    store_destroy(&figures->store);
    memory_release(figures, sizeof *figures);
}

/* ---- a context ---- */

static uint64_t waiting(const struct fact_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* its own */
    return head - atomic_load_explicit(&ring->tail, memory_order_acquire);   /* G1 */
}

bool figures_have_room(const struct figures *figures, unsigned ctx)
{
    return !figures || waiting(&figures->rings[ctx]) <= FIGURES_RING - FIGURES_HEADROOM;
}

_Static_assert((FACT_NO_CODE & ((1 << UNITS_SHIFT) - 1)) >= CHANNELS_MAX, "no channel's place");

static _Atomic uint64_t *units_of(const struct fact_ring *ring, unsigned measure, uint16_t channel)
{
    return &ring->units[measure << UNITS_SHIFT | (channel & ((1u << UNITS_SHIFT) - 1))];
}

uint64_t figures_units(const struct figures *figures, enum measure measure, uint16_t channel)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < figures->context_count; i++)
        sum += atomic_load_explicit(units_of(&figures->rings[i], measure, channel),
                                    memory_order_relaxed);
    return sum;
}

void figures_note(struct figures *figures, unsigned ctx, const struct fact *fact)
{
    if (!figures || fact->hour >= FIGURES_HOURS_MAX)
        return;
    struct fact_ring *ring = &figures->rings[ctx];
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    assert(fact->measure > MEASURE_NONE && fact->measure < MEASURES);
    assert(waiting(ring) < FIGURES_RING); /* figures_have_room was asked */
    ring->facts[head % FIGURES_RING] = *fact;
    _Atomic uint64_t *units = units_of(ring, fact->measure, fact->channel);
    uint64_t noted = atomic_load_explicit(units, memory_order_relaxed);
    atomic_store_explicit(units, noted + fact->units, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release); /* G1 */
}

static const struct fact *fact_at(const struct fact_ring *ring, uint64_t position)
{
    return &ring->facts[position % FIGURES_RING];
}

/* Folds at most that many. Returns how many there were. The caller holds the store. */
static uint64_t fold(struct figures *figures, unsigned ctx, uint64_t most)
{
    struct fact_ring *ring = &figures->rings[ctx];
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* the holder's */
    uint64_t count = atomic_load_explicit(&ring->head, memory_order_acquire) - tail; /* G1 */
    assert(count <= FIGURES_RING);
    if (count > most)
        count = most;
    for (uint64_t i = 0; i < count + 2 * AHEAD; i++) {
        if (i < count)
            store_prefetch(&figures->store, fact_at(ring, tail + i), 0);
        if (i >= AHEAD && i < count + AHEAD)
            store_prefetch(&figures->store, fact_at(ring, tail + i - AHEAD), 1);
        if (i >= 2 * AHEAD)
            store_add(&figures->store, fact_at(ring, tail + i - 2 * AHEAD));
        if (i % FIGURES_FOLD_LEAST == FIGURES_FOLD_LEAST - 1)
            store_tidy(&figures->store);
    }
    store_tidy(&figures->store);
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release); /* G1 */
    return count;
}

void figures_tend(struct figures *figures, unsigned ctx)
{
    uint64_t count = figures ? waiting(&figures->rings[ctx]) : 0;
    if (count < FIGURES_FOLD_FROM || !figures_try_hold(figures))
        return;
    if (ctx != FIGURES_CROSSINGS || !figures->crossings_kept_back) /* G4 */
        fold(figures, ctx, FIGURES_FOLD_LEAST + (count - FIGURES_FOLD_FROM) / FIGURES_FOLD_SHARE);
    figures_put(figures);
}

void figures_replaying(struct figures *figures)
{
    if (!figures || (waiting(&figures->rings[0]) < FIGURES_FOLD_FROM &&
                     waiting(&figures->rings[FIGURES_CROSSINGS]) < FIGURES_FOLD_FROM))
        return;
    figures_hold(figures);
    figures_fold_all(figures);
    figures_put(figures);
}

/* ---- the holder ---- */

bool figures_try_hold(struct figures *figures)
{
    return !atomic_load_explicit(&figures->held, memory_order_relaxed) &&
           !atomic_exchange_explicit(&figures->held, true, memory_order_acquire); /* G2 */
}

void figures_hold(struct figures *figures)
{
    while (!figures_try_hold(figures))
        sched_yield();
}

void figures_put(struct figures *figures)
{
    const struct store *s = &figures->store;
    assert(atomic_load_explicit(&figures->held, memory_order_relaxed)); /* G2 */
    atomic_store_explicit(&figures->shown_facts, s->facts, memory_order_relaxed);
    atomic_store_explicit(&figures->shown_detail_from, s->extent.detail_from, memory_order_relaxed);
    atomic_store_explicit(&figures->shown_whole_from, s->extent.whole_from, memory_order_relaxed);
    atomic_store_explicit(&figures->held, false, memory_order_release); /* G2 */
}

void figures_fold_all(struct figures *figures)
{
    for (unsigned i = 0; i < figures->context_count; i++)
        fold(figures, i, UINT64_MAX);
    if (!figures->crossings_kept_back) /* G4 */
        fold(figures, FIGURES_CROSSINGS, UINT64_MAX);
}

void figures_keep_crossings_back(struct figures *figures, bool back)
{
    assert(atomic_load_explicit(&figures->held, memory_order_relaxed)); /* G2 */
    assert(figures->crossings_kept_back != back);
    figures->crossings_kept_back = back;
}

/* ---- what it knows ---- */

struct figures_extent figures_extent(const struct figures *figures)
{
    return figures->store.extent;
}

void figures_begin(struct figures *figures, const struct figures_extent *extent)
{
    figures->store.extent = *extent;
}

void figures_add(struct figures *figures, const struct fact *fact)
{
    store_add(&figures->store, fact);
    store_tidy(&figures->store);
}

void figures_metrics(const struct figures *figures, struct figures_metrics *metrics)
{
    *metrics = (struct figures_metrics){
        .facts = atomic_load_explicit(&figures->shown_facts, memory_order_relaxed),
        .facts_max = (uint64_t)figures->store.chunk_count * CHUNK_CELLS, /* const */
        .extent = {
            .detail_from = atomic_load_explicit(&figures->shown_detail_from, memory_order_relaxed),
            .whole_from = atomic_load_explicit(&figures->shown_whole_from, memory_order_relaxed),
        },
    };
}
