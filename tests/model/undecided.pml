/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders over several pools (docs/CONCURRENCY.md): no order is refused because of an order that
 * itself fails, and no undo is lost.
 *
 * Pool A has UNITS units, pool B none. Two doomed orders want one unit of A and one of B: they must
 * always fail. UNITS single orders want one unit of A each: all of them must succeed, however the
 * doomed ones come and go. A deferred order retries.
 *
 *   -DNO_UNDECIDED    an order that finds too little refuses, whatever is undecided: refuted
 *   -DLOST_UNDO     undoing forgets the stock: refuted
 *   -DMARK_LATER    a take becomes undecided after its swap, not in the same swap: refuted
 */
#define UNITS 2
#define DOOMED 2

byte a = UNITS;      /* available in A */
byte a_undecided = 0;
byte b = 0;
byte sold = 0;
byte over = 0;

proctype doomed()
{
    bool got = false;
#ifdef MARK_LATER
    atomic { if :: a > 0 -> a--; got = true :: else fi };
    if :: got -> a_undecided++ :: else fi;
#else
    atomic { if :: a > 0 -> a--; a_undecided++; got = true :: else fi };
#endif
    if
    :: got ->
        /* B is short and nothing is undecided there: the order fails and undoes its take. */
        assert(b == 0);
#ifdef LOST_UNDO
        a_undecided--
#else
        atomic { a++; a_undecided-- }
#endif
    :: else
    fi;
    over++
}

proctype single()
{
again:
    atomic {
        if
        :: a > 0 -> a--; sold++; goto done
#ifdef NO_UNDECIDED
        :: a == 0 -> goto refused
#else
        :: a == 0 && a_undecided > 0 -> skip    /* undecided: deferred */
        :: a == 0 && a_undecided == 0 -> goto refused
#endif
        fi
    };
    /* deferred: others run before it tries again */
    (a > 0 || a_undecided == 0);
    goto again;
refused:
    assert(false);    /* there were as many units as single orders */
done:
    over++
}

init {
    atomic {
        run doomed(); run doomed();
        run single(); run single()
    }
    (over == DOOMED + UNITS);
    assert(sold == UNITS);
    assert(a == 0 && a_undecided == 0)
}
