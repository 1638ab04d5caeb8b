/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mailbox of a wheel (engine/store/wheel.h): a seat that shortens another seat's hold mails the entry
 * to the seat in whose wheel it is linked. The slot may be reused once the hold is over, unlinked,
 * and no longer `mailed`; what reads the mail must never touch what then stands there.
 *
 * One hold. A shortener mails it. The owner expires it when it meets it, and reads its mail; a letter
 * that is busy goes back. A question takes the entry for a moment. A reuser makes it a block of
 * draws, which stays owned.
 *
 *   -DCLEAR_FIRST   `mailed` is cleared before the entry is taken: refuted
 *   -DFORGOTTEN     a letter that is busy is dropped: refuted
 */
bool busy = false, over = false, linked = true, mailed = false, inbox = false, draws = false;
byte reads = 0, mails = 0, gone = 0;

#define TRY atomic { if :: !busy -> busy = true; got = true :: else -> got = false fi }

proctype shortener()
{
    bool got;
    TRY;
    if
    :: got ->
        if
        :: !draws && !over && !mailed -> mailed = true; mails++; inbox = true
        :: else
        fi;
        busy = false
    :: else
    fi;
    gone++
}

proctype question()
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

inline read_mail()
{
    inbox = false;
#ifdef CLEAR_FIRST
    mailed = false;
#endif
    TRY;
    if
    :: got -> assert(!draws); mailed = false; reads++; busy = false
    :: else ->
#ifdef FORGOTTEN
        skip
#else
        assert(!draws); /* its link is written */
        mailed = true;
        inbox = true
#endif
    fi
}

proctype owner()
{
    bool got;
    do
    :: !over -> expire()
    :: inbox -> read_mail()
    :: over && !inbox && gone == 2 -> break
    od;
    assert(reads == mails)
}

proctype reuser()
{
    bool got;
    do
    :: draws -> break
    :: else ->
        TRY;
        if
        :: got && over && !linked && !mailed -> draws = true
        :: got && !(over && !linked && !mailed) -> busy = false
        :: else
        fi
    od
}

init {
    atomic { run owner(); run shortener(); run question(); run reuser() };
    (_nr_pr == 1);
    assert(draws)
}
