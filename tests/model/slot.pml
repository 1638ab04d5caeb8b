/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the id table (docs/CONCURRENCY.md): a slot whose reservation is over gets a new id. A
 * thread that found it by the old id, and takes it only later, must not act on the new one.
 *
 * Id A lives in the slot and is cancelled by two threads at once. Once A is over, a third thread
 * takes the slot, removes A from the index, and makes B in it, which no thread cancels.
 *
 *   -DNO_SECOND_LOOK   the thread that takes the slot does not read the id again: refuted
 *   -DREUSE_UNOWNED    the slot is reused without being taken: refuted
 *   -DREUSE_LIVE       the slot is reused whether A is over or not: refuted
 */
#define A 1
#define B 2

mtype = { held, cancelled };

byte id = A;
mtype state = held;
bool busy = false;
bool indexed[3];
byte cancels[3];
bool made = false;

inline take() { atomic { !busy -> busy = true } }
inline put() { busy = false }

proctype canceller()
{
    bool found;
    found = indexed[A];
    if
    :: found ->
        take();
#ifdef NO_SECOND_LOOK
        if
        :: state == held ->
#else
        if
        :: id == A && state == held ->
#endif
            cancels[id]++;
            state = cancelled
        :: else
        fi;
        put()
    :: else
    fi
}

proctype reuser()
{
    bool over = false;
    do
    :: over -> break
    :: else ->
#ifndef REUSE_UNOWNED
        take();
#endif
#ifdef REUSE_LIVE
        over = true;
#else
        over = (state == cancelled);
#endif
        if
        :: over ->
            indexed[A] = false;
            if /* it is owned, so the order does not matter */
            :: id = B; state = held
            :: state = held; id = B
            fi;
            indexed[B] = true;
            made = true
        :: else
        fi;
#ifndef REUSE_UNOWNED
        put()
#endif
    od
}

init {
    atomic { indexed[A] = true; run canceller(); run canceller(); run reuser() };
    (_nr_pr == 1);
    assert(made && cancels[A] == 1 && cancels[B] == 0 && state == held)
}
