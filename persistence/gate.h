/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gate lets one thread in and makes none wait. A thread that is turned away leaves a note by the
 * attempt itself; the thread inside that finds a note on the way out goes round again. So work that
 * was there before an attempt is seen by the one who tried or by the one inside: it is never left
 * lying.
 *
 *     if (gate_enter(&gate))
 *         do
 *             look for work;
 *         while (!gate_leave(&gate));
 *
 * G1  Every step is a read-modify-write of one word, acquire and release. Of two of them the later
 *     one sees all that happened before the earlier one: a note's reader sees the work it is about,
 *     and whoever enters sees what the one before left.
 * A plain load in place of gate_enter's attempt would break G1: it leaves no note.
 */
#ifndef STOCKD_PERSISTENCE_GATE_H
#define STOCKD_PERSISTENCE_GATE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { GATE_OPEN = 0, GATE_TAKEN = 1, GATE_NOTED = 2 };

struct gate {
    _Atomic unsigned word; /* every thread; acq_rel (G1) */
};

/* True: the caller is inside. False: somebody else is, and will look again. */
static inline bool gate_enter(struct gate *gate)
{
    unsigned old =
        atomic_fetch_or_explicit(&gate->word, GATE_TAKEN | GATE_NOTED, memory_order_acq_rel);
    if (old & GATE_TAKEN)
        return false;
    atomic_fetch_and_explicit(&gate->word, ~(unsigned)GATE_NOTED, memory_order_acq_rel);
    return true;
}

/* False: a note was found and taken; still inside, look again. */
static inline bool gate_leave(struct gate *gate)
{
    unsigned taken = GATE_TAKEN;
    if (atomic_compare_exchange_strong_explicit(&gate->word, &taken, GATE_OPEN,
                                                memory_order_acq_rel, memory_order_acquire))
        return true;
    assert(taken == (GATE_TAKEN | GATE_NOTED));
    atomic_fetch_and_explicit(&gate->word, ~(unsigned)GATE_NOTED, memory_order_acq_rel);
    return false;
}

/* Leaves whatever the notes say: only for a thread that is sure to enter again. */
static inline void gate_leave_for_now(struct gate *gate)
{
    unsigned old = atomic_exchange_explicit(&gate->word, GATE_OPEN, memory_order_acq_rel);
    assert(old & GATE_TAKEN);
    (void)old;
}

#endif
