/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox of a wheel (engine/store/wheel.h): a thread that shortens the hold of another thread
 * sends the entry to the thread in whose wheel it is linked. The slot may be reused once the hold
 * is over, unlinked, and no longer `in_inbox`; the reader of the inbox must never touch what the
 * slot then holds.
 *
 * One hold. A shortener sends it. The owner expires it when it meets it, and reads its inbox; a
 * busy entry goes back. A query takes the entry for a moment. A reuser makes it a block of draws,
 * which stays owned.
 *
 *   -DCLEAR_FIRST   `in_inbox` is cleared before the entry is taken: refuted
 *   -DFORGOTTEN     a busy entry is dropped: refuted
 */
bool busy = false, over = false, linked = true, in_inbox = false, inbox = false, draws = false;
byte reads = 0, sent = 0, gone = 0;

#define TRY atomic { if :: !busy -> busy = true; got = true :: else -> got = false fi }

proctype shortener()
{
    bool got;
    TRY;
    if
    :: got ->
        if
        :: !draws && !over && !in_inbox -> in_inbox = true; sent++; inbox = true
        :: else
        fi;
        busy = false
    :: else
    fi;
    gone++
}

proctype query()
{
    bool got;
    TRY;
    if :: got -> busy = false :: else fi;
    gone++
}

inline expire()
{
    TRY;
    if
    :: got && !over -> over = true; linked = false; busy = false
    :: got && over -> busy = false
    :: else
    fi
}

inline read_inbox()
{
    inbox = false;
#ifdef CLEAR_FIRST
    in_inbox = false;
#endif
    TRY;
    if
    :: got -> assert(!draws); in_inbox = false; reads++; busy = false
    :: else ->
#ifdef FORGOTTEN
        skip
#else
        assert(!draws); /* its link is written */
        in_inbox = true;
        inbox = true
#endif
    fi
}

proctype owner()
{
    bool got;
    do
    :: !over -> expire()
    :: inbox -> read_inbox()
    :: over && !inbox && gone == 2 -> break
    od;
    assert(reads == sent)
}

proctype reuser()
{
    bool got;
    do
    :: draws -> break
    :: else ->
        TRY;
        if
        :: got && over && !linked && !in_inbox -> draws = true
        :: got && !(over && !linked && !in_inbox) -> busy = false
        :: else
        fi
    od
}

init {
    atomic { run owner(); run shortener(); run query(); run reuser() };
    (_nr_pr == 1);
    assert(draws)
}
