/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of protocol/worker.h: a worker whose replies wait for the journal may sleep, and is
 * woken when the journal has moved; it never sleeps through the last move.
 *
 * The worker sets its word to say that it waits, looks once more, and sleeps if nothing has moved.
 * The other thread moves the journal and then clears the worker's word; if it was set, it wakes the
 * worker. A sleeper that no thread will wake is an invalid end state.
 *
 *   -DLOOK_FIRST   the worker looks before it says that it waits: refuted
 *   -DTELL_FIRST   the other clears the word before it moves the journal: refuted
 *   -DNO_WORD      the worker sleeps without saying so: refuted
 */
#define MOVES 3

byte acknowledged = 0;
bool waiting = false;
chan ring = [MOVES] of { bit };

/* Its reply waits for the last move. */
proctype worker()
{
    byte seen = 0;
    bool moved;
    do
    :: seen == MOVES -> break
    :: else ->
#ifdef LOOK_FIRST
        moved = (acknowledged != seen);
        waiting = true;
#else
#ifndef NO_WORD
        waiting = true;
#endif
        moved = (acknowledged != seen);
#endif
        if
        :: moved
        :: else -> ring?1    /* sleeps */
        fi;
        waiting = false;
        seen = acknowledged;
        do :: ring?[1] -> ring?1 :: else -> break od
    od
}

proctype mover()
{
    byte moves = 0;
    bool up;
    do
    :: moves < MOVES ->
#ifdef TELL_FIRST
        atomic { up = waiting; waiting = false };
        acknowledged++;
#else
        acknowledged++;
        atomic { up = waiting; waiting = false };
#endif
        if :: up -> ring!1 :: else fi;
        moves++
    :: else -> break
    od
}

init { atomic { run worker(); run mover() } }
