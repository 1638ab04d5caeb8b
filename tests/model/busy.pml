/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule O (docs/CONCURRENCY.md): an object shows a state only after the change has claimed its place
 * in the log; a thread that meets it busy is deferred. So a log prefix has each reservation's
 * changes in order, and two threads that want to end it never both do.
 *
 * One thread makes a reservation, a second confirms it, a third cancels it, and expiry ends it if
 * it is still held. All may be deferred any number of times.
 *
 *   -DSHOW_FIRST    a change is shown before its place is claimed: refuted
 *   -DNO_BUSY       the object is not busy while it changes: refuted
 */
#define PLACES 6

mtype = { none, held, confirmed, cancelled, expired };

byte tail = 0;
mtype logged[PLACES];
mtype state = none;
bool busy = false;
byte reserved = 0;         /* of the pool: one unit */
byte returned = 0;

inline claim(place) { atomic { place = tail; tail++ } }

#ifdef NO_BUSY
#define TAKE(condition, next) (condition) -> skip
#define PUT skip
#else
#define TAKE(condition, next) atomic { !busy && (condition) -> busy = true }
#define PUT busy = false
#endif

/* Goes from one of the states that `may` allows to `to`; gives the unit back if that is final. */
inline change_to(to, gives)
{
#ifdef SHOW_FIRST
    state = to; PUT;
    claim(place); logged[place] = to;
    if :: gives -> reserved--; returned++ :: else fi
#else
    claim(place); logged[place] = to;
    if :: gives -> reserved--; returned++ :: else fi;
    state = to; PUT
#endif
}

proctype maker()
{
    byte place;
    TAKE(state == none, held);
    reserved++;
    change_to(held, false)
}

proctype confirmer()
{
    byte place;
    do
    :: TAKE(state == held, confirmed) -> change_to(confirmed, false); break
    :: atomic { !busy && state != held && state != none -> break }
    od
}

proctype canceller()
{
    byte place;
    do
    :: TAKE(state == held || state == confirmed, cancelled) -> change_to(cancelled, true); break
    :: atomic { !busy && (state == cancelled || state == expired) -> break }
    od
}

proctype clock()
{
    byte place;
    do
    :: TAKE(state == held, expired) -> change_to(expired, true); break
    :: atomic { !busy && state != held && state != none -> break }
    od
}

/* Replay: each record must fit the result of the records before it. */
proctype follower()
{
    byte place = 0;
    mtype was = none;
    do
    :: place < PLACES && logged[place] != 0 ->
        if
        :: logged[place] == held -> assert(was == none)
        :: logged[place] == confirmed -> assert(was == held)
        :: logged[place] == cancelled -> assert(was == held || was == confirmed)
        :: logged[place] == expired -> assert(was == held)
        fi;
        was = logged[place];
        place++
    :: else -> break
    od
}

init {
    atomic { run maker(); run confirmer(); run canceller(); run clock(); run follower() }
    (_nr_pr == 1);
    assert(returned <= 1);
    assert(reserved + returned == 1)
}
