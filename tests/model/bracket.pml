/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over several pools (docs/CONCURRENCY.md, engine/store/item.h): a look whose bracket was
 * stable has seen no less than was there at its last load. So a sum that is too small is a true
 * refusal.
 *
 * Two movers each hold a unit, now of one pool, now of the other; takes are plain swaps, gives are
 * bracketed by `begun` and `ended`. A reader adds up both pools.
 *
 *   -DNO_BRACKET   the reader does not check whether it was stable: refuted
 *   -DBEGUN_ONLY   it checks whether gives began meanwhile, not whether any were under way: refuted
 *   -DBEGIN_LATE   a give counts as begun only after it is swapped in: refuted
 *   -DEND_EARLY    a give counts as ended before it is swapped in: refuted
 */
#define POOLS 2

byte pool[POOLS] = 1;
byte begun = 0;
byte ended = 0;

inline give(p)
{
#ifdef BEGIN_LATE
    pool[p]++; begun++; ended++
#else
#ifdef END_EARLY
    begun++; ended++; pool[p]++
#else
    begun++; pool[p]++; ended++
#endif
#endif
}

/* Twice: takes a unit if there is one, and gives it back. */
proctype mover(byte first)
{
    byte at = first;
    byte round = 0;
    bool got;
    do
    :: round < 2 ->
        atomic { if :: pool[at] > 0 -> pool[at]--; got = true :: else -> got = false fi };
        if :: got -> give(at) :: else fi;
        at = (at + 1) % POOLS;
        round++
    :: else -> break
    od
}

proctype reader()
{
    byte stamp, over, first, last, there;
    bool stable;
    over = ended;
    stamp = begun;
    stable = (over == stamp);
#ifdef BEGUN_ONLY
    stable = true;
#endif
    first = pool[0];
    atomic { last = pool[1]; there = pool[0] + pool[1] };
    stable = stable && (begun == stamp);
#ifdef NO_BRACKET
    stable = true;
#endif
    assert(!stable || there <= first + last)
}

init { atomic { run mover(0); run mover(1); run reader() } }
