/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A combining lock admits one thread and makes none wait. A thread that is turned away leaves a
 * note by the attempt itself; the thread inside looks again if it finds a note on its way out. So
 * work that existed before an attempt is seen by the thread that tried or by the one inside: it is
 * never missed.
 *
 *     if (combining_lock_enter(&lock))
 *         do
 *             look for work;
 *         while (!combining_lock_leave(&lock));
 *
 * G1  Every step is a read-modify-write of one word, acquire and release. Of two such steps, the
 *     later one sees all that happened before the earlier one: the reader of a note sees the work
 *     that it announces, and a thread that enters sees what the previous one left.
 * A plain load instead of combining_lock_enter's attempt would break G1: it leaves no note.
 */
#ifndef STOCKD_PERSISTENCE_COMBINING_LOCK_H
#define STOCKD_PERSISTENCE_COMBINING_LOCK_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { COMBINING_OPEN = 0, COMBINING_TAKEN = 1, COMBINING_NOTED = 2 };

struct combining_lock {
    _Atomic unsigned word; /* every thread; acq_rel (G1) */
};

/* True: the caller is inside. False: another thread is, and will look again. */
static inline bool combining_lock_enter(struct combining_lock *lock)
{
    unsigned old = atomic_fetch_or_explicit(&lock->word, COMBINING_TAKEN | COMBINING_NOTED,
                                            memory_order_acq_rel);
    if (old & COMBINING_TAKEN)
        return false;
    atomic_fetch_and_explicit(&lock->word, ~(unsigned)COMBINING_NOTED, memory_order_acq_rel);
    return true;
}

/* False: a note was found and taken; still inside, look again. */
static inline bool combining_lock_leave(struct combining_lock *lock)
{
    unsigned taken = COMBINING_TAKEN;
    if (atomic_compare_exchange_strong_explicit(&lock->word, &taken, COMBINING_OPEN,
                                                memory_order_acq_rel, memory_order_acquire))
        return true;
    assert(taken == (COMBINING_TAKEN | COMBINING_NOTED));
    atomic_fetch_and_explicit(&lock->word, ~(unsigned)COMBINING_NOTED, memory_order_acq_rel);
    return false;
}

/* Leaves even if there is a note: only for a thread that is sure to enter again. */
static inline void combining_lock_leave_for_now(struct combining_lock *lock)
{
    unsigned old = atomic_exchange_explicit(&lock->word, COMBINING_OPEN, memory_order_acq_rel);
    assert(old & COMBINING_TAKEN);
    (void)old;
}

#endif
