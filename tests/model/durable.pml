/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule A (docs/CONCURRENCY.md), with a crash at any point: what was answered is in what is recovered,
 * and what is recovered promises no unit twice.
 *
 * A receiver gives a unit and two buyers take one if it is there (rules T and G). The journal drains
 * whole published records in order, writes them, and only then moves `acknowledged`. A reply leaves
 * when its record is acknowledged. The crash comes when it likes; what had been written whole
 * is recovered, and of a write that was under way all or nothing.
 *
 *   -DANSWER_AT_PUBLISH   a reply does not wait for the journal: refuted
 *   -DACK_BEFORE_WRITE    acknowledged moves when a batch is drained: refuted
 *   -DDRAIN_THE_TAIL      the journal drains what is claimed, published or not: refuted
 */
#define PLACES 4

byte tail = 0;
bool published[PLACES];
short change[PLACES];
byte answered = 0;            /* a bit for each place */
short available = 0;
byte head = 0;                /* drained */
byte written = 0;
byte acknowledged = 0;
short disk[PLACES];
bool whole[PLACES];           /* the record was there when it was drained */
bool crashed = false;

inline claim(place) { atomic { place = tail; tail++ } }
inline publish(place, by) { atomic { change[place] = by; published[place] = true } }

inline answer(place)
{
#ifdef ANSWER_AT_PUBLISH
    atomic { answered = answered | (1 << place) }
#else
    atomic { acknowledged > place -> answered = answered | (1 << place) }
#endif
}

proctype receiver()
{
    byte place;
    { claim(place); available++; publish(place, 1); answer(place) } unless { crashed }
}

proctype buyer()
{
    byte place;
    bool got = false;
    {
        atomic { if :: available > 0 -> available--; got = true :: else fi };
        if
        :: got -> claim(place); publish(place, -1); answer(place)
        :: else
        fi
    } unless { crashed }
}

#ifdef DRAIN_THE_TAIL
#define MORE head < tail
#else
#define MORE head < PLACES && published[head]
#endif

proctype journal()
{
    {
        do
        :: atomic {
            MORE ->
            do
            :: MORE -> disk[head] = change[head]; whole[head] = published[head]; head++
            :: else -> break
            od
           };
#ifdef ACK_BEFORE_WRITE
           acknowledged = head;
#endif
           written = head;
           acknowledged = written
        od
    } unless { crashed }
}

/* The engine is gone; the next one recovers. */
proctype crash()
{
    byte end, place = 0;
    short recovered = 0;
    atomic {
        crashed = true;
        if :: end = written :: end = head fi; /* the write under way came through, or did not */
        do
        :: place < end ->
            assert(whole[place]);
            recovered = recovered + disk[place];
            assert(recovered >= 0);
            place++
        :: else -> break
        od;
        assert((answered >> end) == 0)
    }
}

init {
    atomic { run receiver(); run buyer(); run buyer(); run receiver(); run journal(); run crash() }
}
