/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules T and G (docs/CONCURRENCY.md): no prefix of the log ever promises a unit twice.
 *
 * One pool starts empty. Receivers give a unit: they claim a place in the log, then apply. Buyers
 * take a unit if there is one: they apply, then claim; one of them gives it back later. A crash may
 * come at any moment: any published prefix may survive, and the auditor walks all of them, at any
 * time, in any interleaving.
 *
 *   -DTAKE_CLAIMS_FIRST   a buyer claims before it applies: refuted
 *   -DGIVE_APPLIES_FIRST  a receiver applies before it claims: refuted
 */
#define PLACES 8

byte tail = 0;             /* the log: claimed places */
bool published[PLACES];
short change[PLACES];      /* of what is available */
short available = 0;       /* the pool */

inline claim(place) { atomic { place = tail; tail++ } }
inline publish(place, by) { change[place] = by; published[place] = true }
inline take(got) { atomic { if :: available > 0 -> available--; got = true :: else -> got = false fi } }

proctype receiver()
{
    byte place;
#ifdef GIVE_APPLIES_FIRST
    available++;
    claim(place);
#else
    claim(place);
    available++;
#endif
    publish(place, 1)
}

proctype buyer(bool gives_back)
{
    byte place;
    bool got;
#ifdef TAKE_CLAIMS_FIRST
    claim(place);
    take(got);
    if
    :: got -> publish(place, -1)
    :: else -> publish(place, 0)
    fi;
#else
    take(got);
    if
    :: got -> claim(place); publish(place, -1)
    :: else
    fi;
#endif
    if
    :: got && gives_back ->
        claim(place);
        available++;
        publish(place, 1)
    :: else
    fi
}

/* Recovers from the prefix that is published when it looks. */
proctype auditor()
{
    byte place = 0;
    short recovered = 0;
    do
    :: place < PLACES && published[place] ->
        recovered = recovered + change[place];
        assert(recovered >= 0);
        place++
    :: else -> break
    od
}

init {
    atomic {
        run receiver(); run receiver();
        run buyer(true); run buyer(false); run buyer(false);
        run auditor()
    }
}
